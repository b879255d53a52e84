//! How guessing is slowed down, and who is not slowed down by it.

use futures::FutureExt;

use super::*;

fn at(seconds: u64) -> Moment {
    Moment(seconds * 1_000_000)
}

fn attempt<'a>(account: &'a str, address: &str, device: Option<&'a str>) -> Attempt<'a> {
    Attempt { connector: "directory", account, address: address.parse().unwrap(), device }
}

/// Tries a wrong password; the delay it met, or none if it was sent away.
fn wrong(guessing: &Arc<Guessing>, attempt: &Attempt<'_>, now: Moment) -> Option<Duration> {
    match guessing.admit(attempt, now) {
        Verdict::Wait(delay, ticket) => {
            drop(ticket);
            Some(delay)
        }
        _ => None,
    }
}

#[test]
fn a_guesser_waits_longer_and_longer_and_is_never_locked_out() {
    let guessing = Guessing::new();
    let guess = attempt("alice", "192.0.2.1", None);
    let mut now = 0;
    let mut delays = Vec::new();
    for _ in 0..12 {
        match guessing.admit(&guess, at(now)) {
            Verdict::Wait(delay, _) => delays.push(delay.as_secs()),
            Verdict::Later(delay) => {
                now += delay.as_secs();
                delays.push(delay.as_secs());
            }
            Verdict::Full | Verdict::Crowded => panic!("nobody else is here"),
        }
    }
    assert_eq!(&delays[..6], &[0, 0, 0, 1, 3, 7], "each attempt stands in line behind the one before");
    assert!(delays.iter().all(|delay| *delay <= 60), "{delays:?}");
}

#[test]
fn a_hundred_guesses_at_once_are_as_slow_as_a_hundred_in_a_row() {
    let guessing = Guessing::new();
    let guess = attempt("alice", "192.0.2.1", None);
    let admitted = (0..100).filter(|_| wrong(&guessing, &guess, at(0)).is_some()).count();
    assert!(admitted <= 6, "{admitted}");
}

#[test]
fn an_account_guessed_from_everywhere_costs_its_owner_five_seconds_at_most() {
    let guessing = Guessing::new();
    for host in 0..200 {
        wrong(&guessing, &attempt("alice", &format!("198.51.100.{host}"), None), at(0));
    }
    let own = wrong(&guessing, &attempt("alice", "192.0.2.1", None), at(1)).unwrap();
    assert_eq!(own, Duration::from_secs(5));
    let other = wrong(&guessing, &attempt("bob", "192.0.2.1", None), at(1)).unwrap();
    assert_eq!(other, Duration::ZERO);
}

#[test]
fn a_device_that_knows_the_account_is_counted_apart() {
    let guessing = Guessing::new();
    for host in 0..200 {
        wrong(&guessing, &attempt("alice", &format!("198.51.100.{host}"), None), at(0));
    }
    for _ in 0..20 {
        wrong(&guessing, &attempt("alice", "192.0.2.1", None), at(0));
    }
    let known = attempt("alice", "192.0.2.1", Some("her laptop"));
    assert_eq!(wrong(&guessing, &known, at(1)), Some(Duration::ZERO));
}

#[test]
fn one_address_that_sprays_many_accounts_waits_and_one_with_many_typos_does_not() {
    let guessing = Guessing::new();
    for number in 0..10 {
        wrong(&guessing, &attempt(&format!("user{number}"), "192.0.2.1", None), at(number));
    }
    let sprayed = wrong(&guessing, &attempt("next", "192.0.2.1", None), at(20)).unwrap();
    assert!(sprayed >= Duration::from_secs(1));
    for second in 0..3 {
        wrong(&guessing, &attempt("bob", "192.0.2.2", None), at(second));
    }
    assert_eq!(wrong(&guessing, &attempt("carol", "192.0.2.2", None), at(20)), Some(Duration::ZERO));
}

#[test]
fn the_right_password_forgets_what_was_wrong() {
    let guessing = Guessing::new();
    let own = attempt("alice", "192.0.2.1", None);
    for second in [0, 10, 20, 30] {
        wrong(&guessing, &own, at(second));
    }
    let Verdict::Wait(_, ticket) = guessing.admit(&own, at(60)) else { panic!("not admitted") };
    ticket.right();
    assert_eq!(wrong(&guessing, &own, at(61)), Some(Duration::ZERO));
}

#[test]
fn those_who_wait_for_one_account_under_attack_keep_nobody_else_out() {
    let guessing = Guessing::new();
    for number in 0..10 {
        wrong(&guessing, &attempt("alice", &format!("2001:db8:{number}::1"), None), at(0));
    }
    let held: Vec<_> = (0..WAITERS + 10)
        .map(|number| guessing.admit(&attempt("alice", &format!("2001:db9:{number:x}::1"), None), at(0)))
        .collect();
    assert!(matches!(held.last(), Some(Verdict::Full)), "who would have to wait is sent away");
    let bob = attempt("bob", "192.0.2.1", None);
    assert_eq!(wrong(&guessing, &bob, at(0)), Some(Duration::ZERO), "another person");
    let known = attempt("alice", "192.0.2.2", Some("her laptop"));
    assert_eq!(wrong(&guessing, &known, at(0)), Some(Duration::ZERO), "the person on a known device");
    drop(held);
    assert_eq!(guessing.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn an_office_where_now_and_then_somebody_mistypes_does_not_wait() {
    let guessing = Guessing::new();
    for number in 0..40 {
        let person = format!("user{number}");
        wrong(&guessing, &attempt(&person, "192.0.2.1", None), at(number * 300));
        let next = format!("next{number}");
        let Verdict::Wait(delay, ticket) =
            guessing.admit(&attempt(&next, "192.0.2.1", None), at(number * 300 + 60))
        else {
            panic!("not admitted")
        };
        ticket.right();
        assert_eq!(delay, Duration::ZERO, "at number {number}");
    }
}

#[test]
fn who_mistypes_and_then_signs_in_is_no_sprayer() {
    let guessing = Guessing::new();
    for number in 0..40 {
        let person = format!("user{number}");
        let own = attempt(&person, "192.0.2.1", None);
        assert_eq!(wrong(&guessing, &own, at(number)), Some(Duration::ZERO), "at number {number}");
        let Verdict::Wait(_, ticket) = guessing.admit(&own, at(number)) else { panic!("not admitted") };
        ticket.right();
    }
}

#[test]
fn waiters_are_bounded_for_each_address_and_another_address_still_gets_in() {
    let guessing = Guessing::new();
    for number in 0..10 {
        for address in ["192.0.2.1", "192.0.2.2"] {
            wrong(&guessing, &attempt(&format!("user{number}"), address, None), at(0));
        }
    }
    let one_more = |address| guessing.admit(&attempt("one more", address, None), at(0));
    let mut held = Vec::new();
    for number in 0..WAITERS_EACH {
        held.push(guessing.admit(&attempt(&format!("more{number}"), "192.0.2.1", None), at(0)));
    }
    assert!(matches!(one_more("192.0.2.1"), Verdict::Crowded));
    assert!(matches!(one_more("192.0.2.2"), Verdict::Wait(..)));
    drop(held);
    assert!(matches!(one_more("192.0.2.1"), Verdict::Wait(..)));
    assert_eq!(guessing.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn one_address_with_a_new_name_each_time_does_not_keep_others_from_being_looked_at() {
    let guessing = Guessing::new();
    let spray = |number: usize| guessing.admit(&attempt(&format!("user{number}"), "192.0.2.1", None), at(0));
    let held: Vec<_> = (0..200).map(spray).collect();
    let admitted = held.iter().filter(|verdict| matches!(verdict, Verdict::Wait(..))).count();
    assert_eq!(admitted, LOOKED_AT_EACH);
}

#[tokio::test]
async fn a_whole_office_that_comes_back_at_once_is_let_in_one_after_the_other() {
    let guessing = Guessing::new();
    let name = |number: usize| format!("user{number}");
    let mut held: Vec<_> = (0..LOOKED_AT_EACH)
        .map(|number| guessing.admit(&attempt(&name(number), "192.0.2.1", None), ambient::now()))
        .collect();
    let last = name(LOOKED_AT_EACH);
    let last = attempt(&last, "192.0.2.1", None);
    assert!(matches!(guessing.admit(&last, ambient::now()), Verdict::Crowded));
    let mut turn = Box::pin(guessing.admit_in_turn(&last));
    assert!((&mut turn).now_or_never().is_none(), "it waits");
    if let Some(Verdict::Wait(_, first)) = held.pop() {
        first.right();
    }
    assert!(matches!(turn.await, Verdict::Wait(Duration::ZERO, _)));
    assert_eq!(guessing.crowd.available_permits(), CROWD);
}

#[test]
fn a_full_table_gives_up_the_lightest_and_stays_bounded() {
    let mut table: HashMap<u64, Count> =
        (0..ENTRIES as u64).map(|key| (key, Count { failures: 9, last: at(0) })).collect();
    make_room(&mut table, 7, at(1), |count| (count.last, count.failures));
    assert_eq!(table.len(), ENTRIES, "a name that is there needs no room");
    make_room(&mut table, u64::MAX, at(1), |count| (count.last, count.failures));
    assert_eq!(table.len(), ENTRIES - 1);
}
