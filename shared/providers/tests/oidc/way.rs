//! A person's way over three real nodes, told from what each of them wrote down.

use axum::Router;
use mangrove_login::Line;
use mangrove_login::story::{Ways, tell};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::*;

const NAMES: [&str; 3] = ["edge-a", "region", "directory"];

/// An edge, the region above it, and the root with the directory.
struct Mesh {
    nodes: Vec<Node>,
    origins: Vec<String>,
    _running: JoinSet<()>,
}

/// One person with a jar of cookies for each host.
struct Traveller([Person; 3]);

impl Mesh {
    async fn start() -> Self {
        let mut listeners = Vec::new();
        for _ in NAMES {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let origins: Vec<String> =
            listeners.iter().map(|listener| format!("http://{}", listener.local_addr().unwrap())).collect();
        let nodes: Vec<Node> = (0..NAMES.len()).map(|at| Self::node(at, &origins)).collect();
        let mut running = JoinSet::new();
        for (node, listener) in nodes.iter().zip(listeners) {
            let router: Router = node.router();
            running.spawn(async move { axum::serve(listener, router).await.unwrap() });
        }
        Self { nodes, origins, _running: running }
    }

    fn node(at: usize, origins: &[String]) -> Node {
        let connector = match origins.get(at + 1) {
            None => json!({ "type": "local", "name": "people", "usersFile": "" }),
            Some(above) => json!({
                "type": "oidc", "name": NAMES[at + 1], "oauthClientID": "below", "oauthClientSecret": "below-secret",
                "oidcWellKnownURL": format!("{above}/.well-known/openid-configuration"),
                "oauthRedirectURL": format!("{}/callback", origins[at]),
            }),
        };
        let back = if at == 0 { CALLBACK.to_owned() } else { format!("{}/callback", origins[at - 1]) };
        Node::with(json!({
            "oidcProvider": { "discovery": { "issuer": origins[at] } },
            "apps": [{ "type": "oidc", "name": if at == 0 { "branch-app" } else { NAMES[at - 1] }, "clientID": "below",
                "clientSecret": "below-secret", "redirectURLs": [back],
                "authentication": { "idps": [connector["name"]] } }],
            "connectors": [connector],
        }))
    }

    /// What all nodes wrote down, each by a clock that is `skewed` milliseconds ahead, the last first: files come in any order.
    fn lines(&self, skewed: [u64; 3]) -> Vec<Line> {
        let mut lines = Vec::new();
        for ((node, name), skew) in self.nodes.iter().zip(NAMES).zip(skewed).rev() {
            lines.extend(node.login.decisions().lines().into_iter().map(|mut line| {
                line.node = name.into();
                line.at += skew;
                line
            }));
        }
        lines
    }
}

impl Traveller {
    /// Goes on until the application has its answer, after one wrong password.
    async fn signs_in(&mut self, mesh: &Mesh) {
        let mut mistakes = 1;
        let mut here = 0;
        let mut reply = self.0[0].authorize(&mesh.nodes[0], &[("client_id", "below")]).await;
        for _ in 0..20 {
            if reply.text.contains("type=\"password\"") {
                let password = if mistakes > 0 { "wrong horse" } else { "correct horse" };
                mistakes -= 1;
                let typed = [("username", "alice"), ("password", password)];
                reply = self.0[here].submit(&mesh.nodes[here], &reply, &typed).await;
                continue;
            }
            let location = reply.header("location").to_owned();
            if location.starts_with(CALLBACK) {
                return;
            }
            let next = mesh.origins.iter().position(|origin| location.starts_with(origin.as_str()));
            here = next.unwrap_or_else(|| panic!("{}: {} -> {location}", reply.status, reply.text));
            reply = self.0[here].get(&mesh.nodes[here], &location[mesh.origins[here].len()..]).await;
        }
        panic!("the sign-in goes round in circles");
    }
}

#[tokio::test]
async fn any_node_s_login_id_tells_the_whole_way_whatever_the_clocks_say() {
    let mesh = Mesh::start().await;
    Traveller(Default::default()).signs_in(&mesh).await;
    let lines = mesh.lines([0; 3]);
    let ways = Ways::new(&lines);
    assert_eq!(ways.all().len(), 1, "one person, one way");

    let logins: std::collections::BTreeSet<&str> = lines.iter().map(|line| line.login.as_str()).collect();
    assert_eq!(logins.len(), 3);
    let story = tell(&lines, &mesh.nodes[0].login.decisions().lines()[0].login).unwrap();
    for login in logins {
        assert_eq!(tell(&lines, login).unwrap(), story, "upwards and downwards");
    }
    assert!(story[0].contains("for the application branch-app"), "{story:#?}");
    let told: Vec<(&str, &str)> = story[1..]
        .iter()
        .map(|sentence| {
            let (node, rest) = sentence.split_once(' ').unwrap();
            (node, rest.trim_start()["00:00:00.000".len()..].trim_start())
        })
        .collect();
    let beginnings = [
        ("edge-a", "Asked region: first in order."),
        ("edge-a", "Sent the person to region."),
        ("region", "Asked directory: first in order."),
        ("region", "Sent the person to directory."),
        ("directory", "Asked people: first in order."),
        ("directory", "Showed the person the sign-in page of people, here."),
        ("directory", "The password typed for people was not accepted: a wrong password."),
        ("directory", "Signed in; people vouched."),
        ("region", "Signed in; directory vouched."),
        ("edge-a", "Signed in; region vouched."),
    ];
    assert_eq!(told.len(), beginnings.len(), "{story:#?}");
    for ((node, words), (wanted, beginning)) in told.iter().zip(beginnings) {
        assert!(*node == wanted && words.starts_with(beginning), "{node} {words}: {beginning}");
    }
    assert!(!story.join(" ").contains("alice"), "the story names nobody: {story:#?}");

    let skewed = mesh.lines([0, 90_000, 0]);
    let skewed = tell(&skewed, &lines[0].login).unwrap();
    let without_times = |story: &[String]| {
        story.iter().map(|s| s.split_once(". ").map_or("", |(_, rest)| rest).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        without_times(&skewed)[1..11],
        without_times(&story)[1..11],
        "the order does not follow clocks"
    );
    let clocks: Vec<&String> = skewed.iter().filter(|sentence| sentence.starts_with("Clocks:")).collect();
    assert_eq!(clocks.len(), 2, "{skewed:#?}");
    assert!(
        clocks
            .iter()
            .any(|s| s.contains("that of region is at least ") && s.contains("ahead of that of edge-a"))
    );
    assert!(
        clocks
            .iter()
            .any(|s| s.contains("that of directory is at least ") && s.contains("behind that of region"))
    );
    assert!(!story.iter().any(|sentence| sentence.starts_with("Clocks:")), "{story:#?}");
}

#[tokio::test]
async fn a_log_that_is_missing_leaves_the_others_story_whole() {
    let mesh = Mesh::start().await;
    Traveller(Default::default()).signs_in(&mesh).await;
    let mut lines = mesh.lines([0; 3]);
    lines.retain(|line| line.node != "region");
    let login = |name: &str| lines.iter().find(|line| line.node == name).unwrap().login.clone();
    let edge = tell(&lines, &login("edge-a")).unwrap();
    assert!(edge.last().unwrap().contains("Signed in; region vouched."), "{edge:#?}");
    let directory = tell(&lines, &login("directory")).unwrap();
    assert!(directory.last().unwrap().contains("Signed in; people vouched."), "{directory:#?}");
    assert_eq!(Ways::new(&lines).all().len(), 2);
}
