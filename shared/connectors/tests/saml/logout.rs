//! Single logout, both ways: what this node tells the provider, and what it lets itself be told.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::{join, join_all};
use mangrove_connectors::{Ask, Blame, Carried, Connector, Heard, Identity, Network, Sending, Wish};
use mangrove_saml::redirect::{Parameter, Received};
use mangrove_saml::{Certificates, Root, uris};
use url::Url;

use crate::lying_idp::{Farewell, Idp, Keys, code};
use crate::{connector, login};

const DOOR: &str = "https://node.example/saml/logout";

struct Signed {
    idp: Idp,
    connector: Arc<Connector>,
    alice: Identity,
    own: Keys,
}

/// Alice is signed in, and this node has a key and a door.
async fn signed_in() -> Signed {
    let idp = Idp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let own = Keys::ec();
    let (cert, key) = own.files(dir.path());
    let connector = connector(&idp, |written| {
        (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
        written["samlLogoutCallbackURL"] = DOOR.into();
    });
    let alice = login(&idp, &connector, &Ask::default()).await.unwrap();
    Signed { idp, connector, alice, own }
}

fn query(to: &Sending) -> String {
    let Sending::Redirect(url) = to else { panic!("{to:?}") };
    url.query().unwrap().to_owned()
}

fn back() -> Url {
    "https://node.example/login/signed-out".parse().unwrap()
}

#[tokio::test]
async fn the_provider_is_told_by_name_and_session_with_this_nodes_signature() {
    let Signed { idp, connector, alice, own } = signed_in().await;
    let farewell = connector.logout(&alice, &back(), Network::default()).await.unwrap();
    let received = Received::decode(&query(&farewell.to), Parameter::Request, Root::LogoutRequest).unwrap();
    let verified = received.verify(&Certificates::new([&own.der]).unwrap()).unwrap();
    let text = verified.message().unwrap().unwrap().root_element().document().input_text().to_owned();
    assert!(text.contains(&format!("Destination=\"{}/slo\"", idp.origin)), "{text}");
    assert!(text.contains(">alice-1</saml:NameID>") && text.contains(uris::PERSISTENT), "{text}");
    assert!(text.contains("<samlp:SessionIndex>s1</samlp:SessionIndex>"), "{text}");
    assert!(text.contains(&format!("ID=\"{}\"", farewell.asked.unwrap())), "{text}");
}

#[tokio::test]
async fn without_a_key_or_a_door_here_or_there_nobody_is_told() {
    let Signed { idp, connector: whole, alice, .. } = signed_in().await;
    let is_told = async |connector: &Connector| {
        let farewell = connector.logout(&alice, &back(), Network::default()).await;
        assert_eq!(farewell.is_some(), connector.has_logout(&alice), "it is known before anything is signed");
        farewell.is_some()
    };
    assert!(is_told(&whole).await);
    let bare = connector(&idp, |written| written["samlLogoutCallbackURL"] = DOOR.into());
    bare.begin(&Ask::default()).await.unwrap();
    assert!(!is_told(&bare).await);
    assert_eq!(connector(&idp, |_| ()).logout_path(), None);
    idp.lies(|lies| {
        lies.changes_metadata = Some(Box::new(|xml| *xml = xml.replace("SingleLogoutService", "Other")));
    });
    whole.probe().await;
    assert!(!is_told(&whole).await);
}

#[tokio::test]
async fn a_provider_that_takes_only_forms_is_told_by_a_form() {
    let Signed { idp, connector, alice, .. } = signed_in().await;
    idp.lies(|lies| lies.bindings = Some(vec![uris::POST]));
    connector.probe().await;
    let farewell = connector.logout(&alice, &back(), Network::default()).await.unwrap();
    let Sending::Post(url, fields) = farewell.to else { panic!("{farewell:?}") };
    assert!(url.path() == "/slo" && fields[0].0 == "SAMLRequest");
}

async fn wishes(
    signed: &Signed,
    change: impl Fn(&mut Farewell),
) -> Result<Wish, mangrove_connectors::Failure> {
    let mut wish = Farewell::request(&signed.idp.entity_id(), DOOR, "alice-1", Some("s1"));
    change(&mut wish);
    let mut heard = Vec::new();
    for carried in [wish.in_query(&signed.idp), wish.in_form(&signed.idp)] {
        heard.push(signed.connector.hears(carried, Network::default()).await);
    }
    let both = (heard.remove(0), heard.remove(0));
    match both {
        (Ok(Heard::Wish(one)), Ok(Heard::Wish(other))) => {
            assert_eq!(
                signed.connector.is_meant(&one, &signed.alice),
                signed.connector.is_meant(&other, &signed.alice)
            );
            Ok(one)
        }
        (Err(one), Err(_)) => Err(one),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_signed_wish_is_about_whom_it_names() {
    let signed = signed_in().await;
    let is_meant = async |change: fn(&mut Farewell)| {
        let wish = wishes(&signed, change).await.unwrap();
        signed.connector.is_meant(&wish, &signed.alice)
    };
    assert!(is_meant(|_| ()).await);
    assert!(is_meant(|wish| wish.session = None).await, "all sessions of that person");
    assert!(!is_meant(|wish| wish.session = Some("s2".into())).await);
    assert!(!is_meant(|wish| wish.name = "bob-1".into()).await);
    let wish = wishes(&signed, |_| ()).await.unwrap();
    let elsewhere = Identity { connector: "other".into(), ..signed.alice.clone() };
    assert!(!signed.connector.is_meant(&wish, &elsewhere), "another provider's person of the same name");
}

#[tokio::test]
async fn a_wish_that_the_provider_did_not_sign_for_this_door_now_is_refused() {
    let signed = signed_in().await;
    let refused = async |words: &str, change: fn(&mut Farewell)| {
        let failure = wishes(&signed, change).await.expect_err("it was believed");
        assert!(failure.blame == Blame::Protocol && failure.log.contains(words), "{failure}: {words}");
    };
    refused("not signed", |wish| wish.signed = false).await;
    refused("Destination", |wish| wish.destination = Some("https://other.example/slo".into())).await;
    refused("no Destination", |wish| wish.destination = None).await;
    refused("issuer is another", |wish| wish.issuer = "https://other.example".into()).await;
    refused("too old", |wish| wish.issued -= 900).await;
    refused("in the future", |wish| wish.issued += 120).await;
    signed.idp.lies(|lies| lies.signs_with = Some(Keys::ec()));
    refused("none of the", |_| ()).await;
}

#[tokio::test]
async fn a_wish_signed_by_a_key_that_was_rolled_just_now_is_believed() {
    let signed = signed_in().await;
    signed.idp.rolls_keys();
    assert!(wishes(&signed, |_| ()).await.is_ok());
}

/// The standard allows 80 bytes; providers write more, and this node carries what they wrote.
#[tokio::test]
async fn a_relay_state_of_a_kibibyte_is_taken_back_and_a_longer_one_is_refused() {
    let signed = signed_in().await;
    wishes(&signed, |wish| wish.relay_state = "x".repeat(1024)).await.unwrap();
    let failure = wishes(&signed, |wish| wish.relay_state = "x".repeat(1025)).await.unwrap_err();
    assert!(failure.blame == Blame::Protocol && failure.log.contains("RelayState"), "{failure}");
}

#[tokio::test]
async fn a_wish_is_answered_with_its_relay_state() {
    let signed = signed_in().await;
    let wish = Farewell::request(&signed.idp.entity_id(), DOOR, "alice-1", None);
    let Ok(Heard::Wish(heard)) = signed.connector.hears(wish.in_query(&signed.idp), Network::default()).await
    else {
        panic!()
    };
    let reply = query(&signed.connector.replies(&heard, Network::default()).await.unwrap());
    let received = Received::decode(&reply, Parameter::Response, Root::LogoutResponse).unwrap();
    assert_eq!(received.relay_state(), Some("the provider's own"));
    let verified = received.verify(&Certificates::new([&signed.own.der]).unwrap()).unwrap();
    let document = verified.message().unwrap().unwrap();
    assert_eq!(document.root_element().attribute("InResponseTo"), Some(wish.id.as_str()));
    assert!(document.input_text().contains("status:Success"));
}

#[tokio::test]
async fn an_answer_says_whether_all_is_well() {
    let signed = signed_in().await;
    let hears = async |change: fn(&mut Farewell)| {
        let mut answer = Farewell::response(&signed.idp.entity_id(), DOOR, "_asked");
        change(&mut answer);
        let by_query = signed.connector.hears(answer.in_query(&signed.idp), Network::default()).await;
        let by_form = signed.connector.hears(answer.in_form(&signed.idp), Network::default()).await;
        assert_eq!(by_query.is_ok(), by_form.is_ok());
        by_query
    };
    let well = |well| Ok(Heard::Answer { to: "_asked".into(), well });
    assert_eq!(hears(|_| ()).await, well(true));
    assert_eq!(hears(|answer| answer.signed = false).await, well(true), "many providers sign no answer");
    assert_eq!(hears(|answer| answer.status = vec![code("Responder")]).await, well(false));
    assert_eq!(hears(|answer| answer.status.push(code("PartialLogout"))).await, well(false));
    signed.idp.lies(|lies| lies.signs_with = Some(Keys::ec()));
    assert!(hears(|_| ()).await.is_err());
    let neither = Carried::Form("a=b".into());
    assert_eq!(signed.connector.hears(neither, Network::default()).await.unwrap_err().blame, Blame::Protocol);
}

/// Requests that are written at a time, and that wait for it, at most.
const ROOM_FOR_REQUESTS: usize = 4 + 128;

#[test]
fn whoever_signs_out_in_a_crowd_keeps_nobody_from_elsewhere_from_telling_the_provider() {
    let one_thread_for_work =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    one_thread_for_work.block_on(async {
        let Signed { idp: _idp, connector, alice, .. } = signed_in().await;
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let stuck = tokio::task::spawn_blocking(move || _ = held.recv());
        let back = back();
        let leaves = |number: u8| {
            let from = IpAddr::from([192, 0, 2, number]).into();
            Box::pin(connector.logout(&alice, &back, from))
        };
        let mut crowd: Vec<_> = (0..ROOM_FOR_REQUESTS).map(|_| leaves(1)).collect();
        let mut one = leaves(2);
        for leaving in crowd.iter_mut().chain([&mut one]) {
            assert!(futures::poll!(leaving).is_pending());
        }
        drop(let_go);
        stuck.await.unwrap();
        let (one, crowd) = join(one, join_all(crowd)).await;
        assert!(one.is_some());
        let told = crowd.iter().flatten().count();
        assert_eq!(told, ROOM_FOR_REQUESTS - 1, "one of the crowd gave up its place");
    });
}
