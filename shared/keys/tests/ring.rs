//! This node's own keys and tokens; `josekit` (OpenSSL) is the independent implementation that has to agree.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws;
use mangrove_keys::{Algorithm, KeyError, KeyRing, KeySource, VerifyError};
use serde_json::{Value, json};
use tempfile::TempDir;

fn made(algorithm: Algorithm) -> (TempDir, KeyRing) {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::generate_kept(dir.path(), algorithm).unwrap();
    (dir, ring)
}

fn claims() -> Value {
    json!({ "iss": "https://root.example", "sub": "alice", "aud": "edge", "exp": 2_000_000_000, "name": "Ålice \"A\"" })
}

fn jwk(ring: &KeyRing) -> Jwk {
    Jwk::from_map(ring.jwks()["keys"][0].as_object().unwrap().clone()).unwrap()
}

/// The token with one of its parts replaced.
fn with_part(token: &str, at: usize, part: &[u8]) -> String {
    let encoded = BASE64_URL_SAFE_NO_PAD.encode(part);
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[at] = &encoded;
    parts.join(".")
}

fn from_pem(pem: Vec<u8>, algorithm: Option<Algorithm>) -> Result<KeyRing, KeyError> {
    let pem = String::from_utf8(pem).unwrap().into();
    KeyRing::load(&[KeySource::Pem { name: "signing-key".to_owned(), pem, algorithm }])
}

#[test]
fn what_is_signed_verifies_here() {
    for algorithm in Algorithm::ALL {
        let (_dir, ring) = made(algorithm);
        assert_eq!(ring.algorithms(), [algorithm]);
        let token = ring.sign(Some(algorithm), "at+jwt", &claims()).unwrap();
        assert_eq!(Value::Object(ring.verify(&token, "at+jwt").unwrap()), claims());
    }
}

#[test]
fn what_is_signed_verifies_elsewhere_by_the_published_keys() {
    for algorithm in Algorithm::ALL {
        let (_dir, ring) = made(algorithm);
        let token = ring.sign(None, "JWT", &claims()).unwrap();
        let jwk = jwk(&ring);
        let verifier: Box<dyn jws::JwsVerifier> = match algorithm {
            Algorithm::Rs256 => Box::new(jws::RS256.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::Rs384 => Box::new(jws::RS384.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::Rs512 => Box::new(jws::RS512.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::Ps256 => Box::new(jws::PS256.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::Ps384 => Box::new(jws::PS384.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::Ps512 => Box::new(jws::PS512.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::Es256 => Box::new(jws::ES256.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::Es384 => Box::new(jws::ES384.verifier_from_jwk(&jwk).unwrap()),
            Algorithm::EdDsa => Box::new(jws::EdDSA.verifier_from_jwk(&jwk).unwrap()),
        };
        let (payload, header) = jws::deserialize_compact(&token, &*verifier).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), claims());
        assert_eq!(header.token_type(), Some("JWT"));
        assert_eq!(header.key_id(), jwk.key_id());
    }
}

#[test]
fn the_document_publishes_what_is_needed_and_nothing_private() {
    let (_dir, rsa) = made(Algorithm::Rs256);
    let (_dir2, ec) = made(Algorithm::Es256);
    let both = rsa.and(ec).unwrap();
    assert_eq!(both.algorithms(), [Algorithm::Rs256, Algorithm::Es256]);
    assert_eq!(serde_json::from_str::<Value>(both.jwks_text()).unwrap(), *both.jwks());
    let keys = both.jwks()["keys"].as_array().unwrap();
    let members = |at: usize| keys[at].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(0), ["e", "kty", "n", "use", "alg", "kid"]);
    assert_eq!(members(1), ["crv", "kty", "x", "y", "use", "alg", "kid"]);
    assert_eq!(keys[1]["alg"], "ES256");
}

#[test]
fn the_kid_is_the_thumbprint_of_rfc_7638() {
    let (_dir, ring) = made(Algorithm::Es256);
    let key = &ring.jwks()["keys"][0];
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, key["x"], key["y"]);
    assert_eq!(key["kid"], mangrove_keys::secret::sha256_base64url(canonical.as_bytes()));
}

#[test]
fn the_first_key_signs_unless_another_algorithm_is_asked_for() {
    let (_dir, rsa) = made(Algorithm::Rs256);
    let (_dir2, ec) = made(Algorithm::Es256);
    let ring = rsa.and(ec).unwrap();
    let header = |token: &str| {
        let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()
    };
    let usual = ring.sign(None, "JWT", &claims()).unwrap();
    assert_eq!(header(&usual)["alg"], "RS256");
    assert_eq!(ring.algorithm(None).unwrap(), Algorithm::Rs256);
    let asked = ring.sign(Some(Algorithm::Es256), "JWT", &claims()).unwrap();
    assert_eq!(header(&asked)["alg"], "ES256");
    assert_eq!(header(&asked)["kid"], ring.jwks()["keys"][1]["kid"]);
    assert!(ring.verify(&usual, "JWT").is_ok() && ring.verify(&asked, "JWT").is_ok());
    assert!(matches!(ring.sign(Some(Algorithm::EdDsa), "JWT", &claims()), Err(KeyError::NoKeyFor(_))));
}

#[test]
fn pem_files_of_every_usual_form_load() {
    let dir = tempfile::tempdir().unwrap();
    let rsa = RsaKeyPair::generate(2048).unwrap();
    let ec = EcKeyPair::generate(EcCurve::P256).unwrap();
    let forms = [
        (rsa.to_pem_private_key(), Algorithm::Rs256, "PKCS#8 RSA"),
        (rsa.to_traditional_pem_private_key(), Algorithm::Rs256, "PKCS#1"),
        (ec.to_pem_private_key(), Algorithm::Es256, "PKCS#8 EC"),
        (ec.to_traditional_pem_private_key(), Algorithm::Es256, "SEC 1"),
    ];
    for (pem, algorithm, form) in forms {
        let path = dir.path().join("signing.key");
        fs::write(&path, &pem).unwrap();
        let ring = KeyRing::load(&[KeySource::File { path, algorithm: None }]).unwrap();
        assert_eq!(ring.algorithms(), [algorithm], "{form}");
        let token = ring.sign(None, "JWT", &claims()).unwrap();
        assert!(ring.verify(&token, "JWT").is_ok(), "{form}");
        assert_eq!(from_pem(pem, None).unwrap().jwks(), ring.jwks(), "{form}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_refused_with_the_reason() {
    let small = RsaKeyPair::generate(1024).unwrap();
    for pem in [small.to_pem_private_key(), small.to_traditional_pem_private_key()] {
        let words = from_pem(pem, None).unwrap_err().to_string();
        assert!(words.contains("signing-key") && words.contains("2048"), "{words}");
    }
    let p521 = EcKeyPair::generate(EcCurve::P521).unwrap();
    let words = from_pem(p521.to_pem_private_key(), None).unwrap_err().to_string();
    assert!(words.contains("P-256"), "{words}");
    let rsa = RsaKeyPair::generate(2048).unwrap();
    let words = from_pem(rsa.to_pem_private_key(), Some(Algorithm::Es256)).unwrap_err().to_string();
    assert!(words.contains("ES256 needs another kind of key"), "{words}");
    for pem in [rsa.to_pem_public_key(), b"".to_vec(), b"not a key".to_vec()] {
        assert!(matches!(from_pem(pem, None), Err(KeyError::NoPrivateKey { .. })));
    }
    let garbage = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(from_pem(garbage.into(), None), Err(KeyError::Unusable { .. })));
    let missing = KeySource::File { path: Path::new("/nonexistent/signing.key").into(), algorithm: None };
    let words = KeyRing::load(&[missing]).unwrap_err().to_string();
    assert!(words.contains("/nonexistent/signing.key"), "{words}");
    assert!(matches!(KeyRing::load(&[]), Err(KeyError::Empty)));
}

#[test]
fn the_same_key_twice_is_refused() {
    let pem = EcKeyPair::generate(EcCurve::P256).unwrap().to_pem_private_key();
    let (one, two) = (from_pem(pem.clone(), None).unwrap(), from_pem(pem, None).unwrap());
    assert!(matches!(one.and(two), Err(KeyError::Twice { .. })));
}

#[test]
fn nothing_private_is_in_debug_output() {
    let pem = String::from_utf8(EcKeyPair::generate(EcCurve::P256).unwrap().to_pem_private_key()).unwrap();
    let source = KeySource::Pem { name: "k".to_owned(), pem: pem.clone().into(), algorithm: None };
    let ring = KeyRing::load(std::slice::from_ref(&source)).unwrap();
    let shown = format!("{source:?} {ring:?}");
    assert!(pem.lines().filter(|line| !line.starts_with('-')).all(|line| !shown.contains(line)));
}

#[test]
fn a_made_key_is_kept_for_its_owner_only_and_is_the_same_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state/keys");
    let first = KeyRing::generate_kept(&state, Algorithm::Es256).unwrap();
    let file = state.join("signing-es256.pem");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    let second = KeyRing::generate_kept(&state, Algorithm::Es256).unwrap();
    assert_eq!(first.jwks(), second.jwks());
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn starts_at_the_same_time_agree_on_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let kids: Vec<Value> = std::thread::scope(|scope| {
        let start =
            || KeyRing::generate_kept(dir.path(), Algorithm::Es256).unwrap().jwks()["keys"][0]["kid"].clone();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]));
}

#[test]
fn a_made_key_that_others_may_read_is_refused_and_a_damaged_one_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    KeyRing::generate_kept(dir.path(), Algorithm::Es256).unwrap();
    let file = dir.path().join("signing-es256.pem");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let words = KeyRing::generate_kept(dir.path(), Algorithm::Es256).unwrap_err().to_string();
    assert!(words.contains("chmod 600") && words.contains("640"), "{words}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "half a key").unwrap();
    assert!(matches!(
        KeyRing::generate_kept(dir.path(), Algorithm::Es256),
        Err(KeyError::NoPrivateKey { .. })
    ));
    assert_eq!(fs::read_to_string(&file).unwrap(), "half a key");
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let (_dir, ring) = made(Algorithm::Es256);
    let token = ring.sign(None, "JWT", &claims()).unwrap();
    let kid = ring.jwks()["keys"][0]["kid"].clone();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg, "kid": kid, "typ": "JWT" }).to_string();
        let unsigned = with_part(&with_part(&token, 0, header.as_bytes()), 2, b"");
        assert_eq!(ring.verify(&unsigned, "JWT"), Err(VerifyError::Algorithm), "{alg}");
    }
    let stripped = format!("{}.", token.rsplit_once('.').unwrap().0);
    assert_eq!(ring.verify(&stripped, "JWT"), Err(VerifyError::Signature));
}

#[test]
fn an_hmac_with_the_public_key_is_refused() {
    let pair = RsaKeyPair::generate(2048).unwrap();
    let ring = from_pem(pair.to_pem_private_key(), None).unwrap();
    let pem = pair.to_pem_public_key();
    for secret in [pem, ring.jwks_text().as_bytes().to_vec()] {
        let signer = jws::HS256.signer_from_bytes(&secret).unwrap();
        let mut header = jws::JwsHeader::new();
        header.set_token_type("JWT");
        header.set_key_id(ring.jwks()["keys"][0]["kid"].as_str().unwrap());
        let forged = jws::serialize_compact(claims().to_string().as_bytes(), &header, &signer).unwrap();
        assert_eq!(ring.verify(&forged, "JWT"), Err(VerifyError::Algorithm));
    }
}

#[test]
fn another_type_is_refused() {
    let (_dir, ring) = made(Algorithm::Es256);
    let id_token = ring.sign(None, "JWT", &claims()).unwrap();
    assert_eq!(ring.verify(&id_token, "at+jwt"), Err(VerifyError::Type("at+jwt".to_owned())));
    assert!(ring.verify(&id_token, "jwt").is_err(), "compared as it is written");
}

#[test]
fn a_change_of_any_part_is_refused() {
    let (_dir, ring) = made(Algorithm::Es256);
    let token = ring.sign(None, "JWT", &claims()).unwrap();
    let mallory = json!({ "sub": "mallory" }).to_string();
    assert_eq!(ring.verify(&with_part(&token, 1, mallory.as_bytes()), "JWT"), Err(VerifyError::Signature));
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(changed == token || ring.verify(&changed, "JWT").is_err(), "{at}");
    }
}

#[test]
fn headers_that_this_node_does_not_write_are_refused() {
    let (_dir, ring) = made(Algorithm::Es256);
    let token = ring.sign(None, "JWT", &claims()).unwrap();
    let kid = ring.jwks()["keys"][0]["kid"].clone();
    for (member, value) in [
        ("zip", json!("DEF")),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jwk", ring.jwks()["keys"][0].clone()),
        ("jku", json!("https://attacker.example/keys")),
    ] {
        let mut header = json!({ "alg": "ES256", "kid": kid, "typ": "JWT" });
        header[member] = value;
        let changed = with_part(&token, 0, header.to_string().as_bytes());
        assert!(matches!(ring.verify(&changed, "JWT"), Err(VerifyError::Malformed(_))), "{member}");
    }
    let twice = format!(r#"{{"alg":"none","alg":"ES256","kid":{kid},"typ":"JWT"}}"#);
    assert!(matches!(
        ring.verify(&with_part(&token, 0, twice.as_bytes()), "JWT"),
        Err(VerifyError::Malformed(_))
    ));
}

#[test]
fn a_token_of_another_ring_or_of_another_key_under_our_kid_is_refused() {
    let (_dir, ours) = made(Algorithm::Es256);
    let (_dir2, theirs) = made(Algorithm::Es256);
    let token = theirs.sign(None, "JWT", &claims()).unwrap();
    assert_eq!(ours.verify(&token, "JWT"), Err(VerifyError::NoKey));
    let kid = ours.jwks()["keys"][0]["kid"].as_str().unwrap();
    let mut header = jws::JwsHeader::new();
    header.set_token_type("JWT");
    header.set_key_id(kid);
    let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
    let signer = jws::ES256.signer_from_pem(pair.to_pem_private_key()).unwrap();
    let forged = jws::serialize_compact(claims().to_string().as_bytes(), &header, &signer).unwrap();
    assert_eq!(ours.verify(&forged, "JWT"), Err(VerifyError::Signature));
}

#[test]
fn text_that_is_no_token_is_refused_quietly() {
    let (_dir, ring) = made(Algorithm::Es256);
    let long = format!("{}.a.b", "a".repeat(70_000));
    for text in ["", ".", "..", "...", "a.b", "a.b.c.d", "ä.ö.ü", "e30.e30.", long.as_str(), "e30=.e30.e30"]
    {
        assert!(matches!(ring.verify(text, "JWT"), Err(VerifyError::Malformed(_))), "{text:.20}");
    }
}
