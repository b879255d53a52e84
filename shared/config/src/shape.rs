//! What may be written, read from the JSON Schema of the types: the types and their doc comments say it once, and both
//! the validation of documents and the reference page are made of this.

use std::{rc::Rc, sync::LazyLock};

use serde_json::Value as Json;

use crate::Config;

/// What a value may be.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer { min: i64, max: i64 },
    /// Text.
    Text(Text),
    /// One of some words, each with its meaning.
    Choice(Vec<(String, String)>),
    /// A list.
    List(Rc<Shape>),
    /// Names that the operator gives, and a value for each.
    Map(Rc<Shape>),
    /// Known keys.
    Object(Rc<Object>),
    /// One of several objects, told apart by `type`.
    Tagged(Vec<Variant>),
    /// One value, or a list of them.
    OneOrMany(Rc<Shape>),
    /// A text, or known keys that say more.
    TextOr(Rc<Object>),
}

/// What a text may be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    pub(crate) format: Format,
    /// The text is the path of a file of this kind.
    pub(crate) file: Option<FileKind>,
    /// Numbers and booleans are taken as they are written: `1.3`, `true`.
    pub(crate) scalar: bool,
}

/// Form of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Plain,
    Url,
    Duration,
    Secret,
}

/// Kind of a file that a configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// PEM with at least one certificate.
    Certificates,
    /// PEM with a private key.
    Key,
    /// Users of a local connector.
    Users,
    /// Public keys as a JWK Set.
    Jwks,
    /// Only a path.
    Path,
}

/// An object with known keys.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) doc: String,
    pub(crate) fields: Vec<Field>,
    /// Other keys are allowed as well.
    pub(crate) open: bool,
}

/// A key of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Other spellings of the key.
    pub(crate) aliases: Vec<String>,
    pub(crate) doc: String,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// One of several objects.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) object: Rc<Object>,
}

thread_local! {
    static CONFIG: Rc<Object> = read_config();
}

static SCHEMA: LazyLock<Json> = LazyLock::new(|| schemars::schema_for!(Config).to_value());

/// The JSON Schema of a configuration.
pub fn schema() -> &'static Json {
    &SCHEMA
}

/// The shape of a whole configuration.
pub(crate) fn config() -> Rc<Object> {
    CONFIG.with(Rc::clone)
}

fn read_config() -> Rc<Object> {
    Rc::new(Reader { root: schema() }.object(schema(), schema(), None))
}

struct Reader<'a> {
    root: &'a Json,
}

impl Reader<'_> {
    /// The definition that a schema refers to, or itself.
    fn follow<'s>(&'s self, schema: &'s Json) -> &'s Json {
        let name = schema.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
        name.and_then(|name| self.root["$defs"].get(name)).unwrap_or(schema)
    }

    fn shape(&self, field: &Json) -> Shape {
        let given = without_null(field);
        let schema = self.follow(given);
        if let Some(choices) = schema.get("oneOf").and_then(Json::as_array) {
            return self.one_of(choices);
        }
        if let Some(any) = schema.get("anyOf").and_then(Json::as_array) {
            let other = self.follow(&any[1]);
            if type_of(other) == "object" {
                return Shape::TextOr(Rc::new(self.object(other, other, None)));
            }
            return Shape::OneOrMany(Rc::new(self.shape(&any[0])));
        }
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            let words = words.iter().filter_map(Json::as_str);
            return Shape::Choice(words.map(|word| (word.to_owned(), String::new())).collect());
        }
        match type_of(schema) {
            "boolean" => Shape::Bool,
            "integer" => integer(schema),
            "string" => Shape::Text(text(field, schema)),
            "array" => Shape::List(Rc::new(self.element(field, &schema["items"]))),
            "object" if schema.get("properties").is_none() && schema["additionalProperties"].is_object() => {
                Shape::Map(Rc::new(self.element(field, &schema["additionalProperties"])))
            }
            "object" => Shape::Object(Rc::new(self.object(schema, schema, None))),
            _ => Shape::Any,
        }
    }

    /// The shape of a list's or map's elements; marks on the field are marks on its elements.
    fn element(&self, field: &Json, element: &Json) -> Shape {
        match self.shape(element) {
            Shape::Text(text) => Shape::Text(Text {
                file: text.file.or_else(|| file_kind(field)),
                scalar: text.scalar || field.get("x-scalar").is_some(),
                ..text
            }),
            other => other,
        }
    }

    fn one_of(&self, choices: &[Json]) -> Shape {
        if let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() {
            return Shape::Choice(words.into_iter().flatten().collect());
        }
        let variants = choices.iter().filter_map(|choice| {
            let name = choice["properties"]["type"]["const"].as_str()?;
            let object = self.object(self.follow(choice), choice, Some(name));
            Some(Variant { name: name.to_owned(), doc: doc(choice), object: Rc::new(object) })
        });
        Shape::Tagged(variants.collect())
    }

    fn object(&self, schema: &Json, outer: &Json, tag: Option<&str>) -> Object {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let mut fields = Vec::new();
        if let Some(tag) = tag {
            let shape = Shape::Choice(vec![(tag.to_owned(), doc(outer))]);
            let doc = format!("`{tag}`, which tells it from the others.");
            fields.push(Field { name: "type".into(), aliases: Vec::new(), doc, required: true, shape });
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            fields.push(Field {
                name: name.clone(),
                aliases: words(&field["x-aliases"]),
                doc: doc(field),
                required: required.contains(&name.as_str()),
                shape: self.shape(field),
            });
        }
        Object { doc: doc(schema), fields, open: schema["additionalProperties"] == Json::Bool(true) }
    }
}

impl Object {
    /// The field of a key, by either spelling.
    pub(crate) fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == key || field.aliases.iter().any(|alias| alias == key))
    }
}

impl Shape {
    /// What to write, in a few words.
    pub(crate) fn wanted(&self) -> String {
        match self {
            Self::Any => "a value".into(),
            Self::Bool => "true or false".into(),
            Self::Integer { min, max: i64::MAX } => format!("a whole number from {min}"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Text(text) => match text.format {
                Format::Plain => "text".into(),
                Format::Url => "a URL".into(),
                Format::Duration => "a duration like `30s`, `1m30s` or `250ms`".into(),
                Format::Secret => "a secret, best a reference like `<vault.name>`".into(),
            },
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                words.join(" or ")
            }
            Self::List(_) => "a list".into(),
            Self::Map(_) | Self::Object(_) | Self::Tagged(_) => "a mapping of keys".into(),
            Self::OneOrMany(one) => format!("{}, or a list of them", one.wanted()),
            Self::TextOr(_) => "text, or a mapping of keys".into(),
        }
    }
}

fn without_null(schema: &Json) -> &Json {
    let any = schema.get("anyOf").and_then(Json::as_array);
    match any.map(Vec::as_slice) {
        Some([given, null]) if null["type"] == "null" => given,
        _ => schema,
    }
}

fn type_of(schema: &Json) -> &str {
    match &schema["type"] {
        Json::String(name) => name,
        Json::Array(names) => {
            names.iter().filter_map(Json::as_str).find(|name| *name != "null").unwrap_or_default()
        }
        _ => "",
    }
}

fn integer(schema: &Json) -> Shape {
    let narrow = match schema["format"].as_str() {
        Some("uint8") => i64::from(u8::MAX),
        Some("uint16") => i64::from(u16::MAX),
        Some("uint32") => i64::from(u32::MAX),
        _ => i64::MAX,
    };
    let min = schema["minimum"].as_i64().unwrap_or(i64::MIN);
    Shape::Integer { min, max: schema["maximum"].as_i64().unwrap_or(narrow).min(narrow) }
}

fn text(field: &Json, schema: &Json) -> Text {
    let format = match schema["format"].as_str() {
        Some("uri") => Format::Url,
        Some("duration") => Format::Duration,
        Some("secret") => Format::Secret,
        _ => Format::Plain,
    };
    Text { format, file: file_kind(field), scalar: field.get("x-scalar").is_some() }
}

fn file_kind(field: &Json) -> Option<FileKind> {
    Some(match field.get("x-file")?.as_str()? {
        "certificates" => FileKind::Certificates,
        "key" => FileKind::Key,
        "users" => FileKind::Users,
        "jwks" => FileKind::Jwks,
        _ => FileKind::Path,
    })
}

/// A word of a choice with its meaning; several where they share none.
fn word(choice: &Json) -> Option<Vec<(String, String)>> {
    if let Some(word) = choice["const"].as_str() {
        return Some(vec![(word.to_owned(), doc(choice))]);
    }
    let list = choice["enum"].as_array()?;
    Some(list.iter().filter_map(Json::as_str).map(|word| (word.to_owned(), String::new())).collect())
}

fn words(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn doc(schema: &Json) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
