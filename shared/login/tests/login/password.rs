//! The sign-in page, and guessing.

use std::time::Duration;

use http::StatusCode;
use mangrove_connectors::{Ask, Prompt};
use serde_json::json;
use tokio::time::{Instant, pause};

use crate::sign_in::drained;
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc, users};
use crate::support::person::{Page, Person, asks};

const PATH: &str = "/login/password";

struct Branch {
    node: Node,
    _dir: tempfile::TempDir,
}

fn branch() -> Branch {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(json!([users(dir.path())]));
    Branch { node, _dir: dir }
}

async fn types(person: &mut Person, node: &Node, page: &Page, password: &str) -> Page {
    let state = page.hidden("state");
    person.posts(node, PATH, &[("state", &state), ("username", "alice"), ("password", password)]).await
}

async fn asked(person: &mut Person, node: &Node) -> Page {
    let ask = Ask { prompt: Some(Prompt::Login), ..Ask::default() };
    person.is_shown(node, asks("directory", ask)).await
}

#[tokio::test]
async fn the_right_password_signs_in() {
    let Branch { node, _dir } = branch();
    let mut alice = Person::new();
    let page = asked(&mut alice, &node).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Branch A"), "it says whose password it asks for");
    let told = types(&mut alice, &node, &page, "correct horse").await.told();
    assert_eq!(told["sub"], "directory|alice");
    assert!(alice.login_cookies().is_empty());
}

#[tokio::test]
async fn a_wrong_password_shows_the_page_again_and_the_right_one_still_counts() {
    let Branch { node, _dir } = branch();
    let mut alice = Person::new();
    let page = asked(&mut alice, &node).await;
    for wrong in ["wrong", "", &"x".repeat(5000)] {
        let again = types(&mut alice, &node, &page, wrong).await;
        assert_eq!(again.status, StatusCode::FORBIDDEN);
        assert!(again.body.contains("aria-live") && again.body.contains("value=\"alice\""), "{}", again.body);
        assert!(wrong.is_empty() || !again.body.contains(wrong), "no page repeats a password");
    }
    assert_eq!(types(&mut alice, &node, &page, "correct horse").await.told()["sub"], "directory|alice");
}

#[tokio::test]
async fn a_password_typed_for_one_directory_is_never_tried_at_another() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.yaml");
    std::fs::write(&empty, "users: []").unwrap();
    let first = json!({ "type": "local", "name": "first", "usersFile": empty, "title": "Branch B" });
    let node = Node::new(json!([first, users(dir.path()), group("group", &["first", "directory"])]));
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.body.contains("Branch B"));
    let refused = types(&mut alice, &node, &page, "correct horse").await;
    assert_eq!(
        refused.status,
        StatusCode::FORBIDDEN,
        "it is good at the second, and was typed for the first"
    );
    node.login.watch().order("first", Some(drained())).unwrap();
    let refused = types(&mut alice, &node, &page, "correct horse").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "and although the first is drained meanwhile");
    let suffix = alice.login_cookies()[0].rsplit('-').next().unwrap().to_owned();
    let page = alice.opens(&node, &format!("/login/again?login={suffix}")).await;
    assert!(page.body.contains("Branch A"), "the second asks anew");
    assert_eq!(types(&mut alice, &node, &page, "correct horse").await.told()["member"], "directory");
}

#[tokio::test]
async fn the_sign_in_form_is_good_only_in_the_browser_that_was_asked() {
    let Branch { node, _dir } = branch();
    let (mut alice, mut mallory) = (Person::new(), Person::new());
    let page = asked(&mut alice, &node).await;
    let other = asked(&mut mallory, &node).await;
    for mut outsider in [Person::new(), mallory] {
        let refused = types(&mut outsider, &node, &page, "correct horse").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(outsider.session_cookie().is_none());
    }
    let form = [("username", "alice"), ("password", "correct horse")];
    assert_eq!(alice.posts(&node, PATH, &form).await.status, StatusCode::BAD_REQUEST, "no state at all");
    assert_eq!(types(&mut alice, &node, &other, "correct horse").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(types(&mut alice, &node, &page, "correct horse").await.told()["sub"], "directory|alice");
}

#[tokio::test]
async fn a_form_is_used_up_by_the_right_password() {
    let Branch { node, _dir } = branch();
    let mut alice = Person::new();
    let page = asked(&mut alice, &node).await;
    let copy = alice.clone();
    types(&mut alice, &node, &page, "correct horse").await.told();
    assert_eq!(types(&mut copy.clone(), &node, &page, "correct horse").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn guessing_is_delayed_but_the_device_that_knows_the_account_is_not() {
    let Branch { node, _dir } = branch();
    let mut alice = Person::new();
    let page = asked(&mut alice, &node).await;
    types(&mut alice, &node, &page, "correct horse").await.told();

    let mut guesser = Person::new();
    let page = asked(&mut guesser, &node).await;
    let mut third = Instant::now();
    for _ in 0..3 {
        third = Instant::now();
        assert_eq!(types(&mut guesser, &node, &page, "guess").await.status, StatusCode::FORBIDDEN);
    }
    pause();
    types(&mut guesser, &node, &page, "guess").await;
    let waited = third.elapsed();
    assert!(
        waited >= Duration::from_millis(900),
        "the fourth guess waits a second after the third: {waited:?}"
    );

    // Alice sits at the same address, with the browser she signed in with before.
    let page = asked(&mut alice, &node).await;
    let began = Instant::now();
    assert_eq!(types(&mut alice, &node, &page, "correct horse").await.told()["sub"], "directory|alice");
    let waited = began.elapsed();
    assert!(waited < Duration::from_millis(100), "she does not wait: {waited:?}");
}

#[tokio::test]
async fn a_guesser_in_a_hurry_is_told_when_to_come_back_and_alice_elsewhere_gets_in() {
    let Branch { node, _dir } = branch();
    let mut guesser = Person::new();
    let page = asked(&mut guesser, &node).await;
    let at_once = (0..8).map(|_| {
        let (mut copy, node, page) = (guesser.clone(), &node, &page);
        async move { types(&mut copy, node, page, "guess").await.status }
    });
    pause();
    let answers = futures::future::join_all(at_once).await;
    assert!(answers.contains(&StatusCode::TOO_MANY_REQUESTS), "{answers:?}");
    let mut alice = Person::new();
    alice.address = [198, 51, 100, 7].into();
    let page = asked(&mut alice, &node).await;
    assert_eq!(types(&mut alice, &node, &page, "correct horse").await.told()["sub"], "directory|alice");
}

#[tokio::test]
async fn a_password_form_is_no_answer_of_an_upstream() {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(json!([users(dir.path()), oidc("first", &idp)]));
    let mut alice = Person::new();
    let page = asked(&mut alice, &node).await;
    let crossed = alice.opens(&node, &format!("/first/callback?code=x&state={}", page.hidden("state"))).await;
    assert_eq!(crossed.status, StatusCode::BAD_REQUEST);
    assert_eq!(types(&mut alice, &node, &page, "correct horse").await.told()["sub"], "directory|alice");
}
