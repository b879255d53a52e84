//! A SAML member that is asked once more: for a newer proof, or without a wish that it cannot fulfil.

use mangrove_connectors::Ask;

use crate::saml::{brings, mesh, request, signs_in};
use crate::support::node::Node;
use crate::support::person::{Person, asks};
use crate::support::saml_idp::{Asked, Idp as SamlIdp, Says, code};

/// Brings the answer to the first request of a login that asks so, and leads to the second.
async fn is_asked_twice(idp: &SamlIdp, node: &Node, alice: &mut Person, ask: Ask) -> [Asked; 2] {
    let first = request(&alice.is_shown(node, asks("group", ask)).await);
    let second = request(&brings(alice, node, idp, &first).await);
    [first, second]
}

#[tokio::test]
async fn a_proof_that_is_too_old_is_asked_for_anew_at_the_same_member_and_only_then() {
    let (idp, _, node) = mesh().await;
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.authenticated[0] -= 600)));
    let within = |seconds| Ask { max_age: Some(seconds), ..Ask::default() };
    let page = signs_in(&mut Person::new(), &node, &idp, within(3_600)).await;
    assert_eq!(page.told()["member"], "first", "a proof that is young enough is one");
    let mut alice = Person::new();
    let [first, second] = is_asked_twice(&idp, &node, &mut alice, within(300)).await;
    assert!(
        !first.xml.contains("ForceAuthn") && second.xml.contains("ForceAuthn=\"true\""),
        "{}",
        second.xml
    );
    idp.lies(|lies| lies.says = None);
    assert_eq!(brings(&mut alice, &node, &idp, &second).await.told()["member"], "first");
    let mut bob = Person::new();
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.authenticated[0] -= 600)));
    let [_, second] = is_asked_twice(&idp, &node, &mut bob, within(300)).await;
    let page = brings(&mut bob, &node, &idp, &second).await;
    assert!(
        page.is_a_page() && bob.session_cookie().is_none(),
        "nobody is asked a third time: {}",
        page.body
    );
}

#[tokio::test]
async fn a_class_that_a_provider_does_not_have_is_a_wish_and_takes_no_login() {
    let (idp, _, node) = mesh().await;
    let no = |says: &mut Says| {
        (says.status, says.has_assertion) = (["Responder", "NoAuthnContext"].map(code).to_vec(), false);
    };
    idp.lies(|lies| lies.says = Some(Box::new(no)));
    let mut alice = Person::new();
    let ask = Ask { acr_values: Some("urn:strong".into()), max_age: Some(0), ..Ask::default() };
    let [first, second] = is_asked_twice(&idp, &node, &mut alice, ask).await;
    assert!(
        first.xml.contains("urn:strong") && !second.xml.contains("RequestedAuthnContext"),
        "{}",
        second.xml
    );
    assert!(second.xml.contains("ForceAuthn=\"true\""), "what else was asked still is");
    idp.lies(|lies| lies.says = None);
    let told = brings(&mut alice, &node, &idp, &second).await.told();
    assert_eq!(told["member"], "first");
    assert!(node.why(told["login"].as_str().unwrap()).contains("NoAuthnContext"));
}
