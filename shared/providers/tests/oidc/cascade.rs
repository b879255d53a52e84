//! An edge in front of a root: the provider here is the identity provider there, over a real socket.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::*;

const EDGE: &str = "https://edge.example";

/// A root on a loopback port; it ends with the returned set.
async fn root() -> (Node, String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut config = default_config();
    config["oidcProvider"]["discovery"]["issuer"] = json!(origin);
    config["apps"][3]["redirectURLs"] = json!([format!("{EDGE}/oidc/callback")]);
    let node = Node::with(config);
    let router = node.router();
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (node, origin, serving)
}

fn edge(root: &str) -> Value {
    let mut config = default_config();
    config["connectors"][0] = json!({
        "type": "oidc", "name": "people", "oidcWellKnownURL": format!("{root}/.well-known/openid-configuration"),
        "oauthClientID": "edge", "oauthClientSecret": "edge-secret", "root": true,
        "oauthRedirectURL": format!("{EDGE}/oidc/callback"), "scopes": "openid profile email groups",
    });
    config["oidcProvider"]["discovery"]["issuer"] = json!(EDGE);
    config
}

/// The path and query of where a browser is sent.
fn path(reply: &Reply) -> String {
    let location = reply.header("location");
    location[location.match_indices('/').nth(2).unwrap().0..].to_owned()
}

#[tokio::test]
async fn an_edge_signs_a_person_in_through_a_root_and_tells_the_way() {
    let (root, origin, _serving) = root().await;
    let edge = Node::with(edge(&origin));
    let (mut at_root, mut at_edge) = (Person::default(), Person::default());

    let away = at_edge.authorize(&edge, &[("client_id", "edge"), ("scope", "openid email")]).await;
    assert!(away.header("location").starts_with(&format!("{origin}/oauth2/auth?")), "{}", away.text);
    assert_eq!(away.told()["mangrove_hops"], "edge.example");
    let back = at_root.sign_in_at(&root, &path(&away), "alice").await;
    assert_eq!(back.told()["iss"], origin);
    let home = at_edge.get(&edge, &path(&back)).await;
    assert!(home.header("location").starts_with(CALLBACK), "{}: {}", home.status, home.text);

    let claims = part(redeemed(&edge, &home).await.id(), 1);
    assert_eq!(claims["iss"], EDGE);
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(claims["mangrove_path"], json!(["127.0.0.1", "edge.example"]));
}

#[tokio::test]
async fn a_stranger_with_an_id_token_is_not_sent_through_the_providers_of_its_person() {
    let (root, origin, _serving) = root().await;
    let edge = Node::with(edge(&origin));
    let (mut at_root, mut at_edge) = (Person::default(), Person::default());
    let away = at_edge.authorize(&edge, &[("client_id", "edge"), ("scope", "openid")]).await;
    let back = at_root.sign_in_at(&root, &path(&away), "alice").await;
    let home = at_edge.get(&edge, &path(&back)).await;
    let logout = format!("/oauth2/logout?id_token_hint={}", redeemed(&edge, &home).await.id());

    let stranger = Person::default().get(&edge, &logout).await;
    assert_eq!(stranger.status, StatusCode::OK, "{}", stranger.text);
    assert!(
        stranger.headers.get("location").is_none(),
        "the way through the root carries alice's ID token there"
    );
}

#[tokio::test]
async fn a_refresh_at_the_edge_works_while_its_root_is_dead() {
    let (root, origin, serving) = root().await;
    let mut config = edge(&origin);
    config["apps"][0]["grantTypes"] = json!(["authorization_code", "refresh_token"]);
    let edge = Node::with(config);
    let (mut at_root, mut at_edge) = (Person::default(), Person::default());
    let away = at_edge.authorize(&edge, &[("scope", "openid offline_access")]).await;
    let back = at_root.sign_in_at(&root, &path(&away), "alice").await;
    let home = at_edge.get(&edge, &path(&back)).await;
    let reply = edge.redeem(&home.told()["code"]).await;
    drop(serving);
    let mut tokens = Tokens(reply.json());
    for _ in 0..3 {
        let reply = edge.refresh(tokens.refresh()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        tokens = Tokens(reply.json());
    }
    assert!(at_edge.authorize(&edge, &[]).await.told().contains_key("code"), "and so does the session");
}

#[tokio::test]
async fn a_posted_request_outlives_an_outage_on_the_page_that_tries_again() {
    // An address that no other test listens at: the port stays free until the root takes it.
    let listener = TcpListener::bind("127.0.0.77:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let edge = Node::with(edge(&format!("http://{address}")));
    let mut person = Person::default();
    let form = [
        ("client_id", APP.0),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "posted"),
    ];
    let page = person.post(&edge, "/oauth2/auth", &form).await;
    assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    let again = page.text.split("content=\"5;url=").nth(1).unwrap().split('"').next().unwrap().to_owned();

    let mut config = default_config();
    config["oidcProvider"]["discovery"]["issuer"] = json!(format!("http://{address}"));
    config["apps"][3]["redirectURLs"] = json!([format!("{EDGE}/oidc/callback")]);
    let root = Node::with(config);
    let (router, listener) = (root.router(), TcpListener::bind(address).await.unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let away = loop {
        let page = person.get(&edge, &again).await;
        if page.status.is_redirection() {
            break page;
        }
        // What a look found stands for a second.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let back = Person::default().sign_in_at(&root, &path(&away), "alice").await;
    let told = person.get(&edge, &path(&back)).await.told();
    assert_eq!(told["state"], "posted");
    assert!(told.contains_key("code"));
}

async fn redeemed(edge: &Node, home: &Reply) -> Tokens {
    let reply =
        edge.form("/oauth2/token", Some(("edge", "edge-secret")), &code_form(&home.told()["code"])).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    Tokens(reply.json())
}

#[tokio::test]
async fn a_silent_question_goes_up_to_the_root_and_its_answer_comes_down() {
    let (root, origin, _serving) = root().await;
    let edge = Node::with(edge(&origin));
    let (mut at_root, mut at_edge) = (Person::default(), Person::default());
    let away = at_edge.authorize(&edge, &[("prompt", "none")]).await;
    let back = at_root.get(&root, &path(&away)).await;
    assert_eq!(back.told()["error"], "login_required");
    let home = at_edge.get(&edge, &path(&back)).await;
    assert_eq!(
        home.told()["error"],
        "login_required",
        "prompt=none goes all the way up and its answer all the way down"
    );
}
