//! `rounds`: the same people sign in with the timeline and without it, in turn, so that the two can be compared on one
//! machine in one run. What that asks of a timeline, and the plan of it.

use std::time::Duration;

use super::read::Reader;
use super::tree::Place;
use super::{Cut, Healed, Measure, Step, Topology, Verb, units};

/// A part of a run in which people begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Which pair it belongs to, from 1.
    pub pair: u32,
    /// Whether the timeline happens in it.
    pub faults: bool,
    /// When it begins, after people began.
    pub begins: Duration,
}

/// The rounds of a run; one with the timeline where none were asked for. Which of a pair comes first alternates (without,
/// with, with, without): a machine that gets busier or idler does so for both sides.
pub fn plan(topology: &Topology) -> Vec<Round> {
    let Some(pairs) = topology.settings.rounds else {
        return vec![Round { pair: 1, faults: true, begins: Duration::ZERO }];
    };
    let round = |number: u32| {
        let (pair, second) = (number / 2, number % 2);
        Round { pair: pair + 1, faults: pair % 2 != second, begins: topology.settings.duration * number }
    };
    (0..2 * pairs).map(round).collect()
}

/// Every step of a run, in the order of time.
pub fn steps(topology: &Topology) -> Vec<Step> {
    let of_round = |round: Round| {
        let steps = topology.timeline.iter();
        steps.map(move |step| Step { after: round.begins + step.after, ..step.clone() })
    };
    let mut steps: Vec<_> =
        plan(topology).into_iter().filter(|round| round.faults).flat_map(of_round).collect();
    steps.sort_by_key(|step| step.after);
    steps
}

/// Reads the number of pairs.
pub(super) fn read(text: &str) -> Result<u32, String> {
    match units::count(text)? {
        pairs @ 2..=50 => Ok(pairs),
        _ => Err("2 to 50 pairs of rounds can be compared; write for example `rounds: 4`".to_owned()),
    }
}

/// Notes what cannot be compared, and timelines that leave something broken for the next round.
pub(super) fn check(topology: &Topology, reader: &mut Reader<'_>) {
    let at = |line: u64| Place { line, column: 1 };
    if topology.settings.rounds.is_none() {
        for slower in topology.expect.iter().filter(|it| it.measure == Measure::Slower) {
            let hint = "write `rounds: 4` under `settings`: `duration` is then one round of eight, and every other one is \
                        without the timeline";
            let what = "`slower` compares rounds with the timeline and rounds without, and there are none";
            reader.problem(at(slower.line), "expect.slower", what, hint);
        }
        return;
    }
    let mut steps: Vec<_> = topology.timeline.iter().collect();
    steps.sort_by_key(|step| step.after);
    let mut open: Vec<Open> = Vec::new();
    for step in steps {
        match &step.verb {
            Verb::Heal { cuts } if cuts.is_empty() => open.retain(|it| it.undo != "heal: all"),
            Verb::Heal { cuts } => {
                open.iter_mut().for_each(|it| it.cuts.retain(|cut| !cuts.contains(cut)));
                open.retain(|it| it.thing.is_some() || it.undo != "heal: all" || !it.cuts.is_empty());
            }
            Verb::HealOne { what } => open.retain(|it| it.thing.as_ref() != Some(what)),
            Verb::Start { node } => open.retain(|it| it.undo != format!("start: {node}")),
            Verb::Resume { node } => open.retain(|it| it.undo != format!("resume: {node}")),
            Verb::Restart { .. } | Verb::Random { .. } => {}
            fault => open.push(Open::by(fault, step.line)),
        }
    }
    for left in open {
        let what = "the round ends with this still in force, and the next one is without it";
        reader.problem(at(left.line), "timeline", what, &format!("add a step `{}` after it", left.undo));
    }
}

/// What a step has made worse, until it is undone.
struct Open {
    /// The step that surely undoes it.
    undo: String,
    /// What has a heal of its own.
    thing: Option<Healed>,
    /// Ways that are not healed yet.
    cuts: Vec<Cut>,
    line: u64,
}

impl Open {
    fn by(fault: &Verb, line: u64) -> Self {
        let undo = match fault {
            Verb::Kill { node } => format!("start: {node}"),
            Verb::Pause { node } => format!("resume: {node}"),
            _ => "heal: all".to_owned(),
        };
        let thing = match fault {
            Verb::Dns { region, .. } => Some(Healed::Dns(region.clone())),
            Verb::Break { idp, .. } => Some(Healed::Idp(idp.clone())),
            Verb::Skew { node, .. } => Some(Healed::Clock(node.clone())),
            Verb::Fill { node } => Some(Healed::Disk(node.clone())),
            Verb::Flip { endpoint, .. } => Some(Healed::Endpoint(endpoint.clone())),
            _ => None,
        };
        Self { undo, thing, cuts: fault.cuts().to_vec(), line }
    }
}
