//! An identity provider as tests need it: it makes responses and signs them, so that an attack is one change to a good one.
//! They answer the request `_request` of `https://sp.example/metadata`, and are good for five minutes from now.

#![allow(dead_code, clippy::unwrap_used, reason = "test code; each file of tests uses a part of it")]

use std::sync::OnceLock;

use mangrove_keys::{Signer, ambient};
use mangrove_saml::names::{SAML, SAMLP};
use mangrove_saml::write::Element;
use mangrove_saml::{Certificates, DecryptionKeys, Opened, Refused, Root, SigningKey, Verified, sign, time};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize,
};

/// A key and its certificate, made once in each run.
pub(crate) struct Identity {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
}

impl Identity {
    pub(crate) fn new(pair: &KeyPair) -> Self {
        let certificate =
            CertificateParams::new(vec!["idp.example".to_owned()]).unwrap().self_signed(pair).unwrap();
        Self { pem: pair.serialize_pem(), der: certificate.der().to_vec() }
    }

    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::new(Signer::from_pem("the test's key", self.pem.as_bytes()).unwrap(), self.der.clone())
            .unwrap()
    }

    pub(crate) fn pinned(&self) -> Certificates {
        Certificates::new([&self.der]).unwrap()
    }

    pub(crate) fn opens(&self) -> DecryptionKeys {
        DecryptionKeys::none().with_pem(self.pem.as_bytes()).unwrap()
    }
}

/// The provider's usual key: RSA of 2048 bits.
pub(crate) fn rsa() -> &'static Identity {
    static KEY: OnceLock<Identity> = OnceLock::new();
    KEY.get_or_init(|| {
        Identity::new(&KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
    })
}

/// Our own key, or an attacker's.
pub(crate) fn other_rsa() -> &'static Identity {
    static KEY: OnceLock<Identity> = OnceLock::new();
    KEY.get_or_init(|| {
        Identity::new(&KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
    })
}

pub(crate) fn p256() -> &'static Identity {
    static KEY: OnceLock<Identity> = OnceLock::new();
    KEY.get_or_init(|| Identity::new(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()))
}

pub(crate) fn p384() -> &'static Identity {
    static KEY: OnceLock<Identity> = OnceLock::new();
    KEY.get_or_init(|| Identity::new(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()))
}

/// A time from now, as SAML writes it.
fn in_seconds(seconds: u64) -> String {
    time::written(ambient::unix_now() + seconds)
}

/// What a response says about one person.
pub(crate) fn assertion(id: &str, person: &str) -> String {
    let (now, soon) = (in_seconds(0), in_seconds(300));
    let confirmed = Element::new("saml:SubjectConfirmationData")
        .attribute("NotOnOrAfter", &soon)
        .attribute("Recipient", "https://sp.example/acs")
        .attribute("InResponseTo", "_request");
    let subject = Element::new("saml:Subject").child(&Element::new("saml:NameID").text(person)).child(
        &Element::new("saml:SubjectConfirmation")
            .attribute("Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
            .child(&confirmed),
    );
    let audience = Element::new("saml:AudienceRestriction")
        .child(&Element::new("saml:Audience").text("https://sp.example/metadata"));
    let role = Element::new("saml:Attribute").attribute("Name", "role").child(
        &Element::new("saml:AttributeValue")
            .namespace("xs", "http://www.w3.org/2001/XMLSchema")
            .namespace("xsi", "http://www.w3.org/2001/XMLSchema-instance")
            .attribute("xsi:type", "xs:string")
            .text("user"),
    );
    let context = Element::new("saml:AuthnContext").child(
        &Element::new("saml:AuthnContextClassRef").text("urn:oasis:names:tc:SAML:2.0:ac:classes:Password"),
    );
    Element::new("saml:Assertion")
        .namespace("saml", SAML)
        .attribute("ID", id)
        .attribute("Version", "2.0")
        .attribute("IssueInstant", &now)
        .child(&Element::new("saml:Issuer").text("https://idp.example"))
        .child(&subject)
        .child(
            &Element::new("saml:Conditions")
                .attribute("NotBefore", &now)
                .attribute("NotOnOrAfter", &soon)
                .child(&audience),
        )
        .child(&Element::new("saml:AuthnStatement").attribute("AuthnInstant", &now).child(&context))
        .child(&Element::new("saml:AttributeStatement").child(&role))
        .to_xml()
}

/// A response around the text of an assertion, as `saml:Assertion` or `saml:EncryptedAssertion`.
pub(crate) fn response(assertion: &str) -> String {
    let success =
        Element::new("samlp:StatusCode").attribute("Value", "urn:oasis:names:tc:SAML:2.0:status:Success");
    Element::new("samlp:Response")
        .namespace("samlp", SAMLP)
        .attribute("ID", "_response")
        .attribute("Version", "2.0")
        .attribute("IssueInstant", &in_seconds(0))
        .attribute("Destination", "https://sp.example/acs")
        .attribute("InResponseTo", "_request")
        .child(&Element::new("saml:Issuer").namespace("saml", SAML).text("https://idp.example"))
        .child(&Element::new("samlp:Status").child(&success))
        .verbatim(assertion)
        .to_xml()
}

/// A response whose assertion alone is signed.
pub(crate) fn with_signed_assertion(by: &Identity) -> String {
    response(&sign(&assertion("_assertion", "alice"), Root::Assertion, &by.key()).unwrap())
}

/// A response that is signed as a whole.
pub(crate) fn signed_response(by: &Identity) -> String {
    sign(&response(&assertion("_assertion", "alice")), Root::Response, &by.key()).unwrap()
}

/// A response that is signed, and its assertion as well.
pub(crate) fn signed_twice(by: &Identity) -> String {
    sign(&with_signed_assertion(by), Root::Response, &by.key()).unwrap()
}

/// What a service provider that has pinned `by` does with it.
pub(crate) fn accept(xml: &(impl AsRef<[u8]> + ?Sized), by: &Identity) -> Result<Verified, Refused> {
    Opened::open(xml.as_ref(), Root::Response)?.verify(&by.pinned(), &other_rsa().opens())
}

/// Who the verified assertion is about.
pub(crate) fn subject(verified: &Verified) -> String {
    let document = verified.assertion().unwrap().expect("a response with an assertion");
    let name = document.descendants().find(|node| mangrove_saml::names::is(*node, SAML, "NameID")).unwrap();
    mangrove_saml::names::text(name)
}

/// One change to a message, which has to change it.
pub(crate) fn changed(xml: &str, from: &str, to: &str) -> String {
    assert!(xml.contains(from), "the attack changes nothing: no `{from}` in {xml}");
    xml.replacen(from, to, 1)
}

/// The first element of that name, as it stands.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let from = xml.find(&format!("<{name} ")).unwrap();
    let end = format!("</{name}>");
    let to = from + xml[from..].find(&end).unwrap() + end.len();
    &xml[from..to]
}

/// Why a message, pinned to [`rsa`], is refused.
pub(crate) fn refusal(xml: &(impl AsRef<[u8]> + ?Sized)) -> Refused {
    accept(xml, rsa()).expect_err("the attack was accepted")
}
