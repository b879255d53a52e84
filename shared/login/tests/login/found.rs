//! Roots that are found while the node runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use mangrove_config::Config;
use mangrove_config::continuity::RootOrder;
use mangrove_connectors::dns::NoAddress;
use mangrove_connectors::{Ask, BuildError, Connector, Host, HttpClient, Parts, Services};
use mangrove_continuity::State;
use mangrove_login::Finds;
use serde_json::{Value, json};

use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Person, asks};

/// What is said in place of DNS.
struct Said {
    answer: Result<Vec<Host>, NoAddress>,
    order: RootOrder,
    listed: Vec<(String, Option<Host>)>,
    roots: HashMap<Host, Value>,
}

impl Finds for Said {
    fn group(&self) -> &str {
        "group"
    }

    fn by(&self) -> &str {
        "_mangrove-root._tcp.example.com"
    }

    fn listed(&self) -> Vec<(String, Option<Host>)> {
        self.listed.clone()
    }

    fn order(&self) -> RootOrder {
        self.order
    }

    fn most(&self) -> usize {
        4
    }

    fn keep(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    fn ask(&self) -> BoxFuture<'_, Result<Services, NoAddress>> {
        let services = |hosts| Services { hosts, outside: 0, lives: Duration::from_secs(60) };
        Box::pin(async move { self.answer.clone().map(services) })
    }

    fn connector(&self, host: &Host) -> Result<Arc<Connector>, BuildError> {
        let written = self.roots.get(host).cloned();
        let written = written.ok_or_else(|| BuildError { connector: host.to_string(), why: "no".into() })?;
        let config =
            Config { connectors: vec![serde_json::from_value(written).unwrap()], ..Config::default() };
        let parts = Parts { http: HttpClient::new().unwrap(), state_dir: std::env::temp_dir() };
        Ok(Connector::build(&config, &parts)?.remove(0))
    }
}

fn host(name: &str) -> Host {
    Host { name: name.to_owned(), port: 443 }
}

/// A node with one listed root, and another that is found as `more.example`.
struct Mesh {
    listed: Idp,
    found: Idp,
    node: Node,
}

async fn mesh(answer: Result<Vec<Host>, NoAddress>, order: RootOrder) -> Mesh {
    let (listed, found) = (Idp::start().await, Idp::start().await);
    let watched = |name: &str, idp: &Idp| {
        let mut written = oidc(name, idp);
        written["root"] = true.into();
        written["oauthRedirectURL"] = oidc("listed", idp)["oauthRedirectURL"].clone();
        written["healthCheck"] =
            json!({ "enabled": true, "interval": "50ms", "timeout": "1s", "unhealthyThreshold": 1 });
        written
    };
    let mut roots = group("group", &["listed"]);
    roots["attributes"][0]["mapping"]["more.example"] = "employee".into();
    let mut node = Node::new(json!([watched("listed", &listed), roots]));
    node.login.finds(Arc::new(Said {
        answer,
        order,
        listed: vec![("listed".into(), Some(host("listed.example")))],
        roots: HashMap::from([(host("more.example"), watched("more.example", &found))]),
    }));
    node.runs();
    Mesh { listed, found, node }
}

async fn until(node: &Node, name: &str, state: State) {
    let is = || {
        node.login
            .watch()
            .snapshot(mangrove_keys::ambient::now())
            .iter()
            .any(|m| m.name == name && m.state == state)
    };
    while !is() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn people_sign_in_through_a_root_that_was_found_when_the_listed_one_is_dead() {
    let Mesh { mut listed, found, mut node } = mesh(Ok(vec![host("more.example")]), RootOrder::Listed).await;
    until(&node, "more.example", State::Healthy).await;
    listed.dies().await;
    until(&node, "listed", State::Down).await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let told = alice.opens(&node, &found.signs_in(page.leads_to())).await.told();
    let why = node.why(told["login"].as_str().unwrap());
    assert!(why.contains("Asked more.example: next in order; not listed: down"), "{why}");
    node.stops().await;
}

#[tokio::test]
async fn a_listed_root_comes_first_unless_the_records_order_all() {
    for (order, first) in [(RootOrder::Listed, "listed"), (RootOrder::Records, "more.example")] {
        let hosts = vec![host("more.example"), host("listed.example")];
        let Mesh { listed, found, mut node } = mesh(Ok(hosts), order).await;
        until(&node, "more.example", State::Healthy).await;
        let mut alice = Person::new();
        let page = alice.is_shown(&node, asks("group", Ask::default())).await;
        let issuer = if first == "listed" { &listed.issuer } else { &found.issuer };
        assert!(page.leads_to().starts_with(issuer.as_str()), "{order:?}");
        node.stops().await;
    }
}

#[tokio::test]
async fn names_that_cannot_be_roots_and_silence_cost_nobody_a_login() {
    for answer in
        [Err(NoAddress::Silent), Err(NoAddress::NotFound), Ok(vec![]), Ok(vec![host("invented.example")])]
    {
        let Mesh { listed, mut node, .. } = mesh(answer, RootOrder::Records).await;
        until(&node, "listed", State::Healthy).await;
        let mut alice = Person::new();
        let page = alice.is_shown(&node, asks("group", Ask::default())).await;
        assert!(page.leads_to().starts_with(listed.issuer.as_str()));
        node.stops().await;
    }
}
