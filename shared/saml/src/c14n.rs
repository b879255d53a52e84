//! Exclusive XML Canonicalization 1.0, without comments: the one text of an element that is hashed.
//!
//! Works on the tree that everything else reads as well, so there is no second reading of the message. What the gate has
//! let through has no DTD and no depth to speak of; nothing here can fail but a namespace that is not absolute.

use std::collections::BTreeMap;

use roxmltree::{Node, NodeId};

use crate::gate::is_absolute;
use crate::names::{prefix, qualified};
use crate::refused::Refused;

/// The canonical text of an element, without the one element `without` in it. `inclusive` are prefixes whose namespaces are
/// kept although nothing uses them visibly; the empty one is the default namespace.
pub(crate) fn canonical(
    apex: Node<'_, '_>,
    without: Option<NodeId>,
    inclusive: &[&str],
) -> Result<String, Refused> {
    // A long namespace that is declared once may be written many times: two lines would become a gigabyte.
    let limit = GROWTH * apex.document().input_text().len() + ROOM;
    let mut writer = Writer { out: String::new(), limit, without, inclusive, rendered: Vec::new() };
    writer.element(apex)?;
    Ok(writer.out)
}

struct Writer<'a> {
    out: String,
    limit: usize,
    without: Option<NodeId>,
    inclusive: &'a [&'a str],
    /// Prefixes and namespaces that the elements around have already declared in the output.
    rendered: Vec<(&'a str, &'a str)>,
}

impl<'a> Writer<'a> {
    fn node(&mut self, node: Node<'a, 'a>) -> Result<(), Refused> {
        if node.is_element() {
            if self.without != Some(node.id()) {
                self.element(node)?;
            }
        } else if let Some(text) = node.text().filter(|_| node.is_text()) {
            escape(text, TEXT, &mut self.out);
        } else if let Some(instruction) = node.pi() {
            self.out.push_str("<?");
            self.out.push_str(instruction.target);
            if let Some(value) = instruction.value {
                self.out.push(' ');
                self.out.push_str(&value.replace("\r\n", "\n").replace('\r', "&#xD;"));
            }
            self.out.push_str("?>");
        }
        Ok(())
    }

    fn element(&mut self, element: Node<'a, 'a>) -> Result<(), Refused> {
        let name = qualified(element);
        let before = self.rendered.len();
        self.out.push('<');
        self.out.push_str(name);
        for (prefix, namespace) in self.namespaces(element) {
            if !self.is_rendered(prefix, namespace) {
                self.declare(prefix, namespace)?;
            }
        }
        let mut attributes: Vec<_> = element.attributes().collect();
        attributes.sort_by_key(|attribute| (attribute.namespace().unwrap_or_default(), attribute.name()));
        for attribute in attributes {
            self.out.push(' ');
            self.out.push_str(&element.document().input_text()[attribute.range_qname()]);
            self.out.push_str("=\"");
            escape(attribute.value(), ATTRIBUTE, &mut self.out);
            self.out.push('"');
        }
        self.out.push('>');
        if self.out.len() > self.limit {
            return Err(Refused::TooLong { limit: self.limit });
        }
        for child in element.children() {
            self.node(child)?;
        }
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self.rendered.truncate(before);
        Ok(())
    }

    /// The namespaces that this element uses visibly, and those that it is told to keep, by prefix.
    fn namespaces(&self, element: Node<'a, 'a>) -> BTreeMap<&'a str, &'a str> {
        let mut used = BTreeMap::new();
        for wanted in self.inclusive {
            let namespace = element.lookup_namespace_uri(Some(*wanted).filter(|prefix| !prefix.is_empty()));
            if namespace.is_some() || wanted.is_empty() {
                used.insert(*wanted, namespace.unwrap_or_default());
            }
        }
        used.insert(prefix(qualified(element)), element.tag_name().namespace().unwrap_or_default());
        for attribute in element.attributes() {
            if let Some(namespace) = attribute.namespace() {
                let name = &element.document().input_text()[attribute.range_qname()];
                used.insert(prefix(name), namespace);
            }
        }
        used.remove("xml");
        used
    }

    fn is_rendered(&self, prefix: &str, namespace: &str) -> bool {
        match self.rendered.iter().rev().find(|(rendered, _)| *rendered == prefix) {
            Some((_, rendered)) => *rendered == namespace,
            None => prefix.is_empty() && namespace.is_empty(),
        }
    }

    fn declare(&mut self, prefix: &'a str, namespace: &'a str) -> Result<(), Refused> {
        let undeclared = prefix.is_empty() && namespace.is_empty();
        if !undeclared && !is_absolute(namespace) {
            return Err(Refused::Namespace);
        }
        self.rendered.push((prefix, namespace));
        self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
        self.out.push_str(prefix);
        self.out.push_str("=\"");
        escape(namespace, ATTRIBUTE, &mut self.out);
        self.out.push('"');
        Ok(())
    }
}

/// Writes a text with what must not stand in it escaped.
pub(crate) fn escape(text: &str, how: fn(char) -> Option<&'static str>, out: &mut String) {
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if let Some(escaped) = how(c) {
            out.push_str(&text[from..at]);
            out.push_str(escaped);
            from = at + c.len_utf8();
        }
    }
    out.push_str(&text[from..]);
}

/// In a text (Canonical XML 1.0, section 2.3).
pub(crate) const TEXT: fn(char) -> Option<&'static str> = |c| match c {
    '&' => Some("&amp;"),
    '<' => Some("&lt;"),
    '>' => Some("&gt;"),
    '\r' => Some("&#xD;"),
    _ => None,
};

/// In the value of an attribute (Canonical XML 1.0, section 2.3).
pub(crate) const ATTRIBUTE: fn(char) -> Option<&'static str> = |c| match c {
    '&' => Some("&amp;"),
    '<' => Some("&lt;"),
    '"' => Some("&quot;"),
    '\t' => Some("&#x9;"),
    '\n' => Some("&#xA;"),
    '\r' => Some("&#xD;"),
    _ => None,
};

/// How many times longer than the message its canonical text may be.
const GROWTH: usize = 4;

/// And how much more, for short messages.
const ROOM: usize = 16 * 1024;
