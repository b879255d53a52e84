//! The ground of a run: a topology that fits this machine, the programs that it needs, and privacy. [`super::supervisor`] and
//! [`super::up`] build a lab on it. Makes no region and starts no program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};

use super::isolate;
use super::supervisor::Failure;
use crate::lab::{chromium, clock, foreign};
use crate::language::{IdpKind, Role, Topology, parse};

/// What a lab is built on: a topology that fits this machine, and privacy.
pub(super) struct Ground {
    /// The topology.
    pub(super) topology: Topology,
    /// Where everything goes that must not stay.
    pub(super) folder: PathBuf,
    /// Folder of the product's programs.
    pub(super) binaries: PathBuf,
    /// This program, for the processes of people.
    pub(super) program: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Ground {
    /// Reads the topology, finds its programs, and leaves the machine's networks and mounts for good. `hear` gets each
    /// line that the process which started this one passes on.
    ///
    /// # Errors
    /// What is wrong with the file, what is missing, what the kernel refused.
    pub(super) fn prepare(
        file: &Path,
        bin: Option<&Path>,
        hear: impl Fn(String) + Send + 'static,
    ) -> Result<Self, Failure> {
        // Before any thread: a signal that one thread does not block is lost to the first process of a name space.
        let stop = listen_for_stop()?;
        isolate::die_with_parent(hear)?;
        let topology = parse::load(file).map_err(|problems| crate::cli::say(file, &problems))?;
        let program = std::env::current_exe()?;
        let beside = program.parent().unwrap_or(Path::new("/"));
        let binaries = bin.unwrap_or(beside).canonicalize()?;
        find_binaries(&topology, &binaries)?;
        foreign::ready(&topology)?;
        chromium::ready(&topology)?;
        clock::ready(&topology)?;
        let here = std::env::current_dir()?;
        let folder = isolate::isolate(&[&here, &binaries, &file.canonicalize()?, &program])?;
        Ok(Self { topology, folder, binaries, program, stop })
    }

    /// Whether somebody said stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn find_binaries(topology: &Topology, binaries: &Path) -> Result<(), String> {
    let mut needed: Vec<_> = topology.nodes.iter().map(|node| node.role.binary()).collect();
    if topology.idps.iter().any(|idp| idp.kind == IdpKind::Local) {
        needed.push(Role::Root.binary());
    }
    match needed.iter().find(|name| !binaries.join(name).is_file()) {
        Some(name) => Err(format!(
            "{name} is not in {}. Build it (`cargo build`), or say where it is with --bin DIR",
            binaries.display()
        )),
        None => Ok(()),
    }
}

/// Notes signals that ask to end, so that the run can end in order.
fn listen_for_stop() -> std::io::Result<Arc<AtomicBool>> {
    let wanted: SigSet =
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    wanted.thread_block()?;
    let stop = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&stop);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while wanted.wait().is_ok() {
            noted.store(true, Ordering::Relaxed);
        }
    })?;
    Ok(stop)
}
