//! What is looked at before a parser sees a byte: size, tags, depth, declarations. One pass.
//!
//! It only draws limits; what the bytes mean is the parser's word.

use crate::gate::Limits;
use crate::refused::Refused;

/// The text behind a byte order mark or declaration that may stand there, looked through.
pub(super) fn scan<'a>(xml: &'a [u8], limits: &Limits) -> Result<&'a str, Refused> {
    if xml.len() > limits.bytes {
        return Err(Refused::TooLong { limit: limits.bytes });
    }
    let text = std::str::from_utf8(xml).map_err(|_| Refused::Encoding)?;
    if text.starts_with('\u{feff}') {
        return Err(Refused::Encoding);
    }
    let text = without_declaration(text)?;
    Scan { text: text.as_bytes(), at: 0, scopes: vec![0], limits }.run()?;
    Ok(text)
}

/// Takes `<?xml version="1.0" encoding="UTF-8"?>` off. Other versions and encodings are refused.
fn without_declaration(text: &str) -> Result<&str, Refused> {
    let Some(rest) = text.strip_prefix("<?xml") else { return Ok(text) };
    if !rest.starts_with(|c: char| c.is_ascii_whitespace()) {
        return Ok(text); // `<?xml-stylesheet`: an instruction like any other
    }
    let (mut inside, after) = rest.split_once("?>").ok_or(Refused::Declaration)?;
    let mut names = Vec::new();
    while let Some((name, value, rest)) = pseudo_attribute(inside) {
        let good = match name {
            "version" => value == "1.0",
            "encoding" => value.eq_ignore_ascii_case("utf-8"),
            "standalone" => true,
            _ => false,
        };
        if !good || names.contains(&name) {
            return Err(Refused::Declaration);
        }
        names.push(name);
        inside = rest;
    }
    if names.first() != Some(&"version") || !inside.trim_ascii().is_empty() {
        return Err(Refused::Declaration);
    }
    Ok(after)
}

fn pseudo_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let rest = rest.trim_ascii_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, rest) = rest[1..].split_once(quote)?;
    Some((name.trim_ascii(), value, rest))
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    /// How many namespaces are in scope, for each open element and before the first.
    scopes: Vec<usize>,
    limits: &'a Limits,
}

impl Scan<'_> {
    fn run(mut self) -> Result<(), Refused> {
        while let Some(found) = self.text[self.at..].iter().position(|byte| *byte == b'<') {
            self.at += found;
            let rest = &self.text[self.at..];
            if rest.starts_with(b"<!--") {
                self.skip(4, b"-->");
            } else if rest.starts_with(b"<![CDATA[") {
                self.skip(9, b"]]>");
            } else if rest.starts_with(b"<!") {
                return Err(Refused::DocumentType);
            } else if rest.starts_with(b"<?") {
                if !self.limits.instructions {
                    return Err(Refused::ProcessingInstruction);
                }
                self.skip(2, b"?>");
            } else {
                self.tag()?;
            }
        }
        Ok(())
    }

    /// Goes behind `end`, or to the end of the text: the parser will say that it is missing.
    fn skip(&mut self, opening: usize, end: &[u8]) {
        let from = (self.at + opening).min(self.text.len());
        let found = self.text[from..].windows(end.len()).position(|window| window == end);
        self.at = found.map_or(self.text.len(), |found| from + found + end.len());
    }

    fn tag(&mut self) -> Result<(), Refused> {
        let tag = &self.text[self.at..];
        let mut quote = None;
        let (mut namespaces, mut attributes) = (0, 0);
        let mut at = 1;
        loop {
            if at > self.limits.tag {
                return Err(Refused::LongTag { limit: self.limits.tag });
            }
            let Some(byte) = tag.get(at) else { break };
            match (quote, byte) {
                (None, b'>') => break,
                (None, b'"' | b'\'') => {
                    quote = Some(byte);
                    attributes += 1;
                }
                (None, b'x') if tag[at..].starts_with(b"xmlns") => {
                    namespaces += 1;
                    // The parser takes `p:xmlns="..."` for a default namespace; the standard knows no such thing.
                    if tag[at - 1] == b':' {
                        return Err(Refused::Namespace);
                    }
                }
                (Some(open), byte) if open == byte => quote = None,
                _ => {}
            }
            at += 1;
        }
        if attributes > self.limits.attributes {
            return Err(Refused::ManyAttributes { limit: self.limits.attributes });
        }
        // Each element that declares one costs the square of those in scope.
        let in_scope = self.scopes.last().copied().unwrap_or_default() + namespaces;
        if in_scope > self.limits.namespaces {
            return Err(Refused::ManyNamespaces { limit: self.limits.namespaces });
        }
        if tag.get(1) == Some(&b'/') {
            self.scopes.pop();
        } else if tag.get(at.saturating_sub(1)) != Some(&b'/') {
            self.scopes.push(in_scope);
        }
        if self.scopes.len() > self.limits.depth + 1 {
            return Err(Refused::TooDeep { limit: self.limits.depth });
        }
        self.at = (self.at + at + 1).min(self.text.len());
        Ok(())
    }
}
