//! Requests of a logout that come again, because somebody reloads or an answer is lost: whoever has to be told is told.

use std::collections::BTreeSet;
use std::time::Duration;

use mangrove_connectors::Ask;
use mangrove_login::EndAsk;
use serde_json::json;
use url::Url;

use crate::door::{answers, signs_out, with_a_door};
use crate::logout::{node, signed_in};
use crate::support::idp::Idp;
use crate::support::node::{Node, oidc};
use crate::support::person::{Page, Person, asks};
use crate::support::until;

const BYE: &str = "https://portal.example/bye";

/// The request is sent, and its answer never arrives; then it is sent again.
async fn opens_twice(person: &mut Person, node: &Node, path: &str) -> Page {
    person.clone().opens(node, path).await;
    person.opens(node, path).await
}

/// The same browser, fetching a picture in a page of another site.
fn picture(person: &Person) -> Person {
    let mut picture = person.clone().coming_from("cross-site");
    picture.headers.insert("sec-fetch-dest", "image".parse().unwrap());
    picture
}

fn leads_to_the_logout_of(idp: &Idp, page: &Page) -> bool {
    page.leads_to().starts_with(&format!("{}/end?", idp.issuer))
}

#[tokio::test]
async fn whichever_answers_are_lost_all_who_vouched_are_told_and_the_person_gets_back() {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let node = Node::with(json!({
        "connectors": [oidc("first", &first), oidc("second", &second)],
        "singleLogout": { "logoutURL": "https://node.example/single-logout", "postLogout": { "redirectURL": BYE } },
    }));
    let mut alice = signed_in(&first, &node, "same-origin").await;
    let page = alice.is_shown(&node, asks("second", Ask::default())).await;
    alice.opens(&node, &second.signs_in(page.leads_to())).await.told();
    let mut told = BTreeSet::new();
    let mut page = opens_twice(&mut alice, &node, "/single-logout").await;
    while page.leads_to() != BYE {
        let to = page.leads_to().split_once("/end?").unwrap().0.to_owned();
        assert!(told.insert(to), "nobody is told twice: {}", page.leads_to());
        page = opens_twice(&mut alice, &node, "/login/signed-out").await;
    }
    assert_eq!(told, BTreeSet::from([first.issuer.clone(), second.issuer.clone()]));
}

#[tokio::test]
async fn an_answer_of_a_saml_provider_is_as_good_when_it_comes_again() {
    let (idp, node, mut alice, _dir) = with_a_door().await;
    let asked = signs_out(&mut alice, &node, &idp).await;
    let page = opens_twice(&mut alice, &node, &answers(&idp, &asked)).await;
    assert_eq!(page.leads_to(), BYE);
}

#[tokio::test]
async fn who_reloads_while_their_provider_is_looked_at_is_sent_there() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    let looks = || idp.hits("/.well-known/openid-configuration");
    let before = looks();
    idp.vanishes();
    let mut waits = alice.clone();
    tokio::select! {
        page = waits.opens(&node, "/single-logout") => panic!("nobody has answered: {}", page.body),
        () = until("it is looked at", || looks() > before) => {}
    }
    idp.takes(Duration::ZERO);
    let page = alice.opens(&node, "/single-logout").await;
    assert!(leads_to_the_logout_of(&idp, &page), "{}", page.leads_to());
    assert_eq!(alice.opens(&node, "/login/signed-out").await.leads_to(), BYE);
}

#[tokio::test]
async fn who_signs_out_again_on_the_way_is_sent_there_again() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    for _ in 0..2 {
        let page = alice.opens(&node, "/single-logout").await;
        assert!(leads_to_the_logout_of(&idp, &page), "{}", page.leads_to());
    }
    assert_eq!(alice.opens(&node, "/login/signed-out").await.leads_to(), BYE);
    let page = alice.opens(&node, "/single-logout").await;
    assert_eq!(page.leads_to(), BYE, "what is over does not begin again");
}

#[tokio::test]
async fn another_site_neither_leads_a_logout_on_nor_ends_it() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    let before_the_answer = alice.clone();
    alice.opens(&node, "/single-logout").await;
    for browser in [&before_the_answer, &alice] {
        for mut elsewhere in [browser.clone().coming_from("cross-site"), picture(browser)] {
            let page = elsewhere.opens(&node, "/single-logout").await;
            assert!(page.body.contains("Sign out?"), "{}", page.body);
            assert_eq!(elsewhere.cookies, browser.cookies, "nothing is taken from the browser");
        }
    }
    assert_eq!(alice.opens(&node, "/login/signed-out").await.leads_to(), BYE);
}

#[tokio::test]
async fn a_picture_with_an_applications_proof_takes_no_logout_up() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    let session = node.told.last.lock().unwrap().clone().unwrap().session;
    alice.opens(&node, "/single-logout").await;
    let ask = EndAsk { session: Some(session), proven: true, back_to: None };
    let answer = node.login.end(&picture(&alice).browser(), ask.clone()).await;
    assert!(!answer.headers().contains_key("location") && !answer.headers().contains_key("set-cookie"));
    let answer = node.login.end(&alice.browser(), ask).await;
    assert!(answer.headers()["location"].to_str().unwrap().starts_with(&idp.issuer), "the person does");
}

#[tokio::test]
async fn the_proof_of_another_persons_application_takes_no_logout_away() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    let before_the_answer = alice.clone();
    alice.opens(&node, "/single-logout").await;
    for browser in [before_the_answer, alice.clone(), picture(&alice)] {
        signed_in(&idp, &node, "same-origin").await;
        let mallorys = node.told.last.lock().unwrap().clone().unwrap().session;
        let ask = EndAsk { session: Some(mallorys), proven: true, back_to: None };
        let answer = node.login.end(&browser.browser(), ask).await;
        assert!(!answer.headers().contains_key("set-cookie"), "{:?}", answer.headers());
    }
    assert_eq!(alice.opens(&node, "/login/signed-out").await.leads_to(), BYE);
}

#[tokio::test]
async fn a_window_with_the_proof_of_another_session_takes_no_logout_up() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut mallory = signed_in(&idp, &node, "same-origin").await;
    let mallorys = node.told.last.lock().unwrap().clone().unwrap().session;
    mallory.opens(&node, "/single-logout").await;
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    alice.opens(&node, "/single-logout").await;
    let elsewhere = Url::parse("https://mallorys.example/").unwrap();
    let ask = EndAsk { session: Some(mallorys), proven: true, back_to: Some(elsewhere) };
    let answer = node.login.end(&alice.clone().coming_from("cross-site").browser(), ask).await;
    assert!(!answer.headers().contains_key("location") && !answer.headers().contains_key("set-cookie"));
    assert_eq!(alice.opens(&node, "/login/signed-out").await.leads_to(), BYE);
}

#[tokio::test]
async fn who_reloads_the_question_once_it_was_answered_is_asked_again_and_sent_there() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "cross-site").await;
    for _ in 0..2 {
        let question = alice.opens(&node, "/single-logout").await;
        let (token, back) = (question.hidden("token"), question.hidden("back"));
        let form = [("token", &*token), ("back", &*back)];
        let page = alice.clone().posts(&node, "/login/sign-out", &form).await;
        assert!(leads_to_the_logout_of(&idp, &page), "{}", page.leads_to());
    }
}

#[tokio::test]
async fn who_signs_out_again_at_another_site_on_the_way_is_asked_and_sent_there_again() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    alice.opens(&node, "/single-logout").await;
    let mut elsewhere = alice.clone().coming_from("cross-site");
    let question = elsewhere.opens(&node, "/single-logout").await;
    let (token, back) = (question.hidden("token"), question.hidden("back"));
    let mut mallory = signed_in(&idp, &node, "same-origin").await;
    mallory.opens(&node, "/single-logout").await;
    let page = mallory.posts(&node, "/login/sign-out", &[("token", &token), ("back", &back)]).await;
    assert!(page.body.contains("Sign out?"), "the question was another browser's");
    let page = alice.posts(&node, "/login/sign-out", &[("token", &token), ("back", &back)]).await;
    assert!(leads_to_the_logout_of(&idp, &page), "{}", page.leads_to());
    assert_eq!(alice.opens(&node, "/login/signed-out").await.leads_to(), BYE);
    assert_eq!(alice.coming_from("cross-site").opens(&node, "/single-logout").await.leads_to(), BYE);
}

#[tokio::test]
async fn a_session_cookie_that_was_planted_in_another_browser_finds_no_logout() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    let mut mallory = signed_in(&idp, &node, "same-origin").await;
    mallory.cookies.insert("maverics_session".into(), alice.session_cookie().unwrap().into());
    alice.clone().opens(&node, "/single-logout").await;
    assert_eq!(mallory.opens(&node, "/single-logout").await.leads_to(), BYE);
    assert!(leads_to_the_logout_of(&idp, &alice.opens(&node, "/single-logout").await));
}

#[tokio::test]
async fn a_quarter_of_an_hour_later_nothing_leads_to_the_provider_any_more() {
    let idp = Idp::start().await;
    let node = node(&idp);
    let mut alice = signed_in(&idp, &node, "same-origin").await;
    alice.clone().opens(&node, "/single-logout").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    tokio::time::resume();
    assert_eq!(alice.opens(&node, "/single-logout").await.leads_to(), BYE);
}
