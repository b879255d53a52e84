//! Texts that two parsers could read differently, and texts that are no SAML: refused before anybody asks who signed.

use mangrove_saml::{Opened, Refused, Root, names, sign};

use super::refusal;
use super::support::*;

fn is_malformed(xml: impl AsRef<[u8]>) {
    let refused = refusal(&xml);
    assert!(matches!(refused, Refused::Malformed { .. }), "{refused}");
}

#[test]
fn a_document_type_with_or_without_entities() {
    let good = signed_response(rsa());
    for doctype in [
        "<!DOCTYPE r>",
        "<!doctype r>",
        "<!DOCTYPE r SYSTEM \"http://127.0.0.1:9/x.dtd\">",
        "<!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE r [<!ATTLIST r ID CDATA \"_x\">]>",
        "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>",
        "<!DOCTYPE r [<!ENTITY % p SYSTEM \"http://127.0.0.1:9/\"> %p;]>",
        "<!ELEMENT r ANY>",
    ] {
        assert_eq!(refusal(&format!("{doctype}{good}")), Refused::DocumentType, "{doctype}");
        assert_eq!(refusal(&format!("<?xml version=\"1.0\"?>\n{doctype}{good}")), Refused::DocumentType);
        assert_eq!(
            refusal(&changed(&good, "<samlp:Status>", &format!("{doctype}<samlp:Status>"))),
            Refused::DocumentType
        );
    }
}

#[test]
fn entities_that_nobody_declared() {
    let good = signed_response(rsa());
    for entity in ["&e;", "&nbsp;", "&;", "&", "&#0;", "&#1;", "&#xFFFE;", "&amp"] {
        is_malformed(changed(&good, ">alice<", &format!(">alice{entity}<")));
    }
}

#[test]
fn processing_instructions() {
    let good = signed_response(rsa());
    for instruction in ["<?php echo 1; ?>", "<?xml-stylesheet href=\"http://127.0.0.1:9/\"?>", "<?x?>"] {
        assert_eq!(refusal(&format!("{instruction}{good}")), Refused::ProcessingInstruction);
        assert_eq!(refusal(&format!("{good}{instruction}")), Refused::ProcessingInstruction);
        let inside = changed(&good, ">alice<", &format!(">al{instruction}ice<"));
        assert_eq!(refusal(&inside), Refused::ProcessingInstruction);
    }
}

#[test]
fn other_encodings_and_versions() {
    let good = signed_response(rsa());
    for declaration in [
        "<?xml version=\"1.1\"?>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
        "<?xml encoding=\"UTF-8\"?>",
        "<?xml ?>",
        "<?xml version=\"1.0\" version=\"1.0\"?>",
        "<?xml version=\"1.0\" other=\"1\"?>",
        "<?xml version=1.0?>",
    ] {
        assert_eq!(refusal(&format!("{declaration}{good}")), Refused::Declaration, "{declaration}");
    }
    assert_eq!(refusal(&format!(" <?xml version=\"1.0\"?>{good}")), Refused::ProcessingInstruction);
    assert_eq!(refusal(&format!("\u{feff}{good}")), Refused::Encoding);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    refusal(&utf16);
    assert_eq!(refusal(&[&[0xff, 0xfe], &utf16[..]].concat()), Refused::Encoding);
    assert_eq!(refusal(&[good.as_bytes(), &[0xff]].concat()), Refused::Encoding);
    for declaration in
        ["<?xml version=\"1.0\"?>", "<?xml version='1.0' encoding='utf-8' standalone='no' ?>\n", "\n"]
    {
        accept(&format!("{declaration}{good}"), rsa()).unwrap();
    }
}

#[test]
fn documents_that_end_too_early_or_too_late() {
    let good = signed_response(rsa());
    is_malformed(&good[..good.len() - 1]);
    is_malformed(&good[..good.len() / 2]);
    is_malformed(format!("{good}<x/>"));
    is_malformed(format!("{good}{good}"));
    is_malformed(format!("{good}text"));
    is_malformed("");
    is_malformed("text");
    is_malformed("<!-- only a comment -->");
    is_malformed(good.replace("</samlp:Response>", "</samlp:Respons>"));
}

#[test]
fn attributes_twice_and_prefixes_without_namespace() {
    let good = signed_response(rsa());
    is_malformed(changed(&good, "ID=\"_response\"", "ID=\"_response\" ID=\"_other\""));
    is_malformed(changed(&good, "<samlp:Status>", "<x:y/><samlp:Status>"));
    is_malformed(changed(&good, "<samlp:Status>", "<samlp:Status x:y=\"\">"));
}

/// The comment of 2018: one reader takes the text up to it, the signature covers all of it.
#[test]
fn a_comment_that_cuts_a_name() {
    for good in [signed_response(rsa()), with_signed_assertion(rsa())] {
        for cut in ["alice<!-- -->.evil", "<!-- -->alice", "alice<!-- -->", "<!-- --><!-- -->alice"] {
            assert_eq!(refusal(&changed(&good, ">alice<", &format!(">{cut}<"))), Refused::CutText, "{cut}");
        }
    }
}

#[test]
fn a_name_in_pieces_is_read_as_a_whole() {
    let plain = assertion("_assertion", "alice@example.com.evil.example");
    let good = sign(&response(&plain), Root::Response, &rsa().key()).unwrap();
    for written in [
        "alice@example.com<![CDATA[.evil.example]]>",
        "<![CDATA[alice@example.com]]><![CDATA[.evil.example]]>",
        "alice@example.com&#46;evil.example",
    ] {
        let same = changed(&good, "alice@example.com.evil.example", written);
        assert_eq!(subject(&accept(&same, rsa()).unwrap()), "alice@example.com.evil.example");
    }
}

#[test]
fn comments_between_elements_change_nothing() {
    let good = signed_response(rsa());
    let commented = changed(&good, "<samlp:Status>", "<!-- > \" <x> --><samlp:Status>");
    assert_eq!(subject(&accept(&commented, rsa()).unwrap()), "alice");
}

#[test]
fn another_root_version_or_namespace() {
    let good = signed_response(rsa());
    let other = Refused::OtherRoot { expected: Root::Response };
    assert_eq!(refusal("<Response/>"), other);
    assert_eq!(refusal(&good.replace(names::SAMLP, "urn:oasis:names:tc:SAML:1.0:protocol")), other);
    assert_eq!(refusal(&good.replace(names::SAMLP, "urn:evil")), other);
    for version in ["1.1", "2", "2.0 ", ""] {
        let changed = changed(&good, "Version=\"2.0\"", &format!("Version=\"{version}\""));
        assert_eq!(refusal(&changed), Refused::Version { of: Root::Response }, "{version}");
    }
    let assertion = good.replacen("Version=\"2.0\"", "Version=\"@\"", 1).replacen(
        "Version=\"2.0\"",
        "Version=\"1.1\"",
        1,
    );
    assert_eq!(refusal(&assertion.replace('@', "2.0")), Refused::Version { of: Root::Assertion });
}

#[test]
fn no_id_and_ids_of_strange_characters() {
    let good = response(&assertion("_assertion", "alice"));
    let long = "x".repeat(257);
    for id in ["", " ", "a b", "#a", "&quot;", "&#10;", "\u{e9}", long.as_str()] {
        let attack = changed(&good, "ID=\"_response\"", &format!("ID=\"{id}\""));
        assert_eq!(refusal(&attack), Refused::NoId { of: Root::Response }, "{id}");
    }
    assert_eq!(refusal(&changed(&good, "ID=\"_response\"", "")), Refused::NoId { of: Root::Response });
    assert_eq!(refusal(&changed(&good, "ID=\"_assertion\"", "")), Refused::NoId { of: Root::Assertion });
}

/// Attribute pollution: one reader looks for `ID`, another for the local name `ID` behind any prefix.
#[test]
fn attributes_that_hide_behind_a_prefix() {
    let good = signed_response(rsa());
    for twin in [
        "samlp:ID=\"_x\"",
        "samlp:Destination=\"x\"",
        "xmlns:x=\"urn:x\" x:Id=\"_x\"",
        "xmlns:x=\"urn:x\" x:ID=\"_x\"",
    ] {
        let attack = changed(&good, "ID=\"_response\"", &format!("ID=\"_response\" {twin}"));
        assert_eq!(refusal(&attack), Refused::PrefixedAttribute, "{twin}");
    }
}

/// Namespace confusion: declarations that parsers take differently.
#[test]
fn declarations_that_are_none() {
    let good = signed_response(rsa());
    let declared = |text: &str| changed(&good, "<samlp:Status>", &format!("<x {text}/><samlp:Status>"));
    assert_eq!(refusal(&declared("xmlns:p=\"urn:p\" p:xmlns=\"urn:evil\"")), Refused::Namespace);
    assert_eq!(refusal(&declared("xml:xmlns=\"urn:evil\"")), Refused::Namespace);
    let undeclared = changed(&good, "<samlp:Status>", "<p:x xmlns:p=\"\"/><samlp:Status>");
    assert_eq!(refusal(&undeclared), Refused::Namespace);
    is_malformed(declared("xmlns:xml=\"urn:evil\""));
    is_malformed(declared("xmlns:p=\"http://www.w3.org/XML/1998/namespace\""));
    assert_eq!(refusal(&declared("xmlns:xmlns=\"http://www.w3.org/2000/xmlns/\"")), Refused::Namespace);
}

/// Void canonicalisation: a library that fails on a relative namespace hashes nothing, and nothing is always the same.
#[test]
fn a_namespace_that_cannot_be_canonicalised() {
    let good = signed_response(rsa());
    for relative in ["1", "relative", "//host/path", "../x", "#x"] {
        let used = format!("<x xmlns=\"{relative}\"/><samlp:Status>");
        assert_eq!(refusal(&changed(&good, "<samlp:Status>", &used)), Refused::Namespace, "{relative}");
        let used = format!("<samlp:Status xmlns:p=\"{relative}\" p:x=\"\">");
        assert_eq!(refusal(&changed(&good, "<samlp:Status>", &used)), Refused::Namespace, "{relative}");
    }
    // The digest of nothing, with a signature over it by the right key: the digest of something is compared all the same.
    let nothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let from = good.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
    let attack = [&good[..from], nothing, &good[good.find("</ds:DigestValue>").unwrap()..]].concat();
    assert_eq!(refusal(&attack), Refused::Signature { of: Root::Response, certificates: 1 });
}

#[test]
fn refusals_never_quote_what_they_refuse() {
    let secret = "s3cr3t";
    for attack in [
        format!("<{secret}>"),
        format!("<{secret}/>"),
        format!("<{secret}:x/>"),
        format!("<x {secret}='' {secret}=''/>"),
        format!("<x>&{secret};</x>"),
        format!("<!DOCTYPE {secret}>"),
    ] {
        assert!(!refusal(&attack).to_string().contains(secret), "{attack}");
    }
}

#[test]
fn metadata_may_have_instructions_and_comments_and_still_no_document_type() {
    let md = "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"e\" ID=\"_m\"><?a b?><!-- c --><md:IDPSSODescriptor/></md:EntityDescriptor>";
    let open = |xml: &str| Opened::open(xml.as_bytes(), Root::Metadata);
    open(&format!("<?xml version=\"1.0\"?>\n<?xml-stylesheet href=\"x\"?><!-- c -->{md}")).unwrap();
    assert_eq!(open(&format!("<!DOCTYPE x>{md}")).unwrap_err(), Refused::DocumentType);
    let signed = sign(md, Root::Metadata, &rsa().key()).unwrap();
    let verified = open(&signed).unwrap().verify(&rsa().pinned(), &other_rsa().opens()).unwrap();
    assert_eq!(verified.message().unwrap().unwrap().root_element().attribute("entityID"), Some("e"));
    let other = changed(&signed, "<?a b?>", "<?a c?>");
    let refused = open(&other).unwrap().verify(&rsa().pinned(), &other_rsa().opens()).unwrap_err();
    assert_eq!(refused, Refused::Digest { of: Root::Metadata });
    let unsigned = open(md).unwrap().verify(&rsa().pinned(), &other_rsa().opens());
    assert_eq!(unsigned.unwrap_err(), Refused::Unsigned);
}
