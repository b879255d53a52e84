//! The lab's processes: starting them inside their regions, killing, pausing, and reading what they say. Each has a process
//! group of its own, and a verb acts on all of it: a foreign program may be more than one process.
//!
//! Each process writes to a log of its own. What a node says about its connectors becomes an event; everything else about
//! a process is what the kernel says. Its own word counts for one thing: when a foreign program is ready.

mod ailments;
mod one;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;

use nix::sys::signal::Signal;

use self::one::{Life, Process, how};
use super::log::{listen, log_file};
use super::mesh::Program;
use super::region::Region;
use super::sys;
use crate::history::{Event, Micros, ProcessChange, ProcessState, What, now};

/// All processes of a run.
pub struct Processes {
    binaries: PathBuf,
    logs: PathBuf,
    events: Sender<Event>,
    servers: BTreeMap<String, Process>,
}

/// A process that ended although nobody told it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Its name.
    pub name: String,
    /// How, and its last words.
    pub words: String,
}

impl Processes {
    /// Prepares; starts nothing. `binaries` is where the product's programs are, `logs` where logs go.
    pub fn new(programs: Vec<Program>, binaries: PathBuf, logs: PathBuf, events: Sender<Event>) -> Self {
        let wrap = |program: Program| (program.name.clone(), Process::new(program));
        Self { binaries, logs, events, servers: programs.into_iter().map(wrap).collect() }
    }

    /// Names of all.
    pub fn names(&self) -> Vec<String> {
        self.servers.keys().cloned().collect()
    }

    /// Starts a process in its region; it runs when its port accepts.
    ///
    /// # Errors
    /// When the binary cannot be started, or runs already.
    pub fn start(&mut self, name: &str, regions: &[Region]) -> io::Result<()> {
        let began = now();
        let Some(process) = self.servers.get_mut(name) else { return Ok(()) };
        if process.child.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it has not ended"));
        }
        let program = &process.program;
        if let Some((before, home)) = &program.before {
            before(home)?;
        }
        let log = log_file(&self.logs, &program.region_name, name)?;
        // Joining an absolute path answers that path: foreign programs are where they are.
        let mut command = Command::new(self.binaries.join(&program.command));
        command
            .args(&program.arguments)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(command, &regions[program.region])?;
        if let Some(out) = child.stdout.take() {
            listen(name, out, log.try_clone()?, self.events.clone())?;
        }
        if let Some(err) = child.stderr.take() {
            listen(name, err, log, self.events.clone())?;
        }
        (process.child, process.knock) = (Some(child), None);
        (process.life, process.paused) = (Life::Starting { began }, false);
        self.say(name, ProcessState::Starting, began);
        Ok(())
    }

    /// Ends a process without a word.
    pub fn kill(&mut self, name: &str) {
        let began = now();
        let Some(process) = self.servers.get_mut(name) else { return };
        process.end();
        process.front = None;
        process.life = Life::Dead;
        self.say(name, ProcessState::Stopped, began);
    }

    /// Asks a process to end, and starts it when it has. One that is paused goes on for it: else it would never hear.
    pub fn restart(&mut self, name: &str) {
        let Some(process) = self.servers.get_mut(name) else { return };
        if process.signal(Signal::SIGTERM) && process.signal(Signal::SIGCONT) {
            (process.life, process.paused) = (Life::Ending { began: now() }, false);
        }
    }

    /// Stops a process where it is; it stays alive and answers nothing.
    pub fn pause(&mut self, name: &str) {
        let began = now();
        let Some(process) = self.servers.get_mut(name) else { return };
        if process.signal(Signal::SIGSTOP) {
            process.wait_for_state(&["T", "t", "Z"]);
            process.paused = true;
            self.say(name, ProcessState::Paused, began);
        }
    }

    /// Lets a paused process go on with what it was at.
    pub fn resume(&mut self, name: &str) {
        let began = now();
        let Some(process) = self.servers.get_mut(name) else { return };
        if process.paused && process.signal(Signal::SIGCONT) {
            process.wait_for_state(&["R", "S", "D", "I", "Z"]);
            process.paused = false;
            let starts = matches!(process.life, Life::Starting { .. });
            let state = if starts { ProcessState::Starting } else { ProcessState::Running };
            self.say(name, state, began);
        }
    }

    /// Looks after all of them: who runs now, who has ended and must start again. Answers who died uncalled.
    pub fn tend(&mut self, regions: &[Region]) -> Vec<Death> {
        let mut deaths = Vec::new();
        for name in self.names() {
            let Some(process) = self.servers.get_mut(&name) else { continue };
            let ended = process.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            match (process.life, ended) {
                (Life::Ending { began }, Some(_)) => {
                    process.end();
                    process.front = None;
                    self.say(&name, ProcessState::Stopped, began);
                    if let Err(error) = self.start(&name, regions) {
                        deaths.push(Death { name, words: format!("cannot be started again: {error}") });
                    }
                }
                (_, Some(status)) => {
                    process.end();
                    process.front = None;
                    process.life = Life::Dead;
                    let words = format!("{}\n{}", how(status), self.last_words(&name));
                    self.say(&name, ProcessState::Stopped, now());
                    deaths.push(Death { name, words });
                }
                (Life::Starting { began }, None) if !process.paused && process.ready(regions) => {
                    match process.meet(regions) {
                        Ok(()) => {
                            process.life = Life::Running;
                            if let Some(edited) = process.edited.take() {
                                let _ = self.events.send(Event::now(What::Idp(edited)));
                            }
                            self.say(&name, ProcessState::Running, began);
                        }
                        Err(error) => {
                            deaths.push(Death { name, words: format!("gets no front: {error}") });
                        }
                    }
                }
                _ => {}
            }
        }
        deaths
    }

    /// Names of those that were started and do not accept yet.
    pub fn not_ready(&self) -> Vec<String> {
        let waits = |process: &Process| matches!(process.life, Life::Starting { .. });
        self.servers.iter().filter(|(_, process)| waits(process)).map(|(name, _)| name.clone()).collect()
    }

    /// The last lines of a process's log.
    pub fn last_words(&self, name: &str) -> String {
        let Some(process) = self.servers.get(name) else { return String::new() };
        let log = self.logs.join(&process.program.region_name).join(format!("{name}.log"));
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].iter().map(|line| format!("    {line}\n")).collect()
    }

    fn say(&self, name: &str, state: ProcessState, began: Micros) {
        let change = ProcessChange { server: name.to_owned(), state, began };
        let _ = self.events.send(Event::now(What::Process(change)));
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in self.servers.values_mut() {
            process.end();
        }
    }
}

/// Starts a process inside a region.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(mut command: Command, region: &Region) -> io::Result<Child> {
    sys::hears_signals(&mut command);
    region.inside(move || command.spawn())
}

#[cfg(test)]
mod tests;
