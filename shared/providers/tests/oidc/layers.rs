//! Real layers on loopback, each a whole node that watches the one above it: the root's own word goes down the tree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use mangrove_continuity::State as Verdict;
use mangrove_continuity::order::{Order, What};
use mangrove_keys::ambient;
use mangrove_login::MemberStatus;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::*;

/// Never reached: whoever is Down with it was told so.
const NEVER_BY_COUNT: u32 = 100_000;

/// A node that listens, and what it answers when it is asked about itself.
struct Layer {
    node: Node,
    origin: String,
    seen: Arc<Seen>,
    _running: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    dead: AtomicBool,
    forgets: AtomicBool,
    noes: AtomicUsize,
}

/// Who vouches there.
enum Above<'a> {
    Directory,
    Node { layer: &'a Layer, threshold: u32 },
}

impl Layer {
    async fn start(above: Above<'_>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let connector = match above {
            Above::Directory => json!({ "type": "local", "name": "above", "usersFile": "" }),
            Above::Node { layer, threshold } => json!({
                "type": "oidc", "name": "above", "oauthClientID": "below", "oauthClientSecret": "below-secret",
                "oidcWellKnownURL": format!("{}/.well-known/openid-configuration", layer.origin),
                "oauthRedirectURL": format!("{origin}/callback"), "root": true,
                "healthCheck": { "enabled": true, "interval": "400ms", "timeout": "1s",
                    "unhealthyThreshold": threshold, "healthyThreshold": 1 },
            }),
        };
        let node = Node::with(json!({
            "connectors": [connector], "oidcProvider": { "discovery": { "issuer": origin } },
            "apps": [{ "type": "oidc", "name": "below", "clientID": "below", "clientSecret": "below-secret",
                "redirectURLs": [CALLBACK], "authentication": { "idps": ["above"] } }],
        }));
        let seen = Arc::new(Seen::default());
        let router: Router = node.router().layer(from_fn_with_state(Arc::clone(&seen), watched));
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, router).await.unwrap() });
        for (_, task) in node.login.tasks(CancellationToken::new()) {
            running.spawn(task);
        }
        Self { node, origin, seen, _running: running }
    }

    fn above(&self) -> MemberStatus {
        self.node.login.watch().snapshot(ambient::now()).remove(0)
    }

    async fn finds_the_one_above(&self, usable: bool) {
        let found = async {
            while self.above().usable != usable {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), found).await;
        assert!(found.is_ok(), "usable {usable} never came: {:?}", self.above());
    }

    async fn is_known_by_probes(&self) {
        let known = async {
            while self.above().state != Verdict::Healthy {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), known).await.unwrap();
    }

    async fn says(&self) -> Value {
        self.node.form("/oauth2/health", Some(("below", "below-secret")), &[]).await.json()
    }
}

/// Dead: nobody answers. Forgetful: nobody answers about itself.
async fn watched(State(seen): State<Arc<Seen>>, request: Request, next: Next) -> Response {
    let about_itself = request.uri().path() == "/oauth2/health";
    if seen.dead.load(Ordering::SeqCst) || (about_itself && seen.forgets.load(Ordering::SeqCst)) {
        std::future::pending::<()>().await;
    }
    let (head, body) = next.run(request).await.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    if about_itself && bytes.windows(5).any(|window| window == b"false") {
        seen.noes.fetch_add(1, Ordering::SeqCst);
    }
    Response::from_parts(head, Body::from(bytes))
}

#[tokio::test]
async fn three_layers_deep_the_truth_arrives_within_one_probe_of_each_layer() {
    let idp = Layer::start(Above::Directory).await;
    let global = Layer::start(Above::Node { layer: &idp, threshold: 2 }).await;
    let region = Layer::start(Above::Node { layer: &global, threshold: NEVER_BY_COUNT }).await;
    let edge = Layer::start(Above::Node { layer: &region, threshold: NEVER_BY_COUNT }).await;
    for layer in [&global, &region, &edge] {
        layer.is_known_by_probes().await;
    }

    idp.seen.dead.store(true, Ordering::SeqCst);
    let noes_until_heard = async |above: &Layer, below: &Layer| {
        below.finds_the_one_above(false).await;
        above.seen.noes.load(Ordering::SeqCst)
    };
    let noes = tokio::join!(noes_until_heard(&global, &region), noes_until_heard(&region, &edge));
    // One would do; a busy machine may let a second pass before this test looks.
    assert!(noes.0 <= 2 && noes.1 <= 2, "a no that was not acted on: {noes:?}");
    for layer in [&global, &region] {
        let discovery = layer.node.get("/.well-known/openid-configuration").await;
        assert_eq!(discovery.status, 200, "a root whose providers are all dead answers as ever");
    }
    let why = edge.above().last_failure.unwrap();
    assert!(why.starts_with("above says that it cannot sign people in (unavailable, "), "{why}");
    let said = edge.says().await;
    assert_eq!((&said["can_sign_in"], &said["blame"]), (&json!(false), &json!("unavailable")));
    assert!(said["age"].as_u64().unwrap() <= 2, "{said}");

    idp.seen.dead.store(false, Ordering::SeqCst);
    edge.finds_the_one_above(true).await;
    assert_eq!(edge.says().await["can_sign_in"], true, "and so does the good news");
}

#[tokio::test]
async fn a_root_whose_providers_are_all_drained_is_down_for_its_edge() {
    let root = Layer::start(Above::Directory).await;
    let edge = Layer::start(Above::Node { layer: &root, threshold: NEVER_BY_COUNT }).await;
    edge.is_known_by_probes().await;
    let order = Order { what: What::Drain, who: "ops".into(), why: "planned".into(), until: None };
    root.node.login.watch().order("above", Some(order)).unwrap();
    edge.finds_the_one_above(false).await;
    let why = edge.above().last_failure.unwrap();
    assert_eq!(why, "above says that it cannot sign people in (drained)");
    let page = Person::default().authorize(&edge.node, &[("client_id", "below")]).await;
    assert_eq!(page.status, 503, "told at once, not sent to a page that says so: {}", page.text);
    let login = page.text.split("<code>").nth(1).unwrap().split('<').next().unwrap();
    let story = edge.node.login.decisions().why(login).unwrap().join("\n");
    assert!(story.contains("not above: down for") && story.contains(&why), "{story}");
    root.node.login.watch().order("above", None).unwrap();
    edge.finds_the_one_above(true).await;
}

#[tokio::test]
async fn a_root_that_forgets_to_answer_is_judged_by_the_plain_probe() {
    let root = Layer::start(Above::Directory).await;
    root.seen.forgets.store(true, Ordering::SeqCst);
    let edge = Layer::start(Above::Node { layer: &root, threshold: 2 }).await;
    edge.is_known_by_probes().await;
    assert_eq!(edge.above().last_failure, None);
    root.seen.dead.store(true, Ordering::SeqCst);
    edge.finds_the_one_above(false).await;
    let why = edge.above().last_failure.unwrap();
    assert!(!why.contains("says"), "{why}");
}
