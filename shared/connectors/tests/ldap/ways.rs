//! Ways to a server: TLS, StartTLS, in the clear.

use mangrove_connectors::{Blame, Failure, Identity, Network, ProbeResult};
use serde_json::{Value, json};

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
