//! The provider's own word: a `no` is believed, and nothing else that comes from there changes anything.

use std::time::{Duration, Instant};

use mangrove_connectors::{Connector, Look, ProbeResult};
use serde_json::{Value, json};

use crate::lying_idp::Idp;
use crate::{build, connector};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const WORD: &str = "/word";
const NO: &str = r#"{"can_sign_in": false, "blame": "unavailable", "age": 2}"#;

/// A provider that announces where it says whether it can sign people in.
async fn root() -> Idp {
    let idp = Idp::start().await;
    announces(&idp, json!(format!("{}{WORD}", idp.issuer)));
    idp
}

fn announces(idp: &Idp, endpoint: Value) {
    let announced = move |doc: &mut Value| doc["mangrove_health_endpoint"] = endpoint.clone();
    idp.lies(|lies| lies.discovery = Some(Box::new(announced)));
}

fn says(idp: &Idp, word: &str) {
    idp.lies(|lies| lies.word = Some(word.to_owned()));
}

async fn answered(connector: &Connector) -> bool {
    matches!(connector.probe().await, ProbeResult::Answered { .. })
}

#[tokio::test]
async fn a_provider_that_says_no_is_believed_although_its_discovery_answers() {
    let idp = root().await;
    let connector = connector(&idp, |_| ());
    assert!(answered(&connector).await, "a yes is a good probe");
    says(&idp, NO);
    let why = "idp says that it cannot sign people in (unavailable, 2 s old)".to_owned();
    assert_eq!(connector.probe().await, ProbeResult::SaysNo { why });
    says(&idp, r#"{"can_sign_in": true}"#);
    assert!(answered(&connector).await);
    assert_eq!((idp.hits(WORD), idp.hits(DISCOVERY)), (3, 3), "asked once in each probe");
}

#[tokio::test]
async fn a_provider_that_is_in_doubt_is_passed_over_by_a_look_and_not_by_a_probe() {
    let idp = root().await;
    let connector = connector(&idp, |_| ());
    says(&idp, r#"{"can_sign_in": true, "in_doubt": true}"#);
    assert!(answered(&connector).await);
    let look = connector.look(Duration::from_secs(30)).await;
    assert!(
        matches!(look, Look::Failed { timed_out: true, .. }),
        "it may be used if nobody else is left: {look:?}"
    );
}

#[tokio::test]
async fn the_first_probe_of_all_hears_the_word_too() {
    let idp = root().await;
    says(&idp, NO);
    assert!(matches!(connector(&idp, |_| ()).probe().await, ProbeResult::SaysNo { .. }));
}

#[tokio::test]
async fn a_look_hears_the_word_and_does_not_wait_for_it_long() {
    let idp = root().await;
    let connector = connector(&idp, |_| ());
    let patience = Duration::from_secs(30);
    says(&idp, NO);
    for what in ["the first look of all", "a later one"] {
        assert!(matches!(connector.look(patience).await, Look::SaysNo { .. }), "{what}");
    }
    idp.lies(|lies| lies.silent.push(WORD));
    let began = Instant::now();
    assert!(matches!(connector.look(patience).await, Look::Answered { .. }));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn hostile_answers_change_nothing() {
    let idp = root().await;
    let connector = connector(&idp, |_| ());
    let oversized = format!(r#"{{"can_sign_in": false, "padding": "{}"}}"#, "x".repeat(5000));
    for word in [
        "",
        "no",
        "null",
        "false",
        "[false]",
        r#"{"can_sign_in": "false"}"#,
        r#"{"can_sign_in": 0}"#,
        r#"{"can_sign_in": false, "can_sign_in": false}"#,
        r#"{"can_sign_in": false, "blame": ["unavailable"]}"#,
        r#"{"can_sign_in": false, "age": -1}"#,
        r#"{"can_sign_in": false"#,
        "<html>down for maintenance</html>",
        &"[".repeat(4000),
        &oversized,
    ] {
        says(&idp, word);
        assert!(answered(&connector).await, "{word:.60}");
    }
    for (status, location) in [(500, ""), (404, ""), (401, ""), (429, ""), (302, WORD), (204, "")] {
        idp.lies(|lies| drop(lies.instead.insert(WORD, (status, location, NO.into()))));
        assert!(answered(&connector).await, "status {status}");
    }
}

#[tokio::test]
async fn a_provider_that_forgets_to_answer_is_judged_by_the_plain_probe() {
    let idp = root().await;
    let connector = connector(&idp, |written| {
        written["healthCheck"] = json!({ "enabled": true, "interval": "60s", "timeout": "30s" });
    });
    idp.lies(|lies| lies.silent.push(WORD));
    for what in ["while the endpoint is news", "and when it is known"] {
        let began = Instant::now();
        assert!(answered(&connector).await, "{what}");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{what}: a probe's patience is not used up for it"
        );
    }
    idp.lies(|lies| drop(lies.instead.insert(DISCOVERY, (503, "", String::new()))));
    assert!(matches!(connector.probe().await, ProbeResult::Failed { .. }));
}

#[tokio::test]
async fn a_word_never_makes_a_failed_probe_good_nor_bad() {
    let idp = root().await;
    let connector = connector(&idp, |_| ());
    assert!(answered(&connector).await);
    idp.lies(|lies| drop(lies.instead.insert("/jwks", (503, "", String::new()))));
    assert!(matches!(connector.probe().await, ProbeResult::Failed { .. }), "it says yes");
    says(&idp, NO);
    assert!(matches!(connector.probe().await, ProbeResult::Failed { .. }), "it says no");
}

#[tokio::test]
async fn the_secret_goes_nowhere_but_to_the_issuers_own_origin() {
    let (idp, elsewhere) = (root().await, root().await);
    let connector = connector(&idp, |_| ());
    says(&elsewhere, NO);
    let port = idp.issuer.rsplit(':').next().unwrap().to_owned();
    for endpoint in [
        json!(format!("{}{WORD}", elsewhere.issuer)),
        json!(format!("{}{WORD}", elsewhere.issuer.replace("127.0.0.1", "localhost"))),
        json!(format!("http://localhost:{port}{WORD}")),
        json!(format!("https://127.0.0.1:{port}{WORD}")),
        json!(WORD),
        json!("http://idp.example/word"),
        json!(17),
        json!({ "url": WORD }),
        json!(null),
    ] {
        announces(&idp, endpoint.clone());
        assert!(answered(&connector).await, "{endpoint}");
    }
    assert_eq!((idp.hits(WORD), elsewhere.hits(WORD)), (0, 0));
}

#[tokio::test]
async fn a_provider_that_moves_its_word_elsewhere_is_not_believed_from_there() {
    let (idp, elsewhere) = (root().await, root().await);
    let connector = connector(&idp, |_| ());
    assert!(answered(&connector).await);
    says(&idp, NO);
    announces(&idp, json!(format!("{}{WORD}", elsewhere.issuer)));
    assert!(answered(&connector).await, "what it announced before holds no more");
    assert_eq!(elsewhere.hits(WORD), 0);
}

#[tokio::test]
async fn who_announces_nothing_is_never_asked() {
    let idp = Idp::start().await;
    says(&idp, NO);
    let connector = connector(&idp, |_| ());
    assert!(answered(&connector).await && answered(&connector).await);
    assert_eq!(idp.hits(WORD), 0);
}

#[tokio::test]
async fn a_connector_without_a_secret_does_not_ask() {
    let idp = root().await;
    says(&idp, NO);
    let connector = build(&idp, |written| drop(written.as_object_mut().unwrap().remove("oauthClientSecret")));
    assert!(answered(&connector.unwrap()).await);
    assert_eq!(idp.hits(WORD), 0);
}

#[tokio::test]
async fn a_secret_that_has_expired_is_no_word_about_the_provider() {
    let idp = root().await;
    says(&idp, NO);
    idp.lies(|lies| lies.secret = Some("another".into()));
    assert!(answered(&connector(&idp, |_| ())).await);
    assert_eq!(idp.hits(WORD), 1);
}

#[tokio::test]
async fn where_an_operator_named_an_endpoint_that_is_the_judge() {
    let idp = root().await;
    says(&idp, NO);
    let connector = connector(&idp, |written| {
        written["healthCheck"] = json!({ "enabled": true, "customEndpoint": {
            "type": "http", "endpoint": format!("{}/health", idp.issuer),
        }});
    });
    assert!(answered(&connector).await);
    assert_eq!(idp.hits(WORD), 0);
}
