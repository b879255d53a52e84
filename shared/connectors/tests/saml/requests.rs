//! What is asked, how it travels, and what this node publishes of itself.

use mangrove_connectors::{Ask, Begin, Blame, Prompt};
use mangrove_saml::metadata::IdentityProvider;
use mangrove_saml::redirect::{Parameter, Received};
use mangrove_saml::{Certificates, DecryptionKeys, Root, post, uris};

use crate::lying_idp::{Idp, Keys};
use crate::{CONSUMER, ENTITY, begin_with, build, connector};

#[tokio::test]
async fn a_request_goes_by_post_unless_only_a_redirect_is_offered_or_wanted() {
    let idp = Idp::start().await;
    let begun = connector(&idp, |_| ()).begin(&Ask::default()).await.unwrap();
    let Begin::Post { url, fields, pending } = begun else { panic!("{begun:?}") };
    assert_eq!(url.as_str(), format!("{}/sso", idp.origin));
    assert!(fields.iter().any(|(name, value)| *name == "RelayState" && value == pending.state()));
    assert!(pending.state().len() <= 80, "SAML Bindings 3.4.3 and 3.5.3");
    let wanted = connector(&idp, |written| written["samlRequestBinding"] = "redirect".into());
    assert!(matches!(wanted.begin(&Ask::default()).await.unwrap(), Begin::Redirect { .. }));
    idp.lies(|lies| lies.bindings = Some(vec![uris::REDIRECT]));
    assert!(matches!(connector(&idp, |_| ()).begin(&Ask::default()).await.unwrap(), Begin::Redirect { .. }));
}

#[tokio::test]
async fn a_request_says_what_the_application_asked() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |written| written["samlNameIDFormat"] = "persistent".into());
    let asked = async |ask: Ask| begin_with(&connector, &ask).await.unwrap().0;
    let plain = asked(Ask::default()).await;
    assert_eq!((plain.issuer.as_str(), plain.consumer.as_str()), (ENTITY, CONSUMER));
    assert!(plain.id.len() >= 23 && !plain.id.starts_with(char::is_numeric), "128 bits at least");
    assert!(plain.xml.contains(&format!("Destination=\"{}/sso\"", idp.origin)));
    assert!(plain.xml.contains(&format!("NameIDPolicy Format=\"{}\"", uris::PERSISTENT)));
    for absent in ["ForceAuthn", "IsPassive", "RequestedAuthnContext"] {
        assert!(!plain.xml.contains(absent), "{}", plain.xml);
    }
    let other = asked(Ask { acr_values: Some("urn:a urn:b".into()), ..Ask::default() }).await;
    assert!(other.id != plain.id && other.relay_state != plain.relay_state);
    assert!(
        other.xml.contains("ClassRef>urn:a</saml:AuthnContextClassRef><saml:AuthnContextClassRef>urn:b<")
    );
    let forced = asked(Ask { prompt: Some(Prompt::Login), ..Ask::default() }).await;
    assert!(forced.xml.contains("ForceAuthn=\"true\""));
    let not_new = asked(Ask { max_age: Some(60), ..Ask::default() }).await;
    assert!(!not_new.xml.contains("ForceAuthn"), "whoever signed in a moment ago need not do so again");
    let new = asked(Ask { max_age: Some(0), ..Ask::default() }).await;
    assert!(new.xml.contains("ForceAuthn=\"true\""));
    let mixed = asked(Ask { acr_values: Some("phr 1 urn:a".into()), ..Ask::default() }).await;
    assert_eq!(
        mixed.xml.matches("ClassRef>").count(),
        2,
        "what is no URI is no class of SAML: {}",
        mixed.xml
    );
    let silent = asked(Ask { prompt: Some(Prompt::None), max_age: Some(60), ..Ask::default() }).await;
    assert!(silent.xml.contains("IsPassive=\"true\"") && !silent.xml.contains("ForceAuthn"));
}

#[tokio::test]
async fn with_a_key_requests_are_signed_whichever_way_they_go() {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::ec();
    let (cert, key) = keys.files(dir.path());
    let pinned = Certificates::new([&keys.der]).unwrap();
    for binding in ["post", "redirect"] {
        let connector = connector(&idp, |written| {
            (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.clone().into(), key.clone().into());
            written["samlRequestBinding"] = binding.into();
        });
        match connector.begin(&Ask::default()).await.unwrap() {
            Begin::Redirect { url, .. } => {
                let query = url.query().unwrap();
                let received = Received::decode(query, Parameter::Request, Root::AuthnRequest).unwrap();
                received.verify(&pinned).unwrap();
            }
            Begin::Post { fields, .. } => {
                let opened = post::decode(&fields[0].1, Root::AuthnRequest).unwrap();
                opened.verify(&pinned, &DecryptionKeys::none()).unwrap();
            }
            Begin::Password { .. } => panic!(),
        }
    }
}

#[tokio::test]
async fn a_provider_that_takes_signed_requests_only_is_an_operators_business_without_a_key() {
    let idp = Idp::start().await;
    idp.lies(|lies| lies.wants_signed = true);
    let bare = connector(&idp, |_| ());
    let failure = bare.begin(&Ask::default()).await.unwrap_err();
    assert!(failure.blame == Blame::Misconfigured && failure.keeps_out, "{failure:?}");
    assert!(failure.log.contains("add samlSPCertPath and samlSPKeyPath"), "{failure}");
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = Keys::ec().files(dir.path());
    let whole = connector(&idp, |written| {
        (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
    });
    whole.begin(&Ask::default()).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_key_is_refused_at_the_start() {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (Keys::ec(), Keys::ec());
    let mixed = Keys { pem: ours.pem, der: other.der };
    let (cert, key) = mixed.files(dir.path());
    let build = |cert: &str, key: &str| {
        let (cert, key) = (cert.to_owned(), key.to_owned());
        let built = build(&idp, |written| {
            (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
        });
        built.unwrap_err()
    };
    let why = build(&cert, &key);
    assert!(why.contains("idp") && why.contains("samlSPKeyPath") && why.contains("another key"), "{why}");
    assert!(build("/nowhere/sp.crt", &key).contains("/nowhere/sp.crt cannot be read"));
    assert!(build(&key, &key).contains("no certificate in"));
}

#[tokio::test]
async fn this_node_publishes_what_a_provider_has_to_know_of_it() {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = Keys::rsa().files(dir.path());
    let connector = connector(&idp, |written| {
        (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
        written["samlLogoutCallbackURL"] = "https://node.example/saml/logout".into();
    });
    let (path, document) = connector.published().unwrap();
    assert_eq!(path, "/saml/callback/metadata");
    for part in [
        "entityID=\"https://node.example\"",
        "AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\"",
        "use=\"signing\"",
        "use=\"encryption\"",
        "Location=\"https://node.example/saml/callback\"",
        "Location=\"https://node.example/saml/logout\"",
    ] {
        assert!(document.contains(part), "{part} is missing in {document}");
    }
    assert!(IdentityProvider::read(document.as_bytes(), 0).is_err(), "it is no identity provider");
}
