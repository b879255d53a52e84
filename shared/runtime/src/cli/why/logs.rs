//! Reads decision lines from log files of any number of nodes: one JSON object a line, with or without what journald or a
//! container's runtime writes before it, or inside the `MESSAGE` of `journalctl -o json`. Reads in one go and in bounded
//! memory; what cannot be read is counted and said.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use mangrove_login::Line;
use serde_json::Value;

/// Longest line that is read; longer ones are skipped.
const LONGEST: u64 = 256 * 1024;

/// Most decisions kept: some 200 MB.
const MOST: usize = 300_000;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Decisions, in the order in which they were read.
    pub(super) lines: Vec<Line>,
    /// How many files could be read.
    pub(super) files: usize,
    /// What a person should know about the reading.
    pub(super) notes: Vec<String>,
}

/// Reads files; `-` is standard input. Decisions before `since` are left out.
pub(super) fn read(files: &[PathBuf], since: u64) -> Found {
    let mut found = Found::default();
    let mut kept = VecDeque::new();
    let mut dropped: u64 = 0;
    for file in files {
        let mut keep = |line: Line| {
            if line.at < since {
                return;
            }
            if kept.len() == MOST {
                kept.pop_front();
                dropped += 1;
            }
            kept.push_back(line);
        };
        match read_file(file, &mut keep) {
            Ok(bad) => {
                found.files += 1;
                found.notes.extend(bad.words(file));
            }
            Err(error) => found.notes.push(format!("{}: cannot be read: {error}", file.display())),
        }
    }
    if dropped > 0 {
        found.notes.push(format!(
            "the first {dropped} decisions were left out, {MOST} are kept: give fewer logs, or `-since`"
        ));
    }
    found.lines = kept.into();
    found
}

/// Lines that tell nothing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bad {
    not_json: u64,
    other_version: u64,
    too_long: u64,
}

impl Bad {
    fn words(&self, file: &Path) -> Vec<String> {
        let file = file.display();
        let lines = |number| super::super::count(number, "line");
        let cases = [
            (self.not_json, "not JSON and skipped (a node writes JSON with `logger: { jsonOutput: true }`)"),
            (self.other_version, "decisions that this version cannot read"),
            (self.too_long, "too long and skipped"),
        ];
        let said = cases.into_iter().filter(|(number, _)| *number > 0);
        said.map(|(number, words)| format!("{file}: {}: {words}", lines(number))).collect()
    }
}

fn read_file(file: &Path, keep: &mut impl FnMut(Line)) -> io::Result<Bad> {
    // A line that does not say its node is of the file's.
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if file == Path::new("-") {
        return read_all(&mut io::stdin().lock(), "", keep);
    }
    read_all(&mut BufReader::new(File::open(file)?), &stem, keep)
}

fn read_all(from: &mut impl BufRead, node: &str, keep: &mut impl FnMut(Line)) -> io::Result<Bad> {
    let (mut bad, mut line) = (Bad::default(), Vec::new());
    loop {
        line.clear();
        let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(bad);
        }
        if read as u64 == LONGEST && line.last() != Some(&b'\n') {
            bad.too_long += 1;
            from.skip_until(b'\n')?;
            continue;
        }
        match understand(&line) {
            Understood::Decision(mut decision) => {
                if decision.node.is_empty() {
                    node.clone_into(&mut decision.node);
                }
                keep(*decision);
            }
            Understood::NotJson => bad.not_json += 1,
            Understood::OtherVersion => bad.other_version += 1,
            Understood::SomethingElse => {}
        }
    }
}

enum Understood {
    Decision(Box<Line>),
    SomethingElse,
    NotJson,
    OtherVersion,
}

fn understand(line: &[u8]) -> Understood {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() {
        return Understood::SomethingElse;
    }
    // What stands before the first brace is somebody else's prefix.
    let value = text.find('{').and_then(|at| serde_json::from_str::<Value>(&text[at..]).ok());
    let Some(mut value) = value else { return Understood::NotJson };
    if let Some(inner) = value["MESSAGE"].as_str() {
        let inner = serde_json::from_str(inner).unwrap_or(Value::Null);
        value = inner;
    }
    if value["target"] != "decision" {
        return Understood::SomethingElse;
    }
    serde_json::from_value(value)
        .map_or(Understood::OtherVersion, |line| Understood::Decision(Box::new(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"t","node":"edge-a","target":"decision","at":5,"login":"abc","app":"mail","decision":"sent","message":"Sent the person to x.","member":"x","to_ref":"r"}"#;

    fn found(text: &str) -> (Vec<Line>, Bad) {
        let mut lines = Vec::new();
        let bad = read_all(&mut text.as_bytes(), "from-file", &mut |line| lines.push(line)).unwrap();
        (lines, bad)
    }

    #[test]
    fn a_line_is_read_as_it_is_after_a_prefix_and_out_of_the_journal() {
        let journal = serde_json::json!({ "MESSAGE": LINE, "_PID": "7" });
        let text = format!("{LINE}\nNov 26 03:12:04 branch mangrove-edge[12]: {LINE}\n{journal}\n");
        let (lines, bad) = found(&text);
        assert_eq!(bad, Bad::default());
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| *line == lines[0] && line.node == "edge-a"));
    }

    #[test]
    fn what_is_no_decision_is_passed_over_and_what_is_no_json_is_counted() {
        let text = format!(
            "{{\"target\":\"access\"}}\n\nhello\n{{ half\n{{\"target\":\"decision\",\"login\":\"old\"}}\n{}\n{LINE}",
            "{".repeat(usize::try_from(LONGEST).unwrap() + 7)
        );
        let (lines, bad) = found(&text);
        assert_eq!(bad, Bad { not_json: 2, other_version: 1, too_long: 1 });
        assert_eq!(lines.len(), 1, "the line after the one that is too long is read");
        let words = bad.words(Path::new("x.log"));
        assert!(words.len() == 3 && words[0].starts_with("x.log: 2 lines: not JSON"), "{words:?}");
    }

    #[test]
    fn a_line_without_a_node_is_of_its_file() {
        let (lines, _) = found(&LINE.replace("\"node\":\"edge-a\",", ""));
        assert_eq!(lines[0].node, "from-file");
    }

    #[test]
    fn a_file_that_is_not_there_is_said_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("edge.log");
        std::fs::write(&file, LINE).unwrap();
        let read = read(&[folder.path().join("gone.log"), file], 0);
        assert_eq!((read.files, read.lines.len()), (1, 1));
        assert!(read.notes[0].contains("gone.log: cannot be read"), "{:?}", read.notes);
    }

    #[test]
    fn decisions_of_before_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("edge.log");
        std::fs::write(&file, format!("{LINE}\n{}", LINE.replace("\"at\":5", "\"at\":6"))).unwrap();
        let read = read(&[file], 6);
        assert_eq!(read.lines.iter().map(|line| line.at).collect::<Vec<_>>(), [6]);
    }
}
