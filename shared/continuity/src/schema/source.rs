//! Where a member keeps an attribute, and what is made of several values: which of them count, one of them, all in one text.

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::path::{Path, PathError};

/// Where a member keeps an attribute.
///
/// With one path and nothing else the value is what stands there, be it text, a list or an object. Otherwise all values of all
/// paths count, in the order in which they are written and sent: those that match, then one of them or all in one text. No value
/// left is no attribute.
#[derive(Debug, Clone)]
pub struct Source {
    paths: Vec<Path>,
    only: Option<Regex>,
    pick: Option<Pick>,
    join: Option<String>,
}

/// Which of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The first.
    First,
    /// The last.
    Last,
}

/// Why this says nothing about where an attribute is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A path that cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// No path at all.
    #[error("no attribute is named")]
    NoPath,
    /// A regular expression that cannot be read.
    #[error("`match`: {0}")]
    Match(String),
    /// One of several and all of them at once.
    #[error("`pick` leaves one value, and `join` has nothing to join: remove one of them")]
    PickAndJoin,
}

impl Source {
    /// What stands at a path, as it is.
    pub fn plain(path: Path) -> Self {
        Self { paths: vec![path], only: None, pick: None, join: None }
    }

    /// All values of `paths` that match `only`, of which `pick` takes one and `join` makes one text.
    ///
    /// # Errors
    /// What cannot be meant.
    pub fn new(
        paths: Vec<Path>,
        only: Option<&str>,
        pick: Option<Pick>,
        join: Option<String>,
    ) -> Result<Self, SourceError> {
        if paths.is_empty() {
            return Err(SourceError::NoPath);
        }
        if pick.is_some() && join.is_some() {
            return Err(SourceError::PickAndJoin);
        }
        Ok(Self { paths, only: only.map(pattern).transpose()?, pick, join })
    }

    /// The one path, if the value is what stands there.
    pub fn as_path(&self) -> Option<&Path> {
        match (self.paths.as_slice(), &self.only, self.pick, &self.join) {
            ([path], None, None, None) => Some(path),
            _ => None,
        }
    }

    /// Where it looks.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Whether the values become one text.
    pub fn joins(&self) -> bool {
        self.join.is_some()
    }

    /// The value for a member's claims.
    pub fn find(&self, claims: &Map<String, Value>) -> Option<Value> {
        if let Some(path) = self.as_path() {
            return path.find(claims).cloned();
        }
        let found: Vec<&Value> = self.paths.iter().filter_map(|path| path.find(claims)).collect();
        let is_one = self.paths.len() == 1 && !found.iter().any(|value| value.is_array());
        let mut values: Vec<Value> =
            found.into_iter().flat_map(each).filter_map(|value| self.take(value)).collect();
        match (self.pick, &self.join) {
            (Some(Pick::First), _) => values.into_iter().next(),
            (Some(Pick::Last), _) => values.pop(),
            (None, Some(between)) => {
                let texts: Vec<String> = values.iter().filter_map(text).collect();
                (!texts.is_empty()).then(|| texts.join(between).into())
            }
            (None, None) if is_one => values.pop(),
            (None, None) => (!values.is_empty()).then_some(Value::Array(values)),
        }
    }

    /// A value, if it counts; of one that has to match and names a group, what the group matched.
    fn take(&self, value: &Value) -> Option<Value> {
        let Some(only) = &self.only else {
            return (!value.is_null() && value.as_str() != Some("")).then(|| value.clone());
        };
        let text = text(value)?;
        let found = only.captures(&text)?;
        match found.get(1) {
            Some(group) => (!group.is_empty()).then(|| group.as_str().into()),
            None if found.len() > 1 => None,
            None => Some(value.clone()),
        }
    }
}

/// In words: `mail`, `mail, first`, `givenName and sn, joined by " "`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, path) in self.paths.iter().enumerate() {
            let before = match i {
                0 => "",
                i if i + 1 == self.paths.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}{path}")?;
        }
        if let Some(only) = &self.only {
            write!(f, ", what matches /{only}/")?;
        }
        match (self.pick, &self.join) {
            (Some(Pick::First), _) => f.write_str(", the first"),
            (Some(Pick::Last), _) => f.write_str(", the last"),
            (None, Some(between)) => write!(f, ", joined by {between:?}"),
            (None, None) => Ok(()),
        }
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        let only = |source: &Self| source.only.as_ref().map(|only| only.as_str().to_owned());
        (&self.paths, self.pick, &self.join, only(self))
            == (&other.paths, other.pick, &other.join, only(other))
    }
}

/// Values of a list, or the one.
fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

/// A value that can stand in a text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// Reads `match`. Linear in time whatever it says; bounded in size.
fn pattern(text: &str) -> Result<Regex, SourceError> {
    if text.len() > LONGEST {
        return Err(SourceError::Match(format!("longer than {LONGEST} bytes")));
    }
    RegexBuilder::new(text).size_limit(LARGEST).build().map_err(|why| match why {
        regex::Error::CompiledTooBig(_) => {
            SourceError::Match("too large: its repetitions multiply".to_owned())
        }
        // The library draws a picture and says what is wrong below it.
        other => {
            let said = other.to_string();
            let last = said.lines().last().unwrap_or_default();
            SourceError::Match(last.trim_start_matches("error: ").to_owned())
        }
    })
}

/// Longest `match`, in bytes, and largest program that it may become.
const LONGEST: usize = 1_024;
const LARGEST: usize = 256 * 1_024;
