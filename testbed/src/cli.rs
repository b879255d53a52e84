//! The command line: `run FILE`, `check FILE`, and `agent`, which `run` starts in each region.

use std::process::ExitCode;

/// Parses arguments and does what they say.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
