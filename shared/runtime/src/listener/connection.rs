//! One connection's life: handshake, protocol, requests, limits, end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::limits::Limits;
use super::pulse::{InFlight, Pulse};
use super::sniff::{self, Protocol};
use super::stream::Watched;
use super::{Answer, Caller};

/// What a connection needs to live.
pub(super) struct Life<A> {
    pub(super) limits: Arc<Limits>,
    pub(super) answer: Arc<A>,
    pub(super) caller: Caller,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// Serves HTTP/1 on a stream that is not of the public listener (the admin interface), under the same limits.
pub(crate) async fn serve_http1<A: Answer>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    limits: Arc<Limits>,
    answer: Arc<A>,
    stop: CancellationToken,
) {
    let caller = Caller { socket: SocketAddr::from(([127, 0, 0, 1], 0)), tls: false };
    let life = Life { limits, answer, caller, stop, tasks: TaskTracker::new() };
    let opened = Instant::now();
    life.requests(stream, Protocol::Http1, Bytes::new(), opened).await;
}

impl<A: Answer> Life<A> {
    /// From accept to close.
    pub(super) async fn accepted(self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let opened = Instant::now();
        // Answers are small: waiting for more would only add 40 ms.
        let _ = stream.set_nodelay(true);
        match tls {
            Some(config) => self.encrypted(stream, config, opened).await,
            None => self.plain(stream, opened).await,
        }
    }

    async fn encrypted(self, stream: TcpStream, config: Arc<ServerConfig>, opened: Instant) {
        let peer = self.caller.socket.ip();
        let handshake = TlsAcceptor::from(config).accept(stream);
        let stream = tokio::select! {
            done = timeout_at(opened + self.limits.handshake, handshake) => match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => return tracing::debug!(%peer, "TLS handshake not in time"),
            },
            () = self.stop.cancelled() => return,
        };
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        // The head's time begins after the handshake, which has its own.
        self.requests(stream, protocol, Bytes::new(), Instant::now()).await;
    }

    async fn plain(self, mut stream: TcpStream, opened: Instant) {
        let sniffed = tokio::select! {
            sniffed = timeout_at(opened + self.limits.head, sniff::protocol(&mut stream)) => sniffed,
            () = self.stop.cancelled() => return,
        };
        match sniffed {
            Ok(Ok((protocol, ahead))) => self.requests(stream, protocol, ahead, opened).await,
            Ok(Err(_)) => {}
            Err(_) => tracing::debug!(peer = %self.caller.socket.ip(), "no first bytes in time"),
        }
    }

    async fn requests<S>(self, stream: S, protocol: Protocol, ahead: Bytes, opened: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pulse = Pulse::new(opened, protocol == Protocol::Http1);
        let io = TokioIo::new(Watched::new(stream, ahead, Arc::clone(&pulse)));
        let service = service_fn(|request: Request<Incoming>| {
            let mut in_flight = pulse.request_begins();
            let answer = Arc::clone(&self.answer).answer(self.caller, request);
            async move {
                let answer = answer.await;
                in_flight.answered();
                Ok::<_, Infallible>(answer.map(|body| Tracked { body, _in_flight: in_flight }))
            }
        });
        match protocol {
            Protocol::Http1 => {
                let connection = http1_builder(&self.limits).serve_connection(io, service);
                self.watch(connection, http1::Connection::graceful_shutdown, &pulse, true).await;
            }
            Protocol::Http2 => {
                let tasks = Tasks(self.tasks.clone());
                let connection = http2_builder(&self.limits, tasks).serve_connection(io, service);
                self.watch(connection, http2::Connection::graceful_shutdown, &pulse, false).await;
            }
        }
    }

    /// Drives the connection until it ends, outstays a limit, grows old, or the node stops.
    async fn watch<C: Future<Output = hyper::Result<()>>>(
        &self,
        connection: C,
        finish: impl Fn(Pin<&mut C>),
        pulse: &Pulse,
        cut_when_silent: bool,
    ) {
        let mut connection = pin!(connection);
        let mut end = pin!(tokio::time::sleep(self.limits.age));
        let mut ending = false;
        loop {
            tokio::select! {
                // The connection first: a request that has arrived is seen before the node's stop is.
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %self.caller.socket.ip(), %error, "connection failed");
                    }
                    return;
                }
                why = pulse.overdue(&self.limits) => {
                    tracing::debug!(peer = %self.caller.socket.ip(), ?why, "connection closed: not in time");
                    return;
                }
                () = self.stop.cancelled(), if !ending => {
                    if cut_when_silent && pulse.is_silent() {
                        return;
                    }
                    ending = true;
                    finish(connection.as_mut());
                    end.as_mut().reset(Instant::now() + LAST_REQUEST);
                }
                () = &mut end => {
                    if ending {
                        return;
                    }
                    ending = true;
                    finish(connection.as_mut());
                    end.as_mut().reset(Instant::now() + LAST_REQUEST);
                }
            }
        }
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's header timeout runs between requests too; `Pulse` keeps the time instead.
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    builder.max_buf_size(limits.head_bytes).max_headers(limits.headers).half_close(false);
    builder
}

fn http2_builder(limits: &Limits, tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder.timer(TokioTimer::new()).keep_alive_interval(limits.ping).keep_alive_timeout(limits.ping);
    builder.max_concurrent_streams(limits.streams).max_pending_accept_reset_streams(limits.pending_resets);
    builder.max_local_error_reset_streams(1024).max_send_buf_size(64 * 1024);
    builder.max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX) / 2);
    builder
}

/// Where HTTP/2 streams run: tracked, so that the listener's end waits for them.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// An answer's body that keeps its request in flight until it is done.
struct Tracked {
    body: Body,
    _in_flight: InFlight,
}

impl hyper::body::Body for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long the request in flight may take once a connection is to end.
const LAST_REQUEST: Duration = Duration::from_secs(60);
