//! Judges histories that were kept, by the expectations beside them: writes one's report and its JUnit XML anew, or makes the table of
//! software of other makers from many. Needs nothing of the lab: no root, no binaries, none of the configurations that the
//! topology names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::results;
use super::view::print;
use crate::history::{self, Event};
use crate::language::read::{Problems, Reader};
use crate::language::tree::Tree;
use crate::language::{Expectation, Settings, expect, units};
use crate::report::{self, compatibility::Table};
use crate::verdict::{self, Verdict};

/// Judges what a run has left in this folder; answers the exit code.
///
/// # Errors
/// What is missing in the folder or cannot be read, and that the report cannot be written.
pub fn judge(folder: &Path) -> Result<u8, String> {
    let left = Left::read(folder)?;
    let verdict = left.judge()?;
    results::pages(&verdict, &left.events, &folder.join("logs"))
        .and_then(|pages| pages.iter().try_for_each(|(name, page)| fs::write(folder.join(name), page)))
        .map_err(|error| format!("{}: the report cannot be written: {error}", folder.display()))?;
    print(&format!("{}\nReport: {}\n", report::summary(&verdict), folder.join("report.html").display()));
    Ok(verdict.code())
}

/// The table of what was exercised with software of other makers, by the runs that have left something below these folders.
///
/// # Errors
/// A folder that cannot be read, or that no run has left anything in.
pub fn compatibility(folders: &[PathBuf]) -> Result<String, String> {
    let mut runs = Vec::new();
    for folder in folders {
        find(folder, &mut runs).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    if runs.is_empty() {
        return Err("no run has left a history there; name folders such as `out`".to_owned());
    }
    // A topology that ran several times counts as it ran last; folders end with the time.
    let mut newest: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    for run in runs {
        let name = run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut words = name.rsplitn(3, '-');
        let time = [words.next(), words.next()].into_iter().rev().flatten().collect::<String>();
        let topology = words.next().unwrap_or(&name).to_owned();
        match newest.get(&topology) {
            Some((known, _)) if *known >= time => {}
            _ => drop(newest.insert(topology, (time, run))),
        }
    }
    let mut table = Table::default();
    for (_, folder) in newest.into_values() {
        let left = Left::read(&folder)?;
        table.add(&left.events, left.judge()?.code());
    }
    Ok(table.markdown())
}

/// Folders with a history, at most four deep.
fn find(folder: &Path, runs: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut deep = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = deep.pop() {
        if folder.join("history.jsonl").is_file() {
            runs.push(folder);
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if depth < 4 && entry.file_type()?.is_dir() {
                deep.push((entry.path(), depth + 1));
            }
        }
    }
    Ok(())
}

/// What a run has left for a verdict.
struct Left {
    history: PathBuf,
    events: Vec<Event>,
    expected: Vec<Expectation>,
    attempts: u32,
}

impl Left {
    fn read(folder: &Path) -> Result<Self, String> {
        let missing = |file: &Path, error: &dyn std::fmt::Display| {
            format!("{}: {error}; name a folder that a run has left, such as out/NAME-TIME", file.display())
        };
        let history = folder.join("history.jsonl");
        let file = File::open(&history).map_err(|error| missing(&history, &error))?;
        let events =
            history::read(BufReader::new(file)).map_err(|error| format!("{}: {error}", history.display()))?;
        let topology = folder.join("topology.yaml");
        let text = fs::read_to_string(&topology).map_err(|error| missing(&topology, &error))?;
        let (expected, attempts) =
            expectations(&text).map_err(|problems| crate::cli::say(&topology, &problems))?;
        Ok(Self { history, events, expected, attempts })
    }

    fn judge(&self) -> Result<Verdict<'_>, String> {
        verdict::judge(&self.events, &self.expected, self.attempts)
            .map_err(|error| format!("{}: {error}", self.history.display()))
    }
}

/// What a topology expects, and the least number of attempts where an expectation names none.
fn expectations(text: &str) -> Result<(Vec<Expectation>, u32), Problems> {
    let mut problems = Problems::default();
    let (mut expected, mut attempts) = (Vec::new(), Settings::default().attempts);
    match Tree::parse(text) {
        Ok(tree) => {
            let mut reader = Reader::new(&mut problems);
            for entry in tree.at("expect").map(Tree::items).unwrap_or_default() {
                expect::read(&mut reader, entry, &mut expected);
            }
            if let Some(settings) = tree.at("settings") {
                let mut settings = reader.section("settings", settings);
                attempts = settings.parsed("attempts", units::at_least_one).unwrap_or(attempts);
            }
        }
        Err((place, what)) => Reader::new(&mut problems).problem(place, "", &what, "the file must be YAML"),
    }
    if problems.0.is_empty() { Ok((expected, attempts)) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::synthetic::Story;

    const TOPOLOGY: &str = "# Anything.\nnodes: { a: { config: gone.yaml } }\nexpect:\n  - logins lost: 0\n";

    fn left(topology: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let broken = Story::one_root_cut().with(|product| product.notices_after = None);
        history::write(&broken.tell(), File::create(folder.path().join("history.jsonl")).unwrap()).unwrap();
        fs::write(folder.path().join("topology.yaml"), topology).unwrap();
        folder
    }

    #[test]
    fn a_kept_history_gives_its_verdict_and_its_report_again_without_the_configurations() {
        let folder = left(TOPOLOGY);
        assert_eq!(judge(folder.path()), Ok(1));
        let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
        assert!(page.contains("Failed: 1 of 2 expectations"));
        let enough =
            left(&format!("{TOPOLOGY}settings: {{ attempts: 100000 }}\n").replace("lost: 0", "told: 0"));
        assert_eq!(judge(enough.path()), Ok(2), "too little for so many attempts");
    }

    #[test]
    fn a_folder_that_no_run_has_left_is_named_with_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let said = judge(folder.path()).unwrap_err();
        assert!(
            said.contains("history.jsonl: ") && said.contains("name a folder that a run has left"),
            "{said}"
        );
        let said = judge(left("expect:\n  - logins lots: 0\n").path()).unwrap_err();
        assert!(said.contains("did you mean `logins lost`?"), "{said}");
    }
}
