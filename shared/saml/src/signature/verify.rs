//! Verifying a message, and what may be read of it afterwards.

use std::fmt;

use roxmltree::{Document, Node};

use crate::c14n::canonical;
use crate::encryption::DecryptionKeys;
use crate::gate::{Opened, Root, id, parse};
use crate::names::{DS, SAML, is, only};
use crate::refused::Refused;
use crate::signature::{Certificates, Form};

/// Which parts of a message carried a signature. All that are there were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The message as a whole.
    Message,
    /// Only the assertion; of the response around it nothing is vouched for.
    Assertion,
    /// The response, and the assertion in it once more.
    Both,
}

/// What was signed, and nothing else of the message.
#[derive(Clone)]
pub struct Verified {
    root: Root,
    signed: Signed,
    message: Option<String>,
    assertion: Option<String>,
    unopened: Option<Refused>,
}

impl Opened {
    /// Verifies every signature of the message by these certificates. An encrypted assertion is opened with `keys` and
    /// passes the gate once more; it needs a signature of its own unless the response has one. One that cannot be opened is no
    /// error where the response is signed: see [`Verified::unopened`].
    ///
    /// # Errors
    /// Nothing is signed, a signature does not hold, or an encrypted assertion in a response without a signature cannot be opened.
    pub fn verify(&self, by: &Certificates, keys: &DecryptionKeys) -> Result<Verified, Refused> {
        let document = self.untrusted()?;
        let top = document.root_element();
        let message = signed_text(top, self.root(), by)?;
        if self.root() != Root::Response {
            let message = Some(message.ok_or(Refused::Unsigned)?);
            return Ok(Verified {
                root: self.root(),
                signed: Signed::Message,
                message,
                assertion: None,
                unopened: None,
            });
        }
        let inner = if let Some(encrypted) = only(top, SAML, "EncryptedAssertion") {
            let opened = match keys.open(encrypted) {
                Err(why) if message.is_some() && why.is_about_opening() => {
                    let (root, signed, unopened) = (self.root(), Signed::Message, Some(why));
                    return Ok(Verified { root, signed, message, assertion: None, unopened });
                }
                opened => opened?,
            };
            let assertion = opened.untrusted()?;
            Some((signed_text(assertion.root_element(), Root::Assertion, by)?, plain(&assertion)?))
        } else if let Some(assertion) = only(top, SAML, "Assertion") {
            Some((signed_text(assertion, Root::Assertion, by)?, canonical(assertion, None, &[])?))
        } else {
            None
        };
        let (signed, assertion) = match (&message, inner) {
            (None, None | Some((None, _))) => return Err(Refused::Unsigned),
            (None, Some((Some(text), _))) => (Signed::Assertion, Some(text)),
            (Some(_), None) => (Signed::Message, None),
            (Some(_), Some((Some(text), _))) => (Signed::Both, Some(text)),
            (Some(_), Some((None, text))) => (Signed::Message, Some(text)),
        };
        Ok(Verified { root: self.root(), signed, message, assertion, unopened: None })
    }

    /// What a signature outside the document vouches for: all of it.
    pub(crate) fn vouched_for(self) -> Verified {
        Verified {
            root: self.root(),
            signed: Signed::Message,
            message: Some(self.text().to_owned()),
            assertion: None,
            unopened: None,
        }
    }
}

impl Verified {
    /// Which parts were signed.
    pub fn signed(&self) -> Signed {
        self.signed
    }

    /// The signed message; `None` if only its assertion was.
    ///
    /// # Errors
    /// None: it was parsed before.
    pub fn message(&self) -> Result<Option<Document<'_>>, Refused> {
        self.message.as_deref().map(|text| parse(text, self.root)).transpose()
    }

    /// Why the assertion in a signed response could not be opened: the provider itself encrypted it for another key, or in a way
    /// that is not allowed. There is no assertion then.
    pub fn unopened(&self) -> Option<&Refused> {
        self.unopened.as_ref()
    }

    /// The assertion of a response, in the clear and without its signature; `None` if the response has none, or it is
    /// unopened.
    ///
    /// # Errors
    /// None: it was parsed before.
    pub fn assertion(&self) -> Result<Option<Document<'_>>, Refused> {
        self.assertion.as_deref().map(|text| parse(text, Root::Assertion)).transpose()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({:?}, {:?})", self.root, self.signed)
    }
}

/// The text that the element's own signature covers; `None` if it has no signature.
fn signed_text(element: Node<'_, '_>, of: Root, by: &Certificates) -> Result<Option<String>, Refused> {
    let Some(signature) = element.children().find(|child| is(*child, DS, "Signature")) else {
        return Ok(None);
    };
    let form = Form::read(signature, id(element, of)?)?;
    let info = canonical(form.signed_info, None, &form.info_prefixes)?;
    if !by.verify(form.method, info.as_bytes(), &form.value, true) {
        return Err(Refused::Signature { of, certificates: by.len() });
    }
    let text = canonical(element, Some(signature.id()), &form.prefixes)?;
    if form.digest.of(text.as_bytes()).as_ref() != form.digest_value {
        return Err(Refused::Digest { of });
    }
    let again = parse(&text, of)?;
    if canonical(again.root_element(), None, &form.prefixes)? != text {
        return Err(Refused::Unstable);
    }
    Ok(Some(text))
}

/// An opened assertion that a signature around it vouches for.
fn plain(assertion: &Document<'_>) -> Result<String, Refused> {
    canonical(assertion.root_element(), None, &[])
}
