//! A rehearsed outage: people go elsewhere, nobody loses anything, and everybody who looks can read that it is one.

use mangrove_connectors::Ask;
use mangrove_continuity::State;
use mangrove_keys::ambient;
use mangrove_login::MemberStatus;
use serde_json::{Value, json};

use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks};
use crate::support::until;

struct Two {
    first: Idp,
    second: Idp,
    node: Node,
}

/// Two members, of which the first has a simulated outage.
async fn two(simulation: Value) -> Two {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let mut rehearsing = oidc("first", &first);
    rehearsing["healthCheck"] = json!({
        "enabled": true, "interval": "100ms", "timeout": "100ms", "healthyThreshold": 1,
        "unhealthyThreshold": 1, "simulation": simulation,
    });
    let members = [rehearsing, oidc("second", &second), group("group", &["first", "second"])];
    let node = Node::with(json!({
        "connectors": members, "singleLogout": { "logoutURL": "https://node.example/single-logout" },
    }));
    Two { first, second, node }
}

fn for_an_hour() -> Value {
    json!({ "enabled": true, "downtime": "1h" })
}

impl Two {
    async fn is_sent(&self, person: &mut Person) -> Page {
        person.is_shown(&self.node, asks("group", Ask::default())).await
    }

    fn status(&self) -> MemberStatus {
        self.node.login.watch().snapshot(ambient::now()).into_iter().find(|it| it.name == "first").unwrap()
    }

    async fn until(&self, what: &str, reached: impl Fn(&MemberStatus) -> bool) {
        until(what, || reached(&self.status())).await;
    }
}

#[tokio::test]
async fn people_go_to_the_next_member_and_the_log_says_that_it_is_simulated() {
    let lab = two(for_an_hour()).await;
    let mut alice = Person::new();
    let page = lab.is_sent(&mut alice).await;
    let told = alice.opens(&lab.node, &lab.second.signs_in(page.leads_to())).await.told();
    assert_eq!(told["member"], "second");
    let why = lab.node.why(told["login"].as_str().unwrap());
    assert!(why.contains("simulated outage"), "{why}");
    assert_eq!(lab.first.hits("/.well-known/openid-configuration"), 0, "what is simulated is not asked");
    let simulation = lab.status().simulation.unwrap();
    assert!(simulation.on && simulation.seconds > 3500);
}

#[tokio::test]
async fn a_rehearsal_costs_nobody_a_login_that_only_the_rehearsing_member_can_give() {
    let mut lab = two(for_an_hour()).await;
    lab.second.dies().await;
    let mut alice = Person::new();
    let page = lab.is_sent(&mut alice).await;
    let told = alice.opens(&lab.node, &lab.first.signs_in(page.leads_to())).await.told();
    assert_eq!(told["member"], "first");
    let why = lab.node.why(told["login"].as_str().unwrap());
    assert!(why.contains("its outage is only simulated"), "{why}");
    let page = lab.is_sent(&mut Person::new()).await;
    assert!(page.leads_to().starts_with(&lab.first.issuer), "nor the next person one: {}", page.leads_to());
}

#[tokio::test]
async fn a_node_whose_members_rehearse_says_yes_in_doubt_and_not_no() {
    let mut lab = two(for_an_hour()).await;
    lab.second.dies().await;
    lab.is_sent(&mut Person::new()).await;
    let word = lab.node.login.can_sign_in(&["group".into()]).await;
    assert!(word.can_sign_in.is_ok() && word.in_doubt, "{word:?}");
}

#[tokio::test]
async fn sessions_logins_under_way_and_logouts_go_on() {
    let (mut alice, mut bob) = (Person::new().coming_from("none"), Person::new());
    let mut start_after = 1;
    let (lab, page, under_way) = loop {
        let start = format!("{start_after}s");
        let lab = two(json!({ "enabled": true, "startAfter": start, "downtime": "1h" })).await;
        let (page, under_way) = (lab.is_sent(&mut alice).await, lab.is_sent(&mut bob).await);
        if [&page, &under_way].iter().all(|page| page.leads_to().starts_with(&lab.first.issuer)) {
            break (lab, page, under_way);
        }
        start_after *= 2;
        assert!(start_after <= 32, "nobody is sent to the first member, however late its rehearsal begins");
    };
    alice.opens(&lab.node, &lab.first.signs_in(page.leads_to())).await.told();
    lab.until("the rehearsal has begun", |status| status.simulation.as_ref().unwrap().on).await;
    let told = bob.opens(&lab.node, &lab.first.signs_in(under_way.leads_to())).await.told();
    assert_eq!(told["member"], "first");
    assert!(alice.starts(&lab.node, asks("group", Ask::default())).await.is_ok());
    let page = alice.opens(&lab.node, "/single-logout").await;
    assert!(page.leads_to().starts_with(&format!("{}/end?", lab.first.issuer)), "{}", page.leads_to());
}

#[tokio::test]
async fn the_member_goes_down_by_its_probes_and_comes_back_after_the_end() {
    let mut lab = two(json!({ "enabled": true, "downtime": "1s" })).await;
    lab.node.runs();
    lab.until("it is down", |status| status.state == State::Down).await;
    assert!(lab.status().last_failure.unwrap().contains("simulated"));
    let back = |status: &MemberStatus| status.state == State::Healthy && status.simulation.is_none();
    lab.until("it is back", back).await;
    lab.node.stops().await;
}
