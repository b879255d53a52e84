//! Who is calling: client authentication, and what each application may see of tokens.

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::json;

use crate::support::*;

const FORM: [(&str, &str); 2] = [("grant_type", "refresh_token"), ("refresh_token", "x")];

/// Believed callers get as far as the refresh token, which is not good.
async fn believed(basic: Option<(&str, &str)>, extra: &[(&str, &str)]) -> (u16, String) {
    let node = Node::new();
    let form: Vec<_> = FORM.into_iter().chain(extra.iter().copied()).collect();
    node.form("/oauth2/token", basic, &form).await.error()
}

#[tokio::test]
async fn each_method_is_good_on_its_own() {
    let good = (400, "invalid_grant".to_owned());
    assert_eq!(believed(Some(APP), &[]).await, good);
    assert_eq!(believed(None, &[("client_id", APP.0), ("client_secret", APP.1)]).await, good);
    assert_eq!(believed(None, &[("client_id", "native")]).await, good);
    assert_eq!(
        believed(Some(APP), &[("client_id", APP.0)]).await,
        good,
        "the same name again is no second method"
    );
}

#[tokio::test]
async fn every_secret_of_a_rotation_is_good_and_basic_is_form_decoded() {
    for secret in ["app-secret-of-next-month", "p%c nt+&=:ö"] {
        assert_eq!(believed(Some((APP.0, secret)), &[]).await.1, "invalid_grant", "{secret}");
    }
}

#[tokio::test]
async fn a_wrong_caller_gets_401_and_a_challenge() {
    let node = Node::new();
    for (basic, extra) in [
        (Some((APP.0, "wrong")), vec![]),
        (Some((APP.0, "")), vec![]),
        (Some((APP.0, OTHER.1)), vec![]),
        (Some(("nobody", "x")), vec![]),
        (Some(("native", "")), vec![]),
        (None, vec![("client_id", APP.0)]),
        (None, vec![("client_id", APP.0), ("client_secret", "wrong")]),
        (None, vec![("client_id", "nobody")]),
        (None, vec![("client_id", "native"), ("client_secret", "x")]),
        (None, vec![]),
    ] {
        let form: Vec<_> = FORM.into_iter().chain(extra.clone()).collect();
        let reply = node.form("/oauth2/token", basic, &form).await;
        assert_eq!(reply.error(), (401, "invalid_client".into()), "{basic:?} {extra:?}");
        assert!(reply.header("www-authenticate").starts_with("Basic "));
    }
}

#[tokio::test]
async fn more_than_one_method_at_once_is_refused() {
    let refused = (400, "invalid_request".to_owned());
    assert_eq!(believed(Some(APP), &[("client_id", APP.0), ("client_secret", APP.1)]).await, refused);
    assert_eq!(believed(Some(APP), &[("client_id", OTHER.0)]).await, refused);
}

#[tokio::test]
async fn a_header_that_cannot_be_read_is_no_authentication() {
    let node = Node::new();
    for value in ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer abc", "Basic YXBwOiVaWg=="] {
        let request = Request::post("/oauth2/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, value);
        let reply = node.send(request.body(Body::from(encode(&FORM))).unwrap()).await;
        assert_eq!(reply.error(), (401, "invalid_client".into()), "{value}");
    }
}

#[tokio::test]
async fn an_application_without_secret_that_is_not_public_cannot_call() {
    let mut config = default_config();
    config["apps"][0]["credentials"] = json!({});
    let node = Node::with(config);
    let form: Vec<_> = FORM.into_iter().chain([("client_id", APP.0)]).collect();
    assert_eq!(node.form("/oauth2/token", None, &form).await.error(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn an_application_learns_of_its_own_tokens_only() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid offline_access").await;
    for token in [tokens.access(), tokens.refresh()] {
        let own = node.introspect(APP, token).await.json();
        assert_eq!((&own["active"], &own["client_id"]), (&json!(true), &json!(APP.0)));
        assert_eq!(node.introspect(OTHER, token).await.json(), json!({ "active": false }));
    }
    for nothing in ["", "x", "a.b.c", tokens.id()] {
        let reply = node.introspect(APP, nothing).await;
        assert_ne!(reply.json()["active"], true, "{nothing}");
    }
}

#[tokio::test]
async fn introspection_is_for_applications_with_a_secret() {
    let node = Node::new();
    let tokens = node.tokens(&mut Person::default(), "openid").await;
    let form = [("token", tokens.access()), ("client_id", "native")];
    assert_eq!(node.form("/oauth2/introspect", None, &form).await.error(), (401, "invalid_client".into()));
    let form = [("token", tokens.access())];
    assert_eq!(node.form("/oauth2/introspect", None, &form).await.error(), (401, "invalid_client".into()));
    assert_eq!(node.get("/oauth2/introspect").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_opaque_token_says_nothing_and_is_known_here() {
    let node = Node::new();
    let mut person = Person::default();
    let code = person.code(&node, &[("client_id", OTHER.0), ("scope", "openid email")]).await;
    let tokens = Tokens(node.form("/oauth2/token", Some(OTHER), &code_form(&code)).await.json());
    assert_eq!(tokens.access().matches('.').count(), 0);
    assert_eq!(node.userinfo(tokens.access()).await.json()["email"], "alice@example.com");
    assert_eq!(node.introspect(OTHER, tokens.access()).await.json()["active"], true);
    assert_eq!(node.introspect(APP, tokens.access()).await.json(), json!({ "active": false }));
    let revoked = node.form("/oauth2/revoke", Some(OTHER), &[("token", tokens.access())]).await;
    assert_eq!(revoked.status, StatusCode::OK);
    assert_eq!(node.userinfo(tokens.access()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_application_revokes_its_own_tokens_only() {
    let node = Node::new();
    let mut person = Person::default();
    let tokens = node.tokens(&mut person, "openid offline_access").await;
    for token in [tokens.access(), tokens.refresh()] {
        let reply = node.form("/oauth2/revoke", Some(OTHER), &[("token", token)]).await;
        assert_eq!(reply.status, StatusCode::OK, "and learns nothing by it");
    }
    assert_eq!(node.userinfo(tokens.access()).await.status, StatusCode::OK);

    node.form("/oauth2/revoke", Some(APP), &[("token", tokens.access())]).await;
    assert_eq!(node.userinfo(tokens.access()).await.status, StatusCode::UNAUTHORIZED);
    let refreshed = Tokens(node.refresh(tokens.refresh()).await.json());
    assert_eq!(node.userinfo(refreshed.access()).await.status, StatusCode::OK);

    node.form("/oauth2/revoke", Some(APP), &[("token", refreshed.refresh())]).await;
    assert_eq!(node.refresh(refreshed.refresh()).await.error(), (400, "invalid_grant".into()));
    assert_eq!(
        node.userinfo(refreshed.access()).await.status,
        StatusCode::UNAUTHORIZED,
        "the whole grant is gone"
    );
}

#[tokio::test]
async fn revoking_needs_a_caller_and_a_token() {
    let node = Node::new();
    assert_eq!(node.form("/oauth2/revoke", None, &[("token", "x")]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.form("/oauth2/revoke", Some(APP), &[]).await.error(), (400, "invalid_request".into()));
    assert_eq!(
        node.form("/oauth2/revoke", Some(APP), &[("token", "never issued")]).await.status,
        StatusCode::OK
    );
}

#[test]
fn all_that_is_wrong_with_applications_is_said_at_once() {
    assert!(problems(&default_config()).is_empty());
    let mut config = default_config();
    config["apps"][0]["redirectURLs"] = json!(["http://app.example/cb", "https://app.example/cb#x"]);
    config["apps"][0]["claimsMapping"] = json!({ "sub": "people.email", "mail": "nobody.email" });
    config["apps"][1]["grantTypes"] = json!(["implicit"]);
    config["apps"][1]["idTokenSignedResponseAlg"] = json!("HS256");
    config["apps"][2]["clientSecret"] = json!("a secret of a public client");
    config["apps"][3]["postLogoutRedirectURLs"] = json!(["javascript:alert(1)"]);
    let problems = problems(&config);
    for part in [
        "plain http",
        "fragment",
        "`sub: people.email`",
        "`mail: nobody.email`",
        "`implicit`",
        "`HS256`",
        "public client",
        "postLogout",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:#?}");
    }
    let mut config = default_config();
    config["apps"][1]["clientID"] = json!(APP.0);
    assert!(crate::support::problems(&config)[0].contains("same clientID"));
}
