//! What may move a verdict, and what may not. An attacker has a browser of their own and all that it can carry; after each
//! attempt the health of every member, what is known of it and everybody else's choice are as before. Only silence on the back
//! channel counts, and of different logins only.

use mangrove_connectors::Ask;
use mangrove_continuity::State;
use mangrove_keys::ambient;
use mangrove_login::{MemberStatus, Word};
use serde_json::json;

use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks, silently};

/// Different logins whose silence is a verdict.
const THRESHOLD: usize = 3;

struct Mesh {
    first: Idp,
    second: Idp,
    node: Node,
}

/// What others depend on.
#[derive(Debug, PartialEq)]
struct Known {
    verdicts: Vec<(String, State, Option<String>, Option<String>)>,
    choice: String,
    says: Word,
}

/// Two members that are watched and not probed here: what is known of them comes from logins and looks.
async fn mesh() -> Mesh {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let watched = |name: &str, idp: &Idp| {
        let mut written = oidc(name, idp);
        written["healthCheck"] =
            json!({ "enabled": true, "interval": "60s", "unhealthyThreshold": THRESHOLD });
        written
    };
    let members =
        [watched("first", &first), watched("second", &second), group("group", &["first", "second"])];
    let node = Node::new(json!(members));
    for known in ["second", "first"] {
        Person::new().is_shown(&node, asks(known, Ask::default())).await;
    }
    Mesh { first, second, node }
}

impl Mesh {
    async fn starts(&self, person: &mut Person) -> Page {
        person.is_shown(&self.node, asks("group", Ask::default())).await
    }

    /// A browser that begins a login and brings back what `answer` makes of where it was sent.
    async fn attempt(&self, answer: impl Fn(&Idp, &str) -> String) -> Page {
        let mut mallory = Person::new();
        let page = self.starts(&mut mallory).await;
        mallory.opens(&self.node, &answer(&self.first, page.leads_to())).await
    }

    async fn known(&self) -> Known {
        let row = |s: MemberStatus| (s.name, s.state, s.last_failure, s.misconfigured);
        let status = self.node.login.watch().snapshot(ambient::now());
        let bob = self.starts(&mut Person::new()).await;
        let choice = bob.leads_to().split('?').next().unwrap().to_owned();
        let word = self.node.login.can_sign_in(&["group".to_owned()]).await;
        Known { verdicts: status.into_iter().map(row).collect(), choice, says: Word { age: None, ..word } }
    }

    fn state(&self) -> State {
        self.node.login.watch().standing("first", ambient::now()).unwrap().state
    }
}

#[tokio::test]
async fn forged_errors_move_nothing() {
    let mesh = mesh().await;
    let before = mesh.known().await;
    for error in [
        "access_denied",
        "temporarily_unavailable",
        "server_error",
        "login_required",
        "invalid_client",
        "unauthorized_client",
        "no such error\nat all",
    ] {
        for _ in 0..2 * THRESHOLD {
            mesh.attempt(|idp, url| idp.refuses(url, error)).await;
        }
        assert_eq!(mesh.known().await, before, "{error}");
    }
}

#[tokio::test]
async fn junk_codes_by_the_thousand_move_nothing() {
    let mesh = mesh().await;
    let before = mesh.known().await;
    for _ in 0..1_000 {
        mesh.attempt(|idp, url| idp.signs_in(url).replace("code=", "code=junk")).await;
    }
    assert_eq!(mesh.first.hits("/token"), 1_000, "each was asked about, with its own matched state");
    assert_eq!(mesh.known().await, before);
}

#[tokio::test]
async fn an_http_error_at_the_token_endpoint_sends_that_login_on_and_moves_nothing() {
    let mesh = mesh().await;
    let before = mesh.known().await;
    for status in [500, 502, 503, 429] {
        mesh.first.answers_for_tokens_with(Some(status));
        for _ in 0..2 * THRESHOLD {
            let onward = mesh.attempt(Idp::signs_in).await;
            assert!(onward.leads_to().starts_with(&mesh.second.issuer), "{status}");
        }
        assert_eq!(mesh.known().await, before, "{status}");
    }
}

#[tokio::test]
async fn aborted_logins_move_nothing() {
    let mesh = mesh().await;
    let before = mesh.known().await;
    for _ in 0..200 {
        mesh.starts(&mut Person::new()).await;
    }
    let mut mallory = Person::new();
    for _ in 0..20 {
        mallory.is_shown(&mesh.node, asks("group", Ask::default())).await;
    }
    assert_eq!(mesh.known().await, before);
}

#[tokio::test]
async fn a_slow_typist_and_second_tabs_move_nothing() {
    let mesh = mesh().await;
    let before = mesh.known().await;
    // Ten seconds have passed for whoever was sent away.
    mesh.node.login.counts_as_unanswered_after(0);
    for _ in 0..2 * THRESHOLD {
        let mut typist = Person::new();
        let page = mesh.starts(&mut typist).await;
        mesh.starts(&mut typist).await;
        mesh.starts(&mut typist).await;
        assert_eq!(mesh.known().await, before, "while the tabs are open");
        let told = typist.opens(&mesh.node, &mesh.first.signs_in(page.leads_to())).await.told();
        assert_eq!(told["member"], "first", "the first tab's answer counts, however late");
    }
    assert_eq!(mesh.known().await, before);
}

#[tokio::test]
async fn frames_that_ask_silently_move_nothing() {
    let mesh = mesh().await;
    let before = mesh.known().await;
    let mut frame = Person::new().coming_from("cross-site");
    frame.headers.insert("sec-fetch-dest", "iframe".parse().unwrap());
    frame.headers.insert("sec-fetch-mode", "navigate".parse().unwrap());
    mesh.node.login.counts_as_unanswered_after(0);
    for error in ["login_required", "interaction_required", "temporarily_unavailable", ""] {
        for _ in 0..2 * THRESHOLD {
            let page = frame.is_shown(&mesh.node, asks("group", silently())).await;
            if !error.is_empty() {
                frame.opens(&mesh.node, &mesh.first.refuses(page.leads_to(), error)).await;
            }
        }
    }
    assert_eq!(mesh.known().await, before);
}

#[tokio::test]
async fn silence_counts_by_login_however_often_one_login_meets_it() {
    let mut mesh = mesh().await;
    let mut pages = Vec::new();
    for _ in 0..THRESHOLD {
        let mut person = Person::new();
        let page = person.is_shown(&mesh.node, asks("first", Ask::default())).await;
        pages.push((person, page));
    }
    let (mut stubborn, page) = pages.pop().unwrap();
    let mut url = page.leads_to().to_owned();
    for _ in 0..3 * THRESHOLD {
        mesh.first.dies().await;
        let page = stubborn.opens(&mesh.node, &mesh.first.signs_in(&url)).await;
        assert_eq!(mesh.state(), State::Suspect, "one login is one sample");
        mesh.first.comes_back().await;
        url = stubborn.opens(&mesh.node, &page.again()).await.leads_to().to_owned();
    }
    mesh.first.dies().await;
    for (mut person, page) in pages {
        assert_eq!(mesh.state(), State::Suspect);
        person.opens(&mesh.node, &mesh.first.signs_in(page.leads_to())).await;
    }
    assert_eq!(mesh.state(), State::Down, "and {THRESHOLD} of them are a verdict");
}

#[tokio::test]
async fn a_login_that_was_answered_begins_the_count_anew() {
    let mut mesh = mesh().await;
    for _ in 0..2 * THRESHOLD {
        let (mut unlucky, mut lucky) = (Person::new(), Person::new());
        let lost = unlucky.is_shown(&mesh.node, asks("first", Ask::default())).await;
        let good = lucky.is_shown(&mesh.node, asks("first", Ask::default())).await;
        mesh.first.dies().await;
        unlucky.opens(&mesh.node, &mesh.first.signs_in(lost.leads_to())).await;
        mesh.first.comes_back().await;
        lucky.opens(&mesh.node, &mesh.first.signs_in(good.leads_to())).await.told();
        assert_eq!(mesh.state(), State::Suspect, "only probes make it healthy");
    }
}

#[tokio::test]
async fn a_login_that_cannot_begin_casts_no_doubt_where_an_operator_named_an_endpoint() {
    let (mut first, second) = (Idp::start().await, Idp::start().await);
    let mut judged = oidc("first", &first);
    let endpoint = format!("{}/.well-known/openid-configuration", second.issuer);
    judged["healthCheck"] =
        json!({ "enabled": true, "customEndpoint": { "type": "http", "endpoint": endpoint } });
    let node = Node::new(json!([judged, oidc("second", &second), group("group", &["first", "second"])]));
    first.dies().await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&second.issuer), "that login goes on");
    let standing = node.login.watch().standing("first", ambient::now()).unwrap();
    assert_eq!((standing.state, standing.doubted), (State::Unknown, false), "the endpoint says it is well");
}
