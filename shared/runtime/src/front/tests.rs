//! Raw requests through the whole front door.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::listener::{Listener, bind};

struct Door {
    address: SocketAddr,
    front: Arc<Front>,
    _tasks: tokio::task::JoinSet<()>,
}

async fn whoami(Extension(peer): Extension<Peer>, headers: HeaderMap) -> String {
    let names: Vec<_> = headers.keys().map(ToString::to_string).collect();
    format!("{} secure={} headers={}", peer.address, peer.secure, names.join(","))
}

async fn stuck() -> &'static str {
    std::future::pending().await
}

async fn broken() -> &'static str {
    panic!("with a secret: hunter2")
}

fn open(trusted: &[&str], limits: Limits) -> Door {
    let router = Router::new()
        .route("/whoami", any(whoami))
        .route("/echo", post(|body: Bytes| async move { format!("{} bytes", body.len()) }))
        .route("/stuck", any(stuck))
        .route("/broken", get(broken));
    let front = Arc::new(Front {
        node: "node.example".into(),
        router,
        trusted: trusted.iter().map(|network| network.parse().unwrap()).collect(),
        limits: limits.clone(),
        status: Arc::default(),
        status_path: "/status".into(),
        access_log: true,
        strict_transport: true,
    });
    let socket = bind("127.0.0.1:0").unwrap();
    let listener = Listener::new(socket, None, limits, Arc::new(|_| false), Arc::clone(&front)).unwrap();
    let address = listener.address();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(listener.run(CancellationToken::new(), Duration::ZERO, CancellationToken::new()));
    Door { address, front, _tasks: tasks }
}

fn short() -> Limits {
    Limits {
        body: Some(Duration::from_millis(150)),
        endpoint: Some(Duration::from_millis(400)),
        body_bytes: 1000,
        linger: Duration::from_millis(50),
        ..Limits::default()
    }
}

/// Sends, and reads to the end of the connection.
async fn send(door: &Door, request: &str) -> String {
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer and an end");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get_request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: root.localhost\r\n{headers}Connection: close\r\n\r\n")
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let door = open(&[], short());
    let cases = [
        ("GET /whoami HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        ("GET /whoami HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
        ("GET /whoami HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        ("GET http://b/whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        ("GET /status HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n", 400),
        ("GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
        ("GET /status HTTP/1.0\r\n\r\n", 200),
    ];
    for (request, status) in cases {
        let answer = send(&door, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}"))
                || answer.starts_with(&format!("HTTP/1.0 {status}")),
            "{request:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn forwarded_headers_of_a_stranger_change_nothing_and_reach_nobody() {
    let written = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n\
                   Forwarded: for=203.0.113.9;host=evil.example;proto=https\r\nX-Real-IP: 203.0.113.9\r\n";
    let answer = send(&open(&[], short()), &get_request("/whoami", written)).await;
    assert!(answer.ends_with("127.0.0.1 secure=false headers=host,connection"), "{answer}");
    assert!(!answer.contains("strict-transport-security"), "{answer}");
    let answer = send(&open(&["127.0.0.0/8"], short()), &get_request("/whoami", written)).await;
    assert!(
        answer.ends_with("203.0.113.9 secure=true headers=host,connection"),
        "a named proxy is believed: {answer}"
    );
    assert!(answer.contains("strict-transport-security"), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_408_and_one_that_is_too_large_413() {
    let door = open(&[], short());
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    let began = Instant::now();
    let answer = send(&door, &format!("{head}Content-Length: 500\r\n\r\nhalf")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(3));
    let answer = send(&door, &format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let answer = send(&door, &format!("{head}Content-Length: 1001\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let long = "x".repeat(1200);
    let answer =
        send(&door, &format!("{head}Transfer-Encoding: chunked\r\n\r\n4b0\r\n{long}\r\n0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let answer = send(&door, &format!("{head}Content-Length: 4\r\nConnection: close\r\n\r\nfour")).await;
    assert!(answer.ends_with("4 bytes"), "{answer}");
}

#[tokio::test]
async fn an_endpoint_that_is_stuck_is_503_and_one_that_panics_500_without_its_words() {
    let door = open(&[], short());
    let answer = send(&door, &get_request("/stuck", "")).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let answer = send(&door, &get_request("/broken", "Accept: text/html\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("<h1>"), "{answer}");
    assert!(!answer.contains("hunter2"), "{answer}");
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("a request id");
    assert!(answer.contains(&format!("<code>{id}</code>")), "{answer}");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let door = open(&[], short());
    for path in ["/whoami", "/status", "/nowhere"] {
        let answer = send(&door, &get_request(path, "")).await;
        for header in [
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'",
            "x-request-id: ",
        ] {
            assert!(answer.contains(header), "{path}: {header}: {answer}");
        }
    }
}

#[tokio::test]
async fn status_says_up_until_the_node_is_told_to_leave() {
    let door = open(&[], short());
    let answer = send(&door, &get_request("/status", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"status\":\"up\"}"), "{answer}");
    door.front.status.leave();
    let answer = send(&door, &get_request("/status", "")).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let answer = send(&door, &get_request("/whoami", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "the rest is served on: {answer}");
}

/// Lines of the log, as text.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_access_log_has_the_path_and_neither_query_nor_body_nor_cookies() {
    let heard = Heard::default();
    let writer = heard.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let door = open(&[], short());
    let body = "password=hunter2";
    let request = format!(
        "POST /echo?code=SplxlOBe HTTP/1.1\r\nHost: a\r\nCookie: maverics_session=abc123\r\n\
         Authorization: Bearer tok3n\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    send(&door, &request).await;
    send(&door, &get_request("/status", "")).await;
    let log = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("access")).expect("an access line");
    for wanted in ["method=POST", "path=/echo", "status=200", "peer=127.0.0.1", "duration_ms=", "request_id="]
    {
        assert!(line.contains(wanted), "{wanted}: {line}");
    }
    for secret in ["SplxlOBe", "hunter2", "abc123", "tok3n"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(!log.contains("/status"), "balancers' looks say nothing while all is well: {log}");
}
