//! The request for a login (SAML Core 3.4.1, SAML Profiles 4.1.4.1).

use crate::uris::POST;
use crate::write::{Element, message};

/// An `AuthnRequest`.
#[derive(Debug, Clone, Copy)]
pub struct AuthnRequest<'a> {
    /// At least 128 random bits; begins with a letter or `_`.
    pub id: &'a str,
    /// Seconds since 1970.
    pub issued: u64,
    /// Where it goes.
    pub destination: &'a str,
    /// Who asks.
    pub issuer: &'a str,
    /// Where the answer is to go, by POST.
    pub consumer: &'a str,
    /// The format of name id that is wanted.
    pub name_id_format: Option<&'a str>,
    /// The person must prove who they are again.
    pub force: bool,
    /// No page may be shown.
    pub passive: bool,
    /// Classes of proof, one of which is required, in order of preference.
    pub classes: &'a [&'a str],
}

impl AuthnRequest<'_> {
    /// The document; its elements in the schema's order.
    pub fn write(&self) -> String {
        let flag = |set: bool| set.then_some("true");
        let policy = self.name_id_format.map(|format| {
            Element::new("samlp:NameIDPolicy").attribute("Format", format).attribute("AllowCreate", "true")
        });
        let classes = self.classes.iter().map(|class| Element::new("saml:AuthnContextClassRef").text(class));
        let context = Element::new("samlp:RequestedAuthnContext").attribute("Comparison", "exact");
        let context = (!self.classes.is_empty()).then(|| classes.fold(context, |all, one| all.child(&one)));
        message("samlp:AuthnRequest", self.id, self.issued, self.destination, self.issuer)
            .attribute("AssertionConsumerServiceURL", self.consumer)
            .attribute("ProtocolBinding", POST)
            .maybe("ForceAuthn", flag(self.force))
            .maybe("IsPassive", flag(self.passive))
            .children(&policy)
            .children(&context)
            .to_xml()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::SAMLP;

    #[test]
    fn a_request_says_what_was_asked_and_nothing_that_was_asked_becomes_markup() {
        let request = AuthnRequest {
            id: "_1",
            issued: 0,
            destination: "https://i/sso?a=1&b=2",
            issuer: "https://node",
            consumer: "https://node/acs",
            name_id_format: Some("urn:f"),
            force: true,
            passive: false,
            classes: &["urn:a", "</saml:AuthnContextClassRef><evil>"],
        };
        let written = request.write();
        let document = roxmltree::Document::parse(&written).unwrap();
        let root = document.root_element();
        assert!(root.has_tag_name((SAMLP, "AuthnRequest")));
        assert_eq!(root.attribute("Destination"), Some(request.destination));
        assert_eq!((root.attribute("ForceAuthn"), root.attribute("IsPassive")), (Some("true"), None));
        let children: Vec<_> = root.children().map(|node| node.tag_name().name()).collect();
        assert_eq!(children, ["Issuer", "NameIDPolicy", "RequestedAuthnContext"]);
        let classes: Vec<_> =
            root.last_child().unwrap().children().map(|node| node.text().unwrap()).collect();
        assert_eq!(classes, request.classes);
    }
}
