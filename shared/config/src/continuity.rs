//! `type: continuity`: an ordered group of connectors and what applications see of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::GoDuration;

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
    /// Finds more roots by DNS (RFC 2782). Defaults to none: only those that are listed.
    pub discovery: Option<RootDiscovery>,
}

/// Roots that DNS names, beside those that are listed. DNS can add names below a suffix and order them, and nothing else: a
/// root that it names is asked only once it has shown a certificate of the authority in `like`'s TLS profile and that it knows
/// this node's key; nobody is taken away.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootDiscovery {
    /// Name of the SRV records, such as `_mangrove-root._tcp.example.com`.
    pub srv: String,
    /// Hosts below this name may be added, and no others.
    pub suffix: String,
    /// The member whose settings roots take that are found, all but the URL: an `oidc` connector with `root: true`,
    /// `oauthClientAuth` and a `tls` profile with `caFile`. Mappings for it are theirs, too.
    pub like: String,
    /// Where roots stand that the records name. Defaults to `listed`.
    #[serde(default)]
    pub order: RootOrder,
    /// Most roots that one answer may add, 1 to 16. Defaults to 4.
    #[serde(default = "default_most")]
    pub most: u8,
    /// How long a root that was found and used stays after the last answer that named it. Defaults to `24h`, at most `168h`.
    pub keep: Option<GoDuration>,
}

/// Where roots stand that DNS names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RootOrder {
    /// After the members that are listed.
    #[default]
    Listed,
    /// All that the records name, listed ones too, first and in the records' order.
    Records,
}

fn default_most() -> u8 {
    4
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
