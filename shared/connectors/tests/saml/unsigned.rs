//! Who signed it: by which key, and what is worth nothing without.

use mangrove_connectors::{Ask, Blame};
use mangrove_saml::{Root, post, sign};

use crate::lying_idp::{Idp, Keys, Sign, code};
use crate::{begin_with, blamed, connector, login, refused, says};

#[tokio::test]
async fn a_response_that_nobody_signed_is_refused() {
    refused(says(|says| says.sign = Sign::Nothing).await, "not signed");
}

#[tokio::test]
async fn an_unsigned_no_ends_the_login_and_blames_nobody() {
    let no = |codes: &'static [&'static str]| {
        says(move |says| {
            (says.sign, says.has_assertion) = (Sign::Nothing, false);
            says.status = codes.iter().map(|last| code(last)).collect();
        })
    };
    blamed(no(&["Responder", "AuthnFailed"]).await, Blame::Rejected, "unsigned");
    blamed(no(&["Requester"]).await, Blame::Rejected, "unsigned");
    blamed(no(&["Responder"]).await, Blame::Unavailable, "unsigned");
}

#[tokio::test]
async fn a_response_by_another_key_is_refused_and_the_metadata_asked_once() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    idp.lies(|lies| lies.signs_with = Some(Keys::ec()));
    for _ in 0..5 {
        refused(login(&idp, &connector, &Ask::default()).await, "none of the");
    }
    assert_eq!(idp.hits("/metadata"), 2, "at the start, and once for all who invent keys");
}

/// Anybody can sign something; that the metadata cannot be asked for it is no news of the provider, and no way to another.
#[tokio::test]
async fn a_response_by_another_key_is_refused_while_the_metadata_is_away_or_of_no_use() {
    let mut idp = Idp::start().await;
    idp.lies(|lies| lies.signs_with = Some(Keys::ec()));
    let forged = async |idp: &Idp| {
        let connector = connector(idp, |_| ());
        let (asked, pending) = begin_with(&connector, &Ask::default()).await.unwrap();
        (connector, idp.signs_in(&asked), pending)
    };
    for metadata in [(503, String::new()), (200, idp.metadata().replace("\"signing\"", "\"encryption\""))] {
        let (connector, answer, pending) = forged(&idp).await;
        idp.lies(|lies| lies.metadata = Some(metadata));
        refused(connector.finish(&pending, &answer).await, "none of the");
        idp.lies(|lies| lies.metadata = None);
    }
    let (connector, answer, pending) = forged(&idp).await;
    idp.dies().await;
    refused(connector.finish(&pending, &answer).await, "none of the");
}

#[tokio::test]
async fn a_key_of_metadata_with_another_entity_id_signs_nothing_for_a_login_that_began_before() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (asked, pending) = begin_with(&connector, &Ask::default()).await.unwrap();
    idp.rolls_keys();
    let named = idp.entity_id();
    idp.lies(|lies| {
        lies.changes_metadata =
            Some(Box::new(move |xml| *xml = xml.replace(&named, "https://other.example")));
    });
    refused(connector.finish(&pending, &idp.signs_in(&asked)).await, "none of the");
}

#[tokio::test]
async fn a_provider_that_rolled_its_key_just_now_is_believed() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    login(&idp, &connector, &Ask::default()).await.unwrap();
    idp.rolls_keys();
    login(&idp, &connector, &Ask::default()).await.unwrap();
    assert_eq!(idp.hits("/metadata"), 2);
}

#[tokio::test]
async fn any_signing_key_of_the_metadata_is_good_and_one_for_encryption_is_not() {
    let idp = Idp::start().await;
    let (next, hidden) = (Keys::rsa(), Keys::ec());
    let copy = |keys: &Keys| Keys { pem: keys.pem.clone(), der: keys.der.clone() };
    idp.lies(|lies| lies.more_keys = vec![(None, copy(&next)), (Some("encryption"), copy(&hidden))]);
    let connector = connector(&idp, |_| ());
    login(&idp, &connector, &Ask::default()).await.unwrap();
    idp.lies(|lies| lies.signs_with = Some(next));
    login(&idp, &connector, &Ask::default()).await.unwrap();
    idp.lies(|lies| lies.signs_with = Some(hidden));
    refused(login(&idp, &connector, &Ask::default()).await, "none of the 2");
}

#[tokio::test]
async fn what_was_changed_after_it_was_signed_is_refused() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    idp.lies(|lies| lies.forge = Some(Box::new(|xml| *xml = xml.replace("alice-1", "mallory"))));
    refused(login(&idp, &connector, &Ask::default()).await, "was changed");
}

#[tokio::test]
async fn the_signed_assertion_of_one_person_in_a_response_of_another_is_refused() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (asked, pending) = begin_with(&connector, &Ask::default()).await.unwrap();
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.sign = Sign::Assertion)));
    let good = idp.response(&asked);
    let evil =
        good.replace("</samlp:Status>", "</samlp:Status><saml:Assertion ID=\"_evil\" Version=\"2.0\"/>");
    let mut answer = idp.signs_in(&asked);
    answer.params[0].1 = post::encode(&evil);
    refused(connector.finish(&pending, &answer).await, "more than one");
}

#[tokio::test]
async fn an_encrypted_assertion_is_opened_with_this_nodes_key() {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (Keys::rsa(), Keys::rsa());
    let (cert, key) = own.files(dir.path());
    let with_key = connector(&idp, |written| {
        (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
    });
    for sign in [Sign::Both, Sign::Assertion, Sign::Response] {
        idp.lies(|lies| {
            lies.encrypts_for = Some(own.der.clone());
            lies.says = Some(Box::new(move |says| says.sign = sign));
        });
        assert_eq!(login(&idp, &with_key, &Ask::default()).await.unwrap().subject, "alice-1");
    }
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.sign = Sign::Nothing)));
    refused(login(&idp, &with_key, &Ask::default()).await, "not signed");
    // Whether it is the provider's doing is known where the provider signed the response around it; then somebody else may vouch.
    for (sign, blame) in [
        (Sign::Assertion, Blame::Protocol),
        (Sign::Response, Blame::Misconfigured),
        (Sign::Both, Blame::Misconfigured),
    ] {
        idp.lies(|lies| {
            lies.encrypts_for = Some(other.der.clone());
            lies.says = Some(Box::new(move |says| says.sign = sign));
        });
        blamed(login(&idp, &with_key, &Ask::default()).await, blame, "cannot be opened");
        blamed(login(&idp, &connector(&idp, |_| ()), &Ask::default()).await, blame, "no decryption key");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_and_answers_another_request_is_not_the_providers_doing() {
    let idp = Idp::start().await;
    let other = Keys::rsa();
    let connector = connector(&idp, |_| ());
    idp.lies(|lies| {
        lies.encrypts_for = Some(other.der.clone());
        lies.says = Some(Box::new(|says| says.answers = Some("_another".into())));
    });
    refused(login(&idp, &connector, &Ask::default()).await, "InResponseTo");
}

#[tokio::test]
async fn what_is_encrypted_to_an_older_key_of_this_node_opens_while_that_stands_behind_the_new_one() {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (new, old) = (Keys::rsa(), Keys::rsa());
    let (cert, key) = new.files(dir.path());
    std::fs::write(&key, format!("{}{}", new.pem, old.pem)).unwrap();
    let rolling = connector(&idp, |written| {
        (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
    });
    for key in [old, new] {
        idp.lies(|lies| lies.encrypts_for = Some(key.der.clone()));
        assert_eq!(login(&idp, &rolling, &Ask::default()).await.unwrap().subject, "alice-1");
    }
}

#[tokio::test]
async fn a_signature_by_this_nodes_own_key_is_nobodys() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (asked, pending) = begin_with(&connector, &Ask::default()).await.unwrap();
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.sign = Sign::Nothing)));
    let signed = sign(&idp.response(&asked), Root::Response, &Keys::ec().signing()).unwrap();
    let mut answer = idp.signs_in(&asked);
    answer.params[0].1 = post::encode(&signed);
    refused(connector.finish(&pending, &answer).await, "none of the");
}
