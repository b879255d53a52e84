//! The command line: `run FILE`, `up FILE`, `judge FOLDER`, `check FILE...`, `compatibility FOLDER...`; and three that these use themselves, `inside`
//! and `inside-up` (the same in their name space) and `agent` (the people of one region).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::lab::mesh::{Mesh, MeshError};
use crate::language::read::Problems;
use crate::language::{Topology, enough, parse};
use crate::run::{self, Options};

/// Makes a mesh of regions on this machine, lets people sign in while things break, and says what that did to whom.
#[derive(Parser)]
#[command(name = "mangrove-testbed", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a topology. Exit code 0: everything expected holds; 1: something does not; 2: the run failed or cannot judge.
    Run(Options),
    /// Keeps a topology up until Ctrl-C and lets your own browser in; faults are typed, such as `kill root-dc1`.
    Up(run::up::Options),
    /// Says everything that is wrong with topologies and the configurations they name. Exit code 2 if anything is.
    Check {
        /// The topologies.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Judges again what a run has left, and writes its report anew. Exit codes as those of `run`.
    Judge {
        /// The run's folder, with `history.jsonl` and `topology.yaml`.
        folder: PathBuf,
    },
    /// Prints what was exercised with software of other makers, by the runs that have left something below these folders.
    Compatibility {
        /// Folders of results, such as `out`. Of a topology that ran several times the last counts.
        #[arg(required = true)]
        folders: Vec<PathBuf>,
    },
    #[command(hide = true)]
    Inside(Options),
    #[command(hide = true)]
    InsideUp(run::up::Options),
    #[command(hide = true)]
    Agent,
}

/// Parses arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Run(options) => match check(&options.file) {
            Ok(_) => run::outer::run(&options),
            Err(words) => refuse(&words),
        },
        Command::Up(options) => match check(&options.file) {
            Ok(topology) => match options.standpoint(&topology) {
                Ok(_) => run::outer::up(&options),
                Err(words) => refuse(&words),
            },
            Err(words) => refuse(&words),
        },
        Command::Check { files } => {
            let judgeable = |file: &Path| {
                let lacks = enough::lacks(&check(file)?);
                if lacks.0.is_empty() { Ok(()) } else { Err(say(file, &lacks)) }
            };
            let wrong: Vec<_> = files.iter().filter_map(|file| judgeable(file).err()).collect();
            if wrong.is_empty() {
                run::view::print(&format!("{} topologies, nothing wrong\n", files.len()));
                return ExitCode::SUCCESS;
            }
            refuse(&wrong.join("\n"))
        }
        Command::Judge { folder } => match run::again::judge(&folder) {
            Ok(code) => ExitCode::from(code),
            Err(words) => refuse(&words),
        },
        Command::Compatibility { folders } => match run::again::compatibility(&folders) {
            Ok(page) => {
                run::view::print(&page);
                ExitCode::SUCCESS
            }
            Err(words) => refuse(&words),
        },
        Command::Inside(options) => run::supervisor::main(&options),
        Command::InsideUp(options) => run::up::main(&options),
        Command::Agent => crate::agent::main(),
    }
}

fn refuse(words: &str) -> ExitCode {
    eprintln!("{words}");
    ExitCode::from(2)
}

/// Reads a topology and loads what it names, as a run would.
fn check(file: &Path) -> Result<Topology, String> {
    let topology = parse::load(file).map_err(|problems| say(file, &problems))?;
    let scratch = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    match Mesh::prepare(&topology, scratch.path()) {
        Ok(_) => Ok(topology),
        Err(MeshError::Configurations(problems)) => Err(problems.join("\n")),
        Err(error) => Err(error.to_string()),
    }
}

/// All problems of a file, one after the other.
pub(crate) fn say(file: &Path, problems: &Problems) -> String {
    let one = |problem: &crate::language::read::Problem| {
        let place = if problem.place.line == 0 {
            file.display().to_string()
        } else {
            format!("{}:{}:{}", file.display(), problem.place.line, problem.place.column)
        };
        let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
        format!("{place}: {path}{}\n    {}", problem.what, problem.hint)
    };
    problems.0.iter().map(one).collect::<Vec<_>>().join("\n")
}
