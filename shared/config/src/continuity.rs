//! `type: continuity`: an ordered group of connectors and what applications see of them.

use std::collections::BTreeMap;

use mangrove_continuity::schema::{self, AttributeRule, Path, SourceError};
use serde::{Deserialize, Serialize};

use crate::GoDuration;
use crate::connectors::OneOrMany;

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
    /// For each member, which of its attributes: a path, in which dots go into objects and `[0]` into lists; or what is made of
    /// several values.
    #[serde(default)]
    pub mapping: BTreeMap<String, Source>,
    /// Value where nothing is mapped; not allowed for `sub`.
    pub default: Option<serde_json::Value>,
    /// `lower` writes `A` to `Z` as `a` to `z`, so that an address is the same however a member writes it. Defaults to letters as
    /// they are sent.
    pub case: Option<Case>,
}

/// Where a member keeps an attribute.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Source {
    /// What stands at a path.
    Path(String),
    /// What is made of several values.
    Values(Values),
}

/// What is made of several values.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
pub struct Values {
    /// The path; of several, the values of all, in this order.
    pub path: OneOrMany,
    /// Only values that match this regular expression count; where it has a group `(...)`, what the group matched.
    #[serde(rename = "match")]
    pub only: Option<String>,
    /// One of the values.
    pub pick: Option<Pick>,
    /// All values in one text, with this between them.
    pub join: Option<String>,
}

/// One of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// The first; of several paths, that of the first that has one.
    First,
    /// The last.
    Last,
}

/// Letters of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Small ones.
    Lower,
}

impl Attribute {
    /// The rule that this is.
    ///
    /// # Errors
    /// What cannot be read, and of which member.
    pub fn rule(&self) -> Result<AttributeRule, Vec<(&str, SourceError)>> {
        let mut mapping = BTreeMap::new();
        let mut wrong = Vec::new();
        for (member, source) in &self.mapping {
            match source.read() {
                Ok(source) => drop(mapping.insert(member.clone(), source)),
                Err(why) => wrong.push((member.as_str(), why)),
            }
        }
        let (name, default) = (self.name.clone(), self.default.clone());
        let rule = AttributeRule { name, mapping, default, lower_case: self.case == Some(Case::Lower) };
        if wrong.is_empty() { Ok(rule) } else { Err(wrong) }
    }
}

impl Source {
    fn read(&self) -> Result<schema::Source, SourceError> {
        match self {
            Self::Path(path) => Ok(schema::Source::plain(Path::parse(path)?)),
            Self::Values(values) => {
                let paths: Result<Vec<_>, _> = values.path.iter().map(Path::parse).collect();
                let pick = values.pick.map(|pick| match pick {
                    Pick::First => schema::Pick::First,
                    Pick::Last => schema::Pick::Last,
                });
                schema::Source::new(paths?, values.only.as_deref(), pick, values.join.clone())
            }
        }
    }

    /// The paths, as written.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Path(path) => vec![path],
            Self::Values(values) => values.path.iter().collect(),
        }
    }
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
