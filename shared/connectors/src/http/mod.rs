//! The one outgoing HTTP client of the process.
//!
//! Every request has a deadline to connect, a deadline in all and a cap on the answer. Redirects are never followed, the
//! environment's proxies never used, answers never decompressed. `http://` leaves this machine only where a caller says so
//! (a health endpoint carries no secret); everything else is HTTPS or loopback. A client's connections are kept, and
//! thrown away together as soon as a request on them timed out: a path that swallows one request swallows the next.

mod dial;
#[cfg(test)]
mod dial_tests;
mod error;
mod race;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mangrove_config::http::TlsProfile;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use url::{Host, Url};

pub(crate) use self::dial::Dialer;
use self::dial::Proxy;
pub use self::error::{HttpBuildError, HttpError, NoAnswer};
use crate::dns::services::Services;
use crate::dns::{Names, NoAddress, is_localhost};

/// How long a kept connection may be silent.
const IDLE: Duration = Duration::from_secs(90);
/// Kept connections to one host.
const IDLE_PER_HOST: usize = 32;
/// Headers of an answer, in number and in bytes.
const HEADERS: usize = 100;
const HEAD_BYTES: usize = 64 * 1024;

/// The outgoing HTTP client. One is made per process; each connector takes a share of it with its own trust, proxy and
/// connections.
///
/// [`send`](Self::send) has the shape that `openidconnect` asks of an HTTP client, so a closure over it is one.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
    dialer: Dialer,
    kept: Arc<ArcSwap<Hyper>>,
}

struct Shared {
    names: Arc<Names>,
    roots: RootCertStore,
}

type Hyper = Client<Dialer, Full<Bytes>>;

/// What one request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands, TLS included; a kept connection stands already.
    pub connect: Duration,
    /// From the call to the last byte of the answer.
    pub total: Duration,
    /// Bytes of the answer's body.
    pub body: usize,
    /// Allows `http://` to other machines: only for requests that neither carry nor fetch anything of worth.
    pub plain_http: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            total: Duration::from_secs(5),
            body: 1024 * 1024,
            plain_http: false,
        }
    }
}

impl Limits {
    /// For documents that are fetched and not posted to: discovery, keys.
    pub(crate) const DOCUMENT: Self = Self {
        connect: Duration::from_secs(2),
        total: Duration::from_secs(4),
        body: 512 * 1024,
        plain_http: false,
    };
}

impl HttpClient {
    /// Reads the operating system's authorities and name resolution; connects nowhere.
    ///
    /// # Errors
    /// TLS cannot be set up at all.
    pub fn new() -> Result<Self, HttpBuildError> {
        let shared = Shared { names: Names::of_system(), roots: tls::system_roots() };
        let tls = tls::client_config(&shared.roots, None)?;
        Self::made(Arc::new(shared), tls, None)
    }

    /// A share for one connector: its trust, its proxy, connections of its own.
    ///
    /// # Errors
    /// The profile's files cannot be read or used, or the proxy cannot be spoken to.
    pub fn share(&self, profile: Option<&TlsProfile>, proxy: Option<&Url>) -> Result<Self, HttpBuildError> {
        Self::made(self.shared.clone(), tls::client_config(&self.shared.roots, profile)?, proxy)
    }

    /// The same, and nobody is trusted but the authority that the profile names.
    ///
    /// # Errors
    /// As [`Self::share`].
    pub(crate) fn share_within(
        &self,
        profile: &TlsProfile,
        proxy: Option<&Url>,
    ) -> Result<Self, HttpBuildError> {
        Self::made(self.shared.clone(), tls::client_config(&RootCertStore::empty(), Some(profile))?, proxy)
    }

    /// Who offers a service, as [`Names::services`] reads it.
    pub(crate) async fn services(&self, name: &str, suffix: &str, node: &str) -> Result<Services, NoAddress> {
        self.shared.names.services(name, suffix, node).await
    }

    fn made(
        shared: Arc<Shared>,
        tls: Arc<ClientConfig>,
        proxy: Option<&Url>,
    ) -> Result<Self, HttpBuildError> {
        let proxy = proxy.map(Proxy::parse).transpose()?.map(Arc::new);
        let dialer = Dialer { names: shared.names.clone(), tls, proxy };
        let kept = Arc::new(ArcSwap::from_pointee(hyper(dialer.clone())));
        Ok(Self { shared, dialer, kept })
    }

    /// What opens connections for another protocol: the same names, races and trust, no proxy.
    ///
    /// # Errors
    /// The profile's files cannot be read or used.
    pub(crate) fn dialer(&self, profile: Option<&TlsProfile>) -> Result<Dialer, HttpBuildError> {
        let mut tls = (*tls::client_config(&self.shared.roots, profile)?).clone();
        tls.alpn_protocols.clear();
        Ok(Dialer { names: self.shared.names.clone(), tls: Arc::new(tls), proxy: None })
    }

    /// Makes a connection to where a URL points, and says nothing on it.
    ///
    /// # Errors
    /// [`HttpError::NoAnswer`] where none can be made; a proxy's refusal. It has no deadline of its own.
    pub(crate) async fn opens(&self, url: &Url) -> Result<(), HttpError> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(HttpError::NoAnswer(NoAnswer::Dns));
        };
        self.dialer.reach(host, port).await.map(drop)
    }

    /// Sends one request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// See [`HttpError`]; after a timeout the next request gets a new connection.
    pub async fn send(
        &self,
        request: Request<Vec<u8>>,
        limits: &Limits,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        may_leave(request.uri(), limits)?;
        let mut request = request.map(|body| Full::new(Bytes::from(body)));
        let agent = HeaderValue::from_static(concat!("mangrove/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(header::USER_AGENT).or_insert(agent);
        let mut connection = capture_connection(&mut request);
        let unconnected = async {
            let connected = timeout(limits.connect, connection.wait_for_connection_metadata()).await.is_ok();
            if connected {
                std::future::pending::<()>().await;
            }
        };
        let answer = timeout(limits.total, exchange(self.kept.load().request(request), limits.body));
        let result = tokio::select! {
            answer = answer => answer.unwrap_or(Err(HttpError::NoAnswer(NoAnswer::Timeout))),
            () = unconnected => Err(HttpError::NoAnswer(NoAnswer::Timeout)),
        };
        if matches!(result, Err(HttpError::NoAnswer(NoAnswer::Timeout))) {
            self.kept.store(Arc::new(hyper(self.dialer.clone())));
        }
        result
    }

    /// Fetches a document: GET, and anything but 200 is an error.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn fetch(&self, url: &Url, limits: &Limits) -> Result<Vec<u8>, HttpError> {
        let request = Request::get(url.as_str()).header(header::ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|_| HttpError::NotAllowed("not a URL for HTTP".into()))?;
        let response = self.send(request, limits).await?;
        match response.status().as_u16() {
            200 => Ok(response.into_body()),
            other => Err(HttpError::Status(other)),
        }
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// Whether a URL may be used without TLS: it stays on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => is_localhost(name),
        None => false,
    }
}

/// Whether an upstream's URL is acceptable: `https`, or `http` on this machine.
pub(crate) fn is_acceptable(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn may_leave(uri: &http::Uri, limits: &Limits) -> Result<(), HttpError> {
    let url = Url::parse(&uri.to_string()).map_err(|_| HttpError::NotAllowed("not a URL for HTTP".into()))?;
    match url.scheme() {
        _ if is_acceptable(&url) => Ok(()),
        "http" if limits.plain_http => Ok(()),
        "http" => Err(HttpError::NotAllowed("http:// to another machine is refused: use https://".into())),
        _ => Err(HttpError::NotAllowed("only https:// is spoken".into())),
    }
}

fn hyper(dialer: Dialer) -> Hyper {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .http1_max_headers(HEADERS)
        .http1_max_buf_size(HEAD_BYTES)
        .http2_max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .http2_keep_alive_interval(KEEPALIVE_H2)
        .http2_keep_alive_timeout(KEEPALIVE_H2)
        .build(dialer)
}

/// How often an HTTP/2 peer is asked whether it is there while a request waits.
const KEEPALIVE_H2: Duration = Duration::from_secs(2);

async fn exchange(
    response: hyper_util::client::legacy::ResponseFuture,
    limit: usize,
) -> Result<Response<Vec<u8>>, HttpError> {
    let response = response.await.map_err(|why| HttpError::from_hyper(&why))?;
    let announced = response.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(HttpError::TooLarge { limit });
    }
    let (head, body) = response.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|why| {
        if why.is::<LengthLimitError>() {
            HttpError::TooLarge { limit }
        } else {
            HttpError::from_hyper(&*why)
        }
    })?;
    Ok(Response::from_parts(head, body.to_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine_unless_a_caller_says_so() {
        let leaves = |url: &str, plain_http| {
            may_leave(&url.parse().unwrap(), &Limits { plain_http, ..Limits::default() })
        };
        assert!(leaves("https://idp.example/", false).is_ok());
        assert!(leaves("http://127.0.0.1:8080/", false).is_ok());
        assert!(leaves("http://[::1]:8080/", false).is_ok());
        assert!(leaves("http://localhost/", false).is_ok());
        assert!(leaves("http://idp.example/", false).is_err());
        assert!(leaves("http://localhost.example/", false).is_err());
        assert!(leaves("http://monitor.example/", true).is_ok());
        assert!(leaves("ftp://idp.example/", true).is_err());
    }
}
