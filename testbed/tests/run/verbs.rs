//! Every verb of the timeline happens when the file says, is told with the time at which it had taken effect, and is seen
//! by TCP probes that know nothing of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mangrove_testbed::history::{self, Event, MILLISECOND, Micros, PathState, ProcessState, What};

use super::stand_in::{Run, TOPOLOGY};

/// Changes of the network fall between two probes (each half second): one that is under way would wait the whole cut out.
const TIMELINE: &str = "
settings: { duration: 6s, patience: 1s }
timeline:
  - { after: 750ms, partition: { between: [cloud, branch], how: refused } }
  - { after: 1750ms, heal: all }
  - { after: 2250ms, slow: { between: [cloud, branch], by: 30ms } }
  - { after: 2350ms, lossy: { from: cloud, to: branch, loss: 1% } }
  - { after: 2750ms, heal: { between: [cloud, branch] } }
  - { after: 2850ms, pause: corp }
  - { after: 3050ms, resume: corp }
  - { after: 3250ms, restart: corp }
  - { after: 3750ms, kill: corp }
  - { after: 5250ms, start: corp }
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

/// What `work` makes, and by how much the machine woke a thread too late meanwhile: that much is not the run's doing.
fn beside_a_clock<T>(work: impl FnOnce() -> T) -> (T, Micros) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clock = scope.spawn(|| {
            let mut worst = 0;
            while !done.load(Ordering::Relaxed) {
                let asleep = history::now();
                std::thread::park_timeout(Duration::from_millis(5));
                worst = worst.max((history::now() - asleep).saturating_sub(5 * MILLISECOND));
            }
            worst
        });
        let made = work();
        done.store(true, Ordering::Relaxed);
        (made, clock.join().unwrap())
    })
}

#[test]
fn verbs_happen_on_time_and_probes_see_them() {
    let topology = TOPOLOGY.replace("settings: { duration: 60s, patience: 1s }", TIMELINE);
    let ((code, events), machine) = beside_a_clock(|| Run::start(&topology).finish());
    assert!(code != Some(0), "nobody signs in at stand-ins, and that is no pass");
    let begin = at(&events, |what| *what == What::Begin)[0];

    let steps = at(&events, |what| matches!(what, What::Step(_)));
    assert!(steps.is_sorted());
    for (step, wanted) in steps.iter().zip([750, 1750, 2250, 2350, 2750, 2850, 3050, 3250, 3750, 5250]) {
        let late = (step - begin).saturating_sub(wanted * MILLISECOND);
        assert!(
            *step >= begin + wanted * MILLISECOND && late < 150 * MILLISECOND + machine,
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

    // A step is written down a little after it took effect; a probe in between may have met either.
    let begun: Vec<Micros> = events
        .iter()
        .filter_map(|event| if let What::Step(step) = &event.what { Some(step.began) } else { None })
        .collect();
    let cut = path(|state| *state == PathState::Refused)[0]..begun[1];
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
    assert!(probes(&(dead..begun[9])).iter().all(|connected| !connected));
    assert!(probes(&(begin..begun[0])).iter().all(|connected| *connected));
}
