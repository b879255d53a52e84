//! The gate: what may become a document at all. Everything that comes from outside passes it before anything reads it.
//!
//! First limits on bytes, tags, depth and declarations, in one pass; then a strict parser that knows no
//! DTD; then the shape that SAML prescribes: the right root, version 2.0, one assertion directly in a response, no ID
//! twice, a signature only as a direct child of what it signs, of one fixed form. Who signed is [`Opened::verify`]'s
//! question, what the message says is the reader's.

use std::collections::HashSet;
use std::fmt;

use roxmltree::{Document, Node, ParsingOptions};

use crate::names::{DS, METADATA, SAML, SAMLP, is, prefix, qualified};
use crate::refused::Refused;
use crate::signature::Form;

mod scan;

/// What kind of document is expected: which, is said by the endpoint at which it arrives, never by the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `samlp:Response`.
    Response,
    /// `saml:Assertion`: what an encrypted one opens to. No binding carries one alone.
    Assertion,
    /// `samlp:AuthnRequest`.
    AuthnRequest,
    /// `samlp:LogoutRequest`.
    LogoutRequest,
    /// `samlp:LogoutResponse`.
    LogoutResponse,
    /// `md:EntityDescriptor` or `md:EntitiesDescriptor`.
    Metadata,
}

/// A document that passed the gate. Nothing in it is vouched for yet.
#[derive(Clone)]
pub struct Opened {
    root: Root,
    text: String,
}

impl Opened {
    /// Lets a document through the gate.
    ///
    /// # Errors
    /// What it was stopped by.
    pub fn open(xml: &[u8], root: Root) -> Result<Self, Refused> {
        let text = scan::scan(xml, root.limits())?.to_owned();
        check(&parse(&text, root)?, root)?;
        Ok(Self { root, text })
    }

    /// What kind of document it is.
    pub fn root(&self) -> Root {
        self.root
    }

    /// Its text, without XML declaration.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document as it came. **Nobody vouches for it**: it is for choosing the issuer whose certificates to verify
    /// with, for comparing with what was signed, and for a status that only ends the login in question.
    ///
    /// # Errors
    /// None that [`Self::open`] would not have given.
    pub fn untrusted(&self) -> Result<Document<'_>, Refused> {
        parse(&self.text, self.root)
    }

    /// Whether the response's assertion is encrypted.
    ///
    /// # Errors
    /// As [`Self::untrusted`].
    pub fn is_encrypted(&self) -> Result<bool, Refused> {
        Ok(self.untrusted()?.root_element().children().any(|child| is(child, SAML, "EncryptedAssertion")))
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({:?}, {} bytes)", self.root, self.text.len())
    }
}

impl Root {
    /// Whether that is the document's root element.
    fn is(self, element: Node<'_, '_>) -> bool {
        match self {
            Self::Response => is(element, SAMLP, "Response"),
            Self::Assertion => is(element, SAML, "Assertion"),
            Self::AuthnRequest => is(element, SAMLP, "AuthnRequest"),
            Self::LogoutRequest => is(element, SAMLP, "LogoutRequest"),
            Self::LogoutResponse => is(element, SAMLP, "LogoutResponse"),
            Self::Metadata => {
                is(element, METADATA, "EntityDescriptor") || is(element, METADATA, "EntitiesDescriptor")
            }
        }
    }

    fn limits(self) -> &'static Limits {
        if self == Self::Metadata { &METADATA_LIMITS } else { &MESSAGE_LIMITS }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "the response",
            Self::Assertion => "the assertion",
            Self::AuthnRequest => "the sign-in request",
            Self::LogoutRequest => "the logout request",
            Self::LogoutResponse => "the logout response",
            Self::Metadata => "the metadata",
        })
    }
}

/// Parses strictly. The only place that calls the parser: what is verified and what is read is one and the same tree.
pub(crate) fn parse(text: &str, root: Root) -> Result<Document<'_>, Refused> {
    let nodes = root.limits().nodes;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: nodes, entity_resolver: None };
    Document::parse_with_options(text, options).map_err(|error| malformed(&error, nodes))
}

/// The ID of an element that has to have one.
pub(crate) fn id<'a>(element: Node<'a, '_>, of: Root) -> Result<&'a str, Refused> {
    let id = element.attribute("ID").ok_or(Refused::NoId { of })?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '<' | '>' | '&' | '"' | '\'');
    if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(plain) {
        return Err(Refused::NoId { of });
    }
    Ok(id)
}

fn malformed(error: &roxmltree::Error, limit: u32) -> Refused {
    use roxmltree::Error as E;
    let why = match error {
        E::DtdDetected => return Refused::DocumentType,
        E::NodesLimitReached | E::AttributesLimitReached | E::NamespacesLimitReached => {
            return Refused::ManyNodes { limit };
        }
        E::UnknownEntityReference(..) | E::MalformedEntityReference(_) | E::EntityReferenceLoop(_) => {
            "an entity that does not exist"
        }
        E::UnknownNamespace(..) => "a prefix without a namespace",
        E::DuplicatedAttribute(..) | E::DuplicatedNamespace(..) => "an attribute twice",
        E::UnexpectedCloseTag(..) | E::UnclosedRootNode | E::UnexpectedEndOfStream => {
            "a tag that is not closed"
        }
        E::NonXmlChar(..) => "a character that XML does not know",
        E::UnexpectedDeclaration(_) => "an XML declaration in the middle",
        E::NoRootNode => "no element",
        _ => "another error of syntax",
    };
    let at = error.pos();
    Refused::Malformed { line: at.row, column: at.col, why }
}

fn check(document: &Document<'_>, root: Root) -> Result<(), Refused> {
    let top = document.root_element();
    if !root.is(top) {
        return Err(Refused::OtherRoot { expected: root });
    }
    if root != Root::Metadata {
        versioned(top, root)?;
    }
    let mut seen = Seen { root, top, ids: HashSet::new(), assertions: 0, signed: HashSet::new() };
    for node in document.descendants() {
        if node.is_element() {
            uncut(node)?;
            named(node)?;
            seen.element(node)?;
        }
    }
    Ok(())
}

fn versioned(element: Node<'_, '_>, of: Root) -> Result<(), Refused> {
    if element.attribute("Version") != Some("2.0") {
        return Err(Refused::Version { of });
    }
    id(element, of).map(drop)
}

/// A comment may stand between elements. In a text it would be where one reader stops and another goes on.
fn uncut(element: Node<'_, '_>) -> Result<(), Refused> {
    let (mut cuts, mut words) = (false, false);
    for child in element.children() {
        cuts |= child.is_comment() || child.is_pi();
        words |= child.is_text() && !child.text().unwrap_or_default().trim_ascii().is_empty();
    }
    if cuts && words { Err(Refused::CutText) } else { Ok(()) }
}

/// Prefixes mean what they say, and no attribute hides behind one.
fn named(element: Node<'_, '_>) -> Result<(), Refused> {
    let namespace = element.tag_name().namespace().unwrap_or_default();
    if !prefix(qualified(element)).is_empty() && namespace.is_empty() {
        return Err(Refused::Namespace);
    }
    if !namespace.is_empty() && !is_absolute(namespace) {
        return Err(Refused::Namespace);
    }
    for attribute in element.attributes() {
        let Some(namespace) = attribute.namespace() else { continue };
        if !is_absolute(namespace) {
            return Err(Refused::Namespace);
        }
        let xml = namespace == roxmltree::NS_XML_URI;
        let protocol = matches!(namespace, SAML | SAMLP | DS | METADATA);
        if protocol || (!xml && attribute.name().eq_ignore_ascii_case("id")) {
            return Err(Refused::PrefixedAttribute);
        }
    }
    Ok(())
}

/// Canonical form is defined for absolute namespace URIs only (Canonical XML 1.0, section 1.3).
pub(crate) fn is_absolute(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// What the walk through a document has met so far.
struct Seen<'a, 'input> {
    root: Root,
    top: Node<'a, 'input>,
    ids: HashSet<&'a str>,
    assertions: usize,
    signed: HashSet<roxmltree::NodeId>,
}

impl<'a, 'input> Seen<'a, 'input> {
    fn element(&mut self, element: Node<'a, 'input>) -> Result<(), Refused> {
        for attribute in element.attributes() {
            let names_it = match attribute.namespace() {
                None => attribute.name().eq_ignore_ascii_case("id"),
                Some(namespace) => namespace == roxmltree::NS_XML_URI && attribute.name() == "id",
            };
            if names_it && !self.ids.insert(attribute.value()) {
                return Err(Refused::SameIdTwice);
            }
        }
        if is(element, DS, "Signature") {
            return self.signature(element);
        }
        if self.root != Root::Metadata && element != self.top {
            self.inner(element)?;
        }
        Ok(())
    }

    /// Elements that may stand in one place only.
    fn inner(&mut self, element: Node<'a, 'input>) -> Result<(), Refused> {
        let (name, namespace) = (element.tag_name().name(), element.tag_name().namespace());
        if matches!(name, "Assertion" | "EncryptedAssertion") {
            self.assertions += 1;
            let in_place = self.root == Root::Response && element.parent() == Some(self.top);
            if namespace != Some(SAML) || !in_place || self.assertions > 1 {
                return Err(Refused::StrayAssertion);
            }
            if name == "Assertion" {
                versioned(element, Root::Assertion)?;
            }
        }
        let message = name.ends_with("Request") || name.ends_with("Response");
        if message && namespace == Some(SAMLP) {
            return Err(Refused::Nested);
        }
        Ok(())
    }

    /// A signature is a child of what it signs: of the document's root, or of the assertion in a response.
    fn signature(&mut self, signature: Node<'a, 'input>) -> Result<(), Refused> {
        let parent = signature.parent().ok_or(Refused::StraySignature)?;
        let assertion =
            self.root == Root::Response && is(parent, SAML, "Assertion") && parent.parent() == Some(self.top);
        if parent != self.top && !assertion {
            // In a collection each entity may be signed as well.
            let entity = self.root == Root::Metadata && parent.tag_name().namespace() == Some(METADATA);
            return if entity { Ok(()) } else { Err(Refused::StraySignature) };
        }
        if self.root == Root::Metadata {
            // The connection vouches for metadata; its signature may have any form, and is read by whoever verifies it.
            return Ok(());
        }
        if !self.signed.insert(parent.id()) {
            return Err(Refused::StraySignature);
        }
        let of = if parent == self.top { self.root } else { Root::Assertion };
        Form::read(signature, id(parent, of)?).map(drop)
    }
}

/// What a document may have.
pub(crate) struct Limits {
    bytes: usize,
    tag: usize,
    depth: usize,
    nodes: u32,
    /// Of one element, declarations included; it costs their square.
    attributes: usize,
    /// In scope of one element.
    namespaces: usize,
    /// Whether processing instructions may stand between elements.
    instructions: bool,
}

const MESSAGE_LIMITS: Limits = Limits {
    bytes: 256 * 1024,
    tag: 8 * 1024,
    depth: 48,
    nodes: 16_384,
    attributes: 64,
    namespaces: 32,
    instructions: false,
};

/// Metadata comes from an address that an operator wrote down, and a collection is long.
const METADATA_LIMITS: Limits = Limits {
    bytes: 4 * 1024 * 1024,
    tag: 16 * 1024,
    depth: 48,
    nodes: 400_000,
    attributes: 64,
    namespaces: 64,
    instructions: true,
};

const LONGEST_ID: usize = 256;
