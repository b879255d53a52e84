//! Every verb of the timeline happens when the file says, is told with the time at which it had taken effect, and is seen
//! by TCP probes that know nothing of it.

use mangrove_testbed::history::{Event, MILLISECOND, Micros, PathState, ProcessState, What};

use super::stand_in::{Run, TOPOLOGY};

const TIMELINE: &str = "
settings: { duration: 6s, patience: 1s }
timeline:
  - { after: 500ms, partition: { between: [cloud, branch], how: refused } }
  - { after: 1500ms, heal: all }
  - { after: 2s, slow: { between: [cloud, branch], by: 30ms } }
  - { after: 2100ms, lossy: { from: cloud, to: branch, loss: 1% } }
  - { after: 2500ms, heal: { between: [cloud, branch] } }
  - { after: 2600ms, pause: corp }
  - { after: 2800ms, resume: corp }
  - { after: 3s, restart: corp }
  - { after: 3500ms, kill: corp }
  - { after: 5s, start: corp }
";

fn at(events: &[Event], what: impl Fn(&What) -> bool) -> Vec<Micros> {
    events.iter().filter(|event| what(&event.what)).map(|event| event.at).collect()
}

fn states(events: &[Event], begin: Micros) -> Vec<ProcessState> {
    let changes = events.iter().filter(|event| event.at > begin).filter_map(|event| match &event.what {
        What::Process(change) if change.server == "corp" => Some(change.state),
        _ => None,
    });
    changes.collect()
}

#[test]
fn verbs_happen_on_time_and_probes_see_them() {
    let topology = TOPOLOGY.replace("settings: { duration: 60s, patience: 1s }", TIMELINE);
    let (code, events) = Run::start(&topology).finish();
    assert_eq!(code, Some(1), "nobody signs in at stand-ins, and that is told");
    let begin = at(&events, |what| *what == What::Begin)[0];

    let steps = at(&events, |what| matches!(what, What::Step(_)));
    for (step, wanted) in steps.iter().zip([500, 1500, 2000, 2100, 2500, 2600, 2800, 3000, 3500, 5000]) {
        let late = (step - begin).saturating_sub(wanted * MILLISECOND);
        assert!(
            *step >= begin + wanted * MILLISECOND && late < 150 * MILLISECOND,
            "{wanted} ms: {late} us late"
        );
    }
    let path = |wanted: fn(&PathState) -> bool| {
        at(&events, |what| matches!(what, What::Path(it) if wanted(&it.state)))
    };
    assert_eq!(path(|state| *state == PathState::Refused).len(), 2);
    assert_eq!(path(|state| *state == PathState::Open).len(), 4);
    assert_eq!(path(|state| matches!(state, PathState::Impaired { .. })).len(), 3);

    use ProcessState::{Paused, Running, Starting, Stopped};
    assert_eq!(
        states(&events, begin),
        [Paused, Running, Stopped, Starting, Running, Stopped, Starting, Running]
    );

    let cut = path(|state| *state == PathState::Refused)[0]..steps[1];
    let probes = |span: &std::ops::Range<Micros>| -> Vec<bool> {
        let within = |event: &&Event| span.contains(&event.at);
        let corp = events.iter().filter(within).filter_map(|event| match &event.what {
            What::Probe(probe) if probe.to == "corp" && span.contains(&probe.began) => Some(probe.connected),
            _ => None,
        });
        corp.collect()
    };
    assert!(!probes(&cut).is_empty() && probes(&cut).iter().all(|connected| !connected));
    let dead =
        at(&events, |what| matches!(what, What::Process(it) if it.server == "corp" && it.state == Stopped))
            [1];
    assert!(probes(&(dead..steps[9])).iter().all(|connected| !connected));
    assert!(probes(&(begin..steps[0])).iter().all(|connected| *connected));
}
