//! ID tokens, checked in full (OpenID Connect Core 3.1.3.7, RFC 7515, RFC 7518): a second opinion that shares no code
//! with the nodes that signed them. RS256 and ES256, nothing else, `none` least of all.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Clocks of one lab agree; tokens may still be cut to whole seconds.
const LEEWAY: u64 = 5;

/// A provider's keys.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Keys {
    keys: Vec<Key>,
}

#[derive(Debug, Clone, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What a token has to be.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Exactly this issuer.
    pub issuer: &'a str,
    /// For this client.
    pub client_id: &'a str,
    /// Of this login; `None` for a refreshed token.
    pub nonce: Option<&'a str>,
    /// Handed out with this access token.
    pub access_token: &'a str,
    /// Seconds since the epoch.
    pub now: u64,
}

/// Why a token is not good.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Signed with a key that the provider has not published (yet): worth one more look at its keys.
    #[error("its key `{0}` is not published")]
    UnknownKey(String),
    /// Anything else.
    #[error("{0}")]
    Bad(String),
}

fn bad<T>(why: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw::Bad(why.into()))
}

impl Keys {
    /// The claims of a good token.
    pub fn check(&self, token: &str, wanted: &Wanted<'_>) -> Result<Map<String, Value>, Flaw> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return bad("not a signed token of three parts");
        };
        let head = object(header)?;
        if head.contains_key("crit") {
            return bad("its header has critical extensions");
        }
        if head.get("typ").is_some_and(|typ| typ != "JWT") {
            return bad("its type is not that of an ID token");
        }
        let key = self.key_for(&head)?;
        let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
        key.verify(text(&head, "alg"), signed, &decode(signature)?)?;
        let claims = object(payload)?;
        check_claims(&claims, wanted)?;
        Ok(claims)
    }

    fn key_for(&self, head: &Map<String, Value>) -> Result<&Key, Flaw> {
        let kty = match text(head, "alg") {
            "RS256" => "RSA",
            "ES256" => "EC",
            other => return bad(format!("its algorithm `{other}` is not one that we take")),
        };
        let kid = head.get("kid").and_then(Value::as_str);
        let mut fitting = self.keys.iter().filter(|key| {
            key.kty == kty
                && key.used_for.as_deref().is_none_or(|used| used == "sig")
                && (kid.is_none() || key.kid.as_deref() == kid)
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => bad("several keys could be meant"),
            (None, _) => Err(Flaw::UnknownKey(kid.unwrap_or_default().to_owned())),
        }
    }
}

impl Key {
    fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> Result<(), Flaw> {
        let part = |part: &Option<String>| decode(part.as_deref().unwrap_or_default());
        let verdict = if algorithm == "RS256" {
            let (n, e) = (part(&self.n)?, part(&self.e)?);
            RsaPublicKeyComponents { n: &n, e: &e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
        } else {
            if self.crv.as_deref() != Some("P-256") {
                return bad("its key is on another curve");
            }
            let point = [vec![4], part(&self.x)?, part(&self.y)?].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
        };
        verdict.or_else(|_| bad("its signature is not good"))
    }
}

fn check_claims(claims: &Map<String, Value>, wanted: &Wanted<'_>) -> Result<(), Flaw> {
    if text(claims, "iss") != wanted.issuer {
        return bad(format!("its issuer is `{}`, not `{}`", text(claims, "iss"), wanted.issuer));
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !audience.contains(&wanted.client_id) {
        return bad("it is for somebody else");
    }
    let party = claims.get("azp").and_then(Value::as_str);
    if party.is_some_and(|party| party != wanted.client_id) || (audience.len() > 1 && party.is_none()) {
        return bad("it was asked for by somebody else");
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_u64);
    match (time("exp"), time("iat")) {
        (Some(expires), _) if expires + LEEWAY <= wanted.now => return bad("it has expired"),
        (Some(_), Some(issued)) if issued > wanted.now + LEEWAY => return bad("it is from the future"),
        (Some(_), Some(_)) => {}
        _ => return bad("it has no times"),
    }
    if wanted.nonce.is_some_and(|nonce| text(claims, "nonce") != nonce) {
        return bad("its nonce is of another login");
    }
    let hash = claims.get("at_hash").and_then(Value::as_str);
    if hash.is_some_and(|hash| hash != half_hash(wanted.access_token)) {
        return bad("it belongs to another access token");
    }
    let subject = text(claims, "sub");
    if subject.is_empty() || subject.len() > 255 || !subject.is_ascii() {
        return bad("its subject is not 1 to 255 ASCII characters");
    }
    Ok(())
}

fn half_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn decode(part: &str) -> Result<Vec<u8>, Flaw> {
    URL_SAFE_NO_PAD.decode(part).or_else(|_| bad("it is not base64url"))
}

fn object(part: &str) -> Result<Map<String, Value>, Flaw> {
    serde_json::from_slice(&decode(part)?).or_else(|_| bad("it is not JSON"))
}

/// Compares without saying where the difference is.
pub fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    struct Provider(EcdsaKeyPair);

    impl Provider {
        fn new() -> Self {
            Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
        }

        fn keys(&self) -> Keys {
            let point = self.0.public_key().as_ref();
            let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
            let key = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": part(1..33), "y": part(33..65)});
            serde_json::from_value(json!({ "keys": [key] })).unwrap()
        }

        fn sign(&self, head: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(head), part(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    fn head() -> Value {
        json!({"alg": "ES256", "kid": "k"})
    }

    fn claims() -> Value {
        json!({"iss": "https://edge.mesh.test", "aud": "app", "sub": "alice", "nonce": "n", "exp": NOW + 60, "iat": NOW})
    }

    fn wanted() -> Wanted<'static> {
        Wanted {
            issuer: "https://edge.mesh.test",
            client_id: "app",
            nonce: Some("n"),
            access_token: "t",
            now: NOW,
        }
    }

    #[test]
    fn a_good_token_is_taken() {
        let provider = Provider::new();
        let token = provider.sign(&head(), &claims());
        assert_eq!(provider.keys().check(&token, &wanted()).unwrap()["sub"], "alice");
    }

    #[test]
    fn each_flaw_is_found_and_named() {
        let flaws = [
            ("iss", json!("https://root.mesh.test"), "issuer"),
            ("aud", json!("other"), "somebody else"),
            ("aud", json!(["app", "other"]), "asked for by somebody else"),
            ("azp", json!("other"), "asked for by somebody else"),
            ("exp", json!(NOW - 6), "expired"),
            ("iat", json!(NOW + 60), "future"),
            ("iat", json!(null), "no times"),
            ("nonce", json!("m"), "another login"),
            ("at_hash", json!("AAAA"), "another access token"),
            ("sub", json!(""), "subject"),
        ];
        let provider = Provider::new();
        for (name, value, says) in flaws {
            let mut claims = claims();
            claims[name] = value;
            let flaw = provider.keys().check(&provider.sign(&head(), &claims), &wanted()).unwrap_err();
            assert!(flaw.to_string().contains(says), "{name}: {flaw}");
        }
    }

    #[test]
    fn a_token_nobody_signed_and_one_that_another_signed_are_refused() {
        let (provider, other) = (Provider::new(), Provider::new());
        let forged = other.sign(&head(), &claims());
        assert!(provider.keys().check(&forged, &wanted()).unwrap_err().to_string().contains("signature"));
        for alg in ["none", "HS256", ""] {
            let token = provider.sign(&json!({"alg": alg, "kid": "k"}), &claims());
            assert!(provider.keys().check(&token, &wanted()).is_err(), "{alg}");
        }
        let unsigned = forged.rsplit_once('.').unwrap().0.to_owned() + ".";
        assert!(provider.keys().check(&unsigned, &wanted()).is_err());
    }

    #[test]
    fn an_unknown_key_asks_for_a_second_look_and_an_access_token_is_no_id_token() {
        let provider = Provider::new();
        let rolled = provider.sign(&json!({"alg": "ES256", "kid": "new"}), &claims());
        assert_eq!(provider.keys().check(&rolled, &wanted()), Err(Flaw::UnknownKey("new".into())));
        let access = provider.sign(&json!({"alg": "ES256", "kid": "k", "typ": "at+jwt"}), &claims());
        assert!(provider.keys().check(&access, &wanted()).is_err());
    }
}
