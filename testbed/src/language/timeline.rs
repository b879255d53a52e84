//! `timeline`: faults as verbs, each at its time.

use std::time::Duration;

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
