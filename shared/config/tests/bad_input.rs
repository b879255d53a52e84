//! One test for each kind of bad input: what is wrong is said with file, line, path and what to write.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use mangrove_config::{Environment, Severity};
use support::{
    EDGE, Mapped, certificate, check, check_with, ec_key, edge, problem, says, signing_key, warning,
};

#[test]
fn a_whole_edge_has_nothing_to_complain_about() {
    let report = check(EDGE);
    assert!(!report.has(Severity::Problem) && !report.has(Severity::Warning), "{report}");
    let config = report.start().unwrap();
    assert_eq!(config.connectors.len(), 3);
    assert_eq!(mangrove_config::issuer_text(&config.issuer().unwrap()), "https://edge.example.com");
}

// Structure.

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    problem(
        &edge("strategy: failover", "stratgy: failover"),
        19,
        "connectors[2].stratgy",
        &["unknown key", "`strategy`"],
    );
}

#[test]
fn an_unknown_top_level_key_is_refused() {
    problem("colour: red\n", 1, "colour", &["unknown key `colour`", "known keys: version"]);
}

#[test]
fn all_problems_are_said_at_once() {
    let yaml = EDGE
        .replace("stratgy", "x")
        .replace(
            "interval: 30s, timeout: 10s}\n  - name: root-b",
            "interval: 30, timeout: 10s}\n  - name: root-b",
        )
        .replace(
            "redirectURLs: [https://app.example.com/callback]",
            "redirectURLs: https://app.example.com/callback",
        )
        .replace("idps: [roots]", "idps: [rots]");
    let report = check(&yaml);
    says(&report, Severity::Problem, 9, "connectors[0].healthCheck.interval", &["duration", "`30s`"]);
    says(
        &report,
        Severity::Problem,
        29,
        "apps[0].redirectURLs",
        &["a list", "[https://app.example.com/callback]"],
    );
    says(&report, Severity::Problem, 30, "apps[0].authentication.idps[0]", &["`rots`", "`roots`"]);
    assert_eq!(report.of(Severity::Problem).count(), 3, "{report}");
}

#[test]
fn wrong_types_say_what_to_write() {
    problem(
        &edge("enabled: true", "enabled: yes"),
        9,
        "connectors[0].healthCheck.enabled",
        &["true or false", "write true"],
    );
    problem(&edge("clientID: branch-app", "clientID: 42"), 27, "apps[0].clientID", &["text", "\"42\""]);
    problem("http: {maxConnections: many}", 1, "http.maxConnections", &["whole number", "`many`"]);
    problem("http: {maxConnections: -1}", 1, "http.maxConnections", &["whole number from 0"]);
    problem("http: nine", 1, "http", &["a mapping of keys", "`nine`"]);
    problem("connectors: {name: x}", 1, "connectors", &["a list", "begin each item"]);
    problem("session: {lifetime: {maxTimeout: 1 day}}", 1, "session.lifetime.maxTimeout", &["duration"]);
    problem("- a\n- b\n", 1, "", &["a mapping of keys"]);
}

#[test]
fn missing_keys_are_named_with_their_meaning() {
    problem(
        &edge("    oauthClientID: edge\n", ""),
        3,
        "connectors[0]",
        &["`oauthClientID` is missing", "client id"],
    );
    problem(&edge("    type: continuity\n", ""), 17, "connectors[2]", &["`type` is missing", "`continuity`"]);
}

#[test]
fn unknown_words_name_the_known_ones() {
    problem(
        &edge("strategy: failover", "strategy: failovr"),
        19,
        "connectors[2].strategy",
        &["`failover`", "did you mean"],
    );
    problem("logger: {level: verbose}", 1, "logger.level", &["`debug` or `info`"]);
    problem(
        "connectors: [{name: a, type: oidcc}]",
        1,
        "connectors[0].type",
        &["`oidcc`", "did you mean `oidc`?"],
    );
}

#[test]
fn a_key_that_stands_twice_is_a_problem() {
    problem("http: {address: \"127.0.0.1:1\"}\nhttp: {}\n", 2, "http", &["twice", "line 1"]);
    problem(
        &edge("oauthClientID: edge", "name: again\n    oauthClientID: edge"),
        6,
        "connectors[0].name",
        &["twice"],
    );
}

#[test]
fn products_are_refused_with_the_type_to_use() {
    for (product, instead) in [
        ("azure", "type: oidc"),
        ("auth0", "type: oidc"),
        ("cognito", "type: oidc"),
        ("okta", "type: saml"),
        ("adfs", "type: saml"),
        ("keycloak", "realms"),
        ("pingfederate", "type: oidc"),
        ("oauth", "type: oidc"),
        ("ad", "type: activedirectory"),
    ] {
        let yaml = format!("connectors:\n  - name: x\n    type: {product}\n    whatever: y\n");
        problem(&yaml, 3, "connectors[0].type", &[product, "types are protocols", instead]);
    }
}

#[test]
fn what_is_not_supported_yet_is_refused_by_name() {
    for kind in ["proxy", "mcpProxy", "mcpBridge"] {
        let yaml = format!("apps:\n  - name: x\n    type: {kind}\n");
        problem(&yaml, 3, "apps[0].type", &[kind, "not supported yet"]);
    }
    for key in ["mcpProvider", "ldapProvider", "apis", "serviceExtensions", "clusters", "appgateways"] {
        problem(&format!("{key}: {{}}\n"), 1, key, &[key, "not supported yet"]);
    }
    let extension = edge(
        "clientID: branch-app",
        "clientID: branch-app\n    buildIDTokenClaimsSE: {funcName: F, file: f.go}",
    );
    problem(&extension, 28, "apps[0].buildIDTokenClaimsSE", &["no service extensions"]);
    let grant = edge("clientID: branch-app", "clientID: branch-app\n    grantTypes: [password]");
    problem(&grant, 28, "apps[0].grantTypes[0]", &["`password`", "not supported yet"]);
}

#[test]
fn what_is_unsafe_to_ignore_is_refused_at_start_only() {
    let at_start = |yaml: &str, line, path, words: &[&str]| {
        let report = check(yaml);
        says(&report, Severity::RefusedAtStart, line, path, words);
        assert!(!report.has(Severity::Problem), "{report}");
        assert!(report.start().is_err());
    };
    at_start(&format!("{EDGE}samlProvider: {{}}\n"), 32, "samlProvider", &["not built yet"]);
    at_start(
        &format!("{EDGE}session: {{store: {{type: cluster}}}}\n"),
        32,
        "session.store.type",
        &["not built yet"],
    );
    let redis = "caches:\n  - {name: shared, type: redis, redis: {addresses: [redis:6379]}}\noidcProvider: {cache: shared}\n";
    at_start(&format!("{EDGE}{redis}"), 33, "caches[0].type", &["`shared`", "`type: memory`"]);
    at_start(&format!("{EDGE}{redis}"), 34, "oidcProvider.cache", &["`shared`"]);
    let saml = "  - {name: s, type: saml, authentication: {idps: [roots]}, consumerServiceURL: https://s.example.com/acs}\n";
    at_start(&format!("{EDGE}{saml}"), 32, "apps[1].type", &["`s`", "not built yet"]);
}

// Names and references.

#[test]
fn duplicate_names_are_said_with_the_first_ones_line() {
    problem(&edge("name: root-b", "name: root-a"), 10, "connectors[1].name", &["`root-a`", "line 3"]);
    let app = "  - {name: branch-app, type: oidc, clientID: other, authentication: {idps: [roots]}}\n";
    problem(&format!("{EDGE}{app}"), 32, "apps[1].name", &["application", "`branch-app`"]);
    let app = "  - {name: other, type: oidc, clientID: branch-app, authentication: {idps: [roots]}}\n";
    problem(&format!("{EDGE}{app}"), 32, "apps[1].clientID", &["client id", "line 27"]);
    problem(
        "caches: [{name: a, type: memory}, {name: a, type: memory}]",
        1,
        "caches[1].name",
        &["cache", "`a`"],
    );
    let keys = "oidcProvider:\n  jwks:\n    - {name: k, file: /a}\n    - {name: k, file: /b}\n";
    problem(keys, 4, "oidcProvider.jwks[1].name", &["signing key", "line 3"]);
}

#[test]
fn connector_names_are_plain_and_sha256_is_reserved() {
    problem(&edge("name: root-a", "name: root a"), 3, "connectors[0].name", &["not a name"]);
    problem(&edge("name: root-a", "name: sha256"), 3, "connectors[0].name", &["reserved"]);
    problem("caches: [{name: local_default, type: memory}]", 1, "caches[0].name", &["reserved"]);
}

#[test]
fn missing_references_are_named() {
    problem(
        &edge("idps: [root-a, root-b]", "idps: [root-a, root-c]"),
        20,
        "connectors[2].failover.idps[1]",
        &["no connector `root-c`", "did you mean"],
    );
    problem(
        &edge("https://edge.example.com}", "https://edge.example.com, tls: srv}"),
        1,
        "http.tls",
        &["no TLS profile `srv`"],
    );
    problem(
        &format!("{EDGE}oidcProvider: {{cache: shared}}\n"),
        32,
        "oidcProvider.cache",
        &["no cache `shared`"],
    );
    problem(
        &edge("email: roots.email", "email: rots.email"),
        31,
        "apps[0].claimsMapping.email",
        &["`rots.email`", "did you mean `roots`?"],
    );
}

#[test]
fn a_connector_that_is_wrong_itself_is_not_missing_as_well() {
    let report = check(&edge("    oauthClientID: edge\n", ""));
    assert_eq!(report.of(Severity::Problem).count(), 1, "{report}");
}

#[test]
fn cycles_of_groups_are_named_whole() {
    let yaml = "\
connectors:
  - {name: a, type: continuity, failover: {idps: [b]}}
  - {name: b, type: continuity, failover: {idps: [c]}}
  - {name: c, type: continuity, failover: {idps: [a]}}
  - {name: self, type: continuity, failover: {idps: [self]}}
";
    problem(yaml, 2, "connectors[0].failover.idps[0]", &["`a` -> `b` -> `c` -> `a`"]);
    problem(yaml, 5, "connectors[3].failover.idps[0]", &["`self` -> `self`"]);
    assert_eq!(check(yaml).of(Severity::Problem).count(), 2);
}

#[test]
fn a_group_needs_members() {
    problem(&edge("idps: [root-a, root-b]", "idps: []"), 20, "connectors[2].failover.idps", &["no members"]);
    problem(
        &edge("idps: [root-a, root-b]", "idps: [root-a, root-a]"),
        20,
        "connectors[2].failover.idps[1]",
        &["already"],
    );
}

#[test]
fn sub_has_no_default_and_mappings_are_for_members() {
    problem(
        &edge("- name: sub", "- name: sub\n        default: nobody"),
        23,
        "connectors[2].attributes[0].default",
        &["`sub` has no default"],
    );
    problem(
        &edge("root-b: sub}", "root-b: sub, root-c: sub}"),
        23,
        "connectors[2].attributes[0].mapping.root-c",
        &["not a member"],
    );
}

#[test]
fn claims_that_nobody_provides_are_warned_of() {
    warning(
        &edge("roots.email", "roots.dispalyName"),
        31,
        "apps[0].claimsMapping.email",
        &["known to provide `dispalyName`"],
    );
    warning(
        &edge("idps: [roots]", "idps: [root-a]"),
        31,
        "apps[0].claimsMapping.email",
        &["does not ask `roots`"],
    );
}

// Health.

#[test]
fn thresholds_and_times_are_such_that_a_verdict_can_come() {
    let health = |from: &str, to: &str| {
        edge("interval: 30s, timeout: 10s", &"interval: 30s, timeout: 10s".replace(from, to))
    };
    problem(
        &health("30s", "30s, unhealthyThreshold: 0"),
        9,
        "connectors[0].healthCheck.unhealthyThreshold",
        &["1 or more"],
    );
    problem(&health("30s", "1ms"), 9, "connectors[0].healthCheck.interval", &["out of bounds"]);
    problem(&health("10s", "1h"), 9, "connectors[0].healthCheck.timeout", &["out of bounds"]);
    warning(&health("10s", "40s"), 9, "connectors[0].healthCheck.timeout", &["longer than"]);
    warning(
        &health("30s", "30s, simulation: {enabled: true}"),
        9,
        "connectors[0].healthCheck.simulation",
        &["not built yet"],
    );
    warning(
        &edge("{enabled: true, ", "{enabled: false, "),
        9,
        "connectors[0].healthCheck",
        &["nobody watches `root-a`"],
    );
}

// TLS and files.

#[test]
fn tls_profiles_are_whole_and_safe() {
    let with = |profile: &str| {
        EDGE.replace("https://edge.example.com}", "https://edge.example.com, tls: srv}")
            + "tls:\n  srv: "
            + profile
            + "\n"
    };
    problem(&with("{certFile: /c.pem}"), 33, "tls.srv.certFile", &["`certFile` without `keyFile`"]);
    problem(&with("{minVersion: 1.1}"), 33, "tls.srv.minVersion", &["`1.1`", "below 1.2 is refused"]);
    problem(&with("{caFile: /c.pem}"), 33, "tls.srv", &["no certificate"]);
    problem(&with("{clientAuth: RequireAndVerifyClientCert}"), 33, "tls.srv.clientAuth", &["clientCAFiles"]);
    problem(
        &with("{enabledCiphers: [TLS_RSA_WITH_RC4_128_SHA]}"),
        33,
        "tls.srv.enabledCiphers[0]",
        &["not a cipher suite"],
    );
}

#[test]
fn files_that_are_missing_or_something_else_are_named() {
    let yaml = format!("{EDGE}oidcProvider: {{jwks: [{{type: rsa, file: keys/signing.key}}]}}\n");
    let path = "oidcProvider.jwks[0].file";
    let judge = |files: Mapped, word: &str| {
        let report = check_with(&yaml, &files, &Environment::default());
        says(&report, Severity::Problem, 32, path, &["/etc/mangrove/keys/signing.key", word]);
    };
    let file = "/etc/mangrove/keys/signing.key";
    judge(Mapped::new(), "no such file");
    judge(Mapped::new().with(file, "hello"), "no private key");
    judge(
        Mapped::new().with(file, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "not known",
    );
    judge(Mapped::new().with(file, ec_key()), "not an RSA key");
    judge(Mapped::new().with(file, certificate()), "no private key");
    let report = check_with(&yaml, &Mapped::new().with(file, signing_key()), &Environment::default());
    assert!(!report.has(Severity::Problem) && !report.has(Severity::Warning), "{report}");
    let loose = Mapped::new().with_mode(file, signing_key(), 0o644);
    says(&check_with(&yaml, &loose, &Environment::default()), Severity::Warning, 32, path, &["0644"]);
}

#[test]
fn a_key_that_this_process_may_not_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!("tls: {{srv: {{certFile: {0}, keyFile: {0}}}}}\n", folder.path().display());
    problem(&yaml, 1, "tls.srv.keyFile", &["is a directory"]);
}

#[test]
fn users_files_are_read() {
    let yaml = "connectors: [{name: local, type: local, usersFile: users.yaml}]\n";
    let judge = |content: &str| {
        check_with(yaml, &Mapped::new().with("/etc/mangrove/users.yaml", content), &Environment::default())
    };
    assert!(!judge("users: [{username: a, passwordHash: $argon2id$v=19$x}]").has(Severity::Problem));
    let report = judge(
        "users:\n  - {username: a, passwordHash: plain-secret}\n  - {username: a, passwordHash: $argon2id$v=19$x}\n",
    );
    says(&report, Severity::Problem, 2, "users", &["users.yaml:2", "argon2id"]);
    says(&report, Severity::Problem, 3, "users", &["`a` is there twice"]);
    assert!(!report.to_string().contains("plain-secret"));
    problem(yaml, 1, "connectors[0].usersFile", &["no such file", "user add"]);
}

// URLs.

#[test]
fn issuers_and_redirect_urls_are_encrypted_and_exact() {
    let provider = |issuer: &str| format!("{EDGE}oidcProvider: {{discovery: {{issuer: \"{issuer}\"}}}}\n");
    let path = "oidcProvider.discovery.issuer";
    problem(&provider("http://edge.example.com"), 32, path, &["plain HTTP"]);
    problem(&provider("https://edge.example.com?x=1"), 32, path, &["no query"]);
    problem(&provider("https://edge.example.com#x"), 32, path, &["fragment"]);
    problem(&provider("edge.example.com"), 32, path, &["a URL", "https://host"]);
    warning(&provider("https://edge.example.com/"), 32, path, &["no slash"]);
    assert!(!check(&provider("http://edge.localhost:9443")).has(Severity::Problem));

    problem(
        &edge("https://edge.example.com/oidc/a", "http://edge.example.com/oidc/a"),
        8,
        "connectors[0].oauthRedirectURL",
        &["plain HTTP"],
    );
    problem(
        &edge("https://root-a.example.org", "http://root-a.example.org"),
        5,
        "connectors[0].oidcWellKnownURL",
        &["plain HTTP"],
    );
    let app = |url: &str| edge("https://app.example.com/callback", url);
    problem(&app("http://app.example.com/callback"), 29, "apps[0].redirectURLs[0]", &["plain HTTP"]);
    problem(&app("https://app.example.com/callback#x"), 29, "apps[0].redirectURLs[0]", &["fragment"]);
    problem(&app("javascript:alert(1)"), 29, "apps[0].redirectURLs[0]", &["in the browser"]);
    problem(&app("/callback"), 29, "apps[0].redirectURLs[0]", &["not a whole URL"]);
    problem(&app("https://app@evil.example/cb"), 29, "apps[0].redirectURLs[0]", &["user name"]);
    assert!(!check(&app("http://127.0.0.1:3000/cb")).has(Severity::Problem));
}

#[test]
fn single_logout_is_on_the_nodes_own_origin() {
    let yaml = format!("{EDGE}singleLogout: {{logoutURL: https://elsewhere.example.com/logout}}\n");
    problem(&yaml, 32, "singleLogout.logoutURL", &["own origin https://edge.example.com"]);
    let yaml = format!("{EDGE}singleLogout: {{logoutURL: https://edge.example.com/logout}}\n");
    assert!(!check(&yaml).has(Severity::Problem));
}

#[test]
fn one_redirect_url_for_two_providers_is_warned_of() {
    warning(
        &edge("/oidc/b", "/oidc/a"),
        15,
        "connectors[1].oauthRedirectURL",
        &["`root-b` and `root-a`", "RFC 9700"],
    );
}

#[test]
fn two_spellings_of_the_redirect_url_agree() {
    let older = edge(
        "oauthRedirectURL: https://edge.example.com/oidc/a",
        "oauthLoginRedirect: {urls: [https://edge.example.com/oidc/a]}",
    );
    let config = check(&older).start().unwrap();
    assert_eq!(config.connectors[0].redirect_url().unwrap().path(), "/oidc/a");
    let both = edge("/oidc/a", "/oidc/a\n    oauthLoginRedirect: {urls: [https://edge.example.com/other]}");
    problem(&both, 9, "connectors[0].oauthLoginRedirect", &["two forms", "differ"]);
}

// The node.

#[test]
fn the_admin_address_is_loopback_and_has_a_token() {
    problem(
        &format!("{EDGE}admin: {{address: \"127.0.0.1:9444\"}}\n"),
        32,
        "admin.address",
        &["needs a token"],
    );
    problem(
        &format!("{EDGE}admin: {{address: \"0.0.0.0:9444\", token: <vault.primary-secret>}}\n"),
        32,
        "admin.address",
        &["from outside"],
    );
}

#[test]
fn addresses_paths_and_names_are_judged() {
    problem("http: {address: everywhere}", 1, "http.address", &["not an address"]);
    problem("http: {trustedProxies: [10.0.0.0/33]}", 1, "http.trustedProxies[0]", &["neither"]);
    problem("http: {trustedProxies: [0.0.0.0/0]}", 1, "http.trustedProxies[0]", &["everybody"]);
    problem("health: {location: status}", 1, "health.location", &["path"]);
    problem("health: {heartbeat: {logLevel: error}}", 1, "health.heartbeat.logLevel", &["`info` or `debug`"]);
    problem("session: {cookie: {name: \"my cookie\"}}", 1, "session.cookie.name", &["cookie"]);
    problem("session: {lifetime: {maxTimeout: 0s}}", 1, "session.lifetime.maxTimeout", &["24h"]);
    problem("oidcProvider: {codeLifetime: 1h}", 1, "oidcProvider.codeLifetime", &["10m"]);
}

// The document itself.

#[test]
fn documents_that_are_no_yaml_say_where() {
    problem("connectors: [\n", 1, "", &["unclosed"]);
    problem("a: b: c\n", 1, "", &["mapping values"]);
    problem("http:\n\taddress: x\n", 2, "", &[]);
    problem("http: {{ env.HTTP }}\n", 1, "", &["quote it"]);
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = "[".repeat(10_000);
    assert!(check(&deep).has(Severity::Problem));
    let long = format!("version: {}\n", "x".repeat(mangrove_config::tree::MAX_BYTES));
    problem(&long, 1, "", &["too many"]);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert!(check(bomb).has(Severity::Problem));
}

#[test]
fn files_that_are_no_text_are_refused() {
    let env = Environment::default();
    let files = Mapped::new().with("/b.yaml", [0x1f, 0x8b, 8]).with("/u.yaml", [b'a', 0xff]);
    let load = |path: &str| mangrove_config::Loader::new(&env).files(&files).load(path.as_ref()).to_string();
    assert!(load("/b.yaml").contains("bundles are not supported yet"));
    assert!(load("/u.yaml").contains("not UTF-8"));
    assert!(load("/none.yaml").contains("no such file"));
}

// Diversity, and who could vouch for whom.

#[test]
fn members_that_share_a_vendor_a_host_or_an_address_are_warned_of() {
    let path = "connectors[2].failover.idps";
    let url = "https://root-b.example.net/.well-known";
    warning(
        &edge(url, "https://root-b.example.org/.well-known"),
        20,
        path,
        &["`root-a` and `root-b`", "DNS name example.org"],
    );
    warning(
        &edge(url, "https://root-a.example.org/b/.well-known"),
        20,
        path,
        &["share the host root-a.example.org"],
    );
    let numbers =
        EDGE.replace("root-a.example.org", "192.0.2.7").replace("root-b.example.net", "192.0.2.7:8443");
    warning(&numbers, 20, path, &["192.0.2.7"]);
    assert!(!check(&edge(url, "https://root-b.example.co.uk/.well-known")).has(Severity::Warning));
}

#[test]
fn members_that_resolve_to_one_address_are_warned_of_when_names_are_resolved() {
    struct Same;
    impl mangrove_config::Resolver for Same {
        fn addresses(&self, _: &str) -> Vec<std::net::IpAddr> {
            vec!["192.0.2.9".parse().unwrap()]
        }
    }
    let env = Environment::default();
    let files = Mapped::new().with("/run/secrets.yaml", support::SECRETS);
    let report = mangrove_config::Loader::new(&env)
        .secret_provider("secretfile:///run/secrets.yaml")
        .files(&files)
        .resolver(&Same)
        .load_text("node.yaml".as_ref(), EDGE);
    says(&report, Severity::Warning, 20, "connectors[2].failover.idps", &["address 192.0.2.9"]);
}

#[test]
fn who_could_vouch_for_whom_is_said() {
    let report = check(EDGE);
    says(
        &report,
        Severity::Note,
        22,
        "connectors[2].attributes[0]",
        &["root-a.sub, root-b.sub", "weakest member"],
    );
    let email = edge("{root-a: sub, root-b: sub}", "{root-a: email, root-b: sub}");
    let path = "connectors[2].attributes[0].mapping.root-a";
    says(&check(&email), Severity::Note, 23, path, &["email_verified: true"]);
    let trusted = email.replacen("type: oidc\n", "type: oidc\n    trustEmail: true\n", 1);
    assert!(!check(&trusted).to_string().contains("email_verified"));
    let left_out = edge("{root-a: sub, root-b: sub}", "{root-a: sub}");
    warning(
        &left_out,
        23,
        "connectors[2].attributes[0].mapping",
        &["`sub` is not mapped for `root-b`", "refused"],
    );
}

#[test]
fn a_directory_needs_trust_email_to_be_known_by_e_mail() {
    let ldap = "  - {name: dir, type: ldap, url: ldaps://dc.example.com, baseDN: dc=x, bindDN: cn=s, bindPassword: <vault.ldap-password>}\n";
    let yaml = edge("  - name: roots", &format!("{ldap}  - name: roots"))
        .replace("[root-a, root-b]", "[root-a, root-b, dir]")
        .replace("root-b: sub}", "root-b: sub, dir: mail}");
    warning(&yaml, 24, "connectors[3].attributes[0].mapping.dir", &["cannot mark", "trustEmail: true"]);
}

// Directories and SAML, validated whole.

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
    let whole = saml(
        "samlMetadataURL: file:///m.xml, samlNameIDFormat: persistent, samlLogoutCallbackURL: https://n.example.com/slo",
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
