//! More answers at once than this node looks at: whoever gets no turn keeps the login and the answer, and brings it again.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use http::StatusCode;
use mangrove_connectors::{Answer, Ask, Carried};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::door::{door, is_signed_in, signs_out, with_a_door};
use crate::saml::{brings, request, saml};
use crate::support::eventually;
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks, silently};
use crate::support::saml_idp::{Farewell, Idp as SamlIdp};

/// Answers that are looked at, at a time, and that wait for it, at most.
const ROOM: usize = 4 + 128;

/// Where everybody is whom these tests do not put elsewhere.
const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What is brought: a person, and what their page would post.
struct Brought {
    who: Person,
    page: Page,
}

/// So many from one office that all the room is taken while nothing gets on, and one more, from this address; then it gets on, and all
/// of the others are in. The node, who had no turn, and what they were shown.
async fn one_too_many(address: IpAddr, ask: Ask) -> (SamlIdp, Node, Brought) {
    let (first, second) = (SamlIdp::start().await, Idp::start().await);
    let group = group("group", &["first", "second"]);
    let node = Node::new(json!([saml("first", &first), oidc("second", &second), group]));
    let mut everybody = Vec::new();
    for at in 0..=ROOM {
        let mut who = Person::new();
        let mut asked = Ask::default();
        if at == ROOM {
            (who.address, asked) = (address, ask.clone());
        }
        let page = who.is_shown(&node, asks("group", asked)).await;
        everybody.push((who, request(&page)));
    }
    let (let_go, stuck) = holds_the_thread();
    let all = everybody.into_iter().map(|(mut who, asked)| {
        let (node, idp) = (&node, &first);
        async move {
            let page = brings(&mut who, node, idp, &asked).await;
            Brought { who, page }
        }
    });
    let mut all: FuturesUnordered<_> = all.collect();
    let had_no_turn = all.next().await.unwrap();
    drop(let_go);
    stuck.await.unwrap();
    while let Some(Brought { mut who, mut page }) = all.next().await {
        // On a slow machine some are told to come again; their browsers would.
        for _ in 0..10 {
            if page.status == StatusCode::SERVICE_UNAVAILABLE {
                page = brings_again(&mut who, &node, &page).await;
            }
        }
        assert_eq!(page.told()["member"], "first", "{}", page.body);
    }
    drop(all);
    (first, node, had_no_turn)
}

/// Posts what a page holds that asks for that.
async fn brings_again(who: &mut Person, node: &Node, page: &Page) -> Page {
    let fields = ["SAMLResponse", "RelayState"].map(|name| (name, page.hidden(name)));
    let form: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    who.posts(node, "/first/acs", &form).await
}

/// A node with one SAML member, Alice, who was sent there, and its answer.
async fn answers_alice() -> (SamlIdp, Node, Person, Answer) {
    let idp = SamlIdp::start().await;
    let node = Node::new(json!([saml("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let answer = idp.signs_in(&request(&page));
    (idp, node, alice, answer)
}

/// Takes the only thread on which work is done, until the sender is dropped.
fn holds_the_thread() -> (Sender<()>, JoinHandle<()>) {
    let (let_go, held) = channel();
    (let_go, spawn_blocking(move || _ = held.recv()))
}

/// With one thread for work, so that a test can hold it.
fn with_one_thread_for_work(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap().block_on(test);
}

#[test]
fn an_answer_for_which_there_is_no_time_is_brought_again_and_good_once() {
    with_one_thread_for_work(async {
        let (_idp, node, Brought { mut who, page }) = one_too_many(OFFICE, Ask::default()).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.headers.contains_key("retry-after"));
        assert!(page.body.contains("need not sign in again"), "{}", page.body);
        assert!(who.session_cookie().is_none() && !who.login_cookies().is_empty());
        assert!(node.why(&page.login_id()).contains("brings it again"), "{}", node.why(&page.login_id()));
        let (mut thief, mut twice) = (Person::new(), who.clone());
        let stolen = brings_again(&mut thief, &node, &page).await;
        assert_eq!(stolen.status, StatusCode::BAD_REQUEST, "it is still this browser's alone");
        let told = brings_again(&mut who, &node, &page).await.told();
        assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("first")));
        assert_eq!(told["login"], json!(page.login_id()), "it is the same login");
        let again = brings_again(&mut twice, &node, &page).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "{}", again.body);
        assert!(twice.session_cookie().is_none());
    });
}

#[test]
fn whose_browser_goes_while_an_answer_waits_brings_it_again_and_is_signed_in() {
    with_one_thread_for_work(async {
        let (_idp, node, mut alice, answer) = answers_alice().await;
        let form: Vec<_> = answer.params.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (let_go, stuck) = holds_the_thread();
        let mut stopped = alice.clone();
        {
            let first = std::pin::pin!(stopped.posts(&node, &answer.path, &form));
            assert!(futures::poll!(first).is_pending(), "it waits to be looked at");
        }
        drop(let_go);
        stuck.await.unwrap();
        // The work for the one who went is done now, and it was the only one in front.
        spawn_blocking(|| ()).await.unwrap();
        assert_eq!(alice.posts(&node, &answer.path, &form).await.told()["sub"], "e-1");
        let again = stopped.posts(&node, &answer.path, &form).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "and good once: {}", again.body);
    });
}

#[test]
fn of_many_copies_of_one_answer_one_is_looked_at_and_the_others_are_brought_again_at_once() {
    with_one_thread_for_work(async {
        let (_idp, node, mut alice, answer) = answers_alice().await;
        let form: Vec<_> = answer.params.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (let_go, stuck) = holds_the_thread();
        let mut copy = alice.clone();
        let mut looked_at = Box::pin(alice.posts(&node, &answer.path, &form));
        assert!(futures::poll!(&mut looked_at).is_pending());
        for _ in 0..2 * ROOM {
            let page = copy.posts(&node, &answer.path, &form).await;
            assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(page.body.contains("need not sign in again"), "{}", page.body);
            assert!(futures::poll!(&mut looked_at).is_pending(), "it has lost nothing by that");
        }
        drop(let_go);
        stuck.await.unwrap();
        assert_eq!(looked_at.await.told()["sub"], "e-1");
        let again = copy.posts(&node, &answer.path, &form).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "and good once: {}", again.body);
    });
}

#[test]
fn an_answer_of_a_member_that_died_since_is_as_good_however_long_it_waits_to_be_looked_at() {
    with_one_thread_for_work(async {
        let (mut first, second) = (SamlIdp::start().await, Idp::start().await);
        let group = group("group", &["first", "second"]);
        let node = Node::new(json!([saml("first", &first), oidc("second", &second), group]));
        let mut alice = Person::new();
        let page = alice.is_shown(&node, asks("group", Ask::default())).await;
        let answer = first.signs_in(&request(&page));
        let form: Vec<_> = answer.params.iter().map(|(name, value)| (&**name, &**value)).collect();
        first.dies().await;
        let signs_in_at_the_second = async || {
            let mut bob = Person::new();
            let page = bob.is_shown(&node, asks("group", Ask::default())).await;
            let back = (page.status == StatusCode::SEE_OTHER).then(|| second.signs_in(page.leads_to()))?;
            Some(bob.opens(&node, &back).await.told())
        };
        eventually("the first is given up", &signs_in_at_the_second).await;
        let (let_go, stuck) = holds_the_thread();
        let mut bringing = Box::pin(alice.posts(&node, &answer.path, &form));
        // So many that a look, which takes as long as one of them, would have ended meanwhile.
        for _ in 0..100 {
            let others = std::pin::pin!(signs_in_at_the_second());
            match select(&mut bringing, others).await {
                Either::Left((page, _)) => panic!("nobody looked at it yet: {} {}", page.status, page.body),
                Either::Right((told, _)) => assert_eq!(told.unwrap()["member"], "second"),
            }
        }
        drop(let_go);
        stuck.await.unwrap();
        assert_eq!(bringing.await.told()["member"], "first");
    });
}

#[test]
fn a_silent_login_for_which_there_is_no_time_is_told_to_the_application() {
    with_one_thread_for_work(async {
        let (_idp, node, Brought { page, .. }) = one_too_many(OFFICE, silently()).await;
        let told = page.told();
        assert_eq!(told["refused"], json!("temporarily_unavailable"));
        let why = node.why(told["login"].as_str().unwrap());
        assert!(why.contains("This node is at fault"), "{why}");
    });
}

#[test]
fn where_one_office_takes_all_the_room_somebody_from_elsewhere_is_signed_in_all_the_same() {
    with_one_thread_for_work(async {
        let elsewhere = [198, 51, 100, 7].into();
        let (_idp, _node, Brought { who, page }) = one_too_many(elsewhere, Ask::default()).await;
        assert_eq!(who.address, OFFICE, "one of the office waits longer");
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    });
}

/// Messages about logouts that wait to be looked at from one network, at most, and the one that is.
const ROOM_AT_THE_DOOR: usize = 1 + 128;

/// Takes all the room at the door while nothing gets on, for as long as what is returned is kept.
async fn floods_the_door(node: &Node) -> Vec<Pin<Box<impl Future<Output = Page>>>> {
    let junk = || async { Person::new().opens(node, "/first/slo?SAMLRequest=junk").await };
    let mut flood: Vec<_> = (0..ROOM_AT_THE_DOOR).map(|_| Box::pin(junk())).collect();
    for message in &mut flood {
        assert!(futures::poll!(message).is_pending());
    }
    flood
}

#[test]
fn a_session_has_ended_for_everybody_here_before_anything_is_signed_for_its_provider() {
    with_one_thread_for_work(async {
        let (_idp, node, mut alice, _dir) = with_a_door().await;
        let (let_go, stuck) = holds_the_thread();
        {
            let leaves = std::pin::pin!(alice.opens(&node, "/single-logout"));
            assert!(futures::poll!(leaves).is_pending());
            assert_eq!(
                node.told.ended.lock().unwrap().len(),
                1,
                "whoever closes the window now has ended it"
            );
        }
        drop(let_go);
        stuck.await.unwrap();
    });
}

#[test]
fn whose_providers_answer_to_a_logout_waits_reads_that_they_are_signed_out_here() {
    with_one_thread_for_work(async {
        let (idp, node, mut alice, _dir) = with_a_door().await;
        let asked = signs_out(&mut alice, &node, &idp).await;
        let Carried::Query(query) = Farewell::response(&idp.entity_id(), &door(), &asked).in_query(&idp)
        else {
            panic!("a form")
        };
        let (let_go, stuck) = holds_the_thread();
        let flood = floods_the_door(&node).await;
        let page = alice.opens(&node, &format!("/first/slo?{query}")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
        assert!(
            page.body.contains("You are signed out here") && !page.body.contains("still signed in"),
            "{}",
            page.body
        );
        drop(let_go);
        stuck.await.unwrap();
        drop(flood);
        let page = alice.opens(&node, &page.again().replace("&amp;", "&")).await;
        assert_eq!(page.leads_to(), "https://portal.example/bye", "its logout goes on all the same");
    });
}

#[test]
fn a_flood_keeps_nobody_signed_in_whom_their_provider_wants_signed_out() {
    with_one_thread_for_work(async {
        for in_a_form in [false, true] {
            let (idp, node, alice, _dir) = with_a_door().await;
            let wish = Farewell::request(&idp.entity_id(), &door(), "alice-1", Some("s1"));
            let Carried::Query(query) = wish.in_query(&idp) else { panic!("a form") };
            let Carried::Form(form) = wish.in_form(&idp) else { panic!("a query") };
            let to = format!("/first/slo?{query}");
            let form: Vec<_> = url::form_urlencoded::parse(&form).into_owned().collect();
            let form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
            let (let_go, stuck) = holds_the_thread();
            let flood = floods_the_door(&node).await;
            let mut frame = Person::new();
            let page = match in_a_form {
                true => frame.posts(&node, "/first/slo", &form).await,
                false => frame.opens(&node, &to).await,
            };
            assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
            assert!(page.headers.contains_key("retry-after"));
            assert!(page.body.contains("not signed out yet"), "{}", page.body);
            assert!(is_signed_in(&alice, &node).await);
            drop(let_go);
            stuck.await.unwrap();
            drop(flood);
            let page = if in_a_form {
                assert!(page.body.contains("action=\"/first/slo\""), "{}", page.body);
                frame.posts(&node, "/first/slo", &[("SAMLRequest", &page.hidden("SAMLRequest"))]).await
            } else {
                let again = page.again().replace("&amp;", "&");
                assert_eq!(again, to, "the signature covers its octets");
                assert!(page.body.contains("http-equiv=\"refresh\""), "{}", page.body);
                frame.opens(&node, &again).await
            };
            assert!(page.leads_to().starts_with(&format!("{}/slo?SAMLResponse=", idp.origin)));
            assert!(!is_signed_in(&alice, &node).await);
        }
    });
}

#[test]
fn what_has_more_fields_than_a_message_is_refused_before_it_waits_and_is_not_written_back() {
    with_one_thread_for_work(async {
        let (_idp, node, alice, _dir) = with_a_door().await;
        let (let_go, stuck) = holds_the_thread();
        let fields = vec![("a", ""); 100_000];
        let page = Person::new().posts(&node, "/first/slo", &fields).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
        let in_a_query = format!("/first/slo?{}", "a&".repeat(20_000));
        let asked = Person::new().opens(&node, &in_a_query).await;
        assert_eq!(asked.status, StatusCode::BAD_REQUEST, "{}", asked.body);
        assert!(page.body.len() < 8_000 && asked.body.len() < 8_000);
        drop(let_go);
        stuck.await.unwrap();
        assert!(is_signed_in(&alice, &node).await);
    });
}

/// Requests that are written at a time, and that wait for it, at most.
const ROOM_FOR_REQUESTS: usize = 4 + 128;

#[test]
fn a_login_that_cannot_begin_for_lack_of_time_waits_here_and_sends_nobody_elsewhere() {
    with_one_thread_for_work(async {
        let (first, second) = (SamlIdp::start().await, Idp::start().await);
        let group = group("group", &["first", "second"]);
        let node = Node::new(json!([saml("first", &first), oidc("second", &second), group]));
        request(&Person::new().is_shown(&node, asks("group", Ask::default())).await);
        let (let_go, stuck) = holds_the_thread();
        let begins = async |_| {
            let mut who = Person::new();
            let page = who.is_shown(&node, asks("group", Ask::default())).await;
            Brought { who, page }
        };
        let mut all: FuturesUnordered<_> = (0..=ROOM_FOR_REQUESTS).map(begins).collect();
        let Brought { mut who, page } = all.next().await.unwrap();
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
        assert!(page.body.contains("More people come here"), "{}", page.body);
        let why = node.why(&page.login_id());
        assert!(why.contains("This node had no time to ask first") && !why.contains("Asked second"), "{why}");
        let silent = Person::new().is_shown(&node, asks("group", silently())).await.told();
        assert_eq!(silent["refused"], json!("temporarily_unavailable"));
        let why = node.why(silent["login"].as_str().unwrap());
        assert!(why.contains("This node is at fault"), "{why}");
        drop(let_go);
        stuck.await.unwrap();
        while let Some(Brought { page, .. }) = all.next().await {
            request(&page);
        }
        let page = who.opens(&node, &page.again()).await;
        assert_eq!(brings(&mut who, &node, &first, &request(&page)).await.told()["member"], "first");
    });
}
