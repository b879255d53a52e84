//! What a node says of itself: it looks before it says yes, for a moment, and what it found stands.

use std::time::Duration;

use futures::future::join_all;
use mangrove_connectors::Ask;
use mangrove_login::{Word, WordBlame};
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Person, asks};

const DISCOVERY: &str = "/.well-known/openid-configuration";

impl Node {
    async fn word(&self, via: &str) -> Word {
        self.login.can_sign_in(&[via.to_owned()]).await
    }

    /// Asks until the word is as wanted.
    async fn says(&self, via: &str, wanted: impl Fn(&Word) -> bool) {
        eventually("the word that is wanted", async || wanted(&self.word(via).await).then_some(())).await;
    }
}

fn probed(name: &str, idp: &Idp, threshold: u32) -> Value {
    let mut written = oidc(name, idp);
    written["healthCheck"] = json!({ "enabled": true, "interval": "50ms", "timeout": "1s",
        "unhealthyThreshold": threshold });
    written
}

#[tokio::test]
async fn who_showed_a_sign_of_life_a_moment_ago_is_not_asked_again() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    Person::new().is_shown(&node, asks("first", Ask::default())).await;
    for _ in 0..10 {
        assert_eq!(node.word("first").await.can_sign_in, Ok(()));
    }
    assert_eq!(idp.hits(DISCOVERY), 1);
}

#[tokio::test]
async fn a_node_whose_last_provider_is_found_dead_says_no_at_once() {
    let (mut first, mut second) = (Idp::start().await, Idp::start().await);
    let node = Node::new(json!([
        oidc("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    first.dies().await;
    assert_eq!(node.word("group").await.can_sign_in, Ok(()), "the second answers");
    assert_eq!(second.hits(DISCOVERY), 1);
    let alone = Node::new(json!([
        oidc("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    second.dies().await;
    let word = alone.word("group").await;
    assert_eq!((word.can_sign_in, word.in_doubt), (Err(WordBlame::Unavailable), false));
    assert!(word.age.is_some());
}

#[tokio::test]
async fn all_who_ask_at_once_share_one_look() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    idp.takes(Duration::from_millis(50));
    let words = join_all((0..20).map(|_| node.word("first"))).await;
    assert!(words.iter().all(|word| word.can_sign_in.is_ok()));
    assert_eq!(idp.hits(DISCOVERY), 1);
}

#[tokio::test]
async fn a_look_that_outlasts_the_question_is_taken_to_its_end_for_the_next() {
    let idp = Idp::start().await;
    let mut node = Node::new(json!([oidc("first", &idp)]));
    node.runs();
    idp.vanishes();
    let word = node.word("first").await;
    assert_eq!((word.can_sign_in, word.in_doubt), (Ok(()), false), "it may answer yet");
    node.says("first", |word| word.can_sign_in.is_ok() && word.in_doubt).await;
    assert_eq!(idp.hits(DISCOVERY), 1, "one look, whoever asked meanwhile");
    node.stops().await;
}

#[tokio::test]
async fn doubt_ends_with_the_next_probe_one_way_or_the_other() {
    let idp = Idp::start().await;
    let mut node = Node::new(json!([probed("first", &idp, 1_000)]));
    node.runs();
    node.says("first", |word| word.can_sign_in.is_ok() && word.age.is_some()).await;
    idp.vanishes();
    node.says("first", |word| word.can_sign_in == Err(WordBlame::Unavailable)).await;
    idp.takes(Duration::ZERO);
    node.says("first", |word| word.can_sign_in.is_ok() && !word.in_doubt).await;
    node.stops().await;
}
