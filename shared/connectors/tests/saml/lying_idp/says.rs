//! What the provider says of a person, part by part, so that a lie is one change to a good response.

use mangrove_keys::ambient;
use mangrove_saml::encryption::{Cipher, encrypt};
use mangrove_saml::names::{SAML, SAMLP};
use mangrove_saml::write::Element;
use mangrove_saml::{Root, SigningKey, sign, time, uris};

use super::Asked;

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Nothing,
    Assertion,
    Response,
    Both,
}

/// How the bearer is confirmed.
#[derive(Debug, Clone)]
pub(crate) struct Confirmation {
    pub(crate) method: &'static str,
    pub(crate) recipient: Option<String>,
    pub(crate) answers: Option<String>,
    pub(crate) from: Option<u64>,
    pub(crate) until: Option<u64>,
}

/// A response. Times are seconds since 1970.
pub(crate) struct Says {
    pub(crate) sign: Sign,
    pub(crate) version: &'static str,
    pub(crate) issued: u64,
    pub(crate) destination: Option<String>,
    pub(crate) answers: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) status: Vec<String>,
    pub(crate) has_assertion: bool,
    pub(crate) assertion_id: String,
    pub(crate) assertion_issued: u64,
    pub(crate) assertion_issuer: String,
    pub(crate) name: Option<(Option<&'static str>, String)>,
    pub(crate) name_qualifier: Option<String>,
    pub(crate) confirmations: Vec<Confirmation>,
    pub(crate) has_conditions: bool,
    pub(crate) good_from: u64,
    pub(crate) good_until: u64,
    /// One restriction each.
    pub(crate) audiences: Vec<Vec<String>>,
    pub(crate) more_conditions: String,
    /// When the person proved it, once for each statement.
    pub(crate) authenticated: Vec<u64>,
    pub(crate) session: Option<&'static str>,
    pub(crate) session_until: Option<u64>,
    pub(crate) class: &'static str,
    /// Name, friendly name, and what stands in each value.
    pub(crate) attributes: Vec<(&'static str, Option<&'static str>, Vec<String>)>,
}

/// A status code of the standard, in full.
pub(crate) fn code(last: &str) -> String {
    format!("{}{last}", uris::STATUS)
}

impl Says {
    /// The truth.
    pub(crate) fn good(provider: &str, asked: &Asked, now: u64) -> Self {
        let (consumer, id) = (asked.consumer.to_string(), Some(asked.id.clone()));
        Self {
            sign: Sign::Both,
            version: "2.0",
            issued: now,
            destination: Some(consumer.clone()),
            answers: id.clone(),
            issuer: Some(provider.to_owned()),
            status: vec![code("Success")],
            has_assertion: true,
            assertion_id: format!("_{}", ambient::token()),
            assertion_issued: now,
            assertion_issuer: provider.to_owned(),
            name: Some((Some(uris::PERSISTENT), "alice-1".to_owned())),
            name_qualifier: None,
            confirmations: vec![Confirmation {
                method: uris::BEARER,
                recipient: Some(consumer),
                answers: id,
                from: None,
                until: Some(now + 300),
            }],
            has_conditions: true,
            good_from: now,
            good_until: now + 300,
            audiences: vec![vec![asked.issuer.clone()]],
            more_conditions: String::new(),
            authenticated: vec![now],
            session: Some("s1"),
            session_until: None,
            class: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            attributes: vec![
                ("urn:oid:0.9.2342.19200300.100.1.3", Some("mail"), vec!["alice@example.com".to_owned()]),
                ("employee", None, vec!["e-1".to_owned()]),
                ("groups", None, vec!["one".to_owned(), "two".to_owned()]),
            ],
        }
    }

    /// The document, signed and encrypted.
    pub(crate) fn write(&self, key: &SigningKey, encrypts_for: Option<&[u8]>) -> String {
        let mut assertion = if self.has_assertion { self.assertion() } else { String::new() };
        if self.has_assertion && matches!(self.sign, Sign::Assertion | Sign::Both) {
            assertion = sign(&assertion, Root::Assertion, key).unwrap();
        }
        if let Some(certificate) = encrypts_for {
            assertion = encrypt(&assertion, certificate, Cipher::Aes256).unwrap();
        }
        let nested = self.status.iter().rev().fold(None, |inner: Option<Element>, value| {
            Some(Element::new("samlp:StatusCode").attribute("Value", value).children(&inner))
        });
        let issuer = self.issuer.as_ref().map(|issuer| Element::new("saml:Issuer").text(issuer));
        let status = nested.map(|code| Element::new("samlp:Status").child(&code));
        let response = Element::new("samlp:Response")
            .namespace("samlp", SAMLP)
            .namespace("saml", SAML)
            .attribute("ID", &format!("_{}", ambient::token()))
            .attribute("Version", self.version)
            .attribute("IssueInstant", &time::written(self.issued))
            .maybe("Destination", self.destination.as_deref())
            .maybe("InResponseTo", self.answers.as_deref())
            .children(&issuer)
            .children(&status)
            .verbatim(&assertion)
            .to_xml();
        match self.sign {
            Sign::Response | Sign::Both => sign(&response, Root::Response, key).unwrap(),
            Sign::Nothing | Sign::Assertion => response,
        }
    }

    fn assertion(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map(|(format, value)| Element::new("saml:NameID").maybe("Format", *format).text(value))
            .map(|name| name.maybe("NameQualifier", self.name_qualifier.as_deref()));
        let confirmations: Vec<_> = self.confirmations.iter().map(Confirmation::element).collect();
        let subject = Element::new("saml:Subject").children(&name).children(&confirmations);
        let restrictions: Vec<_> = self.audiences.iter().map(|all| restriction(all)).collect();
        let conditions = Element::new("saml:Conditions")
            .attribute("NotBefore", &time::written(self.good_from))
            .attribute("NotOnOrAfter", &time::written(self.good_until))
            .children(&restrictions)
            .verbatim(&self.more_conditions);
        let statements: Vec<_> = self.authenticated.iter().map(|at| self.statement(*at)).collect();
        Element::new("saml:Assertion")
            .namespace("saml", SAML)
            .attribute("ID", &self.assertion_id)
            .attribute("Version", "2.0")
            .attribute("IssueInstant", &time::written(self.assertion_issued))
            .child(&Element::new("saml:Issuer").text(&self.assertion_issuer))
            .child(&subject)
            .children(&self.has_conditions.then_some(conditions))
            .children(&statements)
            .child(&self.attributes())
            .to_xml()
    }

    fn statement(&self, at: u64) -> Element {
        let class = Element::new("saml:AuthnContextClassRef").text(self.class);
        let until = self.session_until.map(time::written);
        Element::new("saml:AuthnStatement")
            .attribute("AuthnInstant", &time::written(at))
            .maybe("SessionIndex", self.session)
            .maybe("SessionNotOnOrAfter", until.as_deref())
            .child(&Element::new("saml:AuthnContext").child(&class))
    }

    fn attributes(&self) -> Element {
        self.attributes.iter().fold(
            Element::new("saml:AttributeStatement"),
            |all, (name, friendly, values)| {
                let attribute =
                    Element::new("saml:Attribute").attribute("Name", name).maybe("FriendlyName", *friendly);
                let value = |value: &String| Element::new("saml:AttributeValue").verbatim(value);
                all.child(&attribute.children(&values.iter().map(value).collect::<Vec<_>>()))
            },
        )
    }
}

impl Confirmation {
    fn element(&self) -> Element {
        let (from, until) = (self.from.map(time::written), self.until.map(time::written));
        let data = Element::new("saml:SubjectConfirmationData")
            .maybe("NotBefore", from.as_deref())
            .maybe("NotOnOrAfter", until.as_deref())
            .maybe("Recipient", self.recipient.as_deref())
            .maybe("InResponseTo", self.answers.as_deref());
        Element::new("saml:SubjectConfirmation").attribute("Method", self.method).child(&data)
    }
}

fn restriction(audiences: &[String]) -> Element {
    let named = audiences.iter().map(|audience| Element::new("saml:Audience").text(audience));
    Element::new("saml:AudienceRestriction").children(&named.collect::<Vec<_>>())
}
