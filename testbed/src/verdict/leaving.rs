//! What a sign-out was worth, row by row: a small history written by hand each, of one person and one browser.

use super::ends::sign_outs::{After, Back};
use super::judge;
use super::synthetic::mesh;
use super::table::{Hand, hop, login};
use crate::history::{
    Login, MILLISECOND, Micros, ProcessState, Remains, Run, SECOND, Seen, SignOut, SignOutOutcome, Trouble,
    Visit, VisitKind, VisitOutcome, What, Who, sort,
};
use crate::verdict::synthetic::BEGIN;

/// Through the root in DC1 to the identity provider and back, with so many passwords.
fn signs_in(second: u64, passwords: u32, by: &[&str]) -> Login {
    let mut login = login(second, Seen::SignedIn);
    for (number, server) in ["app-a", "edge-a"].iter().chain(by).enumerate() {
        hop(&mut login, server, number as Micros * MILLISECOND, MILLISECOND, true);
    }
    login.acts.passwords = passwords;
    let lab_person = Some(login.person.clone());
    login.who = Some(Who { sub: "s".into(), lab_person, ..Who::default() });
    login
}

const ALL: [&str; 2] = ["root-dc1", "corp"];

fn leaves(second: u64, by: &[&str]) -> SignOut {
    let walk = signs_in(second, 0, by);
    SignOut {
        person: walk.person,
        app: walk.app,
        region: walk.region,
        began_at: None,
        start: walk.start,
        outcome: SignOutOutcome::Back,
        notices: Vec::new(),
        still: Vec::new(),
        hops: walk.hops,
    }
}

/// The first sign-out, in the words of its row.
fn judged(run: Run, faults: impl FnOnce(Hand) -> Hand, happened: Vec<What>) -> (Back, After, String) {
    let mut events = faults(Hand::of(run)).0;
    for what in happened {
        let at = match &what {
            What::Login(login) => login.start + 100 * MILLISECOND,
            What::Visit(visit) => visit.start + 100 * MILLISECOND,
            What::SignOut(left) => {
                left.hops.last().map_or(left.start, |hop| hop.start + hop.took) + MILLISECOND
            }
            _ => BEGIN,
        };
        events.push(crate::history::Event { at, what });
    }
    sort(&mut events);
    let verdict = judge(&events, &[], 30).unwrap();
    let first = &verdict.ends.sign_outs[0];
    (first.back, first.after, first.why.clone())
}

fn quiet(hand: Hand) -> Hand {
    hand
}

fn comes(login: Login) -> What {
    What::Login(Box::new(login))
}

fn goes(sign_out: SignOut) -> What {
    What::SignOut(Box::new(sign_out))
}

#[test]
fn who_is_asked_for_a_password_again_was_signed_out() {
    let story = vec![comes(signs_in(1, 1, &ALL)), goes(leaves(10, &ALL)), comes(signs_in(12, 1, &ALL))];
    assert_eq!(judged(mesh(), quiet, story), (Back::Brought, After::Out, String::new()));
    let never_again = vec![comes(signs_in(1, 1, &ALL)), goes(leaves(10, &ALL))];
    assert_eq!(judged(mesh(), quiet, never_again).1, After::Unknown);
}

#[test]
fn who_is_let_in_again_without_a_password_was_not() {
    for (by, who) in [(&ALL[..], "corp"), (&ALL[..1], "root-dc1"), (&[], "edge-a")] {
        let story = vec![comes(signs_in(1, 1, &ALL)), goes(leaves(10, &ALL)), comes(signs_in(12, 0, by))];
        let (_, after, why) = judged(mesh(), quiet, story);
        assert_eq!(after, After::StillSignedIn, "{who}");
        assert!(why.starts_with(&format!("{who} signed branch-a-1 in again")), "{why}");
    }
}

#[test]
fn what_still_works_shows_it_at_once() {
    for (left, words) in [(Remains::Page, "page"), (Remains::Tokens, "tokens")] {
        let sign_out = SignOut { still: vec![left], ..leaves(10, &ALL) };
        let story = vec![comes(signs_in(1, 1, &ALL)), goes(sign_out), comes(signs_in(12, 1, &ALL))];
        let (_, after, why) = judged(mesh(), quiet, story);
        assert!(after == After::StillSignedIn && why.contains(words), "{why}");
    }
}

#[test]
fn a_word_that_somebody_could_not_be_told_excuses_whom_nobody_could_tell_and_nobody_else() {
    let noticed = |by: &[&str]| SignOut { notices: vec!["corp could not be told".into()], ..leaves(10, by) };
    let story = || vec![comes(signs_in(1, 1, &ALL)), goes(noticed(&ALL[..1])), comes(signs_in(20, 0, &ALL))];
    let (_, after, why) = judged(mesh(), quiet, story());
    assert!(after == After::StillSignedIn && why.contains("corp could have been told"), "{why}");

    let dead = |server: &'static str| {
        move |hand: Hand| {
            hand.process(5, server, ProcessState::Stopped).process(15, server, ProcessState::Running)
        }
    };
    assert_eq!(judged(mesh(), dead("corp"), story()).1, After::SaidSo);
    assert_eq!(
        judged(mesh(), dead("root-dc1"), story()).1,
        After::SaidSo,
        "nobody else had asked it for them"
    );
    assert_eq!(
        judged(mesh(), dead("root-dc2"), story()).1,
        After::StillSignedIn,
        "it had nothing to do with it"
    );

    let mut without_logout = mesh();
    without_logout.servers[0].signs_out = false;
    assert_eq!(judged(without_logout, quiet, story()).1, After::SaidSo);
}

#[test]
fn a_word_that_somebody_could_not_be_told_has_to_be_true_of_somebody() {
    let noticed = SignOut { notices: vec!["corp could not be told".into()], ..leaves(10, &ALL) };
    let story = || vec![comes(signs_in(1, 1, &ALL)), goes(noticed.clone()), comes(signs_in(20, 1, &ALL))];
    let (_, after, why) = judged(mesh(), quiet, story());
    assert_eq!(after, After::StillSignedIn);
    assert_eq!(why, "a page said that somebody could not be told, and everybody could");

    for server in ["corp", "root-dc1"] {
        let dead = |hand: Hand| {
            hand.process(5, server, ProcessState::Stopped).process(15, server, ProcessState::Running)
        };
        assert_eq!(judged(mesh(), dead, story()).1, After::Out, "{server}");
    }
    let mut without_logout = mesh();
    without_logout.servers[0].signs_out = false;
    assert_eq!(judged(without_logout, quiet, story()).1, After::Out);
    let never_there = story().split_off(1);
    assert_eq!(judged(mesh(), quiet, never_there).1, After::Out, "nobody knows who it was about");
}

#[test]
fn a_session_of_before_a_sign_out_that_was_honest_is_held_against_that_one() {
    let noticed = SignOut { notices: vec!["corp could not be told".into()], ..leaves(10, &ALL[..1]) };
    let elsewhere = ["root-dc2"];
    let story = vec![
        comes(signs_in(1, 1, &ALL)),
        goes(noticed),
        comes(signs_in(12, 1, &elsewhere)),
        goes(leaves(20, &elsewhere)),
        comes(signs_in(30, 0, &ALL)),
    ];
    let dead = |hand: Hand| {
        hand.process(5, "corp", ProcessState::Stopped).process(25, "corp", ProcessState::Running)
    };
    assert_eq!(judged(mesh(), dead, story).1, After::Out, "a password was asked for after it");
}

#[test]
fn who_loses_the_session_comes_with_another_browser_and_proves_nothing() {
    let visit = Visit {
        person: "branch-a-1".into(),
        app: "app-a".into(),
        region: "branch-a".into(),
        start: BEGIN + 11 * SECOND,
        kind: VisitKind::Page,
        outcome: VisitOutcome::Lost { says: "gone".into() },
        hops: vec![],
        who: None,
    };
    let story = vec![
        comes(signs_in(1, 1, &ALL)),
        goes(leaves(10, &ALL)),
        What::Visit(Box::new(visit)),
        comes(signs_in(12, 0, &ALL)),
    ];
    assert_eq!(judged(mesh(), quiet, story).1, After::Unknown);
}

#[test]
fn who_is_sent_to_a_server_that_is_dead_is_lost_and_who_stands_there_when_it_dies_is_cut_off() {
    let mut gone = leaves(10, &ALL);
    gone.outcome = SignOutOutcome::NoAnswer { trouble: Trouble::Refused };
    let failed = gone.hops.last_mut().unwrap();
    (failed.status, failed.error) = (None, Some(Trouble::Refused));
    let back = |second: u64, after: Micros| {
        let mut gone = gone.clone();
        gone.hops.iter_mut().for_each(|hop| hop.start += after);
        gone.start += after;
        let dies = move |hand: Hand| hand.process(second, "corp", ProcessState::Stopped);
        judged(mesh(), dies, vec![comes(signs_in(1, 1, &ALL)), goes(gone)]).0
    };
    assert_eq!(back(5, 0), Back::Lost);
    assert_eq!(back(10, 20 * MILLISECOND), Back::CutOff, "it was on its way");
    assert_eq!(back(10, 300 * MILLISECOND), Back::Lost);
    let mut stands = leaves(9, &ALL);
    stands.outcome = SignOutOutcome::Stayed { says: "Sign out?".into() };
    let later = hop_until(&mut stands, 2 * SECOND);
    let dies = |hand: Hand| hand.process(10, "corp", ProcessState::Stopped);
    assert_eq!(judged(mesh(), dies, vec![goes(later)]).0, Back::CutOff);
}

fn hop_until(sign_out: &mut SignOut, took: Micros) -> SignOut {
    sign_out.hops.last_mut().unwrap().took = took;
    sign_out.clone()
}

#[test]
fn a_sign_out_at_the_provider_is_for_its_session_and_for_those_whom_it_vouched_to() {
    let at_corp = |still: Vec<Remains>| SignOut { began_at: Some("corp".into()), still, ..leaves(10, &ALL) };
    let story = |left, by: &[&str]| vec![comes(signs_in(1, 1, &ALL)), goes(left), comes(signs_in(12, 0, by))];
    assert_eq!(judged(mesh(), quiet, story(at_corp(vec![]), &ALL)).1, After::StillSignedIn);
    assert_eq!(judged(mesh(), quiet, story(at_corp(vec![]), &ALL[..1])).1, After::StillSignedIn);
    assert_eq!(
        judged(mesh(), quiet, story(at_corp(vec![]), &[])).1,
        After::Unknown,
        "the edge did not ask corp"
    );
    let mut gone = at_corp(vec![Remains::Tokens]);
    gone.outcome = SignOutOutcome::NoAnswer { trouble: Trouble::Refused };
    let dead = |hand: Hand| {
        hand.process(5, "corp", ProcessState::Stopped).process(11, "corp", ProcessState::Running)
    };
    let (back, after, _) = judged(mesh(), dead, story(gone, &ALL[..1]));
    assert_eq!((back, after), (Back::CutOff, After::SaidSo), "where nobody is, nothing begins");
    let tokens = at_corp(vec![Remains::Tokens]);
    assert_eq!(judged(mesh(), quiet, story(tokens, &[])).1, After::Unknown, "nor are they corp's to end");
}
