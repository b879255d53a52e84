//! Directories, SAML, signing keys, caches, what is not built yet.

use mangrove_config::{Environment, Severity};

use crate::support::{EDGE, Mapped, check, check_with, edge, problem, signing_key, warning};

#[test]
fn directories_are_validated_whole() {
    let ldap = |keys: &str| format!("connectors:\n  - {{name: d, type: ldap, baseDN: dc=x, {keys}}}\n");
    let bind = "bindDN: cn=s, bindPassword: <vault.ldap-password>";
    problem(
        &ldap(&format!("url: ldap://dc.example.com, {bind}")),
        2,
        "connectors[0].url",
        &["in the clear", "ldaps://"],
    );
    problem(
        &ldap(&format!("url: https://dc.example.com, {bind}")),
        2,
        "connectors[0].url",
        &["not the URL of a directory"],
    );
    problem(
        &ldap("url: ldaps://dc.example.com, bindDN: cn=s"),
        2,
        "connectors[0].bindDN",
        &["without `bindPassword`"],
    );
    problem(&ldap(&format!("url: [], {bind}")), 2, "connectors[0].url", &["no server"]);
    problem(
        &ldap(&format!("url: ldaps://a, scope: subtree, {bind}")),
        2,
        "connectors[0].scope",
        &["`wholeSubtree`"],
    );
    problem(
        &ldap(&format!("url: ldaps://a, serviceAccountUsername: cn=t, {bind}")),
        2,
        "connectors[0].serviceAccountUsername",
        &["two spellings"],
    );
    problem(&ldap("url: ldaps://a"), 2, "connectors[0]", &["no service account", "userRDNKey"]);
    problem(
        &ldap(&format!("url: ldap://127.0.0.1:1389, {bind}")),
        2,
        "connectors[0].url",
        &["allowPlaintext"],
    );
    problem(&ldap(&format!("url: ldaps://u:p@a, {bind}")), 2, "connectors[0].url", &["shows in logs"]);
    problem(
        &ldap(&format!("url: ldaps://a, usernameSearchKey: 'uid=*)(cn', {bind}")),
        2,
        "connectors[0].usernameSearchKey",
        &["not the name of an attribute"],
    );
    problem(
        &ldap(&format!("url: ldaps://a, attributeMapping: {{email: 'e mail'}}, {bind}")),
        2,
        "connectors[0].attributeMapping.email",
        &["not the name of an attribute"],
    );
    let nameless =
        format!("connectors:\n  - {{name: d, type: ldap, baseDN: example.com, url: ldaps://a, {bind}}}\n");
    problem(&nameless, 2, "connectors[0].baseDN", &["not a distinguished name"]);
    check(&ldap("url: ldaps://a, userRDNKey: uid")).start().unwrap();
    for (keys, path, words) in [
        ("url: ldap://dc.example.com, allowPlaintext: true", "url", "in the clear"),
        ("url: ldaps://a, allowPlaintext: true", "allowPlaintext", "no effect"),
        ("url: 'ldaps://a/dc=x??sub'", "url", "only scheme, host and port"),
        ("url: [ldaps://a, ldaps://a]", "url[1]", "listed twice"),
        ("url: ldaps://a, usernameSearchKey: uid, userRDNKey: cn", "userRDNKey", "no effect"),
        ("url: ldaps://a, groupNameKey: cn", "groupNameKey", "groupBaseDN"),
        ("url: ldaps://a, groupBaseDN: ou=g, attributeMapping: {groups: role}", "groupBaseDN", "no effect"),
        ("url: ldaps://a, loginURL: /in", "loginURL", "no effect"),
    ] {
        warning(&ldap(&format!("{keys}, {bind}")), 2, &format!("connectors[0].{path}"), &[words]);
    }
    let other = ldap(
        "url: [ldaps://a, ldaps://b], serviceAccountUsername: cn=s, serviceAccountPassword: <vault.ldap-password>, \
         usernameSearchKey: uid, userRDNKey: cn, attributeMapping: {mail: email}, loginURL: /in, scope: singleLevel, \
         allowPlaintext: false, attributeDelimiter: \";\", trustEmail: true",
    );
    let config = check(&other).start().unwrap();
    let mangrove_config::Connector::Ldap(ldap) = &config.connectors[0] else { panic!("not a directory") };
    assert_eq!(ldap.bind_dn.as_deref(), Some("cn=s"));
    assert_eq!(ldap.url.iter().count(), 2);
}

#[test]
fn saml_connectors_are_validated_whole() {
    let saml = |keys: &str| {
        format!(
            "connectors:\n  - {{name: s, type: saml, samlConsumerServiceURL: https://n.example.com/acs, samlEntityID: https://n, {keys}}}\n"
        )
    };
    problem(
        &saml("samlMetadataURL: http://idp.example.com/m"),
        2,
        "connectors[0].samlMetadataURL",
        &["plain HTTP"],
    );
    problem(
        &saml("samlMetadataURL: https://i/m, samlSPCertPath: /c.pem"),
        2,
        "connectors[0].samlSPCertPath",
        &["without `samlSPKeyPath`"],
    );
    problem(
        &saml("samlMetadataURL: file:///nowhere/m.xml"),
        2,
        "connectors[0].samlMetadataURL",
        &["/nowhere/m.xml"],
    );
    for scheme in ["socks5", "https"] {
        let proxied = saml(&format!("samlMetadataURL: https://i/m, proxy: {scheme}://p"));
        problem(&proxied, 2, "connectors[0].proxy", &[scheme, "write http://host:port"]);
    }
    let format = "connectors[0].samlNameIDFormat";
    problem(
        &saml("samlMetadataURL: https://i/m, samlNameIDFormat: persistant"),
        2,
        format,
        &["persistant", "`persistent`"],
    );
    let same = saml("samlMetadataURL: https://i/m, samlLogoutCallbackURL: https://n.example.com/acs");
    problem(&same, 2, "connectors[0].samlLogoutCallbackURL", &["responses arrive here"]);
    let whole = saml(
        "samlMetadataURL: https://i/m.xml, samlNameIDFormat: persistent, samlRequestBinding: redirect, keysMaxAge: 1h, \
         samlLogoutCallbackURL: https://n.example.com/slo",
    );
    assert!(!check(&whole).has(Severity::Problem));
}

#[test]
fn signing_keys_are_a_file_or_a_reference() {
    let with = |key: &str| format!("{EDGE}oidcProvider: {{jwks: [{key}]}}\n");
    let path = "oidcProvider.jwks[0]";
    problem(&with("{name: k}"), 32, path, &["no private key"]);
    problem(&with("{file: /k, privateKey: <vault.okta-secret>}"), 32, path, &["two places"]);
    problem(
        &with("{algorithm: HS256, privateKey: <vault.okta-secret>}"),
        32,
        "oidcProvider.jwks[0].algorithm",
        &["HS256", "ES256"],
    );
    problem(
        &with("{algorithm: RSA256, privateKey: <vault.okta-secret>}"),
        32,
        "oidcProvider.jwks[0].privateKey",
        &["not a key"],
    );
    let pem = signing_key().replace('\n', "\n    ");
    let files = Mapped::new().with("/s.yaml", format!("secrets:\n  key: |\n    {pem}\n"));
    let env = Environment::default();
    let yaml = "oidcProvider: {jwks: [{algorithm: RSA256, publicKey: unused, privateKey: <key>}]}\n";
    let report = mangrove_config::Loader::new(&env)
        .secret_provider("secretfile:///s.yaml")
        .files(&files)
        .load_text("node.yaml".as_ref(), yaml);
    assert!(!report.has(Severity::Problem), "{report}");
}

#[test]
fn credentials_and_client_secret_are_two_spellings_of_one_thing() {
    let yaml = edge(
        "clientSecret: <vault.edge-client-secret>",
        "credentials: {secrets: [<vault.okta-secret>, <vault.edge-client-secret>]}",
    );
    let config = check(&yaml).start().unwrap();
    let mangrove_config::App::Oidc(app) = &config.apps[0] else { panic!("not an OIDC application") };
    let secrets: Vec<_> = app.secrets().map(mangrove_config::Secret::expose).collect();
    assert_eq!(secrets, ["three", "five"]);
    problem(
        &edge("clientID: branch-app", "clientID: branch-app\n    public: true"),
        28,
        "apps[0].public",
        &["no secret"],
    );
}

#[test]
fn what_has_no_effect_yet_is_warned_of() {
    warning(&format!("{EDGE}telemetry: {{metrics: {{}}}}\n"), 32, "telemetry", &["nothing is exported"]);
    warning(
        &format!("{EDGE}features: {{experimental.clusters: true}}\n"),
        32,
        "features[\"experimental.clusters\"]",
        &["not known"],
    );
    let env = Environment::new([("MAVERICS_RELOAD_CONFIG", "true")]);
    assert!(
        check_with(EDGE, &Mapped::new(), &env)
            .to_string()
            .contains("MAVERICS_RELOAD_CONFIG is set and has no effect")
    );
}

#[test]
fn caches_have_what_their_type_needs() {
    let cache = |rest: &str| format!("caches:\n  - {{name: c, {rest}}}\n");
    let key = "encryption: {keys: {current: <vault.okta-secret>}}";
    problem(&cache("type: redis, encryption: {disabled: true}"), 2, "caches[0]", &["without `redis`"]);
    problem(
        &cache("type: redis, redis: {addresses: [\"redis:6379\"]}"),
        2,
        "caches[0]",
        &["no key", "openssl rand -hex 32"],
    );
    problem(
        &cache(&format!("type: redis, redis: {{addresses: [redis]}}, {key}")),
        2,
        "caches[0].redis.addresses[0]",
        &["host:port"],
    );
    problem(
        &cache(&format!("type: redis, redis: {{addresses: []}}, {key}")),
        2,
        "caches[0].encryption.keys.current",
        &["64"],
    );
    problem(&cache("type: memcached"), 2, "caches[0].type", &["`redis`"]);
    assert!(!check(&cache("type: memory")).has(Severity::Problem));
}
