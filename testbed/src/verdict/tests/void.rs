//! Runs from which nobody can say anything: too thin, too busy, not whole, or with faults that were not real.

use super::*;
use crate::history::Micros;
use crate::verdict::synthetic;

#[test]
fn cuts_that_were_not_real_void_the_run() {
    let mut story = Story::isolated();
    story.cuts_are_real = false;
    let events = story.tell();
    let verdict = judge(&events, &[], 30).unwrap();
    assert!(verdict.probes.doubtful(), "{:?}", verdict.probes);
    assert_eq!(verdict.code(), 2);
}

#[test]
fn real_cuts_agree_with_their_probes() {
    let events = Story::isolated().tell();
    let verdict = judge(&events, &[], 30).unwrap();
    assert!(verdict.probes.compared > 200);
    assert_eq!(verdict.probes.disagreed, 0, "{}", verdict.probes.example);
}

#[test]
fn the_exit_code_prefers_a_failure_over_doubt() {
    let code = |events: &[Event], expected: &[Expectation]| {
        judge(events, expected, 30).map(|v| Verdict::code(&v)).unwrap()
    };
    let events = Story::one_root_cut().with(|product| product.notices_after = None).tell();
    let one_fault = within(Measure::BackAfterHeal, Duration::from_secs(5)).in_region("nowhere");
    assert_eq!(code(&events, std::slice::from_ref(&one_fault)), 2);
    assert_eq!(code(&events, &[one_fault, none(Measure::LoginsLost)]), 1);
    assert_eq!(code(&Story::one_root_cut().tell(), &[none(Measure::LoginsLost)]), 0);
}

#[test]
fn a_history_without_its_mesh_is_refused() {
    assert!(judge(&[Event { at: 1, what: What::Begin }], &[], 30).is_err());
}

#[test]
fn a_machine_too_busy_to_judge_passes_nothing_and_none_of_its_times_fails() {
    let busy = |mut story: Story| {
        story.late = 11;
        story
    };
    let lost = none(Measure::LoginsLost);
    let soon = within(Measure::FirstLoginAfterFault, Duration::from_secs(1)).in_region("branch-a");
    let code = |story: &Story, expected: &[Expectation]| {
        let events = story.tell();
        let verdict = judge(&events, expected, 30).unwrap();
        (verdict.code(), verdict.sentence())
    };
    let both = [lost, soon];
    assert_eq!(code(&Story::one_root_cut(), &both).0, 0);
    let (void, words) = code(&busy(Story::one_root_cut()), &both);
    assert_eq!(void, 2);
    assert!(
        words.starts_with("Void: the machine was too busy (a login took 69 ms longer by it): run it again"),
        "{words}"
    );
    let slow = Story::one_root_cut().with(|product| product.last_look = Some(3 * SECOND));
    assert_eq!(code(&slow, &both).0, 1);
    assert_eq!(code(&busy(slow), &both).0, 2, "it may have been the machine");
    let loses = Story::one_root_cut().with(|product| product.notices_after = None);
    assert_eq!(code(&busy(loses), &both).0, 1, "no machine is so busy that a login is lost by it");
}

#[test]
fn a_second_in_which_the_machine_was_too_busy_says_nothing_of_times_and_all_of_who_is_lost() {
    let slow_for_a_second: fn(u64) -> Micros = |second| if second == 22 { 900 * MILLISECOND } else { 0 };
    let tell = |story: Story, machine_says_so: bool| {
        let mut events = story.with(|product| product.machine = slow_for_a_second).tell();
        for event in events.iter_mut().filter(|event| machine_says_so && event.at == BEGIN + 23 * SECOND) {
            if let What::Machine { packets, wakes } = &mut event.what {
                packets.total = packets.all * 5 * MILLISECOND;
                wakes.total = wakes.all * 5 * MILLISECOND;
            }
        }
        events
    };
    let next = within(Measure::NextLoginsAfterFault, Duration::from_millis(100)).in_region("branch-a");
    let lost = none(Measure::LoginsLost);
    let ruling = |events: &[Event], expected: &Expectation| {
        judge(events, std::slice::from_ref(expected), 30).unwrap().outcomes.remove(0).ruling
    };
    let good = Story::one_root_cut;
    assert_eq!(ruling(&tell(good(), false), &next), Ruling::Fails, "the product was slow");
    assert_eq!(ruling(&tell(good(), true), &next), Ruling::Holds, "the machine was");
    let loses = good().with(|product| product.notices_after = None);
    assert_eq!(ruling(&tell(loses, true), &lost), Ruling::Fails);
}

#[test]
fn a_first_login_whose_time_was_the_machines_cannot_be_judged() {
    let mut events = Story::one_root_cut().tell();
    let soon = within(Measure::FirstLoginAfterFault, Duration::from_secs(1)).in_region("branch-a");
    let outcome =
        |events: &[Event]| judge(events, std::slice::from_ref(&soon), 30).unwrap().outcomes.remove(0);
    assert_eq!(outcome(&events).ruling, Ruling::Holds);
    for event in events.iter_mut().filter(|event| event.at == BEGIN + 21 * SECOND) {
        if let What::Machine { wakes, .. } = &mut event.what {
            wakes.total = wakes.all * 5 * MILLISECOND;
        }
    }
    let found = outcome(&events);
    assert_eq!(found.ruling, Ruling::CannotJudge, "two of three faults: {found:?}");
}

#[test]
fn a_history_that_no_whole_run_has_left_is_refused() {
    let refused = |events: &[Event]| judge(events, &[], 30).err().expect("is refused");
    let whole = Story::one_root_cut().tell();
    let without_end: Vec<_> = whole.iter().filter(|event| event.what != What::End).cloned().collect();
    assert!(refused(&without_end).contains("has no end"));
    let mut copied = whole.clone();
    copied.extend(whole.iter().find(|event| matches!(event.what, What::Login(_))).cloned());
    assert!(refused(&copied).contains("the login of branch-a-0 that began at"), "{}", refused(&copied));
    let mut late = whole;
    let login = late.iter_mut().find_map(|event| match &mut event.what {
        What::Login(login) => Some(login),
        _ => None,
    });
    login.unwrap().start = u64::MAX;
    assert!(refused(&late).contains("with times after its end"), "{}", refused(&late));
}

#[test]
fn what_nobody_measured_passes_nothing() {
    let without = |drop: fn(&What) -> bool| {
        let mut events = Story::one_root_cut().tell();
        events.retain(|event| !drop(&event.what));
        let verdict = judge(&events, &[none(Measure::LoginsLost)], 30).unwrap();
        (verdict.code(), verdict.sentence())
    };
    let (code, words) = without(|what| matches!(what, What::Probe(_)));
    assert_eq!(code, 2);
    assert!(words.starts_with("Void: no TCP probe checked the faults."), "{words}");
    let (code, words) = without(|what| matches!(what, What::Machine { .. }));
    assert_eq!(code, 2);
    assert!(words.starts_with("Void: how late the machine was is not in the history."), "{words}");
}

#[test]
fn where_the_faults_were_not_real_only_a_wrong_session_fails() {
    let code = |break_it: fn(&mut synthetic::Product)| {
        let mut story = Story::one_root_cut().with(break_it);
        story.cuts_are_real = false;
        let events = story.tell();
        judge(&events, &[none(Measure::LoginsLost)], 30).unwrap().code()
    };
    assert_eq!(code(|product| product.notices_after = None), 2, "whether there was a way is not known");
    assert_eq!(code(|product| product.mixes_people_up = true), 1);
}

#[test]
fn no_expectation_makes_a_wrong_session_right() {
    let events = Story::one_root_cut().with(|product| product.mixes_people_up = true).tell();
    let generous = expect(Measure::LoginsWrong, Bound::AtMost(Limit::Count(1000.0)));
    assert_eq!(judge(&events, &[generous], 30).unwrap().code(), 1);
    let late = none(Measure::LoginsWrong).after(1000);
    assert_eq!(judge(&events, &[late], 30).unwrap().code(), 1);
}

#[test]
fn logins_that_nobody_can_call_lost_or_saved_do_not_make_a_pass() {
    let judged = |change: fn(&mut Event)| {
        let mut events = Story::one_root_cut().tell();
        events.iter_mut().filter(|event| event.at > synthetic::BEGIN + 20 * SECOND).for_each(change);
        let verdict = judge(&events, &[none(Measure::LoginsLost)], 30).unwrap();
        verdict.outcomes[0].clone()
    };
    // Whoever hangs until the run is over is neither signed in nor lost.
    let hangs = judged(|event| {
        if let What::Login(login) = &mut event.what
            && login.region == "branch-a"
        {
            login.seen = crate::history::Seen::Unfinished;
        }
    });
    assert_eq!(hangs.ruling, Ruling::CannotJudge, "{hangs:?}");
    assert!(hangs.found.contains("more listed apart, too many to say"), "{hangs:?}");
}

#[test]
fn who_is_beyond_help_is_no_attempt_to_lose_somebody() {
    let mut story = Story::one_root_cut().with(|product| product.falls_over_under_fault = true);
    story.cuts = vec![synthetic::Cut { at: 20, healed: 200, ..story.cuts[0].clone() }];
    let dead_edge = outcome(&story, &none(Measure::LoginsLost).in_region("branch-a"));
    assert_eq!(dead_edge.ruling, Ruling::CannotJudge, "{dead_edge:?}");
}
