//! The last look before leaving: what it costs, whom it spares, and whom it leaves alone.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::StatusCode;
use mangrove_connectors::Ask;
use mangrove_continuity::{Sample, State};
use mangrove_keys::ambient;
use mangrove_login::What;
use serde_json::{Value, json};

use crate::sign_in::drained;
use crate::support::eventually;
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Watched so closely that what was seen a moment ago is old. No probe runs: what is known comes from looks.
fn watched(name: &str, idp: &Idp) -> Value {
    let mut written = oidc(name, idp);
    written["healthCheck"] = json!({ "enabled": true, "interval": "1ms", "timeout": "1s" });
    written
}

struct Two {
    first: Idp,
    second: Idp,
    node: Node,
}

/// Two members that have both been looked at before.
async fn two() -> Two {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let members =
        [watched("first", &first), watched("second", &second), group("group", &["first", "second"])];
    let node = Node::new(json!(members));
    for known in ["second", "first"] {
        Person::new().is_shown(&node, asks(known, Ask::default())).await;
    }
    // So that it is a moment ago.
    tokio::time::sleep(Duration::from_millis(5)).await;
    Two { first, second, node }
}

impl Two {
    async fn login(&self) -> (Person, Page) {
        let mut person = Person::new();
        let page = person.is_shown(&self.node, asks("group", Ask::default())).await;
        (person, page)
    }

    /// A login that ends at the second member: how long each of its looks in vain was waited for.
    async fn waits(&self) -> Vec<u64> {
        let (mut person, page) = self.login().await;
        let told = person.opens(&self.node, &self.second.signs_in(page.leads_to())).await.told();
        assert_eq!(told["member"], "second");
        let decisions = self.node.login.decisions().of(told["login"].as_str().unwrap());
        let waits = decisions.into_iter().filter_map(|decision| match decision.what {
            What::LookedInVain { milliseconds, .. } => Some(milliseconds),
            _ => None,
        });
        waits.collect()
    }

    fn goes_down(&self, name: &str) {
        let watch = self.node.login.watch();
        for _ in 0..9 {
            watch.observe(name, &Sample::ProbeFailed { why: "a test".into() }, ambient::now());
        }
        assert_eq!(watch.standing(name, ambient::now()).unwrap().state, State::Down);
    }
}

#[tokio::test]
async fn a_dead_first_root_costs_one_look_not_one_login() {
    let mut refused = two().await;
    refused.first.dies().await;
    let waits = refused.waits().await;
    assert!(matches!(waits[..], [wait] if wait <= 300), "{waits:?}");

    let vanished = two().await;
    vanished.first.vanishes();
    let waits = vanished.waits().await;
    assert!(matches!(waits[..], [wait] if (400..=1_000).contains(&wait)), "{waits:?}");
}

#[tokio::test]
async fn the_logins_after_it_wait_for_nothing() {
    let mesh = two().await;
    mesh.first.vanishes();
    mesh.waits().await;
    let looked = mesh.first.hits(DISCOVERY);
    for _ in 0..5 {
        assert!(mesh.waits().await.is_empty());
    }
    assert_eq!(mesh.first.hits(DISCOVERY), looked, "a doubted member is left to its probes");
}

#[tokio::test]
async fn a_slow_primary_is_not_passed_over() {
    let mesh = two().await;
    let looked = mesh.second.hits(DISCOVERY);
    mesh.login().await;
    assert_eq!(mesh.second.hits(DISCOVERY), looked, "who answers at once is looked at alone");
    mesh.first.takes(Duration::from_millis(250));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (_, page) = mesh.login().await;
    assert!(page.leads_to().starts_with(&mesh.first.issuer));
    assert_eq!(mesh.second.hits(DISCOVERY), looked + 1, "the next was looked at meanwhile, and is ready");
    let status = mesh.node.login.watch().snapshot(ambient::now());
    assert!(status.iter().all(|status| status.last_failure.is_none()));
}

#[tokio::test]
async fn looks_are_shared() {
    let mesh = two().await;
    mesh.first.takes(Duration::from_millis(100));
    let before = mesh.first.hits(DISCOVERY);
    let pages = join_all((0..20).map(|_| mesh.login())).await;
    assert!(pages.iter().all(|(_, page)| page.leads_to().starts_with(&mesh.first.issuer)));
    assert_eq!(mesh.first.hits(DISCOVERY) - before, 1, "one flight for twenty people");
}

#[tokio::test]
async fn what_was_seen_a_moment_ago_is_not_looked_at_again() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("first", &idp)]));
    for _ in 0..3 {
        Person::new().is_shown(&node, asks("first", Ask::default())).await;
    }
    assert_eq!(idp.hits(DISCOVERY), 1, "and the first look fetched all that the login needs");
    assert_eq!(idp.hits("/jwks"), 1);
}

#[tokio::test]
async fn what_a_root_showed_is_old_a_tenth_of_a_second_later() {
    let (mut first, second) = (Idp::start().await, Idp::start().await);
    let mut root = oidc("first", &first);
    root["root"] = json!(true);
    let node = Node::new(json!([root, oidc("second", &second), group("group", &["first", "second"])]));
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&first.issuer));
    first.dies().await;
    tokio::time::sleep(Duration::from_millis(110)).await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&second.issuer), "without any probe");
}

#[tokio::test]
async fn a_drained_member_is_never_looked_at() {
    let mut mesh = two().await;
    let watch = mesh.node.login.watch();
    let never: [(&str, &dyn Fn()); 3] = [
        ("drained", &|| watch.order("first", Some(drained())).unwrap()),
        ("misconfigured", &|| {
            watch.order("first", None).unwrap();
            watch.observe("first", &Sample::Misconfigured { why: "a test".into() }, ambient::now());
        }),
        ("refused by its own endpoint", &|| {
            watch.observe("first", &Sample::ConfigurationWorks, ambient::now());
            watch.observe("first", &Sample::EndpointRefused { why: "a test".into() }, ambient::now());
        }),
    ];
    mesh.second.dies().await;
    let looked = mesh.first.hits(DISCOVERY);
    for (what, becomes) in never {
        becomes();
        let (_, page) = mesh.login().await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{what}");
        assert_eq!(mesh.first.hits(DISCOVERY), looked, "{what}");
    }
}

#[tokio::test]
async fn everybody_down_gets_one_parallel_look() {
    let mut mesh = two().await;
    mesh.goes_down("first");
    mesh.goes_down("second");
    for idp in [&mesh.first, &mesh.second] {
        idp.takes(Duration::from_millis(100));
    }
    let before = [mesh.first.hits(DISCOVERY), mesh.second.hits(DISCOVERY)];
    let pages = join_all((0..10).map(|_| mesh.login())).await;
    assert!(pages.iter().all(|(_, page)| page.leads_to().starts_with(&mesh.first.issuer)), "in order");
    let looks = [mesh.first.hits(DISCOVERY) - before[0], mesh.second.hits(DISCOVERY) - before[1]];
    assert_eq!(looks, [1, 1], "at both at once, once for all");
    assert_eq!(mesh.node.login.watch().standing("first", ambient::now()).unwrap().state, State::Down);

    mesh.first.dies().await;
    mesh.second.dies().await;
    // What was seen stands for a second; then nobody answers, and the page comes at once.
    let refused = async || Some(mesh.login().await.1).filter(|page| page.status != StatusCode::SEE_OTHER);
    let page = eventually("nobody answers", refused).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    let why = mesh.node.why(&page.login_id());
    assert!(why.contains("Asked nobody: nobody left to ask; not first: down for"), "{why}");
}

#[tokio::test]
async fn where_everybody_vanished_the_first_waits_a_second_and_the_next_ones_for_nothing() {
    let mesh = two().await;
    mesh.goes_down("first");
    mesh.goes_down("second");
    mesh.first.vanishes();
    mesh.second.vanishes();
    let hits = || mesh.first.hits(DISCOVERY) + mesh.second.hits(DISCOVERY);
    let before = hits();
    let began = Instant::now();
    let pages = join_all((0..5).map(|_| mesh.login())).await;
    let waited = began.elapsed();
    let (_, next) = mesh.login().await;
    assert!(pages.iter().all(|(_, page)| page.status == StatusCode::SERVICE_UNAVAILABLE));
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_millis(1_900), "{waited:?}");
    assert_eq!(next.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(hits() - before, 2, "one look at each, shared for a second");
}

#[tokio::test]
async fn whoever_answers_is_used_although_its_probes_call_it_down() {
    let mut mesh = two().await;
    mesh.goes_down("first");
    mesh.goes_down("second");
    mesh.first.dies().await;
    let (mut alice, page) = mesh.login().await;
    let told = alice.opens(&mesh.node, &mesh.second.signs_in(page.leads_to())).await.told();
    let why = mesh.node.why(told["login"].as_str().unwrap());
    assert!(
        why.contains("Asked second: nobody else is left, and it answered a look just now; not first:"),
        "{why}"
    );
}

#[tokio::test]
async fn a_member_that_is_alone_and_slow_is_used_all_the_same() {
    let idp = Idp::start().await;
    let node = Node::new(json!([oidc("only", &idp), group("group", &["only"])]));
    idp.takes(Duration::from_millis(1_200));
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&idp.issuer));
}

#[tokio::test]
async fn members_of_a_group_within_a_group_are_looked_at_too() {
    let (mut first, second) = (Idp::start().await, Idp::start().await);
    first.dies().await;
    let members = [
        watched("first", &first),
        watched("second", &second),
        group("inner", &["first"]),
        group("outer", &["inner", "second"]),
    ];
    let node = Node::new(json!(members));
    let page = Person::new().is_shown(&node, asks("outer", Ask::default())).await;
    assert!(page.leads_to().starts_with(&second.issuer));
}

#[tokio::test]
async fn who_is_at_a_member_that_vanishes_waits_for_one_look_and_goes_on() {
    let mesh = two().await;
    let (mut alice, page) = mesh.login().await;
    let back = mesh.first.signs_in(page.leads_to());
    mesh.first.vanishes();
    let began = Instant::now();
    let onward = alice.opens(&mesh.node, &back).await;
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(4), "{waited:?}, and not until the code's own deadline");
    assert_eq!(mesh.first.hits("/token"), 1, "the code went out once");
    let told = alice.opens(&mesh.node, &mesh.second.signs_in(onward.leads_to())).await.told();
    assert_eq!((&told["member"], &told["data"]), (&json!("second"), &json!("the application's request")));
    let why = mesh.node.why(told["login"].as_str().unwrap());
    assert!(
        why.contains("first did not vouch, it could not be used then: no answer to the code for"),
        "{why}"
    );
}

#[tokio::test]
async fn a_member_that_answers_looks_is_waited_for_however_slow_its_token_endpoint_is() {
    let mesh = two().await;
    mesh.first.takes_for_tokens(Duration::from_secs(2));
    let (mut alice, page) = mesh.login().await;
    let told = alice.opens(&mesh.node, &mesh.first.signs_in(page.leads_to())).await.told();
    assert_eq!(told["member"], "first");
}

#[tokio::test]
async fn a_member_is_waited_for_where_nobody_else_is_left() {
    let mesh = two().await;
    mesh.node.login.watch().order("second", Some(drained())).unwrap();
    let (mut alice, page) = mesh.login().await;
    mesh.first.takes(Duration::from_millis(1_500));
    let told = alice.opens(&mesh.node, &mesh.first.signs_in(page.leads_to())).await.told();
    assert_eq!(told["member"], "first", "slow is better than nobody");
}

/// Two providers, and a node that probes them seldom: for five seconds a sign of life is young.
async fn two_that_were_seen_a_moment_ago() -> (Idp, Idp, Node) {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let members = [oidc("first", &first), oidc("second", &second), group("group", &["first", "second"])];
    let node = Node::new(json!(members));
    for known in ["second", "first"] {
        Person::new().is_shown(&node, asks(known, Ask::default())).await;
    }
    (first, second, node)
}

#[tokio::test]
async fn a_provider_that_refuses_a_knock_is_left_until_a_probe_has_asked_it_though_it_answers_over_what_was_kept()
 {
    let (mut first, second, node) = two_that_were_seen_a_moment_ago().await;
    let asked = first.hits(DISCOVERY);
    first.shuts_its_door().await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&second.issuer), "people need a new connection");
    assert_eq!(first.hits(DISCOVERY), asked, "a refusal is enough");

    first.dies().await;
    first.comes_back().await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&second.issuer), "who restarted may not know this node any more");
    node.login.watch().observe("first", &Sample::ProbeSucceeded, ambient::now());
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&first.issuer));
}

#[tokio::test]
async fn a_provider_that_dies_a_moment_after_its_last_sign_of_life_is_knocked_at_and_asked_nothing() {
    let (mut first, second, node) = two_that_were_seen_a_moment_ago().await;
    let asked = first.hits(DISCOVERY);
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&first.issuer));
    assert_eq!(first.hits(DISCOVERY), asked, "a knock is no request");

    first.dies().await;
    let page = Person::new().is_shown(&node, asks("group", Ask::default())).await;
    assert!(page.leads_to().starts_with(&second.issuer), "nobody is sent to a page that is known to be dead");
}
