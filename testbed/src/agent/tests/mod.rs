//! People and an application of this room with a stand-in for the provider between them: what they do when it works,
//! when it says no, when it hangs, and when it lies.

mod sign_outs;
mod stand_in;

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::stand_in::{Lab, Manner, StandIn};
use super::spec::{Account, AppSpec, PersonSpec, SignsOut, Spec};
use crate::history::{Event, Login, Seen, VisitKind, VisitOutcome, What};

async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn spec(lab: &Lab, issuer: &str) -> Spec {
    let listen = free_port().await;
    let app = AppSpec {
        name: "branch-app".into(),
        host: "localhost".into(),
        listen,
        certificate_pem: lab.certificate_pem.clone(),
        key_pem: lab.key_pem.clone(),
        issuer: issuer.to_owned(),
        client_id: "branch-app".into(),
        client_secret: None,
        has_a_key: false,
        scope: "openid".into(),
    };
    let account =
        Account { host: "localhost".into(), of: None, username: "a-1".into(), password: "a-1-secret".into() };
    let person = PersonSpec {
        name: "a-1".into(),
        accounts: vec![account],
        app: "branch-app".into(),
        url: format!("https://localhost:{}/", listen.port()),
        begins: None,
        every_us: 50_000,
        keep_session: false,
        sign_out: None,
        chromium: false,
        twin_of: None,
    };
    Spec {
        region: "branch-a".into(),
        ca_pem: lab.ca_pem.clone(),
        apps: vec![app],
        people: vec![person],
        chromium: None,
        probes: vec![],
        probe_interval_us: 1_000_000,
        patience_us: 400_000,
        restarts: 2,
        seed: 1,
    }
}

/// Lives until `enough` events of people came, then stops as told.
async fn run(manner: Manner, keep_session: bool, enough: usize) -> Vec<Event> {
    in_rounds(manner, keep_session, enough, 1).await
}

/// Begins anew each time that `enough` events of people came, and stops after so many rounds.
async fn in_rounds(manner: Manner, keep_session: bool, enough: usize, rounds: usize) -> Vec<Event> {
    live(manner, enough, rounds, |spec| spec.people[0].keep_session = keep_session).await
}

/// The same, for people with other habits.
async fn live(manner: Manner, enough: usize, rounds: usize, habits: impl FnOnce(&mut Spec)) -> Vec<Event> {
    let mut tasks = JoinSet::new();
    let lab = Lab::new();
    let issuer = StandIn::start(manner, &lab, &mut tasks).await;
    let mut spec = spec(&lab, &issuer).await;
    habits(&mut spec);
    let (mut commands, input) = tokio::io::duplex(1 << 16);
    let (output, events) = tokio::io::duplex(1 << 20);
    tasks.spawn(async move { super::live(input, output).await.unwrap() });
    let begin = serde_json::to_string(&spec).unwrap() + "\n{\"begin\":true}\n";
    commands.write_all(begin.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(events).lines();
    let mut seen: Vec<Event> = Vec::new();
    let mut told = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        seen.push(serde_json::from_str(&line).unwrap());
        let of_people =
            |event: &&Event| matches!(event.what, What::Login(_) | What::Visit(_) | What::SignOut(_));
        let of_people = seen.iter().filter(of_people).count();
        if told < rounds && of_people >= enough * (told + 1) {
            told += 1;
            let order: &[u8] = if told == rounds { b"{\"stop\":true}\n" } else { b"{\"begin\":true}\n" };
            commands.write_all(order).await.unwrap();
        }
    }
    seen
}

fn logins(events: &[Event]) -> Vec<&Login> {
    events
        .iter()
        .filter_map(|event| if let What::Login(login) = &event.what { Some(&**login) } else { None })
        .collect()
}

#[tokio::test]
async fn a_person_signs_in_and_the_application_knows_who_it_is() {
    let events = run(Manner::Honest, false, 3).await;
    let logins = logins(&events);
    assert!(logins.len() >= 3);
    for login in logins {
        assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
        let who = login.who.as_ref().unwrap();
        assert_eq!((who.sub.as_str(), who.lab_person.as_deref()), ("s-a-1", Some("a-1")));
        assert_eq!((login.acts.passwords, login.acts.reloads, login.acts.restarts), (1, 0, 0));
        let paths: Vec<&str> = login.hops.iter().map(|hop| hop.url.split_once('/').unwrap().1).collect();
        assert_eq!(paths, ["", "auth", "sign-in", "callback", "me"]);
    }
}

#[tokio::test]
async fn a_clear_no_ends_the_login_at_once() {
    let events = run(Manner::SaysNo, false, 1).await;
    let Seen::Refused { status, says, waited } = &logins(&events)[0].seen else { panic!("{events:?}") };
    assert_eq!((*status, says.as_str()), (503, "Nobody can sign you in now"));
    assert!(*waited < 400_000);
}

#[tokio::test]
async fn whose_first_page_hangs_types_the_address_again() {
    let events = run(Manner::HangsAtFirst, true, 1).await;
    let login = logins(&events)[0];
    assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
    assert_eq!((login.acts.reloads, login.acts.restarts, login.acts.passwords), (0, 1, 1));
    assert!(login.hops[1].error.is_some() && login.hops[2].url == login.hops[0].url, "{login:?}");
}

#[tokio::test]
async fn who_waits_in_vain_behind_a_form_reloads_the_form() {
    let events = run(Manner::HangsAfterThePassword, true, 1).await;
    let login = logins(&events)[0];
    assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
    assert_eq!((login.acts.reloads, login.acts.restarts, login.acts.passwords), (1, 0, 2));
    assert!(login.hops[2].path() == "/sign-in" && login.hops[2].error.is_some(), "{login:?}");
    assert!(login.hops[3].method == "GET" && login.hops[3].url == login.hops[1].url, "{login:?}");
}

#[tokio::test]
async fn who_begins_where_nobody_is_opens_the_application() {
    let nobody = free_port().await.port();
    let events = live(Manner::Honest, 1, 1, |spec| {
        spec.people[0].begins = Some(format!("https://localhost:{nobody}/portal"));
    })
    .await;
    let login = logins(&events)[0];
    assert_eq!(login.seen, Seen::SignedIn, "{login:?}");
    assert_eq!((login.acts.restarts, login.acts.passwords), (1, 1));
    assert!(login.hops[0].path() == "/portal" && login.hops[0].error.is_some(), "{login:?}");
}

#[tokio::test]
async fn a_provider_that_confuses_people_signs_nobody_in() {
    let events = run(Manner::Confuses, false, 1).await;
    let login = logins(&events)[0];
    assert!(login.who.is_none());
    assert!(matches!(login.seen, Seen::Refused { .. }), "{login:?}");
    assert!(login.hops.iter().any(|hop| hop.status == Some(500)), "{login:?}");
}

#[tokio::test]
async fn a_person_with_a_session_comes_back_without_a_password() {
    let events = run(Manner::Honest, true, 6).await;
    let visits: Vec<_> = events
        .iter()
        .filter_map(|event| {
            if let What::Visit(visit) = &event.what { Some((visit.kind, &visit.outcome)) } else { None }
        })
        .collect();
    assert_eq!(logins(&events).len(), 1);
    let kinds: Vec<VisitKind> = visits.iter().take(4).map(|(kind, _)| *kind).collect();
    assert_eq!(kinds[0], VisitKind::Page);
    assert!(kinds.contains(&VisitKind::Refresh) && kinds.contains(&VisitKind::SingleSignOn), "{kinds:?}");
    assert!(visits.iter().all(|(_, outcome)| **outcome == VisitOutcome::Kept), "{visits:?}");
}

#[tokio::test]
async fn tokens_that_are_the_old_ones_are_not_renewed() {
    let events = run(Manner::RenewsNothing, true, 4).await;
    let renewal = events.iter().find_map(|event| match &event.what {
        What::Visit(visit) if visit.kind == VisitKind::Refresh => Some(&visit.outcome),
        _ => None,
    });
    assert!(
        matches!(renewal, Some(VisitOutcome::Lost { says }) if says.contains("the old one")),
        "{renewal:?}"
    );
}

#[tokio::test]
async fn in_each_round_people_begin_anew_with_empty_browsers() {
    let events = in_rounds(Manner::Honest, true, 4, 3).await;
    assert_eq!(logins(&events).len(), 3, "one sign-in a round, and visits after it");
    for login in logins(&events) {
        assert_eq!((&login.seen, login.acts.passwords), (&Seen::SignedIn, 1), "{login:?}");
    }
}
