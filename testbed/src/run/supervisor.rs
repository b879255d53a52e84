//! The run itself: builds the lab, lets people in, does the timeline, sends people home, and hands over the history.
//! [`super::up`] stands on the same ground and the same lab.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::ground::Ground;
use super::verbs::Stage;
use super::view::View;
use super::{Options, results};
use crate::agent::spec::{Command as Order, Spec};
use crate::history::{self, Event, MILLISECOND, Micros, ProcessState, SECOND, What, micros, now};
use crate::lab::crowd::Crowd;
use crate::lab::dns::Dns;
use crate::lab::endpoint::Endpoints;
use crate::lab::lateness::Clock;
use crate::lab::mesh::Mesh;
use crate::lab::paths::Paths;
use crate::lab::process::{Death, Processes};
use crate::lab::region::Region;
use crate::lab::switch::Switch;
use crate::lab::{chromium, disk};
use crate::language::rounds::{self, Round};
use crate::language::{AppKind, Step, Topology};

/// How long processes may take until they are ready; a JVM on a busy machine needs most of it.
const START_DEADLINE: Micros = 90 * SECOND;
/// Between two looks at everything.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// How long people may take to go home beyond their patience.
const GOING_HOME: Micros = 20 * SECOND;

/// Why a run ended without a verdict.
pub(super) enum Failure {
    /// Somebody said stop.
    Stopped,
    /// What happened, and what to do.
    Because(String),
}

impl From<String> for Failure {
    fn from(words: String) -> Self {
        Self::Because(words)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Because(error.to_string())
    }
}

/// The run's first process; called in a PID name space of its own.
pub fn main(options: &Options) -> ExitCode {
    match run(options) {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Stopped) => {
            eprintln!("\nstopped; nothing is left behind");
            ExitCode::from(2)
        }
        Err(Failure::Because(words)) => {
            eprintln!("\nmangrove-testbed: {words}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<u8, Failure> {
    let ground = Ground::prepare(&options.file, options.bin.as_deref(), |_| {})?;
    let topology = &ground.topology;
    let mut view = View::new(topology, options.plain);
    let mut events = Vec::new();
    Lab::build(&ground)?.run(&mut view, &mut events)?;
    history::sort(&mut events);
    view.finish();
    results::conclude(topology, &events, &ground.folder, &options.out).map_err(Failure::Because)
}

fn no_region(name: &str, error: &std::io::Error) -> String {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            ". Run as root, or let this user open the device: `chmod 0666 /dev/net/tun`; in a container add `--cap-add NET_ADMIN`"
        }
        _ => "",
    };
    format!("region {name} cannot be made: {error}{hint}")
}

/// Everything that stands, and the events that come from it.
pub(super) struct Lab<'t> {
    ground: &'t Ground,
    topology: &'t Topology,
    /// Regions, in order.
    pub(super) regions: Vec<Region>,
    switch: Switch,
    dns: Dns,
    endpoints: Endpoints,
    processes: Processes,
    crowds: Vec<Crowd>,
    /// What each region's process is going to be told at the start.
    pub(super) specs: Vec<Spec>,
    run: history::Run,
    logs: PathBuf,
    sender: Sender<Event>,
    inbox: Receiver<Event>,
}

impl<'t> Lab<'t> {
    /// Makes everything; starts nothing.
    pub(super) fn build(ground: &'t Ground) -> Result<Self, Failure> {
        let (topology, folder) = (&ground.topology, &ground.folder);
        let mut mesh = Mesh::prepare(topology, folder).map_err(|error| error.to_string())?;
        chromium::prepare(&mut mesh.specs, folder)?;
        // Mounts are this run's own by now, and the state directories are still empty.
        for directory in mesh.programs.iter().filter_map(|program| program.disk.as_deref()) {
            disk::give(directory)?;
        }
        let mut regions = Vec::new();
        let mut tuns = Vec::new();
        for (index, name) in topology.regions.iter().enumerate() {
            let (region, tun) = Region::create(name, index, &mesh.plan.in_region(index))
                .map_err(|error| no_region(name, &error))?;
            regions.push(region);
            tuns.push(tun);
        }
        let switch = Switch::start(tuns, Paths::of(topology), topology.settings.seed)?;
        let dns = Dns::start(&regions, mesh.zone())?;
        let endpoints = Endpoints::open(&mesh.endpoints, &regions)?;
        let (sender, inbox) = channel();
        let logs = folder.join("logs");
        Ok(Self {
            ground,
            topology,
            regions,
            switch,
            dns,
            endpoints,
            processes: Processes::new(mesh.programs, ground.binaries.clone(), logs.clone(), sender.clone()),
            crowds: Vec::new(),
            specs: mesh.specs,
            run: mesh.run,
            logs,
            sender,
            inbox,
        })
    }

    /// The whole run; events go into `events` and `view` as they come.
    fn run(&mut self, view: &mut View, events: &mut Vec<Event>) -> Result<(), Failure> {
        events.push(Event::now(What::Run(Box::new(self.run.clone()))));
        self.start(view, events)?;
        let clock = Clock::start()?;
        self.switch.lateness(); // of the start, which nobody judges
        let begin = self.mark(What::Begin, view, events);
        let mut noted = begin;
        let end = begin + micros(self.topology.settings.total());
        let mut rounds = rounds::plan(self.topology).into_iter().peekable();
        let mut steps = rounds::steps(self.topology).into_iter().peekable();
        while now() < end {
            while let Some(round) = rounds.next_if(|round| begin + micros(round.begins) <= now()) {
                if self.topology.settings.rounds.is_some() {
                    let Round { pair, faults, .. } = round;
                    self.mark(What::Round(history::Round { pair, faults }), view, events);
                }
                // Told after that: no login of a round begins before the round.
                self.order(Order::Begin(true));
            }
            let due = |step: &Step| begin + micros(step.after);
            // A tick may not delay a step: the last stretch is waited for exactly.
            let round = rounds.peek().map_or(end, |round| begin + micros(round.begins));
            let next = steps.peek().map_or(end, due).min(round).min(end);
            let pause = Duration::from_micros(next.saturating_sub(now())).min(TICK);
            self.tick(pause, view, events)?;
            while let Some(step) = steps.next_if(|step| due(step) <= now()) {
                self.act(&step)?;
            }
            if now() >= (noted + SECOND).min(end) {
                noted = now();
                let (packets, wakes) = (self.switch.lateness(), clock.take());
                events.push(Event { at: noted, what: What::Machine { packets, wakes } });
            }
        }
        self.mark(What::End, view, events);
        self.send_home(view, events)
    }

    /// Does a step of the timeline, or of an operator's hand.
    pub(super) fn act(&mut self, step: &Step) -> Result<(), String> {
        let mut stage = Stage {
            topology: self.topology,
            regions: &self.regions,
            switch: &self.switch,
            dns: &self.dns,
            endpoints: &self.endpoints,
            processes: &mut self.processes,
            events: &self.sender,
        };
        stage.act(step)
    }

    /// Starts every process and every crowd, and waits until all of them answer.
    pub(super) fn start(&mut self, view: &mut View, events: &mut Vec<Event>) -> Result<(), Failure> {
        for name in self.processes.names() {
            self.processes
                .start(&name, &self.regions)
                .map_err(|error| format!("{name} cannot be started: {error}"))?;
        }
        let own = self.topology.apps.iter().filter(|app| app.kind == AppKind::Lab);
        let mut apps: Vec<_> = own.map(|app| app.name.clone()).collect();
        for spec in std::mem::take(&mut self.specs) {
            let index = self.topology.region_index(&spec.region).unwrap_or_default();
            let (region, events) = (&self.regions[index], self.sender.clone());
            self.crowds.push(Crowd::gather(&self.ground.program, &spec, region, &self.logs, events)?);
        }
        let deadline = now() + START_DEADLINE;
        loop {
            let seen = events.len();
            self.tick(TICK, view, events)?;
            for event in &events[seen..] {
                if let What::Process(change) = &event.what {
                    apps.retain(|app| change.state != ProcessState::Running || *app != change.server);
                }
            }
            let waiting = self.processes.not_ready();
            if waiting.is_empty() && apps.is_empty() {
                return Ok(());
            }
            if now() > deadline {
                let words: String = waiting
                    .iter()
                    .map(|name| format!("\n  {name} said last:\n{}", self.processes.last_words(name)))
                    .collect();
                let missing = [waiting, apps].concat().join(", ");
                return Err(Failure::Because(format!(
                    "not ready after {} s: {missing}{words}",
                    START_DEADLINE / SECOND
                )));
            }
        }
    }

    /// Tells every crowd.
    pub(super) fn order(&mut self, order: Order) {
        self.crowds.iter_mut().for_each(|crowd| crowd.tell(&order));
    }

    /// Lets everybody finish what they are at, and waits for them.
    fn send_home(&mut self, view: &mut View, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.order(Order::Stop(true));
        let deadline = now() + micros(self.topology.settings.patience) + GOING_HOME;
        let mut last = None;
        while now() < deadline {
            self.tick(TICK, view, events)?;
            if self.crowds.iter_mut().all(Crowd::is_home) {
                // What they wrote last may still be in the pipe.
                let since = *last.get_or_insert_with(now);
                if now() > since + 200 * MILLISECOND {
                    return Ok(());
                }
            }
        }
        Err(Failure::Because("people did not go home in time; the machine may be too busy".to_owned()))
    }

    /// Notes an event that is this process's own.
    pub(super) fn mark(&self, what: What, view: &mut View, events: &mut Vec<Event>) -> Micros {
        let event = Event::now(what);
        let at = event.at;
        view.see(&event);
        events.push(event);
        at
    }

    /// Waits a moment, and takes note of everything that happened.
    pub(super) fn tick(
        &mut self,
        pause: Duration,
        view: &mut View,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let first = self.inbox.recv_timeout(pause).ok();
        for event in first.into_iter().chain(self.inbox.try_iter()) {
            view.see(&event);
            events.push(event);
        }
        if self.ground.is_stopped() {
            return Err(Failure::Stopped);
        }
        if let Some(Death { name, words }) = self.processes.tend(&self.regions).into_iter().next() {
            return Err(Failure::Because(format!("{name} {words}")));
        }
        if let Some((region, said)) = self.crowds.iter_mut().find_map(Crowd::failed) {
            let note = events.iter().rev().find_map(|event| match &event.what {
                What::Note { text, .. } => Some(text.as_str()),
                _ => None,
            });
            let words = note.unwrap_or(said.trim());
            return Err(Failure::Because(format!("the people of {region} cannot go on: {words}")));
        }
        view.draw();
        Ok(())
    }
}
