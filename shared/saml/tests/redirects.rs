//! The HTTP Redirect binding: what peers write is read, signed or not, and nothing that two readers could read differently.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mangrove_saml::names::{SAML, SAMLP};
use mangrove_saml::redirect::{Parameter, Received, encode};
use mangrove_saml::write::Element;
use mangrove_saml::{Refused, Root, SigningKey, sign};
use support::*;

fn logout(person: &str) -> String {
    Element::new("samlp:LogoutRequest")
        .namespace("samlp", SAMLP)
        .attribute("ID", "_logout")
        .attribute("Version", "2.0")
        .attribute("IssueInstant", "2026-01-01T00:00:00Z")
        .child(&Element::new("saml:Issuer").namespace("saml", SAML).text("https://idp.example"))
        .child(&Element::new("saml:NameID").namespace("saml", SAML).text(person))
        .to_xml()
}

fn query(relay_state: Option<&str>, key: Option<&SigningKey>) -> String {
    encode(Parameter::Request, &logout("alice"), relay_state, key).unwrap()
}

fn read(query: &str) -> Result<Received, Refused> {
    Received::decode(query, Parameter::Request, Root::LogoutRequest)
}

#[test]
fn what_we_write_we_read_and_verify() {
    for key in [rsa(), p256(), p384()] {
        for relay_state in [None, Some(""), Some("a b+c&d=e%\u{e9}")] {
            let received = read(&query(relay_state, Some(&key.key()))).unwrap();
            assert_eq!(received.relay_state(), relay_state);
            let verified = received.verify(&key.pinned()).unwrap();
            let message = verified.message().unwrap().unwrap();
            assert!(message.descendants().any(|node| node.text() == Some("alice")));
        }
    }
}

#[test]
fn a_message_without_signature_is_read_and_not_verified() {
    let received = read(&query(Some("x"), None)).unwrap();
    assert!(!received.is_signed());
    assert_eq!(received.message().root(), Root::LogoutRequest);
    assert_eq!(received.verify(&rsa().pinned()).unwrap_err(), Refused::Unsigned);
}

/// .NET writes `%2b` where others write `%2B`, and signs what it wrote.
#[test]
fn escapes_in_lower_case_are_signed_and_verified_as_they_were_written() {
    let plain = query(Some("a/b"), None);
    let lower =
        lower_escapes(&plain) + "&SigAlg=http%3a%2f%2fwww.w3.org%2f2001%2f04%2fxmldsig-more%23rsa-sha256";
    assert_ne!(lower, plain);
    let signature = signature_over(&lower);
    let received = read(&format!("{lower}&Signature={signature}")).unwrap();
    assert_eq!(received.relay_state(), Some("a/b"));
    received.verify(&rsa().pinned()).unwrap();
    let other = lower.replace("%3a", "%3A");
    let refused =
        read(&format!("{other}&Signature={signature}")).unwrap().verify(&rsa().pinned()).unwrap_err();
    assert_eq!(refused, Refused::Signature { of: Root::LogoutRequest, certificates: 1 });
}

fn lower_escapes(query: &str) -> String {
    let mut out = String::new();
    let mut rest = query;
    while let Some(at) = rest.find('%') {
        out += &rest[..at];
        out += &rest[at..at + 3].to_ascii_lowercase();
        rest = &rest[at + 3..];
    }
    out + rest
}

fn signature_over(octets: &str) -> String {
    let signer = mangrove_keys::Signer::from_pem("key", rsa().pem.as_bytes()).unwrap();
    let signature = BASE64_STANDARD.encode(signer.sign(octets.as_bytes()).unwrap());
    signature.replace('+', "%2b").replace('/', "%2f").replace('=', "%3d")
}

#[test]
fn parameters_in_another_order_and_foreign_ones_change_nothing() {
    let good = query(Some("state"), Some(&rsa().key()));
    let mut parts: Vec<_> = good.split('&').collect();
    parts.reverse();
    parts.insert(1, "tenant=1");
    parts.push("tenant=2");
    read(&parts.join("&")).unwrap().verify(&rsa().pinned()).unwrap();
}

#[test]
fn an_ecdsa_signature_in_two_halves_is_taken_too() {
    let unsigned =
        query(None, None) + "&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23ecdsa-sha256";
    let signer = mangrove_keys::Signer::from_pem("key", p256().pem.as_bytes()).unwrap();
    let halves = BASE64_STANDARD.encode(signer.sign(unsigned.as_bytes()).unwrap());
    let halves = halves.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    read(&format!("{unsigned}&Signature={halves}")).unwrap().verify(&p256().pinned()).unwrap();
}

#[test]
fn any_parameter_twice_is_refused() {
    let good = query(Some("state"), Some(&rsa().key()));
    for name in ["SAMLRequest", "RelayState", "SigAlg", "Signature"] {
        let part = good.split('&').find(|part| part.starts_with(&format!("{name}="))).unwrap();
        let known = Refused::Twice(name);
        assert_eq!(read(&format!("{good}&{part}")).unwrap_err(), known);
        assert_eq!(read(&format!("{name}=&{good}")).unwrap_err(), known);
        let escaped = format!("%{:02X}{}=x", name.as_bytes()[0], &name[1..]);
        assert!(matches!(read(&format!("{good}&{escaped}")).unwrap_err(), Refused::Query(_)));
    }
}

#[test]
fn a_request_where_a_response_is_expected_or_both_at_once() {
    let good = query(None, None);
    let response = Received::decode(&good, Parameter::Response, Root::LogoutResponse);
    assert!(matches!(response.unwrap_err(), Refused::Query(_)));
    assert!(matches!(read(&format!("{good}&SAMLResponse=x")).unwrap_err(), Refused::Query(_)));
    assert_eq!(read("RelayState=x").unwrap_err(), Refused::Missing("SAMLRequest"));
    assert_eq!(read("").unwrap_err(), Refused::Missing("SAMLRequest"));
    let other = Received::decode(&good, Parameter::Request, Root::AuthnRequest);
    assert_eq!(other.unwrap_err(), Refused::OtherRoot { expected: Root::AuthnRequest });
}

#[test]
fn half_a_signature_is_not_no_signature() {
    let good = query(Some("state"), Some(&rsa().key()));
    let without = |name: &str| {
        good.split('&').filter(|part| !part.starts_with(&format!("{name}="))).collect::<Vec<_>>().join("&")
    };
    assert_eq!(read(&without("Signature")).unwrap_err(), Refused::Missing("Signature"));
    assert_eq!(read(&without("SigAlg")).unwrap_err(), Refused::Missing("SigAlg"));
}

#[test]
fn everything_that_was_signed_is_covered() {
    let good = query(Some("state"), Some(&rsa().key()));
    let refused = Refused::Signature { of: Root::LogoutRequest, certificates: 1 };
    let verify = |query: &str| read(query).unwrap().verify(&rsa().pinned()).unwrap_err();
    assert_eq!(verify(&changed(&good, "RelayState=state", "RelayState=other")), refused);
    assert_eq!(verify(&changed(&good, "&RelayState=state", "")), refused);
    let other = encode(Parameter::Request, &logout("mallory"), None, None).unwrap();
    let message = good.split('&').next().unwrap();
    assert_eq!(verify(&changed(&good, message, &other)), refused);
    assert_eq!(read(&good).unwrap().verify(&other_rsa().pinned()).unwrap_err(), refused);
    assert_eq!(verify(&changed(&good, "rsa-sha256", "rsa-sha512")), refused);
    assert_eq!(verify(&changed(&good, "rsa-sha256", "ecdsa-sha256")), refused);
}

#[test]
fn sha1_hmac_and_unknown_algorithms() {
    let good = query(None, Some(&rsa().key()));
    for algorithm in ["hmac-sha256", "rsa-md5", "rsa-sha1", "", "rsa-sha256%00"] {
        assert!(matches!(read(&changed(&good, "rsa-sha256", algorithm)).unwrap_err(), Refused::Algorithm(_)));
    }
}

#[test]
fn a_signature_inside_the_message_has_no_place_in_a_query() {
    let signed = sign(&logout("alice"), Root::LogoutRequest, &rsa().key()).unwrap();
    let query = encode(Parameter::Request, &signed, None, None).unwrap();
    assert_eq!(read(&query).unwrap_err(), Refused::StraySignature);
}

#[test]
fn what_is_not_base64_not_deflated_or_followed_by_more() {
    assert_eq!(read("SAMLRequest=%%%").unwrap_err(), Refused::Query("an escape is broken"));
    assert_eq!(read("SAMLRequest=%4").unwrap_err(), Refused::Query("an escape is broken"));
    assert_eq!(read("SAMLRequest=%FF").unwrap_err(), Refused::Query("an escape is broken"));
    assert_eq!(read("SAMLRequest=*").unwrap_err(), Refused::Base64("SAMLRequest"));
    assert_eq!(read("SAMLRequest=AAAA").unwrap_err(), Refused::Deflate);
    let plain = BASE64_STANDARD.encode(logout("alice")).replace('+', "%2B").replace('/', "%2F");
    assert_eq!(read(&format!("SAMLRequest={plain}")).unwrap_err(), Refused::Deflate);
    let good = query(None, None);
    let deflated = good
        .strip_prefix("SAMLRequest=")
        .unwrap()
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let longer = BASE64_STANDARD.encode([BASE64_STANDARD.decode(deflated).unwrap(), vec![0; 9]].concat());
    assert_eq!(read(&format!("SAMLRequest={}", longer.replace('+', "%2B"))).unwrap_err(), Refused::Deflate);
    assert!(matches!(read(&format!("{good}&SAMLEncoding=urn:other")).unwrap_err(), Refused::Query(_)));
    read(&format!("{good}&SAMLEncoding=urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE")).unwrap();
    assert!(matches!(read(&"x=&".repeat(40_000)).unwrap_err(), Refused::TooLong { .. }));
}
