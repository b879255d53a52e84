//! This node's metadata as a service provider.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::encryption;
use crate::names::{DS, METADATA, SAMLP};
use crate::uris::{POST, REDIRECT};
use crate::write::Element;

/// What an identity provider has to know of this node.
#[derive(Debug, Clone, Copy)]
pub struct ServiceProvider<'a> {
    /// Its name.
    pub entity_id: &'a str,
    /// Where responses arrive, by POST.
    pub consumer: &'a str,
    /// Where logouts arrive, by redirect and by POST.
    pub logout: Option<&'a str>,
    /// The format of name ids to ask for.
    pub name_id_format: Option<&'a str>,
    /// Certificates of the key that signs requests and opens encrypted assertions, as DER.
    pub certificates: &'a [Vec<u8>],
    /// The key can decrypt.
    pub decrypts: bool,
}

impl ServiceProvider<'_> {
    /// The document, elements in the schema's order (SAML Metadata 2.4.4).
    pub fn write(&self) -> String {
        let signs = if self.certificates.is_empty() { "false" } else { "true" };
        let logouts = [REDIRECT, POST].into_iter().filter_map(|binding| {
            let service = Element::new("md:SingleLogoutService").attribute("Binding", binding);
            Some(service.attribute("Location", self.logout?))
        });
        let consumer = Element::new("md:AssertionConsumerService")
            .attribute("Binding", POST)
            .attribute("Location", self.consumer)
            .attribute("index", "0")
            .attribute("isDefault", "true");
        let role = Element::new("md:SPSSODescriptor")
            .attribute("protocolSupportEnumeration", SAMLP)
            .attribute("AuthnRequestsSigned", signs)
            .attribute("WantAssertionsSigned", "true")
            .children(&self.certificates.iter().flat_map(|der| self.keys(der)).collect::<Vec<_>>())
            .children(&logouts.collect::<Vec<_>>())
            .children(&self.name_id_format.map(|format| Element::new("md:NameIDFormat").text(format)))
            .child(&consumer);
        Element::new("md:EntityDescriptor")
            .namespace("md", METADATA)
            .namespace("ds", DS)
            .attribute("entityID", self.entity_id)
            .child(&role)
            .to_xml()
    }

    /// What a certificate's key is used for, once for each use.
    fn keys(&self, certificate: &[u8]) -> Vec<Element> {
        let certificate = Element::new("ds:X509Certificate").text(&BASE64_STANDARD.encode(certificate));
        let info = Element::new("ds:KeyInfo").child(&Element::new("ds:X509Data").child(&certificate));
        let methods = encryption::methods("md:EncryptionMethod");
        let key = |of_use| Element::new("md:KeyDescriptor").attribute("use", of_use).child(&info);
        let mut keys = vec![key("signing")];
        keys.extend(self.decrypts.then(|| key("encryption").children(&methods)));
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_escaped_and_in_the_schemas_order() {
        let certificates = [vec![1, 2, 3]];
        let sp = ServiceProvider {
            entity_id: "https://node/\"><evil>",
            consumer: "https://node/acs?a=1&b=2",
            logout: Some("https://node/slo"),
            name_id_format: Some("urn:x"),
            certificates: &certificates,
            decrypts: true,
        };
        let written = sp.write();
        let document = roxmltree::Document::parse(&written).unwrap();
        assert_eq!(document.root_element().attribute("entityID"), Some(sp.entity_id));
        let role = document.root_element().first_element_child().unwrap();
        let order: Vec<_> = role.children().map(|node| node.tag_name().name()).collect();
        let services =
            ["SingleLogoutService", "SingleLogoutService", "NameIDFormat", "AssertionConsumerService"];
        assert_eq!(order, [&["KeyDescriptor", "KeyDescriptor"][..], &services].concat());
        assert_eq!(role.last_element_child().unwrap().attribute("Location"), Some(sp.consumer));
        assert_eq!(role.attribute("AuthnRequestsSigned"), Some("true"));
        let oaep = role
            .descendants()
            .filter(|node| node.attribute("Algorithm").is_some_and(|method| method.contains("rsa-oaep")));
        let hashes: Vec<Vec<_>> = oaep
            .map(|method| method.children().filter_map(|with| with.attribute("Algorithm")).collect())
            .collect();
        let (sha256, mgf) =
            ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2009/xmlenc11#mgf1sha256");
        assert_eq!(
            hashes,
            [vec![sha256, mgf], vec!["http://www.w3.org/2000/09/xmldsig#sha1"]],
            "no peer has to guess"
        );
    }

    #[test]
    fn without_a_key_nothing_is_said_to_be_signed() {
        let sp = ServiceProvider {
            entity_id: "e",
            consumer: "c",
            logout: None,
            name_id_format: None,
            certificates: &[],
            decrypts: false,
        };
        assert!(sp.write().contains("AuthnRequestsSigned=\"false\" WantAssertionsSigned=\"true\""));
        assert!(!sp.write().contains("KeyDescriptor"));
    }
}
