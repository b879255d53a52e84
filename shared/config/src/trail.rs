//! The way from the root of a document to one of its nodes: `connectors[2].failover.idps[1]`.

use std::fmt;

use crate::tree::{Node, Value};

/// One step of a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Item(usize),
}

/// The way from the root of a document to one of its nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trail(Vec<Step>);

impl Trail {
    /// The trail with one step more.
    pub(crate) fn then(&self, step: impl Into<Step>) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.into());
        Self(steps)
    }

    /// The last key, if the trail ends in one.
    pub(crate) fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Whether the other trail is this one or leads on from it.
    pub(crate) fn leads_to(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const N: usize> From<[Step; N]> for Trail {
    fn from(steps: [Step; N]) -> Self {
        Self(steps.into())
    }
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<&String> for Step {
    fn from(key: &String) -> Self {
        Self::Key(key.clone())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Item(index)
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Item(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.contains(['.', '[', ']', ' ']) || key.is_empty() => {
                    write!(f, "[{key:?}]")?;
                }
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl Node {
    /// The node at the end of a trail.
    pub(crate) fn find(&self, trail: &Trail) -> Option<&Node> {
        trail.0.iter().try_fold(self, Node::step)
    }

    /// The node at the end of a trail, or the last one on the way that is there.
    pub(crate) fn nearest(&self, trail: &Trail) -> &Node {
        let mut node = self;
        for step in &trail.0 {
            match node.step(step) {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// Puts a node at a trail of keys, making mappings on the way.
    pub(crate) fn put(&mut self, keys: &[&str], node: Node) {
        let Some((first, rest)) = keys.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { return };
        let index = entries.iter().position(|(key, _)| key.text == *first).unwrap_or_else(|| {
            let key = crate::tree::Key { text: (*first).to_owned(), place: node.place };
            entries.push((key, Node::new(Value::Null, node.place)));
            entries.len() - 1
        });
        entries[index].1.put(rest, node);
    }

    fn step(&self, step: &Step) -> Option<&Node> {
        match step {
            Step::Key(key) => self.get(key),
            Step::Item(index) => self.items().get(*index),
        }
    }
}

/// A trail written like the path it shows: `at!["connectors", 2, "failover"]`.
macro_rules! at {
    ($($step:expr),* $(,)?) => { $crate::trail::Trail::from([$($crate::trail::Step::from($step)),*]) };
}
pub(crate) use at;
