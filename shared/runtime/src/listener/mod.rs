//! The accept loop: ours, because no library's has limits.
//!
//! Owns: binding, accepting, counting, the time until a protocol is known, and a connection's life with every limit of
//! [`Limits`]. Does not own what is answered: that is behind [`Answer`].

mod connection;
mod count;
mod limits;
mod pulse;
mod sniff;
mod stream;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use count::Counter;
pub use limits::Limits;

pub(crate) use connection::serve_http1;

/// Who is at the other end of a connection, as the socket says.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Address of the socket's other end: a client, or a load balancer.
    pub socket: SocketAddr,
    /// The socket itself is encrypted.
    pub tls: bool,
}

/// What answers requests.
pub trait Answer: Send + Sync + 'static {
    /// Answers one request.
    fn answer(
        self: Arc<Self>,
        caller: Caller,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// A bound socket with everything that its connections need.
pub struct Listener<A> {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    limits: Arc<Limits>,
    /// Load balancers: not counted by address.
    exempt: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    answer: Arc<A>,
    counter: Counter,
}

/// Counts of a listener, for the status snapshot.
#[derive(Clone)]
pub struct Gauge(Counter);

impl Gauge {
    /// Connections open now.
    pub fn open(&self) -> usize {
        // The loop itself holds one place while it waits for the next connection.
        self.0.open().saturating_sub(1)
    }
}

/// A listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// What is written is not an address.
    #[error("`{0}` is not an address to listen on; write for example `0.0.0.0:9443`")]
    Address(String),
    /// Somebody else listens there.
    #[error("cannot listen on {0}: the port is in use by another process")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {0}: {1}")]
    Io(SocketAddr, std::io::Error),
}

/// Binds a TCP address. Nothing is accepted before [`Listener::run`].
///
/// # Errors
/// When the address cannot be read, is in use, or not allowed.
pub fn bind(address: &str) -> Result<TcpListener, BindError> {
    let address = parse_address(address).ok_or_else(|| BindError::Address(address.to_owned()))?;
    let refuse = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Io(address, error),
    };
    let socket = std::net::TcpListener::bind(address).map_err(refuse)?;
    socket.set_nonblocking(true).map_err(refuse)?;
    // Raises the backlog from the standard library's 128; a repeated listen is allowed.
    socket2::SockRef::from(&socket).listen(1024).map_err(refuse)?;
    TcpListener::from_std(socket).map_err(refuse)
}

/// `host:port`, `:port` (every address, as Go writes it), with `localhost` for the loopback address.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    match host {
        "" => Some(SocketAddr::from(([0, 0, 0, 0], port))),
        "localhost" => Some(SocketAddr::from(([127, 0, 0, 1], port))),
        _ => text.parse().ok(),
    }
}

impl<A: Answer> Listener<A> {
    /// Puts a listener together.
    ///
    /// # Errors
    /// When the socket does not know its own address.
    pub fn new(
        socket: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        limits: Limits,
        exempt: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
        answer: Arc<A>,
    ) -> std::io::Result<Self> {
        let address = socket.local_addr()?;
        let counter = Counter::new(limits.connections, limits.per_address);
        Ok(Self { socket, address, tls, limits: Arc::new(limits), exempt, answer, counter })
    }

    /// The address that it listens on, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A view of its counts.
    pub fn gauge(&self) -> Gauge {
        Gauge(self.counter.clone())
    }

    /// Accepts until `stop`; then closes the socket, lets requests in flight end within `grace` or until `hurry`, and
    /// cuts off the rest.
    pub async fn run(self, stop: CancellationToken, grace: Duration, hurry: CancellationToken) {
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        let _cut_on_drop = cut.clone().drop_guard();
        let mut backoff = Backoff::default();
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = self.counter.place() => place,
            };
            let (stream, peer) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => match accepted {
                    Ok(accepted) => { backoff = Backoff::default(); accepted }
                    Err(error) => { backoff.after(&error).await; continue; }
                },
            };
            let of_address = match (self.exempt)(peer.ip()) {
                true => None,
                false => match self.counter.of_address(peer.ip()) {
                    Some(place) => Some(place),
                    None => {
                        tracing::debug!(peer = %peer.ip(), "connection refused: too many of this address");
                        continue;
                    }
                },
            };
            let life = self.connection(stream, peer, &stop, &connections);
            let cut = cut.clone();
            connections.spawn(async move {
                tokio::select! { () = life => {}, () = cut.cancelled() => {} }
                drop((place, of_address));
            });
        }
        drop(self.socket);
        connections.close();
        tokio::select! {
            () = connections.wait() => {}
            () = tokio::time::sleep(grace) => {
                tracing::warn!(connections = connections.len(), "grace period over: cutting connections off");
            }
            () = hurry.cancelled() => {}
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        socket: SocketAddr,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> impl Future<Output = ()> + Send + 'static {
        let life = connection::Life {
            limits: Arc::clone(&self.limits),
            answer: Arc::clone(&self.answer),
            caller: Caller { socket, tls: self.tls.is_some() },
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        let tls = self.tls.clone();
        async move { life.accepted(stream, tls).await }
    }
}

/// Waits after a failed accept: errors of one connection cost nothing, a process without file descriptors must not spin.
#[derive(Default)]
struct Backoff(Duration);

impl Backoff {
    async fn after(&mut self, error: &std::io::Error) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return;
        }
        self.0 = (self.0 * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
        tracing::error!(%error, wait_ms = self.0.as_millis(), "cannot accept connections");
        tokio::time::sleep(self.0).await;
    }
}

#[cfg(test)]
mod tests;
