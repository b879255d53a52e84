//! Logins between nodes: a node at which nobody is left hands a login back to the node that sent it, and that one goes on
//! with the next member.

use std::time::Duration;

use http::StatusCode;
use mangrove_connectors::Ask;
use mangrove_keys::ambient;
use mangrove_login::MemberStatus;
use serde_json::json;

use crate::sign_in::drained;
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Person, asks, silently};

/// What another node asks, which has somebody else to ask or not.
fn from_a_node(elsewhere: bool) -> Ask {
    Ask { hops: vec!["edge".into()], elsewhere, ..Ask::default() }
}

/// An edge in front of two roots.
struct Edge {
    first: Idp,
    second: Idp,
    node: Node,
}

async fn edge() -> Edge {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let root = |name: &str, idp: &Idp| {
        let mut written = oidc(name, idp);
        written["root"] = json!(true);
        written
    };
    let members = [root("first", &first), root("second", &second), group("group", &["first", "second"])];
    let node = Node::new(json!(members));
    Edge { first, second, node }
}

fn verdicts(node: &Node) -> Vec<String> {
    let told = |status: MemberStatus| format!("{} {} {:?}", status.name, status.state, status.last_failure);
    node.login.watch().snapshot(ambient::now()).into_iter().map(told).collect()
}

#[tokio::test]
async fn a_node_at_which_nobody_is_left_tells_the_node_that_sent_the_browser() {
    let mut idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    idp.dies().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("first", from_a_node(false))).await;
    let told = page.told();
    assert_eq!(told["refused"], "temporarily_unavailable");
    assert!(alice.login_cookies().is_empty());
    let why = node.why(told["login"].as_str().unwrap());
    assert!(why.contains("nobody left to ask"), "{why}");
    let page = Person::new().is_shown(&node, asks("first", Ask::default())).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "an application's person gets the page");
}

#[tokio::test]
async fn a_login_that_loses_its_last_member_in_the_middle_is_handed_back_too() {
    let mut idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("first", from_a_node(false))).await;
    let back = idp.signs_in(page.leads_to());
    idp.dies().await;
    assert_eq!(alice.opens(&node, &back).await.told()["refused"], "temporarily_unavailable");
    assert!(alice.login_cookies().is_empty());
}

#[tokio::test]
async fn a_member_that_may_only_be_slow_is_used_if_who_asks_has_nobody_else() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    idp.takes(Duration::from_millis(1_200));
    let page = Person::new().is_shown(&node, asks("group", from_a_node(true))).await;
    assert_eq!(page.told()["refused"], "temporarily_unavailable");
    let page = Person::new().is_shown(&node, asks("group", from_a_node(false))).await;
    assert!(page.leads_to().starts_with(&idp.issuer));
}

#[tokio::test]
async fn a_root_is_told_whether_there_is_somebody_else_to_ask() {
    let Edge { node, first: _first, second: _second } = edge().await;
    let told = async |ask: Ask| {
        let page = Person::new().is_shown(&node, asks("group", ask)).await;
        page.leads_to().contains("mangrove_elsewhere=1")
    };
    assert!(told(Ask::default()).await);
    assert!(!told(silently()).await, "a silent login asks one member only");
    node.login.watch().order("second", Some(drained())).unwrap();
    assert!(!told(Ask::default()).await);
    assert!(told(from_a_node(true)).await, "the node before this one has");
}

#[tokio::test]
async fn a_login_that_a_root_hands_back_goes_on_with_the_next_and_is_nobodys_verdict() {
    let Edge { first, second, node } = edge().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let before = verdicts(&node);
    let onward = alice.opens(&node, &first.refuses(page.leads_to(), "temporarily_unavailable")).await;
    let told = alice.opens(&node, &second.signs_in(onward.leads_to())).await.told();
    assert_eq!((&told["member"], &told["data"]), (&json!("second"), &json!("the application's request")));
    let why = node.why(told["login"].as_str().unwrap());
    assert!(why.contains("first: the browser came back with temporarily_unavailable"), "{why}");
    assert_eq!(before[0], verdicts(&node)[0], "a browser carried it");
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&first.issuer), "nobody else is steered");
}

#[tokio::test]
async fn a_login_that_every_root_hands_back_ends_at_the_edges_own_page_and_can_be_tried_again() {
    let Edge { first, second, node } = edge().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let page = alice.opens(&node, &first.refuses(page.leads_to(), "temporarily_unavailable")).await;
    let page = alice.opens(&node, &second.refuses(page.leads_to(), "server_error")).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    let onward = alice.opens(&node, &page.again()).await;
    let told = alice.opens(&node, &first.signs_in(onward.leads_to())).await.told();
    assert_eq!((&told["member"], &told["data"]), (&json!("first"), &json!("the application's request")));
}

#[tokio::test]
async fn a_silent_login_that_a_root_hands_back_does_not_go_on() {
    let Edge { first, node, .. } = edge().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", silently())).await;
    let told = alice.opens(&node, &first.refuses(page.leads_to(), "temporarily_unavailable")).await.told();
    assert_eq!(told["refused"], "temporarily_unavailable");
}

#[tokio::test]
async fn nobody_can_hand_back_the_login_of_another_browser_or_in_anothers_name() {
    let Edge { first, second, node } = edge().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let forged = first.refuses(page.leads_to(), "temporarily_unavailable");
    let stranger = Person::new().opens(&node, &forged).await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST, "whoever knows the address has no cookie");
    let told = alice.opens(&node, &first.signs_in(page.leads_to())).await.told();
    assert_eq!(told["member"], "first", "and her login is as it was");

    let escaped = |issuer: &str| issuer.replace(':', "%3A").replace('/', "%2F");
    let promised = format!("&iss={}", escaped(&first.issuer));
    for iss in [String::new(), format!("&iss={}", escaped(&second.issuer))] {
        let mut bob = Person::new();
        let page = bob.is_shown(&node, asks("group", Ask::default())).await;
        let honest = first.refuses(page.leads_to(), "temporarily_unavailable");
        assert!(honest.contains(&promised), "{honest}");
        let page = bob.opens(&node, &honest.replace(&promised, &iss)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "garbage steers nobody: {iss}");
    }
}
