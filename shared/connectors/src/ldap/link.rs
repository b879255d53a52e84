//! One connection to one server of a directory: dialled, encrypted, guarded, and driven only while somebody waits for it.
//!
//! The `ldap3` driver speaks over a pair of sockets in this process; [`guard`](super::guard) stands at the other end. Both
//! run inside [`Link::run`], so a dropped link is a closed connection and no task outlives it. Deadlines are the caller's:
//! an operation that is given up takes its link with it.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ldap3::controls::RawControl;
use ldap3::result::LdapError;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::ber::{self, Malformed};
use super::guard::{self, Allowance, Ended};
use super::search::{self, Found, Query};
use super::settings::{Encryption, Place};
use super::shape::{self, Asked, Message};
use crate::failure::printable;
use crate::http::{Dialer, HttpError, NoAnswer};

/// The request for password policy (draft-behera-ldap-password-policy section 6.1).
pub(super) const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// Why an operation came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// Nobody answered.
    #[error("no answer: {0}")]
    NoAnswer(NoAnswer),
    /// The TLS handshake or the server's certificate.
    #[error("TLS: {0}")]
    Tls(String),
    /// What came is no answer.
    #[error("not a usable answer: {0}")]
    Malformed(String),
    /// One server sent what is no answer, and the others could not be asked: no word about the directory, because whose name is
    /// typed may decide what a server sends.
    #[error("{garbage}; from another server: {other}")]
    Unsure {
        /// What the one sent.
        garbage: Box<Trouble>,
        /// Why the last of the others did not answer.
        other: Box<Trouble>,
    },
    /// The server answered with a result that ends it.
    #[error("{act}: {said}")]
    Refused {
        /// What was asked.
        act: Act,
        /// What it said.
        said: Said,
    },
}

/// What was asked of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Bind(Who),
    /// A search, at a base that an operator wrote.
    Search {
        base: String,
        who: Who,
    },
}

/// As whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The service account: what it is refused may be refused to everybody.
    Account,
    /// Whoever typed a password.
    Person,
}

impl Act {
    pub(super) fn who(&self) -> Who {
        match self {
            Self::Bind(who) | Self::Search { who, .. } => *who,
        }
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind(Who::Account) => f.write_str("bind as the service account"),
            Self::Bind(Who::Person) => f.write_str("bind of a person"),
            Self::Search { base, who: Who::Account } => write!(f, "search at {base}"),
            Self::Search { base, who: Who::Person } => write!(f, "search at {base} as the person"),
        }
    }
}

/// A result that a server gave: its code and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: u32,
    pub(super) words: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "result {}", self.code)?;
        if self.words.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", printable(self.words.trim_end_matches('\0')))
        }
    }
}

/// What a bind was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) said: Said,
    /// Controls of the answer: object identifier and value.
    pub(super) controls: Vec<(String, Vec<u8>)>,
}

/// A connection.
pub(super) struct Link {
    ldap: Ldap,
    engine: BoxFuture<'static, ()>,
    /// Why the guard left, once it has.
    ended: Arc<OnceLock<Ended>>,
    allowance: Allowance,
}

impl Link {
    /// Connects; nothing is bound yet.
    pub(super) async fn open(dialer: &Dialer, place: &Place) -> Result<Self, Trouble> {
        let (host, port) = (place.host.as_str(), place.port);
        let stream = match place.encryption {
            Encryption::None => Stream::Plain(dialer.tcp(host, port).await?),
            Encryption::Ldaps => Stream::Tls(Box::new(dialer.secured(host, port).await?)),
            Encryption::StartTls => {
                let plain = dialer.tcp(host, port).await?;
                Stream::Tls(Box::new(dialer.tls(host, start_tls(plain).await?).await?))
            }
        };
        Self::over(stream).await
    }

    async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Result<Self, Trouble> {
        let (ours, drivers) = StdUnixStream::pair().map_err(local)?;
        ours.set_nonblocking(true).map_err(local)?;
        let ours = UnixStream::from_std(ours).map_err(local)?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(drivers));
        let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///").await.map_err(|_| LOST)?;
        let ended = Arc::new(OnceLock::new());
        let (left, broken) = (ended.clone(), ended.clone());
        let allowance = Allowance::default();
        let bounds = allowance.clone();
        let guard = async move {
            let why = guard::stand_between(stream, ours, &bounds).await;
            left.get_or_init(|| why);
        };
        let driver = async move {
            if AssertUnwindSafe(driver.drive()).catch_unwind().await.is_err() {
                broken.get_or_init(|| Ended::Driver);
            }
        };
        // The driver outlives the guard: it may still have to hand over the last answer.
        let engine = async move {
            tokio::join!(guard, driver);
        };
        Ok(Self { ldap, engine: engine.boxed(), ended, allowance })
    }

    /// A simple bind. Whoever calls has refused empty passwords: the standard makes them anonymous, and successful.
    pub(super) async fn bind(&mut self, dn: &str, password: &str) -> Result<Bound, Trouble> {
        debug_assert!(!dn.is_empty() && !password.is_empty());
        let mut ldap = self.ldap.clone();
        let policy = RawControl { ctype: PASSWORD_POLICY.into(), crit: false, val: None };
        let result =
            self.run(async move { ldap.with_controls(vec![policy]).simple_bind(dn, password).await }).await?;
        let controls = result.ctrls.into_iter().map(|control| control.1);
        Ok(Bound {
            said: Said { code: result.rc, words: result.text },
            controls: controls.map(|control| (control.ctype, control.val.unwrap_or_default())).collect(),
        })
    }

    /// A search, with all its pages.
    pub(super) async fn search(&mut self, query: &Query) -> Result<Found, Trouble> {
        let mut ldap = self.ldap.clone();
        let found = self.run(async move { search::search(&mut ldap, query).await }).await?;
        found.map_err(|why| Ended::from(why).into())
    }

    /// A search on a connection that was kept; `None` if nothing of an answer has come within `patience`.
    pub(super) async fn search_if_alive(
        &mut self,
        query: &Query,
        patience: Duration,
    ) -> Option<Result<Found, Trouble>> {
        let allowance = self.allowance.clone();
        let mut search = pin!(self.search(query));
        match timeout(patience, &mut search).await {
            Ok(done) => Some(done),
            Err(_) if allowance.is_spent_from() => Some(search.await),
            Err(_) => None,
        }
    }

    /// Whether the connection still stands, as far as can be seen without asking.
    pub(super) fn stands(&mut self) -> bool {
        let _ = self.engine.as_mut().now_or_never();
        self.ended.get().is_none()
    }

    /// Drives the connection until the operation has ended.
    async fn run<T>(
        &mut self,
        operation: impl Future<Output = Result<T, LdapError>> + Send,
    ) -> Result<T, Trouble> {
        self.allowance.renew();
        let operation = AssertUnwindSafe(operation).catch_unwind();
        tokio::pin!(operation);
        tokio::select! {
            biased;
            done = &mut operation => return self.finished(done),
            () = &mut self.engine => {}
        }
        self.engine = std::future::pending().boxed();
        let done = operation.now_or_never();
        done.map_or_else(|| Err(self.why_it_ended()), |done| self.finished(done))
    }

    fn finished<T>(&self, done: std::thread::Result<Result<T, LdapError>>) -> Result<T, Trouble> {
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(LdapError::FilterParsing)) => Err(Trouble::Malformed("our own filter".into())),
            Ok(Err(_)) => Err(self.why_it_ended()),
            Err(_) => Err(Ended::Driver.into()),
        }
    }

    fn why_it_ended(&self) -> Trouble {
        self.ended.get().cloned().map_or(LOST, Into::into)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

const LOST: Trouble = Trouble::NoAnswer(NoAnswer::Reset);

fn local(_: io::Error) -> Trouble {
    LOST
}

impl From<Ended> for Trouble {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Lost(io::ErrorKind::TimedOut) => Self::NoAnswer(NoAnswer::Timeout),
            Ended::Lost(io::ErrorKind::InvalidData) => Self::Tls("the connection was tampered with".into()),
            Ended::Lost(_) | Ended::Goodbye => LOST,
            Ended::Malformed(Malformed(why)) => Self::Malformed(why.into()),
            Ended::Driver => Self::Malformed("one that the driver cannot read".into()),
        }
    }
}

impl From<HttpError> for Trouble {
    fn from(why: HttpError) -> Self {
        match why {
            HttpError::NoAnswer(how) => Self::NoAnswer(how),
            other => Self::Tls(other.to_string().trim_start_matches("TLS: ").to_owned()),
        }
    }
}

/// StartTLS (RFC 4511 section 4.14). Not one octet behind the answer is accepted: it came before the encryption did.
async fn start_tls(mut tcp: TcpStream) -> Result<TcpStream, Trouble> {
    const OID: &[u8] = b"1.3.6.1.4.1.1466.20037";
    const LARGEST: usize = 4 * 1024;
    let mut request = vec![0x30, 29, 0x02, 1, 1, 0x77, 24, 0x80, 22];
    request.extend(OID);
    tcp.write_all(&request).await.map_err(Ended::from)?;
    let mut answer = Vec::new();
    let length = loop {
        if let Some(length) = ber::message(&answer).map_err(Ended::from)? {
            break length;
        }
        if answer.len() > LARGEST {
            return Err(Ended::Malformed(Malformed("a long answer to StartTLS")).into());
        }
        if tcp.read_buf(&mut answer).await.map_err(Ended::from)? == 0 {
            return Err(LOST);
        }
    };
    if length != answer.len() {
        return Err(Ended::Malformed(Malformed("octets between StartTLS and TLS")).into());
    }
    let asked = |id| (id == 1).then_some(Asked::StartTls);
    match shape::answer(&answer, asked).map_err(Ended::from)? {
        Message::End { code: 0, .. } => Ok(tcp),
        Message::End { code, .. } => {
            let said = Said { code, words: String::new() };
            Err(Trouble::Tls(format!("StartTLS was answered with {said}")))
        }
        Message::Part | Message::Goodbye => Err(LOST),
    }
}

/// A connection, encrypted or not.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
