//! Logout that an application asks for.

use http::StatusCode;

use crate::support::*;

const BYE: &str = "https://app.example/bye";

async fn still_signed_in(node: &Node, person: &mut Person) -> bool {
    person.authorize(node, &[("prompt", "none")]).await.told().contains_key("code")
}

#[tokio::test]
async fn a_hint_ends_the_session_and_the_browser_goes_back_with_state() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid").await;
    let query =
        encode(&[("id_token_hint", tokens.id()), ("post_logout_redirect_uri", BYE), ("state", "s 1")]);
    let reply = person.get(&node, &format!("/oauth2/logout?{query}")).await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (StatusCode::SEE_OTHER, "https://app.example/bye?state=s+1")
    );
    assert!(!still_signed_in(&node, &mut person).await);
}

#[tokio::test]
async fn without_a_hint_the_person_is_asked_first() {
    let node = Node::new();
    let mut person = Person::default();
    node.tokens(&mut person, "openid").await;
    let page = person.get(&node, "/oauth2/logout").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("<form"));
    assert!(still_signed_in(&node, &mut person).await);
}

#[tokio::test]
async fn a_forged_hint_is_no_hint() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid").await;
    let forged = format!("{}x", tokens.id());
    person.get(&node, &format!("/oauth2/logout?id_token_hint={forged}")).await;
    person.get(&node, &format!("/oauth2/logout?id_token_hint={}", tokens.access())).await;
    assert!(still_signed_in(&node, &mut person).await);
}

#[tokio::test]
async fn a_way_back_that_is_not_registered_is_not_taken_and_the_session_ends_all_the_same() {
    let node = Node::new();
    for way in ["https://evil.example/", "https://app.example/bye/", "not a URL"] {
        let mut person = Person::default();
        let tokens = node.tokens(&mut person, "openid").await;
        let query = encode(&[("id_token_hint", tokens.id()), ("post_logout_redirect_uri", way)]);
        let page = person.get(&node, &format!("/oauth2/logout?{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{way}");
        assert!(page.text.contains("You are signed out") && !page.text.contains(way), "{}", page.text);
        assert!(!still_signed_in(&node, &mut person).await, "{way}");
    }
}

#[tokio::test]
async fn the_browser_never_goes_where_no_application_registered() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid").await;
    for params in [
        vec![("post_logout_redirect_uri", BYE)],
        vec![("client_id", OTHER.0), ("post_logout_redirect_uri", BYE)],
        vec![("client_id", OTHER.0), ("id_token_hint", tokens.id())],
        vec![("client_id", "nobody")],
        vec![("state", "a"), ("state", "a")],
    ] {
        let reply = person.get(&node, &format!("/oauth2/logout?{}", encode(&params))).await;
        assert!(reply.is_a_page(), "{params:?}: {}", reply.status);
    }
    assert!(still_signed_in(&node, &mut person).await);
}
