//! What stays of a run: the history, the report, its JUnit XML, the nodes' logs, all in one folder; and the verdict on the terminal.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::view::print;
use crate::history::{self, Event};
use crate::language::Topology;
use crate::report;
use crate::verdict::{self, Verdict};

/// Judges, keeps, and says; answers the exit code.
///
/// # Errors
/// When the history cannot be judged or results cannot be written.
pub fn conclude(topology: &Topology, events: &[Event], folder: &Path, out: &Path) -> Result<u8, String> {
    let verdict = verdict::judge(events, &topology.expect, topology.settings.attempts)?;
    let kept = pages(&verdict, events, &folder.join("logs"))
        .and_then(|pages| keep(topology, events, &pages, folder, out))
        .map_err(|error| format!("results cannot be written: {error}"))?;
    let mut text = format!("\n{}", report::summary(&verdict));
    text.push_str(&format!(
        "\nReport: {}\nHistory, JUnit XML and logs beside it.\n",
        kept.join("report.html").display()
    ));
    print(&text);
    Ok(verdict.code())
}

/// What is made of a verdict for others to read: the name of each file, and what is in it.
pub(super) fn pages(
    verdict: &Verdict<'_>,
    events: &[Event],
    logs: &Path,
) -> io::Result<[(&'static str, Vec<u8>); 2]> {
    let report = report::html(verdict, events, &report::stories::read(logs)).into_bytes();
    Ok([("report.html", report), ("junit.xml", report::junit(verdict)?)])
}

/// Copies what must stay into a folder of its own; earlier results are never overwritten.
fn keep(
    topology: &Topology,
    events: &[Event],
    pages: &[(&str, Vec<u8>)],
    folder: &Path,
    out: &Path,
) -> io::Result<PathBuf> {
    let time = chrono::DateTime::from_timestamp(i64::try_from(history::unix_now()).unwrap_or(0), 0)
        .unwrap_or_default();
    let stamp = time.format("%Y%m%d-%H%M%S");
    fs::create_dir_all(out)?;
    let mut kept = out.join(format!("{}-{stamp}", topology.name));
    let mut number = 1;
    while let Err(error) = fs::create_dir(&kept) {
        if error.kind() != io::ErrorKind::AlreadyExists || number > 100 {
            return Err(error);
        }
        number += 1;
        kept = out.join(format!("{}-{stamp}-{number}", topology.name));
    }
    history::write(events, BufWriter::new(fs::File::create(kept.join("history.jsonl"))?))?;
    for (name, page) in pages {
        fs::write(kept.join(name), page)?;
    }
    fs::copy(&topology.file, kept.join("topology.yaml"))?;
    copy(&folder.join("logs"), &kept.join("logs"))?;
    Ok(kept)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
