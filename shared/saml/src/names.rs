//! Namespaces and identifiers of the standards, and reading elements by them.

use roxmltree::Node;

/// Assertions: SAML 2.0 core, section 1.1.
pub const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// Protocol messages: SAML 2.0 core, section 1.1.
pub const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// Metadata: SAML 2.0 metadata, section 2.
pub const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// XML Signature.
pub const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Encryption 1.0.
pub const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// XML Encryption 1.1.
pub const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
/// Exclusive XML canonicalisation 1.0, without comments: the algorithm and the namespace of its parameters.
pub const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The transform that leaves the signature itself out.
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// Whether a node is that element of that namespace.
pub fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name && node.tag_name().namespace() == Some(namespace)
}

/// The only child element of that name; `None` if there is none, or more than one.
pub fn only<'a, 'input>(parent: Node<'a, 'input>, namespace: &str, name: &str) -> Option<Node<'a, 'input>> {
    let mut all = parent.children().filter(|child| is(*child, namespace, name));
    all.next().filter(|_| all.next().is_none())
}

/// An element's whole text, however it was cut into pieces. Text of child elements is not in it.
pub fn text(element: Node<'_, '_>) -> String {
    element.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// The name as it stands in the tag, prefix included: canonical form needs it, and the tree does not keep it.
pub(crate) fn qualified<'input>(element: Node<'_, 'input>) -> &'input str {
    let tag = element.document().input_text().get(element.range().start + 1..).unwrap_or_default();
    let end = tag.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').unwrap_or(tag.len());
    &tag[..end]
}

/// The prefix of a qualified name; empty without one.
pub(crate) fn prefix(qualified: &str) -> &str {
    qualified.split_once(':').map_or("", |(prefix, _)| prefix)
}
