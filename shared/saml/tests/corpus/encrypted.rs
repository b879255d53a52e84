//! Encrypted assertions: opened with the right key and in the allowed ways only, and believed only if somebody signed them.

use mangrove_saml::encryption::{Cipher, encrypt};
use mangrove_saml::{DecryptionKeys, Opened, Refused, Root, Signed, SigningKey, sign};

use super::refusal;
use super::support::*;

/// An assertion that is encrypted for us; signed before by `inner`, if that is somebody.
fn encrypted(inner: Option<&Identity>, cipher: Cipher) -> String {
    let mut text = assertion("_assertion", "alice");
    if let Some(key) = inner {
        text = sign(&text, Root::Assertion, &key.key()).unwrap();
    }
    encrypt(&text, &other_rsa().der, cipher).unwrap()
}

fn signed_by(key: &SigningKey, encrypted: &str) -> String {
    sign(&response(encrypted), Root::Response, key).unwrap()
}

#[test]
fn a_signature_inside_is_enough() {
    for cipher in [Cipher::Aes128, Cipher::Aes256] {
        let verified = accept(&response(&encrypted(Some(rsa()), cipher)), rsa()).unwrap();
        assert_eq!((verified.signed(), subject(&verified).as_str()), (Signed::Assertion, "alice"));
    }
}

#[test]
fn a_signature_around_is_enough_and_both_are_verified() {
    let verified = accept(&signed_by(&rsa().key(), &encrypted(None, Cipher::Aes256)), rsa()).unwrap();
    assert_eq!((verified.signed(), subject(&verified).as_str()), (Signed::Message, "alice"));
    let verified = accept(&signed_by(&rsa().key(), &encrypted(Some(rsa()), Cipher::Aes256)), rsa()).unwrap();
    assert_eq!((verified.signed(), subject(&verified).as_str()), (Signed::Both, "alice"));
}

#[test]
fn no_signature_at_all_is_refused_however_well_it_is_encrypted() {
    assert_eq!(refusal(&response(&encrypted(None, Cipher::Aes256))), Refused::Unsigned);
}

#[test]
fn an_inner_signature_by_anybody_else_is_refused_even_in_a_signed_response() {
    let foreign = encrypted(Some(other_rsa()), Cipher::Aes256);
    let refused = Refused::Signature { of: Root::Assertion, certificates: 1 };
    assert_eq!(refusal(&response(&foreign)), refused);
    assert_eq!(refusal(&signed_by(&rsa().key(), &foreign)), refused);
}

#[test]
fn nothing_is_encrypted_that_would_not_pass_the_gate() {
    let good = encrypted(Some(rsa()), Cipher::Aes256);
    for (inside, expected) in [
        (assertion("_assertion", "al<ice"), None),
        (changed(&assertion("_assertion", "x"), ">x<", "><!-- -->alice<"), Some(Refused::CutText)),
        (format!("<!DOCTYPE x>{}", assertion("_assertion", "x")), Some(Refused::DocumentType)),
        (response(""), Some(Refused::OtherRoot { expected: Root::Assertion })),
        (
            changed(&assertion("_a", "x"), "<saml:Conditions", &(assertion("_b", "y") + "<saml:Conditions")),
            Some(Refused::StrayAssertion),
        ),
    ] {
        assert_eq!(encrypt(&inside, &other_rsa().der, Cipher::Aes256).err(), expected);
    }
    // The ID of what comes out may be one of the response's own: it is another document.
    let same = encrypt(
        &sign(&assertion("_response", "alice"), Root::Assertion, &rsa().key()).unwrap(),
        &other_rsa().der,
        Cipher::Aes128,
    );
    accept(&response(&same.unwrap()), rsa()).unwrap();
    accept(&response(&good), rsa()).unwrap();
}

#[test]
fn the_key_may_stand_beside_the_data_or_be_one_of_several() {
    let good = response(&encrypted(Some(rsa()), Cipher::Aes256));
    let key = element(&good.replace("<xenc:EncryptedKey>", "<xenc:EncryptedKey >"), "xenc:EncryptedKey")
        .replace("<xenc:EncryptedKey >", "<xenc:EncryptedKey xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">");
    let retrieval =
        "<ds:RetrievalMethod Type=\"http://www.w3.org/2001/04/xmlenc#EncryptedKey\" URI=\"#_key\"/>";
    let plain = key.replace(
        " xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"",
        "",
    );
    let beside = changed(
        &changed(&good, &plain, retrieval),
        "</saml:EncryptedAssertion>",
        &format!("{key}</saml:EncryptedAssertion>"),
    );
    assert_eq!(subject(&accept(&beside, rsa()).unwrap()), "alice");
    // Another recipient's key comes first.
    let foreign = encrypt(&assertion("_x", "x"), &rsa().der, Cipher::Aes256).unwrap();
    let from = foreign.find("<xenc:EncryptedKey>").unwrap();
    let to = foreign.find("</xenc:EncryptedKey>").unwrap() + "</xenc:EncryptedKey>".len();
    let two = changed(&good, "<xenc:EncryptedKey>", &format!("{}<xenc:EncryptedKey>", &foreign[from..to]));
    assert_eq!(subject(&accept(&two, rsa()).unwrap()), "alice");
    let many =
        changed(&good, "<xenc:EncryptedKey>", &format!("{}<xenc:EncryptedKey>", foreign[from..to].repeat(4)));
    assert!(matches!(refusal(&many), Refused::EncryptionForm(_)));
}

#[test]
fn each_of_our_keys_is_tried() {
    let opened =
        Opened::open(response(&encrypted(Some(rsa()), Cipher::Aes256)).as_bytes(), Root::Response).unwrap();
    let both = rsa().opens().with_pem(other_rsa().pem.as_bytes()).unwrap();
    opened.verify(&rsa().pinned(), &both).unwrap();
    let in_one_file = [rsa().pem.as_str(), other_rsa().pem.as_str()].concat();
    let both = DecryptionKeys::none().with_pem(in_one_file.as_bytes()).unwrap();
    opened.verify(&rsa().pinned(), &both).unwrap();
    assert_eq!(opened.verify(&rsa().pinned(), &rsa().opens()).unwrap_err(), Refused::Decryption);
    assert_eq!(
        opened.verify(&rsa().pinned(), &DecryptionKeys::none()).unwrap_err(),
        Refused::NoDecryptionKey
    );
}

#[test]
fn what_cannot_be_opened_in_a_signed_response_is_its_signers_doing_and_says_nothing_of_anybody() {
    let good = encrypted(Some(rsa()), Cipher::Aes128);
    let cbc = changed(&good, "2009/xmlenc11#aes128-gcm", "2001/04/xmlenc#aes128-cbc");
    for (inside, keys, why) in [
        (&good, rsa().opens(), Refused::Decryption),
        (&good, DecryptionKeys::none(), Refused::NoDecryptionKey),
        (&cbc, other_rsa().opens(), refusal(&response(&cbc))),
    ] {
        let signed = signed_by(&rsa().key(), inside);
        let opened = Opened::open(signed.as_bytes(), Root::Response).unwrap();
        let verified = opened.verify(&rsa().pinned(), &keys).unwrap();
        assert_eq!((verified.signed(), verified.unopened()), (Signed::Message, Some(&why)));
        assert!(verified.message().unwrap().is_some() && verified.assertion().unwrap().is_none());
        // Signed by somebody else, it is no more than a refusal.
        let strange = opened.verify(&other_rsa().pinned(), &keys).unwrap_err();
        assert_eq!(strange, Refused::Signature { of: Root::Response, certificates: 1 });
    }
}

/// Whoever asks step by step learns nothing: a wrong key, a changed wrapped key, a changed text, a cut one are one answer.
#[test]
fn every_failure_to_open_is_the_same_answer() {
    let good = response(&encrypted(Some(rsa()), Cipher::Aes128));
    let starts: Vec<_> = good.match_indices("<xenc:CipherValue>").map(|(at, tag)| at + tag.len()).collect();
    for start in starts {
        let end = start + good[start..].find('<').unwrap();
        let flipped = if &good[start..=start] == "A" { "B" } else { "A" };
        let first = [&good[..start], flipped, &good[start + 1..]].concat();
        let middle = start + 40;
        let flipped = if &good[middle..=middle] == "A" { "B" } else { "A" };
        let inside = [&good[..middle], flipped, &good[middle + 1..]].concat();
        let cut = [&good[..start], &good[start..start + 16], &good[end..]].concat();
        let empty = [&good[..start], &good[end..]].concat();
        for attack in [first, inside, cut, empty] {
            assert_eq!(refusal(&attack), Refused::Decryption);
        }
    }
    let of_other_size = good.replace("aes128-gcm", "aes256-gcm");
    assert_eq!(refusal(&of_other_size), Refused::Decryption);
    let other_hash = good.replace("2000/09/xmldsig#sha1", "2001/04/xmlenc#sha256");
    assert!(matches!(refusal(&other_hash), Refused::EncryptionForm(_)));
}

#[test]
fn cbc_rsa_1_5_triple_des_and_unknown_methods_are_off() {
    let good = response(&encrypted(Some(rsa()), Cipher::Aes128));
    for method in [
        "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
        "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
        "http://www.w3.org/2009/xmlenc11#aes192-gcm",
        "",
    ] {
        let attack = changed(&good, "http://www.w3.org/2009/xmlenc11#aes128-gcm", method);
        assert!(matches!(refusal(&attack), Refused::EncryptionForm(_)), "{method}");
    }
    for method in
        ["http://www.w3.org/2001/04/xmlenc#rsa-1_5", "http://www.w3.org/2001/04/xmlenc#kw-aes128", ""]
    {
        let attack = changed(&good, "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", method);
        assert!(matches!(refusal(&attack), Refused::EncryptionForm(_)), "{method}");
    }
}

#[test]
fn octets_from_elsewhere_are_not_fetched() {
    let good = response(&encrypted(Some(rsa()), Cipher::Aes128));
    let start = good.rfind("<xenc:CipherValue>").unwrap();
    let end = good.rfind("</xenc:CipherValue>").unwrap() + "</xenc:CipherValue>".len();
    let reference = "<xenc:CipherReference URI=\"http://127.0.0.1:9/\"/>";
    let attack = [&good[..start], reference, &good[end..]].concat();
    assert!(matches!(refusal(&attack), Refused::EncryptionForm(_)));
    let twice = [&good[..end], &good[start..]].concat();
    assert!(matches!(refusal(&twice), Refused::EncryptionForm(_)));
}

#[test]
fn keys_that_cannot_open_are_said_at_once() {
    let with_another = [rsa().pem.as_str(), p256().pem.as_str()].concat();
    let five = rsa().pem.repeat(5);
    for pem in [p256().pem.as_str(), "", "nonsense", &with_another, &five] {
        assert!(matches!(DecryptionKeys::none().with_pem(pem.as_bytes()), Err(Refused::DecryptionKey(_))));
    }
    let refused = encrypt(&assertion("_a", "x"), &p256().der, Cipher::Aes256).unwrap_err();
    assert!(matches!(refused, Refused::Certificate(_)));
}
