//! A tier 3 mesh that exists on paper: two branches, two data centers, a cloud. It writes the history that a good
//! product would have left, or one that is broken in a way of one's choice, so that each expectation can be seen to
//! hold, to fail, and to refuse a run that is too thin.

mod mesh;
mod people;
mod product;

pub(crate) use self::mesh::mesh;
use self::mesh::{BRANCHES, ROOTS, edge, root_in};
use self::people::twin_of;
pub(crate) use self::product::Product;
use crate::agent::chance::Chance;
use crate::history::{
    Event, HealthChange, Lateness, MILLISECOND, Micros, PathChange, PathState, Person, Probe, ProcessChange,
    ProcessState, Round, SECOND, Step, StepKind, What, sort,
};

const BASE: Micros = 280 * MILLISECOND;
pub(crate) const BEGIN: Micros = 1_000 * SECOND;

/// A cut between a branch and some data centers.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) branch: &'static str,
    pub(crate) from_regions: &'static [&'static str],
    /// Seconds into the run.
    pub(crate) at: u64,
    /// Seconds into the run.
    pub(crate) healed: u64,
}

/// A run of that product.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) product: Product,
    pub(crate) cuts: Vec<Cut>,
    /// Seconds.
    pub(crate) lasts: u64,
    /// Pairs of rounds with the cuts and without, of equal length; 0: none.
    pub(crate) rounds: u64,
    /// Whether everybody in branch B has a real browser, and a simulated twin.
    pub(crate) twins: bool,
    /// Whether those who keep a session sign out, and come again.
    pub(crate) sign_outs: bool,
    /// Between two arrivals in a branch.
    pub(crate) gap: Micros,
    /// Whether the network really did what the supervisor asked for.
    pub(crate) cuts_are_real: bool,
    /// Late packets and wake-ups of a second, of a hundred.
    pub(crate) late: u64,
}

impl Story {
    /// Branch A loses DC1 three times.
    pub(crate) fn one_root_cut() -> Self {
        let cut = |at| Cut { branch: "branch-a", from_regions: &["dc1"], at, healed: at + 15 };
        Self {
            product: Product::good(),
            cuts: vec![cut(20), cut(45), cut(70)],
            lasts: 100,
            rounds: 0,
            twins: false,
            sign_outs: false,
            gap: 400 * MILLISECOND,
            cuts_are_real: true,
            late: 2,
        }
    }

    /// Branch A loses both data centers.
    pub(crate) fn isolated() -> Self {
        let cut = Cut { branch: "branch-a", from_regions: &["dc1", "dc2"], at: 20, healed: 50 };
        Self { cuts: vec![cut], lasts: 80, ..Self::one_root_cut() }
    }

    /// Branch A loses DC1 in every other round of 15 seconds, as often as it does not.
    pub(crate) fn in_rounds() -> Self {
        let mut story = Self { rounds: 4, lasts: 120, cuts: Vec::new(), ..Self::one_root_cut() };
        let faulty =
            story.stretches().into_iter().filter(|(_, round)| round.is_some_and(|round| round.faults));
        story.cuts = faulty
            .map(|(from, _)| Cut {
                branch: "branch-a",
                from_regions: &["dc1"],
                at: from + 3,
                healed: from + 10,
            })
            .collect();
        story
    }

    /// Seconds at which people begin anew.
    fn stretches(&self) -> Vec<(u64, Option<Round>)> {
        if self.rounds == 0 {
            return vec![(0, None)];
        }
        let round = |number: u64| {
            let pair = u32::try_from(number / 2).unwrap();
            let faults = u64::from(pair % 2) != number % 2;
            (number * self.stretch(), Some(Round { pair: pair + 1, faults }))
        };
        (0..2 * self.rounds).map(round).collect()
    }

    /// How long each is, in seconds.
    fn stretch(&self) -> u64 {
        self.lasts / (2 * self.rounds).max(1)
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Product)) -> Self {
        change(&mut self.product);
        self
    }

    /// The history it left.
    pub(crate) fn tell(&self) -> Vec<Event> {
        let mut run = mesh();
        if self.twins {
            let real = |person: &&Person| person.region == "branch-b";
            let twin = |real: &Person| Person {
                name: twin_of(&real.name),
                twin_of: Some(real.name.clone()),
                ..real.clone()
            };
            let twins: Vec<_> = run.people.iter().filter(real).map(twin).collect();
            run.people.extend(twins);
        }
        let mut events = vec![
            Event { at: BEGIN - SECOND, what: What::Run(Box::new(run)) },
            Event { at: BEGIN, what: What::Begin },
            Event { at: BEGIN + self.lasts * SECOND, what: What::End },
        ];
        self.faults(&mut events);
        self.probes(&mut events);
        for second in 1..=self.lasts {
            let late = Lateness {
                all: 100,
                late: self.late,
                worst: 12 * MILLISECOND,
                total: self.late * 6 * MILLISECOND,
            };
            let machine = What::Machine { packets: late, wakes: late };
            events.push(Event { at: BEGIN + second * SECOND, what: machine });
        }
        for (from, round) in self.stretches() {
            let from = BEGIN + from * SECOND;
            events.extend(round.map(|round| Event { at: from, what: What::Round(round) }));
            let mut chance = Chance::new(1, "story");
            for branch in BRANCHES {
                self.people(branch, from, &mut chance, &mut events);
            }
        }
        sort(&mut events);
        events
    }

    fn faults(&self, events: &mut Vec<Event>) {
        for cut in &self.cuts {
            for (when, state, kind, word) in [
                (cut.at, PathState::BlackHole, StepKind::Fault, "cut"),
                (cut.healed, PathState::Open, StepKind::Heal, "heal"),
            ] {
                let at = BEGIN + when * SECOND;
                let words = format!("{word} {} – {}", cut.branch, cut.from_regions.join(", "));
                events.push(Event { at, what: What::Step(Step { words, kind, began: at - 4_000 }) });
                for region in cut.from_regions {
                    for (from, to) in [(cut.branch, *region), (*region, cut.branch)] {
                        let change = PathChange {
                            from: from.into(),
                            to: to.into(),
                            state: state.clone(),
                            began: at - 3_000,
                        };
                        events.push(Event { at, what: What::Path(change) });
                    }
                    if self.product.falls_over_under_fault {
                        let fault = kind == StepKind::Fault;
                        let state = if fault { ProcessState::Stopped } else { ProcessState::Running };
                        let change = ProcessChange { server: edge(cut.branch), state, began: at - 2_000 };
                        events.push(Event { at, what: What::Process(change) });
                    }
                    let (node, connector) = (edge(cut.branch), root_in(region));
                    let Some(noticed) = self.product.notices_after else { continue };
                    let state = if kind == StepKind::Fault { "down" } else { "healthy" };
                    let health = HealthChange { node, connector, state: state.into(), why: "probe".into() };
                    let began = at - 4_000;
                    events.push(Event { at: began + noticed, what: What::Health(health) });
                }
            }
        }
    }

    fn probes(&self, events: &mut Vec<Event>) {
        for second in 0..self.lasts {
            let began = BEGIN + second * SECOND + SECOND / 2;
            for (branch, (root, region)) in
                BRANCHES.iter().flat_map(|branch| ROOTS.map(|root| (branch, root)))
            {
                let connected = !self.cuts_are_real || self.linked(branch, region, began);
                let probe = Probe { from: (*branch).into(), to: root.into(), began, connected };
                events.push(Event { at: began + 10 * MILLISECOND, what: What::Probe(probe) });
            }
        }
    }

    fn cut_since(&self, branch: &str, region: &str, at: Micros) -> Option<Micros> {
        let cut = self.cuts.iter().find(|cut| {
            let during = (BEGIN + cut.at * SECOND..BEGIN + cut.healed * SECOND).contains(&at);
            during && cut.branch == branch && cut.from_regions.contains(&region)
        })?;
        Some(BEGIN + cut.at * SECOND)
    }

    fn linked(&self, branch: &str, region: &str, at: Micros) -> bool {
        self.cut_since(branch, region, at).is_none()
    }

    fn under_fault(&self, at: Micros) -> bool {
        self.cuts.iter().any(|cut| (BEGIN + cut.at * SECOND..BEGIN + cut.healed * SECOND).contains(&at))
    }
}
