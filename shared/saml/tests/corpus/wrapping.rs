//! Signature wrapping: a good signature stays in the message, and what is read is something else. The eight shapes of "On
//! Breaking SAML: Be Whoever You Want to Be" (2012), and those that came after.

use mangrove_saml::names::{METADATA, SAML, SAMLP};
use mangrove_saml::{Opened, Refused, Root, sign};

use super::refusal;
use super::support::*;

/// The signed assertion of a good response, its signature, and the assertion without it.
struct Parts {
    response: String,
    signed: String,
    signature: String,
    bare: String,
}

fn parts() -> Parts {
    let response = with_signed_assertion(rsa());
    let signed = element(&response, "saml:Assertion").to_owned();
    let signature = element(&signed, "ds:Signature").to_owned();
    let bare = changed(&signed, &signature, "");
    Parts { response, signed, signature, bare }
}

fn evil(assertion: &str) -> String {
    changed(&changed(assertion, "alice", "mallory"), "ID=\"_assertion\"", "ID=\"_evil\"")
}

/// A signed response, its signature, and the response without it.
fn whole() -> (String, String, String) {
    let response = signed_response(rsa());
    let signature = element(&response, "ds:Signature").to_owned();
    let bare = changed(&response, &signature, "");
    (response, signature, bare)
}

fn evil_response(response: &str) -> String {
    changed(&changed(response, "alice", "mallory"), "ID=\"_response\"", "ID=\"_evil\"")
}

#[test]
fn xsw1_the_signed_response_inside_the_signature_of_an_evil_one() {
    let (response, signature, bare) = whole();
    let inside = changed(&signature, "</ds:Signature>", &format!("{bare}</ds:Signature>"));
    let attack = changed(&evil_response(&response), &signature, &inside);
    assert!(matches!(refusal(&attack), Refused::SignatureForm(_)));
}

#[test]
fn xsw2_the_signed_response_beside_its_signature_in_an_evil_one() {
    let (response, signature, bare) = whole();
    let attack = changed(&evil_response(&response), &signature, &format!("{bare}{signature}"));
    assert_eq!(refusal(&attack), Refused::Nested);
}

#[test]
fn xsw3_an_evil_assertion_before_the_signed_one() {
    let Parts { response, signed, bare, .. } = parts();
    let attack = changed(&response, &signed, &(evil(&bare) + &signed));
    assert_eq!(refusal(&attack), Refused::StrayAssertion);
}

#[test]
fn xsw4_the_signed_assertion_inside_an_evil_one() {
    let Parts { response, signed, bare, .. } = parts();
    let around = changed(&evil(&bare), "</saml:Assertion>", &format!("{signed}</saml:Assertion>"));
    assert_eq!(refusal(&changed(&response, &signed, &around)), Refused::StrayAssertion);
}

#[test]
fn xsw5_an_evil_assertion_with_the_signature_and_the_signed_one_at_the_end() {
    let Parts { response, signed, bare, .. } = parts();
    let attack = changed(&response, &signed, &(evil(&signed) + &bare));
    assert!(matches!(refusal(&attack), Refused::SignatureForm(_) | Refused::StrayAssertion));
}

#[test]
fn xsw6_the_signed_assertion_inside_the_signature_of_an_evil_one() {
    let Parts { response, signed, signature, bare } = parts();
    let inside = changed(&signature, "</ds:Signature>", &format!("{bare}</ds:Signature>"));
    let attack = changed(&response, &signed, &changed(&evil(&signed), &signature, &inside));
    assert!(matches!(refusal(&attack), Refused::SignatureForm(_)));
}

#[test]
fn xsw7_an_evil_assertion_of_the_same_id_in_extensions() {
    let Parts { response, signed, bare, .. } = parts();
    let evil = changed(&bare, "alice", "mallory");
    let attack = changed(&response, &signed, &format!("<samlp:Extensions>{evil}</samlp:Extensions>{signed}"));
    assert_eq!(refusal(&attack), Refused::StrayAssertion);
    let foreign = changed(&response, &signed, &format!("<Extensions>{evil}</Extensions>{signed}"));
    assert_eq!(refusal(&foreign), Refused::StrayAssertion);
}

#[test]
fn xsw8_the_signed_assertion_in_an_object_of_the_signature_of_an_evil_one() {
    let Parts { response, signed, signature, bare } = parts();
    let object = format!("<ds:Object>{bare}</ds:Object></ds:Signature>");
    let inside = changed(&signature, "</ds:Signature>", &object);
    let attack = changed(&response, &signed, &changed(&evil(&signed), &signature, &inside));
    assert!(matches!(refusal(&attack), Refused::SignatureForm(_)));
}

#[test]
fn xsw9_two_signed_infos_of_which_one_is_signed_and_the_other_has_the_digest() {
    let Parts { response, signed, signature, .. } = parts();
    let evil_document = sign(&assertion("_evil", "mallory"), Root::Assertion, &other_rsa().key()).unwrap();
    let evil_info = element(&evil_document, "ds:SignedInfo");
    let good_value = &signature[signature.find("<ds:SignatureValue>").unwrap()..];
    let good_info = element(&signature, "ds:SignedInfo");
    for both in [format!("{good_info}{evil_info}"), format!("{evil_info}{good_info}")] {
        let forged = changed(
            &evil_document,
            element(&evil_document, "ds:Signature"),
            &format!("<ds:Signature xmlns:ds=\"{}\">{both}{good_value}", mangrove_saml::names::DS),
        );
        assert!(matches!(refusal(&changed(&response, &signed, &forged)), Refused::SignatureForm(_)));
    }
}

#[test]
fn xsw10_the_assertions_signature_moved_to_the_response_with_the_assertion_in_an_object() {
    let Parts { response, signed, signature, bare } = parts();
    let object = format!("<ds:Object>{bare}</ds:Object></ds:Signature>");
    let moved = changed(&signature, "</ds:Signature>", &object);
    let attack = changed(&response, &signed, &(moved + &evil(&bare)));
    assert!(matches!(refusal(&attack), Refused::SignatureForm(_)));
}

#[test]
fn a_root_that_carries_the_signature_of_its_assertion() {
    let Parts { response, signed, signature, bare } = parts();
    let attack = changed(&response, &signed, &(signature + &bare));
    assert!(matches!(refusal(&attack), Refused::SignatureForm(_)));
}

#[test]
fn a_signed_assertion_beside_an_unsigned_one() {
    let Parts { response, signed, bare, .. } = parts();
    assert_eq!(
        refusal(&changed(&response, &signed, &(signed.clone() + &evil(&bare)))),
        Refused::StrayAssertion
    );
}

#[test]
fn a_signature_in_the_extensions_of_the_response() {
    let (response, signature, _) = whole();
    let attack = changed(&response, &signature, &format!("<samlp:Extensions>{signature}</samlp:Extensions>"));
    assert_eq!(refusal(&attack), Refused::StraySignature);
}

#[test]
fn a_signature_somewhere_in_the_assertion() {
    let Parts { response, signature, .. } = parts();
    let without = changed(&response, &signature, "");
    for place in ["<saml:Subject>", "<saml:AttributeStatement>", "<saml:NameID>"] {
        let attack = changed(&without, place, &format!("{place}{signature}"));
        assert_eq!(refusal(&attack), Refused::StraySignature, "{place}");
    }
}

#[test]
fn a_response_that_is_signed_twice() {
    let (response, signature, _) = whole();
    assert_eq!(refusal(&changed(&response, &signature, &signature.repeat(2))), Refused::StraySignature);
}

#[test]
fn a_second_signature_by_another_key() {
    let good = with_signed_assertion(rsa());
    let attack = sign(&good, Root::Response, &other_rsa().key()).unwrap();
    assert_eq!(refusal(&attack), Refused::Signature { of: Root::Response, certificates: 1 });
    let inner =
        response(&sign(&assertion("_assertion", "alice"), Root::Assertion, &other_rsa().key()).unwrap());
    let attack = sign(&inner, Root::Response, &rsa().key()).unwrap();
    assert_eq!(refusal(&attack), Refused::Signature { of: Root::Assertion, certificates: 1 });
}

#[test]
fn duplicate_ids_however_they_are_spelled() {
    let (response, ..) = whole();
    for twin in [r#"ID="_response""#, r#"Id="_response""#, r#"id="_response""#, r#"xml:id="_response""#] {
        let attack = changed(&response, "<samlp:Status>", &format!("<samlp:Status {twin}>"));
        assert_eq!(refusal(&attack), Refused::SameIdTwice, "{twin}");
    }
}

#[test]
fn a_response_in_a_response_and_an_assertion_in_the_advice_of_another() {
    let (response, _, bare) = whole();
    let nested = changed(&response, "<samlp:Status>", &format!("{}<samlp:Status>", evil_response(&bare)));
    assert_eq!(refusal(&nested), Refused::Nested);
    let advice = format!("<saml:Advice>{}</saml:Advice><saml:AuthnStatement", assertion("_other", "mallory"));
    let attack = changed(&response, "<saml:AuthnStatement", &advice);
    assert_eq!(refusal(&attack), Refused::StrayAssertion);
}

#[test]
fn an_encrypted_assertion_beside_a_signed_one() {
    let Parts { response, signed, .. } = parts();
    let encrypted = r#"<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>"#;
    assert_eq!(
        refusal(&changed(&response, &signed, &format!("{signed}{encrypted}"))),
        Refused::StrayAssertion
    );
}

#[test]
fn an_assertion_of_another_namespace() {
    let evil = assertion("_evil", "mallory").replace("urn:oasis:names:tc:SAML:2.0:assertion", "urn:evil");
    for attack in [
        sign(&response(&assertion("_assertion", "alice")), Root::Response, &rsa().key()).unwrap(),
        with_signed_assertion(rsa()),
    ] {
        let attack = changed(&attack, "</samlp:Response>", &format!("{evil}</samlp:Response>"));
        assert_eq!(refusal(&attack), Refused::StrayAssertion);
    }
    assert_eq!(sign(&response(&evil), Root::Response, &rsa().key()), Err(Refused::StrayAssertion));
}

#[test]
fn a_bare_assertion_as_the_document() {
    let signed = sign(&assertion("_assertion", "alice"), Root::Assertion, &rsa().key()).unwrap();
    assert_eq!(refusal(&signed), Refused::OtherRoot { expected: Root::Response });
}

#[test]
fn another_message_of_the_same_issuer_in_place_of_the_expected_one() {
    let response = signed_response(rsa());
    let opened = Opened::open(response.as_bytes(), Root::LogoutResponse);
    assert_eq!(opened.unwrap_err(), Refused::OtherRoot { expected: Root::LogoutResponse });
}

/// A sign-in request, a logout or metadata, of a given ID.
fn message(root: Root, id: &str, inside: &str) -> String {
    let (name, namespace) = match root {
        Root::AuthnRequest => ("AuthnRequest", SAMLP),
        Root::LogoutRequest => ("LogoutRequest", SAMLP),
        Root::LogoutResponse => ("LogoutResponse", SAMLP),
        _ => ("EntitiesDescriptor", METADATA),
    };
    format!(
        "<p:{name} xmlns:p=\"{namespace}\" ID=\"{id}\" Version=\"2.0\">\
         <saml:Issuer xmlns:saml=\"{SAML}\">https://idp.example</saml:Issuer>{inside}</p:{name}>"
    )
}

const OTHERS: [Root; 4] = [Root::AuthnRequest, Root::LogoutRequest, Root::LogoutResponse, Root::Metadata];

fn verify(xml: &str, root: Root) -> Result<(), Refused> {
    Opened::open(xml.as_bytes(), root)?.verify(&rsa().pinned(), &other_rsa().opens()).map(drop)
}

#[test]
fn an_evil_request_or_logout_around_anything_that_was_ever_signed() {
    for root in OTHERS {
        let good = sign(&message(root, "_good", ""), root, &rsa().key()).unwrap();
        verify(&good, root).unwrap();
        let signature = element(&good, "ds:Signature").to_owned();
        let bare = changed(&good, &signature, "");
        for inside in [
            format!("<p:Extensions>{good}</p:Extensions>"),
            format!("{signature}{bare}"),
            format!("{signature}<p:Extensions>{bare}</p:Extensions>"),
            changed(&signature, "</ds:Signature>", &format!("{bare}</ds:Signature>")),
            changed(&signature, "</ds:Signature>", &format!("<ds:Object>{bare}</ds:Object></ds:Signature>")),
            format!("<p:Extensions>{signature}</p:Extensions>"),
            signed_response(rsa()),
            with_signed_assertion(rsa()),
        ] {
            verify(&message(root, "_evil", &inside), root).expect_err(&inside);
        }
    }
}

#[test]
fn a_request_or_logout_that_is_unsigned_foreign_or_changed() {
    for root in OTHERS {
        assert_eq!(verify(&message(root, "_good", ""), root), Err(Refused::Unsigned));
        let foreign = sign(&message(root, "_good", ""), root, &other_rsa().key()).unwrap();
        assert_eq!(verify(&foreign, root), Err(Refused::Signature { of: root, certificates: 1 }));
        let good = sign(&message(root, "_good", ""), root, &rsa().key()).unwrap();
        let other = changed(&good, ">https://idp.example<", ">https://evil.example<");
        assert_eq!(verify(&other, root), Err(Refused::Digest { of: root }));
        let twice = changed(&good, "<saml:Issuer ", "<saml:Issuer ID=\"_good\" ");
        assert_eq!(verify(&twice, root), Err(Refused::SameIdTwice));
    }
}
