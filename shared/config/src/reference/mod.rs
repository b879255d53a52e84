//! The reference page, made from the same shapes that documents are validated against, so that it cannot say anything
//! else than the program does. What is no key (references, variables, durations) is written in `intro.md` beside this.

use std::fmt::Write as _;

use crate::shape::{self, Field, Format, Object, Shape, Variant};

const INTRO: &str = include_str!("intro.md");

/// Keys with a section of their own, because several objects have them.
const APART: &str = "healthCheck";

/// The reference page as Markdown.
pub fn reference() -> String {
    let config = shape::config();
    let mut page = INTRO.to_owned();
    page.push_str("\n## Top level\n\n");
    table(&mut page, config.fields.iter().filter(|field| is_plain(&field.shape)), "");
    for field in config.fields.iter().filter(|field| !is_plain(&field.shape)) {
        section(&mut page, field);
    }
    page
}

/// Whether a top-level key needs no section.
fn is_plain(shape: &Shape) -> bool {
    match shape {
        Shape::Map(element) | Shape::List(element) => is_plain(element),
        Shape::Object(_) | Shape::Tagged(_) => false,
        _ => true,
    }
}

fn section(page: &mut String, field: &Field) {
    let _ = write!(page, "\n## {}\n\n{}\n", field.name, field.doc);
    match inner(&field.shape) {
        Shape::Object(object) => {
            page.push('\n');
            let prefix = prefix_below(&field.shape);
            table(page, object.fields.iter(), &prefix);
            open(page, object);
        }
        Shape::Tagged(variants) => {
            for variant in variants {
                variant_section(page, &field.name, variant);
            }
            health_check(page, variants);
        }
        _ => {}
    }
}

fn variant_section(page: &mut String, list: &str, variant: &Variant) {
    let _ = write!(page, "\n### {list}[] of `type: {}`\n\n{}\n\n", variant.name, variant.doc);
    table(page, variant.object.fields.iter(), "");
    open(page, &variant.object);
}

fn open(page: &mut String, object: &Object) {
    if object.open {
        page.push_str("\nOther keys are accepted here and not read yet.\n");
    }
}

/// The section of what several connectors share.
fn health_check(page: &mut String, variants: &[Variant]) {
    let shared = variants.iter().find_map(|variant| variant.object.field(APART));
    if let Some(Field { shape: Shape::Object(object), .. }) = shared {
        let _ = write!(page, "\n### {APART}\n\n{}\n\n", object.doc);
        table(page, object.fields.iter(), "");
    }
}

fn table<'a>(page: &mut String, fields: impl Iterator<Item = &'a Field>, prefix: &str) {
    page.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    for field in fields {
        rows(page, field, prefix);
    }
}

fn rows(page: &mut String, field: &Field, prefix: &str) {
    let key = format!("{prefix}{}", field.name);
    if field.name == APART {
        let _ = writeln!(page, "| `{key}` | mapping | none | {} See [{APART}](#healthcheck). |", field.doc);
        return;
    }
    if let Shape::Object(object) | Shape::TextOr(object) = inner(&field.shape) {
        let below = prefix_below(&field.shape);
        let below =
            if below.starts_with("NAME") { format!("{key}.{below}") } else { format!("{key}{below}") };
        let below = if below.ends_with('.') { below } else { format!("{below}.") };
        let (meaning, default) = meaning_and_default(field);
        let default = if default == "none" { String::new() } else { cell(&default) };
        let _ = writeln!(page, "| `{key}` | {} | {default} | {} |", kind(&field.shape), cell(&meaning));
        for inner in &object.fields {
            rows(page, inner, &below);
        }
        return;
    }
    let (mut meaning, default) = meaning_and_default(field);
    if let Shape::Choice(words) = inner(&field.shape) {
        for (word, doc) in words.iter().filter(|(_, doc)| !doc.is_empty() && words.len() > 1) {
            let _ = write!(meaning, " `{word}`: {}", uncapitalised(doc));
        }
    }
    if !field.aliases.is_empty() {
        let _ = write!(meaning, " Also written `{}`.", field.aliases.join("`, `"));
    }
    let _ = writeln!(page, "| `{key}` | {} | {} | {} |", kind(&field.shape), cell(&default), cell(&meaning));
}

/// The doc comment without its sentence about the default, and that.
fn meaning_and_default(field: &Field) -> (String, String) {
    if field.required {
        return (field.doc.clone(), "required".into());
    }
    let Some((before, after)) = field.doc.split_once("Defaults to ") else {
        return (field.doc.clone(), "none".into());
    };
    let (default, rest) = after.split_once(". ").unwrap_or((after.trim_end_matches('.'), ""));
    (
        format!("{}{}{rest}", before, if rest.is_empty() { "" } else { " " }).trim().to_owned(),
        default.to_owned(),
    )
}

/// What a list or a map holds, or the shape itself.
fn inner(shape: &Shape) -> &Shape {
    match shape {
        Shape::List(element) | Shape::Map(element) => inner(element),
        other => other,
    }
}

/// How the keys of what a list or map holds are written behind its own.
fn prefix_below(shape: &Shape) -> String {
    match shape {
        Shape::List(element) => format!("[]{}", dot(prefix_below(element))),
        Shape::Map(element) => format!("NAME{}", dot(prefix_below(element))),
        _ => String::new(),
    }
}

fn dot(rest: String) -> String {
    if rest.is_empty() { ".".into() } else { rest }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Any => "anything".into(),
        Shape::Bool => "true or false".into(),
        Shape::Integer { .. } => "whole number".into(),
        Shape::Text(text) if text.file.is_some() => "path".into(),
        Shape::Text(text) => match text.format {
            Format::Plain => "text",
            Format::Url => "URL",
            Format::Duration => "duration",
            Format::Secret => "secret",
        }
        .into(),
        Shape::Choice(words) => {
            words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Shape::List(element) => format!("list of {}", kind(element)),
        Shape::Map(element) => format!("names, each with {}", kind(element)),
        Shape::Object(_) | Shape::Tagged(_) => "mapping".into(),
        Shape::OneOrMany(element) => format!("{}, or a list", kind(element)),
        Shape::TextOr(_) => "text or mapping".into(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    let second_is_small = text.chars().nth(1).is_some_and(|c| c.is_lowercase() || c == ' ');
    match letters.next() {
        Some(first) if second_is_small => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}
