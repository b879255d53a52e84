//! Whom an assertion is about, and that whoever brings it may bring it (SAML Core 2.4, SAML Profiles 4.1.4.2 and 4.1.4.3).

use roxmltree::Node;

use super::conditions::is_ahead;
use super::{Expected, Refusal, children, one, optional_instant, refuse, text};
use crate::uris::{BEARER, PERSISTENT, TRANSIENT};
use crate::write::Element;

/// Who it is, in the provider's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameId {
    /// The name.
    pub value: String,
    /// What kind of name.
    pub format: Option<String>,
    /// In whose name space.
    pub qualifier: Option<String>,
    /// For which service provider it was made.
    pub sp_qualifier: Option<String>,
}

impl NameId {
    /// It is another one at each login, and so says nothing of who it is.
    pub fn is_transient(&self) -> bool {
        self.format.as_deref() == Some(TRANSIENT)
    }

    /// Reads the element itself.
    pub(crate) fn read(node: Node<'_, '_>) -> Self {
        let attribute = |name| node.attribute(name).map(str::to_owned);
        Self {
            value: text(node),
            format: attribute("Format"),
            qualifier: attribute("NameQualifier"),
            sp_qualifier: attribute("SPNameQualifier"),
        }
    }

    /// The element.
    pub(crate) fn element(&self) -> Element {
        Element::new("saml:NameID")
            .maybe("NameQualifier", self.qualifier.as_deref())
            .maybe("SPNameQualifier", self.sp_qualifier.as_deref())
            .maybe("Format", self.format.as_deref())
            .text(&self.value)
    }
}

/// Longest name, in bytes; a persistent one has at most 256 characters (SAML Core 8.3.7). It is kept with the session.
const LONGEST_NAME: usize = 1024;

/// The subject's name.
pub(super) fn name_id(assertion: Node<'_, '_>, expected: &Expected<'_>) -> Result<NameId, Refusal> {
    let subject = one(assertion, "Subject", "the assertion")?;
    if children(subject, "EncryptedID").next().is_some() {
        return refuse(
            "the subject's name is encrypted by itself, which is not read: encrypt the whole assertion",
        );
    }
    let name = NameId::read(one(subject, "NameID", "the assertion's Subject")?);
    if name.value.trim().is_empty() {
        return refuse("the subject's NameID is empty");
    }
    let parts =
        [Some(&name.value), name.format.as_ref(), name.qualifier.as_ref(), name.sp_qualifier.as_ref()];
    if parts.into_iter().flatten().any(|part| part.len() > LONGEST_NAME) {
        return refuse("the subject's NameID is too long");
    }
    // Who is `1` there is somebody else than who is `1` at the provider itself.
    let elsewhere = name.qualifier.as_deref().is_some_and(|of| !of.is_empty() && of != expected.provider);
    if elsewhere && name.format.as_deref() == Some(PERSISTENT) {
        return refuse("the subject's NameID is a persistent one of another provider (NameQualifier)");
    }
    Ok(name)
}

/// When the assertion stops being good for its bearer, without skew: the latest of the confirmations that hold.
pub(super) fn confirmed_until(
    assertion: Node<'_, '_>,
    expected: &Expected<'_>,
    now: u64,
) -> Result<u64, Refusal> {
    let subject = one(assertion, "Subject", "the assertion")?;
    let bearer = children(subject, "SubjectConfirmation")
        .filter(|confirmation| confirmation.attribute("Method") == Some(BEARER));
    let judged: Vec<_> = bearer.map(|confirmation| holds_until(confirmation, expected, now)).collect();
    let best = judged.iter().filter_map(|judged| judged.as_ref().ok()).max().copied();
    match (best, judged.into_iter().next()) {
        (Some(until), _) => Ok(until),
        (None, Some(first)) => first,
        (None, None) => refuse("the assertion's subject has no bearer confirmation"),
    }
}

fn holds_until(confirmation: Node<'_, '_>, expected: &Expected<'_>, now: u64) -> Result<u64, Refusal> {
    let data = one(confirmation, "SubjectConfirmationData", "the subject's confirmation")?;
    if data.attribute("Recipient") != Some(expected.consumer) {
        return refuse("the assertion's Recipient is another place");
    }
    if data.attribute("NotBefore").is_some() {
        return refuse("the subject's confirmation has a NotBefore, which a bearer's must not have");
    }
    match (data.attribute("InResponseTo"), expected.request) {
        (Some(answered), Some(asked)) if answered == asked => {}
        (None, None) => {}
        (Some(_), None) => return refuse("the assertion answers a request, and none was made"),
        (None, Some(_)) => return refuse("the assertion answers no request (InResponseTo is missing)"),
        (Some(_), Some(_)) => return refuse("the assertion answers another request (InResponseTo)"),
    }
    let Some(until) = optional_instant(data, "NotOnOrAfter")? else {
        return refuse("the subject's confirmation has no NotOnOrAfter");
    };
    is_ahead(until, now, "the time to bring the assertion is over")?;
    Ok(until)
}
