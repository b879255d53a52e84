//! `type: continuity`: an ordered group of connectors and what applications see of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An ordered group of connectors; who can vouch does.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Continuity {
    /// Unique name.
    pub name: String,
    /// How a member is chosen. Defaults to `failover`.
    #[serde(default)]
    pub strategy: Strategy,
    /// The members of `failover`.
    pub failover: Failover,
    /// Schema abstraction: what applications see, whoever answered. Attributes that are not named pass through.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
    /// What happens when a browser comes back unanswered. Defaults to `switch` where every member is marked
    /// `root: true`, else `ask`.
    pub on_unanswered: Option<OnUnanswered>,
}

/// How a member is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The first in order that can.
    #[default]
    Failover,
}

/// Members, in order.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
pub struct Failover {
    /// Names of connectors or of other groups; the first is the primary.
    pub idps: Vec<String>,
}

/// One attribute as applications see it.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
pub struct Attribute {
    /// Name that applications see. `sub` names what identifies the person.
    pub name: String,
    /// For each member, which of its attributes; dots go into objects.
    #[serde(default)]
    pub mapping: BTreeMap<String, String>,
    /// Value where nothing is mapped; not allowed for `sub`.
    pub default: Option<serde_json::Value>,
}

/// What happens when a browser comes back unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnanswered {
    /// A page asks whether to continue or try another.
    Ask,
    /// The next member is tried.
    Switch,
    /// Nothing.
    Off,
}
