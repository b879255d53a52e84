//! TLS, files, URLs, the node itself.

use mangrove_config::{Environment, Severity};

use crate::support::{
    EDGE, Mapped, certificate, check, check_with, ec_key, edge, problem, says, signing_key, warning,
};

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
    judge(Mapped::new().with_mode(file, "", 0), "permission denied");
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
