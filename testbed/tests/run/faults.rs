//! Faults beyond cuts and signals really happen: seen by probes, and by what is asked from inside a region.

use mangrove_testbed::history::{Event, MILLISECOND, Micros, Probe, Step, What};

use super::stand_in::{Run, TOPOLOGY};

/// What a run with this time line left; `files` lie beside the topology.
fn happened(timeline: &str, files: &[(&str, &str)]) -> Vec<Event> {
    let topology = TOPOLOGY.replace("settings: { duration: 60s, patience: 1s }", timeline);
    let (code, events) = Run::start_beside(&topology, files).finish();
    assert_eq!(code, Some(1), "nobody signs in at stand-ins, and that is told");
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
