//! `random`: faults by chance, for long runs. Which comes when, and how long it lasts, is a pure function of the seed; so a
//! run is repeated by its seed. Reads the verb, and spreads it over the time line before the run.

use std::time::Duration;

use super::read::Reader;
use super::timeline::{self, Around, Step, Verb};
use super::tree::Tree;
use super::{Healed, units};
use crate::agent::chance::Chance;
use crate::history::{StepKind, micros};

/// Most kinds of nodes need this long to notice that a fault is over; more often nobody could say which fault it was.
const OFTENEST: Duration = Duration::from_secs(10);

/// Which faults come by chance, and when.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Of the chance; none: that of the settings.
    pub seed: Option<u64>,
    /// A fault begins and ends in each such time.
    pub every: Duration,
    /// For how long faults come.
    pub lasts: Duration,
    /// Which; each is as likely as another, and comes more often if it stands there more often.
    pub of: Vec<Step>,
}

/// Reads `random`.
pub(super) fn read(reader: &mut Reader<'_>, argument: &Tree, around: &Around<'_>) -> Option<(Verb, String)> {
    let mut section = reader.section("timeline.random", argument);
    let seed = section.parsed("seed", |text| units::count(text).map(u64::from));
    let every = section.parsed("every", |text| match units::duration(text)? {
        time if time >= OFTENEST => Ok(time),
        _ => Err("a fault begins and ends in this time: `10s` or more".to_owned()),
    });
    let lasts = section.needed("for", "say how long faults come, `for: 4m`");
    let lasts = lasts.and(section.parsed("for", units::duration));
    let items = section.take("of").map(Tree::items).unwrap_or_default();
    section.finish();
    let of: Vec<Step> = items.iter().filter_map(|item| timeline::read_now(reader, item, around)).collect();
    for step in of.iter().filter(|step| !is_fault(&step.verb)) {
        let what = format!("`{}` is no fault that comes by chance", step.text);
        let hint = "write faults that end: what heals them comes by itself";
        reader.problem(argument.place, "timeline.random.of", &what, hint);
    }
    if items.is_empty() {
        let hint = "write a list, `of: [{ kill: root-dc1 }, { pause: root-dc2 }]`";
        reader.problem(argument.place, "timeline.random", "no fault is named", hint);
    }
    let (every, lasts) = (every.unwrap_or(2 * OFTENEST), lasts?);
    if lasts < every {
        let hint = format!("write `for: {}` or more", units::show(every));
        reader.problem(argument.place, "timeline.random.for", "no fault comes in so short a time", &hint);
        return None;
    }
    let text = format!("random: a fault every {} for {}", units::show(every), units::show(lasts));
    Some((Verb::Random { plan: Plan { seed, every, lasts, of } }, text))
}

fn is_fault(verb: &Verb) -> bool {
    verb.kind() == StepKind::Fault && !matches!(verb, Verb::Trace { .. })
}

/// Puts behind each `random` of a time line the faults that it means; `usual` is the seed where it names none.
pub(super) fn spread(timeline: &mut Vec<Step>, usual: u64) {
    let mut made = Vec::new();
    for step in timeline.iter_mut() {
        let Verb::Random { plan } = &step.verb else { continue };
        let seed = plan.seed.unwrap_or(usual);
        step.text = format!("{}, seed {seed}", step.text);
        made.extend(faults(plan, step, seed));
    }
    timeline.extend(made);
}

/// Each time has one fault: it begins in the first quarter, lasts a quarter to five eighths, and the last eighth is quiet.
fn faults(plan: &Plan, random: &Step, seed: u64) -> Vec<Step> {
    let mut chance = Chance::new(seed, "random");
    let mut within = |time: Duration| Duration::from_micros(chance.below(micros(time)));
    let most = u64::try_from(plan.of.len()).unwrap_or(u64::MAX);
    let times = plan.lasts.as_micros() / plan.every.as_micros().max(1);
    let mut made = Vec::new();
    for number in 0..u32::try_from(times).unwrap_or(u32::MAX) {
        let begins = random.after + plan.every * number + within(plan.every / 4);
        let ends = begins + plan.every / 4 + within(plan.every * 3 / 8);
        let which = within(Duration::from_micros(most)).as_micros();
        let Some(fault) = usize::try_from(which).ok().and_then(|which| plan.of.get(which)) else { continue };
        made.push(Step { after: begins, line: random.line, ..fault.clone() });
        made.extend(end(fault).map(|(verb, text)| Step { after: ends, verb, text, line: random.line }));
    }
    made
}

/// What ends a fault; none where it ends by itself.
fn end(fault: &Step) -> Option<(Verb, String)> {
    Some(match &fault.verb {
        Verb::Kill { node } => (Verb::Start { node: node.clone() }, format!("start {node}")),
        Verb::Pause { node } => (Verb::Resume { node: node.clone() }, format!("resume {node}")),
        Verb::Break { how, .. } if how.is_of_keys() => return None,
        Verb::Restart { .. } => return None,
        Verb::Break { idp, .. } => (Verb::HealOne { what: Healed::Idp(idp.clone()) }, format!("heal {idp}")),
        Verb::Skew { node, .. } => {
            (Verb::HealOne { what: Healed::Clock(node.clone()) }, format!("heal the clock of {node}"))
        }
        Verb::Fill { node } => {
            (Verb::HealOne { what: Healed::Disk(node.clone()) }, format!("heal the disk of {node}"))
        }
        Verb::Flip { endpoint, .. } => {
            (Verb::HealOne { what: Healed::Endpoint(endpoint.clone()) }, format!("flip {endpoint} back"))
        }
        Verb::Dns { region, .. } => {
            (Verb::HealOne { what: Healed::Dns(region.clone()) }, format!("heal the dns of {region}"))
        }
        verb => (Verb::Heal { cuts: verb.cuts().to_vec() }, format!("heal ({})", fault.text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Cut, How};

    const EVERY: Duration = Duration::from_secs(20);

    fn fault(verb: Verb) -> Step {
        Step { after: Duration::ZERO, verb, text: "fault".to_owned(), line: 1 }
    }

    fn spread_by(seed: Option<u64>, usual: u64) -> Vec<Step> {
        let cut = Cut { from: "a".into(), to: "b".into() };
        let of = vec![
            fault(Verb::Kill { node: "root".into() }),
            fault(Verb::Partition { cuts: vec![cut], how: How::Refused }),
            fault(Verb::Restart { node: "corp".into() }),
        ];
        let plan = Plan { seed, every: EVERY, lasts: EVERY * 30, of };
        let after = Duration::from_secs(5);
        let mut timeline = vec![Step { after, ..fault(Verb::Random { plan }) }];
        spread(&mut timeline, usual);
        timeline
    }

    #[test]
    fn the_seed_repeats_the_faults_and_is_told() {
        assert_eq!(spread_by(Some(7), 1), spread_by(Some(7), 2));
        assert_ne!(spread_by(Some(7), 1)[1..], spread_by(Some(8), 1)[1..]);
        assert_eq!(spread_by(None, 3)[1..], spread_by(Some(3), 1)[1..]);
        assert_eq!(spread_by(None, 3)[0].text, "fault, seed 3");
    }

    #[test]
    fn each_fault_ends_before_the_next_begins_and_each_kind_comes() {
        let steps = &spread_by(Some(7), 1)[1..];
        let begins: Vec<_> = steps.iter().filter(|step| step.verb.kind() == StepKind::Fault).collect();
        assert_eq!(begins.len(), 30);
        for (number, fault) in begins.iter().enumerate() {
            let from = Duration::from_secs(5) + EVERY * u32::try_from(number).unwrap();
            assert!(fault.after >= from && fault.after < from + EVERY / 4, "{fault:?}");
        }
        for heal in steps.iter().filter(|step| step.verb.kind() == StepKind::Heal) {
            let last = begins.iter().rfind(|fault| fault.after <= heal.after).unwrap();
            assert!(heal.after >= last.after + EVERY / 4 && heal.after < last.after + EVERY * 5 / 8);
            let fits = match (&last.verb, &heal.verb) {
                (Verb::Kill { node }, Verb::Start { node: started }) => node == started,
                (Verb::Partition { cuts, .. }, Verb::Heal { cuts: healed }) => cuts == healed,
                _ => false,
            };
            assert!(fits, "{heal:?} after {last:?}");
        }
        let comes = |wanted: fn(&Verb) -> bool| begins.iter().filter(|step| wanted(&step.verb)).count();
        let kinds = [
            comes(|verb| matches!(verb, Verb::Kill { .. })),
            comes(|verb| matches!(verb, Verb::Partition { .. })),
            comes(|verb| matches!(verb, Verb::Restart { .. })),
        ];
        assert!(kinds.iter().all(|times| *times > 3), "{kinds:?}");
    }
}
