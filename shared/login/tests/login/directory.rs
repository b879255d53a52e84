//! A directory whose servers die while somebody signs in, and its sign-in page.

use std::time::Duration;

use http::StatusCode;
use mangrove_connectors::Ask;
use mangrove_keys::ambient;
use serde_json::{Value, json};

use crate::support::node::{Node, group, users};
use crate::support::person::{Page, Person, asks, silently};
use crate::support::slapd::Slapd;

const PATH: &str = "/login/password";

async fn types(person: &mut Person, node: &Node, page: &Page, name: &str, password: &str) -> Page {
    let state = page.hidden("state");
    person.posts(node, PATH, &[("state", &state), ("username", name), ("password", password)]).await
}

/// The directory's connector, with people known by their employee's number.
fn ldap(slapd: &Slapd) -> Value {
    let mut ldap = slapd.connector("ldap");
    ldap["title"] = "Example Corp".into();
    ldap["attributeMapping"] = json!({ "employee": "employeeNumber" });
    ldap
}

fn node(slapd: &Slapd, connectors: Value) -> Node {
    Node::with(json!({ "connectors": connectors, "tls": slapd.tls() }))
}

#[tokio::test]
async fn the_page_says_whose_password_it_asks_for_and_the_right_one_signs_in() {
    let slapd = Slapd::start();
    let node = node(&slapd, json!([ldap(&slapd), group("group", &["ldap"])]));
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Example Corp"), "{}", page.body);
    let again = types(&mut alice, &node, &page, "alice", "wrong").await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.body.contains("do not belong together"));
    let told = types(&mut alice, &node, &page, "alice", "correct horse").await.told();
    assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("ldap")));
    assert_eq!(told["attributes"]["group"]["groups"], json!(["engineering", "staff"]));
}

#[tokio::test]
async fn nobody_is_asked_for_a_password_silently() {
    let slapd = Slapd::start();
    let node = node(&slapd, json!([ldap(&slapd)]));
    let told = Person::new().is_shown(&node, asks("ldap", silently())).await.told();
    assert_eq!(told["refused"], "login_required");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_not_asked_for_a_password() {
    let mut slapd = Slapd::start();
    let dir = tempfile::tempdir().unwrap();
    let node = node(&slapd, json!([ldap(&slapd), users(dir.path()), group("group", &["ldap", "directory"])]));
    slapd.dies();
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.body.contains("Branch A"), "a look found it gone: {}", page.body);
    assert_eq!(types(&mut alice, &node, &page, "alice", "correct horse").await.told()["sub"], "e-1");
}

#[tokio::test]
async fn a_directory_that_dies_while_somebody_types_is_followed_by_the_next_member_which_asks_anew() {
    let mut slapd = Slapd::start();
    let dir = tempfile::tempdir().unwrap();
    let node = node(&slapd, json!([ldap(&slapd), users(dir.path()), group("group", &["ldap", "directory"])]));
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.body.contains("Example Corp"));
    slapd.dies();
    let next = types(&mut alice, &node, &page, "alice", "correct horse").await;
    assert_eq!(next.status, StatusCode::OK);
    assert!(next.body.contains("Branch A"), "{}", next.body);
    let login = next.login_id();
    assert!(node.why(&login).contains("ldap did not vouch"), "{}", node.why(&login));
    assert!(!node.why(&login).contains("signed in"), "the password typed for one was not tried at the other");
    let told = types(&mut alice, &node, &next, "alice", "correct horse").await.told();
    assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("directory")));
}

#[tokio::test]
async fn with_a_second_server_of_the_same_directory_the_person_types_once() {
    let (mut first, second) = (Slapd::start(), Slapd::start());
    let mut written = ldap(&first);
    written["url"] = json!([first.ldap(), second.ldap()]);
    written["allowPlaintext"] = true.into();
    written["tls"] = Value::Null;
    let node = node(&first, json!([written, group("group", &["ldap"])]));
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    first.dies();
    let told = types(&mut alice, &node, &page, "alice", "correct horse").await.told();
    assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("ldap")));
}

#[tokio::test]
async fn a_service_account_that_is_not_let_in_keeps_the_directory_out() {
    let slapd = Slapd::start();
    let dir = tempfile::tempdir().unwrap();
    let mut written = ldap(&slapd);
    written["bindPassword"] = "old".into();
    let node = node(&slapd, json!([written, users(dir.path()), group("group", &["ldap", "directory"])]));
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.body.contains("Branch A"), "{}", page.body);
    let status = node.login.watch().snapshot(ambient::now());
    let ldap = status.iter().find(|member| member.name == "ldap").unwrap();
    assert!(ldap.misconfigured.as_ref().unwrap().contains("service account"), "{ldap:?}");
}

#[tokio::test]
async fn each_way_to_write_a_name_is_the_same_account_to_those_who_count_guesses() {
    let slapd = Slapd::start();
    let node = node(&slapd, json!([ldap(&slapd)]));
    let mut guesser = Person::new();
    let page = guesser.is_shown(&node, asks("ldap", Ask::default())).await;
    for name in ["alice", "ALICE", " Alice "] {
        assert_eq!(types(&mut guesser, &node, &page, name, "guess").await.status, StatusCode::FORBIDDEN);
    }
    let began = ambient::now();
    types(&mut guesser, &node, &page, "aLICE", "guess").await;
    let waited = ambient::now().since(began);
    assert!(waited >= Duration::from_millis(900), "the fourth guess waits a second: {waited:?}");
}
