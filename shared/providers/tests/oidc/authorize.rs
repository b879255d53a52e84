//! The authorization endpoint: what it refuses, to whom it says so, and how it answers.

use http::StatusCode;

use crate::support::*;

/// What the app is told for `params`.
async fn told(params: &[(&str, &str)]) -> (String, String) {
    let node = Node::new();
    let reply = Person::default().authorize(&node, params).await;
    let mut told = reply.told();
    assert!(reply.header("location").starts_with(CALLBACK));
    assert!(!told.contains_key("code"));
    (told.remove("error").unwrap_or_default(), told.remove("error_description").unwrap_or_default())
}

#[tokio::test]
async fn an_unknown_application_gets_a_page_and_no_redirect() {
    let node = Node::new();
    for params in [[("client_id", "nobody")], [("client_id", "")]] {
        let reply = Person::default().authorize(&node, &params).await;
        assert!(reply.is_a_page(), "{}", reply.status);
    }
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_registered_gets_a_page_and_no_redirect() {
    let node = Node::new();
    for uri in [
        "",
        "https://evil.example/cb",
        "https://app.example/cb/../evil",
        "https://app.example/cb%2f..%2fevil",
        "https://app.example/cb?x=1",
        "https://app.example@evil.example/cb",
        "https://APP.example/cb",
        "https://app.example:8443/cb",
        "https://appxexample/cb",
        "http://127.0.0.1:8080/cb",
    ] {
        let reply = Person::default().authorize(&node, &[("redirect_uri", uri)]).await;
        assert!(reply.is_a_page(), "{uri}: {}", reply.status);
    }
}

#[tokio::test]
async fn two_clients_or_two_redirect_uris_get_a_page_and_no_redirect() {
    let node = Node::new();
    for extra in ["&client_id=app", "&redirect_uri=https%3A%2F%2Fevil.example%2F"] {
        let reply = Person::default().get(&node, &format!("{}{extra}", authorize_url(&[]))).await;
        assert!(reply.is_a_page(), "{extra}");
    }
}

#[tokio::test]
async fn any_other_parameter_that_comes_twice_is_refused() {
    let node = Node::new();
    for extra in ["&state=x", "&scope=email", "&nonce=x", "&prompt=none&prompt=login", "&unknown=1&unknown=2"]
    {
        let reply = Person::default().get(&node, &format!("{}{extra}", authorize_url(&[]))).await;
        assert_eq!(reply.told().get("error").map(String::as_str), Some("invalid_request"), "{extra}");
    }
}

#[tokio::test]
async fn implicit_and_hybrid_cannot_be_reached_by_any_response_type() {
    for response_type in
        ["token", "id_token", "id_token token", "code id_token", "code token", "none", "code code"]
    {
        let (error, _) = told(&[("response_type", response_type)]).await;
        assert_eq!(error, "unsupported_response_type", "{response_type}");
    }
    assert_eq!(told(&[("response_type", "")]).await.0, "invalid_request");
    assert_eq!(told(&[("response_mode", "fragment")]).await.0, "invalid_request");
}

#[tokio::test]
async fn a_request_object_is_refused_and_nothing_is_fetched_for_it() {
    assert_eq!(told(&[("request", "e30.e30.")]).await.0, "request_not_supported");
    assert_eq!(told(&[("request_uri", "http://169.254.169.254/")]).await.0, "request_uri_not_supported");
    assert_eq!(told(&[("registration", "{}")]).await.0, "registration_not_supported");
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_not_guessed() {
    for params in [
        [("prompt", "none login")],
        [("prompt", "create")],
        [("max_age", "-1")],
        [("max_age", "soon")],
        [("code_challenge_method", "S256")],
        [("id_token_hint", "e30.e30.c2ln")],
        [("mangrove_hops", "a b c d e f g h i j k l m n o p q")],
    ] {
        assert_eq!(told(&params).await.0, "invalid_request", "{params:?}");
    }
    let long = "x".repeat(1025);
    for hint in ["login_hint", "acr_values", "ui_locales"] {
        assert_eq!(told(&[(hint, &long)]).await.0, "invalid_request", "{hint}");
    }
    assert_eq!(told(&[("scope", "nonsense")]).await.0, "invalid_scope");
    assert_eq!(told(&[("scope", "")]).await.0, "invalid_scope");
    assert_eq!(told(&[("resource", "https://elsewhere.example")]).await.0, "invalid_target");
}

#[tokio::test]
async fn a_challenge_that_is_plain_or_without_method_is_refused() {
    let challenge = challenge();
    for params in [
        vec![("code_challenge", challenge.as_str())],
        vec![("code_challenge", challenge.as_str()), ("code_challenge_method", "plain")],
        vec![("code_challenge", "short"), ("code_challenge_method", "S256")],
    ] {
        assert_eq!(told(&params).await.0, "invalid_request", "{params:?}");
    }
}

#[tokio::test]
async fn a_public_application_must_use_pkce() {
    let node = Node::new();
    let native = [("client_id", "native"), ("redirect_uri", "http://127.0.0.1:51234/cb")];
    let reply = Person::default().authorize(&node, &native).await;
    assert!(reply.header("location").starts_with("http://127.0.0.1:51234/cb?error=invalid_request"));
}

#[tokio::test]
async fn every_error_carries_state_and_issuer() {
    let node = Node::new();
    let told = Person::default().authorize(&node, &[("prompt", "none")]).await.told();
    assert_eq!(told["error"], "login_required");
    assert_eq!((told["state"].as_str(), told["iss"].as_str()), ("the state", ISSUER));
}

#[tokio::test]
async fn a_request_that_is_too_long_or_too_rich_in_parameters_gets_a_page() {
    let node = Node::new();
    let long = "x".repeat(9 * 1024);
    assert!(Person::default().authorize(&node, &[("state", &long)]).await.is_a_page());
    let many = format!("{}{}", authorize_url(&[]), "&a=1".repeat(70));
    assert!(Person::default().get(&node, &many).await.is_a_page());
    let huge = "x".repeat(100 * 1024);
    assert!(Person::default().post(&node, "/oauth2/auth", &[("state", &huge)]).await.is_a_page());
}

#[tokio::test]
async fn the_answer_names_its_issuer_and_keeps_the_redirect_uri_as_registered() {
    let node = Node::new();
    let uri = "https://app.example/second?fixed=1";
    let reply = Person::default().sign_in(&node, &[("redirect_uri", uri)], "alice").await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert!(reply.header("location").starts_with(&format!("{uri}&code=")));
    assert_eq!(reply.told()["iss"], ISSUER);
    assert_eq!(reply.told()["state"], "the state");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn a_post_is_as_good_as_a_get() {
    let node = Node::new();
    let mut person = Person::default();
    person.code(&node, &[]).await;
    let form =
        [("client_id", APP.0), ("redirect_uri", CALLBACK), ("response_type", "code"), ("scope", "openid")];
    assert!(person.post(&node, "/oauth2/auth", &form).await.told().contains_key("code"));
}

#[tokio::test]
async fn form_post_carries_the_answer_in_a_page_that_nothing_else_can_script_or_frame() {
    let node = Node::new();
    let mut person = Person::default();
    person.code(&node, &[]).await;
    let state = r#""><script>alert(1)</script>"#;
    let page = person.authorize(&node, &[("response_mode", "form_post"), ("state", state)]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains(&format!(r#"<form method="post" action="{CALLBACK}">"#)), "{}", page.text);
    for name in ["code", "state", "iss"] {
        assert!(page.text.contains(&format!(r#"name="{name}""#)));
    }
    assert!(!page.text.contains("<script>alert"));
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"));
    assert_eq!((page.header("x-frame-options"), page.header("cache-control")), ("DENY", "no-store"));
}

#[tokio::test]
async fn no_script_of_another_origin_reads_the_authorization_endpoint() {
    let node = Node::new();
    let reply = Person::default().authorize(&node, &[]).await;
    assert!(reply.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn somebody_else_than_the_hint_names_is_not_signed_in_silently() {
    let node = Node::new();
    let mut alice = Person::default();
    let tokens = node.tokens(&mut alice, "openid").await;
    let hinted = [("id_token_hint", tokens.id()), ("prompt", "none")];
    assert!(alice.authorize(&node, &hinted).await.told().contains_key("code"));
    let mut bob = Person::default();
    bob.sign_in(&node, &[], "bob").await;
    assert_eq!(bob.authorize(&node, &hinted).await.told()["error"], "login_required");
}

#[tokio::test]
async fn an_id_token_of_one_application_is_no_hint_for_another() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid").await;
    let reply = person.authorize(&node, &[("client_id", OTHER.0), ("id_token_hint", tokens.id())]).await;
    assert_eq!(reply.told()["error"], "invalid_request");
}

#[tokio::test]
async fn prompt_login_asks_a_person_who_is_signed_in() {
    let node = Node::new();
    let mut person = Person::default();
    person.code(&node, &[]).await;
    assert!(person.authorize(&node, &[]).await.told().contains_key("code"));
    for again in [("prompt", "login"), ("max_age", "0")] {
        let page = person.authorize(&node, &[again]).await;
        assert!(page.text.contains("type=\"password\""), "{again:?}: {}", page.status);
    }
}
