//! Logins at members that speak SAML: their answers come as forms, through the browser, and nothing of that is a sample.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mangrove_cache::{Records, Shelf};
use mangrove_connectors::{Answer, Ask, Prompt};
use mangrove_keys::ambient;
use mangrove_saml::uris;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::idp::Idp;
use crate::support::node::{Node, ORIGIN, group, oidc};
use crate::support::person::{Page, Person, asks, silently};
use crate::support::saml_idp::{Asked, Idp as SamlIdp, Keys, Says, Sign, code};

pub(crate) fn saml(name: &str, idp: &SamlIdp) -> Value {
    json!({
        "type": "saml", "name": name, "samlMetadataURL": idp.metadata_url(), "samlEntityID": ORIGIN,
        "samlConsumerServiceURL": format!("{ORIGIN}/{name}/acs"),
        "healthCheck": { "enabled": true, "interval": "60s" },
    })
}

/// A SAML member first, an OpenID member behind it.
pub(crate) async fn mesh() -> (SamlIdp, Idp, Node) {
    let (first, second) = (SamlIdp::start().await, Idp::start().await);
    let node = Node::new(json!([
        saml("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    (first, second, node)
}

/// What the page would post to the provider.
pub(crate) fn request(page: &Page) -> Asked {
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let fields = ["SAMLRequest", "RelayState"].map(|name| (name.to_owned(), page.hidden(name)));
    Asked::in_form(&fields)
}

pub(crate) async fn brings(person: &mut Person, node: &Node, idp: &SamlIdp, asked: &Asked) -> Page {
    let answer = idp.signs_in(asked);
    let form: Vec<_> = answer.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    person.posts(node, &answer.path, &form).await
}

pub(crate) async fn signs_in(person: &mut Person, node: &Node, idp: &SamlIdp, ask: Ask) -> Page {
    let page = person.is_shown(node, asks("group", ask)).await;
    brings(person, node, idp, &request(&page)).await
}

#[tokio::test]
async fn somebody_for_whom_a_saml_member_vouches_is_signed_in() {
    let (idp, _, node) = mesh().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.body.contains(&format!("action=\"{}/sso\"", idp.origin)), "{}", page.body);
    assert!(page.body.contains("press this button"), "it works without scripts: {}", page.body);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("form-action"), "{policy}");
    let page = brings(&mut alice, &node, &idp, &request(&page)).await;
    let told = page.told();
    assert_eq!((&told["sub"], &told["member"]), (&json!("e-1"), &json!("first")));
    assert_eq!(told["attributes"]["group"]["mail"], "alice@example.com");
    assert_eq!(told["attributes"]["group"]["groups"], json!(["one", "two"]));
    assert!(alice.login_cookies().is_empty() && alice.session_cookie().is_some());
    assert!(node.why(told["login"].as_str().unwrap()).contains("Signed in; first vouched."));
}

#[tokio::test]
async fn without_a_dead_saml_member_the_login_goes_on_at_the_next() {
    let (mut idp, second, node) = mesh().await;
    idp.dies().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let back = second.signs_in(page.leads_to());
    assert_eq!(alice.opens(&node, &back).await.told()["member"], "second");
}

#[tokio::test]
async fn a_saml_member_without_use_is_passed_over_and_comes_back_when_somebody_acted() {
    let (idp, second, node) = mesh().await;
    idp.lies(|lies| lies.wants_signed = true);
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let told = alice.opens(&node, &second.signs_in(page.leads_to())).await.told();
    assert_eq!(told["member"], "second");
    let why = node.why(told["login"].as_str().unwrap());
    assert!(why.contains("samlSPKeyPath"), "{why}");
}

#[tokio::test]
async fn an_assertion_is_accepted_once_whoever_brings_it_and_whatever_it_answers() {
    let (idp, _, node) = mesh().await;
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.assertion_id = "_always-the-same".into())));
    assert_eq!(signs_in(&mut Person::new(), &node, &idp, Ask::default()).await.told()["sub"], "e-1");
    let mut again = Person::new();
    let page = signs_in(&mut again, &node, &idp, Ask::default()).await;
    assert!(page.is_a_page() && again.session_cookie().is_none(), "{}", page.body);
    assert!(node.why(&page.login_id()).contains("used before"), "{}", node.why(&page.login_id()));
}

#[tokio::test]
async fn a_response_that_is_brought_twice_signs_nobody_in_the_second_time() {
    let (idp, _, node) = mesh().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let mut copy = alice.clone();
    let answer = idp.signs_in(&request(&page));
    let form: Vec<_> = answer.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(alice.posts(&node, &answer.path, &form).await.told()["sub"], "e-1");
    let page = copy.posts(&node, &answer.path, &form).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let mut thief = Person::new();
    assert_eq!(thief.posts(&node, &answer.path, &form).await.status, StatusCode::BAD_REQUEST);
    assert!(copy.session_cookie().is_none() && thief.session_cookie().is_none());
}

#[tokio::test]
async fn an_answer_that_comes_when_the_cache_is_full_is_good_and_good_once() {
    let (idp, _, node) = mesh().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let answer = idp.signs_in(&request(&page));
    let form: Vec<_> = answer.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (others, minute) = (Shelf::new("others"), Duration::from_secs(60));
    let mut number = 0;
    while node.cache.put(others, &number.to_string(), Vec::new(), minute).await.is_ok() {
        number += 1;
    }
    let mut twice = alice.clone();
    assert_eq!(alice.posts(&node, &answer.path, &form).await.told()["sub"], "e-1");
    assert_eq!(twice.posts(&node, &answer.path, &form).await.status, StatusCode::BAD_REQUEST);
    assert!(twice.session_cookie().is_none());
}

/// Brings each node an answer at the same moment: who is signed in then.
async fn at_the_same_moment(nodes: &Arc<[Node; 2]>, brought: [(&Person, &Answer); 2]) -> Vec<Person> {
    let mut bringing = JoinSet::new();
    for (at, (person, answer)) in brought.into_iter().enumerate() {
        let (nodes, mut person, answer) = (Arc::clone(nodes), person.clone(), answer.clone());
        bringing.spawn(async move {
            let form: Vec<_> = answer.params.iter().map(|(name, value)| (&**name, &**value)).collect();
            let page = person.posts(&nodes[at], &answer.path, &form).await;
            assert!(page.status == StatusCode::OK || person.session_cookie().is_none(), "{}", page.body);
            person
        });
    }
    bringing.join_all().await.into_iter().filter(|person| person.session_cookie().is_some()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_is_accepted_once_on_any_node_even_on_two_at_the_same_moment() {
    let idp = SamlIdp::start().await;
    let nodes = Arc::new(Node::two(&json!([saml("first", &idp), group("group", &["first"])])));
    for round in 0..40 {
        let id = format!("_assertion-{round}");
        idp.lies(|lies| lies.says = Some(Box::new(move |says| says.assertion_id.clone_from(&id))));
        let people = [&mut Person::new(), &mut Person::new()];
        let mut answers = Vec::new();
        for (person, node) in people.into_iter().zip(&*nodes) {
            let page = person.is_shown(node, asks("group", Ask::default())).await;
            answers.push((person.clone(), idp.signs_in(&request(&page))));
        }
        let brought = [(&answers[0].0, &answers[0].1), (&answers[1].0, &answers[1].1)];
        assert_eq!(at_the_same_moment(&nodes, brought).await.len(), 1, "two logins, one assertion");
        for node in &*nodes {
            let mut late = Person::new();
            let page = signs_in(&mut late, node, &idp, Ask::default()).await;
            assert!(node.why(&page.login_id()).contains("used before"), "{}", page.body);
            assert!(late.session_cookie().is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_that_reaches_two_nodes_at_the_same_moment_signs_in_once() {
    let idp = SamlIdp::start().await;
    let nodes = Arc::new(Node::two(&json!([saml("first", &idp), group("group", &["first"])])));
    for _ in 0..40 {
        let mut alice = Person::new();
        let page = alice.is_shown(&nodes[0], asks("group", Ask::default())).await;
        let answer = idp.signs_in(&request(&page));
        assert_eq!(at_the_same_moment(&nodes, [(&alice, &answer), (&alice, &answer)]).await.len(), 1);
    }
}

#[tokio::test]
async fn nothing_that_a_browser_brings_moves_a_verdict_or_sends_anybody_elsewhere() {
    let (idp, _, node) = mesh().await;
    let standing = || {
        let member =
            node.login.watch().snapshot(ambient::now()).into_iter().find(|member| member.name == "first");
        let member = member.unwrap();
        (member.state, member.usable, member.last_failure)
    };
    signs_in(&mut Person::new(), &node, &idp, Ask::default()).await.told();
    let before = standing();
    type Lie = fn(&mut Says);
    let lies: [Lie; 4] = [
        |says| says.sign = Sign::Nothing,
        |says| says.audiences.clear(),
        |says| says.session_until = Some(0),
        |says| says.answers = Some("_another".into()),
    ];
    for forged in lies {
        idp.lies(|lies| lies.says = Some(Box::new(forged)));
        let mut mallory = Person::new();
        let page = signs_in(&mut mallory, &node, &idp, Ask::default()).await;
        assert!(mallory.session_cookie().is_none(), "{}", page.body);
        assert_eq!(standing(), before);
    }
    // One of each class of the corpus, all of which the connector's tests bring to the connector.
    type Forgery = fn(&mut String);
    let forgeries: [Forgery; 5] = [
        |xml| xml.insert_str(0, "<!DOCTYPE r>"),
        |xml| *xml = xml.replace(">alice-1<", ">alice-1<!-- -->.evil<"),
        |xml| *xml = xml.replace(">alice-1<", ">mallory<"),
        |xml| *xml = xml.replace("<samlp:Status>", &format!("{}<samlp:Status>", "<x>".repeat(30_000))),
        |xml| {
            let from = xml.find("<saml:Assertion").unwrap();
            let to = xml.find("</saml:Assertion>").unwrap() + "</saml:Assertion>".len();
            let evil = xml[from..to].replace("alice-1", "mallory").replace("ID=\"_", "ID=\"_evil");
            xml.insert_str(from, &evil);
        },
    ];
    for forgery in forgeries {
        idp.lies(|lies| {
            lies.says = None;
            lies.forge = Some(Box::new(forgery));
        });
        let mut mallory = Person::new();
        let page = signs_in(&mut mallory, &node, &idp, Ask::default()).await;
        assert!(page.is_a_page() && !page.body.contains("SAMLRequest"), "nobody is sent on: {}", page.body);
        assert!(
            node.why(&page.login_id()).contains("malformed, forged or replayed"),
            "{}",
            node.why(&page.login_id())
        );
        assert!(mallory.session_cookie().is_none());
        assert_eq!(standing(), before);
    }
    idp.lies(|lies| {
        lies.forge = None;
        lies.signs_with = Some(Keys::ec());
    });
    let mut mallory = Person::new();
    let page = signs_in(&mut mallory, &node, &idp, Ask::default()).await;
    assert!(page.is_a_page() && !page.body.contains("SAMLRequest"), "nobody is sent on: {}", page.body);
    assert_eq!(standing(), before);
}

#[tokio::test]
async fn a_silent_login_that_needs_a_page_is_told_so_to_the_application() {
    let (idp, _, node) = mesh().await;
    idp.lies(|lies| {
        lies.says = Some(Box::new(|says| {
            says.status = vec![code("Responder"), code("NoPassive")];
            says.has_assertion = false;
        }));
    });
    let page = signs_in(&mut Person::new(), &node, &idp, silently()).await;
    assert_eq!(page.told()["refused"], json!("login_required"), "{}", page.body);
}

#[tokio::test]
async fn a_person_who_said_no_is_not_sent_to_the_next_member() {
    let (idp, _, node) = mesh().await;
    idp.lies(|lies| {
        lies.says = Some(Box::new(|says| {
            says.status = vec![code("Responder"), code("RequestDenied")];
            says.has_assertion = false;
        }));
    });
    let ask = Ask { prompt: Some(Prompt::Login), ..Ask::default() };
    let page = signs_in(&mut Person::new(), &node, &idp, ask).await;
    assert_eq!(page.told()["refused"], json!("access_denied"), "{}", page.body);
}

#[tokio::test]
async fn a_name_that_is_another_one_each_time_is_nobody_unless_sub_is_mapped() {
    let idp = SamlIdp::start().await;
    let node = Node::new(json!([saml("first", &idp), group("group", &["first"])]));
    idp.lies(|lies| {
        lies.says = Some(Box::new(|says| says.name = Some((Some(uris::TRANSIENT), "t-1".into()))));
    });
    assert_eq!(signs_in(&mut Person::new(), &node, &idp, Ask::default()).await.told()["sub"], "e-1");
    let mut alone = Person::new();
    let page = alone.is_shown(&node, asks("first", Ask::default())).await;
    let page = brings(&mut alone, &node, &idp, &request(&page)).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    assert!(node.why(&page.login_id()).contains("another name at each login"));
}

#[tokio::test]
async fn this_nodes_metadata_is_there_for_providers() {
    let (_, _, node) = mesh().await;
    let page = Person::new().opens(&node, "/first/acs/metadata").await;
    assert_eq!(page.headers["content-type"], "application/samlmetadata+xml");
    assert!(
        page.body.contains("AssertionConsumerService") && page.body.contains("/first/acs\""),
        "{}",
        page.body
    );
}

/// A node that takes responses which nobody asked for, if that is allowed, with one application that can start a login.
async fn open_to_all(allowed: bool) -> (SamlIdp, Node) {
    let idp = SamlIdp::start().await;
    let mut written = saml("first", &idp);
    written["allowIDPInitiated"] = allowed.into();
    let app = json!({
        "type": "oidc", "name": "portal", "clientID": "portal-client", "public": true,
        "authentication": { "idps": ["group"] }, "initiateLoginURL": "https://portal.example/login?a=b",
    });
    let node = Node::with(json!({ "connectors": [written, group("group", &["first"])], "apps": [app] }));
    (idp, node)
}

/// A request that nobody made, so that the provider knows where to send people.
fn nobodys() -> Asked {
    Asked {
        id: String::new(),
        xml: String::new(),
        relay_state: None,
        consumer: format!("{ORIGIN}/first/acs").parse().unwrap(),
        issuer: ORIGIN.to_owned(),
    }
}

fn unasked(says: &mut Says) {
    says.answers = None;
    says.confirmations[0].answers = None;
}

#[tokio::test]
async fn a_login_that_begins_at_the_provider_goes_on_at_the_application_where_that_is_allowed() {
    let (idp, node) = open_to_all(true).await;
    idp.lies(|lies| lies.says = Some(Box::new(unasked)));
    for named in [None, Some("portal"), Some("portal-client")] {
        let mut alice = Person::new();
        let asked = Asked { relay_state: named.map(str::to_owned), ..nobodys() };
        let page = brings(&mut alice, &node, &idp, &asked).await;
        assert!(page.leads_to().starts_with("https://portal.example/login?a=b&iss="), "{}", page.leads_to());
        assert_eq!(alice.starts(&node, asks("group", Ask::default())).await.ok().unwrap().sub, "e-1");
    }
    let mut alice = Person::new();
    let page =
        brings(&mut alice, &node, &idp, &Asked { relay_state: Some("other".into()), ..nobodys() }).await;
    assert!(page.body.contains("Where to?") && alice.session_cookie().is_none(), "{}", page.body);
}

#[tokio::test]
async fn a_response_that_nobody_asked_for_is_good_once_says_so_and_is_young() {
    let (idp, node) = open_to_all(true).await;
    let refused = async |lie: fn(&mut Says)| {
        idp.lies(|lies| lies.says = Some(Box::new(lie)));
        let mut alice = Person::new();
        let page = brings(&mut alice, &node, &idp, &nobodys()).await;
        assert!(page.status == StatusCode::BAD_REQUEST && alice.session_cookie().is_none(), "{}", page.body);
    };
    refused(|says| says.answers = Some("_somebodys".into())).await;
    refused(|says| {
        unasked(says);
        says.confirmations[0].answers = Some("_somebodys".into());
    })
    .await;
    refused(|says| {
        unasked(says);
        (says.issued, says.assertion_issued) = (says.issued - 400, says.issued - 400);
    })
    .await;
    refused(|says| {
        unasked(says);
        says.sign = Sign::Nothing;
    })
    .await;
    let once = |says: &mut Says| {
        unasked(says);
        says.assertion_id = "_once".into();
    };
    idp.lies(|lies| lies.says = Some(Box::new(once)));
    brings(&mut Person::new(), &node, &idp, &nobodys()).await.leads_to();
    refused(once).await;
}

#[tokio::test]
async fn a_response_that_nobody_asked_for_is_refused_where_it_is_not_switched_on() {
    let (idp, node) = open_to_all(false).await;
    idp.lies(|lies| lies.says = Some(Box::new(unasked)));
    let mut alice = Person::new();
    let page = brings(&mut alice, &node, &idp, &nobodys()).await;
    assert!(page.status == StatusCode::BAD_REQUEST && alice.session_cookie().is_none(), "{}", page.body);
}
