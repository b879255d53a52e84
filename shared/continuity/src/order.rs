//! What operators order, and the [`Standing`] that choosing needs: health and orders put together.

use serde::{Deserialize, Serialize};

use crate::health::State;
use crate::time::Moment;

/// What an operator wants with a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// No new logins go there.
    Drain,
    /// New logins go there first, whatever its health says; also one that was found misconfigured.
    Force,
}

/// An operator's word about one connector, with who gave it, why, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Drain or force.
    pub what: What,
    /// Who ordered it.
    pub who: String,
    /// Why, in the operator's words.
    pub why: String,
    /// The first moment at which it no longer holds; without one it holds until it is taken back.
    pub until: Option<Moment>,
}

impl Order {
    /// Whether the order still holds.
    pub fn holds(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What choosing needs to know about a connector, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// Verdict by samples.
    pub state: State,
    /// When that verdict was reached.
    pub since: Moment,
    /// The last failure, in words; only while it stands against the connector.
    pub why: Option<String>,
    /// The order that holds now.
    pub order: Option<Order>,
    /// Why it is out although it answers: it does not know this node, or this node's settings are wrong.
    pub misconfigured: Option<String>,
    /// The operator's own endpoint answered and said no: never worth a look while that stands. What a provider says about
    /// itself is not this: where nobody else is left, it is worth asking again.
    pub refused: bool,
    /// A look failed and nothing has succeeded since: used only if no other candidate can be.
    pub doubted: bool,
    /// An outage is being simulated: it may well be alive.
    pub simulated: bool,
}

impl Standing {
    /// A standing with nothing known and nothing ordered: what a connector without health has.
    pub fn of(state: State, since: Moment) -> Self {
        Self {
            state,
            since,
            why: None,
            order: None,
            misconfigured: None,
            refused: false,
            doubted: false,
            simulated: false,
        }
    }
}
