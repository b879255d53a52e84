//! Signatures of another form or by other algorithms than SAML prescribes, and signatures by nobody who was pinned.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mangrove_keys::Signer;
use mangrove_saml::names::{DS, EXC_C14N};
use mangrove_saml::{Certificates, DecryptionKeys, Opened, Refused, Root, SigningKey, sign};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};

use super::refusal;
use super::support::*;

const ENVELOPED: &str =
    r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>"#;
const EXCLUSIVE: &str =
    r#"<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform>"#;

fn is_form(attack: &str) {
    let refused = refusal(attack);
    assert!(matches!(refused, Refused::SignatureForm(_)), "{refused}");
}

fn is_algorithm(attack: &str) {
    let refused = refusal(attack);
    assert!(matches!(refused, Refused::Algorithm(_)), "{refused}");
}

#[test]
fn an_unsigned_response() {
    assert_eq!(refusal(&response(&assertion("_assertion", "alice"))), Refused::Unsigned);
}

#[test]
fn a_response_without_assertion_unless_it_is_signed() {
    assert_eq!(refusal(&response("")), Refused::Unsigned);
    let signed = sign(&response(""), Root::Response, &rsa().key()).unwrap();
    let verified = accept(&signed, rsa()).unwrap();
    assert!(verified.assertion().unwrap().is_none());
}

#[test]
fn a_reference_to_anything_but_the_element_itself() {
    let good = signed_response(rsa());
    for uri in [
        "",
        "#",
        "_response",
        "#_assertion",
        "#other",
        "# _response",
        "#xpointer(id('_response'))",
        "#xpointer(/)",
        "http://127.0.0.1:9/x",
        "file:///dev/zero",
        "file:///etc/passwd",
        "#_response&quot;",
    ] {
        is_form(&changed(&good, "URI=\"#_response\"", &format!("URI=\"{uri}\"")));
    }
    is_form(&changed(&good, " URI=\"#_response\"", ""));
}

#[test]
fn several_references() {
    let good = signed_response(rsa());
    let reference = element(&good, "ds:Reference");
    is_form(&changed(&good, reference, &reference.repeat(2)));
    is_form(&changed(&good, reference, ""));
    let foreign = format!("{reference}{}", changed(reference, "#_response", "http://127.0.0.1:9/"));
    is_form(&changed(&good, reference, &foreign));
}

#[test]
fn transforms_that_are_missing_repeated_swapped_or_programs() {
    let good = signed_response(rsa());
    let both = format!("{ENVELOPED}{EXCLUSIVE}");
    let other = |uri: &str| format!(r#"<ds:Transform Algorithm="{uri}"></ds:Transform>"#);
    let xpath = r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>count(//*[count(//*)])</ds:XPath></ds:Transform>"#;
    let xslt = r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0"/></ds:Transform>"#;
    for transforms in [
        String::new(),
        ENVELOPED.to_owned(),
        EXCLUSIVE.to_owned(),
        format!("{EXCLUSIVE}{ENVELOPED}"),
        format!("{ENVELOPED}{EXCLUSIVE}{EXCLUSIVE}"),
        format!("{ENVELOPED}{ENVELOPED}{EXCLUSIVE}"),
        format!("{xpath}{both}"),
        format!("{ENVELOPED}{xpath}"),
        format!("{xslt}{both}"),
        format!("{ENVELOPED}{}", other("http://www.w3.org/TR/2001/REC-xml-c14n-20010315")),
        format!("{ENVELOPED}{}", other("http://www.w3.org/2001/10/xml-exc-c14n#WithComments")),
        format!("{both}{}", other("http://www.w3.org/2000/09/xmldsig#base64")),
    ] {
        is_algorithm(&changed(&good, &both, &transforms));
    }
    is_form(&changed(&good, &format!("<ds:Transforms>{both}</ds:Transforms>"), ""));
}

#[test]
fn two_thousand_transforms() {
    let many = EXCLUSIVE.repeat(2000);
    is_algorithm(&changed(&signed_response(rsa()), EXCLUSIVE, &many));
}

#[test]
fn canonicalisation_with_comments_or_inclusive_or_none() {
    let good = signed_response(rsa());
    let method = format!(r#"CanonicalizationMethod Algorithm="{EXC_C14N}""#);
    for other in [
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "",
    ] {
        is_algorithm(&changed(&good, &method, &format!(r#"CanonicalizationMethod Algorithm="{other}""#)));
    }
}

#[test]
fn sha1_md5_hmac_dsa_and_unknown_algorithms() {
    let good = signed_response(rsa());
    for method in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
        "",
    ] {
        is_algorithm(&changed(&good, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", method));
    }
    for digest in ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5", ""]
    {
        is_algorithm(&changed(&good, "http://www.w3.org/2001/04/xmlenc#sha256", digest));
    }
}

/// Key confusion: the certificate is public, so anybody could make an HMAC with it.
#[test]
fn an_hmac_keyed_with_the_certificate() {
    let info = element(&signed_response(rsa()), "ds:SignedInfo").to_owned();
    let forged = changed(&info, "rsa-sha256", "hmac-sha256");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &rsa().der), forged.as_bytes());
    let good = signed_response(rsa());
    let value = &good[good.find("<ds:SignatureValue>").unwrap()..good.find("</ds:SignatureValue>").unwrap()];
    let forged = changed(
        &changed(&good, &info, &forged),
        value,
        &("<ds:SignatureValue>".to_owned() + &BASE64_STANDARD.encode(tag)),
    );
    is_algorithm(&forged);
}

#[test]
fn a_method_with_parameters() {
    let good = signed_response(rsa());
    let short = "<ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>";
    is_form(&changed(&good, "</ds:SignatureMethod>", short));
}

#[test]
fn objects_manifests_and_keys_from_elsewhere() {
    let good = signed_response(rsa());
    for inside in [
        r#"<ds:Object></ds:Object>"#,
        r#"<ds:Object><ds:Manifest><ds:Reference URI="http://127.0.0.1:9/"/></ds:Manifest></ds:Object>"#,
    ] {
        is_form(&changed(&good, "</ds:Signature>", &format!("{inside}</ds:Signature>")));
    }
    for inside in [
        r#"<ds:RetrievalMethod URI="http://127.0.0.1:9/"/>"#,
        r#"<x:KeyInfoReference xmlns:x="http://www.w3.org/2009/xmldsig11#" URI="http://127.0.0.1:9/"/>"#,
    ] {
        is_form(&changed(&good, "<ds:X509Data>", &format!("{inside}<ds:X509Data>")));
    }
}

#[test]
fn comments_texts_and_strange_elements_inside_a_signature() {
    let good = signed_response(rsa());
    is_form(&changed(&good, "<ds:DigestValue>", "<ds:DigestValue><!-- -->"));
    is_form(&changed(&good, "<ds:KeyInfo>", "<!-- --><ds:KeyInfo>"));
    is_form(&changed(&good, "<ds:KeyInfo>", "text<ds:KeyInfo>"));
    is_form(&changed(&good, "<ds:Transforms>", "text<ds:Transforms>"));
    is_form(&changed(&good, "<ds:DigestValue>", "<ds:DigestValue><ds:x/>"));
    is_form(&changed(&good, "<ds:KeyInfo>", "<ds:x/><ds:KeyInfo>"));
    let twice = format!("{0}{0}", element(&changed(&good, "<ds:KeyInfo>", "<ds:KeyInfo >"), "ds:KeyInfo"));
    is_form(&changed(&changed(&good, "<ds:KeyInfo>", "<ds:KeyInfo >"), &twice[..twice.len() / 2], &twice));
}

/// Two digests of which one reader takes the first and another the last.
#[test]
fn a_digest_value_that_stands_twice_or_is_split() {
    let good = signed_response(rsa());
    let from = good.find("<ds:DigestValue>").unwrap();
    let digest = &good[from..good.find("</ds:DigestValue>").unwrap() + "</ds:DigestValue>".len()];
    is_form(&changed(&good, digest, &digest.repeat(2)));
    is_form(&changed(&good, "</ds:DigestValue>", "<!-- -->AAAA</ds:DigestValue>"));
}

#[test]
fn another_key_whatever_certificate_it_shows() {
    let forged =
        sign(&response(&assertion("_assertion", "mallory")), Root::Response, &other_rsa().key()).unwrap();
    assert_eq!(refusal(&forged), Refused::Signature { of: Root::Response, certificates: 1 });
    let own = BASE64_STANDARD.encode(&other_rsa().der);
    let victims = changed(&forged, &own, &BASE64_STANDARD.encode(&rsa().der));
    assert_eq!(refusal(&victims), Refused::Signature { of: Root::Response, certificates: 1 });
}

#[test]
fn a_signature_value_of_another_message_or_of_nonsense() {
    let good = signed_response(rsa());
    let value = |xml: &str| {
        xml[xml.find("<ds:SignatureValue>").unwrap() + 19..xml.find("</ds:SignatureValue>").unwrap()]
            .to_owned()
    };
    let other = sign(&response(&assertion("_other", "alice")), Root::Response, &rsa().key()).unwrap();
    let refused = Refused::Signature { of: Root::Response, certificates: 1 };
    assert_eq!(refusal(&changed(&good, &value(&good), &value(&other))), refused);
    assert_eq!(refusal(&changed(&good, &value(&good), "AAAA")), refused);
    assert_eq!(refusal(&changed(&good, &value(&good), "")), refused);
    assert_eq!(refusal(&changed(&good, &value(&good), "?")), Refused::Base64("SignatureValue"));
}

#[test]
fn a_text_that_was_changed_after_it_was_signed() {
    for good in [signed_response(rsa()), with_signed_assertion(rsa()), signed_twice(rsa())] {
        let refused = refusal(&changed(&good, ">alice<", ">mallory<"));
        assert!(matches!(refused, Refused::Digest { .. }), "{refused}");
    }
}

/// Only the assertion is signed: what stands around it may say anything, and none of it comes out as verified.
#[test]
fn nothing_unsigned_comes_out_as_verified() {
    let attack =
        changed(&with_signed_assertion(rsa()), "InResponseTo=\"_request\"", "InResponseTo=\"_mine\"");
    let verified = accept(&attack, rsa()).unwrap();
    assert!(verified.message().unwrap().is_none());
    let opened = Opened::open(attack.as_bytes(), Root::Response).unwrap();
    assert_eq!(opened.untrusted().unwrap().root_element().attribute("InResponseTo"), Some("_mine"));
}

#[test]
fn short_keys_foreign_keys_and_no_keys_are_no_certificates_to_verify_with() {
    assert_eq!(Certificates::new::<&[u8]>([]).unwrap_err(), Refused::NoCertificate);
    assert!(matches!(Certificates::new([b"nonsense"]).unwrap_err(), Refused::Certificate(_)));
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let ed25519 = CertificateParams::new(Vec::new()).unwrap().self_signed(&ed25519).unwrap();
    assert!(matches!(Certificates::new([ed25519.der()]).unwrap_err(), Refused::Certificate(_)));
    let short = include_bytes!("../support/rsa-1024.der");
    let refused = Certificates::new([short]).unwrap_err();
    assert_eq!(refused, Refused::Certificate("its RSA key has less than 2048 bits"));
    let mixed = Certificates::new([&short[..], &rsa().der]).unwrap();
    let skipped: Vec<_> = mixed.skipped().iter().map(|skipped| (skipped.place, &skipped.why)).collect();
    assert_eq!((mixed.len(), skipped), (1, vec![(1, &refused)]));
}

#[test]
fn a_certificate_of_another_key_is_not_ours() {
    let signer = Signer::from_pem("key", rsa().pem.as_bytes()).unwrap();
    let refused = SigningKey::new(signer, other_rsa().der.clone()).unwrap_err();
    assert_eq!(refused, Refused::Certificate("it belongs to another key"));
}

#[test]
fn a_longer_rsa_key_is_as_good() {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).unwrap();
    let der = CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap().der().to_vec();
    let key =
        SigningKey::new(Signer::from_pem("key", pair.serialize_pem().as_bytes()).unwrap(), der).unwrap();
    let xml = sign(&response(""), Root::Response, &key).unwrap();
    let opened = Opened::open(xml.as_bytes(), Root::Response).unwrap();
    opened.verify(&Certificates::new([key.certificate()]).unwrap(), &DecryptionKeys::none()).unwrap();
}

#[test]
fn a_prefix_list_without_end() {
    let many = (0..40).map(|at| format!("p{at} ")).collect::<String>();
    let list = format!(
        r#"<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="{many}"/></ds:Transform></ds:Transforms>"#
    );
    is_form(&changed(&signed_response(rsa()), "</ds:Transform></ds:Transforms>", &list));
    let foreign = format!(r#"<ds:x xmlns:ds="{DS}"/></ds:Transform></ds:Transforms>"#);
    is_form(&changed(&signed_response(rsa()), "</ds:Transform></ds:Transforms>", &foreign));
}
