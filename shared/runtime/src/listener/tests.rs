//! Raw sockets against each limit. Times are short and the same for all; every test waits for the server to act.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;

/// Answers `ok`; `/slow` after a while, `/large` with more than fits into a socket, `/version` with the protocol's.
struct Echo;

impl Answer for Echo {
    async fn answer(self: Arc<Self>, _: Caller, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if request.uri().path() == "/version" {
            return Response::new(Body::from(format!("{:?}", request.version())));
        }
        if request.uri().path() == "/large" {
            return Response::new(Body::from(vec![b'x'; 32 * 1024 * 1024]));
        }
        Response::new(Body::from("ok"))
    }
}

fn short() -> Limits {
    Limits {
        head: Duration::from_millis(150),
        handshake: Duration::from_millis(150),
        idle: Duration::from_millis(400),
        write: Some(Duration::from_millis(150)),
        linger: Duration::from_millis(50),
        ping: Duration::from_millis(100),
        ..Limits::default()
    }
}

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    gauge: Gauge,
    ended: oneshot::Receiver<()>,
    _tasks: tokio::task::JoinSet<()>,
}

fn serve(limits: Limits) -> Server {
    serve_tls(limits, None)
}

fn serve_tls(limits: Limits, tls: Option<Arc<ServerConfig>>) -> Server {
    let socket = bind("127.0.0.1:0").unwrap();
    let listener = Listener::new(socket, tls, limits, Arc::new(|_| false), Arc::new(Echo)).unwrap();
    let (address, stop, gauge) = (listener.address(), CancellationToken::new(), listener.gauge());
    let (tell, ended) = oneshot::channel();
    let mut tasks = tokio::task::JoinSet::new();
    let token = stop.clone();
    tasks.spawn(async move {
        listener.run(token, Duration::from_secs(5), CancellationToken::new()).await;
        let _ = tell.send(());
    });
    Server { address, stop, gauge, ended, _tasks: tasks }
}

/// Sends the pieces with pauses of a third of the head's time, then reads until the server closes.
async fn exchange(server: &Server, pieces: &[&[u8]]) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        for piece in pieces {
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let reading = async { reading.read_to_end(&mut answer).await };
    tokio::select! {
        _ = reading => {}
        () = sending => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => panic!("the server keeps the connection open"),
    }
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[tokio::test]
async fn who_says_nothing_or_not_enough_is_sent_away_in_time() {
    let server = serve(short());
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let cases: &[(&str, &[&[u8]])] = &[
        ("nothing", &[]),
        ("one letter that both protocols begin with", &[b"P"]),
        ("half a preface", &[&preface[..14]]),
        ("a preface and then silence", &[preface]),
        ("half a request line", &[b"GET / HT"]),
        ("half a head", &[b"GET / HTTP/1.1\r\nHost: a\r\n"]),
        (
            "a head that trickles",
            &[
                b"GET / HTTP/1.1\r\n",
                b"A: 1\r\n",
                b"B: 2\r\n",
                b"C: 3\r\n",
                b"D: 4\r\n",
                b"E: 5\r\n",
                b"F: 6\r\n",
                b"G: 7\r\n",
            ],
        ),
    ];
    for (what, pieces) in cases {
        let (_, took) = exchange(&server, pieces).await;
        assert!(took >= Duration::from_millis(140), "{what}: only after its time, not after {took:?}");
        assert!(took < Duration::from_secs(3), "{what}: {took:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_may_be_silent_for_its_idle_time_and_not_for_its_heads() {
    let server = serve(short());
    let (answer, took) = exchange(&server, &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(3), "{took:?}");
    let half = [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"", b"", b"GET / HT"];
    let (_, took) = exchange(&server, &half).await;
    assert!(took < Duration::from_secs(3), "the second head has a deadline too: {took:?}");
}

#[tokio::test]
async fn too_many_headers_and_too_long_ones_are_431() {
    let server = serve(short());
    let headers: String = (0..65).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40 * 1024));
    for request in [many, long] {
        let (answer, _) = exchange(&server, &[request.as_bytes()]).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn who_takes_no_bytes_is_cut_off() {
    let server = serve(short());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let closed = async {
        while server.gauge.open() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // The connection is first seen, then gone, although the client holds it open.
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("cut off");
}

#[tokio::test]
async fn one_address_gets_its_number_of_connections_and_then_none() {
    let server = serve(Limits { per_address: 2, head: Duration::from_secs(5), ..short() });
    let held = [
        TcpStream::connect(server.address).await.unwrap(),
        TcpStream::connect(server.address).await.unwrap(),
    ];
    let (answer, took) = exchange(&server, &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
    assert_eq!(answer, "");
    assert!(took < Duration::from_secs(2), "closed at once: {took:?}");
    drop(held);
    let begins = async {
        while server.gauge.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), begins).await.expect("places are given back");
    let (answer, _) = exchange(&server, &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn above_the_total_connections_wait_instead_of_failing() {
    let server = serve(Limits { connections: 1, head: Duration::from_millis(300), ..short() });
    let _held = TcpStream::connect(server.address).await.unwrap();
    let (answer, took) = exchange(&server, &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(took >= Duration::from_millis(250), "only after the silent one was sent away: {took:?}");
}

#[tokio::test]
async fn an_old_connection_is_closed_after_the_request_in_flight() {
    let server = serve(Limits { age: Duration::from_millis(100), idle: Duration::from_secs(30), ..short() });
    let (answer, took) = exchange(&server, &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_silent_tls_client_is_sent_away_and_a_plain_one_too() {
    let (config, _) = crate::tls::tests::pair(&[]);
    let server = serve_tls(short(), Some(config));
    for pieces in [&[][..], &[&b"\x16\x03\x01"[..]], &[&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]]] {
        let (answer, took) = exchange(&server, pieces).await;
        assert!(!answer.starts_with("HTTP"), "{answer}");
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
}

/// One HTTP/2 request; the answer's text, and the connection to hold.
async fn http2<S>(stream: S, path: &str) -> (String, tokio::task::JoinSet<hyper::Result<()>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(connection);
    let request = Request::get(format!("http://a{path}")).body(Empty::<bytes::Bytes>::new()).unwrap();
    let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    // The sender lives as long as the connection: dropping it would end both.
    driving.spawn(async move {
        let _sender = sender;
        std::future::pending().await
    });
    (String::from_utf8(body.to_vec()).unwrap(), driving)
}

#[tokio::test]
async fn http2_is_served_by_its_preface_and_by_alpn_and_is_sent_away_when_idle() {
    let server = serve(short());
    let stream = TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    let (text, mut driving) = http2(stream, "/version").await;
    assert_eq!(text, "HTTP/2.0");
    let ended = tokio::time::timeout(Duration::from_secs(5), driving.join_next()).await;
    assert!(ended.is_ok(), "a client that answers pings and asks nothing");
    assert!(began.elapsed() >= Duration::from_millis(390), "only after the idle time: {:?}", began.elapsed());

    for (offered, version) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"][..], "http/1.1")] {
        let (config, client) = crate::tls::tests::pair(offered);
        let server = serve_tls(short(), Some(config));
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("root.localhost").unwrap();
        let stream = tokio_rustls::TlsConnector::from(client).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(version.as_bytes()));
        if version == "h2" {
            assert_eq!(http2(stream, "/version").await.0, "HTTP/2.0");
        }
    }
}

#[tokio::test]
async fn who_opens_no_window_for_an_http2_answer_is_cut_off() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let server = serve(short());
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let client = client.initial_stream_window_size(0);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(connection);
    let request = Request::get("http://a/").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let _answer = sender.send_request(request).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), driving.join_next()).await;
    assert!(ended.is_ok(), "an answer that nobody takes, while pings are answered");
}

#[tokio::test]
async fn a_request_in_flight_is_answered_although_the_node_stops() {
    let server = serve(short());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let seen = async {
        while server.gauge.open() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    seen.await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.stop.cancel();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    tokio::time::timeout(Duration::from_secs(3), server.ended).await.expect("then it ends").unwrap();
}

#[tokio::test]
async fn stopping_closes_idle_connections_at_once_and_lets_the_others_finish() {
    let server = serve(Limits { idle: Duration::from_secs(30), head: Duration::from_secs(30), ..short() });
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let silent = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(3), server.ended)
        .await
        .expect("well before the grace period")
        .unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
    drop((idle, silent));
}

#[tokio::test]
async fn a_port_in_use_is_said_in_these_words() {
    let server = serve(short());
    let error = bind(&server.address.to_string()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}: the port is in use by another process", server.address)
    );
    assert!(bind("nonsense").unwrap_err().to_string().contains("write for example"));
}
