//! What looking at an upstream finds: a probe, which verdicts come from, and the cheaper look before a browser is sent there.
//! How each protocol looks is its own business, what follows from it `mangrove_continuity`'s.

use std::time::Duration;

/// What a look at a connector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// It answered as it should.
    Answered {
        /// How long that took.
        took: Duration,
        /// It was seen to know this node: its token endpoint takes this node's credentials.
        knows_this_node: bool,
    },
    /// It did not answer, or not as it should.
    Failed {
        /// In words, for the log.
        why: String,
        /// Nobody answered: refused or timed out.
        no_answer: bool,
    },
    /// It answered and says itself that it cannot sign people in.
    SaysNo {
        /// In words, for the log.
        why: String,
    },
    /// It answers and does not know this node: an operator has to act.
    Misconfigured {
        /// In words, for the log.
        why: String,
    },
    /// The custom endpoint answered and does not match.
    EndpointRefused {
        /// In words, for the log.
        why: String,
    },
}

/// What a knock at the page found where people would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knock {
    /// It can be connected to.
    Open,
    /// Whoever has the page, and is asked in looks, takes no connections.
    Closed {
        /// In words, for the log.
        why: String,
    },
    /// Neither was seen.
    Unsure,
}

/// What a look before leaving found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It answered as it should.
    Answered {
        /// How long that took.
        took: Duration,
    },
    /// It did not answer in time, or not as it should.
    Failed {
        /// In words, for the log.
        why: String,
        /// Time ran out: it may be gone, or only slow.
        timed_out: bool,
    },
    /// It answered and says itself that it cannot sign people in.
    SaysNo {
        /// In words, for the log.
        why: String,
    },
    /// The custom endpoint answered and does not match.
    Refused {
        /// In words, for the log.
        why: String,
    },
    /// It answers and is not who it should be: an operator has to act.
    Misconfigured {
        /// In words, for the log.
        why: String,
    },
}
