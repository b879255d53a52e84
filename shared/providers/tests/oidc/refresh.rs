//! Refresh tokens: when there is one, that each is good once, and that they live and die with the session.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mangrove_cache::{Records, Shelf};
use serde_json::json;

use crate::support::*;

const SCOPE: &str = "openid email offline_access";

fn refused(reply: &Reply) {
    assert_eq!(reply.error(), (400, "invalid_grant".into()), "{}", reply.text);
}

#[tokio::test]
async fn a_refresh_token_is_given_only_for_offline_access_and_where_the_grant_is_allowed() {
    let node = Node::new();
    let mut person = Person::default();
    assert!(node.tokens(&mut person, "openid").await.0.get("refresh_token").is_none());
    let with = node.tokens(&mut person, SCOPE).await;
    assert!(with.0["refresh_token"].is_string() && with.0["scope"] == SCOPE);
    let code = person.code(&node, &[("client_id", OTHER.0), ("scope", SCOPE)]).await;
    let other = node.form("/oauth2/token", Some(OTHER), &code_form(&code)).await.json();
    assert!(other.get("refresh_token").is_none() && other["scope"] == "openid email");
}

#[tokio::test]
async fn each_refresh_gives_a_successor_and_keeps_who_it_is() {
    let node = Node::new();
    let first = node.tokens(&mut Person::default(), SCOPE).await;
    let second = Tokens(node.refresh(first.refresh()).await.json());
    let third = Tokens(node.refresh(second.refresh()).await.json());
    assert_ne!(first.refresh(), second.refresh());
    assert_ne!(second.refresh(), third.refresh());
    for claim in ["iss", "sub", "aud", "auth_time", "sid", "email"] {
        assert_eq!(part(first.id(), 1)[claim], part(third.id(), 1)[claim], "{claim}");
    }
    assert!(part(third.id(), 1).get("nonce").is_none());
    assert_eq!(node.userinfo(third.access()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_simultaneous_refreshes_exactly_one_has_a_successor_and_it_is_good() {
    let node = Arc::new(Node::new());
    let tokens = node.tokens(&mut Person::default(), SCOPE).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (node, token) = (Arc::clone(&node), tokens.refresh().to_owned());
        tries.spawn(async move { node.refresh(&token).await });
    }
    let replies = tries.join_all().await;
    let good: Vec<&Reply> = replies.iter().filter(|reply| reply.status == StatusCode::OK).collect();
    assert_eq!(good.len(), 1);
    let successor = Tokens(good[0].json());
    assert_eq!(node.refresh(successor.refresh()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_old_refresh_token_that_comes_back_ends_the_whole_family() {
    let node = Node::new();
    let first = node.tokens(&mut Person::default(), SCOPE).await;
    let second = Tokens(node.refresh(first.refresh()).await.json());
    let third = Tokens(node.refresh(second.refresh()).await.json());
    refused(&node.refresh(first.refresh()).await);
    refused(&node.refresh(third.refresh()).await);
    assert_eq!(node.userinfo(third.access()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_invented_refresh_token_ends_nobodys_family() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), SCOPE).await;
    let (name, _) = tokens.refresh().rsplit_once('.').unwrap();
    let family = name.split('.').next().unwrap();
    let mac = "A".repeat(43);
    for invented in [format!("{name}.{mac}"), format!("{family}.7.{mac}"), format!("{name}."), "..".into()] {
        refused(&node.refresh(&invented).await);
    }
    assert_eq!(node.refresh(tokens.refresh()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_application_can_neither_use_a_refresh_token_nor_use_it_up() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), SCOPE).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    refused(&node.form("/oauth2/token", Some(("edge", "edge-secret")), &form).await);
    assert_eq!(node.refresh(tokens.refresh()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_may_narrow_the_scope_and_never_widen_it() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), SCOPE).await;
    let refresh = async |token: &str, scope: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        node.form("/oauth2/token", Some(APP), &form).await
    };
    assert_eq!(refresh(tokens.refresh(), "openid profile").await.error(), (400, "invalid_scope".into()));
    let narrowed = Tokens(refresh(tokens.refresh(), "openid").await.json());
    assert_eq!(narrowed.0["scope"], "openid");
    assert!(node.userinfo(narrowed.access()).await.json().get("email").is_none());
    assert_eq!(
        refresh(narrowed.refresh(), "openid email").await.status,
        StatusCode::OK,
        "the grant itself stays whole"
    );
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_tokens() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, SCOPE).await;
    person.get(&node, &format!("/oauth2/logout?id_token_hint={}", tokens.id())).await;
    assert_eq!(node.userinfo(tokens.access()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.introspect(APP, tokens.access()).await.json(), json!({ "active": false }));
    assert_eq!(node.introspect(APP, tokens.refresh()).await.json(), json!({ "active": false }));
    refused(&node.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn a_refresh_token_ends_with_the_person_even_where_their_session_goes_on_with_another() {
    let mut config = default_config();
    config["connectors"].as_array_mut().unwrap().push(json!({
        "type": "continuity", "name": "staff", "failover": { "idps": ["people"] },
    }));
    config["apps"][1]["authentication"]["idps"] = json!(["staff"]);
    config["session"] = json!({ "lifetime": { "maxTimeout": "3s" } });
    let node = Node::with(config);
    let mut person = Person::default();
    let others = [("client_id", OTHER.0)];
    person.code(&node, &[]).await;
    let began = std::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // The session lives on by its second identity, and alice's first one is forgotten.
    let tokens = node.tokens(&mut person, SCOPE).await;
    person.sign_in(&node, &others, "alice").await;
    tokio::time::sleep(Duration::from_millis(3010).saturating_sub(began.elapsed())).await;
    let sid = part(tokens.id(), 1)["sid"].clone();
    let code = person.sign_in(&node, &[], "bob").await.told()["code"].clone();
    assert_eq!(part(Tokens(node.redeem(&code).await.json()).id(), 1)["sid"], sid);
    assert_eq!(node.introspect(APP, tokens.refresh()).await.json(), json!({ "active": false }));
    refused(&node.refresh(tokens.refresh()).await);
}

#[tokio::test]
async fn a_replayed_refresh_token_ends_its_family_even_where_the_cache_is_full() {
    let node = Node::new();
    let first = node.tokens(&mut Person::default(), SCOPE).await;
    let second = Tokens(node.refresh(first.refresh()).await.json());
    let third = Tokens(node.refresh(second.refresh()).await.json());
    let (shelf, minute) = (Shelf::new("filler"), Duration::from_secs(60));
    let mut fillers = 0..;
    while node.cache.put(shelf, &fillers.next().unwrap().to_string(), Vec::new(), minute).await.is_ok() {}
    assert_ne!(node.refresh(first.refresh()).await.status, StatusCode::OK);
    for filler in 0..10 {
        node.cache.forget(shelf, &filler.to_string()).await.unwrap();
    }
    refused(&node.refresh(third.refresh()).await);
}

#[tokio::test]
async fn a_refresh_may_be_for_another_audience_of_the_grant_than_the_first_access_token() {
    let node = Node::new();
    let apis = ["https://api.example", "https://other-api.example"];
    let both = [("scope", "orders:read offline_access"), ("resource", apis[0]), ("resource", apis[1])];
    let code = Person::default().code(&node, &both).await;
    let form: Vec<_> = code_form(&code).into_iter().chain([("resource", apis[0])]).collect();
    let first = Tokens(node.form("/oauth2/token", Some(APP), &form).await.json());
    assert_eq!(part(first.access(), 1)["aud"], json!([apis[0]]));
    let form = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("resource", apis[1])];
    let second = Tokens(node.form("/oauth2/token", Some(APP), &form).await.json());
    assert_eq!(part(second.access(), 1)["aud"], json!([apis[1]]));
    let third = Tokens(node.refresh(second.refresh()).await.json());
    assert_eq!(part(third.access(), 1)["aud"], json!(apis));
}

#[tokio::test]
async fn a_narrowed_token_that_outlives_its_session_says_no_more_than_its_scope() {
    let mut config = default_config();
    config["oidcProvider"]["correlateSession"] = json!(false);
    let node = Node::with(config);
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid email groups offline_access").await;
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", "openid groups")];
    let narrowed = Tokens(node.form("/oauth2/token", Some(APP), &form).await.json());
    let alive = node.userinfo(narrowed.access()).await.json();
    person.get(&node, &format!("/oauth2/logout?id_token_hint={}", tokens.id())).await;
    assert_eq!(node.userinfo(narrowed.access()).await.json(), alive);
    assert!(alive.get("email").is_none() && alive["team"] == "engineering");
    assert_eq!(node.userinfo(tokens.access()).await.json()["email"], "alice@example.com");
}

#[tokio::test]
async fn tokens_outlive_their_session_where_the_configuration_says_so() {
    let mut config = default_config();
    config["oidcProvider"]["correlateSession"] = json!(false);
    let node = Node::with(config);
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, SCOPE).await;
    person.get(&node, &format!("/oauth2/logout?id_token_hint={}", tokens.id())).await;
    assert_eq!(node.userinfo(tokens.access()).await.json()["email"], "alice@example.com");
    let refreshed = Tokens(node.refresh(tokens.refresh()).await.json());
    assert_eq!(part(refreshed.id(), 1)["sub"], part(tokens.id(), 1)["sub"]);
}
