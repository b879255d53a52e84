//! Whom to ask: the rules as sentences, and a model that ranks instead of searching.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use mangrove_continuity::{Candidate, Moment, Order, Reason, SkipReason, Standing, State, What, choose};
use proptest::prelude::*;

const NOW: Moment = Moment(1_000_000_000);

fn candidate(name: &'static str, state: State) -> Candidate<'static> {
    let since = Moment(NOW.0 - 125_000_000);
    Candidate { name, standing: Standing::of(state, since), able: Ok(()), tried: false, unanswered: false }
}

fn ordered(what: What, until: Option<Moment>) -> Option<Order> {
    Some(Order { what, who: "kim".into(), why: "certificate work".into(), until })
}

fn picked(candidates: &[Candidate<'_>]) -> Option<String> {
    choose(candidates, NOW).picked
}

#[test]
fn the_first_in_order_that_can_is_asked() {
    let all = [candidate("a", State::Healthy), candidate("b", State::Healthy)];
    let choice = choose(&all, NOW);
    assert_eq!(choice.picked.as_deref(), Some("a"));
    assert_eq!(choice.reason, Reason::FirstInOrder);
    assert_eq!(choice.to_string(), "a: first in order");
}

#[test]
fn unknown_and_suspect_can_be_asked() {
    for state in [State::Unknown, State::Suspect] {
        let all = [candidate("a", state), candidate("b", State::Healthy)];
        assert_eq!(picked(&all).as_deref(), Some("a"));
    }
}

#[test]
fn down_and_probing_are_passed_over_with_the_reason() {
    let mut all =
        [candidate("a", State::Down), candidate("b", State::Probing), candidate("c", State::Unknown)];
    all[0].standing.why = Some("connection refused".into());
    assert_eq!(
        choose(&all, NOW).to_string(),
        "c: next in order; not a: down for 2 min 5 s: connection refused; \
         not b: down for 2 min 5 s, being probed for its return"
    );
}

#[test]
fn drained_says_who_and_why_and_for_how_long() {
    let mut all = [candidate("a", State::Healthy), candidate("b", State::Healthy)];
    all[0].standing.order = ordered(What::Drain, Some(Moment(NOW.0 + 90_000_000)));
    let choice = choose(&all, NOW);
    assert_eq!(
        choice.to_string(),
        "b: next in order; not a: drained by kim (certificate work) for another 1 min 30 s"
    );
    all[1].standing.order = ordered(What::Drain, None);
    assert_eq!(picked(&all), None, "and the last one stays drained as well");
}

#[test]
fn force_goes_before_order_health_and_misconfiguration_but_not_before_what_is_impossible() {
    let mut all = [candidate("a", State::Healthy), candidate("b", State::Down)];
    all[1].standing.misconfigured = Some("invalid_client".into());
    all[1].standing.order = ordered(What::Force, None);
    let choice = choose(&all, NOW);
    assert_eq!(choice.picked.as_deref(), Some("b"));
    assert_eq!(choice.skipped[0].why, SkipReason::AnotherForced);
    all[1].tried = true;
    assert_eq!(picked(&all).as_deref(), Some("a"), "this login has asked it already");
    all[1].tried = false;
    all[1].able = Err("its protocol is not built yet");
    assert_eq!(picked(&all).as_deref(), Some("a"));
}

#[test]
fn an_order_that_has_ended_is_no_order() {
    let mut all = [candidate("a", State::Healthy), candidate("b", State::Healthy)];
    all[0].standing.order = ordered(What::Drain, Some(NOW));
    all[1].standing.order = ordered(What::Force, Some(NOW));
    assert_eq!(picked(&all).as_deref(), Some("a"));
}

#[test]
fn misconfigured_is_out_and_says_that_an_operator_has_to_act() {
    let mut all = [candidate("a", State::Healthy), candidate("b", State::Healthy)];
    all[0].standing.misconfigured = Some("invalid_client".into());
    assert!(
        choose(&all, NOW)
            .to_string()
            .contains("not a: misconfigured, an operator has to act: invalid_client")
    );
}

#[test]
fn a_doubted_member_is_used_when_nobody_else_can_be() {
    let mut all = [candidate("a", State::Suspect), candidate("b", State::Healthy)];
    all[0].standing.doubted = true;
    let choice = choose(&all, NOW);
    assert_eq!(choice.picked.as_deref(), Some("b"));
    assert!(matches!(choice.skipped[0].why, SkipReason::Doubted { .. }));
    all[1].tried = true;
    let choice = choose(&all, NOW);
    assert_eq!((choice.picked.as_deref(), &choice.reason), (Some("a"), &Reason::LastResort));
}

#[test]
fn nobody_left_names_everybody_and_why() {
    let mut all =
        [candidate("a", State::Down), candidate("b", State::Healthy), candidate("c", State::Healthy)];
    all[1].tried = true;
    all[2].able = Err("it cannot meet the required acr");
    assert_eq!(
        choose(&all, NOW).to_string(),
        "nobody left to ask; not a: down for 2 min 5 s; not b: this login has asked it already; \
         not c: cannot serve this login: it cannot meet the required acr"
    );
    assert_eq!(choose(&[], NOW).reason, Reason::NobodyLeft);
}

#[test]
fn a_choice_can_be_read_back_from_a_log() {
    let mut all =
        [candidate("a", State::Down), candidate("b", State::Healthy), candidate("c", State::Healthy)];
    all[1].standing.order = ordered(What::Drain, None);
    let choice = choose(&all, NOW);
    let line = serde_json::to_string(&choice).unwrap();
    assert_eq!(serde_json::from_str::<mangrove_continuity::Choice>(&line).unwrap(), choice, "{line}");
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

type Facts = (usize, usize, bool, bool, bool, bool);

fn facts() -> impl Strategy<Value = Facts> {
    (0_usize..5, 0_usize..4, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>())
}

fn build(all: &[Facts]) -> Vec<Candidate<'static>> {
    let states = [State::Unknown, State::Healthy, State::Suspect, State::Down, State::Probing];
    all.iter()
        .zip(NAMES)
        .map(|((state, order, tried, able, misconfigured, doubted), name)| {
            let mut built = candidate(name, states[*state]);
            built.tried = *tried;
            built.able = if *able { Ok(()) } else { Err("not able") };
            built.standing.misconfigured = misconfigured.then(|| "invalid_client".into());
            built.standing.doubted = *doubted;
            built.standing.order = match order {
                1 => ordered(What::Drain, None),
                2 => ordered(What::Force, None),
                _ => None,
            };
            built
        })
        .collect()
}

/// Better is smaller; `None` is out of the question.
fn rank((state, order, tried, able, misconfigured, doubted): &Facts) -> Option<u8> {
    match (tried, able, order) {
        (true, ..) | (_, false, _) | (.., 1) => None,
        (.., 2) => Some(0),
        _ if *misconfigured || *state >= 3 => None,
        _ if *doubted => Some(2),
        _ => Some(1),
    }
}

#[test]
fn a_browser_that_came_back_unanswered_goes_on_and_after_the_last_begins_again() {
    let mut all = [candidate("a", State::Healthy), candidate("b", State::Healthy)];
    all[0].unanswered = true;
    let choice = choose(&all, NOW);
    assert_eq!(choice.to_string(), "b: next in order; not a: this browser came back from there unanswered");
    all[1].standing.doubted = true;
    assert_eq!(picked(&all).as_deref(), Some("a"), "what answers is better than what does not");
    all[1].standing.doubted = false;
    all[1].unanswered = true;
    let choice = choose(&all, NOW);
    assert_eq!((choice.picked.as_deref(), choice.reason), (Some("a"), Reason::FirstAgain));
    all[0].standing.order = ordered(What::Force, None);
    all[1].unanswered = false;
    assert_eq!(picked(&all).as_deref(), Some("a"), "an operator's word stands above a browser's way");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_choice_is_the_best_rank_and_among_equals_the_first(all in prop::collection::vec(facts(), 0..5)) {
        let candidates = build(&all);
        let choice = choose(&candidates, NOW);
        let best = all.iter().enumerate().filter_map(|(i, f)| Some((rank(f)?, i))).min().map(|(_, i)| i);
        prop_assert_eq!(choice.picked.as_deref(), best.map(|i| NAMES[i]));
        let before: Vec<&str> = NAMES[..best.unwrap_or(all.len())].to_vec();
        let skipped: Vec<&str> = choice.skipped.iter().map(|s| s.name.as_str()).collect();
        prop_assert_eq!(skipped, before, "everybody before it is named, in order");
    }

    #[test]
    fn without_orders_nobody_is_asked_who_is_out_tried_or_misconfigured(
        all in prop::collection::vec(facts(), 0..5),
    ) {
        let candidates = build(&all);
        if let Some(name) = choose(&candidates, NOW).picked {
            let asked = candidates.iter().find(|c| c.name == name).unwrap();
            prop_assert!(!asked.tried && asked.able.is_ok());
            let forced = asked.standing.order.is_some();
            prop_assert!(forced || (asked.standing.state.usable() && asked.standing.misconfigured.is_none()));
        }
    }
}
