//! Proof with a key instead of a secret, at both ends.

use mangrove_config::{Environment, Severity};

use crate::support::{EDGE, Mapped, check, check_with, ec_key, edge, problem, says, warning};

const PUBLIC: &str = "{kty: EC, crv: P-256, x: AA, y: AA}";

#[test]
fn a_connector_has_a_secret_or_a_key() {
    let secret = "oauthClientSecret: <vault.edge-dc1-secret>";
    let key = "oauthClientAuth: {method: private_key_jwt}";
    assert!(!check(&edge(secret, key)).has(Severity::Problem));
    problem(
        &edge(secret, &format!("{secret}\n    {key}")),
        8,
        "connectors[0].oauthClientAuth",
        &["a secret and a key"],
    );
    problem(&edge(secret, "oauthClientAuth: {}"), 7, "connectors[0].oauthClientAuth", &["method"]);
    problem(
        &edge(secret, "oauthClientAuth: {method: client_secret_jwt}"),
        7,
        "connectors[0].oauthClientAuth.method",
        &["private_key_jwt"],
    );
    problem(
        &edge(secret, "oauthClientAuth: {method: private_key_jwt, algorithm: HS256}"),
        7,
        "connectors[0].oauthClientAuth.algorithm",
        &["HS256", "ES256"],
    );
    let missing = edge(secret, "oauthClientAuth: {method: private_key_jwt, keyPath: /nonexistent.pem}");
    problem(&missing, 7, "connectors[0].oauthClientAuth.keyPath", &["there is no such file"]);
    let readable = Mapped::new().with_mode("/client.pem", ec_key(), 0o644);
    let named = edge(secret, "oauthClientAuth: {method: private_key_jwt, keyPath: /client.pem}");
    let report = check_with(&named, &readable, &Environment::default());
    says(
        &report,
        Severity::Warning,
        7,
        "connectors[0].oauthClientAuth.keyPath",
        &["everybody here may read it"],
    );
}

#[test]
fn applications_register_public_keys_that_verify() {
    let secret = "clientSecret: <vault.edge-client-secret>";
    let with = |keys: &str| edge(secret, keys);
    assert!(!check(&with(&format!("jwks: {{keys: [{PUBLIC}]}}"))).has(Severity::Problem));
    let private = "{kty: EC, crv: P-256, x: AA, y: AA, d: AA}";
    problem(
        &with(&format!("jwks: {{keys: [{PUBLIC}, {private}]}}")),
        28,
        "apps[0].jwks.keys[1]",
        &["PRIVATE"],
    );
    problem(&with("jwks: {keys: []}"), 28, "apps[0].jwks", &["no key"]);
    problem(&with("jwks: []"), 28, "apps[0].jwks", &["not a JWK Set"]);
    problem(
        &with("jwksFile: /nonexistent.json"),
        28,
        "apps[0].jwksFile",
        &["there is no such file", "client-keys"],
    );
    problem(
        &with(&format!("public: true\n    jwks: {{keys: [{PUBLIC}]}}")),
        28,
        "apps[0].public",
        &["no keys"],
    );
    warning(
        &with(&format!("{secret}\n    jwks: {{keys: [{PUBLIC}]}}")),
        25,
        "apps[0]",
        &["the secret is the weaker one"],
    );

    let broken = Mapped::new()
        .with("/keys.json", "{\n  \"keys\": [}")
        .with("/half.json", r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA"}]}"#);
    let env = Environment::default();
    let report = check_with(&with("jwksFile: /keys.json"), &broken, &env);
    says(&report, Severity::Problem, 28, "apps[0].jwksFile", &["line 2", "not JSON"]);
    let report = check_with(&with("jwksFile: /half.json"), &broken, &env);
    says(&report, Severity::Problem, 28, "apps[0].jwksFile", &["key 0", "`y` is missing"]);
    assert!(EDGE.contains(secret));
}
