//! A way into a member's claims.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A way into a member's claims: `email`, `realm_access.roles`, `emails[0].value`.
///
/// Dots go into objects, `[n]` into lists, from 0. A claim whose own name has dots, slashes and colons, as the names of SAML
/// attributes and namespaced claims have, is found by that name: at each step the longest name that exists wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing between two dots, or nothing at all.
    #[error("`{0}`: a name is missing (write `name`, `object.name` or `list[0]`)")]
    EmptyName(String),
    /// What stands between brackets is not a number, or a bracket is not closed.
    #[error("`{0}`: `[` needs a number and `]`, as in `emails[0]`")]
    BadIndex(String),
    /// Deeper than any claim is.
    #[error("`{0}`: more than {MAX_STEPS} steps")]
    TooDeep(String),
}

impl Path {
    /// Reads a path as an operator writes it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if name.is_empty() {
                return Err(PathError::EmptyName(text.to_owned()));
            }
            steps.push(Step::Name(name.to_owned()));
            parse_indices(indices, &mut steps).ok_or_else(|| PathError::BadIndex(text.to_owned()))?;
        }
        if steps.len() > MAX_STEPS {
            return Err(PathError::TooDeep(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Names of claims that [`Path::find`] would go by, if there were one of such a name: all of the path, and each beginning
    /// of it that ends before `.` or `[`.
    pub fn entrances(&self) -> impl Iterator<Item = &str> {
        let ends = self.text.match_indices(['.', '[']).map(|(at, _)| at);
        ends.chain([self.text.len()]).map(|end| &self.text[..end])
    }

    /// The value it leads to; `null` counts as nothing.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        if let Some(value) = claims.get(&self.text) {
            return present(value);
        }
        let (mut value, mut rest) = enter(claims, &self.steps)?;
        while let Some(step) = rest.first() {
            (value, rest) = match (step, value) {
                (Step::Index(index), Value::Array(list)) => (list.get(*index)?, &rest[1..]),
                (Step::Name(_), Value::Object(object)) => enter(object, rest)?,
                _ => return None,
            };
        }
        present(value)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.text
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Name(String),
    Index(usize),
}

/// Reads `[0][1]`, or nothing.
fn parse_indices(mut text: &str, steps: &mut Vec<Step>) -> Option<()> {
    while !text.is_empty() {
        let (index, rest) = text.strip_prefix('[')?.split_once(']')?;
        if index.is_empty() || !index.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        steps.push(Step::Index(index.parse().ok()?));
        text = rest;
    }
    Some(())
}

/// Goes into an object by the longest run of names that is one of its own, and returns the steps that remain.
fn enter<'a, 's>(object: &'a Map<String, Value>, steps: &'s [Step]) -> Option<(&'a Value, &'s [Step])> {
    let names: Vec<&str> = steps.iter().map_while(Step::name).collect();
    (1..=names.len()).rev().find_map(|n| Some((object.get(&names[..n].join("."))?, &steps[n..])))
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Index(_) => None,
        }
    }
}

fn present(value: &Value) -> Option<&Value> {
    (!value.is_null()).then_some(value)
}

/// Steps that a path may have: each dot of a name is one, and object identifiers have many.
const MAX_STEPS: usize = 32;
