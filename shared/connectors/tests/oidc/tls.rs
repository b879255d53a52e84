//! Whom the client trusts, and by which way it goes.

use std::fs;
use std::sync::Arc;

use mangrove_connectors::ProbeResult;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::lying_idp::Idp;
use crate::{build, connector, login};

/// A provider with a certificate for `name`, and a folder with the authority in `ca.pem`.
pub(crate) async fn provider(name: &str) -> (Idp, TempDir) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ca.pem"), certified.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Idp::start_with(Some(TlsAcceptor::from(Arc::new(config))), "https", "localhost").await, dir)
}

fn trusting(dir: &TempDir) -> impl FnOnce(&mut Value) {
    let ca = dir.path().join("ca.pem");
    move |written| {
        written["tls"] = "mesh".into();
        written["profile"] = json!({ "mesh": { "caFile": ca, "minVersion": "1.3" } });
    }
}

#[tokio::test]
async fn an_authority_of_the_profile_is_trusted_over_http_2() {
    let (idp, dir) = provider("localhost").await;
    assert!(login(&idp, &connector(&idp, trusting(&dir))).await.is_ok());
}

#[tokio::test]
async fn an_unknown_authority_and_another_name_are_refused_and_are_no_silence() {
    let (idp, _dir) = provider("localhost").await;
    let (other, dir) = provider("other.example").await;
    for connector in [connector(&idp, |_| ()), connector(&other, trusting(&dir))] {
        match connector.probe().await {
            ProbeResult::Failed { why, no_answer } => assert!(!no_answer && why.contains("TLS"), "{why}"),
            result => panic!("{result:?}"),
        }
    }
}

#[tokio::test]
async fn a_profile_that_does_not_exist_is_a_configuration_error() {
    let idp = Idp::start().await;
    let why = build(&idp, |written| written["tls"] = "absent".into()).unwrap_err();
    assert!(why.contains("idp") && why.contains("absent"));
}

#[tokio::test]
async fn a_named_proxy_is_asked_to_connect_and_one_that_refuses_is_said() {
    let (idp, dir) = provider("localhost").await;
    let mut tasks = JoinSet::new();
    for (answer, works) in [("200 Connection established", true), ("403 Forbidden", false)] {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap();
        tasks.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((client, _)) = proxy.accept().await {
                tunnels.spawn(tunnel(client, answer));
            }
        });
        let connector = connector(&idp, |written| {
            trusting(&dir)(written);
            written["proxy"] = format!("http://{address}").into();
        });
        match connector.probe().await {
            ProbeResult::Answered { .. } => assert!(works),
            ProbeResult::Failed { why, no_answer } => {
                assert!(!works && !no_answer && why.contains("403"), "{why}");
            }
            result => panic!("{result:?}"),
        }
    }
}

async fn tunnel(mut client: TcpStream, answer: &'static str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.unwrap();
    if answer.starts_with("200") {
        let port = target.rsplit(':').next().unwrap();
        let mut upstream = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
        copy_bidirectional(&mut client, &mut upstream).await.ok();
    }
}
