//! The door at which a provider speaks of logouts: its answer to ours, its own wishes, and what anybody else brings there.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mangrove_cache::{Cache, Records, Shelf};
use mangrove_connectors::{Ask, Carried};
use serde_json::json;
use tempfile::TempDir;

use crate::saml::{saml, signs_in};
use crate::support::node::{Node, ORIGIN, group};
use crate::support::person::{Page, Person, asks};
use crate::support::saml_idp::{Farewell, Idp as SamlIdp, Keys, code};

/// A node with a key and a door for logouts, as the provider knows it, and Alice signed in there.
pub(crate) async fn with_a_door() -> (SamlIdp, Node, Person, TempDir) {
    with_a_door_on(Cache::in_memory(1000)).await
}

/// The same over a cache.
async fn with_a_door_on(cache: Cache) -> (SamlIdp, Node, Person, TempDir) {
    let idp = SamlIdp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut written = saml("first", &idp);
    let keys = Keys::ec();
    let (cert, key) = keys.files(dir.path());
    (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
    written["samlLogoutCallbackURL"] = format!("{ORIGIN}/first/slo").into();
    let config = json!({
        "connectors": [written, group("group", &["first"])],
        "singleLogout": {
            "logoutURL": format!("{ORIGIN}/single-logout"), "postLogout": { "redirectURL": "https://portal.example/bye" },
        },
    });
    let node = Node::on(config, Arc::new(tempfile::tempdir().unwrap()), cache);
    let mut alice = Person::new().coming_from("none");
    signs_in(&mut alice, &node, &idp, Ask::default()).await.told();
    (idp, node, alice, dir)
}

pub(crate) fn door() -> String {
    format!("{ORIGIN}/first/slo")
}

async fn says(person: &mut Person, node: &Node, carried: Carried) -> Page {
    let Carried::Query(query) = carried else { panic!("a form") };
    person.opens(node, &format!("/first/slo?{query}")).await
}

pub(crate) async fn is_signed_in(person: &Person, node: &Node) -> bool {
    person.clone().starts(node, asks("group", Ask::default())).await.is_ok()
}

#[tokio::test]
async fn a_logout_here_is_told_to_the_provider_whose_answer_ends_it() {
    for well in [true, false] {
        let (idp, node, mut alice, _dir) = with_a_door().await;
        let asked = signs_out(&mut alice, &node, &idp).await;
        assert!(!is_signed_in(&alice, &node).await, "what ends here ends at once");
        let mut answer = Farewell::response(&idp.entity_id(), &door(), &asked);
        if !well {
            answer.status = vec![code("Success"), code("PartialLogout")];
        }
        let page = says(&mut alice, &node, answer.in_query(&idp)).await;
        match well {
            true => assert_eq!(page.leads_to(), "https://portal.example/bye"),
            false => assert!(page.body.contains("could not be told") && page.body.contains("<li>first</li>")),
        }
    }
}

/// Alice is sent to the provider: what its answer has to name.
pub(crate) async fn signs_out(alice: &mut Person, node: &Node, idp: &SamlIdp) -> String {
    let page = alice.opens(node, "/single-logout").await;
    assert!(page.leads_to().starts_with(&format!("{}/slo?SAMLRequest=", idp.origin)), "{}", page.leads_to());
    request_id(page.leads_to())
}

/// Where a browser goes with the provider's answer.
pub(crate) fn answers(idp: &SamlIdp, asked: &str) -> String {
    let Carried::Query(query) = Farewell::response(&idp.entity_id(), &door(), asked).in_query(idp) else {
        panic!("a form")
    };
    format!("/first/slo?{query}")
}

/// A picture in a page of another site, as a browser fetches it.
async fn picture(alice: &Person, node: &Node, path: &str) -> Page {
    let mut browser = alice.clone().coming_from("cross-site");
    browser.headers.insert("sec-fetch-mode", "no-cors".parse().unwrap());
    browser.headers.insert("sec-fetch-dest", "image".parse().unwrap());
    let page = browser.opens(node, path).await;
    assert_eq!(browser.cookies, alice.cookies, "nothing is taken from the browser");
    page
}

#[tokio::test]
async fn what_another_site_has_a_browser_bring_does_not_end_a_logout_that_is_on_its_way() {
    let (idp, node, mut alice, _dir) = with_a_door().await;
    let asked = signs_out(&mut alice, &node, &idp).await;
    let another = Farewell::response(&idp.entity_id(), &door(), "_another");
    let unsigned = Farewell { signed: false, ..another.clone() };
    let queries = [another, unsigned].map(|answer| match answer.in_query(&idp) {
        Carried::Query(query) => query,
        Carried::Form(_) => panic!("a form"),
    });
    for query in queries.iter().map(String::as_str).chain(["", "SAMLResponse=junk", "SAMLRequest=junk"]) {
        let page = picture(&alice, &node, &format!("/first/slo?{query}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}: {}", page.body);
    }
    assert_eq!(picture(&alice, &node, "/login/signed-out").await.status, StatusCode::OK);
    let answer = Farewell::response(&idp.entity_id(), &door(), &asked);
    let page = says(&mut alice, &node, answer.in_query(&idp)).await;
    assert_eq!(page.leads_to(), "https://portal.example/bye");
}

#[tokio::test]
async fn whose_provider_answers_something_else_is_shown_the_way_on_and_reads_that_it_could_not_be_told() {
    let (idp, node, mut alice, _dir) = with_a_door().await;
    signs_out(&mut alice, &node, &idp).await;
    let answer = Farewell::response(&idp.entity_id(), &door(), "_another");
    let page = says(&mut alice, &node, answer.in_query(&idp)).await;
    assert!(page.body.contains("not signed out everywhere yet"), "{}", page.body);
    let page = alice.opens(&node, &page.again()).await;
    assert!(page.body.contains("could not be told") && page.body.contains("<li>first</li>"), "{}", page.body);
}

#[tokio::test]
async fn who_signed_in_again_before_their_provider_answered_does_not_read_that_they_are_signed_out() {
    let (idp, node, mut alice, _dir) = with_a_door().await;
    signs_out(&mut alice, &node, &idp).await;
    signs_in(&mut alice, &node, &idp, Ask::default()).await.told();
    let unsigned =
        Farewell { signed: false, ..Farewell::request(&idp.entity_id(), &door(), "alice-1", None) };
    let page = says(&mut alice, &node, unsigned.in_query(&idp)).await;
    assert!(is_signed_in(&alice, &node).await);
    assert!(page.body.contains("You were not signed out"), "{}", page.body);
    assert!(!page.body.contains("You are signed out here"), "{}", page.body);
}

#[tokio::test]
async fn who_brings_an_answer_to_no_logout_reads_whether_they_are_signed_in() {
    let (idp, node, mut alice, _dir) = with_a_door().await;
    let answer = Farewell::response(&idp.entity_id(), &door(), "_nobodys").in_query(&idp);
    let page = says(&mut alice, &node, answer.clone()).await;
    assert!(page.body.contains("You have a session at node.example."), "{}", page.body);
    let page = says(&mut Person::new(), &node, answer).await;
    assert!(page.body.contains("You have no session at node.example."), "{}", page.body);
}

fn request_id(to: &str) -> String {
    use mangrove_saml::redirect::{Parameter, Received};
    let query = to.split_once('?').unwrap().1;
    let received = Received::decode(query, Parameter::Request, mangrove_saml::Root::LogoutRequest).unwrap();
    assert!(received.is_signed());
    let document = received.message().untrusted().unwrap();
    document.root_element().attribute("ID").unwrap().to_owned()
}

#[tokio::test]
async fn a_signed_wish_of_the_provider_ends_that_persons_sessions_and_is_answered() {
    let (idp, node, alice, _dir) = with_a_door().await;
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.name = Some((None, "bob-1".into())))));
    let mut bob = Person::new();
    signs_in(&mut bob, &node, &idp, Ask::default()).await.told();
    let forged = Farewell { signed: false, ..Farewell::request(&idp.entity_id(), &door(), "alice-1", None) };
    let page = says(&mut Person::new(), &node, forged.in_query(&idp)).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&alice, &node).await, "an unsigned wish ends nothing");
    let wish = Farewell::request(&idp.entity_id(), &door(), "alice-1", Some("s1"));
    let mut frame = Person::new();
    let page = says(&mut frame, &node, wish.in_query(&idp)).await;
    assert!(page.leads_to().starts_with(&format!("{}/slo?SAMLResponse=", idp.origin)), "{}", page.leads_to());
    assert!(!is_signed_in(&alice, &node).await && is_signed_in(&bob, &node).await);
    assert_eq!(node.told.ended.lock().unwrap().len(), 1, "tokens end with the session");
    idp.lies(|lies| lies.says = None);
    let mut again = Person::new();
    signs_in(&mut again, &node, &idp, Ask::default()).await.told();
    let page = says(&mut frame, &node, wish.in_query(&idp)).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&again, &node).await, "a wish that is brought again ends nothing");
}

const FILLING: Shelf = Shelf("filling");

/// Takes all the room that a cache has.
async fn fill(cache: &Cache) {
    for number in 0.. {
        if cache.put(FILLING, &number.to_string(), Vec::new(), Duration::from_secs(600)).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn while_the_cache_is_full_a_wish_is_fulfilled_and_stays_good_once() {
    let cache = Cache::in_memory(1000);
    let (idp, node, alice, _dir) = with_a_door_on(cache.clone()).await;
    let wish = Farewell::request(&idp.entity_id(), &door(), "alice-1", Some("s1"));
    fill(&cache).await;
    let page = says(&mut Person::new(), &node, wish.in_query(&idp)).await;
    assert!(page.leads_to().starts_with(&format!("{}/slo?SAMLResponse=", idp.origin)), "{}", page.leads_to());
    assert!(!is_signed_in(&alice, &node).await, "a full cache keeps nobody signed in");
    for number in 0..100 {
        cache.take(FILLING, &number.to_string()).await.unwrap();
    }
    let mut again = Person::new();
    signs_in(&mut again, &node, &idp, Ask::default()).await.told();
    for still_full in [true, false] {
        if still_full {
            fill(&cache).await;
        } else {
            cache.take(FILLING, "0").await.unwrap();
        }
        let page = says(&mut Person::new(), &node, wish.in_query(&idp)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
        assert!(is_signed_in(&again, &node).await, "a wish that is brought again ends nothing");
    }
}
