//! What an ID token must be.

use mangrove_connectors::{Ask, Blame, Failure, Identity, Prompt};
use mangrove_keys::ambient::unix_now;
use serde_json::json;

use crate::lying_idp::{Idp, SECRET, rewritten, signed_with_secret};
use crate::{begin_with, connector, forged, login, with_claims};

/// Refused as an attack: no other member is asked, nothing is learned about health, the log says why.
fn refused(result: Result<Identity, Failure>, why: &str) {
    let failure = result.expect_err("this must be refused");
    assert_eq!(failure.blame, Blame::Protocol, "{failure}");
    assert!(!failure.no_answer && !failure.keeps_out);
    assert!(failure.log.starts_with("idp: ") && failure.log.contains(why), "{failure}");
    assert!(!failure.outside.is_empty() && !failure.outside.contains(why));
}

/// A clock is wrong: for an operator, for this login only.
fn blames_a_clock(result: Result<Identity, Failure>) {
    let failure = result.expect_err("this must be refused");
    assert_eq!(failure.blame, Blame::Misconfigured, "{failure}");
    assert!(!failure.no_answer && !failure.keeps_out);
    assert!(failure.log.contains("good except for its times"), "{failure}");
}

#[tokio::test]
async fn a_good_login_ends_in_an_identity_with_everything_that_was_said() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |written| written["trustEmail"] = true.into());
    let identity = login(&idp, &connector).await.unwrap();
    assert_eq!(identity.connector, "idp");
    assert_eq!(identity.issuer.as_deref(), Some(idp.issuer.as_str()));
    assert_eq!(identity.subject, "alice-1");
    assert_eq!((identity.acr.as_deref(), identity.amr.len()), (Some("silver"), 2));
    assert_eq!(identity.path, ["root1"]);
    assert_eq!(identity.upstream_sid.as_deref(), Some("s1"));
    assert!(identity.auth_time.is_some() && identity.email_trusted && identity.logout_hint.is_some());
    assert_eq!(identity.claims["name"], "Alice");
    let of_the_token = ["nonce", "aud", "at_hash", "mangrove_path"];
    assert!(of_the_token.iter().all(|name| !identity.claims.contains_key(*name)));
    assert_eq!(idp.hits("/userinfo"), 0, "nothing was missing");
}

#[tokio::test]
async fn a_forged_signature_is_refused() {
    let changed =
        forged(|token| rewritten(&token, |_, claims| drop(claims.insert("sub".into(), "admin".into()))));
    refused(changed.await, "signature does not hold");
}

#[tokio::test]
async fn another_providers_key_is_refused_although_the_kid_is_right() {
    let other = Idp::start().await;
    let kid = |idp: &Idp| idp.jwks()["keys"][0]["kid"].clone();
    let theirs = kid(&other);
    let renamed =
        forged(move |token| rewritten(&token, |head, _| drop(head.insert("kid".into(), theirs.clone()))));
    refused(renamed.await, "a key that is not published");
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let none = |token: String| {
        let unsigned = rewritten(&token, |head, _| drop(head.insert("alg".into(), "none".into())));
        unsigned.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap()
    };
    refused(forged(none).await, "it is not");
    let kept = |token: String| rewritten(&token, |head, _| drop(head.insert("alg".into(), "none".into())));
    refused(forged(kept).await, "it is not");
}

#[tokio::test]
async fn hs256_with_the_public_key_or_the_client_secret_is_refused() {
    let idp = Idp::start().await;
    let modulus = idp.jwks()["keys"][0]["n"].as_str().unwrap().to_owned();
    let document = idp.jwks().to_string();
    for key in [modulus, document, SECRET.to_owned()] {
        idp.lies(|lies| lies.forge = Some(Box::new(move |token| signed_with_secret(&token, key.as_bytes()))));
        refused(login(&idp, &connector(&idp, |_| ())).await, "algorithm is not allowed");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_configured_is_refused() {
    let idp = Idp::start().await;
    idp.lies(|lies| {
        lies.discovery =
            Some(Box::new(|doc| doc["id_token_signing_alg_values_supported"] = json!(["ES256", "RS256"])));
    });
    let only_es256 = connector(&idp, |written| written["allowedAlgorithms"] = json!(["ES256"]));
    refused(login(&idp, &only_es256).await, "algorithm is not allowed");
}

#[tokio::test]
async fn a_wrong_audience_is_refused() {
    refused(with_claims(|claims| claims["aud"] = "another client".into()).await, "aud");
    refused(with_claims(|claims| claims["aud"] = json!([])).await, "aud");
}

#[tokio::test]
async fn an_extra_audience_needs_an_azp_that_is_us() {
    refused(with_claims(|claims| claims["aud"] = json!(["mesh", "other"])).await, "no azp");
    let ours = with_claims(|claims| {
        claims["aud"] = json!(["mesh", "other"]);
        claims["azp"] = "mesh".into();
    });
    assert!(ours.await.is_ok());
    refused(with_claims(|claims| claims["azp"] = "other".into()).await, "azp is another client");
}

#[tokio::test]
async fn a_wrong_issuer_is_refused() {
    refused(with_claims(|claims| claims["iss"] = "https://evil.example".into()).await, "iss");
}

#[tokio::test]
async fn a_wrong_or_missing_nonce_is_refused() {
    refused(with_claims(|claims| claims["nonce"] = "another".into()).await, "nonce");
    refused(with_claims(|claims| claims["nonce"] = json!(null)).await, "nonce");
}

#[tokio::test]
async fn an_empty_subject_is_refused() {
    refused(with_claims(|claims| claims["sub"] = "".into()).await, "sub");
}

#[tokio::test]
async fn a_wrong_at_hash_is_refused_and_a_missing_one_is_not() {
    refused(with_claims(|claims| claims["at_hash"] = "AAAA".into()).await, "at_hash");
    assert!(with_claims(|claims| drop(claims.as_object_mut().unwrap().remove("at_hash"))).await.is_ok());
}

#[tokio::test]
async fn a_malformed_path_is_refused() {
    refused(with_claims(|claims| claims["mangrove_path"] = json!(["a", 1])).await, "path");
    refused(with_claims(|claims| claims["mangrove_path"] = json!(vec!["a"; 100])).await, "path");
}

#[tokio::test]
async fn an_expired_token_blames_a_clock() {
    blames_a_clock(with_claims(|claims| claims["exp"] = (unix_now() - 90).into()).await);
    assert!(
        with_claims(|claims| claims["exp"] = (unix_now() - 30).into()).await.is_ok(),
        "clocks differ a little"
    );
}

#[tokio::test]
async fn a_token_from_the_future_blames_a_clock() {
    for name in ["iat", "nbf", "auth_time"] {
        blames_a_clock(with_claims(move |claims| claims[name] = (unix_now() + 120).into()).await);
    }
}

#[tokio::test]
async fn an_expired_token_with_a_forged_signature_blames_the_forger() {
    let both = forged(|token| rewritten(&token, |_, claims| drop(claims.insert("exp".into(), 1.into()))));
    refused(both.await, "signature");
}

#[tokio::test]
async fn a_token_without_times_is_refused() {
    refused(with_claims(|claims| drop(claims.as_object_mut().unwrap().remove("exp"))).await, "lacks");
    refused(with_claims(|claims| drop(claims.as_object_mut().unwrap().remove("iat"))).await, "lacks");
}

#[tokio::test]
async fn max_age_is_asked_for_and_kept() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let ask = Ask { max_age: Some(300), prompt: Some(Prompt::Login), ..Ask::default() };
    let (url, pending) = begin_with(&connector, &ask).await;
    assert!(url.query().unwrap().contains("max_age=300") && url.query().unwrap().contains("prompt=login"));
    assert!(connector.finish(&pending, &idp.signs_in(&url)).await.is_ok());

    for said in [json!(unix_now() - 500), json!(null)] {
        idp.lies(|lies| lies.claims = Some(Box::new(move |claims| claims["auth_time"] = said.clone())));
        let (url, pending) = begin_with(&connector, &ask).await;
        refused(connector.finish(&pending, &idp.signs_in(&url)).await, "max_age");
    }
}

#[tokio::test]
async fn userinfo_is_asked_for_what_is_missing_and_the_id_token_wins() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |written| written["scopes"] = "openid profile email".into());
    let identity = login(&idp, &connector).await.unwrap();
    assert_eq!(identity.claims["email"], "alice@example.com");
    assert_eq!(identity.claims["name"], "Alice");
    assert_eq!(identity.path, ["root1"], "a path is taken from ID tokens only");
}

#[tokio::test]
async fn userinfo_without_the_same_subject_is_refused() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |written| written["scopes"] = "openid email".into());
    for sub in [json!("mallory"), json!(null)] {
        idp.lies(|lies| lies.userinfo = Some(Box::new(move |claims| claims["sub"] = sub.clone())));
        refused(login(&idp, &connector).await, "another person");
    }
}
