//! Faults beyond cuts and signals really happen: seen by probes, and by what is asked from inside a region.

use mangrove_testbed::history::{
    Event, IdpState, MILLISECOND, Micros, NamesState, Probe, Step, Trouble, What,
};

use super::stand_in::{Run, TOPOLOGY};

/// What a run with this time line left; `files` lie beside the topology.
fn happened(timeline: &str, files: &[(&str, &str)]) -> Vec<Event> {
    happened_to(TOPOLOGY, timeline, files)
}

fn happened_to(topology: &str, timeline: &str, files: &[(&str, &str)]) -> Vec<Event> {
    let topology = topology.replace("settings: { duration: 60s, patience: 1s }", timeline);
    let (code, events) = Run::start_beside(&topology, files).finish();
    assert!(code != Some(0), "nobody signs in at stand-ins, and that is told");
    events
}

fn steps(events: &[Event]) -> Vec<(Micros, &Step)> {
    let each = events.iter().filter_map(|event| match &event.what {
        What::Step(step) => Some((event.at, step)),
        _ => None,
    });
    each.collect()
}

/// Probes of `corp` that began after one time and ended before another, and how long each took.
fn probes(events: &[Event], from: Micros, until: Micros) -> Vec<(&Probe, Micros)> {
    let each = events.iter().filter(|event| event.at < until).filter_map(|event| match &event.what {
        What::Probe(probe) if probe.to == "corp" && probe.began > from => {
            Some((probe, event.at - probe.began))
        }
        _ => None,
    });
    each.collect()
}

#[test]
fn a_throttle_a_trace_and_halves_are_met_by_probes() {
    let timeline = "
settings: { duration: 5s, patience: 1s }
timeline:
  - { after: 750ms, throttle: { between: [cloud, branch], rate: 8kbit } }
  - { after: 1750ms, heal: all }
  - { after: 2200ms, trace: { between: [cloud, branch], file: hill.trace } }
  - { after: 3750ms, partition: { half: [branch], how: refused } }
";
    let hill = "50ms up delay 100ms # a probe at 2.5 s\n550ms down # one at 3 s, for as long as it waits\n";
    let events = happened(timeline, &[("hill.trace", hill)]);
    let steps = steps(&events);
    let words: Vec<_> = steps.iter().map(|(_, step)| step.words.as_str()).collect();
    let trace = "trace cloud | branch by hill.trace";
    assert_eq!(
        words,
        [
            "throttle cloud | branch to 8kbit",
            "heal all",
            trace,
            &format!("{trace}: up, 100ms slower"),
            &format!("{trace}: down"),
            "partition branch | the rest (refused)",
        ]
    );
    let during = |step: usize| {
        let until = steps.get(step + 1).map_or(Micros::MAX, |(_, next)| next.began);
        let met = probes(&events, steps[step].0, until);
        assert!(!met.is_empty(), "no probe in step {step}");
        met
    };
    let healed = during(1);
    assert!(healed.iter().all(|(probe, _)| probe.connected), "{healed:?}");
    for (probe, took) in during(0) {
        // A SYN is 60 bytes: 60 ms at 8 kbit/s, and its answer as much.
        assert!(probe.connected && took > 100 * MILLISECOND, "{probe:?} in {took} us");
    }
    for (probe, took) in during(3) {
        assert!(probe.connected && took > 200 * MILLISECOND, "{probe:?} in {took} us");
    }
    assert!(probes(&events, steps[4].0, Micros::MAX).iter().all(|(probe, _)| !probe.connected));
    assert!(during(5).iter().all(|(_, took)| *took < 500 * MILLISECOND), "refused at once");
}

#[test]
fn a_dns_that_is_dead_lies_or_is_out_of_date_is_met_by_browsers_that_must_ask() {
    let four =
        TOPOLOGY.replace("count: 2, app: app, sign-in: every 1s", "count: 4, app: app, sign-in: every 4s");
    let timeline = "
settings: { duration: 7s, patience: 3s }
timeline:
  - { after: 750ms, dns: { region: branch, how: lying, about: app } }
  - { after: 1750ms, dns: { region: branch, how: stale } }
  - { after: 2750ms, dns: { region: branch, how: dead } } # a resolver gives up after two seconds
  - { after: 5750ms, heal: { dns: branch } }
  - { after: 6s, dns: { region: cloud } }
  - { after: 6500ms, heal: all }
";
    let events = happened_to(&four, timeline, &[]);
    let states: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Names(names) => Some((names.region.as_str(), names.state)),
            _ => None,
        })
        .collect();
    use NamesState::{Dead, Lying, Right, Stale};
    let branch = [Lying, Stale, Dead, Right].map(|state| ("branch", state));
    assert_eq!(states, [&branch[..], &[("cloud", Dead), ("cloud", Right)]].concat());

    // The four arrive a second apart, each under another state; each asks for the application's name first.
    let first = |person: &str| {
        let login = events.iter().find_map(|event| match &event.what {
            What::Login(login) if login.person == person => Some(login),
            _ => None,
        });
        let hop = &login.unwrap().hops[0];
        (hop.status.is_some(), hop.error)
    };
    assert_eq!(first("branch-01"), (true, None));
    assert_eq!(first("branch-02"), (false, Some(Trouble::Reset)), "somebody else listens there");
    let (answered, trouble) = first("branch-03");
    assert!(!answered && trouble.is_some_and(|it| it != Trouble::Dns), "nobody listens there: {trouble:?}");
    assert_eq!(first("branch-04"), (false, Some(Trouble::Dns)));
    let asked = |person: &str| {
        let named = |event: &&Event| matches!(&event.what, What::Named(it) if it.person == person);
        events.iter().filter(named).count()
    };
    assert_eq!(asked("branch-01"), 1, "what a browser knows it keeps");
    assert_eq!(asked("branch-02"), 1, "a lie too");
}

#[test]
fn a_provider_that_is_there_and_broken_is_met_by_probes_and_told() {
    let timeline = "
settings: { duration: 5s, patience: 1s }
timeline:
  - { after: 500ms, break: { idp: corp } }
  - { after: 1s, break: { idp: corp, how: expired certificate } }
  - { after: 1500ms, heal: { idp: corp } }
  - { after: 1600ms, fill: corp }
  - { after: 1750ms, kill: corp }
  - { after: 3250ms, break: { idp: corp, how: garbage } } # dead, and broken when it comes back
  - { after: 3750ms, start: corp }
  - { after: 4750ms, heal: all }
";
    let events = happened(timeline, &[]);
    let states: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Idp(change) => Some((change.server.as_str(), change.state)),
            _ => None,
        })
        .collect();
    use IdpState::{Errors, ExpiredCertificate, Garbage, Right};
    assert_eq!(states, [Errors, ExpiredCertificate, Right, Garbage, Right].map(|state| ("corp", state)));
    let steps = steps(&events);
    let words = steps.iter().map(|(_, step)| step.words.as_str());
    assert!(words.clone().any(|words| words == "fill corp"), "{:?}", words.collect::<Vec<_>>());
    let connected = |from: usize, until: usize| {
        let met = probes(&events, steps[from].0, steps[until].1.began);
        assert!(!met.is_empty(), "no probe between steps {from} and {until}");
        met.iter().map(|(probe, _)| probe.connected).collect::<Vec<_>>()
    };
    assert!(connected(0, 4).iter().all(|connected| *connected), "it is there");
    assert!(connected(4, 6).iter().all(|connected| !connected), "its front ends with it");
    assert!(connected(6, 7).contains(&true), "and comes back with it");
}
