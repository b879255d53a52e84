//! Discovery and keys: what is said is done, and the same wherever it is read.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn both_documents_are_the_same_and_for_everybody() {
    let node = Node::new();
    let openid = node.get("/.well-known/openid-configuration").await;
    let oauth = node.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(openid.text, oauth.text);
    assert_eq!(openid.header("access-control-allow-origin"), "*");
    assert!(openid.headers.get("access-control-allow-credentials").is_none());
    assert_eq!(openid.json()["issuer"], ISSUER);
}

#[tokio::test]
async fn the_document_says_what_is_done_and_nothing_more() {
    let document = Node::new().get("/.well-known/openid-configuration").await.json();
    for (key, value) in [
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query", "form_post"])),
        ("grant_types_supported", json!(["authorization_code", "refresh_token"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("id_token_signing_alg_values_supported", json!(["RS256", "ES256"])),
        (
            "token_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]),
        ),
        (
            "introspection_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]),
        ),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("request_parameter_supported", json!(false)),
        ("request_uri_parameter_supported", json!(false)),
        ("claims_parameter_supported", json!(false)),
    ] {
        assert_eq!(document[key], value, "{key}");
    }
}

#[tokio::test]
async fn every_endpoint_of_the_document_is_there() {
    let node = Node::new();
    let document = node.get("/.well-known/openid-configuration").await.json();
    for (key, value) in document.as_object().unwrap() {
        if key.ends_with("_endpoint") || key == "jwks_uri" {
            let path = value.as_str().unwrap().strip_prefix(ISSUER).unwrap();
            assert_ne!(node.get(path).await.status, 404, "{key}");
        }
    }
}

#[tokio::test]
async fn headers_of_the_request_do_not_shape_the_issuer() {
    let node = Node::new();
    let request = http::Request::get("/.well-known/openid-configuration")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example;proto=http");
    let reply = node.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert!(!reply.text.contains("evil.example"));
}

#[tokio::test]
async fn an_issuer_with_a_path_serves_everything_under_it() {
    let mut config = default_config();
    config["oidcProvider"]["discovery"] = json!({ "issuer": "https://node.example/tenant" });
    let node = Node::with(config);
    let document = node.get("/tenant/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], "https://node.example/tenant");
    assert_eq!(document["token_endpoint"], "https://node.example/tenant/oauth2/token");
    assert_eq!(node.get("/.well-known/oauth-authorization-server/tenant").await.json(), document);
    assert_eq!(node.get("/tenant/oauth2/jwks").await.status, 200);
}

#[tokio::test]
async fn the_key_set_is_public_cacheable_and_holds_no_private_part() {
    let reply = Node::new().get("/oauth2/jwks").await;
    assert!(reply.header("cache-control").starts_with("public, max-age="));
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    let keys = reply.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}
