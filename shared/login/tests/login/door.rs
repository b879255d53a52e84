//! The door at which a provider speaks of logouts: its answer to ours, its own wishes, and what anybody else brings there.

use http::StatusCode;
use mangrove_connectors::{Ask, Carried};
use serde_json::json;
use tempfile::TempDir;

use crate::saml::{saml, signs_in};
use crate::support::node::{Node, ORIGIN, group};
use crate::support::person::{Page, Person, asks};
use crate::support::saml_idp::{Farewell, Idp as SamlIdp, Keys, code};

/// A node with a key and a door for logouts, as the provider knows it, and Alice signed in there.
pub(crate) async fn with_a_door() -> (SamlIdp, Node, Person, TempDir) {
    let idp = SamlIdp::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut written = saml("first", &idp);
    let keys = Keys::ec();
    let (cert, key) = keys.files(dir.path());
    (written["samlSPCertPath"], written["samlSPKeyPath"]) = (cert.into(), key.into());
    written["samlLogoutCallbackURL"] = format!("{ORIGIN}/first/slo").into();
    let node = Node::with(json!({
        "connectors": [written, group("group", &["first"])],
        "singleLogout": {
            "logoutURL": format!("{ORIGIN}/single-logout"), "postLogout": { "redirectURL": "https://portal.example/bye" },
        },
    }));
    let mut alice = Person::new().coming_from("none");
    signs_in(&mut alice, &node, &idp, Ask::default()).await.told();
    (idp, node, alice, dir)
}

pub(crate) fn door() -> String {
    format!("{ORIGIN}/first/slo")
}

async fn says(person: &mut Person, node: &Node, carried: Carried) -> Page {
    let Carried::Query(query) = carried else { panic!("a form") };
    person.opens(node, &format!("/first/slo?{query}")).await
}

pub(crate) async fn is_signed_in(person: &Person, node: &Node) -> bool {
    person.clone().starts(node, asks("group", Ask::default())).await.is_ok()
}

#[tokio::test]
async fn a_logout_here_is_told_to_the_provider_whose_answer_ends_it() {
    for (well, answers) in [(true, true), (false, true), (false, false)] {
        let (idp, node, mut alice, _dir) = with_a_door().await;
        let page = alice.opens(&node, "/single-logout").await;
        let to = page.leads_to().to_owned();
        assert!(to.starts_with(&format!("{}/slo?SAMLRequest=", idp.origin)), "{to}");
        assert!(!is_signed_in(&alice, &node).await, "what ends here ends at once");
        let asked = if answers { request_id(&to) } else { "_another".to_owned() };
        let mut answer = Farewell::response(&idp.entity_id(), &door(), &asked);
        if !well && answers {
            answer.status = vec![code("Success"), code("PartialLogout")];
        }
        let page = says(&mut alice, &node, answer.in_query(&idp)).await;
        match well {
            true => assert_eq!(page.leads_to(), "https://portal.example/bye"),
            false => assert!(page.body.contains("could not be told") && page.body.contains("<li>first</li>")),
        }
    }
}

fn request_id(to: &str) -> String {
    use mangrove_saml::redirect::{Parameter, Received};
    let query = to.split_once('?').unwrap().1;
    let received = Received::decode(query, Parameter::Request, mangrove_saml::Root::LogoutRequest).unwrap();
    assert!(received.is_signed());
    let document = received.message().untrusted().unwrap();
    document.root_element().attribute("ID").unwrap().to_owned()
}

#[tokio::test]
async fn a_signed_wish_of_the_provider_ends_that_persons_sessions_and_is_answered() {
    let (idp, node, alice, _dir) = with_a_door().await;
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.name = Some((None, "bob-1".into())))));
    let mut bob = Person::new();
    signs_in(&mut bob, &node, &idp, Ask::default()).await.told();
    let forged = Farewell { signed: false, ..Farewell::request(&idp.entity_id(), &door(), "alice-1", None) };
    let page = says(&mut Person::new(), &node, forged.in_query(&idp)).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&alice, &node).await, "an unsigned wish ends nothing");
    let wish = Farewell::request(&idp.entity_id(), &door(), "alice-1", Some("s1"));
    let mut frame = Person::new();
    let page = says(&mut frame, &node, wish.in_query(&idp)).await;
    assert!(page.leads_to().starts_with(&format!("{}/slo?SAMLResponse=", idp.origin)), "{}", page.leads_to());
    assert!(!is_signed_in(&alice, &node).await && is_signed_in(&bob, &node).await);
    assert_eq!(node.told.ended.lock().unwrap().len(), 1, "tokens end with the session");
    idp.lies(|lies| lies.says = None);
    let mut again = Person::new();
    signs_in(&mut again, &node, &idp, Ask::default()).await.told();
    let page = says(&mut frame, &node, wish.in_query(&idp)).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&again, &node).await, "a wish that is brought again ends nothing");
}
