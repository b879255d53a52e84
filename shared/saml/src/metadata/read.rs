//! An identity provider's metadata.

use std::time::Duration;

use roxmltree::Node;

use crate::names::{DS, METADATA, SAMLP, text};
use crate::uris::{POST, REDIRECT};
use crate::{Opened, Refused, Root, certificate, time};

/// What an identity provider says about itself; only what is used is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Its name.
    pub entity_id: String,
    /// Where people sign in, in the document's order.
    pub sign_on: Vec<Endpoint>,
    /// Where logouts are told, in the document's order.
    pub logout: Vec<Endpoint>,
    /// Certificates that hold its signing keys, as DER: those of use `signing` and those without a use. Never none.
    pub certificates: Vec<Vec<u8>>,
    /// Certificates that stand behind another one in its `X509Data`: a chain, whose keys sign nothing here.
    pub chained: usize,
    /// Requests must be signed.
    pub wants_signed_requests: bool,
    /// The document is of no use from then on, in seconds since 1970.
    pub valid_until: Option<u64>,
    /// How long it may be kept without asking again.
    pub cache_duration: Option<Duration>,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How it travels.
    pub binding: Binding,
    /// Where to.
    pub location: String,
    /// Where answers go, if elsewhere.
    pub response_location: Option<String>,
}

/// How a message travels through a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// In the query of a redirect.
    Redirect,
    /// In a form.
    Post,
}

/// Why metadata is of no use. Never quotes more of it than names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// It did not pass the gate.
    #[error("the document cannot be read as SAML metadata: {0}")]
    Refused(Refused),
    /// A time in it is none.
    #[error("validUntil of the metadata is not a time")]
    Time,
    /// Nobody in it is an identity provider.
    #[error("the metadata holds no identity provider that speaks SAML 2.0 (no IDPSSODescriptor)")]
    NoProvider,
    /// Several are.
    #[error("the metadata holds {0} identity providers: point samlMetadataURL at the metadata of one")]
    Several(usize),
    /// Without a name.
    #[error("the identity provider has no entityID")]
    NoName,
    /// Nothing could ever be verified.
    #[error("the metadata has no signing certificate: nothing that this provider says could be verified")]
    NoCertificate,
    /// Nobody could ever be sent there.
    #[error("the metadata names no SingleSignOnService by HTTP-Redirect or HTTP-POST")]
    NoSignOn,
    /// It ended.
    #[error("the metadata was valid until {}", time::written(*.0))]
    Expired(u64),
}

impl IdentityProvider {
    /// Reads a document that is used at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// See [`MetadataError`].
    pub fn read(document: &[u8], now: u64) -> Result<Self, MetadataError> {
        // Providers on Windows write a byte order mark.
        let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
        let opened = Opened::open(document, Root::Metadata).map_err(MetadataError::Refused)?;
        let document = opened.untrusted().map_err(MetadataError::Refused)?;
        let root = document.root_element();
        let entities = root.descendants().filter(|node| node.has_tag_name((METADATA, "EntityDescriptor")));
        let mut providers = entities.filter_map(|entity| Some((entity, role(entity)?)));
        let (entity, role) = providers.next().ok_or(MetadataError::NoProvider)?;
        match providers.count() {
            0 => Self::of(root, entity, role, now),
            others => Err(MetadataError::Several(others + 1)),
        }
    }

    fn of(
        root: Node<'_, '_>,
        entity: Node<'_, '_>,
        role: Node<'_, '_>,
        now: u64,
    ) -> Result<Self, MetadataError> {
        let entity_id = entity.attribute("entityID").map(str::trim).filter(|id| !id.is_empty());
        let entity_id = entity_id.ok_or(MetadataError::NoName)?.to_owned();
        let outer = [root, entity, role];
        let valid_until = outer.iter().filter_map(|node| node.attribute("validUntil"));
        let valid_until: Option<u64> = valid_until
            .map(|text| time::read(text).ok_or(MetadataError::Time))
            .collect::<Result<Vec<u64>, _>>()?
            .into_iter()
            .min();
        if let Some(ended) = valid_until.filter(|until| *until <= now) {
            return Err(MetadataError::Expired(ended));
        }
        let (certificates, chained) = certificates(role);
        if certificates.is_empty() {
            return Err(MetadataError::NoCertificate);
        }
        let sign_on = endpoints(role, "SingleSignOnService");
        if sign_on.is_empty() {
            return Err(MetadataError::NoSignOn);
        }
        Ok(Self {
            entity_id,
            sign_on,
            logout: endpoints(role, "SingleLogoutService"),
            certificates,
            chained,
            wants_signed_requests: matches!(role.attribute("WantAuthnRequestsSigned"), Some("true" | "1")),
            valid_until,
            cache_duration: outer
                .iter()
                .filter_map(|node| time::duration(node.attribute("cacheDuration")?))
                .min(),
        })
    }

    /// Whether it names an end that is near enough to tell an old copy from a new one: 90 days from `now` at most.
    pub fn ends_soon(&self, now: u64) -> bool {
        self.valid_until.is_some_and(|until| until <= now.saturating_add(FARTHEST))
    }
}

/// The farthest end of metadata that still says something, in seconds.
const FARTHEST: u64 = 90 * 24 * 3600;

/// The endpoint for the first of these bindings that is offered.
pub fn pick<'a>(endpoints: &'a [Endpoint], wanted: &[Binding]) -> Option<&'a Endpoint> {
    wanted.iter().find_map(|binding| endpoints.iter().find(|endpoint| endpoint.binding == *binding))
}

/// The part of an entity in which it is an identity provider of SAML 2.0.
fn role<'a, 'input>(entity: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
    let speaks = |node: &Node<'_, '_>| {
        let protocols = node.attribute("protocolSupportEnumeration").unwrap_or_default();
        protocols.split_ascii_whitespace().any(|protocol| protocol == SAMLP)
    };
    entity.children().find(|node| node.has_tag_name((METADATA, "IDPSSODescriptor")) && speaks(node))
}

fn endpoints(role: Node<'_, '_>, name: &str) -> Vec<Endpoint> {
    let all = role.children().filter(|node| node.has_tag_name((METADATA, name)));
    all.filter_map(|node| {
        let binding = match node.attribute("Binding")? {
            REDIRECT => Binding::Redirect,
            POST => Binding::Post,
            _ => return None,
        };
        let location = node.attribute("Location")?.trim().to_owned();
        let response_location = node.attribute("ResponseLocation").map(|to| to.trim().to_owned());
        Some(Endpoint { binding, location, response_location })
    })
    .collect()
}

/// The certificates of keys that may sign: the first of each `X509Data` in each `KeyDescriptor` that is not for encryption alone;
/// and how many stand behind them. One `X509Data` is about one key (XML Signature 4.5.4).
fn certificates(role: Node<'_, '_>) -> (Vec<Vec<u8>>, usize) {
    let keys = role.children().filter(|node| node.has_tag_name((METADATA, "KeyDescriptor")));
    let signing = keys.filter(|node| node.attribute("use").is_none_or(|used| used == "signing"));
    let data = signing.flat_map(|key| key.descendants().filter(|node| node.has_tag_name((DS, "X509Data"))));
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut chained = 0;
    for data in data {
        let mut written = data.children().filter(|node| node.has_tag_name((DS, "X509Certificate")));
        let Some(node) = written.next() else { continue };
        chained += written.count();
        // What is not even base64 is skipped where other texts are that are no certificates; the rest counts.
        let text = text(node);
        let der = certificate(&text).unwrap_or_else(|_| text.trim().as_bytes().to_vec());
        if !der.is_empty() && !all.contains(&der) {
            all.push(der);
        }
    }
    (all, chained)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_793_760;

    fn entity(id: &str, inside: &str) -> String {
        format!(
            "<md:EntityDescriptor xmlns:md=\"{METADATA}\" xmlns:ds=\"{DS}\" entityID=\"{id}\" validUntil=\"2026-12-01T00:00:00Z\">\
             <md:IDPSSODescriptor protocolSupportEnumeration=\"{SAMLP}\" WantAuthnRequestsSigned=\"true\" \
             validUntil=\"2026-11-30T00:00:00Z\" cacheDuration=\"PT1H\">{inside}</md:IDPSSODescriptor></md:EntityDescriptor>"
        )
    }

    fn key(of_use: &str, base64: &str) -> String {
        format!(
            "<md:KeyDescriptor {of_use}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n {base64}\n\
             </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        )
    }

    fn service(name: &str, binding: &str, location: &str) -> String {
        format!("<md:{name} Binding=\"{binding}\" Location=\"{location}\"/>")
    }

    fn whole() -> String {
        let inside = [
            key("use=\"signing\"", "AQID"),
            key("", "BAUG"),
            key("use=\"encryption\"", "BwgJ"),
            service("SingleLogoutService", REDIRECT, "https://i/slo"),
            service("SingleSignOnService", "urn:oasis:names:tc:SAML:2.0:bindings:SOAP", "https://i/soap"),
            service("SingleSignOnService", REDIRECT, "https://i/sso?a=1&amp;b=2"),
            service("SingleSignOnService", POST, "https://i/post"),
        ];
        entity("https://i", &inside.concat())
    }

    fn read(document: &str) -> Result<IdentityProvider, MetadataError> {
        IdentityProvider::read(document.as_bytes(), NOW)
    }

    #[test]
    fn a_provider_is_read_with_all_its_signing_keys_and_the_shortest_of_its_times() {
        for document in [whole(), format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{}", whole())]
        {
            let idp = read(&document).unwrap();
            assert_eq!(idp.entity_id, "https://i");
            assert_eq!(
                idp.certificates,
                [vec![1, 2, 3], vec![4, 5, 6]],
                "signing and of no use, never encryption"
            );
            assert!(idp.wants_signed_requests);
            assert_eq!(idp.valid_until, time::read("2026-11-30T00:00:00Z"));
            assert_eq!(idp.cache_duration, Some(Duration::from_secs(3600)));
            assert_eq!(idp.sign_on.len(), 2);
            let chosen = pick(&idp.sign_on, &[Binding::Post, Binding::Redirect]).unwrap();
            assert_eq!(chosen.location, "https://i/post");
            assert_eq!(pick(&idp.logout, &[Binding::Post]), None);
        }
    }

    #[test]
    fn each_x509_data_is_a_key_and_its_chain_is_none() {
        let data = |certificates: &[&str]| {
            let each = certificates.iter().map(|of| format!("<ds:X509Certificate>{of}</ds:X509Certificate>"));
            format!("<ds:X509Data>{}</ds:X509Data>", each.collect::<String>())
        };
        let info = [data(&["AQID", "CQkJ", "CQkI"]), data(&["BAUG"]), data(&[])].concat();
        let key =
            format!("<md:KeyDescriptor use=\"signing\"><ds:KeyInfo>{info}</ds:KeyInfo></md:KeyDescriptor>");
        let idp = read(&entity("i", &(key + &service("SingleSignOnService", POST, "https://i")))).unwrap();
        assert_eq!((idp.certificates, idp.chained), (vec![vec![1, 2, 3], vec![4, 5, 6]], 2));
    }

    #[test]
    fn an_end_that_is_missing_or_far_away_says_nothing() {
        let ends = |written: &str| {
            let document = whole().replace("validUntil=\"2026-12-01T00:00:00Z\"", "");
            read(&document.replace("validUntil=\"2026-11-30T00:00:00Z\"", written)).unwrap().ends_soon(NOW)
        };
        assert!(ends("validUntil=\"2026-11-30T00:00:00Z\""));
        assert!(!ends("") && !ends("validUntil=\"2027-11-30T00:00:00Z\""));
    }

    #[test]
    fn a_provider_without_a_signing_certificate_is_refused() {
        let inside = |keys: &str| format!("{keys}{}", service("SingleSignOnService", POST, "https://i"));
        assert_eq!(read(&entity("i", &inside(""))), Err(MetadataError::NoCertificate));
        let only = key("use=\"encryption\"", "BwgJ");
        assert_eq!(read(&entity("i", &inside(&only))), Err(MetadataError::NoCertificate));
    }

    #[test]
    fn one_certificate_that_cannot_be_read_does_not_take_the_others_away() {
        let keys = [key("", "!"), key("", "AQID"), service("SingleSignOnService", POST, "https://i")];
        let read = read(&entity("i", &keys.concat())).unwrap();
        assert_eq!(
            read.certificates,
            [b"!".to_vec(), vec![1, 2, 3]],
            "it is skipped where it is no certificate"
        );
    }

    #[test]
    fn metadata_that_is_signed_in_a_form_that_messages_may_not_have_is_read() {
        let signature = format!(
            "<ds:Signature xmlns:ds=\"{DS}\"><ds:SignedInfo><ds:SignatureMethod \
             Algorithm=\"http://www.w3.org/2000/09/xmldsig#rsa-sha1\"/><ds:Reference URI=\"\"/></ds:SignedInfo></ds:Signature>"
        );
        let signed = whole().replacen("<md:IDPSSODescriptor", &format!("{signature}<md:IDPSSODescriptor"), 1);
        assert_eq!(read(&signed), read(&whole()));
    }

    #[test]
    fn of_several_providers_none_is_chosen() {
        let all = |entities: &str| {
            format!("<md:EntitiesDescriptor xmlns:md=\"{METADATA}\">{entities}</md:EntitiesDescriptor>")
        };
        let application = format!(
            "<md:EntityDescriptor entityID=\"sp\"><md:SPSSODescriptor protocolSupportEnumeration=\"{SAMLP}\"/></md:EntityDescriptor>"
        );
        assert_eq!(read(&all(&format!("{application}{}", whole()))).unwrap().entity_id, "https://i");
        assert_eq!(read(&all(&format!("{}{}", whole(), whole()))), Err(MetadataError::Several(2)));
        assert_eq!(read(&all(&application)), Err(MetadataError::NoProvider));
    }

    #[test]
    fn what_ended_or_is_something_else_is_refused() {
        assert_eq!(
            IdentityProvider::read(whole().as_bytes(), time::read("2026-11-30T00:00:00Z").unwrap()),
            Err(MetadataError::Expired(time::read("2026-11-30T00:00:00Z").unwrap()))
        );
        assert_eq!(read(&whole().replace("2026-11-30T", "tomorrow")), Err(MetadataError::Time));
        let other = Err(MetadataError::Refused(Refused::OtherRoot { expected: Root::Metadata }));
        assert_eq!(read("<EntityDescriptor entityID='x'/>"), other);
        assert_eq!(read("<html/>"), other);
        assert!(matches!(read("<!DOCTYPE a [<!ENTITY e 'x'>]><a/>"), Err(MetadataError::Refused(_))));
        assert!(matches!(read(&format!("<a {}/>", "b='c' ".repeat(3000))), Err(MetadataError::Refused(_))));
        assert!(matches!(IdentityProvider::read(&[0xff, 0xfe], NOW), Err(MetadataError::Refused(_))));
        assert_eq!(read(&whole().replace("SingleSignOnService", "X")), Err(MetadataError::NoSignOn));
    }
}
