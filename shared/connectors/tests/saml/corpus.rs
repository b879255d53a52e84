//! The attack corpus of the room below, at the connector: whatever is refused there ends a login here, as `Protocol`, and says
//! nothing about the provider. The messages answer a request that the connector is told it made, so each would sign somebody in if
//! it were believed.

#[path = "../../../saml/tests/corpus/bombs.rs"]
mod bombs;
#[path = "../../../saml/tests/corpus/encrypted.rs"]
mod encrypted;
#[path = "../../../saml/tests/corpus/forms.rs"]
mod forms;
#[path = "../../../saml/tests/support/mod.rs"]
mod support;
#[path = "../../../saml/tests/corpus/texts.rs"]
mod texts;
#[path = "../../../saml/tests/corpus/wrapping.rs"]
mod wrapping;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mangrove_connectors::{Answer, Blame, Connector, Failure, Identity, Pending};
use mangrove_keys::ambient;
use mangrove_saml::Refused;
use mangrove_saml::encryption::{Cipher, encrypt};
use serde_json::json;
use support::{assertion, other_rsa, response, rsa, signed_response, signed_twice, with_signed_assertion};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::built;

/// The service provider that the corpus is aimed at.
struct Target {
    connector: Arc<Connector>,
    /// One message at a time: none is to wait for the others' until the connector is too busy for it.
    runtime: Mutex<Runtime>,
    _files: TempDir,
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(der))
}

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let files = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let metadata = format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://idp.example\">\
             <md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor>\
             <ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate>\
             </ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Location=\"http://127.0.0.1:9/sso\" \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"/></md:IDPSSODescriptor></md:EntityDescriptor>",
            BASE64_STANDARD.encode(&rsa().der)
        );
        let connector = built(json!({
            "type": "saml", "name": "idp", "samlEntityID": "https://sp.example/metadata",
            "samlConsumerServiceURL": "https://sp.example/acs",
            "samlMetadataURL": format!("file://{}", file("metadata.xml", metadata)),
            "samlSPCertPath": file("sp.crt", pem(&other_rsa().der)),
            "samlSPKeyPath": file("sp.key", other_rsa().pem.clone()),
        }));
        Target { connector: connector.unwrap(), runtime: Mutex::new(Runtime::new().unwrap()), _files: files }
    })
}

/// The browser brings this as the answer to `_request`.
fn brought(message: &[u8]) -> Result<Identity, Failure> {
    let pending: Pending = serde_json::from_value(json!({
        "state": "the-state", "nonce": "_request", "issuer": "https://idp.example",
        "redirect_url": "https://sp.example/acs", "began": ambient::unix_now(),
    }))
    .unwrap();
    let params = [("SAMLResponse", BASE64_STANDARD.encode(message)), ("RelayState", "the-state".to_owned())];
    let answer = Answer {
        path: "/acs".into(),
        params: params.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..Answer::default()
    };
    let Target { connector, runtime, .. } = target();
    runtime.lock().unwrap_or_else(PoisonError::into_inner).block_on(connector.finish(&pending, &answer))
}

/// Why a message is refused, after the connector has refused it as well.
fn refusal(message: &(impl AsRef<[u8]> + ?Sized)) -> Refused {
    let failure = brought(message.as_ref()).expect_err("the attack was believed");
    assert_eq!(failure.blame, Blame::Protocol, "{failure}");
    assert!(!(failure.no_answer || failure.keeps_out || failure.busy), "it moves a verdict: {failure:?}");
    assert!(failure.log.starts_with("idp: ") && failure.log.len() < 300, "{failure}");
    support::refusal(message)
}

/// What a message costs is the room below's to measure.
fn bounded<T>(_: &str, run: impl FnOnce() -> T) -> T {
    run()
}

#[test]
fn what_the_corpus_changes_is_believed_before_it_is_changed() {
    let encrypted = encrypt(&assertion("_assertion", "alice"), &other_rsa().der, Cipher::Aes256).unwrap();
    let encrypted =
        mangrove_saml::sign(&response(&encrypted), mangrove_saml::Root::Response, &rsa().key()).unwrap();
    for good in [signed_response(rsa()), with_signed_assertion(rsa()), signed_twice(rsa()), encrypted] {
        assert_eq!(brought(good.as_bytes()).unwrap().subject, "alice");
    }
}
