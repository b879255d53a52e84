//! Codes: once, by the application they were made for, with the verifier they were made with.

use http::StatusCode;
use mangrove_cache::{Records, Shelf};

use crate::support::*;

fn refused(reply: &Reply) {
    assert_eq!(reply.error(), (400, "invalid_grant".into()), "{}", reply.text);
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_a_second_use_revokes_what_the_first_got() {
    let node = Node::new();
    let code = Person::default().code(&node, &[("scope", "openid offline_access")]).await;
    let tokens = Tokens(node.redeem(&code).await.json());
    assert_eq!(node.userinfo(tokens.access()).await.status, StatusCode::OK);
    refused(&node.redeem(&code).await);
    assert_eq!(node.userinfo(tokens.access()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.introspect(APP, tokens.access()).await.json()["active"], false);
    refused(&node.refresh(tokens.refresh()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_simultaneous_uses_of_a_code_exactly_one_gets_tokens() {
    let node = std::sync::Arc::new(Node::new());
    let code = Person::default().code(&node, &[]).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (node, code) = (std::sync::Arc::clone(&node), code.clone());
        tries.spawn(async move { node.redeem(&code).await.status });
    }
    let good = tries.join_all().await.into_iter().filter(|status| *status == StatusCode::OK).count();
    assert_eq!(good, 1);
}

#[tokio::test]
async fn a_code_of_one_application_is_worthless_to_another_and_spent_afterwards() {
    let node = Node::new();
    let code = Person::default().code(&node, &[]).await;
    refused(&node.form("/oauth2/token", Some(OTHER), &code_form(&code)).await);
    refused(&node.redeem(&code).await);
}

#[tokio::test]
async fn a_code_needs_the_redirect_uri_it_was_asked_with() {
    let node = Node::new();
    let mut person = Person::default();
    for uri in ["https://app.example/second?fixed=1", "https://evil.example/"] {
        let code = person.code(&node, &[]).await;
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", uri)];
        refused(&node.form("/oauth2/token", Some(APP), &form).await);
    }
    let code = person.code(&node, &[]).await;
    let form = [("grant_type", "authorization_code"), ("code", code.as_str())];
    assert_eq!(node.form("/oauth2/token", Some(APP), &form).await.error(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn a_challenge_needs_its_verifier_and_a_verifier_needs_a_challenge() {
    let node = Node::new();
    let mut person = Person::default();
    let challenge = challenge();
    let with = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let redeem = async |code: &str, verifier: Option<&str>| {
        let mut form = code_form(code).to_vec();
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        node.form("/oauth2/token", Some(APP), &form).await
    };
    let wrong = "another-verifier-of-at-least-forty-three-chars";
    for (params, verifier) in [
        (&with[..], None),
        (&with[..], Some(wrong)),
        (&with[..], Some(&challenge)),
        (&[][..], Some(VERIFIER)),
    ] {
        let code = person.code(&node, params).await;
        refused(&redeem(&code, verifier).await);
    }
    let code = person.code(&node, &with).await;
    assert_eq!(redeem(&code, Some(VERIFIER)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_native_application_signs_in_on_any_loopback_port_with_pkce() {
    let node = Node::new();
    let (uri, challenge) = ("http://127.0.0.1:51234/cb", challenge());
    let params = [
        ("client_id", "native"),
        ("redirect_uri", uri),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let code = Person::default().code(&node, &params).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "native"),
        ("code", code.as_str()),
        ("redirect_uri", uri),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(node.form("/oauth2/token", None, &form).await.status, StatusCode::OK);
}

#[tokio::test]
async fn no_single_use_object_passes_for_another() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid offline_access").await;
    refused(&node.redeem(tokens.refresh()).await);
    refused(&node.redeem(tokens.access()).await);
    let code = person.code(&node, &[]).await;
    refused(&node.refresh(&code).await);
    assert_eq!(node.userinfo(&code).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.userinfo(tokens.refresh()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.redeem(&code).await.status, StatusCode::OK, "and trying has not used it up");
}

#[tokio::test]
async fn a_code_does_not_outlive_its_session() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid").await;
    let code = person.code(&node, &[]).await;
    person.get(&node, &format!("/oauth2/logout?id_token_hint={}", tokens.id())).await;
    refused(&node.redeem(&code).await);
}

#[tokio::test]
async fn grants_that_are_not_there_cannot_be_reached() {
    let node = Node::new();
    for grant in
        ["password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange", "x"]
    {
        let form = [("grant_type", grant), ("username", "alice"), ("password", "correct horse")];
        let reply = node.form("/oauth2/token", Some(APP), &form).await;
        assert_eq!(reply.error(), (400, "unsupported_grant_type".into()), "{grant}");
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    assert_eq!(
        node.form("/oauth2/token", Some(OTHER), &form).await.error(),
        (400, "unauthorized_client".into())
    );
    assert_eq!(node.form("/oauth2/token", Some(APP), &[]).await.error(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn only_a_form_in_the_body_of_a_post_is_a_token_request() {
    let node = Node::new();
    assert_eq!(
        node.get("/oauth2/token?grant_type=refresh_token").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let json = http::Request::post("/oauth2/token").header("content-type", "application/json");
    let reply = node.send(json.body(axum::body::Body::from("{}")).unwrap()).await;
    assert_eq!(reply.error(), (400, "invalid_request".into()));
    let twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token"), ("refresh_token", "x")];
    assert_eq!(node.form("/oauth2/token", Some(APP), &twice).await.error(), (400, "invalid_request".into()));
    let large = "x".repeat(100 * 1024);
    let reply = node.form("/oauth2/token", Some(APP), &[("code", &large)]).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn tokens_are_never_cached() {
    let node = Node::new();
    let code = Person::default().code(&node, &[]).await;
    let reply = node.redeem(&code).await;
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), ("no-store", "no-cache"));
    assert!(reply.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn a_full_cache_refuses_and_says_so() {
    let node = Node::new();
    let mut person = Person::default();
    person.code(&node, &[]).await;
    let shelf = Shelf::new("filler");
    let mut key = 0_u32;
    while node.cache.put(shelf, &key.to_string(), vec![], std::time::Duration::from_secs(60)).await.is_ok() {
        key += 1;
    }
    assert_eq!(person.authorize(&node, &[]).await.told()["error"], "temporarily_unavailable");
}
