//! Dialling where name servers lead astray, and through a proxy.

use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::dial::Dialer;
use super::{HttpClient, tls};
use crate::dns::tests::{Manner, Server};

const NAME: &str = "idp.example.";
const RIGHT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const WRONG: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Somebody who listens and holds a certificate.
struct Somebody {
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
    listener: TcpListener,
}

impl Somebody {
    async fn at(address: Ipv4Addr, port: u16, name: &str) -> Self {
        let certificate =
            rcgen::generate_simple_self_signed([name.trim_end_matches('.').to_owned()]).unwrap();
        Self { certificate, listener: TcpListener::bind((address, port)).await.unwrap() }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    fn serve(self, tasks: &mut JoinSet<()>) {
        let key = PrivateKeyDer::try_from(self.certificate.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tasks.spawn(async move {
            while let Ok((tcp, _)) = self.listener.accept().await {
                drop(acceptor.accept(tcp).await);
            }
        });
    }
}

/// Dials a provider that is where it always was, while name servers say `lie` from the second time on.
async fn dials_under(lie: Manner) -> bool {
    let mut tasks = JoinSet::new();
    let provider = Somebody::at(RIGHT, 0, NAME).await;
    let somebody_else = Somebody::at(WRONG, provider.port(), "evil.example").await;
    let port = provider.port();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(provider.certificate.cert.der().clone()).unwrap();
    roots.add(somebody_else.certificate.cert.der().clone()).unwrap();
    let dns = Server::start(Manner::At(RIGHT)).await;
    let tls = tls::client_config(&roots, None).unwrap();
    let dialer = Dialer { names: dns.names.clone(), tls, proxy: None };
    provider.serve(&mut tasks);
    somebody_else.serve(&mut tasks);
    let host = NAME.trim_end_matches('.');
    assert!(dialer.secured(host, port).await.is_ok(), "name servers say the truth at first");
    dns.is(lie);
    dialer.secured(host, port).await.is_ok()
}

#[tokio::test]
async fn a_name_server_that_leads_to_somebody_else_or_to_nobody_takes_no_provider_away() {
    for lie in [Manner::At(WRONG), Manner::At(Ipv4Addr::new(127, 0, 0, 3)), Manner::Denying, Manner::Dead] {
        assert!(dials_under(lie).await, "{lie:?}");
    }
}

#[tokio::test]
async fn nobody_is_believed_at_an_address_who_never_proved_to_be_there() {
    let mut tasks = JoinSet::new();
    let somebody_else = Somebody::at(WRONG, 0, "evil.example").await;
    let port = somebody_else.port();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(somebody_else.certificate.cert.der().clone()).unwrap();
    let dns = Server::start(Manner::At(WRONG)).await;
    let dialer =
        Dialer { names: dns.names.clone(), tls: tls::client_config(&roots, None).unwrap(), proxy: None };
    somebody_else.serve(&mut tasks);
    assert!(dialer.secured(NAME.trim_end_matches('.'), port).await.is_err());
    assert_eq!(dns.names.proven(NAME.trim_end_matches('.'), port), None);
}

/// Whether a connection opens through a proxy that answers so, if at all; and what it was asked.
async fn opens_through(credentials: &str, answer: Option<&str>) -> (bool, String) {
    let proxy = TcpListener::bind((RIGHT, 0)).await.unwrap();
    let url = format!("http://{credentials}127.0.0.1:{}", proxy.local_addr().unwrap().port());
    let client = HttpClient::new().unwrap().share(None, Some(&url.parse().unwrap())).unwrap();
    let answers = async move {
        let (mut tcp, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        match answer {
            Some(answer) => tcp.write_all(answer.as_bytes()).await.unwrap(),
            None => drop(tcp.read_u8().await), // the other side hangs up
        }
        String::from_utf8(head).unwrap()
    };
    let url = "https://idp.example/".parse().unwrap();
    let (opens, asked) = tokio::join!(client.opens(&url), answers);
    (opens.is_ok(), asked)
}

#[tokio::test]
async fn a_proxy_is_told_user_and_password_as_they_are_and_not_as_a_url_writes_them() {
    let (opens, asked) = opens_through("al%69ce:p%40ss%3A%25@", Some("HTTP/1.1 200 OK\r\n\r\n")).await;
    assert!(opens && asked.starts_with("CONNECT idp.example:443 HTTP/1.1\r\n"), "{asked}");
    let told = asked.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: Basic ")).unwrap();
    assert_eq!(BASE64_STANDARD.decode(told).unwrap(), b"alice:p@ss:%");
}

#[tokio::test]
async fn a_proxy_that_says_no_or_nothing_opens_nothing_and_is_not_waited_for_for_ever() {
    let (opens, asked) = opens_through("", Some("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")).await;
    assert!(!opens && !asked.contains("Authorization"), "{asked}");
    let (opens, _) = opens_through("", None).await;
    assert!(!opens);
}

#[tokio::test]
async fn a_proxy_opens_with_any_status_of_success_and_a_whole_head() {
    for (answer, is_success) in [
        ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), true),
        ("HTTP/1.0 204\r\n\r\n".to_owned(), true),
        ("HTTP/1.1 299 Fine\r\nVia: 1.1 proxy\r\n\r\n".to_owned(), true),
        ("HTTP/1.1 302 Found\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 2000 OK\r\n\r\n".to_owned(), false),
        (format!("HTTP/1.1 200 OK\r\nVia: {}\r\n\r\n", "x".repeat(8 * 1024)), false),
    ] {
        let (opens, _) = opens_through("", Some(&answer)).await;
        assert_eq!(opens, is_success, "{:?}", answer.lines().next());
    }
}
