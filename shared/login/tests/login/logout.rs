//! Single logout.

use http::StatusCode;
use mangrove_connectors::Ask;
use mangrove_login::{Browser, EndAsk, Peer, Whose};
use serde_json::json;

use crate::support::idp::Idp;
use crate::support::node::{Node, oidc, users};
use crate::support::person::{Page, Person, asks};

/// A node that signs out at `/single-logout` and then sends people to a portal.
pub(crate) fn node(idp: &Idp) -> Node {
    Node::with(json!({
        "connectors": [oidc("first", idp)],
        "singleLogout": {
            "logoutURL": "https://node.example/single-logout",
            "postLogout": { "redirectURL": "https://portal.example/bye" },
        },
    }))
}

/// Alice, for whom `first` has vouched.
pub(crate) async fn signed_in(idp: &Idp, node: &Node, site: &'static str) -> Person {
    let mut alice = Person::new().coming_from(site);
    let page = alice.is_shown(node, asks("first", Ask::default())).await;
    alice.opens(node, &idp.signs_in(page.leads_to())).await.told();
    alice
}

async fn is_signed_in(person: &Person, node: &Node) -> bool {
    person.clone().starts(node, asks("first", Ask::default())).await.is_ok()
}

#[tokio::test]
async fn logout_ends_the_session_tells_the_upstream_and_goes_where_it_is_configured_to() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "none").await;
    let before = alice.clone();
    let page = alice.opens(&node, "/single-logout").await;
    assert!(page.leads_to().starts_with(&format!("{}/end?", idp.issuer)), "{}", page.leads_to());
    assert!(!is_signed_in(&before, &node).await, "what ends here ends at once");
    assert_eq!(node.told.ended.lock().unwrap().len(), 1);
    let page = alice.opens(&node, "/login/signed-out").await;
    assert_eq!(page.leads_to(), "https://portal.example/bye");
}

#[tokio::test]
async fn who_could_not_be_told_is_named_when_an_idp_has_just_died_and_no_probe_has_noticed() {
    let mut idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    idp.dies().await;
    let page = alice.opens(&node, "/single-logout").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("could not be told") && page.body.contains("<li>first</li>"), "{}", page.body);
    assert!(page.body.contains("href=\"https://portal.example/bye\""), "the way on is there all the same");
    assert!(alice.session_cookie().is_none());
}

#[tokio::test]
async fn nobody_looks_at_an_idp_that_has_no_page_for_a_logout_and_it_is_named() {
    let idp = Idp::start().await;
    idp.has_no_logout();
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    let looks = || idp.hits("/.well-known/openid-configuration");
    let before = looks();
    let page = alice.opens(&node, "/single-logout").await;
    assert!(page.body.contains("could not be told") && page.body.contains("<li>first</li>"), "{}", page.body);
    assert_eq!(looks(), before);
}

#[tokio::test]
async fn an_idp_that_nobody_may_be_sent_to_for_a_login_is_told_of_a_logout_while_it_answers() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    node.login.watch().order("first", Some(crate::sign_in::drained())).unwrap();
    let sample = mangrove_continuity::Sample::LookFailed { why: "an answer was lost".into() };
    node.login.watch().observe("first", &sample, mangrove_keys::ambient::now());
    let page = alice.opens(&node, "/single-logout").await;
    assert!(page.leads_to().starts_with(&format!("{}/end?", idp.issuer)), "{}", page.leads_to());
}

#[tokio::test]
async fn the_page_to_which_people_come_back_says_whether_they_are_signed_in() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let page = Person::new().opens(&node, "/login/signed-out").await;
    assert!(page.body.contains("You have no session at node.example."), "{}", page.body);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    let page = alice.opens(&node, "/login/signed-out").await;
    assert!(page.body.contains("You have a session at node.example."), "{}", page.body);
    assert!(!page.body.contains("signed out") && is_signed_in(&alice, &node).await);
    let page = alice.opens(&node, &page.again()).await;
    assert!(page.leads_to().starts_with(&idp.issuer), "and its link signs out: {}", page.leads_to());
}

#[tokio::test]
async fn who_signs_in_again_while_a_logout_is_on_its_way_does_not_read_that_they_are_signed_out() {
    let idp = Idp::start().await;
    let node = Node::with(json!({
        "connectors": [oidc("first", &idp)],
        "singleLogout": { "logoutURL": "https://node.example/single-logout" },
    }));
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    alice.opens(&node, "/single-logout").await.leads_to();
    let page = alice.is_shown(&node, asks("first", Ask::default())).await;
    alice.opens(&node, &idp.signs_in(page.leads_to())).await.told();
    let page = alice.opens(&node, "/login/signed-out").await;
    assert!(page.body.contains("You are signed in") && !page.body.contains("signed out"), "{}", page.body);
}

#[tokio::test]
async fn another_site_cannot_sign_anybody_out_without_being_asked() {
    let idp = Idp::start().await;
    let node = node(&idp);
    for site in ["cross-site", "unheard-of"] {
        let mut alice = signed_in(&idp, &node, site).await;
        let question = alice.opens(&node, "/single-logout").await;
        assert!(question.body.contains("Sign out?"), "{}", question.body);
        assert!(is_signed_in(&alice, &node).await);
        let forged = alice.posts(&node, "/login/sign-out", &[("token", "junk")]).await;
        assert!(forged.body.contains("Sign out?") && is_signed_in(&alice, &node).await);
        let form = |page: &Page| (page.hidden("token"), page.hidden("back"));
        let (token, back) = form(&question);
        let page = alice.posts(&node, "/login/sign-out", &[("token", &token), ("back", &back)]).await;
        assert!(page.leads_to().starts_with(&idp.issuer));
        assert!(!is_signed_in(&alice, &node).await);
        assert_eq!(alice.opens(&node, "/login/signed-out").await.leads_to(), "https://portal.example/bye");
    }
}

#[tokio::test]
async fn the_way_back_in_the_question_cannot_be_changed() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "cross-site").await;
    let question = alice.opens(&node, "/single-logout").await;
    let form = [("token", question.hidden("token")), ("back", "https://evil.example/".to_owned())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    alice.posts(&node, "/login/sign-out", &form).await;
    let page = alice.opens(&node, "/login/signed-out").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.body.contains("evil"));
}

#[tokio::test]
async fn a_mode_ends_the_session_that_it_has_proof_for() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let alice = signed_in(&idp, &node, "cross-site").await;
    let session = node.told.last.lock().unwrap().clone().unwrap().session;
    let stranger =
        Browser::read(&http::HeaderMap::new(), Some(Peer { address: [192, 0, 2, 9].into(), secure: true }));
    let unproven = EndAsk { session: Some(session.clone()), proven: false, back_to: None };
    node.login.end(&stranger, unproven).await;
    assert!(is_signed_in(&alice, &node).await);
    let proven = EndAsk { session: Some(session), proven: true, back_to: None };
    node.login.end(&stranger, proven).await;
    assert!(!is_signed_in(&alice, &node).await);
}

#[tokio::test]
async fn a_session_by_password_has_nobody_to_tell() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with(json!({
        "connectors": [users(dir.path())], "singleLogout": { "logoutURL": "https://node.example/single-logout" },
    }));
    let mut alice = Person::new().coming_from("same-origin");
    let page = alice.is_shown(&node, asks("directory", Ask::default())).await;
    let form = [("state", &*page.hidden("state")), ("username", "alice"), ("password", "correct horse")];
    alice.posts(&node, "/login/password", &form).await.told();
    let page = alice.opens(&node, "/single-logout").await;
    assert!(page.body.contains("Your session at node.example has ended."), "{}", page.body);
    assert!(!page.body.contains("could not be told"));
}

#[tokio::test]
async fn an_operator_ends_the_sessions_of_a_person_or_all_that_one_upstream_vouched_for() {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let node = Node::new(json!([oidc("first", &first), oidc("second", &second)]));
    let signs_in = async |via: &str, idp: &Idp, sub: &str| {
        idp.says(json!({ "sub": sub }));
        let mut person = Person::new();
        let page = person.is_shown(&node, asks(via, Ask::default())).await;
        assert_eq!(
            person.opens(&node, &idp.signs_in(page.leads_to())).await.told()["sub"],
            format!("{via}|{sub}")
        );
        person
    };
    let goes_on = async |person: &Person, via: &str| {
        person.clone().starts(&node, asks(via, Ask::default())).await.is_ok()
    };
    let alice = [signs_in("first", &first, "alice").await, signs_in("first", &first, "alice").await];
    let bob = signs_in("first", &first, "bob").await;
    let carol = signs_in("second", &second, "carol").await;

    let ended = node.login.end_sessions(&Whose::Person("first|alice".into())).await;
    assert_eq!((ended, node.told.ended.lock().unwrap().len()), (Ok(2), 2), "and modes are told");
    for person in &alice {
        assert!(!goes_on(person, "first").await);
    }
    assert!(goes_on(&bob, "first").await && goes_on(&carol, "second").await);

    assert_eq!(node.login.end_sessions(&Whose::Upstream("first".into())).await, Ok(1));
    assert!(!goes_on(&bob, "first").await && goes_on(&carol, "second").await);
    assert!(node.login.end_sessions(&Whose::Upstream("nobody".into())).await.is_err());
}
