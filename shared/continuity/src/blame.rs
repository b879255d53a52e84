//! Errors carry blame: who has to act.

use serde::{Deserialize, Serialize};

/// Who is to blame when an upstream did not vouch for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// No answer, or an answer that says "not now": timeout, refused, 5xx, bad TLS chain on the path.
    Unavailable,
    /// The provider is alive and said no to a person: wrong password, access denied.
    Rejected,
    /// The provider does not know this node, or this node's settings are wrong: an operator has to act.
    Misconfigured,
    /// Malformed, forged or replayed: relevant to security, and never a reason to ask another provider.
    Protocol,
}
