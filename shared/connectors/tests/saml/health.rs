//! Whether the provider would answer: probes and looks in its own protocol.

use std::time::Duration;

use mangrove_connectors::{Ask, Knock, Look, ProbeResult};
use mangrove_saml::uris;

use crate::lying_idp::Idp;
use crate::{connector, login};

const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_probe_asks_the_sign_on_service_as_a_person_would() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    for bindings in [vec![uris::REDIRECT, uris::POST], vec![uris::POST]] {
        idp.lies(|lies| lies.bindings = Some(bindings));
        assert!(matches!(connector.probe().await, ProbeResult::Answered { knows_this_node: false, .. }));
        let asked = idp.last_asked().expect("a well-formed request");
        assert_eq!(asked.issuer, crate::ENTITY);
    }
}

#[tokio::test]
async fn a_redirect_to_a_page_is_good_and_an_error_page_is_not() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    idp.lies(|lies| lies.sign_on = Some(302));
    assert!(matches!(connector.probe().await, ProbeResult::Answered { .. }));
    for (status, words) in [
        (500, "answered 500"),
        (503, "answered 503"),
        (404, "does it know samlEntityID"),
        (400, "answered 400"),
    ] {
        idp.lies(|lies| lies.sign_on = Some(status));
        match connector.probe().await {
            ProbeResult::Failed { why, no_answer: false } => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(connector.look(PATIENCE).await, Look::Failed { timed_out: false, .. }));
    }
}

#[tokio::test]
async fn a_dead_provider_is_seen_and_one_that_is_silent_is_waited_for_no_longer_than_asked() {
    let mut idp = Idp::start().await;
    let connector = connector(&idp, |written| {
        written["healthCheck"] = serde_json::json!({ "enabled": true, "timeout": "200ms" });
    });
    login(&idp, &connector, &Ask::default()).await.unwrap();
    assert!(matches!(connector.look(PATIENCE).await, Look::Answered { .. }));
    assert_eq!(connector.opens().await, Knock::Open);
    idp.lies(|lies| lies.silent = true);
    assert!(matches!(connector.probe().await, ProbeResult::Failed { no_answer: true, .. }));
    let silent = connector.look(Duration::from_millis(100)).await;
    assert!(matches!(silent, Look::Failed { timed_out: true, .. }), "{silent:?}");
    idp.dies().await;
    assert!(matches!(connector.probe().await, ProbeResult::Failed { no_answer: true, .. }));
    assert!(matches!(connector.opens().await, Knock::Closed { .. }));
    idp.lies(|lies| lies.silent = false);
    idp.comes_back().await;
    assert!(matches!(connector.probe().await, ProbeResult::Answered { .. }));
}

#[tokio::test]
async fn a_look_at_a_provider_that_is_not_known_yet_learns_its_metadata() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    assert!(matches!(connector.look(PATIENCE).await, Look::Answered { .. }));
    connector.begin(&Ask::default()).await.unwrap();
    assert_eq!((idp.hits("/metadata"), idp.hits("/sso")), (1, 0));
}

#[tokio::test]
async fn metadata_that_is_silent_says_nothing_of_the_sign_on_service_and_makes_it_no_slower() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |written| {
        written["healthCheck"] = serde_json::json!({ "enabled": true, "timeout": "500ms" });
    });
    login(&idp, &connector, &Ask::default()).await.unwrap();
    idp.lies(|lies| lies.silent_at = Some("/metadata"));
    for _ in 0..3 {
        let ProbeResult::Answered { took, .. } = connector.probe().await else { panic!("it answers") };
        assert!(took < Duration::from_millis(400), "that is how long its metadata was waited for: {took:?}");
    }
}
