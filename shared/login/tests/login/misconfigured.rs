//! A member that answers and does not know this node any more: said, out, and asked once a minute whether it does again.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mangrove_connectors::Ask;
use mangrove_keys::ambient;
use serde_json::json;
use tokio::time::{advance, pause, resume};

use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Person, asks};
use crate::support::until;

/// Two members, of which the first has changed its secret, and one login has met that.
async fn met() -> (Idp, Idp, Node) {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let mut node = Node::new(json!([
        oidc("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    node.runs();
    first.changes_its_secret();
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let onward = alice.opens(&node, &first.signs_in(page.leads_to())).await;
    assert_eq!(alice.opens(&node, &second.signs_in(onward.leads_to())).await.told()["member"], "second");
    (first, second, node)
}

fn is_out(node: &Node) -> bool {
    node.login.watch().standing("first", ambient::now()).unwrap().misconfigured.is_some()
}

/// So much time passes for whoever sleeps.
async fn passes(seconds: u64) {
    pause();
    advance(Duration::from_secs(seconds)).await;
    resume();
}

/// Somebody signs in at the other member meanwhile: time enough for a question and its answer.
async fn somebody_signs_in(node: &Node, second: &Idp) {
    let mut bob = Person::new();
    let page = bob.is_shown(node, asks("second", Ask::default())).await;
    bob.opens(node, &second.signs_in(page.leads_to())).await.told();
}

#[tokio::test]
async fn a_junk_code_once_a_minute_finds_out_that_it_knows_this_node_again() {
    let (first, second, mut node) = met().await;
    let asked = first.hits("/token");
    passes(61).await;
    until("it is asked", || first.hits("/token") > asked).await;
    somebody_signs_in(&node, &second).await;
    assert!(is_out(&node), "it still does not");
    first.remembers_its_secret();
    let asked = first.hits("/token");
    for _ in 0..4 {
        passes(10).await;
        somebody_signs_in(&node, &second).await;
    }
    assert_eq!(first.hits("/token"), asked, "once a minute and not more often");
    passes(31).await;
    until("it knows this node again", || !is_out(&node)).await;
    assert_eq!(first.hits("/token"), asked + 1);
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&first.issuer));
    node.stops().await;
}

#[tokio::test]
async fn a_member_that_knows_this_node_is_never_bothered_with_junk_codes() {
    let (first, second, mut node) = met().await;
    let [asked, not_asked] = [&first, &second].map(|idp| idp.hits("/token"));
    for round in 1..=2 {
        passes(61).await;
        until("the one that does not is asked", || first.hits("/token") >= asked + round).await;
        somebody_signs_in(&node, &second).await;
    }
    assert_eq!(second.hits("/token"), not_asked + 2, "by those who signed in, and nobody else");
    node.stops().await;
}

#[tokio::test]
async fn it_is_said_at_level_error_and_so_is_the_login_that_met_it() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (_first, _second, mut node) = met().await;
    let errors = written.lines("ERROR");
    let about = |what: &str| errors.iter().filter(|line| line.contains(what)).count();
    assert_eq!(about("connector is misconfigured and stays out"), 1, "{errors:?}");
    assert_eq!(about("first did not vouch, its settings or ours are wrong"), 1, "{errors:?}");
    node.stops().await;
}

/// What was logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn lines(&self, level: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(level)).map(str::to_owned).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
