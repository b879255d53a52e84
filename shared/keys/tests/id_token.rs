//! Our keys under `openidconnect`'s own verifier of ID tokens.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use mangrove_keys::{Algorithm, ForeignKey, ForeignKeys, KeyRing};
use openidconnect::core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, ClientId, ClientSecret, EmptyAdditionalClaims, IdToken, IdTokenVerifier,
    IssuerUrl, Nonce,
};
use serde_json::{Value, json};

type Token = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

const NOW: i64 = 1_800_000_000;

fn ring(algorithm: Algorithm) -> (KeyRing, ForeignKeys) {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::generate_kept(dir.path(), algorithm).unwrap();
    let keys = ForeignKeys::parse(ring.jwks_text().as_bytes()).unwrap();
    (ring, keys)
}

fn claims() -> Value {
    json!({
        "iss": "https://idp.example", "sub": "alice", "aud": "mangrove", "exp": NOW + 60, "iat": NOW, "nonce": "n-1",
    })
}

fn verifier(keys: &ForeignKeys, token: &str) -> IdTokenVerifier<'static, ForeignKey> {
    let issuer = IssuerUrl::new("https://idp.example".to_owned()).unwrap();
    let (client, secret) = (ClientId::new("mangrove".to_owned()), ClientSecret::new("s3cret".to_owned()));
    IdTokenVerifier::new_confidential_client(client, secret, issuer, keys.for_token(token))
        .set_allowed_algs(Algorithm::ALL.map(Algorithm::to_core))
        .set_time_fn(|| DateTime::from_timestamp(NOW, 0).unwrap())
}

fn subject(keys: &ForeignKeys, token: &str) -> Result<String, String> {
    let verifier = verifier(keys, token);
    let token = Token::from_str(token).map_err(|error| error.to_string())?;
    let claims = token.claims(&verifier, &Nonce::new("n-1".to_owned())).map_err(|error| error.to_string())?;
    Ok(claims.subject().to_string())
}

#[test]
fn id_tokens_of_every_algorithm_verify() {
    for algorithm in Algorithm::ALL {
        let (ring, keys) = ring(algorithm);
        let token = ring.sign(None, "JWT", &claims()).unwrap();
        assert_eq!(subject(&keys, &token).as_deref(), Ok("alice"), "{algorithm}");
    }
}

#[test]
fn a_changed_payload_does_not_verify() {
    let (ring, keys) = ring(Algorithm::Es256);
    let token = ring.sign(None, "JWT", &claims()).unwrap();
    let mut mallory = claims();
    mallory["sub"] = "mallory".into();
    let mut parts: Vec<&str> = token.split('.').collect();
    let payload = BASE64_URL_SAFE_NO_PAD.encode(mallory.to_string());
    parts[1] = &payload;
    assert!(subject(&keys, &parts.join(".")).unwrap_err().contains("ignature"));
}

#[test]
fn none_and_an_hmac_with_the_client_secret_do_not_verify() {
    let (_, keys) = ring(Algorithm::Es256);
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims().to_string());
    let none = format!("{}.{payload}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
    assert!(subject(&keys, &none).is_err());
    let secret = [b"s3cret".as_slice(), &[0; 26]].concat();
    let signer = josekit::jws::HS256.signer_from_bytes(secret).unwrap();
    let forged = josekit::jws::serialize_compact(
        claims().to_string().as_bytes(),
        &josekit::jws::JwsHeader::new(),
        &signer,
    );
    assert!(subject(&keys, &forged.unwrap()).is_err());
}

#[test]
fn a_hash_of_the_access_token_is_the_same_on_both_sides() {
    for algorithm in Algorithm::ALL {
        let (ring, keys) = ring(algorithm);
        let mut with_hash = claims();
        with_hash["at_hash"] = algorithm.half_hash("access-token").into();
        let token = ring.sign(None, "JWT", &with_hash).unwrap();
        let verifier = verifier(&keys, &token);
        let id_token = Token::from_str(&token).unwrap();
        let claims = id_token.claims(&verifier, &Nonce::new("n-1".to_owned())).unwrap();
        let expected = AccessTokenHash::from_token(
            &AccessToken::new("access-token".to_owned()),
            id_token.signing_alg().unwrap(),
            id_token.signing_key(&verifier).unwrap(),
        );
        assert_eq!(claims.access_token_hash(), Some(&expected.unwrap()), "{algorithm}");
    }
}

#[test]
fn two_keys_without_kid_do_not_make_it_give_up() {
    let (ours, _) = ring(Algorithm::Es256);
    let (other, _) = ring(Algorithm::Es256);
    let mut document = json!({ "keys": [other.jwks()["keys"][0], ours.jwks()["keys"][0]] });
    for key in document["keys"].as_array_mut().unwrap() {
        key.as_object_mut().unwrap().remove("kid");
    }
    let keys = ForeignKeys::parse(document.to_string().as_bytes()).unwrap();
    let token = ours.sign(None, "JWT", &claims()).unwrap();
    assert_eq!(subject(&keys, &token).as_deref(), Ok("alice"));
}

#[test]
fn a_key_can_be_written_and_read_again() {
    let (_, keys) = ring(Algorithm::Rs256);
    let set = keys.for_token(&ring(Algorithm::Rs256).0.sign(None, "JWT", &claims()).unwrap());
    assert!(set.keys().is_empty(), "another ring's key");
    let (ring, keys) = ring(Algorithm::Rs256);
    let token = ring.sign(None, "JWT", &claims()).unwrap();
    let written = serde_json::to_string(&keys.for_token(&token)).unwrap();
    let read = ForeignKeys::parse(written.as_bytes()).unwrap();
    assert_eq!(subject(&read, &token).as_deref(), Ok("alice"));
}
