//! Expectations, held against products that keep them, that break them in one way or another, and runs too thin to say.
//! [`super::every_measure`] does so for all of them.

mod void;

use std::time::Duration;

use super::judge::{Outcome, Ruling};
use super::synthetic::{BEGIN, Story};
use super::{End, Verdict, judge};
use crate::history::{
    ClockChange, Event, IdpChange, IdpState, MILLISECOND, ProcessChange, ProcessState, SECOND, Trouble, What,
    sort,
};
use crate::language::{Bound, Expectation, Limit, Measure};

fn expect(measure: Measure, bound: Bound) -> Expectation {
    let text = format!("{} {bound}", measure.name());
    Expectation {
        text,
        region: None,
        after_change: None,
        meanwhile: None,
        attempts: None,
        measure,
        about: Vec::new(),
        bound,
        line: 1,
    }
}

fn none(measure: Measure) -> Expectation {
    expect(measure, Bound::Exactly(Limit::Count(0.0)))
}

fn within(measure: Measure, time: Duration) -> Expectation {
    expect(measure, Bound::AtMost(Limit::Time(time)))
}

fn said(measure: Measure, yes: bool) -> Expectation {
    expect(measure, Bound::Exactly(Limit::Yes(yes)))
}

trait Scope {
    fn in_region(self, region: &str) -> Self;
    fn after(self, seconds: u64) -> Self;
}

impl Scope for Expectation {
    fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    fn after(mut self, seconds: u64) -> Self {
        self.after_change = Some(Duration::from_secs(seconds));
        self
    }
}

fn outcome(story: &Story, expected: &Expectation) -> Outcome {
    let events = story.tell();
    let verdict = judge(&events, std::slice::from_ref(expected), 30).unwrap();
    verdict.outcomes[0].clone()
}

/// Holds on the good story, fails on the broken one, cannot be judged on the good one when hardly anybody signs in.
fn tells_apart(expected: &Expectation, good: &Story, broken: &Story) {
    let holds = outcome(good, expected);
    assert_eq!(holds.ruling, Ruling::Holds, "{holds:?}");
    let fails = outcome(broken, expected);
    assert_eq!(fails.ruling, Ruling::Fails, "{fails:?}");
    let mut thin = good.clone();
    thin.gap = 20 * SECOND;
    let thin = outcome(&thin, expected);
    assert_eq!(thin.ruling, Ruling::CannotJudge, "{thin:?}");
}

#[test]
fn what_happens_before_the_probes_notice_is_counted_and_not_judged() {
    let probes_only = Story::one_root_cut().with(|product| product.last_look = None);
    let no_acts = expect(Measure::ActsPerLogin, Bound::AtMost(Limit::Count(0.0)));
    let strict = outcome(&probes_only, &no_acts);
    assert_eq!(strict.ruling, Ruling::Fails, "{strict:?}");
    let events = Story::one_root_cut().with(|product| product.notices_after = None).tell();
    let counts = &judge(&events, &[], 30).unwrap().counts["branch-a"];
    assert!(counts.unnoticed[&End::SignedIn] > 0 && counts.noticed[&End::Lost] > 0, "{counts:?}");
    let broken = Story::one_root_cut().with(|product| product.notices_after = None);
    tells_apart(
        &no_acts.after(4),
        &probes_only,
        &broken.with(|product| product.asks_twice_under_fault = true),
    );
    let broken = Story::one_root_cut().with(|product| product.notices_after = None);
    tells_apart(&none(Measure::LoginsLost).after(4), &probes_only, &broken);
}

#[test]
fn a_password_that_a_dying_provider_swallowed_is_no_act_more_and_one_that_it_did_not_answer_is() {
    let died = |provider_stops: bool| {
        let mut events = Story::one_root_cut().tell();
        let (at, login) = events
            .iter_mut()
            .find_map(|event| match &mut event.what {
                What::Login(login) if login.start > BEGIN + 25 * SECOND => Some((login.start, login)),
                _ => None,
            })
            .unwrap();
        let post = login.hops.iter().position(|hop| hop.method == "POST").unwrap();
        let mut in_vain = login.hops[..=post].to_vec();
        let last = in_vain.last_mut().unwrap();
        (last.start, last.took, last.status, last.error) = (at, SECOND, None, Some(Trouble::Reset));
        let reloaded = last.clone();
        login.hops.splice(0..0, in_vain.into_iter().chain([reloaded]));
        (login.acts.restarts, login.acts.passwords) = (1, 2);
        if provider_stops {
            for (state, after) in [(ProcessState::Stopped, 1), (ProcessState::Running, SECOND)] {
                let change = ProcessChange { server: "corp".into(), state, began: at };
                events.push(Event { at: at + after, what: What::Process(change) });
            }
            sort(&mut events);
        }
        let one_act = expect(Measure::ActsPerLogin, Bound::AtMost(Limit::Count(1.0)));
        judge(&events, &[one_act], 30).unwrap().outcomes.remove(0)
    };
    let excused = died(true);
    assert_eq!(excused.ruling, Ruling::Holds, "{excused:?}");
    assert!(excused.found.starts_with("at most 1"), "to begin again is an act: {excused:?}");
    let silent = died(false);
    assert_eq!(silent.ruling, Ruling::Fails, "{silent:?}");
}

#[test]
fn somebody_elses_session_is_wrong() {
    let broken = Story::one_root_cut().with(|product| product.mixes_people_up = true);
    let expected = none(Measure::LoginsWrong);
    assert_eq!(outcome(&Story::one_root_cut(), &expected).ruling, Ruling::Holds);
    let fails = outcome(&broken, &expected);
    assert_eq!(fails.ruling, Ruling::Fails);
    assert!(fails.found.contains("got the session of branch-"), "{fails:?}");
    let mut nobody = Story::one_root_cut();
    nobody.lasts = 1;
    assert_eq!(outcome(&nobody, &expected).ruling, Ruling::CannotJudge);
}

#[test]
fn wrong_is_judged_even_where_nobody_asked() {
    let events = Story::one_root_cut().with(|product| product.one_sub_for_all = true).tell();
    assert_eq!(judge(&events, &[], 30).unwrap().code(), 1);
}

#[test]
fn without_the_hidden_attribute_nobody_can_say_that_none_is_wrong() {
    let blind = Story::one_root_cut().with(|product| product.hides_the_attribute = true);
    assert_eq!(outcome(&blind, &none(Measure::LoginsWrong)).ruling, Ruling::CannotJudge);
}

#[test]
fn one_person_with_two_subjects_and_two_people_with_one_are_found() {
    let expected = said(Measure::OneSubject, true);
    let two = Story::one_root_cut().with(|product| product.a_sub_for_each_root = true);
    tells_apart(&expected, &Story::one_root_cut(), &two);
    let one = Story::one_root_cut().with(|product| product.one_sub_for_all = true);
    tells_apart(&expected, &Story::one_root_cut(), &one);
}

#[test]
fn a_slow_first_login_after_a_fault_is_found() {
    let broken = Story::one_root_cut().with(|product| product.last_look = Some(3 * SECOND));
    let expected = within(Measure::FirstLoginAfterFault, Duration::from_secs(1)).in_region("branch-a");
    let good = Story::one_root_cut();
    assert_eq!(outcome(&good, &expected).ruling, Ruling::Holds);
    assert_eq!(outcome(&broken, &expected).ruling, Ruling::Fails);
    let mut once = good;
    once.cuts.truncate(1);
    assert_eq!(outcome(&once, &expected).ruling, Ruling::CannotJudge, "one fault is no proof");
}

#[test]
fn a_branch_that_is_slower_under_a_fault_elsewhere_is_found() {
    let expected = said(Measure::Slower, false).in_region("branch-b");
    let broken = Story::in_rounds().with(|product| product.slower_under_fault = 200 * MILLISECOND);
    tells_apart(&expected, &Story::in_rounds(), &broken);
    let once = outcome(&Story::one_root_cut(), &expected);
    assert_eq!(once.ruling, Ruling::CannotJudge, "without rounds there is nothing to compare: {once:?}");
}

#[test]
fn a_machine_that_gets_slower_all_the_time_is_not_a_slower_branch() {
    let expected = said(Measure::Slower, false).in_region("branch-b");
    let tired = Story::in_rounds().with(|product| product.machine = |second| second * MILLISECOND);
    let found = outcome(&tired, &expected);
    assert_eq!(found.ruling, Ruling::Holds, "{found:?}");
}

#[test]
fn a_machine_that_was_slow_in_one_round_alone_makes_it_void() {
    let expected = said(Measure::Slower, false).in_region("branch-b");
    let busy = |second| if (15..30).contains(&second) { 200 * MILLISECOND } else { 0 };
    let found = outcome(&Story::in_rounds().with(|product| product.machine = busy), &expected);
    assert_eq!(found.ruling, Ruling::CannotJudge, "{found:?}");
    assert!(found.found.starts_with("void, not sure enough: "), "{found:?}");
}

#[test]
fn a_slowest_tenth_that_may_well_be_slower_is_not_said_to_be_none() {
    let expected = said(Measure::Slower, false).in_region("branch-b");
    let some = |second| if [19, 20, 34, 35].contains(&second) { 500 * MILLISECOND } else { 0 };
    let found = outcome(&Story::in_rounds().with(|product| product.machine = some), &expected);
    assert_eq!(found.ruling, Ruling::CannotJudge, "two faults of four: {found:?}");
}

#[test]
fn an_isolated_branch_is_told_at_once() {
    let expected = expect(Measure::LoginsTold, Bound::AtLeast(Limit::Count(30.0))).in_region("branch-a");
    assert_eq!(outcome(&Story::isolated(), &expected).ruling, Ruling::Holds);
    let silent = Story::isolated().with(|product| product.tells_after = None);
    assert_eq!(outcome(&silent, &expected).ruling, Ruling::Fails);
    let slow = Story::isolated().with(|product| product.tells_after = Some(9 * SECOND));
    assert_eq!(outcome(&slow, &expected).ruling, Ruling::Fails, "after nine seconds is not at once");
    let lost = none(Measure::LoginsLost).in_region("branch-a").after(4);
    tells_apart(&lost, &Story::isolated().with(|product| product.last_look = None), &silent);
    let mut thin = Story::isolated();
    thin.gap = 20 * SECOND;
    assert_eq!(outcome(&thin, &expected).ruling, Ruling::CannotJudge);
}

#[test]
fn a_branch_that_stays_dark_after_the_heal_is_found() {
    let expected = within(Measure::BackAfterHeal, Duration::from_secs(5)).in_region("branch-a");
    let broken = Story::isolated().with(|product| {
        product.last_look = None;
        product.forgives_after = 12 * SECOND;
    });
    tells_apart(&expected, &Story::isolated(), &broken);
    let never = Story::isolated().with(|product| {
        product.last_look = None;
        product.forgives_after = 100 * SECOND;
    });
    assert_eq!(outcome(&never, &expected).ruling, Ruling::Fails);
}

#[test]
fn nobody_is_cut_off_where_the_edge_could_have_said_so() {
    let expected = none(Measure::LoginsCutOff);
    let silent = Story::isolated().with(|product| product.tells_after = None);
    assert_eq!(outcome(&silent, &expected).ruling, Ruling::Holds, "those are lost, not cut off");
}

#[test]
fn who_stands_on_a_dead_page_is_cut_off() {
    // The edge is not to blame: the browser was at the root when the cut came.
    let mut story = Story::isolated();
    story.gap = 20 * MILLISECOND;
    let mut events = story.tell();
    let cut = events
        .iter()
        .find_map(|event| if let What::Step(_) = event.what { Some(event.at) } else { None })
        .unwrap();
    let at_root = |event: &&mut Event| {
        let What::Login(login) = &event.what else { return false };
        login.region == "branch-a"
            && login.hops.iter().any(|hop| {
                hop.host() == "root-dc1.mesh.test"
                    && hop.start > login.start + 150 * MILLISECOND
                    && hop.start < cut - 5_000
                    && hop.start + hop.took > cut
            })
    };
    let event = events.iter_mut().find(at_root).expect("somebody is at the root");
    let What::Login(login) = &mut event.what else { unreachable!() };
    let (person, start) = (login.person.clone(), login.start);
    login.hops.retain(|hop| hop.start < cut);
    login.seen = crate::history::Seen::GaveUp { trouble: crate::history::Trouble::Timeout };
    login.who = None;
    event.at = start + 30 * SECOND;
    let verdict = judge(&events, &[], 30).unwrap();
    let judged =
        verdict.ends.logins.iter().find(|login| login.login.person == person && login.login.start == start);
    let judged = judged.unwrap();
    assert_eq!(judged.end, End::CutOff, "{}", judged.why);
}

#[test]
fn who_waited_at_home_needs_no_act_when_an_upstream_goes() {
    let expected = expect(Measure::ActsAtHome, Bound::AtMost(Limit::Count(0.0)));
    let probes_only = Story::one_root_cut().with(|product| product.last_look = None);
    tells_apart(&expected, &Story::one_root_cut(), &probes_only);
    let found = outcome(&probes_only, &expected).found;
    assert!(found.contains("at most 2 (branch-a-") && found.contains("began later)"), "{found}");
}

#[test]
fn a_reload_is_an_act_of_whoever_waited_at_home() {
    let mut events = Story::one_root_cut().tell();
    let last = events.iter_mut().rev().find_map(|event| match &mut event.what {
        What::Login(login) if login.region == "branch-a" => Some(login),
        _ => None,
    });
    last.unwrap().acts.reloads = 1;
    let found = |measure| {
        let expected = expect(measure, Bound::AtMost(Limit::Count(0.0)));
        judge(&events, &[expected], 30).unwrap().outcomes[0].ruling
    };
    assert_eq!(found(Measure::ActsAtHome), Ruling::Fails);
    assert_eq!(found(Measure::ActsPerLogin), Ruling::Holds, "the browser's own button repeats what it did");
}

#[test]
fn nodes_say_in_time_that_a_member_is_down() {
    let expected = within(Measure::DownNoticed, Duration::from_secs(3)).in_region("branch-a");
    let late = Story::one_root_cut().with(|product| product.notices_after = Some(4 * SECOND));
    let blind = Story::one_root_cut().with(|product| product.notices_after = None);
    let mut thin = Story::one_root_cut();
    assert_eq!(outcome(&thin, &expected).ruling, Ruling::Holds);
    assert_eq!(outcome(&late, &expected).ruling, Ruling::Fails);
    let never = outcome(&blind, &expected);
    assert_eq!(never.ruling, Ruling::Fails);
    assert!(never.found.contains("not in 15.0 s by edge-a about root-dc1"), "{never:?}");
    thin.cuts.truncate(1);
    assert_eq!(outcome(&thin, &expected).ruling, Ruling::CannotJudge, "one fault is no proof");
    let elsewhere = within(Measure::DownNoticed, Duration::from_secs(3)).in_region("branch-b");
    assert_eq!(outcome(&late, &elsewhere).ruling, Ruling::CannotJudge, "branch B lost nobody");
    let longer = within(Measure::DownNoticed, Duration::from_secs(20));
    let back_before = outcome(&blind, &longer);
    assert_eq!(back_before.ruling, Ruling::CannotJudge, "back before anybody had to know: {back_before:?}");
}

#[test]
fn a_cost_that_lasts_as_long_as_the_fault_is_no_less_a_cost() {
    let expected = within(Measure::NextLoginsAfterFault, Duration::from_millis(100));
    let never_told = Story::one_root_cut().with(|product| {
        product.looks_alone = true;
        product.last_look = Some(400 * MILLISECOND);
        product.notices_after = Some(20 * SECOND);
    });
    let fails = outcome(&never_told, &expected);
    assert_eq!(fails.ruling, Ruling::Fails, "the cuts last 15 s: {fails:?}");
    assert!(fails.found.contains(" ms added later after"), "{fails:?}");
    let a_longer_way = Story::one_root_cut().with(|product| product.last_look = Some(400 * MILLISECOND));
    assert_eq!(
        outcome(&a_longer_way, &expected).ruling,
        Ruling::Holds,
        "the first one pays, nobody after it"
    );
}

#[test]
fn a_chain_over_a_provider_that_is_broken_or_has_the_wrong_time_is_not_live() {
    let lives = |change: Option<What>| {
        let mut events = Story::one_root_cut().tell();
        let begin = events.iter().find(|event| event.what == What::Begin).unwrap().at;
        events.extend(change.map(|what| Event { at: begin, what }));
        crate::history::sort(&mut events);
        let verdict = judge(&events, &[], 30).unwrap();
        verdict.ends.logins.iter().filter(|login| login.live).count()
    };
    let idp = |state| {
        let (server, about) = ("corp".to_owned(), Vec::new());
        What::Idp(IdpChange { server, state, about, began: 0 })
    };
    let clock = |ahead| What::Clock(ClockChange { server: "corp".to_owned(), ahead, began: 0 });
    let usual = lives(None);
    assert!(usual > 100);
    assert_eq!(lives(Some(idp(IdpState::SlowPages))), usual);
    assert_eq!(lives(Some(clock(30))), usual);
    assert_eq!(lives(Some(idp(IdpState::Errors))), 0);
    assert_eq!(lives(Some(clock(600))), 0);
}
