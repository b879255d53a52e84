//! A mesh has no loops.

use http::StatusCode;
use mangrove_connectors::Ask;
use serde_json::json;

use crate::support::idp::Idp;
use crate::support::node::{Node, oidc};
use crate::support::person::{Person, asks};

#[tokio::test]
async fn a_login_that_comes_round_again_ends_in_a_page() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    let ask = Ask { hops: vec!["other".into(), "this-node".into()], ..Ask::default() };
    let page = Person::new().is_shown(&node, asks("first", ask)).await;
    assert_eq!(page.status, StatusCode::LOOP_DETECTED);
    assert!(page.is_a_page());
    let why = node.why(&page.login_id());
    assert!(why.contains("round in a circle"), "{why}");
    let ask = Ask { hops: (0..8).map(|hop| hop.to_string()).collect(), ..Ask::default() };
    assert_eq!(Person::new().is_shown(&node, asks("first", ask)).await.status, StatusCode::LOOP_DETECTED);
}

#[tokio::test]
async fn the_eleventh_unanswered_request_within_a_minute_ends_in_a_page() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    let mut alice = Person::new();
    for _ in 0..10 {
        assert_eq!(alice.is_shown(&node, asks("first", Ask::default())).await.status, StatusCode::SEE_OTHER);
    }
    let page = alice.is_shown(&node, asks("first", Ask::default())).await;
    assert_eq!(page.status, StatusCode::LOOP_DETECTED);
    assert_eq!(
        Person::new().is_shown(&node, asks("first", Ask::default())).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn frames_are_not_counted_and_answered_logins_start_anew() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    let mut frame = Person::new();
    frame.headers.insert("sec-fetch-dest", "iframe".parse().unwrap());
    for _ in 0..15 {
        assert_eq!(frame.is_shown(&node, asks("first", Ask::default())).await.status, StatusCode::SEE_OTHER);
    }
    let mut alice = Person::new();
    for _ in 0..15 {
        let page = alice.is_shown(&node, asks("first", Ask::default())).await;
        alice.opens(&node, &idp.signs_in(page.leads_to())).await.told();
        alice.cookies.remove("maverics_session");
    }
}
