//! A password that is on its way when its directory dies, falls silent or lies: where the login goes on, and where that
//! password does not go.

use http::StatusCode;
use mangrove_connectors::Ask;
use mangrove_keys::ambient;
use serde_json::{Value, json};

use crate::support::idp::Idp;
use crate::support::liar::{Liar, Reply, Request, entry, honestly, nested, result};
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks};

const PASSWORD: &str = "correct horse";

/// A directory that knows Alice by her employee's number.
fn knows_alice(request: &Request) -> Reply {
    let alice = || entry("cn=alice", &[("uid", "alice"), ("employeeNumber", "e-1")]);
    if request.seeks_a_person() { Reply::Say(vec![alice(), result(0x65, 0, "")]) } else { honestly(request) }
}

fn is_alices(request: &Request) -> bool {
    matches!(request, Request::Bind { name, .. } if name == "cn=alice")
}

/// One that does `what` when Alice's password comes.
async fn that(what: impl Fn() -> Reply + Send + Sync + 'static) -> Liar {
    Liar::start(move |request| if is_alices(request) { what() } else { knows_alice(request) }).await
}

/// The connector of a directory, under a name that is also its title.
fn ldap(name: &str, servers: &[&Liar]) -> Value {
    let mut written = servers[0].connector();
    (written["name"], written["title"]) = (name.into(), format!("people of {name}").into());
    written["url"] = servers.iter().map(|server| server.connector()["url"].clone()).collect();
    written["attributeMapping"] = json!({ "employee": "employeeNumber" });
    written
}

fn two(first: &Liar, second: &Liar) -> Node {
    Node::new(json!([
        ldap("first", &[first]),
        ldap("second", &[second]),
        group("group", &["first", "second"])
    ]))
}

fn heard_the_password(liar: &Liar) -> bool {
    liar.asked().iter().any(|asked| matches!(asked, Request::Bind { password, .. } if password == PASSWORD))
}

async fn asked_by(node: &Node, person: &mut Person, title: &str) -> Page {
    let page = person.is_shown(node, asks("group", Ask::default())).await;
    assert!(page.body.contains(title), "it says whose password it asks for: {}", page.body);
    page
}

async fn types(person: &mut Person, node: &Node, page: &Page, password: &str) -> Page {
    let state = page.hidden("state");
    let form = [("state", state.as_str()), ("username", "alice"), ("password", password)];
    person.posts(node, "/login/password", &form).await
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_bind_has_a_second_url_and_the_person_types_once() {
    let (dying, other) = (that(|| Reply::Hang).await, Liar::start(knows_alice).await);
    let node = Node::new(json!([ldap("first", &[&dying, &other]), group("group", &["first"])]));
    let mut alice = Person::new();
    let page = asked_by(&node, &mut alice, "people of first").await;
    let told = types(&mut alice, &node, &page, PASSWORD).await.told();
    assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("first")));
    assert!(heard_the_password(&dying), "it died of her bind and not before");
}

#[tokio::test]
async fn with_another_directory_next_a_page_says_whose_password_it_asks_for_now() {
    for dying in [that(|| Reply::Hang).await, that(|| Reply::Silence).await, that(|| Reply::HalfClose).await]
    {
        let second = Liar::start(knows_alice).await;
        let node = two(&dying, &second);
        let mut alice = Person::new();
        let page = asked_by(&node, &mut alice, "people of first").await;
        let next = types(&mut alice, &node, &page, PASSWORD).await;
        assert_eq!(next.status, StatusCode::OK);
        assert!(next.body.contains("people of second") && !next.body.contains("people of first"));
        assert!(heard_the_password(&dying) && !heard_the_password(&second));
        let told = types(&mut alice, &node, &next, PASSWORD).await.told();
        assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("second")));
    }
}

#[tokio::test]
async fn with_a_provider_next_the_browser_is_sent_there() {
    let (dying, idp) = (that(|| Reply::Hang).await, Idp::start().await);
    let node = Node::new(json!([
        ldap("first", &[&dying]),
        oidc("second", &idp),
        group("group", &["first", "second"])
    ]));
    let mut alice = Person::new();
    let page = asked_by(&node, &mut alice, "people of first").await;
    let next = types(&mut alice, &node, &page, PASSWORD).await;
    assert!(next.leads_to().starts_with(&idp.issuer), "{}", next.leads_to());
    assert!(!next.leads_to().contains("horse"));
    let told = alice.opens(&node, &idp.signs_in(next.leads_to())).await.told();
    assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("second")));
}

#[tokio::test]
async fn a_password_that_is_wrong_at_one_directory_is_never_tried_at_another() {
    let first = Liar::start(|request| match request {
        Request::Bind { name, .. } if name == "cn=alice" => Reply::Say(vec![result(0x61, 49, "")]),
        _ => knows_alice(request),
    });
    let (first, second) = (first.await, Liar::start(knows_alice).await);
    let node = two(&first, &second);
    let mut alice = Person::new();
    let page = asked_by(&node, &mut alice, "people of first").await;
    let again = types(&mut alice, &node, &page, PASSWORD).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.body.contains("people of first") && again.body.contains("do not belong together"));
    assert!(second.asked().is_empty(), "it was not so much as looked at");
}

#[tokio::test]
async fn why_a_right_password_does_not_count_stands_on_the_page() {
    for (data, words) in
        [("775", "locked"), ("773", "must be changed"), ("532", "has expired"), ("533", "switched off")]
    {
        let why = format!(
            "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v3839"
        );
        let directory = that(move || Reply::Say(vec![result(0x61, 49, &why)])).await;
        let node = Node::new(json!([ldap("first", &[&directory]), group("group", &["first"])]));
        let mut alice = Person::new();
        let page = asked_by(&node, &mut alice, "people of first").await;
        let again = types(&mut alice, &node, &page, PASSWORD).await;
        assert_eq!(again.status, StatusCode::FORBIDDEN);
        assert!(
            again.body.contains(words) && !again.body.contains("AcceptSecurityContext"),
            "{}",
            again.body
        );
    }
}

#[tokio::test]
async fn what_a_hostile_directory_answers_ends_that_login_and_moves_nobody() {
    let deep = || Reply::Raw(nested(120_000));
    let of_another = || Reply::Say(vec![result(0x65, 0, "")]);
    for answer in [deep as fn() -> Reply, of_another] {
        let (first, second) = (that(answer).await, Liar::start(knows_alice).await);
        let node = two(&first, &second);
        let mut alice = Person::new();
        let page = asked_by(&node, &mut alice, "people of first").await;
        let ended = types(&mut alice, &node, &page, PASSWORD).await;
        assert!(ended.is_a_page() && !ended.status.is_success(), "{}: {}", ended.status, ended.body);
        assert!(!ended.body.contains("people of"), "no other password is asked for: {}", ended.body);
        assert!(second.asked().is_empty());
        let standing = node.login.watch().standing("first", ambient::now()).unwrap();
        assert!(standing.state.usable() && !standing.doubted && standing.misconfigured.is_none());
    }
}

#[tokio::test]
async fn who_finds_a_silent_directory_full_goes_on_with_the_next_member() {
    let silent =
        |request: &Request| if request.seeks_a_person() { Reply::Silence } else { honestly(request) };
    let (silent, second) = (Liar::start(silent).await, Liar::start(knows_alice).await);
    let node = two(&silent, &second);
    let mut crowd = Vec::new();
    for n in 0..70 {
        let mut person = Person::new();
        person.address = [198, 51, 100, n].into();
        let page = asked_by(&node, &mut person, "people of first").await;
        crowd.push((person, page, format!("person{n}")));
    }
    let together = crowd.into_iter().map(|(mut person, page, name)| {
        let (node, state) = (&node, page.hidden("state"));
        async move {
            let form = [("state", state.as_str()), ("username", &name), ("password", PASSWORD)];
            let next = person.posts(node, "/login/password", &form).await;
            assert!(next.body.contains("people of second"), "{}", next.body);
            node.why(&next.login_id()).contains("busy: 64 sign-ins")
        }
    });
    let passed_over = futures::future::join_all(together).await.into_iter().filter(|busy| *busy).count();
    assert_eq!(passed_over, 6);
    assert!(!heard_the_password(&second));
}
