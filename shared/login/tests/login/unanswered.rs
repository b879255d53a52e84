//! Browsers that come back unanswered, and all that a browser can do without moving a verdict.

use http::StatusCode;
use mangrove_connectors::{Ask, Prompt};
use mangrove_continuity::Sample;
use mangrove_keys::ambient;
use serde_json::{Value, json};

use crate::sign_in::drained;
use crate::support::idp::Idp;
use crate::support::node::{Node, group, oidc};
use crate::support::person::{Page, Person, asks, silently};

struct Two {
    first: Idp,
    second: Idp,
    node: Node,
}

async fn two(change: impl Fn(&mut Value, &mut Value)) -> Two {
    let (first, second) = (Idp::start().await, Idp::start().await);
    let mut members = [oidc("first", &first), oidc("second", &second)];
    let mut written = group("group", &["first", "second"]);
    for member in &mut members {
        change(member, &mut written);
    }
    let [one, other] = members;
    Two { first, second, node: Node::new(json!([one, other, written])) }
}

async fn two_roots() -> Two {
    two(|member, _| member["root"] = json!(true)).await
}

impl Two {
    async fn starts(&self, person: &mut Person) -> Page {
        person.is_shown(&self.node, asks("group", Ask::default())).await
    }

    /// Ten seconds have passed for whoever was sent away.
    fn waits(&self) {
        self.node.login.counts_as_unanswered_after(0);
    }

    fn leads_to_first(&self, page: &Page) -> bool {
        page.leads_to().starts_with(&self.first.issuer)
    }

    fn leads_to_second(&self, page: &Page) -> bool {
        page.leads_to().starts_with(&self.second.issuer)
    }

    /// Every verdict, and why.
    fn verdicts(&self) -> Vec<(String, Option<String>)> {
        let status = self.node.login.watch().snapshot(ambient::now());
        status
            .into_iter()
            .map(|member| (format!("{} {}", member.name, member.state), member.last_failure))
            .collect()
    }
}

#[tokio::test]
async fn a_browser_that_comes_back_unanswered_goes_to_the_next_member() {
    let mesh = two_roots().await;
    let (mut alice, mut bob) = (Person::new(), Person::new());
    let page = mesh.starts(&mut alice).await;
    assert!(mesh.leads_to_first(&page));
    let late = mesh.first.signs_in(page.leads_to());
    let before = mesh.verdicts();
    mesh.waits();
    let onward = mesh.starts(&mut alice).await;
    assert!(mesh.leads_to_second(&onward));
    assert!(mesh.leads_to_first(&mesh.starts(&mut bob).await), "it counts for that browser only");
    assert!(mesh.leads_to_first(&mesh.starts(&mut alice).await), "after the last, the first again");
    assert!(mesh.leads_to_second(&mesh.starts(&mut alice).await), "and so on");
    assert_eq!(mesh.verdicts(), before, "and is nobody's verdict");

    let told = alice.opens(&mesh.node, &mesh.second.signs_in(onward.leads_to())).await.told();
    let why = mesh.node.why(told["login"].as_str().unwrap());
    assert!(
        why.contains("The same browser was sent to first 0 s before and started again without an answer."),
        "{why}"
    );
    assert!(
        why.contains("Asked second: next in order; not first: this browser came back from there unanswered."),
        "{why}"
    );
    assert_eq!(alice.opens(&mesh.node, &late).await.told()["member"], "first", "a late answer counts");
}

#[tokio::test]
async fn it_holds_until_that_member_answers_this_browser() {
    let mesh = two_roots().await;
    let mut alice = Person::new();
    let first = mesh.starts(&mut alice).await;
    mesh.waits();
    let onward = mesh.starts(&mut alice).await;
    let told = alice.opens(&mesh.node, &mesh.second.signs_in(onward.leads_to())).await.told();
    assert_eq!(told["member"], "second");
    let anew = || asks("group", Ask { prompt: Some(Prompt::Login), ..Ask::default() });
    let page = alice.is_shown(&mesh.node, anew()).await;
    assert!(mesh.leads_to_second(&page), "it holds");
    alice.opens(&mesh.node, &mesh.second.signs_in(page.leads_to())).await.told();
    alice.opens(&mesh.node, &mesh.first.refuses(first.leads_to(), "access_denied")).await.told();
    assert!(mesh.leads_to_first(&alice.is_shown(&mesh.node, anew()).await), "a no is an answer too");
}

#[tokio::test]
async fn where_the_next_may_be_weaker_the_person_is_asked() {
    let mesh = two(|_, _| ()).await;
    for (way, leads_on) in [("other", true), ("same", false)] {
        let mut alice = Person::new();
        mesh.node.login.counts_as_unanswered_after(10);
        mesh.starts(&mut alice).await;
        mesh.waits();
        let page = mesh.starts(&mut alice).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("Continue with first"), "{}", page.body);
        let suffix = page.hidden("login");
        let onward = alice.opens(&mesh.node, &format!("/login/again?login={suffix}&way={way}")).await;
        assert_eq!(mesh.leads_to_second(&onward), leads_on, "{way}");
        let idp = if leads_on { &mesh.second } else { &mesh.first };
        alice.opens(&mesh.node, &idp.signs_in(onward.leads_to())).await.told();
        let anew = asks("group", Ask { prompt: Some(Prompt::Login), ..Ask::default() });
        let page = alice.is_shown(&mesh.node, anew).await;
        assert_eq!(mesh.leads_to_second(&page), leads_on, "it is asked once: {way}");
    }
}

#[tokio::test]
async fn nobody_is_asked_where_only_one_way_is_left() {
    let mesh = two(|_, _| ()).await;
    let mut alice = Person::new();
    mesh.starts(&mut alice).await;
    mesh.waits();
    let why = "no answer".to_owned();
    mesh.node.login.watch().observe("first", &Sample::LookFailed { why }, ambient::now());
    assert!(mesh.leads_to_second(&mesh.starts(&mut alice).await), "and no page comes between");
}

#[tokio::test]
async fn off_is_off() {
    let mesh = two(|_, group| group["onUnanswered"] = json!("off")).await;
    let mut alice = Person::new();
    mesh.waits();
    for _ in 0..3 {
        assert!(mesh.leads_to_first(&mesh.starts(&mut alice).await));
    }
}

#[tokio::test]
async fn a_second_tab_changes_nothing() {
    let mesh = two_roots().await;
    let mut alice = Person::new();
    let tabs = [mesh.starts(&mut alice).await, mesh.starts(&mut alice).await];
    for page in &tabs {
        assert!(mesh.leads_to_first(page));
    }
    for page in &tabs {
        let told = alice.opens(&mesh.node, &mesh.first.signs_in(page.leads_to())).await.told();
        assert_eq!(told["member"], "first");
    }
    mesh.waits();
    let anew = asks("group", Ask { prompt: Some(Prompt::Login), ..Ask::default() });
    assert!(
        mesh.leads_to_first(&alice.is_shown(&mesh.node, anew).await),
        "what was answered is not unanswered"
    );
}

#[tokio::test]
async fn a_member_that_answered_and_could_not_be_used_did_answer() {
    let mesh = two_roots().await;
    let mut alice = Person::new();
    let page = mesh.starts(&mut alice).await;
    mesh.node.login.watch().order("second", Some(drained())).unwrap();
    mesh.first.answers_for_tokens_with(Some(503));
    let page = alice.opens(&mesh.node, &mesh.first.signs_in(page.leads_to())).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    mesh.node.login.watch().order("second", None).unwrap();
    mesh.waits();
    assert!(mesh.leads_to_first(&mesh.starts(&mut alice).await));
}

#[tokio::test]
async fn frames_and_silent_requests_are_nobody_coming_back() {
    let mesh = two_roots().await;
    let mut alice = Person::new();
    mesh.starts(&mut alice).await;
    mesh.waits();
    assert!(mesh.leads_to_first(&alice.is_shown(&mesh.node, asks("group", silently())).await));
    alice.headers.insert("sec-fetch-mode", "navigate".parse().unwrap());
    alice.headers.insert("sec-fetch-dest", "iframe".parse().unwrap());
    assert!(mesh.leads_to_first(&mesh.starts(&mut alice).await));
}

#[tokio::test]
async fn nobody_is_sent_to_a_member_that_cannot_meet_what_the_application_requires() {
    let mesh = two_roots().await;
    mesh.second.lists(&["silver"]);
    Person::new().is_shown(&mesh.node, asks("second", Ask::default())).await;
    mesh.waits();
    for (wanted, meets) in [("gold", false), ("silver", true)] {
        let gold = || asks("group", Ask { acr_values: Some(wanted.into()), ..Ask::default() });
        let mut alice = Person::new();
        alice.is_shown(&mesh.node, gold()).await;
        assert_eq!(mesh.leads_to_second(&alice.is_shown(&mesh.node, gold()).await), meets, "{wanted}");
    }
}

#[tokio::test]
async fn nothing_a_browser_carries_moves_a_verdict() {
    let mesh = two_roots().await;
    let first = mesh.starts(&mut Person::new()).await;
    let before = mesh.verdicts();
    for round in 0..20 {
        let mut mallory = Person::new();
        let page = mesh.starts(&mut mallory).await;
        let good = mesh.first.signs_in(page.leads_to());
        let junk = match round % 4 {
            0 => mesh.first.refuses(page.leads_to(), "temporarily_unavailable"),
            1 => good.replace("code=", "code=junk"),
            2 => mesh.first.signs_in(first.leads_to()),
            _ => continue,
        };
        mallory.opens(&mesh.node, &junk).await;
    }
    assert_eq!(mesh.verdicts(), before);
    assert!(before.iter().all(|(_, failure)| failure.is_none()));
    assert!(mesh.leads_to_first(&mesh.starts(&mut Person::new()).await));
}
