//! Wrong clocks: Debian's libfaketime, loaded before a program, tells it another time of day. What a program measures
//! (`CLOCK_MONOTONIC`) stays right. The library reads a file at each question, so a clock goes wrong, and right again, while
//! the program runs. Programs that are linked statically (Dex) are out of its reach.

use std::io;
use std::path::{Path, PathBuf};

use crate::language::Topology;

/// The library, below a folder of libraries.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The library, if it is installed.
pub fn library() -> Option<PathBuf> {
    // Debian has a folder for each architecture, others have not.
    let each = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = each.chain(["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from));
    folders.map(|folder| folder.join(LIBRARY)).find(|file| file.is_file())
}

/// Whether what a topology's steps need for wrong clocks is there, and what to do if not.
///
/// # Errors
/// The words for a person.
pub fn ready(topology: &Topology) -> Result<(), String> {
    if topology.timeline.iter().any(|step| step.verb.skews()) && library().is_none() {
        return Err(
            "this topology needs libfaketime, which is not here: run `scripts/tools clock` once".to_owned()
        );
    }
    Ok(())
}

/// What a program's environment needs so that its clock is that of `file`.
pub fn environment(library: &Path, file: &Path) -> Vec<(String, String)> {
    let variables = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// Lets the clock of `file` go so many seconds ahead of the right time, or behind it.
///
/// # Errors
/// When the disk refuses.
pub fn set(file: &Path, ahead: i64) -> io::Result<()> {
    // Put there at once: a program that reads a file half written would have no time at all.
    let new = file.with_extension("new");
    std::fs::write(&new, format!("{ahead:+}\n"))?;
    std::fs::rename(new, file)
}
