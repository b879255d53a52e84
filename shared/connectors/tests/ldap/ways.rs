//! Ways to a server: TLS, StartTLS, in the clear.

use mangrove_connectors::{Blame, Failure, Identity, Network, ProbeResult};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::build;
use crate::slapd::Slapd;

async fn by(slapd: &Slapd, change: Value, tls: Value) -> Result<Identity, Failure> {
    let mut written = slapd.connector("directory");
    written.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    build(written, tls).unwrap().verify_password("alice", "correct horse", Network::default()).await
}

#[tokio::test]
async fn all_three_ways_lead_in() {
    let slapd = Slapd::start();
    assert!(by(&slapd, json!({}), slapd.tls()).await.is_ok(), "ldaps");
    assert!(by(&slapd, json!({ "url": slapd.ldap() }), slapd.tls()).await.is_ok(), "StartTLS");
    let clear = json!({ "url": slapd.ldap(), "allowPlaintext": true, "tls": null });
    assert!(by(&slapd, clear, json!({})).await.is_ok());
}

#[tokio::test]
async fn in_the_clear_only_where_an_operator_said_so() {
    let slapd = Slapd::start();
    let mut written = slapd.connector("directory");
    written["url"] = slapd.ldap().into();
    written["tls"] = Value::Null;
    assert!(build(written, json!({})).unwrap_err().contains("in the clear"));
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted_on_any_way() {
    let (slapd, other) = (Slapd::start(), Slapd::start());
    for url in [slapd.ldaps(), slapd.ldap()] {
        let refused = by(&slapd, json!({ "url": url }), other.tls()).await.unwrap_err();
        assert_eq!((refused.blame, refused.no_answer), (Blame::Unavailable, false));
        assert!(refused.log.contains("TLS"), "{refused}");
    }
}

/// A way to `port` that begins at another address of this machine; its own port.
async fn door(address: &str, port: u16, tasks: &mut JoinSet<()>) -> u16 {
    let door = TcpListener::bind((address, 0)).await.unwrap_or_else(|why| panic!("{address}: {why}"));
    let at = door.local_addr().unwrap().port();
    tasks.spawn(async move {
        let mut running = JoinSet::new();
        while let Ok((mut client, _)) = door.accept().await {
            running.spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    at
}

#[tokio::test]
async fn a_certificate_of_another_name_is_not_trusted_on_any_way() {
    let slapd = Slapd::start();
    let mut tasks = JoinSet::new();
    let ldaps = door("127.0.0.2", slapd.tls_port, &mut tasks).await;
    let ldap = door("127.0.0.2", slapd.port, &mut tasks).await;
    for (scheme, port) in [("ldaps", ldaps), ("ldap", ldap)] {
        let elsewhere = json!({ "url": format!("{scheme}://127.0.0.2:{port}") });
        let refused = by(&slapd, elsewhere, slapd.tls()).await.unwrap_err();
        assert_eq!((refused.blame, refused.no_answer), (Blame::Unavailable, false), "{refused}");
        assert!(refused.log.contains("TLS") && refused.log.contains("127.0.0.2"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_may_be_named_by_an_address_of_either_kind() {
    let slapd = Slapd::start();
    let mut tasks = JoinSet::new();
    for port in [slapd.tls_port, slapd.port] {
        let door = door("::1", port, &mut tasks).await;
        let scheme = if port == slapd.port { "ldap" } else { "ldaps" };
        let url = json!({ "url": format!("{scheme}://[::1]:{door}") });
        let alice = by(&slapd, url, slapd.tls()).await;
        assert!(alice.is_ok(), "{scheme}: {}", alice.unwrap_err());
    }
}

#[tokio::test]
async fn a_wrong_service_password_is_the_operators_and_keeps_it_out() {
    let slapd = Slapd::start();
    let change = json!({ "bindPassword": "old" });
    let refused = by(&slapd, change.clone(), slapd.tls()).await.unwrap_err();
    assert_eq!((refused.blame, refused.keeps_out), (Blame::Misconfigured, true), "{refused}");
    let mut written = slapd.connector("directory");
    written.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let directory = build(written, slapd.tls()).unwrap();
    match directory.probe().await {
        ProbeResult::Misconfigured { why } => assert!(why.contains("service account"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(directory.rehearse().await.is_err());
}

#[tokio::test]
async fn a_base_that_is_not_there_is_the_operators() {
    let slapd = Slapd::start();
    let refused =
        by(&slapd, json!({ "baseDN": "ou=absent,dc=example,dc=com" }), slapd.tls()).await.unwrap_err();
    assert_eq!((refused.blame, refused.keeps_out), (Blame::Misconfigured, true), "{refused}");
}
