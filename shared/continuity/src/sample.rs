//! What is known about a connector comes in samples; what they are weighed by is its policy, and what comes out a state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::simulated::SimulatedOutage;
use crate::time::Moment;

/// How a connector is judged; from its `healthCheck` section.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HealthPolicy {
    /// Whether it is probed at all.
    pub probed: bool,
    /// From the start of one probe to the start of the next, at most.
    pub interval: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
    /// Failures in a row that make it Down; 0 counts as 1.
    pub unhealthy_threshold: u32,
    /// Successful probes in a row that make it Healthy; 0 counts as 1.
    pub healthy_threshold: u32,
    /// Whether a custom endpoint is asked instead of the provider; logins then never change the verdict.
    pub custom_endpoint: bool,
    /// An outage that is to be simulated.
    pub simulated: Option<SimulatedOutage>,
}

impl Default for HealthPolicy {
    /// Probed every 30 s, with 30 s of patience, and twice is believed either way.
    fn default() -> Self {
        Self {
            probed: true,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            unhealthy_threshold: 2,
            healthy_threshold: 2,
            custom_endpoint: false,
            simulated: None,
        }
    }
}

/// The verdict about a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing has been decided yet. Usable.
    Unknown,
    /// Enough probes in a row succeeded. Usable.
    Healthy,
    /// Something failed, not enough for a verdict. Usable.
    Suspect,
    /// Out.
    Down,
    /// Out; was Down and is being probed for its return.
    Probing,
}

impl State {
    /// Whether new logins may go there.
    pub fn usable(self) -> bool {
        !matches!(self, Self::Down | Self::Probing)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Probing => "probing",
        })
    }
}

/// One piece of knowledge about a connector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// A probe succeeded. Only these make Healthy.
    ProbeSucceeded,
    /// A probe failed.
    ProbeFailed {
        /// In words.
        why: String,
    },
    /// The custom endpoint answered and does not match: Down at once.
    EndpointRefused {
        /// In words.
        why: String,
    },
    /// The provider says that it cannot sign people in: Down at once.
    ProviderSaysNo {
        /// In words.
        why: String,
    },
    /// A look just before a redirect succeeded.
    LookSucceeded,
    /// A look just before a redirect failed or passed its deadline.
    LookFailed {
        /// In words.
        why: String,
    },
    /// A login with matched state got its tokens on the back channel.
    LoginAnswered,
    /// A login with matched state got no answer on the back channel: refused, or timed out. An HTTP answer, a 5xx
    /// included, is not this and no sample at all.
    LoginUnanswered {
        /// Which login; different ones count.
        login: u64,
    },
    /// The provider does not know this node, or this node's settings are wrong.
    Misconfigured {
        /// In words.
        why: String,
    },
    /// Configuration changed, an operator said so, or the provider was seen to know this node again.
    ConfigurationWorks,
}

impl Sample {
    /// Whether it speaks for the connector.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::ProbeSucceeded | Self::LookSucceeded | Self::LoginAnswered)
    }

    /// Whether it was seen while a person signed in, rather than asked for.
    pub(crate) fn is_of_a_login(&self) -> bool {
        matches!(self, Self::LoginAnswered | Self::LoginUnanswered { .. })
    }
}

/// News about a connector, to be logged. `from == to` where the state stayed and only [`Standing::misconfigured`](crate::Standing::misconfigured) changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transition {
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// What led to it, in words.
    pub why: String,
    /// When.
    pub at: Moment,
}
