//! A node that proves who it is with a key: `private_key_jwt`.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mangrove_config::Config;
use mangrove_connectors::{Blame, Connector, HttpClient, Look, Parts, ProbeResult};
use mangrove_keys::{Algorithm, KeyRing};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lying_idp::Idp;
use crate::{build, connector, login};

/// A provider that knows the public half of a key in the folder, and takes it for `audience`.
async fn provider(algorithm: Algorithm, audience: impl Fn(&str) -> String) -> (Idp, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::client_kept(dir.path(), algorithm).unwrap();
    let idp = Idp::start().await;
    let audience = audience(&idp.issuer);
    idp.lies(|lies| lies.client_keys = Some((ring.jwks().clone(), audience)));
    (idp, dir)
}

fn with_key(dir: &TempDir, algorithm: Algorithm) -> impl FnOnce(&mut Value) {
    let file = format!("client-{}.pem", algorithm.name().to_ascii_lowercase());
    let path = dir.path().join(file);
    move |written| {
        written.as_object_mut().unwrap().remove("oauthClientSecret");
        written["oauthClientAuth"] = json!({ "method": "private_key_jwt", "keyPath": path });
    }
}

#[tokio::test]
async fn a_key_signs_in_without_a_secret_and_each_proof_is_new() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let (idp, dir) = provider(algorithm, str::to_owned).await;
        let connector = connector(&idp, with_key(&dir, algorithm));
        for _ in 0..2 {
            assert_eq!(login(&idp, &connector).await.unwrap().subject, "alice-1", "{algorithm}");
        }
        connector.rehearse().await.unwrap();
    }
}

#[tokio::test]
async fn a_key_asks_for_the_providers_own_word() {
    let (idp, dir) = provider(Algorithm::Es256, str::to_owned).await;
    let at = format!("{}/word", idp.issuer);
    idp.lies(|lies| {
        lies.discovery =
            Some(Box::new(move |document| document["mangrove_health_endpoint"] = at.clone().into()));
        lies.word = Some(json!({ "can_sign_in": false, "blame": "unavailable" }).to_string());
    });
    let connector = connector(&idp, with_key(&dir, Algorithm::Es256));
    assert!(matches!(connector.probe().await, ProbeResult::SaysNo { .. }));
    let look = connector.look(std::time::Duration::from_secs(1)).await;
    assert!(matches!(look, Look::SaysNo { .. }), "{look:?}");
}

#[tokio::test]
async fn a_proof_is_for_the_issuer_unless_an_operator_says_otherwise() {
    let (idp, dir) = provider(Algorithm::Es256, |issuer| format!("{issuer}/token")).await;
    let failure = login(&idp, &connector(&idp, with_key(&dir, Algorithm::Es256))).await.unwrap_err();
    assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, true), "it is not known there");
    let connector = connector(&idp, |written| {
        with_key(&dir, Algorithm::Es256)(written);
        written["oauthClientAuth"]["audience"] = "tokenEndpoint".into();
    });
    assert!(login(&idp, &connector).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_takes_no_keys_is_sent_none() {
    let (idp, dir) = provider(Algorithm::Es256, str::to_owned).await;
    idp.lies(|lies| {
        lies.discovery = Some(Box::new(|document| {
            document["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
        }));
    });
    let failure = login(&idp, &connector(&idp, with_key(&dir, Algorithm::Es256))).await.unwrap_err();
    assert!(failure.keeps_out && failure.log.contains("private_key_jwt"), "{failure}");
    assert_eq!(idp.hits("/token"), 0);
}

#[tokio::test]
async fn the_nodes_own_key_is_made_when_it_is_needed_and_kept() {
    let idp = Idp::start().await;
    let build = |state: &Path| {
        let written = json!({
            "type": "oidc", "name": "root", "oauthClientID": "edge", "oauthClientAuth": { "method": "private_key_jwt" },
            "oidcWellKnownURL": format!("{}/.well-known/openid-configuration", idp.issuer),
        });
        let config =
            Config { connectors: vec![serde_json::from_value(written).unwrap()], ..Config::default() };
        let parts = Parts { http: HttpClient::new().unwrap(), state_dir: state.to_owned() };
        Connector::build(&config, &parts).unwrap().remove(0)
    };
    let dir = tempfile::tempdir().unwrap();
    let jwks = |connector: &Connector| connector.client_key().unwrap().unwrap().jwks().clone();
    let first = build(dir.path());
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "a configuration that is only checked writes nothing"
    );
    let key = jwks(&first);
    assert_eq!((&key["keys"][0]["alg"], jwks(&build(dir.path()))), (&"ES256".into(), key.clone()));
    let nowhere = build(Path::new("/proc/nobody-may-write-here"));
    assert!(nowhere.client_key().unwrap_err().to_string().contains("/proc/nobody-may-write-here"));
}

#[tokio::test]
async fn a_proof_in_two_ways_and_a_key_that_cannot_sign_are_configuration_errors() {
    let (idp, dir) = provider(Algorithm::Es256, str::to_owned).await;
    let said = |change: &dyn Fn(&mut Value)| {
        let changed = |written: &mut Value| {
            with_key(&dir, Algorithm::Es256)(written);
            change(written);
        };
        build(&idp, changed).unwrap_err()
    };
    assert!(said(&|written| written["oauthClientSecret"] = "x".into()).contains("a secret and a key"));
    assert!(
        said(&|written| written["oauthClientAuth"]["keyPath"] = "/nonexistent".into())
            .contains("/nonexistent")
    );
    assert!(said(&|written| written["oauthClientAuth"]["algorithm"] = "RS256".into()).contains("RS256"));
    assert!(said(&|written| written["oauthClientAuth"]["algorithm"] = "HS256".into()).contains("HS256"));
    assert!(
        said(&|written| written["oauthClientAuth"] =
            json!({ "method": "private_key_jwt", "algorithm": "PS256" }))
        .contains("keyPath")
    );
}

/// A certificate around the key in the folder, and its thumbprints as certificate tools show them.
fn certificate(dir: &TempDir, algorithm: Algorithm) -> (std::path::PathBuf, [String; 2]) {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    let key = std::fs::read_to_string(
        dir.path().join(format!("client-{}.pem", algorithm.name().to_ascii_lowercase())),
    );
    let pair = rcgen::KeyPair::from_pem(&key.unwrap()).unwrap();
    let made = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap();
    let path = dir.path().join("client.crt");
    std::fs::write(&path, made.pem()).unwrap();
    let thumbprint = |how| BASE64_URL_SAFE_NO_PAD.encode(digest(how, made.der()));
    (path, [thumbprint(&SHA1_FOR_LEGACY_USE_ONLY), thumbprint(&SHA256)])
}

#[tokio::test]
async fn a_proof_with_a_certificate_names_its_thumbprints_and_no_kid() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let (idp, dir) = provider(algorithm, str::to_owned).await;
        let (path, [sha1, sha256]) = certificate(&dir, algorithm);
        let connector = connector(&idp, |written| {
            with_key(&dir, algorithm)(written);
            written["oauthClientAuth"]["certPath"] = path.display().to_string().into();
        });
        assert_eq!(login(&idp, &connector).await.unwrap().subject, "alice-1", "{algorithm}");
        let expected = json!({ "alg": algorithm.name(), "typ": "JWT", "x5t": sha1, "x5t#S256": sha256 });
        assert_eq!(idp.last_proof(), expected);
    }
}

#[tokio::test]
async fn a_certificate_of_another_key_or_none_is_a_configuration_error() {
    let (idp, dir) = provider(Algorithm::Es256, str::to_owned).await;
    let said = |change: &dyn Fn(&mut Value)| {
        let changed = |written: &mut Value| {
            with_key(&dir, Algorithm::Es256)(written);
            change(&mut written["oauthClientAuth"]);
        };
        build(&idp, changed).unwrap_err()
    };
    let (path, _) = certificate(&dir, Algorithm::Es256);
    let own = |written: &mut Value| written["certPath"] = path.display().to_string().into();
    let foreign = dir.path().join("foreign.crt");
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap();
    std::fs::write(&foreign, made.pem()).unwrap();
    let foreign = |written: &mut Value| written["certPath"] = foreign.display().to_string().into();
    assert!(said(&foreign).contains("belongs to another key"), "{}", said(&foreign));
    assert!(said(&|written| written["certPath"] = "/nonexistent".into()).contains("/nonexistent"));
    assert!(said(&|written| written["certPath"] = written["keyPath"].clone()).contains("no certificate"));
    let no_key = |written: &mut Value| {
        own(written);
        written.as_object_mut().unwrap().remove("keyPath");
    };
    assert!(said(&no_key).contains("certPath needs keyPath"), "{}", said(&no_key));
}
