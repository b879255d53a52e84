//! One event as one line. Whatever a field holds, the line stays one line: control characters are written as escapes,
//! so that no name or path from outside can forge a line or paint a terminal.

use std::fmt::Write;

use serde_json::{Map, Value};
use tracing::{Level, Metadata};

use super::fields::Fields;

/// For whom a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A machine.
    Json,
    /// A person.
    Text {
        /// With colours.
        colour: bool,
    },
}

pub(super) fn render(form: Form, time: &str, node: &str, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let level = *metadata.level();
    let target =
        (level >= Level::DEBUG || !metadata.target().starts_with("mangrove")).then(|| metadata.target());
    match form {
        Form::Json => json(time, node, level, target, fields),
        Form::Text { colour } => text(time, level, target, fields, colour),
    }
}

fn json(time: &str, node: &str, level: Level, target: Option<&str>, fields: &Fields) -> String {
    let mut object = Map::new();
    object.insert("time".into(), time.into());
    object.insert("node".into(), node.into());
    object.insert("level".into(), level.as_str().to_ascii_lowercase().into());
    object.insert("message".into(), fields.message.as_str().into());
    if let Some(target) = target {
        object.insert("target".into(), target.into());
    }
    for (name, value) in &fields.rest {
        object.insert((*name).into(), value.clone());
    }
    let mut line = json_text(&Value::Object(object));
    line.push('\n');
    line
}

/// JSON as text in which nothing paints a terminal: the library escapes only what JSON itself demands.
pub(crate) fn json_text(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(is_treacherous) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_treacherous(c) {
            true => drop(write!(out, "\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// Text on one line, in which nothing paints a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}

fn text(time: &str, level: Level, target: Option<&str>, fields: &Fields, colour: bool) -> String {
    let paint = if colour { Paint::ON } else { Paint::OFF };
    let (word, tint) = match level {
        Level::ERROR => ("ERROR", paint.red),
        Level::WARN => ("WARN ", paint.yellow),
        Level::INFO => ("INFO ", paint.green),
        _ => ("DEBUG", paint.dim),
    };
    let Paint { dim, reset, .. } = paint;
    let mut line = String::with_capacity(160);
    let _ = write!(line, "{dim}{time}{reset} {tint}{word}{reset} ");
    if let Some(target) = target {
        let _ = write!(line, "{dim}{target}:{reset} ");
    }
    escape(&mut line, &fields.message);
    for (name, value) in &fields.rest {
        let _ = write!(line, " {dim}{name}={reset}");
        match value {
            Value::String(text) if needs_quotes(text) => {
                line.push('"');
                escape(&mut line, &text.replace('\\', "\\\\").replace('"', "\\\""));
                line.push('"');
            }
            Value::String(text) => escape(&mut line, text),
            other => {
                let _ = write!(line, "{other}");
            }
        }
    }
    line.push('\n');
    line
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '='))
}

fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_treacherous(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

/// Control characters, line and paragraph separators, and bidirectional marks, which reorder what a person reads.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

struct Paint {
    dim: &'static str,
    red: &'static str,
    yellow: &'static str,
    green: &'static str,
    reset: &'static str,
}

impl Paint {
    const ON: Self =
        Self { dim: "\x1b[2m", red: "\x1b[31m", yellow: "\x1b[33m", green: "\x1b[32m", reset: "\x1b[0m" };
    const OFF: Self = Self { dim: "", red: "", yellow: "", green: "", reset: "" };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &str, rest: &[(&'static str, Value)]) -> Fields {
        Fields { message: message.into(), rest: rest.to_vec() }
    }

    #[test]
    fn a_line_for_a_person_has_time_level_message_and_fields() {
        let fields = fields("ready", &[("address", "127.0.0.1:9443".into()), ("why", "two words".into())]);
        let line = text("12:00:00.000", Level::INFO, None, &fields, false);
        assert_eq!(line, "12:00:00.000 INFO  ready address=127.0.0.1:9443 why=\"two words\"\n");
    }

    #[test]
    fn a_field_from_outside_can_neither_forge_a_line_nor_paint_the_terminal() {
        let evil = "/x\n12:00:00 INFO  ready \x1b[31m\u{202e}";
        let line = text("t", Level::INFO, None, &fields("request", &[("path", evil.into())]), false);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\x1b') && !line.contains('\u{202e}'), "{line}");
        let line = json("t", "n", Level::INFO, None, &fields("request", &[("path", evil.into())]));
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["path"], evil);
    }

    #[test]
    fn what_paints_without_being_a_line_break_is_escaped_too() {
        for evil in ["user\u{202e}nimda", "a\u{9b}31mb", "a\u{2028}b"] {
            let treacherous = evil.chars().find(|c| is_treacherous(*c)).unwrap();
            let fields = fields(evil, &[("who", evil.into())]);
            assert!(!text("t", Level::INFO, None, &fields, false).contains(treacherous), "{evil:?}");
            let line = json("t", "n", Level::INFO, None, &fields);
            assert!(!line.contains(treacherous), "{evil:?}");
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["who"], evil, "and reads as it was");
        }
    }

    #[test]
    fn a_line_for_a_machine_has_time_node_level_and_message_first() {
        let line = json("t", "n", Level::WARN, None, &fields("m", &[("n", 3.into())]));
        assert_eq!(line, "{\"time\":\"t\",\"node\":\"n\",\"level\":\"warn\",\"message\":\"m\",\"n\":3}\n");
    }
}
