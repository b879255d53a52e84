//! The lab's processes: starting them inside their regions, killing, pausing, and reading what they say. Each has a process
//! group of its own, and a verb acts on all of it: a foreign program may be more than one process.
//!
//! Each process writes to a log of its own. What a node says about its connectors becomes an event; everything else about
//! a process is what the kernel says, never its own word.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::front::{Front, Manner};
use super::knock::Knock;
use super::log::{listen, log_file};
use super::mesh::Program;
use super::region::Region;
use super::sys;
use super::{clock, disk};
use crate::history::{Event, IdpChange, IdpState, Micros, ProcessChange, ProcessState, What, now};

/// All processes of a run.
pub struct Processes {
    binaries: PathBuf,
    logs: PathBuf,
    events: Sender<Event>,
    servers: BTreeMap<String, Process>,
}

struct Process {
    program: Program,
    child: Option<Child>,
    life: Life,
    /// Stopped where it is, wherever in its life that is.
    paused: bool,
    /// What stands in front of it while it runs, and how that does its work.
    front: Option<Front>,
    manner: Manner,
    /// What is told of it when it answers next: it has been edited.
    edited: Option<IdpChange>,
    expired: bool,
    /// How wrong its clock is, in seconds.
    ahead: i64,
    /// It is being asked whether it is ready.
    knock: Option<Knock>,
}

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    NotStarted,
    Starting { began: Micros },
    Running,
    Ending { began: Micros },
    Dead,
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
        let wrap = |program: Program| {
            let name = program.name.clone();
            let process = Process {
                program,
                child: None,
                life: Life::NotStarted,
                paused: false,
                front: None,
                manner: Manner::default(),
                edited: None,
                expired: false,
                ahead: 0,
                knock: None,
            };
            (name, process)
        };
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

    /// Lets the front of a process do its work like this; answers when it did. None if it did already, or there is none.
    pub fn behave(&mut self, name: &str, manner: Manner) -> Option<Micros> {
        let process = self.servers.get_mut(name)?;
        process.program.front.as_ref()?;
        if std::mem::replace(&mut process.manner, manner) == manner {
            return None;
        }
        process.front.as_ref().map_or_else(|| Some(now()), |front| front.behave(manner))
    }

    /// Takes the keys of a process away, as an operator does who rolls them at once, and restarts it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn roll_keys(&mut self, name: &str) -> io::Result<()> {
        let Some(process) = self.servers.get(name) else { return Ok(()) };
        for key in &process.program.keys {
            match std::fs::remove_file(key) {
                // Rolled a moment ago: the next start makes others, and has not come so far.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        self.restart(name);
        Ok(())
    }

    /// Lets the clock of a process go so many seconds ahead of the right time; answers when it does. None if it did already.
    ///
    /// # Errors
    /// When the disk refuses, or libfaketime is not installed.
    pub fn skew(&mut self, name: &str, ahead: i64) -> io::Result<Option<Micros>> {
        let Some(process) = self.servers.get_mut(name).filter(|process| process.ahead != ahead) else {
            return Ok(None);
        };
        let file = process.program.clock.as_ref();
        let file =
            file.ok_or_else(|| io::Error::other("libfaketime is not here: run `scripts/tools clock` once"))?;
        clock::set(file, ahead)?;
        process.ahead = ahead;
        Ok(Some(now()))
    }

    /// Fills the disk of a process, or takes away what filled it.
    ///
    /// # Errors
    /// When the disk refuses otherwise.
    pub fn fill(&mut self, name: &str, full: bool) -> io::Result<()> {
        match self.servers.get(name).and_then(|process| process.program.disk.as_ref()) {
            Some(directory) if full => disk::fill(directory),
            Some(directory) => disk::empty(directory),
            None => Ok(()),
        }
    }

    /// Lets the client secrets of a node expire at an IdP, which is restarted for it.
    ///
    /// # Errors
    /// When the disk refuses, or the node is no client there.
    pub fn expire(&mut self, name: &str, node: &str) -> io::Result<()> {
        let Some(process) = self.servers.get_mut(name) else { return Ok(()) };
        let Some(expiry) = &process.program.expiry else { return Ok(()) };
        let about = expiry.expire(node)?;
        let about =
            about.ok_or_else(|| io::Error::other(format!("{node} has no connector that asks {name}")))?;
        process.expired = true;
        self.edited(name, IdpState::SecretExpired, about);
        Ok(())
    }

    /// Gives a node that lost it its secret back at this IdP, which is restarted for it; false if none has expired.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn renew(&mut self, name: &str) -> io::Result<bool> {
        let Some(process) = self.servers.get_mut(name).filter(|process| process.expired) else {
            return Ok(false);
        };
        if let Some(expiry) = &process.program.expiry {
            expiry.renew()?;
        }
        process.expired = false;
        self.edited(name, IdpState::Right, Vec::new());
        Ok(true)
    }

    fn edited(&mut self, name: &str, state: IdpState, about: Vec<String>) {
        if let Some(process) = self.servers.get_mut(name) {
            process.edited = Some(IdpChange { server: name.to_owned(), state, about, began: now() });
        }
        self.restart(name);
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

impl Process {
    /// Sends a signal to the whole group.
    fn signal(&self, signal: Signal) -> bool {
        let pid = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        pid.is_some_and(|pid| killpg(Pid::from_raw(pid), signal).is_ok())
    }

    /// Ends what is left of the group. When its first process has ended by itself the others may still run.
    fn end(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// A signal acts a little after it is sent: waits until the kernel says that it has, at most 100 ms.
    fn wait_for_state(&self, states: &[&str]) {
        let Some(child) = &self.child else { return };
        let file = format!("/proc/{}/stat", child.id());
        for _ in 0..100 {
            let stat = std::fs::read_to_string(&file).unwrap_or_default();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').next()).unwrap_or("Z");
            if states.contains(&state) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Opens the front, where there is to be one.
    fn meet(&mut self, regions: &[Region]) -> io::Result<()> {
        let program = &self.program;
        let Some(spec) = &program.front else { return Ok(()) };
        self.front = Some(Front::open(spec, program.address, self.manner, &regions[program.region])?);
        Ok(())
    }

    /// Whether it can do its work: it accepts connections, and says so itself where that is not enough.
    fn ready(&mut self, regions: &[Region]) -> bool {
        if !self.accepts(regions) {
            return false;
        }
        let (Program { address, region, .. }, Some(question)) = (&self.program, &self.program.ready) else {
            return true;
        };
        let knock = self.knock.get_or_insert_with(|| Knock::at(*address, question, &regions[*region]));
        let answer = knock.answer();
        if answer.is_some() {
            self.knock = None;
        }
        answer == Some(true)
    }

    fn accepts(&self, regions: &[Region]) -> bool {
        let address = self.program.address;
        let patience = Duration::from_millis(50);
        regions[self.program.region].inside(move || TcpStream::connect_timeout(&address, patience).is_ok())
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended by itself with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}, which the testbed did not send"),
        (None, None) => "ended by itself".to_owned(),
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
