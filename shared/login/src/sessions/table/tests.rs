//! The table of sessions: who keeps one, and whose goes.

use std::time::Duration;

use mangrove_connectors::Identity;
use serde_json::Map;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Moment {
    Moment(seconds * 1_000_000)
}

fn table(capacity: usize) -> Sessions {
    Sessions::new(Limits { idle: Some(10 * SECOND), maximum: 60 * SECOND, capacity })
}

fn vouched(via: &str, sub: &str, now: Moment) -> Vouched {
    Vouched {
        via: via.into(),
        sub: sub.into(),
        attributes: Map::new(),
        identity: Identity {
            connector: "idp".into(),
            issuer: None,
            subject: sub.into(),
            claims: Map::new(),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            path: Vec::new(),
            email_trusted: false,
            logout_hint: None,
            upstream_sid: None,
            subject_passes: false,
            once: None,
        },
        since: now,
        login_id: "login".into(),
    }
}

fn enter(table: &Sessions, before: Option<&str>, sub: &str, cookie: &str, now: Moment) -> Entered {
    let fresh = Fresh { cookie, sid: format!("sid of {cookie}") };
    table.enter(before, vouched("group", sub, now), "app", fresh, now)
}

#[test]
fn the_cookie_value_changes_at_each_login_and_the_old_one_opens_nothing() {
    let table = table(10);
    let first = enter(&table, None, "alice", "one", at(0));
    let second = enter(&table, Some("one"), "alice", "two", at(1));
    assert_eq!(first.session.sid, second.session.sid, "tokens of the session stay good");
    assert!(table.by_cookie("one", at(1)).is_none());
    assert!(table.by_cookie("two", at(1)).is_some());
    assert!(second.ended.is_empty());
    assert_eq!(table.len(), 1);
}

#[test]
fn another_person_in_the_same_browser_ends_the_first_session() {
    let table = table(10);
    enter(&table, None, "alice", "one", at(0));
    let second = enter(&table, Some("one"), "bob", "two", at(1));
    assert_eq!(second.ended.len(), 1);
    assert_eq!(&*second.ended[0].sid, "sid of one");
    assert!(table.by_sid("sid of one", at(1)).is_none());
    assert_eq!(table.by_cookie("two", at(1)).unwrap().identities["group"].sub, "bob");
}

#[test]
fn one_session_holds_identities_for_several_groups() {
    let table = table(10);
    enter(&table, None, "alice", "one", at(0));
    let fresh = Fresh { cookie: "two", sid: "unused".into() };
    let both = table.enter(Some("one"), vouched("other", "alice@b", at(1)), "b", fresh, at(1));
    assert_eq!(both.session.identities.len(), 2);
    assert_eq!(both.session.apps, ["app", "b"]);
}

#[test]
fn an_idle_session_ends_and_a_used_one_goes_on() {
    let table = table(10);
    enter(&table, None, "alice", "one", at(0));
    assert!(table.by_cookie("one", at(9)).is_some());
    assert!(table.by_cookie("one", at(18)).is_some(), "the use at 9 counts");
    assert!(table.lives("one", at(27)) && !table.lives("another", at(27)));
    assert!(!table.lives("one", at(28)), "to ask is not to use");
    assert!(table.by_cookie("one", at(28)).is_none());
    assert_eq!(table.expire(at(28)).len(), 1);
    assert_eq!(table.len(), 0);
}

#[test]
fn a_session_ends_at_its_maximum_however_much_it_is_used() {
    let table = table(10);
    enter(&table, None, "alice", "one", at(0));
    for second in (5..60).step_by(5) {
        assert!(table.by_cookie("one", at(second)).is_some(), "at {second}");
    }
    assert!(table.by_cookie("one", at(60)).is_none());
}

#[test]
fn an_older_identity_leaves_a_session_that_a_newer_one_keeps() {
    let table = Sessions::new(Limits { idle: None, maximum: 60 * SECOND, capacity: 10 });
    enter(&table, None, "alice", "one", at(0));
    let fresh = Fresh { cookie: "two", sid: "unused".into() };
    table.enter(Some("one"), vouched("other", "alice@b", at(50)), "b", fresh, at(50));
    let session = table.by_cookie("two", at(70)).unwrap();
    assert!(session.signed_in("group").is_none());
    assert!(session.signed_in("other").is_some());
    assert_eq!(counts(&table), (1, 1, 1), "it is alice's no longer");
}

#[test]
fn an_identity_that_left_its_session_counts_no_more_and_the_others_go_on_counting() {
    let table = Sessions::new(Limits { idle: None, maximum: 60 * SECOND, capacity: 100 });
    enter_large(&table, 0, 100);
    let fresh = Fresh { cookie: "1", sid: "unused".into() };
    table.enter(Some("0"), vouched("other", "alice@b", at(50)), "b", fresh, at(50));
    assert_eq!(counts(&table), (1, 7, 2));
    table.by_cookie("1", at(70));
    assert_eq!(counts(&table), (1, 1, 1));
    table.end_all(|_| true);
    assert_eq!(counts(&table), (0, 0, 0));
}

#[test]
fn a_session_whose_identities_are_all_too_old_ends_with_each_of_them() {
    let table = Sessions::new(Limits { idle: None, maximum: 60 * SECOND, capacity: 100 });
    enter(&table, None, "alice", "one", at(0));
    let fresh = Fresh { cookie: "two", sid: "unused".into() };
    table.enter(Some("one"), vouched("other", "alice@b", at(1)), "b", fresh, at(1));
    assert!(table.by_cookie("two", at(70)).is_none());
    let ended = table.expire(at(70));
    assert_eq!(
        ended.iter().map(|session| session.identities.len()).collect::<Vec<_>>(),
        [2],
        "modes are told of both"
    );
}

#[test]
fn a_full_table_gives_up_the_session_that_was_used_longest_ago() {
    let table = table(2);
    enter(&table, None, "a", "one", at(0));
    enter(&table, None, "b", "two", at(1));
    table.by_cookie("one", at(2));
    let third = enter(&table, None, "c", "three", at(3));
    assert_eq!(third.ended.len(), 1);
    assert!(table.by_cookie("two", at(3)).is_none());
    assert!(table.by_cookie("one", at(3)).is_some());
    assert_eq!(table.len(), 2);
}

#[test]
fn a_person_with_too_many_sessions_loses_the_oldest_of_their_own_and_nobody_else_any() {
    let table = table(1_000);
    enter(&table, None, "bob", "bob's", at(0));
    for number in 0..20 {
        let entered = enter(&table, None, "alice", &number.to_string(), at(1));
        assert!(entered.ended.is_empty(), "at number {number}");
    }
    for number in 20..500 {
        let entered = enter(&table, None, "alice", &number.to_string(), at(2));
        assert_eq!(entered.ended.len(), 1);
        assert_eq!(*entered.ended[0].sid, format!("sid of {}", number - 20), "the one she entered first");
    }
    assert_eq!(table.len(), 21);
    assert!(table.by_cookie("bob's", at(3)).is_some());
}

#[test]
fn a_large_session_counts_as_several_and_nobody_is_alone_with_more_than_a_fiftieth() {
    let table = table(10_000);
    enter(&table, None, "bob", "bob's", at(0));
    for number in 0..100 {
        enter_large(&table, number, 100);
    }
    assert_eq!(table.len(), 1 + 10_000 / 50 / 7, "each weighs seven");
    assert!(table.by_cookie("99", at(2)).is_some() && table.by_cookie("bob's", at(2)).is_some());
    table.end_all(|_| true);
    assert_eq!(counts(&table), (0, 0, 0));
}

/// A session of alice's with so many KiB of attributes.
fn enter_large(table: &Sessions, number: usize, kib: usize) -> Entered {
    let cookie = number.to_string();
    let fresh = Fresh { cookie: &cookie, sid: format!("sid of {cookie}") };
    table.enter(None, vouched_with("group", kib), "app", fresh, at(1))
}

fn vouched_with(via: &str, kib: usize) -> Vouched {
    let mut vouched = vouched(via, "alice", at(1));
    vouched.attributes.insert("groups".into(), "x".repeat(kib * 1024).into());
    vouched
}

/// How many sessions there are, as how many they count, and of how many people they are.
fn counts(table: &Sessions) -> (usize, usize, usize) {
    (table.len(), table.weight.load(Ordering::Relaxed), table.people.len())
}

#[test]
fn anybody_has_twenty_sessions_however_large_and_however_small_the_table() {
    let table = table(1_000);
    for number in 0..20 {
        assert!(enter_large(&table, number, 250).ended.is_empty(), "at number {number}");
    }
    let ended = enter_large(&table, 20, 250).ended;
    assert_eq!(ended.iter().map(|session| &*session.sid).collect::<Vec<_>>(), ["sid of 0"]);
}

#[test]
fn a_session_counts_once_for_each_16_kib_begun_of_all_its_identities_together() {
    for (kib, weight) in
        [(vec![0], 1), (vec![0, 0, 0], 1), (vec![7, 7], 1), (vec![9, 9], 2), (vec![30, 9], 3)]
    {
        let table = table(100);
        for (number, kib) in kib.iter().enumerate() {
            let (before, cookie) = (number.wrapping_sub(1).to_string(), number.to_string());
            let fresh = Fresh { cookie: &cookie, sid: cookie.clone() };
            table.enter(Some(&before), vouched_with(&number.to_string(), *kib), "app", fresh, at(1));
        }
        assert_eq!(counts(&table), (1, weight, kib.len()), "{kib:?}");
    }
}

#[test]
fn large_sessions_fill_a_table_sooner_and_the_newest_stays() {
    let table = table(10);
    for name in ["a", "b", "c"] {
        let mut vouched = vouched("group", name, at(1));
        vouched.attributes.insert("groups".into(), "x".repeat(200 * 1024).into());
        table.enter(None, vouched, "app", Fresh { cookie: name, sid: name.into() }, at(1));
    }
    assert!(table.by_cookie("c", at(1)).is_some());
    assert_eq!(table.len(), 1);
}

#[test]
fn sessions_that_ended_count_for_nobody() {
    let table = table(1_000);
    for number in 0..100 {
        let entered = enter(&table, None, "alice", &number.to_string(), at(0));
        assert!(entered.ended.is_empty());
        table.end(&entered.session.sid);
    }
    for number in 0..100 {
        let before = format!("{}", number - 1);
        enter(&table, Some(&before), "alice", &number.to_string(), at(0));
    }
    assert_eq!((table.len(), table.people.len()), (1, 1), "the same browser has one");
    table.expire(at(60));
    assert_eq!(table.people.len(), 0);
}

#[test]
fn the_table_holds_no_cookie_value() {
    let table = table(2);
    let fresh = Fresh { cookie: "the-cookie-value", sid: "sid".into() };
    table.enter(None, vouched("group", "alice", at(0)), "app", fresh, at(0));
    assert!(!format!("{table:?}").contains("the-cookie-value"));
}

#[test]
fn sessions_that_are_meant_end_and_others_go_on() {
    let table = table(100);
    for (sub, cookie) in [("alice", "one"), ("alice", "two"), ("bob", "three")] {
        enter(&table, None, sub, cookie, at(0));
    }
    let of_alice = |session: &Session| session.identities.values().any(|vouched| vouched.sub == "alice");
    assert_eq!(table.end_all(of_alice).len(), 2);
    assert!(table.by_cookie("one", at(1)).is_none() && table.by_cookie("three", at(1)).is_some());
}
