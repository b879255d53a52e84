//! The one form of a signature that is accepted, and its parts.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use roxmltree::Node;

use crate::names::{DS, ENVELOPED, EXC_C14N, is, text};
use crate::refused::Refused;
use crate::signature::{Digest, Method};

/// A signature that was taken apart.
pub(crate) struct Form<'a, 'input> {
    pub(crate) signed_info: Node<'a, 'input>,
    /// Prefixes that the canonical form of `signed_info` keeps.
    pub(crate) info_prefixes: Vec<&'a str>,
    pub(crate) method: Method,
    pub(crate) value: Vec<u8>,
    /// Prefixes that the canonical form of what was signed keeps.
    pub(crate) prefixes: Vec<&'a str>,
    pub(crate) digest: Digest,
    pub(crate) digest_value: Vec<u8>,
}

impl<'a, 'input> Form<'a, 'input> {
    /// Takes a signature over the element with that ID apart.
    pub(crate) fn read(signature: Node<'a, 'input>, id: &str) -> Result<Self, Refused> {
        plain(signature)?;
        let parts = children(signature)?;
        let (signed_info, value) = match parts[..] {
            [info, value] if is(info, DS, "SignedInfo") && is(value, DS, "SignatureValue") => (info, value),
            [info, value, key]
                if is(info, DS, "SignedInfo")
                    && is(value, DS, "SignatureValue")
                    && is(key, DS, "KeyInfo") =>
            {
                (info, value)
            }
            _ => {
                return Err(Refused::SignatureForm(
                    "other parts than SignedInfo, SignatureValue and KeyInfo",
                ));
            }
        };
        let [canonical, method, reference] = children(signed_info)?[..] else {
            return Err(Refused::SignatureForm("not exactly one Reference"));
        };
        if !is(canonical, DS, "CanonicalizationMethod")
            || !is(method, DS, "SignatureMethod")
            || !is(reference, DS, "Reference")
        {
            return Err(Refused::SignatureForm("SignedInfo has other parts than it should"));
        }
        if canonical.attribute("Algorithm") != Some(EXC_C14N) {
            return Err(Refused::Algorithm("its canonicalisation is not the exclusive one without comments"));
        }
        if method.attribute("Algorithm").and_then(Method::parse).is_none() {
            return Err(Refused::Algorithm("its method is not RSA or ECDSA with SHA-2"));
        }
        let Some(method) = empty(method)?.attribute("Algorithm").and_then(Method::parse) else {
            return Err(Refused::Algorithm("its method is not RSA or ECDSA with SHA-2"));
        };
        let (prefixes, digest, digest_value) = read_reference(reference, id)?;
        Ok(Self {
            signed_info,
            info_prefixes: read_prefixes(canonical)?,
            method,
            value: base64(value, "SignatureValue")?,
            prefixes,
            digest,
            digest_value,
        })
    }
}

fn read_reference<'a>(reference: Node<'a, '_>, id: &str) -> Result<(Vec<&'a str>, Digest, Vec<u8>), Refused> {
    if reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(id) {
        return Err(Refused::SignatureForm("its Reference is not to the element that it stands in"));
    }
    let [transforms, method, value] = children(reference)?[..] else {
        return Err(Refused::SignatureForm("Reference has other parts than it should"));
    };
    if !is(transforms, DS, "Transforms") || !is(method, DS, "DigestMethod") || !is(value, DS, "DigestValue") {
        return Err(Refused::SignatureForm("Reference has other parts than it should"));
    }
    let steps = children(transforms)?;
    let names: Vec<_> = steps.iter().map(|step| step.attribute("Algorithm").unwrap_or_default()).collect();
    if names != [ENVELOPED, EXC_C14N] || !steps.iter().all(|step| is(*step, DS, "Transform")) {
        return Err(Refused::Algorithm(
            "its transforms are not the enveloped signature, then exclusive form",
        ));
    }
    empty(steps[0])?;
    let Some(digest) = empty(method)?.attribute("Algorithm").and_then(Digest::parse) else {
        return Err(Refused::Algorithm("its digest is not SHA-2"));
    };
    Ok((read_prefixes(steps[1])?, digest, base64(value, "DigestValue")?))
}

/// `InclusiveNamespaces` of an exclusive canonicalisation (its recommendation, section 4).
fn read_prefixes<'a>(canonicalisation: Node<'a, '_>) -> Result<Vec<&'a str>, Refused> {
    match children(canonicalisation)?[..] {
        [] => Ok(Vec::new()),
        [list] if is(list, EXC_C14N, "InclusiveNamespaces") => {
            let list = empty(list)?.attribute("PrefixList").unwrap_or_default();
            let prefixes: Vec<_> = list.split_ascii_whitespace().collect();
            if prefixes.len() > MOST_PREFIXES {
                return Err(Refused::SignatureForm("its PrefixList is too long"));
            }
            Ok(prefixes.into_iter().map(|prefix| if prefix == "#default" { "" } else { prefix }).collect())
        }
        _ => Err(Refused::SignatureForm("a canonicalisation has other parts than InclusiveNamespaces")),
    }
}

/// Nothing in a signature points elsewhere, carries documents of its own, or is commented.
fn plain(signature: Node<'_, '_>) -> Result<(), Refused> {
    for node in signature.descendants() {
        if node.is_comment() || node.is_pi() {
            return Err(Refused::SignatureForm("a comment inside"));
        }
        if matches!(node.tag_name().name(), "Object" | "Manifest" | "RetrievalMethod" | "KeyInfoReference") {
            return Err(Refused::SignatureForm(
                "Object, Manifest, RetrievalMethod or KeyInfoReference inside",
            ));
        }
    }
    Ok(())
}

/// The child elements, where nothing else but white space may stand.
fn children<'a, 'input>(parent: Node<'a, 'input>) -> Result<Vec<Node<'a, 'input>>, Refused> {
    if !text(parent).trim_ascii().is_empty() {
        return Err(Refused::SignatureForm("text where none belongs"));
    }
    Ok(parent.children().filter(Node::is_element).collect())
}

fn empty<'a, 'input>(element: Node<'a, 'input>) -> Result<Node<'a, 'input>, Refused> {
    if children(element)?.is_empty() {
        return Ok(element);
    }
    Err(Refused::SignatureForm("a parameter where none belongs"))
}

fn base64(element: Node<'_, '_>, name: &'static str) -> Result<Vec<u8>, Refused> {
    if element.children().any(|child| child.is_element()) {
        return Err(Refused::SignatureForm("an element where base64 belongs"));
    }
    let mut text = text(element);
    text.retain(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
    BASE64_STANDARD.decode(text).map_err(|_| Refused::Base64(name))
}

const MOST_PREFIXES: usize = 32;
