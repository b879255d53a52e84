//! Deep health: a client learns whether its people can sign in now; nobody learns more.

use std::net::TcpListener;

use http::StatusCode;
use mangrove_continuity::order::{Order, What};
use serde_json::{Value, json};

use crate::support::*;

const HEALTH: &str = "/oauth2/health";
const EDGE: (&str, &str) = ("edge", "edge-secret");

/// Header and form of somebody who asks.
type Attempt = (Option<Pair>, &'static [Pair]);
type Pair = (&'static str, &'static str);

async fn ask(node: &Node, client: (&str, &str)) -> Value {
    let reply = node.form(HEALTH, Some(client), &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert!(reply.header("cache-control").contains("no-store"));
    reply.json()
}

fn drain(node: &Node, connector: &str) {
    let order =
        Order { what: What::Drain, who: "ops".into(), why: "the cellar is under water".into(), until: None };
    node.login.watch().order(connector, Some(order)).unwrap();
}

/// A directory, and a provider that nothing is known about, because it takes connections and says nothing; the app may ask the first, the other app the second, the edge
/// both.
fn two_providers(silent: &TcpListener) -> Value {
    let provider = format!("http://{}", silent.local_addr().unwrap());
    let mut config = default_config();
    config["connectors"].as_array_mut().unwrap().push(json!({
        "type": "oidc", "name": "contractors", "oauthClientID": "x",
        "oidcWellKnownURL": format!("{provider}/.well-known/openid-configuration"),
        "oauthRedirectURL": format!("{ISSUER}/callback"),
    }));
    config["apps"][1]["authentication"]["idps"] = json!(["contractors"]);
    config["apps"][3]["authentication"]["idps"] = json!(["people", "contractors"]);
    config
}

#[tokio::test]
async fn a_client_learns_yes_or_no_and_no_names() {
    let node = Node::new();
    assert_eq!(ask(&node, EDGE).await, json!({ "can_sign_in": true }), "a directory is not sampled");
    drain(&node, "people");
    assert_eq!(ask(&node, EDGE).await, json!({ "can_sign_in": false, "blame": "drained" }));
}

#[tokio::test]
async fn a_directory_whose_file_cannot_be_read_is_a_no() {
    let mut config = default_config();
    config["connectors"].as_array_mut().unwrap().insert(
        0,
        json!({
            "type": "oidc", "name": "elsewhere", "oauthClientID": "x",
            "oidcWellKnownURL": "https://idp.example/.well-known/openid-configuration",
        }),
    );
    config["connectors"][1]["usersFile"] = json!("/nowhere/users.yaml");
    let node = Node::with(config);
    assert_eq!(ask(&node, EDGE).await, json!({ "can_sign_in": false, "blame": "misconfigured" }));
}

#[tokio::test]
async fn outsiders_learn_nothing() {
    let node = Node::new();
    let attempts: [Attempt; 6] = [
        (None, &[]),
        (Some(("edge", "wrong")), &[]),
        (Some(("nobody", "edge-secret")), &[]),
        (None, &[("client_id", "edge")]),
        (None, &[("client_id", "edge"), ("client_secret", "app-secret")]),
        // A public client cannot prove who it is.
        (None, &[("client_id", "native")]),
    ];
    let mut answers = Vec::new();
    for drained in [false, true] {
        for (basic, form) in attempts {
            let reply = node.form(HEALTH, basic, form).await;
            assert_eq!(reply.error(), (401, "invalid_client".to_owned()));
            assert!(reply.header("cache-control").contains("no-store"));
            assert!(!reply.text.contains("can_sign_in"));
            answers.push(reply.text);
        }
        if !drained {
            drain(&node, "people");
        }
    }
    assert!(answers.iter().all(|text| *text == answers[0]), "and the same whatever the truth is");
    assert_eq!(node.get(HEALTH).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let twice = node.form(HEALTH, Some(EDGE), &[("a", "1"), ("a", "2")]).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn another_clients_groups_are_not_told() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::with(two_providers(&silent));
    drain(&node, "people");
    let no = json!({ "can_sign_in": false, "blame": "drained" });
    let yes = json!({ "can_sign_in": true });
    assert_eq!(ask(&node, APP).await, no);
    assert_eq!((ask(&node, OTHER).await, ask(&node, EDGE).await), (yes.clone(), yes), "unknown is a yes");
    drain(&node, "contractors");
    for client in [APP, OTHER, EDGE] {
        assert_eq!(ask(&node, client).await, no, "one word, however many are behind it");
    }
    let more = node.form(HEALTH, Some(EDGE), &[("idps", "contractors"), ("client_id", "edge")]).await;
    assert_eq!(more.json(), no, "there is nothing to ask for");
}

#[tokio::test]
async fn who_asks_without_end_is_told_to_slow_down_and_uses_up_nothing_of_others() {
    let node = Node::new();
    let mut slowed = None;
    for _ in 0..500 {
        // An outsider with the client's name spends nothing of what the client may ask.
        node.form(HEALTH, Some(("app", "wrong")), &[]).await;
        let reply = node.form(HEALTH, Some(EDGE), &[]).await;
        if reply.status != StatusCode::OK {
            slowed = Some(reply);
            break;
        }
    }
    let slowed = slowed.expect("a bound");
    assert_eq!(slowed.error(), (429, "slow_down".to_owned()));
    assert_eq!(slowed.header("retry-after"), "1");
    assert_eq!(ask(&node, APP).await["can_sign_in"], true);
}

#[tokio::test]
async fn the_document_announces_it_and_says_nothing_else_about_health() {
    let node = Node::new();
    let before = node.get("/.well-known/openid-configuration").await;
    assert_eq!(before.json()["mangrove_health_endpoint"], format!("{ISSUER}{HEALTH}"));
    drain(&node, "people");
    assert_eq!(node.get("/.well-known/openid-configuration").await.text, before.text);
}
