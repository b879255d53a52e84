//! Writing XML: elements, attributes, texts; escaped always, so that no value becomes structure.

use crate::c14n::{ATTRIBUTE, TEXT, escape};
use crate::names::{SAML, SAMLP};
use crate::time;

/// An element that is being written.
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(String, String)>,
    content: String,
}

impl Element {
    /// An element by its name with prefix, such as `samlp:AuthnRequest`.
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), content: String::new() }
    }

    /// Declares a prefix; the empty one is the default namespace.
    #[must_use]
    pub fn namespace(self, prefix: &str, uri: &str) -> Self {
        let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
        self.attribute(&name, uri)
    }

    /// Adds an attribute. The name is ours to know, the value may be anybody's.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), known(value)));
        self
    }

    /// Adds an attribute if there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Adds text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        escape(&known(text), TEXT, &mut self.content);
        self
    }

    /// Adds a child element.
    #[must_use]
    pub fn child(mut self, child: &Self) -> Self {
        child.write(&mut self.content);
        self
    }

    /// Adds child elements.
    #[must_use]
    pub fn children<'a>(self, children: impl IntoIterator<Item = &'a Self>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    /// Adds XML as it is: what [`crate::sign`] or [`crate::encryption::encrypt`] returned, which must not change any more.
    #[must_use]
    pub fn verbatim(mut self, xml: &str) -> Self {
        self.content.push_str(xml);
        self
    }

    /// The text of the whole.
    pub fn to_xml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, ATTRIBUTE, out);
            out.push('"');
        }
        if self.content.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        out.push_str(&self.content);
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }
}

/// How every message of ours begins (SAML Core 3.2.1 and 3.2.2); what a kind of message has besides is added to it.
pub(crate) fn message(name: &'static str, id: &str, issued: u64, destination: &str, issuer: &str) -> Element {
    Element::new(name)
        .namespace("samlp", SAMLP)
        .namespace("saml", SAML)
        .attribute("ID", id)
        .attribute("Version", "2.0")
        .attribute("IssueInstant", &time::written(issued))
        .attribute("Destination", destination)
        .child(&Element::new("saml:Issuer").text(issuer))
}

/// Characters that XML 1.0 does not know cannot be escaped either: they become U+FFFD.
fn known(text: &str) -> String {
    let unknown = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.replace(unknown, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_becomes_structure() {
        let evil = "</a><b c=\"d\">&\u{0}\r\n";
        let xml = Element::new("a").attribute("v", evil).text(evil).to_xml();
        let document = roxmltree::Document::parse(&xml).unwrap();
        let kept = evil.replace('\0', "\u{fffd}");
        assert_eq!(document.root_element().attribute("v"), Some(kept.as_str()));
        assert_eq!(document.root_element().text(), Some(kept.as_str()));
        assert_eq!(document.root_element().children().filter(roxmltree::Node::is_element).count(), 0);
    }
}
