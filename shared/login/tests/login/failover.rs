//! Members that die, refuse, or do not know this node.

use std::time::Duration;

use http::{StatusCode, header};
use mangrove_connectors::Ask;
use mangrove_continuity::State;
use mangrove_login::What;
use serde_json::json;

use crate::sign_in::drained;
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc, users};
use crate::support::person::{Person, asks, silently};
use crate::support::{eventually, until};

struct Two {
    first: Idp,
    second: Idp,
    node: Node,
}

async fn two() -> Two {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let node = Node::new(json!([
        oidc("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    Two { first, second, node }
}

#[tokio::test]
async fn a_member_that_is_drained_is_skipped_and_the_reason_is_told() {
    let Two { second, node, .. } = two().await;
    node.login.watch().order("first", Some(drained())).unwrap();
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let told = alice.opens(&node, &second.signs_in(page.leads_to())).await.told();
    let why = node.why(told["login"].as_str().unwrap());
    assert!(
        why.contains(
            "Asked second: next in order; not first: drained by ops (a test), until `drain first -undo`."
        ),
        "{why}"
    );
}

#[tokio::test]
async fn a_member_that_is_down_is_skipped_with_its_reason() {
    let (mut first, second) = (Idp::start().await, Idp::start().await);
    first.dies().await;
    let mut watched = oidc("first", &first);
    watched["healthCheck"] =
        json!({ "enabled": true, "interval": "50ms", "timeout": "1s", "unhealthyThreshold": 1 });
    let mut node = Node::new(json!([watched, oidc("second", &second), group("group", &["first", "second"])]));
    node.runs();
    until("first is down", || is(&node, "first", State::Down)).await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let told = alice.opens(&node, &second.signs_in(page.leads_to())).await.told();
    let why = node.why(told["login"].as_str().unwrap());
    assert!(why.contains("Asked second: next in order; not first: down for"), "{why}");
    first.comes_back().await;
    until("first is healthy", || is(&node, "first", State::Healthy)).await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&first.issuer), "recovery changes where new logins go");
    node.stops().await;
}

fn is(node: &Node, name: &str, state: State) -> bool {
    node.login.watch().standing(name, mangrove_keys::ambient::now()).unwrap().state == state
}

#[tokio::test]
async fn a_dead_member_costs_no_login_even_before_anybody_noticed() {
    let Two { mut first, second, node } = two().await;
    first.dies().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let told = alice.opens(&node, &second.signs_in(page.leads_to())).await.told();
    assert_eq!(told["member"], "second");
    let why = node.why(told["login"].as_str().unwrap());
    assert!(why.contains("Looked at first before sending anybody there, and did not"), "{why}");
}

#[tokio::test]
async fn a_member_that_dies_between_redirect_and_code_exchange_costs_a_redirect_and_not_the_login() {
    let Two { mut first, second, node } = two().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let back = first.signs_in(page.leads_to());
    first.dies().await;
    let onward = alice.opens(&node, &back).await;
    let told = alice.opens(&node, &second.signs_in(onward.leads_to())).await.told();
    assert_eq!((&told["member"], &told["data"]), (&json!("second"), &json!("the application's request")));
    assert!(alice.login_cookies().is_empty());
}

#[tokio::test]
async fn a_member_that_does_not_know_this_node_is_passed_over_and_stays_out() {
    let Two { first, second, node } = two().await;
    first.changes_its_secret();
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let onward = alice.opens(&node, &first.signs_in(page.leads_to())).await;
    assert_eq!(alice.opens(&node, &second.signs_in(onward.leads_to())).await.told()["member"], "second");
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&second.issuer));
    let status = node.login.watch().snapshot(mangrove_keys::ambient::now());
    assert!(status.iter().find(|s| s.name == "first").unwrap().misconfigured.is_some());
}

#[tokio::test]
async fn a_member_whose_clock_is_wrong_is_passed_over_for_that_login_only() {
    let Two { first, second, node } = two().await;
    let long_ago = mangrove_keys::ambient::unix_now() - 7_200;
    for times in [json!({ "iat": long_ago, "exp": long_ago + 300 }), json!({ "iat": long_ago + 14_400 })] {
        first.says(times.clone());
        let mut alice = Person::new();
        let page = alice.is_shown(&node, asks("group", Ask::default())).await;
        let onward = alice.opens(&node, &first.signs_in(page.leads_to())).await;
        let told = alice.opens(&node, &second.signs_in(onward.leads_to())).await.told();
        assert_eq!((&told["member"], &told["data"]), (&json!("second"), &json!("the application's request")));
        let status = node.login.watch().snapshot(mangrove_keys::ambient::now());
        assert!(status.iter().all(|s| s.misconfigured.is_none() && s.last_failure.is_none()), "{times}");
    }
    first.says(json!({}));
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&first.issuer), "the next login asks it again");
}

#[tokio::test]
async fn a_login_asks_each_member_once_in_a_round() {
    let Two { first, second, node } = two().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    first.answers_for_tokens_with(Some(503));
    second.answers_for_tokens_with(Some(503));
    let onward = alice.opens(&node, &first.signs_in(page.leads_to())).await;
    let page = alice.opens(&node, &second.signs_in(onward.leads_to())).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "although both answer looks");
    let onward = alice.opens(&node, &page.again()).await;
    assert!(onward.leads_to().starts_with(&first.issuer), "a retry is a new round");
}

#[tokio::test]
async fn a_no_is_an_answer_and_nobody_else_is_asked() {
    let Two { first, second, node } = two().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let told = alice.opens(&node, &first.refuses(page.leads_to(), "access_denied")).await.told();
    assert_eq!(told["refused"], "access_denied");
    assert_eq!(second.hits("/token"), 0);
    let status = node.login.watch().snapshot(mangrove_keys::ambient::now());
    assert!(
        status.iter().all(|status| status.last_failure.is_none()),
        "nothing a browser carries is a sample"
    );
}

#[tokio::test]
async fn all_down_gives_503_with_retry_after_and_keeps_the_request() {
    let Two { mut first, mut second, node } = two().await;
    first.dies().await;
    second.dies().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.headers[header::RETRY_AFTER], "5");
    assert!(page.body.contains("None of the services"), "{}", page.body);
    let again = page.again();
    assert!(page.body.contains(&format!("content=\"5;url={again}\"")), "{}", page.body);

    let still = alice.opens(&node, &again).await;
    assert_eq!(still.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        still.headers.get_all(header::SET_COOKIE).iter().count(),
        1,
        "its cookie lives as long as it waits"
    );
    second.comes_back().await;
    // What a look found stands for a second.
    let mut again = still.again();
    let onward = eventually("second is asked", async || {
        let page = alice.opens(&node, &again).await;
        if page.status == StatusCode::SERVICE_UNAVAILABLE {
            again = page.again();
            return None;
        }
        Some(page)
    });
    let onward = onward.await;
    let told = alice.opens(&node, &second.signs_in(onward.leads_to())).await.told();
    assert_eq!((&told["member"], &told["data"]), (&json!("second"), &json!("the application's request")));
}

#[tokio::test]
async fn a_retry_in_another_browser_finds_nothing() {
    let Two { mut first, mut second, node } = two().await;
    first.dies().await;
    second.dies().await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    let other = Person::new().opens(&node, &page.again()).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn prompt_none_never_shows_a_page() {
    // Nobody is signed in at the member.
    let Two { mut first, mut second, node } = two().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", silently())).await;
    assert!(page.leads_to().contains("prompt=none"));
    let told = alice.opens(&node, &first.refuses(page.leads_to(), "login_required")).await.told();
    assert_eq!(told["refused"], "login_required");
    // The member wants to talk to the person.
    let page = alice.is_shown(&node, asks("group", silently())).await;
    let told = alice.opens(&node, &first.refuses(page.leads_to(), "consent_required")).await.told();
    assert_eq!(told["refused"], "interaction_required");
    // The member dies in the middle: only the chosen one is asked.
    let page = alice.is_shown(&node, asks("group", silently())).await;
    let back = first.signs_in(page.leads_to());
    first.dies().await;
    assert_eq!(alice.opens(&node, &back).await.told()["refused"], "temporarily_unavailable");
    // Nobody is left.
    second.dies().await;
    node.login.watch().order("first", Some(drained())).unwrap();
    let page = alice.is_shown(&node, asks("group", silently())).await;
    assert!(!page.is_a_page());
    assert_eq!(page.told()["refused"], "temporarily_unavailable");
    // It goes in a circle.
    let circle = Ask { hops: vec!["this-node".into()], ..silently() };
    assert_eq!(alice.is_shown(&node, asks("group", circle)).await.told()["refused"], "server_error");
    // A password would have to be asked for.
    let dir = tempfile::tempdir().unwrap();
    let node = Node::new(json!([users(dir.path())]));
    let page = alice.is_shown(&node, asks("directory", silently())).await;
    assert_eq!(page.told()["refused"], "login_required");
}

#[tokio::test]
async fn a_late_valid_answer_to_an_earlier_attempt_is_accepted_once_and_closes_the_other() {
    let mesh = two().await;
    let mut alice = Person::new();
    let (early, late) = two_attempts(&mesh, &mut alice).await;
    let node = mesh.node;
    assert_eq!(alice.opens(&node, &early).await.told()["member"], "first");
    assert_eq!(alice.opens(&node, &late).await.status, StatusCode::BAD_REQUEST);
}

/// Two attempts of one login are open, one at each member: what comes back from the first, and from the second.
async fn two_attempts(mesh: &Two, alice: &mut Person) -> (String, String) {
    let page = alice.is_shown(&mesh.node, asks("group", Ask::default())).await;
    let early = mesh.first.signs_in(page.leads_to());
    mesh.node.login.watch().order("first", Some(drained())).unwrap();
    let cookie = alice.login_cookies()[0].rsplit('-').next().unwrap().to_owned();
    let onward = alice.opens(&mesh.node, &format!("/login/again?login={cookie}")).await;
    mesh.node.login.watch().order("first", None).unwrap();
    (early, mesh.second.signs_in(onward.leads_to()))
}

#[tokio::test]
async fn an_attempt_that_fails_after_another_has_signed_in_opens_nothing_again() {
    for (status, code) in [(Some(503), "code="), (None, "code=junk")] {
        let mesh = two().await;
        let mut alice = Person::new();
        let (early, late) = two_attempts(&mesh, &mut alice).await;
        let early = early.replace("code=", code);
        mesh.first.answers_for_tokens_with(status);
        mesh.first.takes(Duration::from_millis(300));
        let mut other_tab = alice.clone();
        let slow = other_tab.opens(&mesh.node, &early);
        let quick = async {
            until("the slow one is at the code exchange", || mesh.first.hits("/token") > 0).await;
            alice.opens(&mesh.node, &late).await
        };
        let (slow, quick) = futures::join!(slow, quick);
        let told = quick.told();
        assert_eq!(told["member"], "second");
        assert!(slow.body.contains("This sign-in cannot go on"), "{code}: {}", slow.body);
        assert_eq!(ends(&mesh.node, told["login"].as_str().unwrap()), 1, "{code}: one login has one end");
    }
}

fn ends(node: &Node, login: &str) -> usize {
    let decisions = node.login.decisions().of(login);
    decisions.iter().filter(|decision| matches!(decision.what, What::Ended { .. })).count()
}
