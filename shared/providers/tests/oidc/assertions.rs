//! `private_key_jwt`: who holds the key is believed once, and nobody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mangrove_keys::{Algorithm, KeyRing, ambient};
use serde_json::{Value, json};

use crate::support::*;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application with a key, and how it writes assertions.
struct Keyed {
    node: Node,
    ring: KeyRing,
}

fn ring(algorithm: Algorithm) -> KeyRing {
    let dir = tempfile::tempdir().unwrap();
    KeyRing::client_kept(dir.path(), algorithm).unwrap()
}

fn good() -> Value {
    let now = ambient::unix_now();
    json!({ "iss": "keyed", "sub": "keyed", "aud": ISSUER, "jti": ambient::token(), "iat": now, "exp": now + 60 })
}

impl Keyed {
    fn new(algorithm: Algorithm) -> Self {
        let ring = ring(algorithm);
        let mut config = default_config();
        let app = |id: &str, keys: Value| {
            json!({
                "type": "oidc", "name": id, "clientID": id, "jwks": keys, "redirectURLs": [CALLBACK],
                "authentication": { "idps": ["people"] },
            })
        };
        let apps = config["apps"].as_array_mut().unwrap();
        apps.push(app("keyed", ring.jwks().clone()));
        apps.push(app("keyed-too", self::ring(Algorithm::Es256).jwks().clone()));
        Self { node: Node::with(config), ring }
    }

    fn sign(&self, claims: &Value) -> String {
        self.ring.sign(None, "JWT", claims).unwrap()
    }

    /// What is said to who presents this, with `extra` parameters.
    async fn said(&self, assertion: &str, extra: &[(&str, &str)]) -> (u16, String) {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion),
        ];
        let kept = form.into_iter().filter(|(name, _)| !extra.iter().any(|(other, _)| other == name));
        let form: Vec<_> = kept.chain(extra.iter().copied()).collect();
        self.node.form("/oauth2/token", None, &form).await.error()
    }

    /// The same for claims that differ from good ones.
    async fn said_to(&self, change: impl FnOnce(&mut Value)) -> (u16, String) {
        let mut claims = good();
        change(&mut claims);
        self.said(&self.sign(&claims), &[]).await
    }
}

/// Believed callers get as far as the refresh token, which is not good.
fn believed() -> (u16, String) {
    (400, "invalid_grant".into())
}

fn refused() -> (u16, String) {
    (401, "invalid_client".into())
}

#[tokio::test]
async fn who_holds_the_key_is_believed_whatever_kind_of_key() {
    for algorithm in
        [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es384, Algorithm::EdDsa]
    {
        let app = Keyed::new(algorithm);
        assert_eq!(app.said_to(|_| ()).await, believed(), "{algorithm}");
        assert_eq!(app.said(&app.sign(&good()), &[("client_id", "keyed")]).await, believed());
    }
}

#[tokio::test]
async fn a_proof_is_for_this_provider_alone() {
    let app = Keyed::new(Algorithm::Es256);
    for audience in [json!([ISSUER]), json!(format!("{ISSUER}/oauth2/token"))] {
        assert_eq!(app.said_to(|claims| claims["aud"] = audience.clone()).await, believed(), "{audience}");
    }
    for audience in [
        json!("https://another.example"),
        json!(format!("{ISSUER}/")),
        json!(ISSUER.to_uppercase()),
        json!([ISSUER, "https://another.example"]),
        json!([]),
        json!({ "0": ISSUER }),
        Value::Null,
    ] {
        assert_eq!(app.said_to(|claims| claims["aud"] = audience.clone()).await, refused(), "{audience}");
    }
}

#[tokio::test]
async fn a_proof_is_taken_once() {
    let app = Keyed::new(Algorithm::Es256);
    let claims = good();
    assert_eq!(app.said(&app.sign(&claims), &[]).await, believed());
    assert_eq!(app.said(&app.sign(&claims), &[]).await, refused(), "the same id in another signature");
    let again = app.sign(&claims);
    let form = [("token", "x"), ("client_assertion_type", TYPE), ("client_assertion", &again)];
    assert_eq!(
        app.node.form("/oauth2/revoke", None, &form).await.error(),
        refused(),
        "nor at another endpoint"
    );
}

#[tokio::test]
async fn of_two_that_present_one_proof_at_once_one_is_believed() {
    let app = Keyed::new(Algorithm::Es256);
    let token = app.sign(&good());
    let (one, two) = tokio::join!(app.said(&token, &[]), app.said(&token, &[]));
    let mut both = [one, two];
    both.sort();
    assert_eq!(both, [believed(), refused()]);
}

#[tokio::test]
async fn a_proof_ends_soon() {
    let app = Keyed::new(Algorithm::Es256);
    let now = ambient::unix_now();
    assert_eq!(
        app.said_to(|claims| claims["exp"] = (now - 30).into()).await,
        believed(),
        "clocks differ a little"
    );
    assert_eq!(app.said_to(|claims| claims["exp"] = json!(now as f64 + 30.5)).await, believed());
    for exp in [
        json!(now - 61),
        json!(now + 3_600),
        json!("soon"),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        Value::Null,
    ] {
        assert_eq!(app.said_to(|claims| claims["exp"] = exp.clone()).await, refused(), "{exp}");
    }
    assert_eq!(app.said_to(|claims| claims["nbf"] = (now + 300).into()).await, refused());
    for jti in [json!(""), json!(7), json!("x".repeat(300)), Value::Null] {
        assert_eq!(app.said_to(|claims| claims["jti"] = jti.clone()).await, refused(), "{jti}");
    }
}

#[tokio::test]
async fn another_applications_key_proves_nothing() {
    let app = Keyed::new(Algorithm::Es256);
    for whose in ["keyed-too", APP.0, "native", "nobody"] {
        let as_other = |claims: &mut Value| (claims["iss"], claims["sub"]) = (whose.into(), whose.into());
        assert_eq!(app.said_to(as_other).await, refused(), "{whose}");
    }
    assert_eq!(app.said_to(|claims| claims["iss"] = "keyed-too".into()).await, refused());
    assert_eq!(app.said_to(|claims| claims["sub"] = "keyed-too".into()).await, refused());
    assert_eq!(app.said(&app.sign(&good()), &[("client_id", "keyed-too")]).await, refused());
    let stranger = ring(Algorithm::Es256).sign(None, "JWT", &good()).unwrap();
    assert_eq!(app.said(&stranger, &[]).await, refused());
}

#[tokio::test]
async fn no_header_chooses_how_a_proof_is_verified() {
    let app = Keyed::new(Algorithm::Rs256);
    let token = app.sign(&good());
    let (header, rest) = token.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let payload = rest.split_once('.').unwrap().0;
    let with_header = |header: &Value| format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header.to_string()));

    let unsigned = format!("{}.", with_header(&json!({ "alg": "none" })));
    assert_eq!(app.said(&unsigned, &[]).await, refused(), "alg: none");

    let symmetric = with_header(&json!({ "alg": "HS256", "typ": "JWT" }));
    let modulus = app.ring.jwks()["keys"][0]["n"].as_str().unwrap().to_owned();
    for key in [modulus.as_bytes(), app.ring.jwks_text().as_bytes()] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
        let tag = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, symmetric.as_bytes()));
        assert_eq!(
            app.said(&format!("{symmetric}.{tag}"), &[]).await,
            refused(),
            "HS256 with the public key"
        );
    }

    let stranger = ring(Algorithm::Rs256);
    let mut own_key = header.clone();
    own_key["jwk"] = stranger.jwks()["keys"][0].clone();
    own_key["jku"] = "https://evil.example/jwks".into();
    own_key["kid"] = stranger.jwks()["keys"][0]["kid"].clone();
    let forged = stranger.sign(None, "JWT", &good()).unwrap();
    let signature = forged.rsplit_once('.').unwrap().1;
    assert_eq!(
        app.said(&format!("{}.{signature}", with_header(&own_key)), &[]).await,
        refused(),
        "a key in the header"
    );

    let access_token = app.ring.sign(None, "at+jwt", &good()).unwrap();
    assert_eq!(app.said(&access_token, &[]).await, refused(), "another kind of token");
    let newer = app.ring.sign(None, "client-authentication+jwt", &good()).unwrap();
    assert_eq!(app.said(&newer, &[]).await, believed());
}

#[tokio::test]
async fn a_key_is_one_method_and_no_second_beside_it() {
    let app = Keyed::new(Algorithm::Es256);
    let twice = (400, "invalid_request".to_owned());
    assert_eq!(app.said(&app.sign(&good()), &[("client_id", "keyed"), ("client_secret", "x")]).await, twice);
    for (name, value) in
        [("client_assertion_type", "urn:other"), ("client_assertion_type", ""), ("client_assertion", "")]
    {
        assert_eq!(
            app.said(&app.sign(&good()), &[(name, value), ("client_id", "native")]).await,
            refused(),
            "{name}"
        );
    }
    for junk in ["x", "a.b.c", "..", "e30.e30.e30"] {
        assert_eq!(app.said(junk, &[]).await, refused(), "{junk}");
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "keyed")];
    assert_eq!(app.node.form("/oauth2/token", None, &form).await.error(), refused(), "its name alone");
    assert_eq!(
        app.node.form("/oauth2/token", Some(("keyed", "")), &form).await.error(),
        refused(),
        "no secret is no empty secret"
    );
}

#[tokio::test]
async fn an_application_with_a_key_may_ask_about_tokens_and_health() {
    let app = Keyed::new(Algorithm::Es256);
    for path in ["/oauth2/introspect", "/oauth2/health"] {
        let token = app.sign(&good());
        let form = [("token", "x"), ("client_assertion_type", TYPE), ("client_assertion", &token)];
        assert_eq!(app.node.form(path, None, &form).await.status, 200, "{path}");
    }
}

#[test]
fn keys_that_cannot_be_used_do_not_start() {
    let said = |jwks: Value| {
        let mut config = default_config();
        config["apps"][0]["jwks"] = jwks;
        problems(&config).join("\n")
    };
    assert_eq!(said(ring(Algorithm::Es256).jwks().clone()), "");
    assert!(said(json!({})).contains("not a JWK Set"));
    let mut mixed = ring(Algorithm::Es256).jwks().clone();
    mixed["keys"].as_array_mut().unwrap().push(json!({ "kty": "oct", "k": "c2VjcmV0" }));
    assert!(said(mixed).contains("key 1"));
    let mut public = default_config();
    public["apps"][2]["jwks"] = ring(Algorithm::Es256).jwks().clone();
    assert!(problems(&public).join("").contains("a public client has no secret and no keys"));
    let mut missing = default_config();
    missing["apps"][0]["jwksFile"] = "/nonexistent/edge.jwks.json".into();
    assert!(problems(&missing).join("").contains("/nonexistent/edge.jwks.json"));
}
