//! A run: from a topology's file to its verdict, and leaving nothing behind.
//!
//! [`outer`] starts the run in a PID name space of its own and waits; `ground` reads the topology, finds its programs, and
//! with [`isolate`] leaves the machine's mounts and networks for private ones; [`supervisor`] builds the lab on that, lets
//! people in, and does the timeline's [`verbs`]; [`view`] shows it; [`results`] keeps what came out; [`again`] judges that once more; [`up`] keeps a lab standing for those who come with a
//! browser of their own. The run's first process is the name space's init: when it dies, of whatever cause, the kernel ends
//! every other process, and with them go namespaces, devices and files.

pub mod again;
mod ground;
pub mod isolate;
pub mod outer;
pub mod results;
pub mod supervisor;
pub mod up;
pub mod verbs;
pub mod view;

use std::path::PathBuf;

/// What the command line says about a run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The topology.
    pub file: PathBuf,
    /// Folder of mangrove-root and mangrove-edge. Defaults to that of this program.
    #[arg(long)]
    pub bin: Option<PathBuf>,
    /// Folder for results; the run makes one of its own below it.
    #[arg(long, default_value = "out")]
    pub out: PathBuf,
    /// One line an event, even on a terminal.
    #[arg(long)]
    pub plain: bool,
}
