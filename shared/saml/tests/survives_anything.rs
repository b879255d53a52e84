//! Whatever comes in, nothing panics; and whatever octet of a signed message is changed, it is refused or says the same.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use mangrove_saml::redirect::{Parameter, Received};
use mangrove_saml::roxmltree::Document;
use mangrove_saml::{Certificates, DecryptionKeys, Opened, Refused, Root, certificate, post};
use proptest::prelude::*;
use support::*;

const ROOTS: [Root; 6] = [
    Root::Response,
    Root::Assertion,
    Root::AuthnRequest,
    Root::LogoutRequest,
    Root::LogoutResponse,
    Root::Metadata,
];

/// The octets that the response's signature covers: all but the signature itself.
fn signed_octets(xml: &str) -> Vec<usize> {
    let from = xml.find("<ds:Signature ").unwrap();
    let to = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    (0..xml.len()).filter(|at| !(from..to).contains(at)).collect()
}

#[test]
fn any_signed_octet_that_is_changed_changes_nothing_or_is_refused() {
    let good = signed_response(p256());
    let meant = said(&good).unwrap();
    let mut same = 0;
    for at in signed_octets(&good) {
        for other in
            [b'x', b' ', b'"', b'<', b'&', b'\n', good.as_bytes()[at] ^ 1, good.as_bytes()[at] ^ 0x20]
        {
            let mut octets = good.clone().into_bytes();
            if octets[at] == other {
                continue;
            }
            octets[at] = other;
            let Ok(changed) = String::from_utf8(octets) else { continue };
            if let Ok(said) = said(&changed) {
                assert_eq!(said, meant, "octet {at}: {changed}");
                same += 1;
            }
        }
    }
    // White space in tags, and the one declaration that nothing uses visibly.
    assert!((1..1000).contains(&same), "{same} changes went unnoticed");
}

/// All that comes out as verified: the message, if it is, and the assertion.
fn said(xml: &str) -> Result<(Option<String>, Option<String>), Refused> {
    let verified = accept(xml, p256())?;
    let text = |document: Option<Document<'_>>| document.map(|document| document.input_text().to_owned());
    Ok((text(verified.message()?), text(verified.assertion()?)))
}

#[test]
fn any_octet_of_the_signature_itself_that_is_changed_is_refused_or_was_not_its_business() {
    let good = signed_response(p256());
    let from = good.find("<ds:Signature ").unwrap();
    let to = good.find("<ds:KeyInfo>").unwrap();
    let meant = said(&good).unwrap();
    for at in from..to {
        let mut octets = good.clone().into_bytes();
        octets[at] ^= 1;
        if let Ok(changed) = String::from_utf8(octets)
            && let Ok(said) = said(&changed)
        {
            assert_eq!(said, meant, "octet {at}: {changed}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_octets(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        for root in ROOTS {
            let _ = Opened::open(&octets, root);
        }
        let _ = Certificates::new([&octets]);
        let _ = DecryptionKeys::none().with_pem(&octets);
        let text = String::from_utf8_lossy(&octets);
        let _ = (certificate(&text), post::decode(&text, Root::Response));
        let _ = Received::decode(&text, Parameter::Request, Root::LogoutRequest);
    }

    #[test]
    fn random_marks(text in "[<>/!?&;#='\" \\-\\[\\]a:xmlns]{0,200}") {
        for root in ROOTS {
            let _ = Opened::open(text.as_bytes(), root);
        }
        let _ = Received::decode(&text, Parameter::Response, Root::LogoutResponse);
    }

    #[test]
    fn a_good_message_with_something_cut_out_and_something_put_in(
        from in 0_usize..4000,
        length in 0_usize..200,
        put in "[<>/!?&;#='\" a-c:\\-]{0,20}",
    ) {
        let good = signed_twice(p256());
        let from = from.min(good.len());
        let to = (from + length).min(good.len());
        let attack = [&good[..from], &put, &good[to..]].concat();
        if let Ok((message, assertion)) = said(&attack) {
            let good = said(&good).unwrap();
            // Anybody can take the outer signature away: then nothing but the assertion is vouched for.
            prop_assert!(message.is_none() || message == good.0);
            prop_assert_eq!(assertion, good.1);
        }
    }

    #[test]
    fn a_certificate_with_octets_changed(changes in proptest::collection::vec((0_usize..600, any::<u8>()), 1..6)) {
        let mut der = p256().der.clone();
        for (at, octet) in changes {
            let at = at % der.len();
            der[at] = octet;
        }
        let _ = Certificates::new([&der]).map(|pinned| {
            Opened::open(signed_response(p256()).as_bytes(), Root::Response).unwrap().verify(&pinned, &DecryptionKeys::none()).err()
        });
    }
}
