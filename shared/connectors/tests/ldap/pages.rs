//! Groups that a directory does not show at once, page by page (RFC 2696): all of them, or nobody is let in.

use std::fmt::Write;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use mangrove_connectors::{Blame, Failure, Identity, Network};
use serde_json::json;

use crate::account::with_groups;
use crate::liar::{Liar, Reply, Request, element, end_of_page, end_with, entry, honestly, result};
use crate::slapd::Slapd;
use crate::{LISTENERS_PATIENCE, build, connector};

/// What a directory is asked at most for one person's groups.
const MOST_PAGES: usize = 40;

fn groups(person: &Identity) -> usize {
    person.claims["groups"].as_array().unwrap().len()
}

/// Bob at a real server that shows the service account so much, where he is in so many groups.
async fn bob_in(all: usize, limits: &str) -> Result<Identity, Failure> {
    let slapd = Slapd::with_limits(limits);
    let mut ldif = String::new();
    for n in 1..all {
        writeln!(
            ldif,
            "dn: cn=g{n},ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: g{n}\nmember: uid=bob,ou=people,dc=example,dc=com\n"
        )
        .unwrap();
    }
    slapd.loads(&ldif);
    let directory = connector(&slapd, json!({ "groupBaseDN": "ou=groups,dc=example,dc=com" }));
    directory.verify_password("bob", "bob-password", Network::default()).await
}

#[tokio::test]
async fn whoever_is_in_more_groups_than_are_shown_at_once_signs_in_with_all_of_them() {
    let bob = bob_in(1_234, "size.soft=500 size.hard=500 size.prtotal=unlimited").await.unwrap();
    assert_eq!(groups(&bob), 1_234);
}

#[tokio::test]
async fn a_server_that_shows_less_than_all_by_pages_lets_nobody_in() {
    for limits in ["size=500", "size.soft=200 size.hard=200 size.prtotal=500"] {
        let failure = bob_in(501, limits).await.unwrap_err();
        assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, false), "{failure}");
        assert!(failure.log.contains("it ends after 500 with result 4"), "{failure}");
        assert!(failure.log.contains("`groupBaseDN`"), "{failure}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_pages_is_searched_at_once_as_it_was_before() {
    for limits in ["size.prtotal=disabled", "size.pr=100 size.prtotal=unlimited"] {
        assert_eq!(groups(&bob_in(300, limits).await.unwrap()), 300, "{limits}");
    }
}

/// Alice at a directory that answers searches of her groups so, given the cookie and how many it was asked before; and how many it
/// was asked.
async fn alice_where(
    lie: impl Fn(Option<&[u8]>, usize) -> Reply + Send + Sync + 'static,
) -> (usize, Result<Identity, Failure>) {
    let before = AtomicUsize::new(0);
    let liar = Liar::start(move |request| match request {
        Request::Search { base, page, .. } if base == "ou=g" => {
            lie(page.as_deref(), before.fetch_add(1, SeqCst))
        }
        _ => honestly(request),
    });
    let liar = liar.await;
    let directory = build(with_groups(&liar), json!({})).unwrap();
    let outcome = directory.verify_password("alice", "correct horse", Network::default()).await;
    let asked = |request: &Request| matches!(request, Request::Search { base, .. } if base == "ou=g");
    let asked = liar.asked().iter().filter(|request| asked(request)).count();
    (asked, outcome)
}

/// So many of Alice's groups, behind them `end`.
fn page(from: usize, size: usize, end: Vec<u8>) -> Reply {
    let group = |n| entry(&format!("cn=g{n},ou=g"), &[("cn", &format!("g{n}"))]);
    Reply::Say((from..from + size).map(group).chain([end]).collect())
}

/// Pages of 500 of so many groups, as an honest directory sends them.
async fn alice_in(all: usize) -> (usize, Result<Identity, Failure>) {
    alice_where(move |cookie, _| {
        let from = cookie.filter(|cookie| !cookie.is_empty());
        let from: usize = from.map_or(0, |from| str::from_utf8(from).unwrap().parse().unwrap());
        let to = all.min(from + 500);
        let cookie = if to == all { String::new() } else { to.to_string() };
        page(from, to - from, end_of_page(cookie.as_bytes()))
    })
    .await
}

#[tokio::test]
async fn as_many_groups_as_are_read_are_all_told_and_with_one_more_nobody_is_let_in() {
    let (asked, alice) = alice_in(2_000).await;
    assert_eq!((asked, groups(&alice.unwrap())), (4, 2_000));
    let (asked, outcome) = alice_in(2_001).await;
    let failure = outcome.unwrap_err();
    assert_eq!((asked, failure.blame, failure.keeps_out), (5, Blame::Misconfigured, false), "{failure}");
    assert!(failure.log.contains("search at ou=g finds more than 2000 groups"), "{failure}");
    assert!(failure.log.contains("narrower `groupBaseDN`"), "{failure}");
}

#[tokio::test]
async fn a_connection_that_pages_are_left_on_is_not_used_again() {
    let liar = Liar::start(|request| match request {
        Request::Search { base, .. } if base == "ou=g" => page(0, 2_001, end_of_page(b"more")),
        _ => honestly(request),
    });
    let liar = liar.await;
    let directory = build(with_groups(&liar), json!({})).unwrap();
    for _ in 0..2 {
        assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_err());
    }
    let services =
        |all: &&Vec<Request>| matches!(&all[0], Request::Bind { name, .. } if name == "cn=service");
    assert_eq!(liar.conversations().iter().filter(services).count(), 2);
}

#[tokio::test]
async fn pages_may_be_empty_and_their_cookie_the_same() {
    // Samba numbers a search by its cookie, and a page may have fewer entries than were asked for.
    let (asked, alice) = alice_where(|_, before| match before {
        0 => page(0, 500, end_of_page(b"1")),
        1 => page(0, 0, end_of_page(b"1")),
        _ => page(500, 20, end_of_page(b"")),
    })
    .await;
    assert_eq!((asked, groups(&alice.unwrap())), (3, 520));
}

#[tokio::test]
async fn a_directory_that_does_not_know_pages_answers_at_once_as_it_did_before() {
    let (asked, alice) = alice_where(|_, _| page(0, 900, result(0x65, 0, ""))).await;
    assert_eq!((asked, groups(&alice.unwrap())), (1, 900));
    for code in [11, 12, 53] {
        let refuses = move |cookie: Option<&[u8]>, _| match cookie {
            Some(_) => Reply::Say(vec![result(0x65, code, "no pages here")]),
            None => page(0, 900, result(0x65, 0, "")),
        };
        let (asked, alice) = alice_where(refuses).await;
        assert_eq!((asked, groups(&alice.unwrap())), (2, 900), "{code}");
    }
    let (asked, outcome) = alice_where(|_, _| Reply::Say(vec![result(0x65, 12, "")])).await;
    let failure = outcome.unwrap_err();
    assert!(failure.log.contains("search at ou=g: result 12"), "{failure}");
    assert!(asked <= 4, "twice for her, and twice for nobody in particular");
}

#[tokio::test]
async fn just_a_page_whose_control_was_lost_on_the_way_is_not_taken_for_all() {
    // Between the node and the directory: a proxy that hands on controls of questions and none of answers.
    let at_once = |size, code| {
        alice_where(move |cookie, _| match cookie {
            Some(_) => page(0, 500, result(0x65, 0, "")),
            None => page(0, size, result(0x65, code, "")),
        })
    };
    let (asked, alice) = at_once(700, 0).await;
    assert_eq!((asked, groups(&alice.unwrap())), (2, 700));
    let (asked, outcome) = at_once(600, 4).await;
    let failure = outcome.unwrap_err();
    assert_eq!((asked, failure.blame, failure.keeps_out), (2, Blame::Misconfigured, false), "{failure}");
    assert!(failure.log.contains("it ends after 600 with result 4"), "{failure}");
    let (asked, alice) = at_once(500, 0).await;
    assert_eq!((asked, groups(&alice.unwrap())), (2, 500), "who is in just so many and no more");
}

#[tokio::test]
async fn pages_without_an_end_end() {
    let (asked, outcome) = alice_where(|_, _| page(0, 500, end_of_page(b"1"))).await;
    assert_eq!((asked, outcome.unwrap_err().blame), (5, Blame::Misconfigured), "more groups than are read");
    for size in [0, 1] {
        let (asked, outcome) = alice_where(move |_, before| {
            let cookie = before.to_string();
            page(0, size, end_of_page(cookie.as_bytes()))
        })
        .await;
        let failure = outcome.unwrap_err();
        assert_eq!((asked, failure.blame), (MOST_PAGES, Blame::Protocol), "{failure}");
        assert!(failure.log.contains("more pages"), "{failure}");
    }
}

#[tokio::test]
async fn a_page_that_may_not_be_the_last_and_does_not_say_so_lets_nobody_in() {
    let (asked, outcome) = alice_where(|_, before| match before {
        0 => page(0, 500, end_of_page(b"1")),
        _ => page(500, 500, result(0x65, 0, "")),
    })
    .await;
    assert_eq!((asked, outcome.unwrap_err().blame), (2, Blame::Protocol));
    let (_, outcome) = alice_where(|_, before| match before {
        0 => page(0, 500, end_of_page(b"1")),
        _ => Reply::Say(vec![result(0x65, 53, "the cookie is old")]),
    })
    .await;
    let failure = outcome.unwrap_err();
    assert!(failure.log.contains("result 53"), "{failure}");
}

#[tokio::test]
async fn what_is_no_cookie_is_not_sent_back() {
    let odd: [fn() -> Vec<u8>; 5] = [
        || end_of_page(&[7; 16 * 1024 + 1]),
        || end_with(&[b""]),
        || end_with(&[&[0x30, 0]]),
        || end_with(&[&element(0x30, &[0x02, 1, 0, 0x30, 0])]),
        || end_with(&[&[0x30, 6, 0x02, 1, 0, 0x04, 1, 7], &[0x30, 5, 0x02, 1, 0, 0x04, 0]]),
    ];
    for end in odd {
        let (asked, outcome) = alice_where(move |_, _| page(0, 1, end())).await;
        let failure = outcome.unwrap_err();
        assert_eq!((asked, failure.blame), (1, Blame::Protocol), "{failure}");
    }
}

#[tokio::test]
async fn all_pages_together_are_no_larger_than_an_answer_may_be() {
    let (asked, outcome) = alice_where(|_, _| {
        let large = entry("cn=g,ou=g", &[("cn", &"x".repeat(900_000))]);
        Reply::Say(vec![large, end_of_page(b"1")])
    })
    .await;
    let failure = outcome.unwrap_err();
    assert_eq!((asked, failure.blame), (5, Blame::Protocol), "{failure}");
    assert!(failure.log.contains("larger than any that is read"), "{failure}");
}

#[tokio::test]
async fn a_directory_that_falls_silent_between_pages_has_no_more_time_than_for_one() {
    let began = Instant::now();
    let (_, outcome) = alice_where(|_, before| match before {
        0 => page(0, 500, end_of_page(b"1")),
        _ => Reply::Silence,
    })
    .await;
    assert!(outcome.unwrap_err().no_answer && began.elapsed() < LISTENERS_PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_kept_connection_that_brings_pages_slowly_is_not_given_up() {
    let (asked, alice) = alice_where(|cookie, _| match cookie {
        Some(b"1") => {
            let group = entry("cn=g500,ou=g", &[("cn", "g500")]);
            Reply::Late(Duration::from_millis(1_200), vec![group, end_of_page(b"")])
        }
        _ => page(0, 500, end_of_page(b"1")),
    })
    .await;
    assert_eq!((asked, groups(&alice.unwrap())), (2, 501), "each page once");
}
