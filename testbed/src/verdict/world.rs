//! The mesh as the faults left it at each time: which region reached which, and which process ran. Built from the
//! changes that the kernel accepted; a change counts for both sides from when it was begun until it was done, so that
//! "surely reachable" means surely. From it: whether a login had a live path. Never the product's word.

use std::collections::{BTreeMap, BTreeSet};

use super::conduct::Conduct;
use super::names::Names;
use crate::history::{
    Event, MILLISECOND, Micros, Probe, ProcessState, Round, Run, SECOND, Server, ServerKind, StepKind, What,
    servers_by_host,
};

/// Trees deeper than this are refused by the product.
const DEEPEST: usize = 8;
/// A change so shortly before or after a probe may fall on either side of it.
const PROBE_SLACK: Micros = 200 * MILLISECOND;

/// The mesh over time.
pub struct World<'a> {
    /// As it stood at first.
    pub run: &'a Run,
    /// When people began.
    pub begin: Micros,
    /// When the run ended.
    pub end: Micros,
    /// Steps of the time line.
    pub steps: Vec<Stage<'a>>,
    /// Rounds with the time line and without it, in order; empty where there were none.
    pub rounds: Vec<(Round, Span)>,
    /// Every change of a path or a process after the beginning, in order.
    pub changes: Vec<Span>,
    paths: BTreeMap<(&'a str, &'a str), Vec<Change>>,
    processes: BTreeMap<&'a str, Vec<Change>>,
    names: Names<'a>,
    opinions: BTreeMap<(&'a str, &'a str), Vec<(Micros, &'a str)>>,
    conduct: Conduct<'a>,
    servers: BTreeMap<&'a str, &'a Server>,
    hosts: BTreeMap<&'a str, &'a Server>,
}

/// A step of the time line.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'a> {
    /// In words.
    pub words: &'a str,
    /// What it means.
    pub kind: StepKind,
    /// From its begin until all of it had taken effect.
    pub span: Span,
}

/// From one time until another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First moment.
    pub from: Micros,
    /// Last moment.
    pub until: Micros,
}

/// A path or process from a change on.
#[derive(Debug, Clone, Copy)]
struct Change {
    span: Span,
    good: bool,
    /// Whether probes must agree: not while packets get lost or processes sleep.
    clear: bool,
}

impl Span {
    /// Whether the two have a moment in common.
    pub fn meets(self, other: Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

impl<'a> World<'a> {
    /// Reads the history; the error says what it lacks.
    pub fn read(events: &'a [Event]) -> Result<Self, String> {
        let run = events
            .iter()
            .find_map(|event| if let What::Run(run) = &event.what { Some(&**run) } else { None });
        let run = run.ok_or("the history does not describe its mesh")?;
        let at = |wanted: &What| events.iter().find(|event| event.what == *wanted).map(|event| event.at);
        let mut world = Self {
            run,
            begin: at(&What::Begin).ok_or("the people never began")?,
            end: at(&What::End)
                .ok_or("the history has no end: its run was cut short, or its last lines are missing")?,
            steps: Vec::new(),
            rounds: Vec::new(),
            changes: Vec::new(),
            paths: BTreeMap::new(),
            processes: BTreeMap::new(),
            names: Names::default(),
            opinions: BTreeMap::new(),
            conduct: Conduct::default(),
            servers: run.servers.iter().map(|server| (server.name.as_str(), server)).collect(),
            hosts: servers_by_host(run),
        };
        for link in &run.links {
            for pair in [(link.a.as_str(), link.b.as_str()), (link.b.as_str(), link.a.as_str())] {
                world
                    .paths
                    .insert(pair, vec![Change { span: Span { from: 0, until: 0 }, good: true, clear: true }]);
            }
        }
        for event in events {
            world.take(event);
        }
        world.changes.sort_unstable();
        match impossible(events) {
            Some(words) => Err(words),
            None => Ok(world),
        }
    }

    fn take(&mut self, event: &'a Event) {
        let span = |began: Micros| Span { from: began.min(event.at), until: event.at };
        let changed = match &event.what {
            What::Path(path) => {
                let clear = !matches!(path.state, crate::history::PathState::Impaired { .. });
                let change = Change { span: span(path.began), good: path.state.is_open(), clear };
                self.paths.entry((&path.from, &path.to)).or_default().push(change);
                change.span
            }
            What::Process(process) => {
                let good = process.state == ProcessState::Running;
                let clear = matches!(process.state, ProcessState::Running | ProcessState::Stopped);
                let change = Change { span: span(process.began), good, clear };
                self.processes.entry(&process.server).or_default().push(change);
                change.span
            }
            What::Step(step) => {
                self.steps.push(Stage { words: &step.words, kind: step.kind, span: span(step.began) });
                return;
            }
            What::Round(round) => {
                if let Some((_, span)) = self.rounds.last_mut() {
                    span.until = event.at;
                }
                self.rounds.push((*round, Span { from: event.at, until: self.end }));
                return;
            }
            What::Health(health) => {
                let opinions = self.opinions.entry((&health.node, &health.connector)).or_default();
                opinions.push((event.at, &health.state));
                return;
            }
            _ => match self.names.take(event).or_else(|| self.conduct.take(event)) {
                Some(changed) => changed,
                None => return,
            },
        };
        if changed.until > self.begin {
            self.changes.push(changed);
        }
    }

    /// When the first fault began; the end of the run if none did.
    pub fn first_fault(&self) -> Micros {
        let faults = self.steps.iter().filter(|step| step.kind == StepKind::Fault).map(|step| step.span.from);
        faults.chain(self.changes.iter().map(|change| change.from)).min().unwrap_or(self.end)
    }

    /// A server by its name.
    pub fn server(&self, name: &str) -> Option<&'a Server> {
        self.servers.get(name).copied()
    }

    /// A server by a host name of its.
    pub fn server_at(&self, host: &str) -> Option<&'a Server> {
        self.hosts.get(host).copied()
    }

    /// Whether both ways between two regions were surely open all the time.
    pub fn linked(&self, a: &str, b: &str, during: Span) -> bool {
        let way =
            |from, to| self.paths.get(&(from, to)).is_some_and(|changes| surely(changes, during, false));
        a == b || (way(a, b) && way(b, a))
    }

    /// Whether a process surely ran and answered all the time.
    pub fn running(&self, server: &str, during: Span) -> bool {
        self.processes.get(server).is_none_or(|changes| surely(changes, during, true))
    }

    /// Whether somebody in a region surely could use a server all the time.
    pub fn in_reach(&self, region: &str, server: &Server, during: Span) -> bool {
        self.linked(region, &server.region, during) && self.running(&server.name, during)
    }

    /// Whether somebody in a region surely could reach a server all the time, and it did its work.
    pub fn answers_in(&self, region: &str, server: &Server, during: Span) -> bool {
        self.in_reach(region, server, during) && self.conduct.signs_in(server, during)
    }

    /// Whether somebody's browser surely could use a server all the time: reach it, and find it by its name.
    pub fn used_by(&self, person: &str, region: &str, server: &Server, during: Span) -> bool {
        self.in_reach(region, server, during) && self.names.found_by(person, region, server, during)
    }

    /// Whether a server surely finds another by its name all the time: what it knew before its DNS fell silent, it knows.
    fn finds(&self, from: &Server, to: &Server, during: Span) -> bool {
        if from.kind == ServerKind::App {
            return true;
        }
        let knew = match self.names.silent_since(&from.region, to, during) {
            Some(since) => {
                self.running(&from.name, Span { from: since.min(during.from), until: during.until })
            }
            None => true,
        };
        knew && self.names.told_truly(&from.region, to, during)
    }

    /// One fixed chain, from the application to whoever vouches, that was live all the time for this person.
    pub fn live_path(&self, person: &str, region: &str, app: &str, during: Span) -> Option<Vec<&'a str>> {
        self.live_path_through(None, person, region, app, during)
    }

    /// The same through one server, if one is named.
    pub fn live_path_through(
        &self,
        through: Option<&str>,
        person: &str,
        region: &str,
        app: &str,
        during: Span,
    ) -> Option<Vec<&'a str>> {
        let app = self.server(app)?;
        if !self.used_by(person, region, app, during) {
            return None;
        }
        let mut chain = vec![app.name.as_str()];
        self.extend(&mut chain, app, (person, region), during, through).then_some(chain)
    }

    fn extend(
        &self,
        chain: &mut Vec<&'a str>,
        at: &'a Server,
        who: (&str, &str),
        during: Span,
        through: Option<&str>,
    ) -> bool {
        let knows = at.knows.as_ref().is_none_or(|known| known.iter().any(|name| name == who.0));
        if at.vouches && knows && through.is_none_or(|name| chain.contains(&name)) {
            return true;
        }
        for next in at.upstreams.iter().filter_map(|name| self.server(name)) {
            let by_browser = !next.by_browser
                || (self.linked(who.1, &next.region, during)
                    && self.names.found_by(who.0, who.1, next, during));
            let live = by_browser
                && self.in_reach(&at.region, next, during)
                && self.finds(at, next, during)
                && self.conduct.signs_in_for(at, next, during);
            if !live || chain.len() > DEEPEST || chain.contains(&next.name.as_str()) {
                continue;
            }
            chain.push(&next.name);
            if self.extend(chain, next, who, during, through) {
                return true;
            }
            chain.pop();
        }
        false
    }

    /// What a node said of a connector, and when. About the node alone: nothing of the mesh follows from it.
    pub fn opinions<'s>(&'s self, node: &'s str, connector: &'s str) -> &'s [(Micros, &'s str)] {
        self.opinions.get(&(node, connector)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether any node said in this time that it thinks otherwise of a connector.
    pub fn thinks_otherwise(&self, during: Span) -> bool {
        self.opinions.values().flatten().any(|(at, _)| during.meets(Span { from: *at, until: *at }))
    }

    /// Whether somebody in a region lost a server by a change: had it in reach just before, and not just after.
    pub fn lost_by(&self, region: &str, server: &Server, change: Span) -> bool {
        let before = change.from.saturating_sub(1);
        let after = Span { from: change.until, until: change.until + MILLISECOND };
        self.in_reach(region, server, Span { from: before, until: before })
            && !self.in_reach(region, server, after)
    }

    /// Whether a server stopped at any time in between.
    pub fn stopped(&self, server: &str, during: Span) -> bool {
        !self.running(server, during)
    }

    /// What the faults say a probe must have met; `None` where it may be either.
    pub fn expected(&self, probe: &Probe, at: Micros) -> Option<bool> {
        let server = self.server(&probe.to)?;
        let during = Span { from: probe.began.saturating_sub(PROBE_SLACK), until: at + PROBE_SLACK };
        let way = |from: &str, to: &str| match self.paths.get(&(from, to)) {
            _ if from == to => Some(true),
            None => Some(false),
            Some(changes) => steady(changes, during, false),
        };
        let process =
            self.processes.get(server.name.as_str()).map_or(Some(true), |all| steady(all, during, true));
        match (way(&probe.from, &server.region), way(&server.region, &probe.from), process) {
            (Some(false), _, _) | (_, Some(false), _) | (_, _, Some(false)) => Some(false),
            (Some(true), Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

/// A login, visit or sign-out that no run has left: one that is there twice, for what is counted must not grow by copies; or one with
/// times after its end.
fn impossible(events: &[Event]) -> Option<String> {
    let mut seen = BTreeSet::new();
    events.iter().find_map(|event| {
        let (what, person, start, hops) = match &event.what {
            What::Login(login) => ("login", &login.person, login.start, &login.hops),
            What::Visit(visit) => ("visit", &visit.person, visit.start, &visit.hops),
            What::SignOut(left) => ("sign-out", &left.person, left.start, &left.hops),
            _ => return None,
        };
        // A real browser tells its hops' times by itself, in other units.
        let soon = event.at.saturating_add(SECOND);
        let late = start > event.at || hops.iter().any(|hop| hop.start.max(hop.took) > soon);
        let trouble = match seen.insert((what, person, start)) {
            false => "twice",
            true if late => "with times after its end",
            true => return None,
        };
        Some(format!("the history has the {what} of {person} that began at {start} {trouble}"))
    })
}

/// The states that were in force at some time of the span: the last one before it, and all that began within.
fn in_force(changes: &[Change], during: Span) -> impl Iterator<Item = &Change> {
    let before = changes.iter().rfind(|change| change.span.until <= during.from);
    let within = changes
        .iter()
        .filter(move |change| change.span.until > during.from && change.span.from <= during.until);
    before.into_iter().chain(within)
}

fn surely(changes: &[Change], during: Span, at_first: bool) -> bool {
    let known = changes.first().is_some_and(|change| change.span.until <= during.from);
    (known || at_first) && in_force(changes, during).all(|change| change.good)
}

/// The one state of the span, if it was one and probes must agree with it.
fn steady(changes: &[Change], during: Span, at_first: bool) -> Option<bool> {
    let known = changes.first().is_some_and(|change| change.span.until <= during.from);
    let mut all = in_force(changes, during);
    let Some(first) = all.next() else { return Some(at_first) };
    if !first.clear || (!known && first.good != at_first) {
        return None;
    }
    all.all(|other| other.clear && other.good == first.good).then_some(first.good)
}
