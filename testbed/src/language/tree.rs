//! YAML as a tree that remembers lines, so that every problem of a file can be said at once, each at its place.
//! Scalars stay the text that the author wrote, whatever YAML would make of them (`yes`, `20mbit`, `1.5s`).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A place in a file, counted from 1; line 0 is "the file as a whole".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

/// A YAML node and where it stands.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a YAML node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Nothing.
    Null,
    /// A value, as text.
    Scalar(String),
    /// A list.
    List(Vec<Tree>),
    /// A mapping, in the file's order.
    Map(Vec<(String, Place, Tree)>),
}

impl Tree {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// The place and the parser's words, when the text is not YAML.
    pub fn parse(text: &str) -> Result<Self, (Place, String)> {
        serde_saphyr::from_str::<Self>(text).map_err(|error| {
            let place = error
                .location()
                .map_or(Place::default(), |at| Place { line: at.line(), column: at.column() });
            let words = error.without_snippet().to_string();
            (place, in_an_authors_words(words.lines().next().unwrap_or("not YAML")))
        })
    }

    /// The value under `key`, when this is a mapping that has it.
    pub fn at(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, ..)| name == key).map(|(.., tree)| tree),
            _ => None,
        }
    }

    /// The entries of a list; empty for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Every scalar below, depth first.
    pub fn scalars<'a>(&'a self, into: &mut Vec<&'a str>) {
        match &self.kind {
            Kind::Null => {}
            Kind::Scalar(text) => into.push(text),
            Kind::List(items) => items.iter().for_each(|item| item.scalars(into)),
            Kind::Map(entries) => entries.iter().for_each(|(.., tree)| tree.scalars(into)),
        }
    }
}

/// What the parser says, without the place, which is told apart, and without its own settings.
fn in_an_authors_words(words: &str) -> String {
    let words = words.split(" at line ").next().unwrap_or(words);
    match words.strip_prefix("duplicate mapping key: ") {
        Some(rest) => format!("the key `{}` is there twice", rest.split(", set ").next().unwrap_or(rest)),
        None => words.to_owned(),
    }
}

impl Kind {
    /// What this is, in an author's words.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        let at = spanned.referenced;
        Ok(Self { place: Place { line: at.line(), column: at.column() }, kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(if value { "yes" } else { "no" }.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, tree)) = access.next_entry::<Spanned<String>, Tree>()? {
            let at = key.referenced;
            entries.push((key.value, Place { line: at.line(), column: at.column() }, tree));
        }
        Ok(Kind::Map(entries))
    }
}
