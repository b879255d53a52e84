//! One process of the lab: its group and signals, whether it can do its work, and how it ended.

use std::io;
use std::net::TcpStream;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::history::{IdpChange, Micros};
use crate::lab::front::{Front, Manner};
use crate::lab::knock::Knock;
use crate::lab::mesh::Program;
use crate::lab::region::Region;

/// A process, and how it is with it.
pub(super) struct Process {
    pub(super) program: Program,
    pub(super) child: Option<Child>,
    pub(super) life: Life,
    /// Stopped where it is, wherever in its life that is.
    pub(super) paused: bool,
    /// What stands in front of it while it runs, and how that does its work.
    pub(super) front: Option<Front>,
    pub(super) manner: Manner,
    /// What is told of it when it answers next: it has been edited.
    pub(super) edited: Option<IdpChange>,
    pub(super) expired: bool,
    /// How wrong its clock is, in seconds.
    pub(super) ahead: i64,
    /// It is being asked whether it is ready.
    pub(super) knock: Option<Knock>,
}

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    NotStarted,
    Starting { began: Micros },
    Running,
    Ending { began: Micros },
    Dead,
}

impl Process {
    /// One that was not started yet.
    pub(super) fn new(program: Program) -> Self {
        Self {
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
        }
    }

    /// Sends a signal to the whole group.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        let pid = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        pid.is_some_and(|pid| killpg(Pid::from_raw(pid), signal).is_ok())
    }

    /// Ends what is left of the group. When its first process has ended by itself the others may still run.
    pub(super) fn end(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// A signal acts a little after it is sent: waits until the kernel says that it has, at most 100 ms.
    pub(super) fn wait_for_state(&self, states: &[&str]) {
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
    pub(super) fn meet(&mut self, regions: &[Region]) -> io::Result<()> {
        let program = &self.program;
        let Some(spec) = &program.front else { return Ok(()) };
        self.front = Some(Front::open(spec, program.address, self.manner, &regions[program.region])?);
        Ok(())
    }

    /// Whether it can do its work: it accepts connections, and says so itself where that is not enough.
    pub(super) fn ready(&mut self, regions: &[Region]) -> bool {
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

/// How a process ended that nobody told to.
pub(super) fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended by itself with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}, which the testbed did not send"),
        (None, None) => "ended by itself".to_owned(),
    }
}
