//! Servers that die, come back, or are only half there.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use mangrove_connectors::{Blame, Look, Network, ProbeResult};
use serde_json::json;
use tokio::io::{AsyncReadExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::liar::{Liar, Reply, Request, honestly};
use crate::slapd::Slapd;
use crate::{LISTENERS_PATIENCE, as_written, build, connector};

/// Time enough on the busiest machine.
const PATIENT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn kept_connections_survive_a_restart() {
    let mut slapd = Slapd::start();
    let directory = connector(&slapd, as_written());
    assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    slapd.dies();
    let refused = directory.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
    assert_eq!((refused.blame, refused.no_answer), (Blame::Unavailable, true), "{refused}");
    slapd.comes_back();
    assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    slapd.dies();
    slapd.comes_back();
    assert!(
        directory.verify_password("alice", "correct horse", Network::default()).await.is_ok(),
        "without a failure between"
    );
}

#[tokio::test]
async fn a_silent_server_costs_a_deadline_and_the_next_login_works() {
    let slapd = Slapd::start();
    let directory = connector(&slapd, as_written());
    assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    slapd.falls_silent();
    let began = Instant::now();
    let refused = directory.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
    assert!(refused.no_answer && began.elapsed() < LISTENERS_PATIENCE, "{refused}");
    let patience = Duration::from_millis(300);
    assert!(matches!(directory.look(patience).await, Look::Failed { timed_out: true, .. }));
    slapd.wakes_up();
    assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    assert!(matches!(directory.look(PATIENT).await, Look::Answered { .. }));
}

#[tokio::test]
async fn with_a_second_server_a_silent_first_one_is_waited_for_by_one_person_alone() {
    let silent = Arc::new(AtomicBool::new(false));
    let now = silent.clone();
    let first = move |asked: &Request| if now.load(SeqCst) { Reply::Silence } else { honestly(asked) };
    let (first, second) = (Liar::start(first).await, Liar::start(honestly).await);
    let mut written = first.connector();
    written["url"] = json!([written["url"], second.connector()["url"]]);
    let directory = build(written, json!({})).unwrap();
    directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    assert!(second.asked().is_empty(), "they are asked in order");
    silent.store(true, SeqCst);
    directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    let asked = first.asked().len();
    directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    assert_eq!(first.asked().len(), asked, "the next person does not wait for it");
    silent.store(false, SeqCst);
    assert!(matches!(directory.probe().await, ProbeResult::Answered { .. }));
    directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    assert!(first.asked().len() > asked + 1, "a probe saw it alive");
}

#[tokio::test]
async fn with_a_second_server_a_dead_first_one_costs_nobody_anything() {
    let (mut first, second) = (Slapd::start(), Slapd::start());
    let mut written = first.connector("directory");
    written["url"] = json!([first.ldap(), second.ldap()]);
    written["allowPlaintext"] = true.into();
    written["tls"] = json!(null);
    let directory = build(written, json!({})).unwrap();
    let alice = directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    first.dies();
    let again = directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    assert_eq!(again.claims["employeeNumber"], alice.claims["employeeNumber"]);
    assert!(matches!(directory.probe().await, ProbeResult::Answered { .. }), "one server is enough");
    assert!(matches!(directory.look(PATIENT).await, Look::Answered { .. }));
}

#[tokio::test]
async fn a_silent_server_does_not_use_up_the_time_of_the_probe() {
    let (slapd, silent) = (Slapd::start(), Liar::start(|_| Reply::Silence).await);
    let mut written = silent.connector();
    written.as_object_mut().unwrap().extend(slapd.connector("directory").as_object().unwrap().clone());
    written["url"] = json!([silent.connector()["url"], slapd.ldap()]);
    written["tls"] = json!(null);
    written["healthCheck"] = json!({ "enabled": true, "timeout": "1s" });
    let directory = build(written.clone(), json!({})).unwrap();
    // As those who probe do.
    let probe = timeout(Duration::from_secs(1), directory.probe()).await;
    assert!(matches!(probe, Ok(ProbeResult::Answered { .. })), "one server is enough: {probe:?}");

    written["healthCheck"]["timeout"] = "30s".into();
    let directory = build(written, json!({})).unwrap();
    let probe = timeout(LISTENERS_PATIENCE, directory.probe()).await;
    assert!(matches!(probe, Ok(ProbeResult::Answered { .. })), "nor is the verdict late: {probe:?}");
}

/// Lets everything through to `port`, until somebody binds as `victim`: then the server is gone, bind and all.
async fn dies_when_bound(port: u16, victim: &'static str, tasks: &mut JoinSet<()>) -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = door.local_addr().unwrap().port();
    tasks.spawn(async move {
        let (dead, mut died) = tokio::sync::mpsc::channel(1);
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                Ok((client, _)) = door.accept() => { running.spawn(carry(client, port, victim, dead.clone())); }
                _ = died.recv() => return,
            }
        }
    });
    at
}

async fn carry(client: TcpStream, port: u16, victim: &str, dead: tokio::sync::mpsc::Sender<()>) {
    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (split(client), split(server));
    let requests = async {
        let mut buffer = vec![0; 4096];
        loop {
            let read = from_client.read(&mut buffer).await.unwrap_or(0);
            let is_it = String::from_utf8_lossy(&buffer[..read]).contains(victim);
            if read == 0 || is_it {
                if is_it {
                    dead.send(()).await.ok();
                }
                return;
            }
            tokio::io::AsyncWriteExt::write_all(&mut to_server, &buffer[..read]).await.unwrap();
        }
    };
    tokio::select! {
        () = requests => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_bind_is_followed_by_the_next() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let mut tasks = JoinSet::new();
    let dying = dies_when_bound(first.port, "correct horse", &mut tasks).await;
    let mut written = first.connector("directory");
    written["url"] = json!([format!("ldap://127.0.0.1:{dying}"), second.ldap()]);
    written["allowPlaintext"] = true.into();
    written["tls"] = json!(null);
    let directory = build(written, json!({})).unwrap();
    assert!(directory.verify_password("bob", "bob-password", Network::default()).await.is_ok());
    assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    tasks.join_next().await.expect("the first server is dead").unwrap();
}

/// Lets everything through to `port`; when told, the connections that stand carry nothing any more, and new ones do. Each
/// connection is a receiver for as long as the door stands.
async fn goes_stale(port: u16, tasks: &mut JoinSet<()>) -> (u16, tokio::sync::watch::Sender<()>) {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = door.local_addr().unwrap().port();
    let (tell, told) = tokio::sync::watch::channel(());
    tasks.spawn(async move {
        let mut running = JoinSet::new();
        while let Ok((mut client, _)) = door.accept().await {
            let mut told = told.clone();
            told.mark_unchanged();
            running.spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = told.changed() => {}
                }
                std::future::pending::<()>().await;
            });
        }
    });
    (at, tell)
}

#[tokio::test]
async fn a_kept_connection_that_is_half_dead_costs_nobody_a_login() {
    let slapd = Slapd::start();
    let mut tasks = JoinSet::new();
    let (door, stale) = goes_stale(slapd.port, &mut tasks).await;
    let mut written = slapd.connector("directory");
    written["url"] = format!("ldap://127.0.0.1:{door}").into();
    written["allowPlaintext"] = true.into();
    written["tls"] = json!(null);
    let directory = build(written, json!({})).unwrap();
    assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    let before = stale.receiver_count();
    stale.send(()).unwrap();
    assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_ok());
    assert_eq!(stale.receiver_count(), before + 2, "one for her bind, and one in the stead of the kept one");
}
