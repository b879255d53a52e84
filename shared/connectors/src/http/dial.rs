//! One connection: name, address, proxy, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::error::{HttpBuildError, HttpError, NoAnswer};
use super::race::{STAGGER, race};
use crate::dns::Names;

/// How long all attempts to connect to a machine may take, its name included.
const CONNECT: Duration = Duration::from_millis(1_500);
/// Attempts at least: the same address is dialled again, because a lost first packet is sent again only after a second.
const ATTEMPTS: usize = 4;
/// A kept connection whose peer acknowledges nothing for so long is dead; a peer that is merely slow acknowledges.
const UNACKNOWLEDGED: Duration = Duration::from_millis(1_500);
/// Silence on a kept connection before the kernel asks whether the peer is there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long a proxy may take for its answer: it has to find and reach the machine itself.
const TUNNEL: Duration = Duration::from_secs(3);
/// Longest head of a proxy's answer, and how it ends.
const PROXY_HEAD: usize = 8 * 1024;
const END: &[u8] = b"\r\n\r\n";

/// Opens connections for one client.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(super) names: Arc<Names>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) proxy: Option<Arc<Proxy>>,
}

impl Dialer {
    async fn dial(self, uri: Uri) -> Result<Stream, HttpError> {
        let host = uri.host().ok_or_else(|| HttpError::NotAllowed("a URL without a host".into()))?.to_owned();
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tcp = self.reach(&host, port).await?;
        if !secure {
            return Ok(Stream { io: TokioIo::new(Box::new(tcp)), h2: false });
        }
        let stream = self.tls(&host, tcp).await?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream { io: TokioIo::new(Box::new(stream)), h2 })
    }

    /// A connection to `host`, through the proxy where there is one.
    pub(super) async fn reach(&self, host: &str, port: u16) -> Result<TcpStream, HttpError> {
        match &self.proxy {
            None => self.tcp(host, port).await,
            Some(proxy) => proxy.tunnel(self.tcp(&proxy.host, proxy.port).await?, host, port).await,
        }
    }

    /// An encrypted connection to `host`. Where name servers lead to nobody or to somebody else, the address at which it last
    /// proved itself is tried after theirs: the certificate says who is there, whoever named the address. Only for what no browser
    /// has to find: people ask the same name servers, and are not to be sent where they cannot go.
    pub(crate) async fn secured(&self, host: &str, port: u16) -> Result<TlsStream<TcpStream>, HttpError> {
        let proven = self.names.proven(host, port);
        let tcp = self.tcp_or(host, port, proven).await?;
        let address = tcp.peer_addr().map_err(|why| HttpError::from_io(&why))?.ip();
        let other = proven.filter(|proven| *proven != address);
        let handshake = self.tls(host, tcp);
        let stream = match other {
            Some(_) => {
                timeout(CONNECT, handshake).await.unwrap_or(Err(HttpError::NoAnswer(NoAnswer::Timeout)))
            }
            None => handshake.await,
        };
        let (refused, other) = match (stream, other) {
            (Ok(stream), _) => {
                self.names.prove(host, port, address);
                return Ok(stream);
            }
            (Err(why), None) => return Err(why),
            (Err(why), Some(other)) => (why, other),
        };
        let again = async { self.tls(host, connect_to(SocketAddr::new(other, port)).await?).await };
        let stream = timeout(CONNECT, again).await.ok().and_then(Result::ok).ok_or(refused.clone())?;
        tracing::warn!(host, %address, %other, why = %refused, "name servers lead to somebody else; the last address that proved itself is used");
        self.names.prove(host, port, other);
        Ok(stream)
    }

    /// Encrypts a connection to `host`.
    pub(crate) async fn tls(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, HttpError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|_| HttpError::Tls("the host is not a name for TLS".into()))?;
        let tls = TlsConnector::from(self.tls.clone());
        tls.connect(name, tcp).await.map_err(|why| HttpError::from_io(&why))
    }

    /// Resolves and connects; addresses race.
    pub(crate) async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, HttpError> {
        self.tcp_or(host, port, None).await
    }

    /// The same, with one more address behind those that name servers say.
    async fn tcp_or(&self, host: &str, port: u16, proven: Option<IpAddr>) -> Result<TcpStream, HttpError> {
        let connect = async {
            let mut found = self.names.addresses(host).await.unwrap_or_default();
            found.extend(proven.filter(|proven| !found.contains(proven)));
            let attempts = found.len().max(ATTEMPTS);
            let candidates =
                found.iter().cycle().take(attempts).map(|ip| SocketAddr::new(*ip, port)).collect();
            let won = race(candidates, STAGGER, connect_to).await;
            won.unwrap_or(Err(HttpError::NoAnswer(NoAnswer::Dns)))
        };
        timeout(CONNECT, connect).await.unwrap_or(Err(HttpError::NoAnswer(NoAnswer::Timeout)))
    }
}

async fn connect_to(address: SocketAddr) -> Result<TcpStream, HttpError> {
    let dial = async {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let socket = SockRef::from(&tcp);
        let keepalive =
            TcpKeepalive::new().with_time(KEEPALIVE).with_interval(Duration::from_secs(5)).with_retries(3);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
        io::Result::Ok(tcp)
    };
    dial.await.map_err(|why| HttpError::from_io(&why))
}

impl tower::Service<Uri> for Dialer {
    type Response = Stream;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<Stream, HttpError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// An HTTP proxy that a connector names; it only ever sees host and port.
pub(super) struct Proxy {
    host: String,
    port: u16,
    authorization: Option<String>,
}

impl Proxy {
    pub(super) fn parse(url: &Url) -> Result<Self, HttpBuildError> {
        if url.scheme() != "http" {
            return Err(HttpBuildError("proxy: only http:// proxies are spoken to".into()));
        }
        let host = match url.host() {
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(host) => host.to_string(),
            None => return Err(HttpBuildError("proxy: a URL without a host".into())),
        };
        let basic = || {
            let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
            let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
            let credentials = [&user[..], b":", &password].concat();
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
        };
        let authorization = (!url.username().is_empty()).then(basic);
        Ok(Self { host, port: url.port_or_known_default().unwrap_or(80), authorization })
    }

    /// `CONNECT` (RFC 9110 section 9.3.6: any 2xx opens the tunnel), within [`TUNNEL`]. The head is read byte by byte: what
    /// follows it belongs to the tunnel.
    async fn tunnel(&self, mut tcp: TcpStream, host: &str, port: u16) -> Result<TcpStream, HttpError> {
        let exchange = async {
            let authorization =
                self.authorization.as_ref().map(|value| format!("Proxy-Authorization: {value}\r\n"));
            let authorization = authorization.unwrap_or_default();
            let ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
            tcp.write_all(ask.as_bytes()).await?;
            let mut head = Vec::new();
            while !head.ends_with(END) && head.len() < PROXY_HEAD {
                head.push(tcp.read_u8().await?);
            }
            io::Result::Ok(head)
        };
        let head = timeout(TUNNEL, exchange).await.map_err(|_| HttpError::NoAnswer(NoAnswer::Timeout))?;
        let head = head.map_err(|why| HttpError::from_io(&why))?;
        if !head.ends_with(END) {
            return Err(HttpError::Proxy(format!("with more than {PROXY_HEAD} bytes of headers")));
        }
        let status = head.split(u8::is_ascii_whitespace).nth(1).unwrap_or_default();
        match status {
            [b'2', b'0'..=b'9', b'0'..=b'9'] => Ok(tcp),
            other => Err(HttpError::Proxy(crate::failure::printable(&String::from_utf8_lossy(other)))),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, with TLS or without.
pub(crate) struct Stream {
    io: TokioIo<Box<dyn Io>>,
    h2: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        if self.h2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
