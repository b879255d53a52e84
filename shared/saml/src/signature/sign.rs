//! Signing a document of ours.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::c14n::canonical;
use crate::gate::{Opened, Root, id};
use crate::names::{DS, ENVELOPED, EXC_C14N, SAML, only};
use crate::refused::Refused;
use crate::signature::{Digest, SigningKey};

/// Signs a document as a whole: behind its `Issuer`, else before its first element, where the schema wants it. A response
/// around a signed assertion is signed by signing the assertion as a document, writing the response around that text, and
/// signing the response. What comes out is what has to be sent, unchanged.
///
/// # Errors
/// The text would not pass our own gate, is signed already, or the key fails.
pub fn sign(xml: &str, root: Root, key: &SigningKey) -> Result<String, Refused> {
    let opened = Opened::open(xml.as_bytes(), root)?;
    let document = opened.untrusted()?;
    let top = document.root_element();
    if only(top, DS, "Signature").is_some() {
        return Err(Refused::Signing("it is signed already".to_owned()));
    }
    let digest = BASE64_STANDARD.encode(Digest::Sha256.of(canonical(top, None, &[])?.as_bytes()));
    // Written as its own canonical form: what is hashed is what is sent.
    let info = format!(
        "<ds:SignedInfo xmlns:ds=\"{DS}\">\
         <ds:CanonicalizationMethod Algorithm=\"{EXC_C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{method}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
         <ds:Transform Algorithm=\"{EXC_C14N}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{sha256}\"></ds:DigestMethod>\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        method = key.method().uri(),
        id = id(top, root)?,
        sha256 = Digest::Sha256.uri(),
    );
    let value = BASE64_STANDARD.encode(key.octets(info.as_bytes())?);
    let certificate = BASE64_STANDARD.encode(key.certificate());
    let signature = format!(
        "<ds:Signature xmlns:ds=\"{DS}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue>\
         <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         </ds:Signature>",
    );
    let at = match (only(top, SAML, "Issuer"), top.first_element_child()) {
        (Some(issuer), _) => issuer.range().end,
        (None, Some(first)) => first.range().start,
        (None, None) => return Err(Refused::Signing("it is empty".to_owned())),
    };
    let text = opened.text();
    Ok([&text[..at], &signature, &text[at..]].concat())
}
