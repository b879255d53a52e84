//! Whether a document has the structure that the types ask for. Everything wrong is said at once; what is wrong is
//! marked in the tree, so that the rest can still be decoded and judged.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::{
    GoDuration,
    finding::{Findings, Severity},
    references::nearest,
    shape::{Field, FileKind, Format, Object, Shape, Text, Variant},
    trail::Trail,
    tree::{Key, Node, Origin, Value},
    unsupported,
};

/// A file that the document names.
#[derive(Debug)]
pub(crate) struct FileUse {
    pub(crate) trail: Trail,
    pub(crate) kind: FileKind,
    pub(crate) path: PathBuf,
}

/// Validates a document against a shape.
pub(crate) struct Structure<'a> {
    pub(crate) findings: &'a mut Findings,
    /// Folder of the document: relative paths start there.
    pub(crate) folder: &'a Path,
    /// Files that the document names.
    pub(crate) files: Vec<FileUse>,
    /// Where something is wrong.
    pub(crate) broken: Vec<Trail>,
}

impl<'a> Structure<'a> {
    pub(crate) fn new(folder: &'a Path, findings: &'a mut Findings) -> Self {
        Self { findings, folder, files: Vec::new(), broken: Vec::new() }
    }

    /// Validates a node that has known keys.
    pub(crate) fn object(&mut self, node: &mut Node, object: &Object, trail: &Trail) {
        if !matches!(node.value, Value::Map(_)) {
            return self.wrong(node, trail, "a mapping of keys", None);
        }
        self.once(node, trail);
        self.one_spelling(node, object, trail);
        if let Value::Map(entries) = &mut node.value {
            for (key, value) in entries {
                match object.field(&key.text) {
                    Some(field) if value.is_null() && !field.required => {}
                    Some(field) => self.shape(value, &field.shape, &trail.then(&key.text)),
                    None if object.open => {}
                    None => self.unknown(key, object, trail),
                }
            }
        }
        for field in object.fields.iter().filter(|field| field.required && node.get(&field.name).is_none()) {
            self.missing(node, field, trail);
        }
    }

    fn shape(&mut self, node: &mut Node, shape: &Shape, trail: &Trail) {
        if let Origin::Unresolved(_) = node.origin {
            self.broken.push(trail.clone());
            return;
        }
        if node.is_null() && !matches!(shape, Shape::Any) {
            return self.wrong(node, trail, &shape.wanted(), None);
        }
        match shape {
            Shape::Any => {}
            Shape::Bool => self.bool(node, trail),
            Shape::Integer { min, max } => self.integer(node, *min, *max, shape, trail),
            Shape::Text(text) => self.text(node, text, shape, trail),
            Shape::Choice(words) => self.choice(node, words, shape, trail),
            Shape::List(element) => self.list(node, element, trail),
            Shape::Map(element) => self.map(node, element, trail),
            Shape::Object(object) => self.object(node, object, trail),
            Shape::Tagged(variants) => self.tagged(node, variants, trail),
            Shape::OneOrMany(element) if matches!(node.value, Value::List(_)) => {
                self.list(node, element, trail);
            }
            Shape::OneOrMany(element) => self.shape(node, element, trail),
            Shape::TextOr(object) if matches!(node.value, Value::Map(_)) => self.object(node, object, trail),
            Shape::TextOr(_) => self.text(node, &Text::default(), shape, trail),
        }
    }

    fn bool(&mut self, node: &mut Node, trail: &Trail) {
        let read = match (&node.value, &node.origin) {
            (Value::Bool(_), _) => return,
            (Value::Text(text), Origin::Resolved(_) | Origin::Environment(_)) => text.parse::<bool>().ok(),
            _ => None,
        };
        if let Some(yes) = read {
            node.value = Value::Bool(yes);
            return;
        }
        let hint = node.as_str().and_then(|text| match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" | "y" => Some("write true, without quotes".to_owned()),
            "no" | "off" | "false" | "n" => Some("write false, without quotes".to_owned()),
            _ => None,
        });
        self.wrong(node, trail, "true or false", hint);
    }

    fn integer(&mut self, node: &mut Node, min: i64, max: i64, shape: &Shape, trail: &Trail) {
        if let (Value::Text(text), Origin::Resolved(_) | Origin::Environment(_)) = (&node.value, &node.origin)
            && let Ok(number) = text.parse::<i64>()
        {
            node.value = Value::Number(number.into(), String::new());
        }
        match &node.value {
            Value::Number(number, _) if number.as_i64().is_some_and(|n| (min..=max).contains(&n)) => {}
            Value::Text(text) if text.parse::<i64>().is_ok() && node.origin == Origin::Written => {
                let hint = format!("write {}, without quotes", text.as_str());
                self.wrong(node, trail, &shape.wanted(), Some(hint));
            }
            _ => self.wrong(node, trail, &shape.wanted(), None),
        }
    }

    fn text(&mut self, node: &mut Node, text: &Text, shape: &Shape, trail: &Trail) {
        if text.scalar {
            let written = match &node.value {
                Value::Number(_, written) => Some(written.clone()),
                Value::Bool(yes) => Some(yes.to_string()),
                _ => None,
            };
            if let Some(written) = written {
                node.value = Value::Text(Zeroizing::new(written));
            }
        }
        let Some(value) = node.as_str() else {
            let hint = match (&node.value, text.format) {
                (Value::Number(_, written), Format::Duration) => {
                    Some(format!("write `{written}s` for seconds"))
                }
                (Value::Number(_, written), Format::Plain) => {
                    Some(format!("write it in quotes: \"{written}\""))
                }
                (Value::Bool(yes), Format::Plain) => Some(format!("write it in quotes: \"{yes}\"")),
                (Value::Map(entries), _) if entries.is_empty() => None,
                (Value::List(_), _) => Some("only one is taken here: write it without the list".to_owned()),
                _ => None,
            };
            return match text.format {
                Format::Secret => self.wrong_secret(node, trail),
                _ => self.wrong(node, trail, &shape.wanted(), hint),
            };
        };
        match text.format {
            Format::Duration if value.parse::<GoDuration>().is_err() => {
                let hint = value.parse::<f64>().is_ok().then(|| format!("write `{value}s` for seconds"));
                self.wrong(node, trail, &shape.wanted(), hint.filter(|_| node.origin == Origin::Written));
            }
            Format::Url => self.url(node, trail),
            Format::Secret if node.origin == Origin::Written => self.literal(node, trail),
            _ => self.path(node, text.file, trail),
        }
    }

    fn url(&mut self, node: &mut Node, trail: &Trail) {
        let Err(error) = url::Url::parse(node.as_str().unwrap_or_default()) else { return };
        let hint = match error {
            url::ParseError::RelativeUrlWithoutBase => "write it whole: https://host/path".to_owned(),
            error => error.to_string(),
        };
        self.wrong(node, trail, "a URL", Some(hint));
    }

    /// A secret in the file itself is taken, and said.
    fn literal(&mut self, node: &Node, trail: &Trail) {
        let name = trail.last_key().unwrap_or("secret");
        self.findings.about(Severity::Warning, node, trail, "a secret stands in the file itself").hint(
            format!("put it into a secret file or a variable, and write a reference: {name}: <vault.name>"),
        );
    }

    fn path(&mut self, node: &mut Node, kind: Option<FileKind>, trail: &Trail) {
        let (Some(kind), Some(written)) = (kind, node.as_str()) else { return };
        let path = match node.origin {
            Origin::Environment(_) => PathBuf::from(written),
            _ => self.folder.join(written),
        };
        if let (Some(joined), Value::Text(text)) = (path.to_str(), &mut node.value) {
            **text = joined.to_owned();
        }
        self.files.push(FileUse { trail: trail.clone(), kind, path });
    }

    fn choice(&mut self, node: &mut Node, words: &[(String, String)], shape: &Shape, trail: &Trail) {
        let known = || words.iter().map(|(word, _)| word.as_str());
        match node.as_str() {
            Some(value) if known().any(|word| word == value) => {}
            Some(value) => {
                let near = nearest(value, known()).filter(|_| node.origin == Origin::Written);
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                self.wrong(node, trail, &shape.wanted(), hint);
            }
            None => self.wrong(node, trail, &shape.wanted(), None),
        }
    }

    fn list(&mut self, node: &mut Node, element: &Shape, trail: &Trail) {
        let Value::List(items) = &mut node.value else {
            let hint = match (&node.value, &node.origin) {
                (Value::Text(text), Origin::Written) => {
                    Some(format!("write it as a list: [{}]", text.as_str()))
                }
                (Value::Map(_), _) => Some("begin each item with `- `".to_owned()),
                _ => None,
            };
            return self.wrong(node, trail, "a list", hint);
        };
        for (i, item) in items.iter_mut().enumerate() {
            self.shape(item, element, &trail.then(i));
        }
    }

    fn map(&mut self, node: &mut Node, element: &Shape, trail: &Trail) {
        if !matches!(node.value, Value::Map(_)) {
            return self.wrong(node, trail, "a mapping of names", None);
        }
        self.once(node, trail);
        if let Value::Map(entries) = &mut node.value {
            for (key, value) in entries {
                self.shape(value, element, &trail.then(&key.text));
            }
        }
    }

    fn tagged(&mut self, node: &mut Node, variants: &[Variant], trail: &Trail) {
        if !matches!(node.value, Value::Map(_)) {
            return self.wrong(node, trail, "a mapping of keys", None);
        }
        let known = || variants.iter().map(|variant| variant.name.as_str());
        let all = known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let Some(kind) = node.get("type") else {
            self.broken.push(trail.clone());
            self.findings
                .about(Severity::Problem, node, trail, "`type` is missing")
                .hint(format!("write `type:` with one of {all}"));
            return;
        };
        let name = kind.as_str().unwrap_or_default().to_owned();
        if let Some(variant) = variants.iter().find(|variant| variant.name == name) {
            return self.object(node, &variant.object, trail);
        }
        self.broken.push(trail.clone());
        let list = trail.to_string();
        let list = list.split('[').next().unwrap_or_default();
        let (message, hint) = unsupported::kind(list, &name).unwrap_or_else(|| {
            let near =
                nearest(&name, known()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            (format!("{} is not a known type", kind.shown()), format!("{near}Known types: {all}"))
        });
        self.findings.about(Severity::Problem, kind, &trail.then("type"), message).hint(hint);
    }

    /// Each key once; what comes again is said and dropped.
    fn once(&mut self, node: &mut Node, trail: &Trail) {
        let Value::Map(entries) = &mut node.value else { return };
        let mut seen: Vec<Key> = Vec::new();
        entries.retain(|(key, _)| {
            let Some(first) = seen.iter().find(|first| first.text == key.text) else {
                seen.push(key.clone());
                return true;
            };
            let message = format!("key `{}` stands here twice, first in line {}", key.text, first.place.line);
            self.findings
                .add(Severity::Problem, key.place, &trail.then(&key.text), message)
                .hint("keep one of them");
            false
        });
    }

    /// Other spellings of a key become the one that the types know.
    fn one_spelling(&mut self, node: &mut Node, object: &Object, trail: &Trail) {
        let Value::Map(entries) = &mut node.value else { return };
        for field in object.fields.iter().filter(|field| !field.aliases.is_empty()) {
            let both = entries.iter().any(|(key, _)| key.text == field.name);
            for (key, _) in entries.iter_mut().filter(|(key, _)| field.aliases.contains(&key.text)) {
                if both {
                    let message = format!("`{}` and `{}` are two spellings of one key", key.text, field.name);
                    let trail = trail.then(&key.text);
                    self.findings.add(Severity::Problem, key.place, &trail, message).hint("keep one of them");
                } else {
                    key.text.clone_from(&field.name);
                }
            }
        }
    }

    fn unknown(&mut self, key: &Key, object: &Object, trail: &Trail) {
        let at = trail.then(&key.text);
        if let Some((message, hint)) = unsupported::key(trail, &key.text) {
            self.findings.add(Severity::Problem, key.place, &at, message).hint(hint);
            return;
        }
        let names = || object.fields.iter().map(|field| field.name.as_str());
        let finding =
            self.findings.add(Severity::Problem, key.place, &at, format!("unknown key `{}`", key.text));
        match nearest(&key.text, names()) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding.hint(format!("known keys: {}", names().collect::<Vec<_>>().join(", "))),
        };
    }

    fn missing(&mut self, node: &Node, field: &Field, trail: &Trail) {
        self.broken.push(trail.clone());
        let message = format!("`{}` is missing: {}", field.name, field.doc.trim_end_matches('.'));
        self.findings.about(Severity::Problem, node, trail, message).hint(format!(
            "add `{}:` with {}",
            field.name,
            field.shape.wanted()
        ));
    }

    fn wrong(&mut self, node: &mut Node, trail: &Trail, wanted: &str, hint: Option<String>) {
        let message = format!("expected {wanted}, not {}", node.shown());
        self.findings.about(Severity::Problem, node, trail, message).hint = hint;
        self.spoil(node, trail);
    }

    /// Says no value: it was meant to be a secret.
    fn wrong_secret(&mut self, node: &mut Node, trail: &Trail) {
        self.findings
            .about(
                Severity::Problem,
                node,
                trail,
                "expected text: a secret, best a reference like `<vault.name>`",
            )
            .hint("a secret that looks like a number is written in quotes");
        self.spoil(node, trail);
    }

    fn spoil(&mut self, node: &mut Node, trail: &Trail) {
        self.broken.push(trail.clone());
        node.spoilt = true;
    }
}
