//! A step as an operator types it while a topology is up: the timeline's own words without a time. `kill root-dc1` is short
//! for `{ kill: root-dc1 }`.

use super::read::{Problems, Reader, nearest};
use super::timeline::{self, VERBS};
use super::tree::{Kind, Tree};
use super::{Step, Topology, Verb, check};

/// Reads one line.
///
/// # Errors
/// What is wrong with it and what to write instead.
pub fn read(line: &str, topology: &Topology) -> Result<Step, String> {
    let text = format!("{{ after: 0s, {} }}", plain(line));
    let tree = Tree::parse(&text).map_err(|_| {
        "it cannot be read: write `kill root-dc1`, or `{ partition: { between: [branch-a, dc1] } }`"
            .to_owned()
    })?;
    if let Kind::Map(fields) = &tree.kind
        && let Some((word, ..)) =
            fields.iter().find(|(word, ..)| word != "after" && !VERBS.contains(&word.as_str()))
    {
        return Err(format!("`{word}` is no verb: {}", nearest(word, VERBS.iter().copied())));
    }
    let around = timeline::Around { regions: &topology.regions, file: &topology.file };
    let mut problems = Problems::default();
    let mut reader = Reader::new(&mut problems);
    let step = timeline::read(&mut reader, &tree, &around);
    if let Some(step) = &step {
        check::step(step, topology, &mut reader);
    }
    match (step, problems.0.first()) {
        // They mean steps at times of their own.
        (Some(Step { verb: Verb::Trace { .. } | Verb::Random { .. }, .. }), None) => Err(
            "a trace and `random` have times: write it in the file's timeline, and play that with --timeline"
                .to_owned(),
        ),
        (Some(step), None) => Ok(step),
        (_, Some(problem)) => Err(format!("{}: {}", problem.what, problem.hint)),
        (None, None) => Err(format!("it is no step; one of: {}", VERBS.join(", "))),
    }
}

/// The inside of the mapping that the line means.
fn plain(line: &str) -> String {
    let line = line.trim();
    if let Some(inner) = line.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return inner.to_owned();
    }
    match line.split_once(' ') {
        Some((verb, rest)) if VERBS.contains(&verb) => format!("{verb}: {rest}"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        let link = super::super::Link {
            between: ("branch".to_owned(), "dc1".to_owned()),
            delay: std::time::Duration::ZERO,
            jitter: std::time::Duration::ZERO,
            rate: None,
            loss: 0.0,
            line: 1,
        };
        let idp = super::super::Idp {
            name: "corp".to_owned(),
            region: "dc1".to_owned(),
            kind: super::super::IdpKind::Local,
            replica_of: None,
            line: 1,
        };
        Topology {
            regions: names(["branch", "dc1"]),
            links: vec![link],
            idps: vec![idp],
            ..Topology::default()
        }
    }

    fn said(line: &str) -> String {
        read(line, &topology()).map(|step| step.text).unwrap()
    }

    #[test]
    fn a_step_is_typed_in_short_or_as_it_stands_in_a_file() {
        assert_eq!(said("kill corp"), "kill corp");
        assert_eq!(said(" { kill: corp } "), "kill corp");
        assert_eq!(said("start: corp"), "start corp");
        assert_eq!(said("heal all"), "heal all");
        let cut = "partition branch | dc1 (refused)";
        assert_eq!(said("partition { between: [branch, dc1], how: refused }"), cut);
        assert_eq!(said("{ partition: { between: [branch, dc1], how: refused } }"), cut);
    }

    #[test]
    fn what_is_not_there_or_no_step_is_said_with_what_to_write() {
        let wrong = |line: &str| read(line, &topology()).map(|step| step.text).unwrap_err();
        assert!(wrong("kill crop").contains("there is no node or IdP `crop`: did you mean `corp`?"));
        assert!(wrong("partition { between: [branch, dc2] }").contains("there is no region `dc2`"));
        assert!(wrong("dance").contains("`dance` is no verb: known: partition"));
        assert!(wrong("kill: [").contains("it cannot be read"));
    }
}
