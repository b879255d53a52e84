//! One server of a directory that answers garbage, and what the others do for it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use mangrove_connectors::{Blame, Connector, Network, ProbeResult};
use serde_json::json;

use crate::build;
use crate::hostile::is_alices;
use crate::liar::{Liar, Reply, Request, honestly};

/// What is lied to.
type Stage = fn(&Request) -> bool;

/// What a balancer says whose servers are gone.
fn page() -> Reply {
    Reply::Raw(b"HTTP/1.1 503 Service Unavailable\r\n\r\n".to_vec())
}

/// Servers of one directory, in this order.
fn of_one_directory(servers: &[&Liar]) -> Arc<Connector> {
    let mut all = servers[0].connector();
    all["url"] = servers.iter().map(|server| server.connector()["url"].clone()).collect();
    build(all, json!({})).unwrap()
}

async fn lets_alice_in(directory: &Connector) -> bool {
    directory.verify_password("alice", "correct horse", Network::default()).await.is_ok()
}

#[tokio::test]
async fn a_server_that_answers_garbage_is_followed_by_the_next_and_then_stands_behind_it() {
    let stages: [(&str, Stage); 3] = [
        ("whatever is asked", |_| true),
        ("a search of people", Request::seeks_a_person),
        ("her bind", is_alices),
    ];
    for (what, is_lied_to) in stages {
        let lie = move |request: &Request| if is_lied_to(request) { page() } else { honestly(request) };
        let (bad, good) = (Liar::start(lie).await, Liar::start(honestly).await);
        let directory = of_one_directory(&[&bad, &good]);
        assert!(lets_alice_in(&directory).await, "{what}");
        assert!(good.asked().iter().any(is_alices), "{what}: by the other server");
        let asked = bad.asked().len();
        assert!(lets_alice_in(&directory).await, "{what}: again");
        assert_eq!(bad.asked().len(), asked, "{what}: and the next person does not meet the bad one");
    }
}

#[tokio::test]
async fn garbage_is_no_sign_that_a_server_works_again() {
    let silent = Arc::new(AtomicBool::new(true));
    let now = silent.clone();
    let bad = move |_: &Request| if now.load(SeqCst) { Reply::Hang } else { page() };
    let (bad, good) = (Liar::start(bad).await, Liar::start(honestly).await);
    let directory = of_one_directory(&[&bad, &good]);
    assert!(lets_alice_in(&directory).await);
    silent.store(false, SeqCst);
    assert!(matches!(directory.probe().await, ProbeResult::Answered { .. }));
    let asked = bad.asked().len();
    assert!(lets_alice_in(&directory).await);
    assert_eq!(bad.asked().len(), asked, "it stands behind the one that works");
}

#[tokio::test]
async fn a_probe_that_meets_garbage_keeps_people_from_that_server() {
    let (bad, good) = (Liar::start(|_| page()).await, Liar::start(honestly).await);
    let directory = of_one_directory(&[&bad, &good]);
    assert!(matches!(directory.probe().await, ProbeResult::Answered { .. }), "one server is enough");
    let asked = bad.asked().len();
    assert!(lets_alice_in(&directory).await);
    assert_eq!(bad.asked().len(), asked);
}

#[tokio::test]
async fn only_a_directory_whose_servers_all_answer_garbage_ends_the_login() {
    let dead = || Liar::start(|_| Reply::Hang);
    let garbage = || Liar::start(|_| page());
    let (one, other) = (garbage().await, garbage().await);
    let all = of_one_directory(&[&one, &other]);
    let failure = all.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Protocol, "{failure}");
    assert!(matches!(all.probe().await, ProbeResult::Failed { .. }), "and probes see it");
    for (one, other) in [(garbage().await, dead().await), (dead().await, garbage().await)] {
        let failure = of_one_directory(&[&one, &other])
            .verify_password("alice", "correct horse", Network::default())
            .await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.blame, Blame::Unavailable, "another directory may take over: {failure}");
        assert!(
            !failure.no_answer,
            "but what one name brings about is no word about the directory: {failure}"
        );
    }
}
