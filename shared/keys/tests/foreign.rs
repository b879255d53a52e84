//! An upstream's keys: what is accepted, what is skipped, what is refused; signatures made by `josekit` (OpenSSL).

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{self, JwsHeader, JwsSigner};
use mangrove_keys::{Algorithm, ForeignKeys, VerifyError};
use serde_json::{Map, Value, json};

const ALL: &[Algorithm] = &Algorithm::ALL;

fn set(keys: &[Value]) -> ForeignKeys {
    parse(keys).unwrap()
}

fn parse(keys: &[Value]) -> Result<ForeignKeys, VerifyError> {
    ForeignKeys::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn published(jwk: &Jwk, kid: Option<&str>) -> Value {
    let mut jwk: Map<String, Value> = jwk.as_ref().clone();
    for private in ["d", "p", "q", "dp", "dq", "qi", "kid"] {
        jwk.remove(private);
    }
    if let Some(kid) = kid {
        jwk.insert("kid".to_owned(), kid.into());
    }
    Value::Object(jwk)
}

fn signed(signer: &dyn JwsSigner, header: Value) -> String {
    let Value::Object(header) = header else { panic!("a header is an object") };
    let header = JwsHeader::from_map(header).unwrap();
    jws::serialize_compact(br#"{"sub":"alice"}"#, &header, signer).unwrap()
}

fn ec() -> (EcKeyPair, Box<dyn JwsSigner>) {
    let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
    let signer = jws::ES256.signer_from_pem(pair.to_pem_private_key()).unwrap();
    (pair, Box::new(signer))
}

#[test]
fn signatures_of_every_algorithm_verify_and_only_as_that_algorithm() {
    let rsa = RsaKeyPair::generate(2048).unwrap();
    let (pem, private) = (rsa.to_pem_private_key(), rsa.to_jwk_private_key());
    let p384 = EcKeyPair::generate(EcCurve::P384).unwrap();
    let ed = EdKeyPair::generate(EdCurve::Ed25519).unwrap();
    let (p256, es256) = ec();
    let rsa_jwk = published(&rsa.to_jwk_public_key(), None);
    let cases: Vec<(Algorithm, Value, Box<dyn JwsSigner>)> = vec![
        (Algorithm::Rs256, rsa_jwk.clone(), Box::new(jws::RS256.signer_from_pem(&pem).unwrap())),
        (Algorithm::Rs384, rsa_jwk.clone(), Box::new(jws::RS384.signer_from_pem(&pem).unwrap())),
        (Algorithm::Rs512, rsa_jwk.clone(), Box::new(jws::RS512.signer_from_pem(&pem).unwrap())),
        (Algorithm::Ps256, rsa_jwk.clone(), Box::new(jws::PS256.signer_from_jwk(&private).unwrap())),
        (Algorithm::Ps384, rsa_jwk.clone(), Box::new(jws::PS384.signer_from_jwk(&private).unwrap())),
        (Algorithm::Ps512, rsa_jwk, Box::new(jws::PS512.signer_from_jwk(&private).unwrap())),
        (Algorithm::Es256, published(&p256.to_jwk_public_key(), None), es256),
        (
            Algorithm::Es384,
            published(&p384.to_jwk_public_key(), None),
            Box::new(jws::ES384.signer_from_pem(p384.to_pem_private_key()).unwrap()),
        ),
        (
            Algorithm::EdDsa,
            published(&ed.to_jwk_public_key(), None),
            Box::new(jws::EdDSA.signer_from_pem(ed.to_pem_private_key()).unwrap()),
        ),
    ];
    for (algorithm, jwk, signer) in cases {
        let token = signed(&*signer, json!({ "typ": "logout+jwt" }));
        let keys = set(&[jwk]);
        let verified = keys.verify_jws(&token, &[algorithm]).unwrap();
        assert_eq!((verified.algorithm, verified.typ.as_deref()), (algorithm, Some("logout+jwt")));
        assert_eq!(verified.claims["sub"], "alice");
        let others: Vec<_> = ALL.iter().copied().filter(|other| *other != algorithm).collect();
        assert_eq!(keys.verify_jws(&token, &others), Err(VerifyError::Algorithm), "{algorithm}");
        let mut changed = token.clone();
        changed.replace_range(token.find('.').unwrap() + 1..=token.find('.').unwrap() + 1, "f");
        assert_eq!(keys.verify_jws(&changed, ALL), Err(VerifyError::Signature), "{algorithm}");
    }
}

#[test]
fn none_hmac_and_unknown_algorithms_are_refused() {
    let (pair, _) = ec();
    let keys = set(&[published(&pair.to_jwk_public_key(), Some("k"))]);
    let hmac = jws::HS256.signer_from_bytes(pair.to_pem_public_key()).unwrap();
    assert_eq!(keys.verify_jws(&signed(&hmac, json!({ "kid": "k" })), ALL), Err(VerifyError::Algorithm));
    // {"alg":"none"} . {"sub":"alice"} .
    assert_eq!(
        keys.verify_jws("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.", ALL),
        Err(VerifyError::Algorithm)
    );
    assert!(!keys.has_key_for("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."));
}

#[test]
fn a_key_never_verifies_an_algorithm_it_was_not_published_for() {
    let rsa = RsaKeyPair::generate(2048).unwrap();
    let mut jwk = published(&rsa.to_jwk_public_key(), Some("k"));
    jwk["alg"] = "RS256".into();
    let keys = set(&[jwk]);
    let signer = jws::PS256.signer_from_jwk(&rsa.to_jwk_private_key()).unwrap();
    let token = signed(&signer, json!({ "kid": "k" }));
    assert_eq!(keys.verify_jws(&token, ALL), Err(VerifyError::NoKey));
}

#[test]
fn extensions_compression_and_nesting_are_refused() {
    let (pair, signer) = ec();
    let keys = set(&[published(&pair.to_jwk_public_key(), Some("k"))]);
    for (member, value) in
        [("zip", json!("DEF")), ("crit", json!(["x"])), ("cty", json!("JWT")), ("b64", json!(true))]
    {
        let mut header = json!({ "kid": "k" });
        header[member] = value;
        let refusal = keys.verify_jws(&signed(&*signer, header), ALL).unwrap_err();
        assert_eq!(refusal, VerifyError::Header(member));
    }
}

#[test]
fn keys_named_in_the_token_are_never_used() {
    let (ours, _) = ec();
    let (theirs, signer) = ec();
    let keys = set(&[published(&ours.to_jwk_public_key(), None)]);
    let evil = published(&theirs.to_jwk_public_key(), None);
    let token = signed(&*signer, json!({ "jwk": evil, "jku": "https://attacker.example/keys" }));
    assert_eq!(keys.verify_jws(&token, ALL), Err(VerifyError::Signature));
}

#[test]
fn keys_that_cannot_be_used_are_skipped_with_the_reason() {
    let (pair, signer) = ec();
    let good = published(&pair.to_jwk_public_key(), Some("good"));
    let with = |member: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[member] = value;
        jwk
    };
    let bad = [
        with("use", json!("enc")),
        with("key_ops", json!(["encrypt"])),
        with("alg", json!("ECDH-ES")),
        with("alg", json!("RS256")),
        with("crv", json!("secp256k1")),
        with("kty", json!("AKP")),
        with("x", json!("AAAA")),
        with("y", json!(17)),
        json!({ "kty": "oct", "k": "c2VjcmV0" }),
        json!("not even an object"),
    ];
    let all: Vec<Value> = bad.iter().cloned().chain([good.clone()]).collect();
    let keys = set(&all);
    assert_eq!((keys.len(), keys.skipped().len()), (1, bad.len()), "{:?}", keys.skipped());
    assert!(keys.verify_jws(&signed(&*signer, json!({ "kid": "good" })), ALL).is_ok());
    let VerifyError::KeySet(why) = parse(&bad).unwrap_err() else { panic!("another error") };
    assert!(why.contains("not for signatures") && why.contains("oct"), "{why}");
}

#[test]
fn points_that_are_not_on_the_curve_are_refused() {
    let (pair, _) = ec();
    let mut jwk = published(&pair.to_jwk_public_key(), None);
    jwk["y"] = jwk["x"].clone();
    assert!(parse(std::slice::from_ref(&jwk)).is_err());
    let zero = "A".repeat(43);
    jwk["x"] = zero.as_str().into();
    jwk["y"] = zero.as_str().into();
    assert!(parse(&[jwk]).is_err());
}

#[test]
fn rsa_keys_that_are_too_small_or_impossible_are_refused() {
    let small = RsaKeyPair::generate(1024).unwrap();
    let VerifyError::KeySet(why) = parse(&[published(&small.to_jwk_public_key(), None)]).unwrap_err() else {
        panic!("another error")
    };
    assert!(why.contains("1024 bits"), "{why}");
    let fine = published(&RsaKeyPair::generate(2048).unwrap().to_jwk_public_key(), None);
    for (member, value) in [("e", "AQ"), ("e", "Ag"), ("e", ""), ("n", ""), ("e", "AQAAAAE")] {
        let mut jwk = fine.clone();
        jwk[member] = value.into();
        assert!(parse(&[jwk]).is_err(), "{member} {value}");
    }
    let mut huge = fine;
    huge["n"] = format!("{}w", "_".repeat(11_000)).into();
    assert!(parse(&[huge]).is_err());
}

#[test]
fn an_rsa_modulus_with_a_leading_zero_is_read_as_the_number_it_is() {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
    let rsa = RsaKeyPair::generate(2048).unwrap();
    let mut jwk = published(&rsa.to_jwk_public_key(), None);
    let n = B64.decode(jwk["n"].as_str().unwrap()).unwrap();
    jwk["n"] = B64.encode([&[0], n.as_slice()].concat()).into();
    let signer = jws::RS256.signer_from_pem(rsa.to_pem_private_key()).unwrap();
    assert!(set(&[jwk]).verify_jws(&signed(&signer, json!({})), ALL).is_ok());
}

#[test]
fn several_keys_without_kid_or_under_one_kid_are_told_apart_by_the_signature() {
    let (first, _) = ec();
    let (second, signer) = ec();
    for kid in [None, Some("same")] {
        let keys =
            set(&[published(&first.to_jwk_public_key(), kid), published(&second.to_jwk_public_key(), kid)]);
        for header in [json!({}), json!({ "kid": "same" })] {
            let token = signed(&*signer, header);
            assert!(keys.verify_jws(&token, ALL).is_ok());
            assert_eq!(keys.for_token(&token).keys().len(), 1);
        }
    }
}

#[test]
fn an_unknown_kid_says_that_it_is_time_to_fetch_again() {
    let (pair, signer) = ec();
    let keys = set(&[published(&pair.to_jwk_public_key(), Some("old"))]);
    let token = signed(&*signer, json!({ "kid": "new" }));
    assert!(!keys.has_key_for(&token));
    assert_eq!(keys.verify_jws(&token, ALL), Err(VerifyError::NoKey));
    assert!(keys.for_token(&token).keys().is_empty());
    assert!(keys.has_key_for(&signed(&*signer, json!({ "kid": "old" }))));
    assert!(!keys.has_key_for("not a token"));
}

#[test]
fn what_is_no_key_set_is_refused() {
    for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, "<html>"] {
        assert!(matches!(ForeignKeys::parse(document.as_bytes()), Err(VerifyError::KeySet(_))), "{document}");
    }
    let (pair, _) = ec();
    let jwk = published(&pair.to_jwk_public_key(), None);
    let many = set(&vec![jwk; 150]);
    assert_eq!((many.len(), many.skipped().len()), (100, 1));
}
