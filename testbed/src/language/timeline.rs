//! `timeline`: faults as verbs, each at its time.

use std::path::Path;
use std::time::Duration;

use super::ailments::{self, Healed};
use super::endpoints::{self, Says};
use super::random::{self, Plan};
use super::read::{Reader, Section};
use super::trace::{self, Condition, Trace};
use super::tree::Tree;
use super::units;
use super::ways::{self, Cut, How};
use crate::history::{IdpState, NamesState, StepKind};

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
    /// Whatever was done to ways ends: those given; or all, and everything else that is wrong (empty).
    Heal {
        /// Which ways; empty for all.
        cuts: Vec<Cut>,
    },
    /// What is wrong with one thing ends.
    HealOne {
        /// Which.
        what: Healed,
    },
    /// The DNS of a region fails.
    Dns {
        /// Whose.
        region: String,
        /// How.
        how: NamesState,
        /// Servers whose names it is about; none: all.
        about: Vec<String>,
    },
    /// An identity provider misbehaves in its own way.
    Break {
        /// Which.
        idp: String,
        /// How.
        how: IdpState,
        /// How late its answers come, if that is how.
        by: Duration,
        /// The node whose secrets have expired, if that is how.
        of: Option<String>,
    },
    /// The clock of a node or IdP is wrong, and goes on at its pace.
    Skew {
        /// Whose.
        node: String,
        /// Seconds ahead of the right time; negative: behind it.
        ahead: i64,
    },
    /// The disk with the state directory of a node or IdP is full.
    Fill {
        /// Whose.
        node: String,
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
    /// Packets pass at this pace, and no faster than their link.
    Throttle {
        /// Which ways.
        cuts: Vec<Cut>,
        /// Bits per second.
        rate: u64,
    },
    /// The ways follow a file of times until they are healed. [`trace::spread`] makes the steps.
    Trace {
        /// Which ways.
        cuts: Vec<Cut>,
        /// What the file says.
        trace: Trace,
    },
    /// An endpoint says something else from now on.
    Flip {
        /// Which.
        endpoint: String,
        /// What.
        says: Says,
    },
    /// Faults by chance. [`random::spread`] makes the steps.
    Random {
        /// Which, and when.
        plan: Plan,
    },
    /// One line of a trace: how the ways are from now on.
    Condition {
        /// Which ways.
        cuts: Vec<Cut>,
        /// How they are.
        condition: Condition,
    },
}

impl Verb {
    /// The node that the verb acts on, for verbs that act on one.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Kill { node }
            | Self::Start { node }
            | Self::Restart { node }
            | Self::Pause { node }
            | Self::Resume { node }
            | Self::Fill { node }
            | Self::HealOne { what: Healed::Disk(node) } => Some(node),
            Self::Break { idp, .. } | Self::HealOne { what: Healed::Idp(idp) } => Some(idp),
            Self::Skew { node, .. } | Self::HealOne { what: Healed::Clock(node) } => Some(node),
            _ => None,
        }
    }

    /// Whether the verb makes this identity provider misbehave.
    pub(crate) fn breaks(&self, name: &str) -> bool {
        matches!(self, Self::Break { idp, .. } if idp == name)
    }

    /// Whether the verb puts a clock wrong.
    pub(crate) fn skews(&self) -> bool {
        matches!(self, Self::Skew { .. })
    }

    /// The ways that the verb acts on.
    pub fn cuts(&self) -> &[Cut] {
        match self {
            Self::Partition { cuts, .. }
            | Self::Heal { cuts }
            | Self::Slow { cuts, .. }
            | Self::Lossy { cuts, .. }
            | Self::Throttle { cuts, .. }
            | Self::Trace { cuts, .. }
            | Self::Condition { cuts, .. } => cuts,
            _ => &[],
        }
    }

    /// What a step means for the mesh. A trace is one fault, however many lines it has; what `random` means are steps of
    /// their own.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Condition { .. } | Self::Random { .. } => StepKind::Other,
            Self::Heal { .. } | Self::HealOne { .. } | Self::Start { .. } | Self::Resume { .. } => {
                StepKind::Heal
            }
            _ => StepKind::Fault,
        }
    }
}

pub(super) const VERBS: &[&str] = &[
    "partition",
    "heal",
    "kill",
    "start",
    "restart",
    "pause",
    "resume",
    "slow",
    "lossy",
    "throttle",
    "trace",
    "dns",
    "break",
    "flip",
    "skew",
    "fill",
    "random",
];

/// What a step may refer to.
pub(crate) struct Around<'a> {
    /// All regions there are, for verbs that mean "all others".
    pub(crate) regions: &'a [String],
    /// The topology's file; a trace lies beside it.
    pub(crate) file: &'a Path,
}

/// Reads one step of the time line.
pub(crate) fn read(reader: &mut Reader<'_>, tree: &Tree, around: &Around<'_>) -> Option<Step> {
    let mut section = reader.section("timeline", tree);
    let after = section.needed("after", "say when, `after: 10s`");
    let found = verbs(&mut section);
    section.finish();
    let step = one_verb(reader, tree, &found, around);
    let after = match units::duration(&after?) {
        Ok(after) => after,
        Err(hint) => {
            reader.problem(tree.place, "timeline.after", "the time cannot be read", &hint);
            return None;
        }
    };
    step.map(|step| Step { after, ..step })
}

/// Reads a step that has no time of its own.
pub(super) fn read_now(reader: &mut Reader<'_>, tree: &Tree, around: &Around<'_>) -> Option<Step> {
    let mut section = reader.section("timeline", tree);
    let found = verbs(&mut section);
    section.finish();
    one_verb(reader, tree, &found, around)
}

fn verbs<'t>(section: &mut Section<'_, '_, 't>) -> Vec<(&'static str, &'t Tree)> {
    VERBS.iter().filter_map(|verb| section.take(verb).map(|argument| (*verb, argument))).collect()
}

fn one_verb(
    reader: &mut Reader<'_>,
    tree: &Tree,
    found: &[(&str, &Tree)],
    around: &Around<'_>,
) -> Option<Step> {
    let [(verb, argument)] = found else {
        let hint = format!("one of: {}", VERBS.join(", "));
        reader.problem(tree.place, "timeline", "a step is one time and one verb", &hint);
        return None;
    };
    let (verb, text) = read_verb(reader, verb, argument, around)?;
    Some(Step { after: Duration::ZERO, verb, text, line: tree.place.line })
}

fn read_verb(
    reader: &mut Reader<'_>,
    verb: &str,
    argument: &Tree,
    around: &Around<'_>,
) -> Option<(Verb, String)> {
    let node = || argument.text().map(str::to_owned);
    let made = match verb {
        "kill" => node().map(|node| Verb::Kill { node }),
        "start" => node().map(|node| Verb::Start { node }),
        "restart" => node().map(|node| Verb::Restart { node }),
        "pause" => node().map(|node| Verb::Pause { node }),
        "resume" => node().map(|node| Verb::Resume { node }),
        "fill" => node().map(|node| Verb::Fill { node }),
        "dns" => return ailments::read_dns(reader, argument),
        "break" => return ailments::read_break(reader, argument),
        "flip" => return endpoints::read_flip(reader, argument),
        "skew" => return ailments::read_skew(reader, argument),
        "random" => return random::read(reader, argument, around),
        "heal" if ailments::HEALED.iter().any(|key| argument.at(key).is_some()) => {
            return ailments::read_heal(reader, argument);
        }
        "heal" if argument.text() == Some("all") => Some(Verb::Heal { cuts: Vec::new() }),
        _ => return read_way_verb(reader, verb, argument, around),
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
    around: &Around<'_>,
) -> Option<(Verb, String)> {
    let path = format!("timeline.{verb}");
    let mut section = reader.section(&path, argument);
    let (cuts, ways) = ways::read_ways(&mut section, around.regions);
    let (made, text) = match verb {
        "partition" => {
            let how = section.parsed("how", ways::how).unwrap_or_default();
            (Verb::Partition { cuts, how }, format!("partition {ways} ({})", how.name()))
        }
        "heal" => (Verb::Heal { cuts }, format!("heal {ways}")),
        "slow" => {
            let by = section.parsed("by", units::duration).unwrap_or(Duration::from_millis(50));
            let jitter = section.parsed("jitter", units::duration).unwrap_or(Duration::ZERO);
            (Verb::Slow { cuts, by, jitter }, format!("slow {ways} by {}", units::show(by)))
        }
        "throttle" => {
            let rate = section.parsed("rate", units::rate).unwrap_or(1_000_000);
            (Verb::Throttle { cuts, rate }, format!("throttle {ways} to {}", units::show_rate(rate)))
        }
        "trace" => {
            let file =
                section.needed("file", "name a file of times beside the topology, `file: satellite.trace`");
            let place = section.take("file").map_or(argument.place, |tree| tree.place);
            let file = file.map(|name| (trace::load(section.reader, place, &name, around.file), name));
            let (trace, name) = file.unwrap_or_default();
            (Verb::Trace { cuts, trace }, format!("trace {ways} by {name}"))
        }
        _ => {
            let loss = section.parsed("loss", units::share).unwrap_or(0.2);
            (Verb::Lossy { cuts, loss }, format!("lossy {ways}, {}%", loss * 100.0))
        }
    };
    section.finish();
    if made.cuts().is_empty() {
        reader.problem(argument.place, &path, "no way between two regions is named", ways::WAYS);
        return None;
    }
    Some((made, text))
}
