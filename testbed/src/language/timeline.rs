//! `timeline`: faults as verbs, each at its time.

use std::time::Duration;

use super::read::{Reader, Section};
use super::tree::Tree;
use super::units;

/// A fault, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Time after people begin to sign in.
    pub after: Duration,
    /// What happens.
    pub verb: Verb,
    /// As the author would say it: `partition branch-a | dc1 (black-hole)`.
    pub text: String,
    /// Line of the file.
    pub line: u64,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// Packets stop.
    Partition {
        /// Which ways.
        cuts: Vec<Cut>,
        /// What a sender sees.
        how: How,
    },
    /// Cuts, `slow` and `lossy` end: those given, or all (empty).
    Heal {
        /// Which ways; empty for all.
        cuts: Vec<Cut>,
    },
    /// SIGKILL.
    Kill {
        /// The node or IdP.
        node: String,
    },
    /// Starts what was killed.
    Start {
        /// The node or IdP.
        node: String,
    },
    /// SIGTERM, then start when it has ended.
    Restart {
        /// The node or IdP.
        node: String,
    },
    /// SIGSTOP: alive, and does not answer.
    Pause {
        /// The node or IdP.
        node: String,
    },
    /// SIGCONT.
    Resume {
        /// The node or IdP.
        node: String,
    },
    /// Packets take longer.
    Slow {
        /// Which ways.
        cuts: Vec<Cut>,
        /// Added one way.
        by: Duration,
        /// Up to this much more or less.
        jitter: Duration,
    },
    /// Packets get lost, each by its own chance.
    Lossy {
        /// Which ways.
        cuts: Vec<Cut>,
        /// Share lost, 0 to 1.
        loss: f64,
    },
}

/// One way between two regions; a partition both ways is two of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Packets sent in this region ...
    pub from: String,
    /// ... towards this one.
    pub to: String,
}

/// What a sender sees of a cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum How {
    /// Nothing: packets vanish.
    #[default]
    BlackHole,
    /// A refusal at once: RST for TCP, "administratively prohibited" for the rest.
    Refused,
    /// As refused, and live connections are reset at both ends.
    Reset,
}

impl How {
    /// The name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlackHole => "black-hole",
            Self::Refused => "refused",
            Self::Reset => "reset",
        }
    }
}

impl Verb {
    /// The node that the verb acts on, for verbs that act on one.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Kill { node }
            | Self::Start { node }
            | Self::Restart { node }
            | Self::Pause { node }
            | Self::Resume { node } => Some(node),
            _ => None,
        }
    }

    /// The ways that the verb acts on.
    pub fn cuts(&self) -> &[Cut] {
        match self {
            Self::Partition { cuts, .. }
            | Self::Heal { cuts }
            | Self::Slow { cuts, .. }
            | Self::Lossy { cuts, .. } => cuts,
            _ => &[],
        }
    }

    /// Whether this makes things better.
    pub fn heals(&self) -> bool {
        matches!(self, Self::Heal { .. } | Self::Start { .. } | Self::Resume { .. })
    }
}

pub(super) const VERBS: [&str; 9] =
    ["partition", "heal", "kill", "start", "restart", "pause", "resume", "slow", "lossy"];

/// Reads one step of the time line. `regions` are all there are, for verbs that mean "all others".
pub(crate) fn read(reader: &mut Reader<'_>, tree: &Tree, regions: &[String]) -> Option<Step> {
    let mut section = reader.section("timeline", tree);
    let after = section.needed("after", "say when, `after: 10s`");
    let mut found = Vec::new();
    for verb in VERBS {
        if let Some(argument) = section.take(verb) {
            found.push((verb, argument));
        }
    }
    section.finish();
    let after = match units::duration(&after?) {
        Ok(after) => after,
        Err(hint) => {
            reader.problem(tree.place, "timeline.after", "the time cannot be read", &hint);
            return None;
        }
    };
    let [(verb, argument)] = found[..] else {
        let hint = format!("one of: {}", VERBS.join(", "));
        reader.problem(tree.place, "timeline", "a step is one time and one verb", &hint);
        return None;
    };
    let (verb, text) = read_verb(reader, verb, argument, regions)?;
    Some(Step { after, verb, text, line: tree.place.line })
}

fn read_verb(
    reader: &mut Reader<'_>,
    verb: &str,
    argument: &Tree,
    regions: &[String],
) -> Option<(Verb, String)> {
    let node = || argument.text().map(str::to_owned);
    let made = match verb {
        "kill" => node().map(|node| Verb::Kill { node }),
        "start" => node().map(|node| Verb::Start { node }),
        "restart" => node().map(|node| Verb::Restart { node }),
        "pause" => node().map(|node| Verb::Pause { node }),
        "resume" => node().map(|node| Verb::Resume { node }),
        "heal" if argument.text() == Some("all") => Some(Verb::Heal { cuts: Vec::new() }),
        _ => return read_way_verb(reader, verb, argument, regions),
    };
    if made.is_none() {
        reader.problem(
            argument.place,
            &format!("timeline.{verb}"),
            "names one node or IdP",
            &format!("write `{verb}: root-dc1`"),
        );
    }
    let text = format!("{verb} {}", argument.text().unwrap_or_default());
    made.map(|verb| (verb, text))
}

/// Verbs that act on ways between regions.
fn read_way_verb(
    reader: &mut Reader<'_>,
    verb: &str,
    argument: &Tree,
    regions: &[String],
) -> Option<(Verb, String)> {
    let path = format!("timeline.{verb}");
    let mut section = reader.section(&path, argument);
    let (cuts, ways) = read_ways(&mut section, regions);
    let (made, text) = match verb {
        "partition" => {
            let how = section.parsed("how", how).unwrap_or_default();
            (Verb::Partition { cuts, how }, format!("partition {ways} ({})", how.name()))
        }
        "heal" => (Verb::Heal { cuts }, format!("heal {ways}")),
        "slow" => {
            let by = section.parsed("by", units::duration).unwrap_or(Duration::from_millis(50));
            let jitter = section.parsed("jitter", units::duration).unwrap_or(Duration::ZERO);
            (Verb::Slow { cuts, by, jitter }, format!("slow {ways} by {}", units::show(by)))
        }
        _ => {
            let loss = section.parsed("loss", units::share).unwrap_or(0.2);
            (Verb::Lossy { cuts, loss }, format!("lossy {ways}, {}%", loss * 100.0))
        }
    };
    section.finish();
    if made.cuts().is_empty() {
        let hint = "write `between: [a, b]`, `region: a` (from all), `region: a, from: [b, c]`, or one way `from: a, to: b`";
        reader.problem(argument.place, &path, "no way between two regions is named", hint);
        return None;
    }
    Some((made, text))
}

fn how(text: &str) -> Result<How, String> {
    let all = [How::BlackHole, How::Refused, How::Reset];
    let found = all.into_iter().find(|how| how.name() == text);
    found.ok_or_else(|| "known: black-hole, refused, reset".to_owned())
}

/// The ways a verb names, and how to say them.
fn read_ways(section: &mut Section<'_, '_, '_>, regions: &[String]) -> (Vec<Cut>, String) {
    let between = section.texts("between");
    let region = section.text("region");
    let from = section.texts("from");
    let to = section.texts("to");
    if let Some(region) = region {
        let others: Vec<String> = if from.is_empty() {
            regions.iter().filter(|other| **other != region).cloned().collect()
        } else {
            from
        };
        let said = if others.len() + 1 == regions.len() { "all".to_owned() } else { others.join(", ") };
        return (both_ways(std::slice::from_ref(&region), &others), format!("{region} | {said}"));
    }
    if !from.is_empty() && !to.is_empty() {
        let said = format!("{} -> {}", from.join(", "), to.join(", "));
        let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (a, b)));
        return (
            pairs.filter(|(a, b)| a != b).map(|(a, b)| Cut { from: a.clone(), to: b.clone() }).collect(),
            said,
        );
    }
    let mut cuts = Vec::new();
    for (i, a) in between.iter().enumerate() {
        cuts.extend(both_ways(std::slice::from_ref(a), &between[i + 1..]));
    }
    (cuts, between.join(" | "))
}

fn both_ways(left: &[String], right: &[String]) -> Vec<Cut> {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b))).filter(|(a, b)| a != b);
    pairs
        .flat_map(|(a, b)| [Cut { from: a.clone(), to: b.clone() }, Cut { from: b.clone(), to: a.clone() }])
        .collect()
}
