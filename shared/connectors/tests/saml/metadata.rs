//! The provider's metadata: what is read, for how long it is believed, and what cannot be used.

use mangrove_connectors::{Ask, Blame, ProbeResult};
use mangrove_keys::ambient;
use mangrove_saml::time;

use crate::logged::Logged;
use crate::lying_idp::{Idp, Keys};
use crate::{begin_with, build, connector, login};

#[tokio::test]
async fn metadata_is_kept_through_an_outage_of_where_it_comes_from() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    login(&idp, &connector, &Ask::default()).await.unwrap();
    idp.lies(|lies| lies.metadata = Some((503, "down for maintenance".into())));
    assert!(matches!(connector.probe().await, ProbeResult::Answered { .. }), "the sign-on service answers");
    login(&idp, &connector, &Ask::default()).await.unwrap();
}

#[tokio::test]
async fn metadata_is_used_for_no_longer_than_keys_max_age_and_valid_until_allow() {
    let idp = Idp::start().await;
    let short = connector(&idp, |written| written["keysMaxAge"] = "50ms".into());
    short.begin(&Ask::default()).await.unwrap();
    idp.lies(|lies| {
        let soon = time::written(ambient::unix_now() + 2);
        lies.changes_metadata = Some(Box::new(move |xml| {
            *xml = xml.replace("entityID=", &format!("validUntil=\"{soon}\" entityID="));
        }));
    });
    let ends = connector(&idp, |_| ());
    ends.begin(&Ask::default()).await.unwrap();
    idp.lies(|lies| lies.metadata = Some((503, String::new())));
    for connector in [short, ends] {
        let refused = async {
            loop {
                match connector.begin(&Ask::default()).await {
                    Ok(_) => tokio::task::yield_now().await,
                    Err(failure) => return failure,
                }
            }
        };
        let failure = tokio::time::timeout(std::time::Duration::from_secs(10), refused).await.unwrap();
        assert_eq!(failure.blame, Blame::Unavailable, "{failure}");
    }
}

#[tokio::test]
async fn metadata_of_no_use_is_an_operators_business_and_heals_by_itself() {
    let idp = Idp::start().await;
    let bare = |xml: &mut String| {
        let (from, to) = (xml.find("<md:KeyDescriptor").unwrap(), xml.find("</md:KeyDescriptor>").unwrap());
        xml.replace_range(from..to + "</md:KeyDescriptor>".len(), "");
    };
    idp.lies(|lies| lies.changes_metadata = Some(Box::new(bare)));
    let connector = connector(&idp, |_| ());
    let failure = connector.begin(&Ask::default()).await.unwrap_err();
    assert!(failure.blame == Blame::Misconfigured && failure.keeps_out, "{failure:?}");
    assert!(failure.log.contains("no signing certificate"), "{failure}");
    assert!(matches!(connector.probe().await, ProbeResult::Misconfigured { .. }));
    assert!(connector.rehearse().await.is_err());
    idp.lies(|lies| lies.changes_metadata = None);
    connector.rehearse().await.unwrap();
    login(&idp, &connector, &Ask::default()).await.unwrap();
}

#[tokio::test]
async fn a_page_in_place_of_metadata_is_an_outage_and_nobodys_settings() {
    let idp = Idp::start().await;
    idp.lies(|lies| lies.metadata = Some((200, "<html><body>down for maintenance</body></html>".into())));
    let failure = connector(&idp, |_| ()).begin(&Ask::default()).await.unwrap_err();
    assert_eq!((failure.blame, failure.keeps_out), (Blame::Unavailable, false), "{failure}");
}

#[tokio::test]
async fn metadata_in_a_file_is_read_at_the_start_and_refused_there() {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("metadata.xml");
    let url = format!("file://{}", file.display());
    let from_file = || build(&idp, |written| written["samlMetadataURL"] = url.clone().into());
    let refused = |why: &str| {
        let said = from_file().unwrap_err();
        assert!(said.contains("idp") && said.contains("metadata.xml") && said.contains(why), "{said}");
    };
    refused("cannot be read");
    std::fs::write(&file, idp.metadata().replace("\"signing\"", "\"encryption\"")).unwrap();
    refused("no signing certificate");
    std::fs::write(
        &file,
        idp.metadata().replace("/sso", "").replace("http://127.0.0.1", "http://idp.example"),
    )
    .unwrap();
    refused("without TLS");
    std::fs::write(&file, idp.metadata()).unwrap();
    let connector = from_file().unwrap();
    login(&idp, &connector, &Ask::default()).await.unwrap();
    assert_eq!(idp.hits("/metadata"), 0);
    idp.rolls_keys();
    std::fs::write(&file, idp.metadata()).unwrap();
    login(&idp, &connector, &Ask::default()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_provider_took_back_is_believed_no_more() {
    let idp = Idp::start().await;
    let old = Keys::ec();
    let copy = Keys { pem: old.pem.clone(), der: old.der.clone() };
    idp.lies(|lies| lies.more_keys = vec![(Some("signing"), copy)]);
    let connector = connector(&idp, |_| ());
    idp.lies(|lies| lies.signs_with = Some(old));
    login(&idp, &connector, &Ask::default()).await.unwrap();
    idp.lies(|lies| lies.more_keys.clear());
    connector.probe().await;
    crate::refused(login(&idp, &connector, &Ask::default()).await, "none of the 1");
}

/// Metadata says which keys count, and for how long; the dates in a certificate around one say nothing (SAML V2.0 Metadata
/// Interoperability Profile, section 2.6.1). Refusing it would end logins on a day that the provider does not care about.
#[tokio::test]
async fn a_certificate_that_expired_is_accepted_on_purpose() {
    let idp = Idp::start().await;
    let expired = Keys::expired();
    let copy = Keys { pem: expired.pem.clone(), der: expired.der.clone() };
    idp.lies(|lies| (lies.more_keys, lies.signs_with) = (vec![(Some("signing"), copy)], Some(expired)));
    let logged = Logged::listens();
    login(&idp, &connector(&idp, |_| ()), &Ask::default()).await.unwrap();
    assert_eq!(logged.warns_of("certificate"), [""; 0], "and nobody is troubled with it");
}

#[tokio::test]
async fn metadata_that_ended_is_refused_with_its_end_wherever_it_comes_from() {
    let idp = Idp::start().await;
    let ends =
        |xml: &mut String| *xml = xml.replace("entityID=", "validUntil=\"2020-01-01T00:00:00Z\" entityID=");
    idp.lies(|lies| lies.changes_metadata = Some(Box::new(ends)));
    let failure = connector(&idp, |_| ()).begin(&Ask::default()).await.unwrap_err();
    assert!(failure.blame == Blame::Misconfigured && failure.keeps_out, "{failure:?}");
    assert!(failure.log.contains("valid until 2020-01-01T00:00:00Z"), "{failure}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), idp.metadata()).unwrap();
    let url = format!("file://{}", file.path().display());
    let refused = build(&idp, |written| written["samlMetadataURL"] = url.into()).unwrap_err();
    assert!(refused.contains("valid until 2020-01-01T00:00:00Z"), "{refused}");
}

/// Somebody else answers there now, or the provider has a new name: either way what it signs is refused, and only an operator knows.
#[tokio::test]
async fn metadata_of_another_provider_is_not_taken_and_keeps_the_member_out() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (asked, pending) = begin_with(&connector, &Ask::default()).await.unwrap();
    let named = idp.entity_id();
    idp.lies(|lies| {
        lies.changes_metadata =
            Some(Box::new(move |xml| *xml = xml.replace(&named, "https://other.example")));
    });
    for _ in 0..2 {
        let ProbeResult::Misconfigured { why } = connector.probe().await else { panic!("nothing was said") };
        assert!(why.contains(&idp.entity_id()) && why.contains("https://other.example"), "{why}");
        assert!(connector.rehearse().await.unwrap_err().keeps_out);
    }
    connector
        .finish(&pending, &idp.signs_in(&asked))
        .await
        .expect("who is on the way comes in by the last good one");
    idp.lies(|lies| lies.changes_metadata = None);
    connector.rehearse().await.unwrap();
    assert!(matches!(connector.probe().await, ProbeResult::Answered { .. }));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_once_a_change_by_name_and_reason() {
    const SHORT: &[u8] = include_bytes!("../../../saml/tests/support/rsa-1024.der");
    let idp = Idp::start().await;
    let useless = |der: &[u8]| (Some("signing"), Keys { pem: String::new(), der: der.to_vec() });
    idp.lies(|lies| lies.more_keys = vec![useless(SHORT)]);
    let logged = Logged::listens();
    let from_web = connector(&idp, |_| ());
    for _ in 0..3 {
        from_web.probe().await;
    }
    let said = logged.warns_of("certificate");
    let [line] = &*said else { panic!("once: {said:?}") };
    let first = "signing certificate 2 (SHA-256 fingerprint C3:A1:55:82";
    assert!(line.contains(first) && line.contains("less than 2048 bits") && line.contains("idp"), "{line}");
    idp.lies(|lies| lies.more_keys.push(useless(b"no certificate")));
    for _ in 0..3 {
        from_web.probe().await;
    }
    let said = logged.warns_of("certificate");
    assert!(
        said.len() == 2 && said[1].contains("signing certificate 3") && said[1].contains("X.509"),
        "{said:?}"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), idp.metadata()).unwrap();
    let url = format!("file://{}", file.path().display());
    build(&idp, |written| written["samlMetadataURL"] = url.into()).unwrap();
    assert_eq!(
        logged.warns_of("certificate").len(),
        4,
        "a file is read at the start, and both are said there"
    );
}
