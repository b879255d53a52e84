//! Members that an operator's own endpoint judges: what it says is obeyed, and its silence costs nobody a login.

use http::StatusCode;
use mangrove_connectors::Ask;
use serde_json::json;

use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks};

/// A node whose only members are judged by a document of `judge`, which must hold this text.
fn judged_by(judge: &Idp, text: &str, members: [&Idp; 2]) -> Node {
    let judged = |name: &str, idp: &Idp| {
        let mut written = oidc(name, idp);
        let endpoint = format!("{}/.well-known/openid-configuration", judge.issuer);
        written["healthCheck"] = json!({
            "enabled": true, "interval": "1ms", "customEndpoint": {
                "type": "http", "endpoint": endpoint, "responseMatcher": { "body": { "contains": text } },
            },
        });
        written
    };
    let [first, second] = members;
    Node::new(json!([judged("first", first), judged("second", second), group("group", &["first", "second"])]))
}

async fn is_shown(node: &Node) -> Page {
    Person::new().is_shown(node, asks("group", Ask::default())).await
}

#[tokio::test]
async fn a_monitoring_system_that_dies_is_not_the_outage() {
    let (first, second, mut judge) = (Idp::start().await, Idp::start().await, Idp::start().await);
    let node = judged_by(&judge, "authorization_endpoint", [&first, &second]);
    assert!(is_shown(&node).await.leads_to().starts_with(&first.issuer));
    judge.dies().await;
    for _ in 0..3 {
        assert!(is_shown(&node).await.leads_to().starts_with(&first.issuer), "nobody said no to it");
    }
}

#[tokio::test]
async fn an_endpoint_that_says_no_to_everybody_is_obeyed() {
    let (first, second, judge) = (Idp::start().await, Idp::start().await, Idp::start().await);
    let node = judged_by(&judge, "all is well", [&first, &second]);
    let page = is_shown(&node).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
}
