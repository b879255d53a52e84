//! What an assertion says of a person besides the name (SAML Core 2.7.3).

use std::collections::HashMap;

use roxmltree::Node;

use super::{children, text};

/// An attribute and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, often a URI.
    pub name: String,
    /// What people call it.
    pub friendly_name: Option<String>,
    /// Its values, in order.
    pub values: Vec<String>,
}

/// All attributes, in the order in which they are first named; what is named twice is one attribute with all the values.
/// Encrypted attributes are passed over.
pub(super) fn read(assertion: Node<'_, '_>) -> Vec<Attribute> {
    let mut all: Vec<Attribute> = Vec::new();
    let mut known = HashMap::new();
    let statements = children(assertion, "AttributeStatement");
    for node in statements.flat_map(|statement| children(statement, "Attribute")) {
        let Some(name) = node.attribute("Name").filter(|name| !name.is_empty()) else { continue };
        let values = children(node, "AttributeValue").filter_map(value);
        let friendly_name = node.attribute("FriendlyName").filter(|name| !name.is_empty());
        let at = *known.entry(name).or_insert(all.len());
        if at == all.len() {
            all.push(Attribute { name: name.to_owned(), friendly_name: None, values: Vec::new() });
        }
        let attribute = &mut all[at];
        attribute.values.extend(values);
        attribute.friendly_name = attribute.friendly_name.take().or(friendly_name.map(str::to_owned));
    }
    all
}

/// The text of a value; of a name id in it (eduPersonTargetedID) the name. Other structures have no text that means anything.
fn value(node: Node<'_, '_>) -> Option<String> {
    const NIL: (&str, &str) = ("http://www.w3.org/2001/XMLSchema-instance", "nil");
    if matches!(node.attribute(NIL), Some("true" | "1")) {
        return None;
    }
    let mut inside = node.children().filter(Node::is_element);
    match (inside.next(), inside.next()) {
        (None, _) => Some(text(node)),
        (Some(only), None) if only.has_tag_name((crate::names::SAML, "NameID")) => Some(text(only)),
        _ => None,
    }
}
