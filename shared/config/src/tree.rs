//! A YAML document as a tree in which every key and value knows its line and column. The tree is what all checks
//! read, because typed values have forgotten where they came from. Its size, depth and aliases are bounded.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};
use zeroize::Zeroizing;

/// Most bytes of one configuration file.
pub const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 32;
/// Most keys, list items and values, aliases expanded.
pub const MAX_NODES: usize = 100_000;

/// Line and column in a file, both counted from 1; 0 where a value has no place in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A value with its place.
#[derive(Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub place: Place,
    /// How it came to be what it is.
    pub origin: Origin,
    /// It was found wrong: said already, and not decoded.
    pub spoilt: bool,
}

/// How a value came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// It stands in the file as it is.
    #[default]
    Written,
    /// A reference, given here as written, was replaced; the value is never shown.
    Resolved(String),
    /// A reference, given here as written, could not be replaced; there is no value to judge.
    Unresolved(String),
    /// It was set by this environment variable.
    Environment(&'static str),
}

/// What a node holds.
#[derive(Clone)]
pub enum Value {
    /// Nothing: `key:` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, and how it was written (`1.30`).
    Number(serde_json::Number, String),
    /// Text. Wiped when dropped: it may hold a secret.
    Text(Zeroizing<String>),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the file's order, with keys that appear twice kept twice.
    Map(Vec<(Key, Node)>),
}

/// A mapping's key with its place.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

/// A document that is no YAML, or too much of it.
#[derive(Debug)]
pub struct Malformed {
    /// Where, as far as is known.
    pub place: Place,
    /// What is wrong; holds no values of the document.
    pub message: String,
}

/// Parses one YAML document.
pub fn parse(text: &str) -> Result<Node, Malformed> {
    if text.len() > MAX_BYTES {
        let message = format!("{} bytes are too many; a configuration has at most {MAX_BYTES}", text.len());
        return Err(Malformed { place: Place { line: 1, column: 1 }, message });
    }
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node::new(Value::Map(Vec::new()), Place { line: 1, column: 1 }));
    }
    let mut node: Node =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| malformed(&error))?;
    node.keep_spelling(text);
    Ok(node)
}

impl Node {
    /// A written value at a place.
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place, origin: Origin::Written, spoilt: false }
    }

    /// A text.
    pub fn text(text: impl Into<String>, place: Place) -> Self {
        Self::new(Value::Text(Zeroizing::new(text.into())), place)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries, if it is a mapping.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// Whether the node is empty: `key:` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value as an operator may see it: a reference instead of what it stands for, and long text cut.
    pub fn shown(&self) -> String {
        match &self.origin {
            Origin::Resolved(reference) | Origin::Unresolved(reference) => return format!("`{reference}`"),
            Origin::Environment(variable) => return format!("the value of ${variable}"),
            Origin::Written => {}
        }
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(yes) => format!("`{yes}`"),
            Value::Number(_, written) => format!("`{written}`"),
            Value::Text(text) if text.chars().count() > 80 => {
                format!("`{}...`", text.chars().take(77).collect::<String>())
            }
            Value::Text(text) => format!("`{}`", text.as_str()),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping".into(),
        }
    }

    /// Numbers keep how they were written, because `0.1` and `0.10` are two versions.
    fn keep_spelling(&mut self, source: &str) {
        match &mut self.value {
            Value::Number(number, written) => {
                let at = written.split_once(' ').and_then(|(from, len)| {
                    let (from, len) = (from.parse::<usize>().ok()?, len.parse::<usize>().ok()?);
                    source.get(from..from.checked_add(len)?)
                });
                *written = at.map_or_else(|| number.to_string(), |text| text.trim().to_owned());
            }
            Value::List(items) => items.iter_mut().for_each(|node| node.keep_spelling(source)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.keep_spelling(source)),
            _ => {}
        }
    }
}

impl fmt::Debug for Node {
    /// Shows the shape and never a text: it may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Null => f.write_str("null"),
            Value::Bool(_) => f.write_str("bool"),
            Value::Number(..) => f.write_str("number"),
            Value::Text(_) => f.write_str("text"),
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Map(entries) => f.debug_map().entries(entries.iter().map(|(k, v)| (&k.text, v))).finish(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Bare>::deserialize(deserializer)?;
        let mut value = spanned.value.0;
        if let Value::Number(_, written) = &mut value {
            let span = spanned.defined.span();
            if let (Some(from), Some(len)) = (span.byte_offset(), span.byte_len()) {
                *written = format!("{from} {len}");
            }
        }
        Ok(Self::new(value, place(spanned.referenced)))
    }
}

/// A value without its place.
struct Bare(Value);

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BareVisitor).map(Self)
    }
}

struct BareVisitor;

impl<'de> Visitor<'de> for BareVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true, false, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into(), String::new()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into(), String::new()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        let number = serde_json::Number::from_f64(number).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(Value::Number(number, String::new()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Node>()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if entries.len() >= MAX_NODES {
                return Err(A::Error::custom("too many keys"));
            }
            let key = Key { place: place(key.referenced), text: key.value };
            entries.push((key, map.next_value::<Node>()?));
        }
        Ok(Value::Map(entries))
    }
}

fn place(location: serde_saphyr::Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Place { line: number(location.line()), column: number(location.column()) }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_aliases: 1_000,
            max_anchors: 100,
            max_documents: 1,
            max_total_scalar_bytes: MAX_BYTES,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    }
}

/// The parser's own words, which name tokens and limits; snippets of the document are switched off.
fn malformed(error: &serde_saphyr::Error) -> Malformed {
    let place = error.location().map(place).unwrap_or_default();
    let text = error.without_snippet().to_string();
    let message = text.lines().next().unwrap_or("not YAML").trim_end_matches('.').to_owned();
    Malformed { place, message }
}
