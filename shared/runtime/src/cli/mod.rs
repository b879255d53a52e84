//! The command line, shared by both roles. Exit codes: 0 clean, 1 failed, 2 bad input.

mod args;
mod ask;
mod check;
mod client_keys;
mod explain;
pub mod init;
mod names;
mod operate;
mod run;
mod users;
mod why;

use std::process::ExitCode;

use mangrove_config::Environment;

use crate::role::Role;
use args::{Arguments, Command};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As it should.
    Clean,
    /// It did not work.
    Failed,
    /// What was written cannot be used.
    BadInput,
}

/// The whole of both binaries: arguments, command, exit code.
pub fn main(role: &'static Role) -> ExitCode {
    crate::tls::install_provider();
    let arguments = match args::parse(role, std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::BadInput.into() } else { Exit::Clean.into() };
        }
    };
    let environment = Environment::of_process();
    dispatch(role, arguments, &environment).into()
}

fn dispatch(role: &'static Role, arguments: Arguments, environment: &Environment) -> Exit {
    let source = arguments.source;
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run::run(role, &source, environment),
        Command::Check(ask) => check::check(role, &ask, &source, environment),
        Command::ClientKeys(ask) => client_keys::client_keys(&ask, &source, environment),
        Command::Init(ask) => init::init(role, &ask),
        Command::User(args::User { command: args::UserCommand::Add(ask) }) => users::add(&ask),
        Command::Status(ask) => operate::status(&ask, &source, environment),
        Command::Why(ask) => why::why(&ask, &source, environment),
        Command::Drain(ask) => operate::order("drain", &ask, &source, environment),
        Command::Force(ask) => operate::order("force", &ask, &source, environment),
        Command::EndSessions(ask) => operate::end_sessions(&ask, &source, environment),
    }
}

/// Says what went wrong, on standard error.
#[allow(clippy::print_stderr, reason = "the command line speaks to a person")]
pub(crate) fn complain(words: &dyn std::fmt::Display) {
    eprintln!("{words}");
}

/// Says what was asked for, on standard output. A reader who has gone away is no error.
pub(crate) fn say(words: &dyn std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{words}");
}

/// `no apps`, `1 app`, `2 apps`.
fn count(number: u64, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::BadInput => Self::from(2),
        }
    }
}
