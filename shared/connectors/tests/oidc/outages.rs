//! Discovery and keys while the provider is slow, dead, wrong or changing; and probes.

use std::time::{Duration, Instant};

use mangrove_connectors::{Ask, Blame, Connector, Knock, Look, ProbeResult};
use serde_json::{Value, json};

use crate::lying_idp::{Idp, rewritten};
use crate::{begin, connector, login};

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn impatient(written: &mut Value) {
    written["healthCheck"] = json!({ "enabled": true, "interval": "1s", "timeout": "300ms" });
}

async fn failed(connector: &Connector) -> (String, bool) {
    match connector.probe().await {
        ProbeResult::Failed { why, no_answer } => (why, no_answer),
        other => panic!("{other:?}"),
    }
}

async fn discovery_is(change: impl Fn(&mut Value) + Send + 'static) -> mangrove_connectors::Failure {
    let idp = Idp::start().await;
    idp.lies(|lies| lies.discovery = Some(Box::new(change)));
    connector(&idp, |_| ()).begin(&Ask::default()).await.unwrap_err()
}

#[tokio::test]
async fn keys_may_roll() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    assert!(login(&idp, &connector).await.is_ok());
    idp.rolls_keys();
    assert!(login(&idp, &connector).await.is_ok());
    assert_eq!(idp.hits("/jwks"), 2, "asked again once");
}

#[tokio::test]
async fn a_key_that_was_taken_back_counts_no_more_after_a_good_fetch() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let old = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let kept = old.clone();
    idp.lies(|lies| {
        lies.forge = Some(Box::new(move |token| {
            kept.lock().unwrap().clone_from(&token);
            token
        }));
    });
    assert!(login(&idp, &connector).await.is_ok());
    idp.rolls_keys();
    assert!(matches!(connector.probe().await, ProbeResult::Answered { .. }));
    let signed_with_old_key = old.lock().unwrap().clone();
    idp.lies(|lies| lies.forge = Some(Box::new(move |_| signed_with_old_key.clone())));
    assert!(login(&idp, &connector).await.unwrap_err().log.contains("not published"));
}

#[tokio::test]
async fn a_flood_of_unknown_kids_fetches_once() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    assert!(login(&idp, &connector).await.is_ok());
    let before = idp.hits("/jwks");
    idp.lies(|lies| {
        lies.forge = Some(Box::new(|token| {
            let kid = mangrove_keys::ambient::short_id();
            rewritten(&token, |head, _| drop(head.insert("kid".into(), kid.into())))
        }));
    });
    let flood = futures::future::join_all((0..20).map(|_| login(&idp, &connector))).await;
    assert!(
        flood.iter().all(|result| result.as_ref().is_err_and(|failure| failure.blame == Blame::Protocol))
    );
    assert_eq!(idp.hits("/jwks"), before + 1);
}

#[tokio::test]
async fn many_first_logins_share_one_fetch() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    futures::future::join_all((0..20).map(|_| begin(&connector))).await;
    assert_eq!((idp.hits(DISCOVERY), idp.hits("/jwks")), (1, 1));
}

#[tokio::test]
async fn a_node_starts_while_the_provider_is_dead_and_works_when_it_is_back() {
    let mut idp = Idp::start().await;
    idp.dies().await;
    let connector = connector(&idp, |_| ());
    assert!(connector.able().is_ok());
    let failure = connector.begin(&Ask::default()).await.unwrap_err();
    assert_eq!((failure.blame, failure.no_answer), (Blame::Unavailable, true), "{failure}");
    assert!(failed(&connector).await.1);
    idp.comes_back().await;
    assert!(login(&idp, &connector).await.is_ok(), "a failed fetch is not remembered as the truth");
}

#[tokio::test]
async fn the_last_good_keys_are_used_while_discovery_and_keys_are_dead() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    assert!(login(&idp, &connector).await.is_ok());
    idp.lies(|lies| {
        lies.instead.insert(DISCOVERY, (503, "", String::new()));
        lies.instead.insert("/jwks", (503, "", String::new()));
    });
    assert_eq!(failed(&connector).await, ("discovery: status 503".into(), false));
    assert!(login(&idp, &connector).await.is_ok());
}

#[tokio::test]
async fn the_last_good_keys_are_used_no_longer_than_their_age() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |written| written["keysMaxAge"] = "1ms".into());
    let (url, pending) = begin(&connector).await;
    idp.lies(|lies| drop(lies.instead.insert(DISCOVERY, (503, "", String::new()))));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let failure = connector.finish(&pending, &idp.signs_in(&url)).await.unwrap_err();
    assert_eq!((failure.blame, failure.no_answer), (Blame::Unavailable, false), "{failure}");
    assert_eq!(idp.hits("/token"), 0);
}

#[tokio::test]
async fn another_issuers_discovery_document_is_for_an_operator() {
    let failure = discovery_is(|doc| doc["issuer"] = "https://evil.example".into()).await;
    assert_eq!(failure.blame, Blame::Misconfigured);
    assert!(failure.keeps_out && failure.log.contains("https://evil.example"));
}

#[tokio::test]
async fn an_oversized_or_broken_discovery_document_is_an_outage() {
    let failure = discovery_is(|doc| doc["padding"] = "x".repeat(600 * 1024).into()).await;
    assert_eq!((failure.blame, failure.no_answer), (Blame::Unavailable, false));
    assert!(failure.log.contains("larger than"), "{failure}");
    let failure = discovery_is(|doc| *doc = json!(["not", "a", "document"])).await;
    assert_eq!(failure.blame, Blame::Unavailable);
    assert!(!failure.log.contains("not\""), "documents are not quoted");
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_deadline_and_the_next_probe_gets_a_new_connection() {
    let idp = Idp::start().await;
    let connector = connector(&idp, impatient);
    idp.lies(|lies| lies.silent.push(DISCOVERY));
    let started = Instant::now();
    let (why, no_answer) = failed(&connector).await;
    assert!(no_answer && why.contains("timed out"), "{why}");
    assert!(started.elapsed() < Duration::from_secs(1));
    idp.tells_the_truth();
    assert!(matches!(connector.probe().await, ProbeResult::Answered { .. }));
}

#[tokio::test]
async fn a_probe_wants_keys_that_can_be_used() {
    let idp = Idp::start().await;
    idp.lies(|lies| drop(lies.instead.insert("/jwks", (200, "", r#"{"keys":[]}"#.into()))));
    let (why, no_answer) = failed(&connector(&idp, |_| ())).await;
    assert!(!no_answer && why.contains("keys"), "{why}");
}

#[tokio::test]
async fn a_custom_endpoint_that_answers_and_does_not_match_says_no() {
    let idp = Idp::start().await;
    let custom = |contains: &'static str| {
        let endpoint = format!("{}/health", idp.issuer);
        move |written: &mut Value| {
            impatient(written);
            written["healthCheck"]["customEndpoint"] = json!({
                "type": "http", "endpoint": endpoint,
                "responseMatcher": { "expectedStatuses": [200], "body": { "contains": contains } },
            });
        }
    };
    let (healthy, picky) = (connector(&idp, custom("healthy")), connector(&idp, custom("splendid")));
    assert!(matches!(healthy.probe().await, ProbeResult::Answered { .. }));
    assert!(matches!(picky.probe().await, ProbeResult::EndpointRefused { .. }));
    idp.lies(|lies| drop(lies.instead.insert("/health", (200, "", "healthy ".repeat(40_000)))));
    let ProbeResult::EndpointRefused { why } = healthy.probe().await else { panic!("too much was taken") };
    assert!(why.contains("larger than"), "{why}");
    idp.lies(|lies| lies.silent.push("/health"));
    assert!(failed(&healthy).await.1, "one that does not answer is no answer");
    assert_eq!(idp.hits(DISCOVERY), 0, "it is asked instead of the provider");
    assert!(healthy.health_policy().custom_endpoint);
}

#[tokio::test]
async fn at_last_an_endpoint_that_is_silent_is_looked_past_and_one_that_says_no_is_not() {
    let idp = Idp::start().await;
    let endpoint = format!("{}/health", idp.issuer);
    let connector = connector(&idp, |written| {
        impatient(written);
        written["healthCheck"]["customEndpoint"] = json!({ "type": "http", "endpoint": endpoint });
    });
    let patience = Duration::from_millis(300);
    idp.lies(|lies| lies.silent.push("/health"));
    assert!(matches!(connector.look(patience).await, Look::Failed { .. }));
    assert!(matches!(connector.look_at_last(patience).await, Look::Answered { .. }));
    idp.lies(|lies| {
        lies.silent.clear();
        lies.instead.insert("/health", (503, "", String::new()));
    });
    assert!(matches!(connector.look_at_last(patience).await, Look::Refused { .. }));
}

#[tokio::test]
async fn a_page_elsewhere_may_be_closed_to_this_node_and_open_to_people() {
    let (idp, mut elsewhere) = (Idp::start().await, Idp::start().await);
    let page = format!("{}/auth", elsewhere.issuer);
    idp.lies(move |lies| {
        lies.discovery = Some(Box::new(move |document| document["authorization_endpoint"] = json!(page)));
    });
    let connector = connector(&idp, |_| ());
    begin(&connector).await;
    assert_eq!(connector.opens().await, Knock::Open);
    elsewhere.dies().await;
    assert_eq!(connector.opens().await, Knock::Unsure, "a look decides");
}

#[tokio::test]
async fn a_probe_of_the_token_endpoint_tells_a_secret_that_expired_from_a_wrong_code() {
    let idp = Idp::start().await;
    let asks_for_tokens = |written: &mut Value| {
        written["healthCheck"] = json!({ "enabled": true, "probe": "token" });
    };
    let (thorough, plain) = (connector(&idp, asks_for_tokens), connector(&idp, |_| ()));
    let says = |status, error: &str| {
        let answer = json!({ "error": error }).to_string();
        idp.lies(|lies| drop(lies.instead.insert("/token", (status, "", answer))));
    };
    says(400, "invalid_grant");
    assert!(matches!(thorough.probe().await, ProbeResult::Answered { knows_this_node: true, .. }));
    says(401, "invalid_client");
    let ProbeResult::Misconfigured { why } = thorough.probe().await else { panic!("not noticed") };
    assert!(why.contains("invalid_client"), "{why}");
    assert!(matches!(plain.probe().await, ProbeResult::Answered { knows_this_node: false, .. }));
    says(400, "unsupported_grant_type");
    assert!(matches!(thorough.probe().await, ProbeResult::Answered { knows_this_node: false, .. }));
    says(503, "");
    assert!(!failed(&thorough).await.1, "discovery answers, and nobody could sign in");
    idp.lies(|lies| drop(lies.instead.insert(DISCOVERY, (503, "", String::new()))));
    let before = idp.hits("/token");
    failed(&thorough).await;
    assert_eq!(idp.hits("/token"), before, "who does not publish anything is not asked further");
}
