//! Logins that go well, and the sessions they leave.

use http::StatusCode;
use mangrove_connectors::{Ask, Prompt};
use serde_json::{Value, json};

use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks};

async fn signs_in(person: &mut Person, node: &Node, idp: &Idp, via: &str) -> Page {
    let page = person.is_shown(node, asks(via, Ask::default())).await;
    let back = idp.signs_in(page.leads_to());
    person.opens(node, &back).await
}

#[tokio::test]
async fn somebody_whom_the_first_member_vouches_for_is_signed_in() {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let node = Node::new(json!([
        oidc("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    let mut alice = Person::new();
    let page = signs_in(&mut alice, &node, &first, "group").await;
    let told = page.told();
    assert_eq!(
        (&told["sub"], &told["via"], &told["member"]),
        (&json!("e-1"), &json!("group"), &json!("first"))
    );
    assert_eq!(told["data"], "the application's request");
    assert_eq!(told["attributes"]["group"]["email"], "alice@example.com");
    assert!(alice.login_cookies().is_empty(), "login cookies are cleared after use");
    assert!(alice.session_cookie().is_some());
    let why = node.why(told["login"].as_str().unwrap());
    assert!(
        why.contains("Asked first: first in order.") && why.contains("Signed in; first vouched."),
        "{why}"
    );
    assert!(!why.contains("alice") && !why.contains("e-1"), "the log names nobody: {why}");
}

#[tokio::test]
async fn a_session_keeps_what_applications_are_told_and_what_is_too_large_is_left_out_and_said() {
    let idp = Idp::start().await;
    let photo = vec![0; 10_000];
    idp.says(json!({ "employee": "e-1", "email": "alice@example.com", "untold": "x", "photo": photo }));
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    let page = signs_in(&mut alice, &node, &idp, "group").await;
    let told = page.told();
    let attributes = &told["attributes"]["group"];
    assert_eq!(attributes["email"], "alice@example.com");
    assert_eq!((attributes.get("untold"), attributes.get("photo")), (None, None));
    let why = node.why(told["login"].as_str().unwrap());
    let words = "first said more of the person than a session holds; left out: photo, the hint for a logout.";
    assert!(why.contains(words) && !why.contains("untold"), "{why}");
}

#[tokio::test]
async fn the_session_answers_the_next_application_and_nobody_is_asked() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    signs_in(&mut alice, &node, &idp, "group").await;
    let asked = idp.hits("/token");
    let signed_in = alice.starts(&node, asks("group", Ask::default())).await.ok().unwrap();
    assert_eq!(signed_in.sub, "e-1");
    assert_eq!(idp.hits("/token"), asked);
    assert!(node.login.session(&signed_in.session).await.is_some());
    assert_ne!(signed_in.session.sid(), alice.session_cookie().unwrap(), "tokens never hold the cookie");
}

#[tokio::test]
async fn the_session_cookie_changes_at_login_and_the_old_value_opens_nothing() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    signs_in(&mut alice, &node, &idp, "group").await;
    let thief = alice.clone();
    let ask = Ask { prompt: Some(Prompt::Login), ..Ask::default() };
    let page = alice.is_shown(&node, asks("group", ask)).await;
    alice.opens(&node, &idp.signs_in(page.leads_to())).await;
    assert_ne!(alice.session_cookie(), thief.session_cookie());
    assert!(alice.starts(&node, asks("group", Ask::default())).await.is_ok());
    assert!(thief.clone().starts(&node, asks("group", Ask::default())).await.is_err());
    assert!(node.told.ended.lock().unwrap().is_empty(), "tokens of the session stay good");
}

#[tokio::test]
async fn a_planted_session_cookie_is_not_taken_over_by_a_login() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    alice.cookies.insert("maverics_session".into(), "planted".into());
    signs_in(&mut alice, &node, &idp, "group").await;
    assert_ne!(alice.session_cookie(), Some("planted"));
}

#[tokio::test]
async fn what_the_application_asks_decides_whether_the_session_is_good_enough() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    idp.says(json!({ "auth_time": mangrove_keys::ambient::unix_now() - 100, "acr": "silver" }));
    signs_in(&mut alice, &node, &idp, "group").await;
    let table = [
        (Ask { max_age: Some(1000), ..Ask::default() }, true),
        (Ask { max_age: Some(50), ..Ask::default() }, false),
        (Ask { max_age: Some(0), ..Ask::default() }, false),
        (Ask { prompt: Some(Prompt::SelectAccount), ..Ask::default() }, false),
        (Ask { prompt: Some(Prompt::None), ..Ask::default() }, true),
        (Ask { acr_values: Some("gold silver".into()), ..Ask::default() }, true),
        (Ask { acr_values: Some("gold".into()), ..Ask::default() }, false),
    ];
    for (ask, enough) in table {
        assert_eq!(alice.starts(&node, asks("group", ask.clone())).await.is_ok(), enough, "{ask:?}");
    }
}

#[tokio::test]
async fn who_does_not_say_when_it_authenticated_is_not_believed_to_have_done_so_just_now() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    idp.says(json!({ "auth_time": null }));
    signs_in(&mut alice, &node, &idp, "group").await;
    assert!(alice.starts(&node, asks("group", Ask::default())).await.is_ok());
    let recent = Ask { max_age: Some(60), ..Ask::default() };
    assert!(alice.starts(&node, asks("group", recent)).await.is_err());
}

#[tokio::test]
async fn one_person_has_one_sub_whichever_member_answered() {
    let (mut first, second) = (Idp::start().await, Idp::start().await);
    second.says(json!({ "sub": "another name for her" }));
    let node = Node::new(json!([
        oidc("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    let by_first = signs_in(&mut Person::new(), &node, &first, "group").await.told();
    first.dies().await;
    node.login.watch().order("first", Some(drained())).unwrap();
    let by_second = signs_in(&mut Person::new(), &node, &second, "group").await.told();
    assert_eq!((&by_first["member"], &by_second["member"]), (&json!("first"), &json!("second")));
    assert_eq!(by_first["sub"], by_second["sub"]);
    assert_eq!(by_second["attributes"]["group"]["sub"], "e-1", "no attribute says otherwise");
}

#[tokio::test]
async fn without_a_mapping_the_sub_names_the_connector() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    let told = signs_in(&mut Person::new(), &node, &idp, "first").await.told();
    assert_eq!(told["sub"], "first|alice");
}

#[tokio::test]
async fn groups_within_groups_are_flattened_in_order_and_mapped_from_the_inside() {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let inner = json!({
        "type": "continuity", "name": "inner", "failover": { "idps": ["second"] },
        "attributes": [{ "name": "number", "mapping": { "second": "employee" } }],
    });
    let outer = json!({
        "type": "continuity", "name": "outer", "failover": { "idps": ["first", "inner"] },
        "attributes": [{ "name": "sub", "mapping": { "first": "employee", "inner": "number" } }],
    });
    let node = Node::new(json!([oidc("first", &first), oidc("second", &second), inner, outer]));
    node.login.watch().order("first", Some(drained())).unwrap();
    let told = signs_in(&mut Person::new(), &node, &second, "outer").await.told();
    assert_eq!(
        (&told["sub"], &told["member"], &told["via"]),
        (&json!("e-1"), &json!("second"), &json!("outer"))
    );
    assert_eq!(told["attributes"]["outer"]["number"], "e-1");
}

#[tokio::test]
async fn an_e_mail_address_by_another_name_identifies_nobody_unless_it_is_verified() {
    let idp = Idp::start().await;
    let within = |attributes: Value, path: &str| {
        let inner = json!({
            "type": "continuity", "name": "inner", "failover": { "idps": ["first"] }, "attributes": attributes,
        });
        let outer = json!({
            "type": "continuity", "name": "outer", "failover": { "idps": ["inner"] },
            "attributes": [{ "name": "sub", "mapping": { "inner": path } }],
        });
        Node::new(json!([oidc("first", &idp), inner, outer]))
    };
    let renamed = within(json!([{ "name": "uid", "mapping": { "first": "email" } }]), "uid");
    let replaced = within(json!([{ "name": "email", "mapping": { "first": "upn" } }]), "email");
    for (node, verified, known) in
        [(&renamed, false, false), (&renamed, true, true), (&replaced, true, false)]
    {
        idp.says(json!({ "email_verified": verified, "upn": "victim@example.com" }));
        let page = signs_in(&mut Person::new(), node, &idp, "outer").await;
        if known {
            assert_eq!(page.told()["sub"], "alice@example.com");
        } else {
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
            assert!(node.why(&page.login_id()).contains("e-mail address"));
        }
    }
}

#[tokio::test]
async fn somebody_of_whom_nothing_says_who_they_are_gets_a_page_and_a_line_in_the_decision_log() {
    for absent in [json!({ "employee": null }), json!({ "employee": ["a", "b"] }), json!({ "employee": "" })]
    {
        let idp = Idp::start().await;
        idp.says(absent.clone());
        let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
        let mut somebody = Person::new();
        let page = signs_in(&mut somebody, &node, &idp, "group").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{absent}");
        assert!(somebody.session_cookie().is_none());
        let why = node.why(&page.login_id());
        assert!(
            why.contains("employee") && why.contains("ended in a page with status 403 at first"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn another_person_in_the_same_browser_ends_the_first_session() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    let mut browser = Person::new();
    signs_in(&mut browser, &node, &idp, "group").await;
    let alice = node.told.last.lock().unwrap().clone().unwrap();
    idp.says(json!({ "employee": "e-2", "sub": "bob" }));
    let ask = Ask { prompt: Some(Prompt::Login), ..Ask::default() };
    let page = browser.is_shown(&node, asks("group", ask)).await;
    browser.opens(&node, &idp.signs_in(page.leads_to())).await;
    assert!(node.login.session(&alice.session).await.is_none());
    assert_eq!(*node.told.ended.lock().unwrap(), [alice.session.sid()]);
    assert_eq!(browser.starts(&node, asks("group", Ask::default())).await.ok().unwrap().sub, "e-2");
}

#[tokio::test]
async fn an_idle_session_ends_and_its_end_is_told() {
    let idp = Idp::start().await;
    let node = Node::with(json!({
        "connectors": [oidc("first", &idp)], "session": { "lifetime": { "idleTimeout": "1ms" } },
    }));
    let mut alice = Person::new();
    signs_in(&mut alice, &node, &idp, "first").await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert!(alice.starts(&node, asks("first", Ask::default())).await.is_err());
    node.login.sweep().await;
    assert_eq!(node.told.ended.lock().unwrap().len(), 1);
    assert_eq!(node.login.sessions(), 0);
}

pub(crate) fn drained() -> mangrove_continuity::order::Order {
    mangrove_continuity::order::Order {
        what: mangrove_continuity::order::What::Drain,
        who: "ops".into(),
        why: "a test".into(),
        until: None,
    }
}
