//! What a run was worth: a history goes in, and out come the end of each login, each expectation with its number, and
//! an exit code. Reads the history only. A node's word counts where the question is what the node said, and nowhere else.
//!
//! [`world`] is the mesh over time ([`names`] known in it, [`conduct`] of providers), [`ends`] what each login and visit was worth,
//! [`mod@judge`] what of that was expected. Measures have rooms of their own: `counts`, `first` after a fault or a heal; [`home`] says where browsers stood when a server
//! went, [`noticed`] when nodes said so, [`next`] what those paid who came later, [`slower`] what others paid, [`vouched`] who vouched for whom, `renewed` whose tokens were renewed, [`agree`] holds
//! real browsers against simulated ones. [`machine`] is whether times mean anything, [`stats`] the arithmetic.

pub mod agree;
pub mod conduct;
mod counts;
pub mod ends;
mod first;
pub mod home;
pub mod judge;
pub mod machine;
pub mod names;
pub mod next;
pub mod noticed;
mod renewed;
pub mod slower;
pub mod stats;
pub mod told;
pub mod vouched;
pub mod world;

#[cfg(test)]
mod every_measure;
#[cfg(test)]
mod leaving;
#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::ends::sign_outs::After;
use self::ends::visits::VisitEnd;
use self::ends::{End, Ends};
use self::judge::{Court, Outcome, Ruling};
use self::machine::Machine;
use self::world::World;
use crate::history::{Event, Micros, Probing, What};
use crate::language::{Bound, Expectation, Limit, Measure};

/// So many probes may disagree with the faults by chance, or this share of them.
const PROBES_BY_CHANCE: usize = 3;
const PROBES_BY_CHANCE_SHARE: usize = 50;

/// A run, judged.
pub struct Verdict<'a> {
    /// The mesh over time.
    pub world: World<'a>,
    /// What people did, judged.
    pub ends: Ends<'a>,
    /// Each expectation, in the order of the file; that nobody is wrong is always among them.
    pub outcomes: Vec<Outcome>,
    /// Whether TCP probes met what the faults say.
    pub probes: Probes,
    /// Whether the machine was fit to judge on.
    pub machine: Machine,
    /// How the logins ended, by region: before the probes could notice a change, and otherwise.
    pub counts: BTreeMap<String, Counts>,
}

/// How many logins ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// While the probes could not have noticed the last change yet.
    pub unnoticed: BTreeMap<End, usize>,
    /// All others.
    pub noticed: BTreeMap<End, usize>,
}

/// Whether TCP probes met what the faults say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probes {
    /// Probes that could be held against the faults.
    pub compared: usize,
    /// Those that met something else.
    pub disagreed: usize,
    /// The first of them, in words.
    pub example: String,
}

impl Probes {
    /// Whether nobody can say that the faults were what the history says: too many disagree, or none was made.
    pub fn doubtful(&self) -> bool {
        self.compared == 0 || self.disagreed > PROBES_BY_CHANCE.max(self.compared / PROBES_BY_CHANCE_SHARE)
    }
}

/// Judges a history. `attempts`: least number where an expectation names none. The error says what the history lacks.
pub fn judge<'a>(
    events: &'a [Event],
    expected: &[Expectation],
    attempts: u32,
) -> Result<Verdict<'a>, String> {
    let world = World::read(events)?;
    let ends = Ends::judge(&world, events);
    let machine = Machine::of(events);
    let refused = told::refused(events);
    let court = Court { world: &world, ends: &ends, refused: &refused, attempts, machine: &machine };
    let mut outcomes: Vec<Outcome> = expected.iter().map(|expected| court.judge(expected)).collect();
    let strict = never_wrong();
    let says_so = |it: &Expectation| {
        let everywhere = it.region.is_none() && it.after_change.is_none();
        it.measure == strict.measure && it.bound == strict.bound && everywhere
    };
    if !expected.iter().any(says_so) {
        outcomes.push(court.judge(&strict));
    }
    let counts = counts(&world, &court, &ends);
    let probes = probes(&world, events);
    Ok(Verdict { outcomes, probes, machine, counts, world, ends })
}

impl Verdict<'_> {
    /// 0: everything holds. 1: something does not. 2: it cannot be judged. Where the faults were not what the history says, what
    /// was live is not known, and only somebody else's session is a failure.
    pub fn code(&self) -> u8 {
        let any = |ruling| self.outcomes.iter().any(|outcome| outcome.ruling == ruling);
        let wrong = self.ends.logins.iter().any(|login| login.end == End::Wrong)
            || self.ends.visits.iter().any(|visit| visit.end == VisitEnd::Wrong)
            || self.ends.sign_outs.iter().any(|sign_out| sign_out.after == After::StillSignedIn);
        if any(Ruling::Fails) && (wrong || !self.probes.doubtful()) {
            1
        } else if any(Ruling::CannotJudge) || self.probes.doubtful() || self.machine.busy() {
            2
        } else {
            0
        }
    }

    /// The verdict in a sentence.
    pub fn sentence(&self) -> String {
        let total = self.ends.logins.len();
        let number = |end| self.ends.logins.iter().filter(|login| login.end == end).count();
        let mut parts = vec![format!("{total} logins: {} signed in", number(End::SignedIn))];
        for end in [End::Told, End::CutOff, End::Lost, End::Wrong, End::Apart] {
            if number(end) > 0 || matches!(end, End::Lost | End::Wrong) {
                parts.push(format!(
                    "{} {}",
                    number(end),
                    if end == End::Apart { "listed apart" } else { end.words() }
                ));
            }
        }
        let still = self.ends.sign_outs.iter().filter(|it| it.after == After::StillSignedIn).count();
        match self.ends.sign_outs.len() {
            0 => {}
            all => parts.push(format!("{all} sign-outs: {still} still signed in")),
        }
        let ruled = |ruling| self.outcomes.iter().filter(|outcome| outcome.ruling == ruling).count();
        let all = self.outcomes.len();
        let head = match self.code() {
            0 => format!("Passed: all {all} expectations hold."),
            1 => format!("Failed: {} of {all} expectations do not hold.", ruled(Ruling::Fails)),
            _ if self.probes.compared == 0 => "Void: no TCP probe checked the faults.".to_owned(),
            _ if self.probes.doubtful() => "Void: the network was not what the faults say.".to_owned(),
            _ if !self.machine.measured() => format!("Void: {}.", self.machine.words()),
            _ if self.machine.busy() => {
                let longer = judge::in_words(self.machine.longer());
                format!(
                    "Void: the machine was too busy (a login took {longer} longer by it): run it again, alone."
                )
            }
            _ => format!("Cannot judge {} of {all} expectations.", ruled(Ruling::CannotJudge)),
        };
        format!("{head} {}.", parts.join(", "))
    }
}

/// Always expected.
fn never_wrong() -> Expectation {
    Expectation {
        text: "logins wrong 0 (always)".to_owned(),
        region: None,
        after_change: None,
        meanwhile: None,
        attempts: None,
        measure: Measure::LoginsWrong,
        about: Vec::new(),
        bound: Bound::Exactly(Limit::Count(0.0)),
        line: 0,
    }
}

/// How long the slowest prober may need to notice something: that a member died, or that it is back.
pub fn noticed_within(world: &World<'_>) -> Micros {
    let time = |probing: &Probing| {
        let most = probing.unhealthy_threshold.max(probing.healthy_threshold);
        probing.interval_us.saturating_mul(u64::from(most)) + probing.timeout_us
    };
    world.run.servers.iter().filter_map(|server| server.probing.as_ref()).map(time).max().unwrap_or_default()
}

fn counts(world: &World<'_>, court: &Court<'_, '_>, ends: &Ends<'_>) -> BTreeMap<String, Counts> {
    let time = noticed_within(world);
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for login in &ends.logins {
        let here = counts.entry(login.login.region.clone()).or_default();
        let side =
            if court.before_noticed(login.window, time) { &mut here.unnoticed } else { &mut here.noticed };
        *side.entry(login.end).or_default() += 1;
    }
    counts
}

fn probes(world: &World<'_>, events: &[Event]) -> Probes {
    let mut probes = Probes::default();
    for event in events {
        let What::Probe(probe) = &event.what else { continue };
        let Some(expected) = world.expected(probe, event.at) else { continue };
        probes.compared += 1;
        if expected != probe.connected {
            probes.disagreed += 1;
            if probes.example.is_empty() {
                let met = if probe.connected { "was answered" } else { "was not answered" };
                let after = judge::in_words(probe.began.saturating_sub(world.begin));
                probes.example =
                    format!("{after} into the run a probe from {} to {} {met}", probe.from, probe.to);
            }
        }
    }
    probes
}
