//! The timeline's verbs, done: each tells the history what changed and when it had taken effect.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;

use crate::history::{
    ClockChange, Event, IdpChange, Micros, NamesChange, PathChange, PathState, Step as Happened, What, now,
};
use crate::lab::dns::{Dns, Mode};
use crate::lab::endpoint::Endpoints;
use crate::lab::front::Manner;
use crate::lab::paths::{Paths, Way};
use crate::lab::process::Processes;
use crate::lab::region::Region;
use crate::lab::switch::Switch;
use crate::language::trace::Condition;
use crate::language::{Cut, Healed, How, Step, Topology, Verb, host};

/// What verbs act on.
pub struct Stage<'l> {
    /// The topology.
    pub topology: &'l Topology,
    /// Regions, in order.
    pub regions: &'l [Region],
    /// The switch between them.
    pub switch: &'l Switch,
    /// The DNS of every region.
    pub dns: &'l Dns,
    /// Status endpoints.
    pub endpoints: &'l Endpoints,
    /// The processes.
    pub processes: &'l mut Processes,
    /// Where events go.
    pub events: &'l Sender<Event>,
}

impl Stage<'_> {
    /// Does a step.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn act(&mut self, step: &Step) -> Result<(), String> {
        let began = now();
        match &step.verb {
            Verb::Partition { cuts, how } => {
                self.change(cuts, began, |way| way.cut(Some(*how)));
                if *how == How::Reset {
                    self.reset(cuts);
                }
            }
            Verb::Heal { cuts } => {
                self.change(cuts, began, |way| way.follow(&Condition::default()));
                if cuts.is_empty() {
                    self.heal_everything_else(began)?;
                }
            }
            Verb::HealOne { what: Healed::Dns(region) } => self.names(region, Mode::default(), began),
            Verb::HealOne { what: Healed::Idp(idp) } => self.heal_idp(idp, began)?,
            Verb::Break { idp, how, by, of } => match (how, of) {
                (how, _) if how.is_of_keys() => {
                    let told = |error| format!("{idp}'s keys cannot be rolled: {error}");
                    self.processes.roll_keys(idp, *how).map_err(told)?;
                }
                (_, Some(node)) => {
                    let told = |error| format!("no secret can expire at {idp}: {error}");
                    self.processes.expire(idp, node).map_err(told)?;
                }
                (_, None) => self.conduct(idp, Manner { state: *how, by: *by }, began),
            },
            Verb::HealOne { what: Healed::Disk(node) } => self.fill(node, false)?,
            Verb::Fill { node } => self.fill(node, true)?,
            Verb::Flip { endpoint, says } => drop(self.endpoints.say(endpoint, Some(says))),
            Verb::HealOne { what: Healed::Endpoint(name) } => drop(self.endpoints.say(name, None)),
            Verb::HealOne { what: Healed::Clock(node) } => self.skew(node, 0, began)?,
            Verb::Skew { node, ahead } => self.skew(node, *ahead, began)?,
            Verb::Dns { region, how, about } => {
                let about = about.iter().map(|name| host(name)).collect();
                self.names(region, Mode { state: *how, about }, began);
            }
            Verb::Slow { cuts, by, jitter } => self.change(cuts, began, |way| way.slow(Some((*by, *jitter)))),
            Verb::Lossy { cuts, loss } => self.change(cuts, began, |way| way.lossy(Some(*loss))),
            Verb::Throttle { cuts, rate } => self.change(cuts, began, |way| way.throttle(Some(*rate))),
            // What they mean are steps of their own.
            Verb::Trace { .. } | Verb::Random { .. } => {}
            Verb::Condition { cuts, condition } => self.change(cuts, began, |way| way.follow(condition)),
            Verb::Kill { node } => self.processes.kill(node),
            Verb::Restart { node } => self.processes.restart(node),
            Verb::Pause { node } => self.processes.pause(node),
            Verb::Resume { node } => self.processes.resume(node),
            Verb::Start { node } => self
                .processes
                .start(node, self.regions)
                .map_err(|error| format!("{node} cannot be started: {error}"))?,
        }
        let (words, kind) = (step.text.clone(), step.verb.kind());
        self.say(now(), What::Step(Happened { words, kind, began }));
        Ok(())
    }

    fn heal_everything_else(&mut self, began: Micros) -> Result<(), String> {
        for region in &self.topology.regions {
            self.names(region, Mode::default(), began);
        }
        for endpoint in &self.topology.endpoints {
            self.endpoints.say(&endpoint.name, None);
        }
        for name in self.processes.names() {
            self.skew(&name, 0, began)?;
            self.fill(&name, false)?;
        }
        self.topology.idps.iter().try_for_each(|idp| self.heal_idp(&idp.name, began))
    }

    fn fill(&mut self, server: &str, full: bool) -> Result<(), String> {
        self.processes.fill(server, full).map_err(|error| format!("the disk of {server}: {error}"))
    }

    fn skew(&mut self, server: &str, ahead: i64, began: Micros) -> Result<(), String> {
        let set = self.processes.skew(server, ahead);
        if let Some(at) = set.map_err(|error| format!("the clock of {server} cannot be set: {error}"))? {
            self.say(at, What::Clock(ClockChange { server: server.to_owned(), ahead, began }));
        }
        Ok(())
    }

    fn heal_idp(&mut self, idp: &str, began: Micros) -> Result<(), String> {
        self.conduct(idp, Manner::default(), began);
        self.processes.renew(idp).map(drop).map_err(|error| format!("{idp} cannot be mended: {error}"))
    }

    /// Makes an identity provider do its work so.
    fn conduct(&mut self, idp: &str, manner: Manner, began: Micros) {
        if let Some(at) = self.processes.behave(idp, manner) {
            let change = IdpChange { server: idp.to_owned(), state: manner.state, about: Vec::new(), began };
            self.say(at, What::Idp(change));
        }
    }

    /// Makes a region's DNS answer so.
    fn names(&self, region: &str, mode: Mode, began: Micros) {
        let (state, about) = (mode.state, mode.about.clone());
        let index = self.topology.region_index(region);
        if let Some(at) = index.and_then(|index| self.dns.change(index, mode)) {
            let change = NamesChange { region: region.to_owned(), state, about, began };
            self.say(at, What::Names(change));
        }
    }

    /// Changes the named ways, or all; tells of those that are others than before.
    fn change(&self, cuts: &[Cut], began: Micros, change: impl Fn(&mut Way)) {
        let named = self.indices(cuts);
        let all = self.topology.regions.len();
        let every = (0..all).flat_map(|a| (0..all).map(move |b| (a, b)));
        let ways: Vec<_> = if named.is_empty() { every.collect() } else { named.into_iter().collect() };
        let mut changed = Vec::new();
        let at = self.switch.change(|paths| {
            for (from, to) in ways {
                let before = paths.way(from, to).map(|way| state(way));
                if let Some(way) = paths.way(from, to) {
                    change(way);
                }
                let after = state_of(paths, from, to);
                if before != after {
                    changed.extend(after.map(|state| (from, to, state)));
                }
            }
        });
        for (from, to, state) in changed {
            let name = |index: usize| self.topology.regions[index].clone();
            self.say(at, What::Path(PathChange { from: name(from), to: name(to), state, began }));
        }
    }

    fn reset(&self, cuts: &[Cut]) {
        for (a, b) in self.indices(cuts) {
            self.switch.reset(a, b);
        }
    }

    fn indices(&self, cuts: &[Cut]) -> BTreeSet<(usize, usize)> {
        let index = |name: &str| self.topology.region_index(name);
        cuts.iter().filter_map(|cut| Some((index(&cut.from)?, index(&cut.to)?))).collect()
    }

    fn say(&self, at: Micros, what: What) {
        let _ = self.events.send(Event { at, what });
    }
}

fn state_of(paths: &mut Paths, from: usize, to: usize) -> Option<PathState> {
    paths.way(from, to).map(|way| state(way))
}

fn state(way: &Way) -> PathState {
    match (way.is_cut(), way.impaired()) {
        (Some(How::BlackHole), _) => PathState::BlackHole,
        (Some(How::Refused | How::Reset), _) => PathState::Refused,
        (None, Some(how)) => PathState::Impaired { how },
        (None, None) => PathState::Open,
    }
}
