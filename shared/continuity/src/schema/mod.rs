//! Schema abstraction: what applications see, whichever provider answered.
//!
//! A rule names an attribute and says, for each member, where that member keeps it ([`Source`]). A member that a rule does not
//! name has no such attribute: the default counts, or nothing; its own claim of that name does not slip through. Attributes
//! that no rule names pass through as they are. `groups` and `roles` are lists, whoever says them and however.

mod path;
mod source;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use path::{Path, PathError};
pub use source::{Pick, Source, SourceError};

/// One attribute as applications see it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeRule {
    /// Name that applications see.
    pub name: String,
    /// Where each member keeps it.
    pub mapping: BTreeMap<String, Source>,
    /// Value where nothing is mapped or found.
    pub default: Option<Value>,
    /// What members send is written with small letters: `A` to `Z` become `a` to `z`, and nothing else does. Other letters
    /// stay, since some of those that fold to the same are different people's.
    pub lower_case: bool,
}

impl AttributeRule {
    /// What a member's claims say of this attribute: the value, if there is one, and whence. JSON `null` counts as absent.
    fn see(&self, member: &str, claims: &Map<String, Value>) -> (Option<Value>, Whence) {
        let source = self.mapping.get(member);
        let mapped = source.and_then(|source| source.find(claims)).map(|value| self.written(value));
        let (value, whence) = match (mapped, &self.default, source) {
            (Some(value), _, _) => (Some(value), Whence::Mapped),
            (None, Some(default), _) => (Some(default.clone()), Whence::Default),
            (None, None, Some(_)) => (None, Whence::NotSent),
            (None, None, None) => (None, Whence::NotMapped),
        };
        (value.map(|value| listed(&self.name, value)), whence)
    }

    /// What cannot be meant: for which member, if for one, and why.
    pub fn unsound(&self) -> Vec<(Option<&str>, Unsound)> {
        let mut found = Vec::new();
        if self.name == "sub" && self.default.is_some() {
            found.push((None, Unsound::SubDefault));
        }
        for (member, source) in &self.mapping {
            if self.name == "sub" && source.as_path().is_none() {
                found.push((Some(member.as_str()), Unsound::SubShaped));
            }
            if is_list(&self.name) && source.joins() {
                found.push((Some(member.as_str()), Unsound::JoinedList));
            }
        }
        found
    }

    /// A value in the letters that the rule wants.
    pub fn written(&self, value: Value) -> Value {
        if self.lower_case { lower(value) } else { value }
    }
}

/// Why a rule cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// `default` on `sub`.
    #[error("`sub` has no default: all strangers would be one person")]
    SubDefault,
    /// `sub` from several values.
    #[error(
        "`sub` is one value, taken as it is: which of several comes first may change, and so would the person"
    )]
    SubShaped,
    /// `groups` or `roles` as one text.
    #[error("applications see `groups` and `roles` as lists, and `join` would make one text of them")]
    JoinedList,
}

/// An attribute of a person, and whence it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What applications see; nothing where it is absent.
    pub value: Option<Value>,
    /// Whence.
    pub whence: Whence,
}

/// Whence an attribute came, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// From the member, as its mapping says.
    Mapped,
    /// From the rule's default: the member sent nothing, or the rule does not name it.
    Default,
    /// The member sent nothing, and there is no default.
    NotSent,
    /// The rule does not name the member, and there is no default.
    NotMapped,
    /// From the member; no rule names it.
    PassedOn,
    /// Held back: `email_verified` speaks of the address it came with, and a rule put another one in its place.
    HeldBack,
}

/// What applications see of `claims`, which `member` vouched for, and whence: what passes through by name, and then what the
/// rules say, in their order.
pub fn see(rules: &[AttributeRule], member: &str, claims: &Map<String, Value>) -> Vec<Seen> {
    let rule_of = |name: &str| rules.iter().find(|rule| rule.name == name);
    let passed = claims.iter().filter(|(name, _)| rule_of(name).is_none()).map(|(name, value)| Seen {
        name: name.clone(),
        value: Some(listed(name, value.clone())),
        whence: Whence::PassedOn,
    });
    let mapped = rules.iter().map(|rule| {
        let (value, whence) = rule.see(member, claims);
        Seen { name: rule.name.clone(), value, whence }
    });
    let mut seen: Vec<Seen> = passed.chain(mapped).collect();
    let said = claims.get(EMAIL).cloned();
    let said = said.map(|value| rule_of(EMAIL).map_or(value.clone(), |rule| rule.written(value)));
    let shown =
        |seen: &[Seen]| seen.iter().find(|seen| seen.name == EMAIL).and_then(|seen| seen.value.clone());
    if shown(&seen) != said && rule_of(EMAIL_VERIFIED).is_none() {
        for seen in seen.iter_mut().filter(|seen| seen.name == EMAIL_VERIFIED) {
            (seen.value, seen.whence) = (None, Whence::HeldBack);
        }
    }
    seen
}

/// What was seen, without whence.
pub fn values(seen: Vec<Seen>) -> Map<String, Value> {
    seen.into_iter().filter_map(|seen| Some((seen.name, seen.value?))).collect()
}

/// A value under a name that applications see: `groups` and `roles` are lists, sorted and each value once, so that one person's
/// are the same whoever says them. Everything else stays as it is.
pub fn listed(name: &str, value: Value) -> Value {
    if !is_list(name) {
        return value;
    }
    let mut values = match value {
        Value::Array(values) => values,
        Value::Null => return Value::Null,
        one => vec![one],
    };
    values.sort_by_cached_key(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    values.dedup();
    Value::Array(values)
}

/// Whether applications see a list under this name.
pub fn is_list(name: &str) -> bool {
    matches!(name, "groups" | "roles")
}

fn lower(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.to_ascii_lowercase()),
        Value::Array(values) => values.into_iter().map(lower).collect(),
        other => other,
    }
}

/// Names of OpenID Connect Core 5.1.
const EMAIL: &str = "email";
const EMAIL_VERIFIED: &str = "email_verified";
