//! What the service account meets: refusals that are one person's, and those that keep the directory out for everybody.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use mangrove_connectors::{Blame, Look, Network, ProbeResult};
use serde_json::{Value, json};

use crate::build;
use crate::hostile::{alice_at, is_alices};
use crate::liar::{Liar, Reply, Request, entry, honestly, result};

/// The settings of groups that are searched at `ou=g`.
pub(crate) fn with_groups(liar: &Liar) -> Value {
    let mut written = liar.connector();
    written["groupBaseDN"] = "ou=g".into();
    written
}

/// The settings of names that stand right below the base, where nobody searches.
pub(crate) fn by_name(liar: &Liar) -> Value {
    let mut written = liar.connector();
    written["userRDNKey"] = "cn".into();
    for key in ["bindDN", "bindPassword"] {
        written[key] = Value::Null;
    }
    written
}

#[tokio::test]
async fn a_search_that_is_refused_for_one_person_keeps_the_directory_out_for_nobody_else() {
    let refused = || Some(Reply::Say(vec![result(0x65, 50, "")]));
    let (_liar, outcome) = alice_at(move |request| refused().filter(|_| request.seeks_a_person())).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, false), "{failure}");
    assert!(failure.log.contains("search at dc=x: result 50"), "{failure}");

    let (_liar, outcome) = alice_at(move |request| refused().filter(|_| request.is_search())).await;
    assert!(outcome.unwrap_err().keeps_out, "refused to everybody");
}

#[tokio::test]
async fn a_refused_search_of_groups_keeps_it_out_if_the_rehearsal_meets_it_too() {
    for (refusals, keeps_out) in [(1, false), (usize::MAX, true)] {
        let left = AtomicUsize::new(refusals);
        let lie = move |request: &Request| {
            let Request::Search { base, .. } = request else { return honestly(request) };
            let less = |left: usize| left.checked_sub(1);
            if base == "ou=g" && left.fetch_update(SeqCst, SeqCst, less).is_ok() {
                return Reply::Say(vec![result(0x65, 50, "")]);
            }
            honestly(request)
        };
        let liar = Liar::start(lie).await;
        let directory = build(with_groups(&liar), json!({})).unwrap();
        let failure =
            directory.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
        assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, keeps_out), "{failure}");
        assert!(failure.log.contains("search at ou=g: result 50"), "{failure}");
        assert_eq!(directory.rehearse().await.is_err(), keeps_out, "so it would come back, or stay out");
    }
}

fn is_the_accounts(request: &Request) -> bool {
    matches!(request, Request::Bind { name, .. } if name == "cn=service")
}

#[tokio::test]
async fn a_service_account_that_is_refused_is_not_tried_again_at_once_whoever_asks() {
    let wrong = |request: &Request| match request {
        Request::Bind { .. } => Reply::Say(vec![result(0x61, 49, "")]),
        _ => honestly(request),
    };
    let liar = Liar::start(wrong).await;
    let directory = build(liar.connector(), json!({})).unwrap();
    for _ in 0..3 {
        assert!(matches!(directory.probe().await, ProbeResult::Misconfigured { .. }));
        assert!(matches!(directory.look(Duration::from_secs(30)).await, Look::Misconfigured { .. }));
        assert!(
            directory
                .verify_password("alice", "correct horse", Network::default())
                .await
                .unwrap_err()
                .keeps_out
        );
        assert!(directory.rehearse().await.unwrap_err().log.contains("service account"));
    }
    let tries = liar.asked().into_iter().filter(is_the_accounts).count();
    assert_eq!(tries, 1, "each would be one more wrong password by our own account");
}

#[tokio::test]
async fn a_kept_connection_that_is_out_of_order_is_not_used_again() {
    let searches = AtomicUsize::new(0);
    let lie = move |request: &Request| {
        let second = request.is_search() && searches.fetch_add(1, SeqCst) == 1;
        if second { Reply::Say(vec![result(0x65, 1, "bind first")]) } else { honestly(request) }
    };
    let liar = Liar::start(lie).await;
    let directory = build(liar.connector(), json!({})).unwrap();
    for _ in 0..3 {
        assert_eq!(
            directory.verify_password("alice", "correct horse", Network::default()).await.unwrap().subject,
            "cn=alice"
        );
    }
    let binds = liar.asked().into_iter().filter(is_the_accounts).count();
    assert_eq!(binds, 2, "the first connection, and the one in its stead");
}

#[tokio::test]
async fn the_service_account_cannot_be_guessed_at_and_locked() {
    let lie = |request: &Request| {
        let found = vec![entry("CN=service", &[("uid", "service")]), result(0x65, 0, "")];
        request.is_search().then_some(Reply::Say(found))
    };
    let liar = Liar::start(move |request| lie(request).unwrap_or_else(|| honestly(request))).await;
    let directory = build(liar.connector(), json!({})).unwrap();
    let failure =
        directory.verify_password("service", "service-password", Network::default()).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Rejected, "{failure}");
    let mut guessed = liar.asked().into_iter().filter(|request| match request {
        Request::Bind { name, .. } => name == "CN=service",
        _ => false,
    });
    assert_eq!(guessed.next(), None);

    let anybody = |request: &Request| match request {
        Request::Bind { .. } => Reply::Say(vec![result(0x61, 0, "")]),
        _ => Reply::Say(vec![entry("cn=service,dc=x", &[("cn", "service")]), result(0x65, 0, "")]),
    };
    let mut by_name = Liar::start(anybody).await.connector();
    (by_name["bindDN"], by_name["userRDNKey"]) = (json!("cn=Service, dc=x"), json!("cn"));
    let failure = build(by_name, json!({}))
        .unwrap()
        .verify_password("service", "x", Network::default())
        .await
        .unwrap_err();
    assert_eq!(failure.blame, Blame::Rejected, "{failure}");
}

#[tokio::test]
async fn a_server_that_does_not_know_the_service_accounts_password_yet_keeps_nobody_out() {
    let late = |request: &Request| match request {
        Request::Bind { .. } => Reply::Say(vec![result(0x61, 49, "")]),
        _ => honestly(request),
    };
    let (late, liar) = (Liar::start(late).await, Liar::start(honestly).await);
    let mut both = liar.connector();
    both["url"] = json!([late.connector()["url"], both["url"]]);
    let alice =
        build(both, json!({})).unwrap().verify_password("alice", "correct horse", Network::default()).await;
    assert_eq!(alice.unwrap().subject, "cn=alice");
    assert!(!late.asked().iter().any(is_alices), "her password went to the other server alone");
    let alone = build(late.connector(), json!({})).unwrap();
    let failure = alone.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
    assert!(failure.keeps_out, "{failure}");
}

#[tokio::test]
async fn on_a_connection_that_a_person_was_bound_on_nothing_else_is_asked() {
    let liar = Liar::start(honestly).await;
    let directory = build(liar.connector(), json!({})).unwrap();
    for (name, password) in
        [("alice", "correct horse"), ("alice", "wrong"), ("nobody", "x"), ("alice", "correct horse")]
    {
        let outcome = directory.verify_password(name, password, Network::default()).await;
        assert_eq!(outcome.is_ok(), password == "correct horse");
    }
    assert!(matches!(directory.probe().await, ProbeResult::Answered { .. }));
    let (services, peoples): (Vec<_>, Vec<_>) =
        liar.conversations().into_iter().partition(|conversation| is_the_accounts(&conversation[0]));
    assert_eq!(peoples.len(), 4, "one each");
    for conversation in peoples {
        assert!(matches!(conversation[..], [Request::Bind { .. }]), "{conversation:?}");
    }
    for conversation in services {
        assert!(conversation[1..].iter().all(Request::is_search), "{conversation:?}");
    }
}

#[tokio::test]
async fn without_a_service_account_each_connection_is_one_persons() {
    let anybody = |request: &Request| match request {
        Request::Bind { .. } => Reply::Say(vec![result(0x61, 0, "")]),
        _ => Reply::Say(vec![entry("cn=alice,dc=x", &[("cn", "alice")]), result(0x65, 0, "")]),
    };
    let liar = Liar::start(anybody).await;
    let directory = build(by_name(&liar), json!({})).unwrap();
    for _ in 0..3 {
        assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    }
    let conversations = liar.conversations();
    assert_eq!(conversations.len(), 3);
    for conversation in conversations {
        let binds = conversation.iter().filter(|request| !request.is_search()).count();
        assert_eq!(binds, 1, "{conversation:?}");
    }
}
