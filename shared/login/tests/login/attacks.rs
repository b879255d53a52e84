//! What does not belong: replayed, stolen, crossed and forged answers. Each gets a clear page and touches nobody's login.

use http::{StatusCode, header};
use mangrove_connectors::Ask;
use serde_json::json;

use crate::saml::{brings, request, saml};
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks, silently};
use crate::support::saml_idp::Idp as SamlIdp;

async fn one() -> (Idp, Node) {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp), group("group", &["first"])]));
    (idp, node)
}

fn is_turned_away(page: &Page) {
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
    assert!(page.body.contains("This sign-in cannot go on"), "{}", page.body);
}

#[tokio::test]
async fn a_replayed_state_is_refused() {
    let (idp, node) = one().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let with_cookies = alice.clone();
    let back = idp.signs_in(page.leads_to());
    assert_eq!(alice.opens(&node, &back).await.told()["sub"], "e-1");
    is_turned_away(&alice.opens(&node, &back).await);
    is_turned_away(&with_cookies.clone().opens(&node, &back).await);
    assert_eq!(idp.hits("/token"), 1, "the code went out once");
}

#[tokio::test]
async fn of_many_copies_of_one_answer_at_once_one_is_accepted() {
    let (idp, node) = one().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let back = idp.signs_in(page.leads_to());
    let copies = (0..20).map(|_| {
        let (mut copy, node, back) = (alice.clone(), &node, &back);
        async move { copy.opens(node, back).await.status }
    });
    let answers = futures::future::join_all(copies).await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{answers:?}");
    assert_eq!(idp.hits("/token"), 1, "the code went out once");
}

#[tokio::test]
async fn an_answer_in_another_browser_is_refused_and_is_still_good_in_its_own() {
    let (idp, node) = one().await;
    let (mut alice, mut mallory) = (Person::new(), Person::new());
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    mallory.is_shown(&node, asks("group", Ask::default())).await;
    let back = idp.signs_in(page.leads_to());
    is_turned_away(&mallory.opens(&node, &back).await);
    is_turned_away(&Person::new().opens(&node, &back).await);
    assert_eq!(idp.hits("/token"), 0, "the code went nowhere");
    assert_eq!(alice.opens(&node, &back).await.told()["sub"], "e-1");
}

#[tokio::test]
async fn answers_crossed_between_two_members_are_refused() {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let node = Node::new(json!([oidc("first", &first), oidc("second", &second)]));
    let mut alice = Person::new();
    let to_first = alice.is_shown(&node, asks("first", Ask::default())).await;
    let to_second = alice.is_shown(&node, asks("second", Ask::default())).await;
    let from_first = first.signs_in(to_first.leads_to());
    let from_second = second.signs_in(to_second.leads_to());
    // The first member's answer at the second's path.
    is_turned_away(&alice.opens(&node, &from_first.replace("/first/", "/second/")).await);
    // The second's state with the first's code and issuer, at the second's path.
    let state = |url: &str| url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let mixed = from_first.replace("/first/", "/second/").replace(&state(&from_first), &state(&from_second));
    let page = alice.opens(&node, &mixed).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!((first.hits("/token"), second.hits("/token")), (0, 0), "no code went anywhere");
    assert!(alice.session_cookie().is_none());
    assert_eq!(
        alice.opens(&node, &from_first).await.told()["member"],
        "first",
        "the honest answer still counts"
    );
}

#[tokio::test]
async fn two_members_that_share_a_redirect_url_keep_their_answers_apart() {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let shared = |name: &str, idp: &Idp| {
        let mut written = oidc(name, idp);
        written["oauthRedirectURL"] = "https://node.example/oidc/callback".into();
        written
    };
    let node = Node::new(json!([shared("first", &first), shared("second", &second)]));
    let mut alice = Person::new();
    let to_first = alice.is_shown(&node, asks("first", Ask::default())).await;
    let to_second = alice.is_shown(&node, asks("second", Ask::default())).await;
    let from_first = first.signs_in(to_first.leads_to());
    let state = |url: &str| url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let crossed = from_first.replace(&state(&from_first), &state(to_second.leads_to()));
    assert_eq!(alice.opens(&node, &crossed).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(second.hits("/token"), 0, "a code goes to its own attempt's token endpoint and nowhere else");
    assert_eq!(alice.opens(&node, &from_first).await.told()["member"], "first");
}

#[tokio::test]
async fn an_answer_in_another_browser_that_made_itself_a_cookie_for_it_is_refused() {
    let (idp, node) = one().await;
    let (mut alice, mut mallory) = (Person::new(), Person::new());
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let back = idp.signs_in(page.leads_to());
    // The cookie's name follows from the `state`, which an address bar shows; what it holds does not.
    let name = alice.login_cookies()[0].to_owned();
    let flow = alice.cookies[&name].split('.').nth(1).unwrap().to_owned();
    mallory.cookies.insert(name, format!("1.{flow}.guessed"));
    assert_eq!(mallory.opens(&node, &back).await.status, StatusCode::BAD_REQUEST);
    assert!(mallory.session_cookie().is_none());
    assert_eq!(alice.opens(&node, &back).await.told()["member"], "first", "it is still good in its own");
}

#[tokio::test]
async fn an_answer_without_a_usable_state_is_turned_away_with_a_way_back() {
    let (idp, node) = one().await;
    let mut alice = Person::new();
    alice.is_shown(&node, asks("group", Ask::default())).await;
    for query in ["", "?code=x", "?code=x&state=junk", "?state=a&state=b&code=x"] {
        let page = alice.opens(&node, &format!("/first/callback{query}")).await;
        is_turned_away(&page);
        let onward = alice.opens(&node, &page.again()).await;
        assert!(onward.leads_to().starts_with(&idp.issuer), "the way back goes on with the same login");
    }
}

#[tokio::test]
async fn an_answer_as_a_cross_site_form_finds_its_login() {
    let (idp, node) = one().await;
    let mut alice = Person::new().coming_from("cross-site");
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    let back = idp.signs_in(page.leads_to());
    let (path, query) = back.split_once('?').unwrap();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(alice.posts(&node, path, &form).await.told()["sub"], "e-1");
}

#[tokio::test]
async fn a_forged_answer_ends_that_login_and_never_sends_anybody_elsewhere() {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let node = Node::new(json!([
        oidc("first", &first),
        oidc("second", &second),
        group("group", &["first", "second"])
    ]));
    for forged in [
        json!({ "nonce": "another" }),
        json!({ "aud": "somebody else" }),
        json!({ "iss": "https://x.example" }),
    ] {
        first.says(forged.clone());
        let mut alice = Person::new();
        let page = alice.is_shown(&node, asks("group", Ask::default())).await;
        let page = alice.opens(&node, &first.signs_in(page.leads_to())).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{forged}");
        assert!(alice.session_cookie().is_none());
        let why = node.why(&page.login_id());
        assert!(why.contains("malformed, forged or replayed"), "{why}");
    }
    assert_eq!(second.hits("/.well-known/openid-configuration"), 0);
    let status = node.login.watch().snapshot(mangrove_keys::ambient::now());
    assert!(status.iter().all(|status| status.last_failure.is_none()), "none of it is a sample");
}

#[tokio::test]
async fn a_login_cookie_is_host_bound_secure_and_travels_with_cross_site_forms() {
    let (_idp, node) = one().await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    let crumbs: Vec<_> =
        page.headers.get_all(header::SET_COOKIE).iter().map(|c| c.to_str().unwrap()).collect();
    let login = crumbs.iter().find(|crumb| crumb.starts_with("__Host-mangrove-login-")).unwrap();
    for attribute in ["Path=/", "HttpOnly", "Secure", "SameSite=None", "Max-Age=900"] {
        assert!(login.contains(attribute), "{login}");
    }
    assert!(!login.contains("Domain"));
}

#[tokio::test]
async fn login_cookies_of_one_browser_are_bounded() {
    let (_idp, node) = one().await;
    let mut alice = Person::new();
    for _ in 0..9 {
        alice.is_shown(&node, asks("group", Ask::default())).await;
    }
    assert!(alice.login_cookies().len() <= 6, "{:?}", alice.login_cookies());
}

#[tokio::test]
async fn a_session_cookie_planted_in_another_browser_opens_nothing_and_takes_nobody_in() {
    let (idp, other) = (Idp::start().await, Idp::start().await);
    let node = Node::new(json!([
        oidc("first", &idp),
        oidc("second", &other),
        group("group", &["first"]),
        group("other", &["second"]),
    ]));
    let (mut mallory, mut alice) = (Person::new(), Person::new());
    let page = mallory.is_shown(&node, asks("group", Ask::default())).await;
    idp.says(json!({ "employee": "mallory" }));
    mallory.opens(&node, &idp.signs_in(page.leads_to())).await.told();
    let planted = node.told.last.lock().unwrap().take().unwrap();
    // The session cookie's name has no prefix: a neighbour under the same domain can set it for everybody.
    alice.cookies.insert("maverics_session".into(), mallory.session_cookie().unwrap().into());
    assert!(alice.starts(&node, asks("group", Ask::default())).await.is_err(), "alice is not mallory");
    let page = alice.is_shown(&node, asks("other", Ask::default())).await;
    alice.opens(&node, &other.signs_in(page.leads_to())).await.told();
    let own = node.told.last.lock().unwrap().take().unwrap();
    assert_ne!(own.session.sid(), planted.session.sid(), "her login goes into no session of his");
    assert_eq!(own.attributes.len(), 1);
    assert!(mallory.starts(&node, asks("group", Ask::default())).await.is_ok(), "his own goes on");
}

/// Logins that a flood begins: more than the cache of these tests has room for.
const FLOOD: usize = 700;

#[tokio::test]
async fn a_flood_of_started_logins_from_one_address_keeps_nobody_else_from_signing_in() {
    let (idp, node) = one().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    for _ in 0..FLOOD {
        let mut mallory = Person { address: [198, 51, 100, 66].into(), ..Person::new() };
        let page = mallory.is_shown(&node, asks("group", Ask::default())).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    }
    let mut bob = Person { address: [192, 0, 2, 2].into(), ..Person::new() };
    let begun = bob.is_shown(&node, asks("group", Ask::default())).await;
    for (person, page) in [(&mut bob, begun), (&mut alice, page)] {
        assert_eq!(person.opens(&node, &idp.signs_in(page.leads_to())).await.told()["sub"], "e-1");
    }
}

#[tokio::test]
async fn logins_that_ended_with_a_no_take_no_room_from_a_neighbour_at_the_same_address() {
    let (idp, node) = one().await;
    let mut alice = Person::new();
    let page = alice.is_shown(&node, asks("group", Ask::default())).await;
    for _ in 0..FLOOD {
        let mut colleague = Person::new();
        let begun = colleague.is_shown(&node, asks("group", silently())).await;
        let told = colleague.opens(&node, &idp.refuses(begun.leads_to(), "login_required")).await.told();
        assert_eq!(told["refused"], "login_required");
    }
    assert_eq!(alice.opens(&node, &idp.signs_in(page.leads_to())).await.told()["sub"], "e-1");
}

#[tokio::test]
async fn logins_that_ended_after_many_attempts_leave_nothing_that_takes_room() {
    let (idp, node) = one().await;
    for _ in 0..FLOOD {
        let mut mallory = Person { address: [198, 51, 100, 66].into(), ..Person::new() };
        mallory.is_shown(&node, asks("group", Ask::default())).await;
        let mut last = None;
        for _ in 0..3 {
            let cookie = mallory.login_cookies()[0].rsplit('-').next().unwrap().to_owned();
            last = Some(mallory.opens(&node, &format!("/login/again?login={cookie}")).await);
        }
        let refused = idp.refuses(last.unwrap().leads_to(), "access_denied");
        assert_eq!(mallory.opens(&node, &refused).await.told()["refused"], "access_denied");
    }
    let mut bob = Person::new();
    let page = bob.is_shown(&node, asks("group", Ask::default())).await;
    bob.opens(&node, &idp.signs_in(page.leads_to())).await.told();
}

#[tokio::test]
async fn many_attempts_of_one_login_at_once_leave_no_more_than_its_browser_has_cookies_for() {
    let idp = SamlIdp::start().await;
    let node = Node::new(json!([saml("first", &idp), group("group", &["first"])]));
    let mut alice = Person::new();
    request(&alice.is_shown(&node, asks("group", Ask::default())).await);
    let again = format!("/login/again?login={}", alice.login_cookies()[0].rsplit('-').next().unwrap());
    // Each has read the login before the first of them is kept: their requests are written off this thread.
    let all = (0..50).map(|_| {
        let (mut copy, node, again) = (alice.clone(), &node, &again);
        async move { (copy.opens(node, again).await, copy) }
    });
    let all = futures::future::join_all(all).await;
    assert!(node.cache.len() <= 1 + 6, "the login and its newest attempts: {}", node.cache.len());
    let mut signed_in = 0;
    for (page, mut copy) in all {
        let page = brings(&mut copy, &node, &idp, &request(&page)).await;
        assert!(page.status == StatusCode::OK || page.status == StatusCode::BAD_REQUEST, "{}", page.body);
        signed_in += usize::from(copy.session_cookie().is_some());
    }
    assert_eq!(signed_in, 1);
    assert_eq!(node.cache.len(), 1, "that an assertion was used is all that is left");
}

#[tokio::test]
async fn one_login_that_is_tried_again_and_again_takes_no_room_from_others() {
    let (idp, node) = one().await;
    let mut mallory = Person { address: [198, 51, 100, 66].into(), ..Person::new() };
    let first = mallory.is_shown(&node, asks("group", Ask::default())).await;
    for _ in 0..2 * FLOOD {
        let cookie = mallory.login_cookies()[0].rsplit('-').next().unwrap().to_owned();
        let page = mallory.opens(&node, &format!("/login/again?login={cookie}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    }
    is_turned_away(&mallory.opens(&node, &idp.signs_in(first.leads_to())).await);
    let mut bob = Person::new();
    let page = bob.is_shown(&node, asks("group", Ask::default())).await;
    bob.opens(&node, &idp.signs_in(page.leads_to())).await.told();
}
