//! An outage that is only rehearsed: for a while a connector is taken for one that does not answer.
//!
//! From then on everything is as in an outage that is meant: the verdict takes its interval times threshold, its members'
//! logins go elsewhere, and it returns by good probes after the end. Nothing good that is seen meanwhile counts. What is
//! not as in one is said by who looks: a connector that would vouch is used before anybody is sent away for a rehearsal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Moment;

/// What failures are called while an outage is simulated.
pub const SIMULATED: &str = "simulated outage (healthCheck.simulation)";

/// When an outage is simulated, counted from when the connector was first watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SimulatedOutage {
    /// When it begins.
    pub after: Duration,
    /// How long it lasts.
    pub lasts: Duration,
}

/// Where a simulated outage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It begins in this time.
    Due(Duration),
    /// It ends in this time.
    On(Duration),
    /// It is over.
    Over,
}

impl SimulatedOutage {
    /// Where it is at `now`, for a connector that is watched since `since`.
    pub fn phase(&self, since: Moment, now: Moment) -> Phase {
        let begins = since + self.after;
        let ends = begins + self.lasts;
        if now < begins {
            Phase::Due(begins.since(now))
        } else if now < ends {
            Phase::On(ends.since(now))
        } else {
            Phase::Over
        }
    }
}
