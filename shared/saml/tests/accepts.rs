//! What a well-behaved provider sends is accepted, and read from what was signed.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use mangrove_saml::{Certificates, Signed};
use support::*;

#[test]
fn a_signed_assertion_is_accepted_and_the_response_around_it_is_not_vouched_for() {
    for key in [rsa(), p256(), p384()] {
        let verified = accept(&with_signed_assertion(key), key).unwrap();
        assert_eq!(verified.signed(), Signed::Assertion);
        assert_eq!(subject(&verified), "alice");
        assert!(verified.message().unwrap().is_none());
    }
}

#[test]
fn a_signed_response_is_accepted_with_its_assertion() {
    for key in [rsa(), p256(), p384()] {
        let verified = accept(&signed_response(key), key).unwrap();
        assert_eq!(verified.signed(), Signed::Message);
        assert_eq!(subject(&verified), "alice");
        let message = verified.message().unwrap().unwrap();
        assert_eq!(message.root_element().attribute("Destination"), Some("https://sp.example/acs"));
    }
}

#[test]
fn both_signatures_are_verified_where_both_are_there() {
    let verified = accept(&signed_twice(rsa()), rsa()).unwrap();
    assert_eq!(verified.signed(), Signed::Both);
    assert_eq!(subject(&verified), "alice");
}

#[test]
fn keys_of_different_kinds_are_tried_in_any_order() {
    let both = [
        Certificates::new([&rsa().der, &p256().der]).unwrap(),
        Certificates::new([&p256().der, &rsa().der]).unwrap(),
        Certificates::new([&other_rsa().der, &p384().der, &rsa().der, &p256().der]).unwrap(),
    ];
    for pinned in &both {
        for key in [rsa(), p256()] {
            let opened =
                mangrove_saml::Opened::open(signed_response(key).as_bytes(), mangrove_saml::Root::Response)
                    .unwrap();
            opened.verify(pinned, &other_rsa().opens()).unwrap();
        }
    }
}
