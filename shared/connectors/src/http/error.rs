//! What can go wrong on the way to an upstream. No message ever shows a body, a query or a header's value.

use mangrove_config::UnknownProfile;
use std::error::Error;
use std::io;

/// A request that got no answer that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nobody answered.
    #[error("no answer: {0}")]
    NoAnswer(NoAnswer),
    /// The TLS handshake or the peer's certificate.
    #[error("TLS: {0}")]
    Tls(String),
    /// The answer is larger than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// An answer with a status that is not the one expected.
    #[error("status {0}")]
    Status(u16),
    /// The proxy refused to connect.
    #[error("the proxy answered {0}")]
    Proxy(String),
    /// Not HTTP, or beyond the limits on heads.
    #[error("not a usable HTTP answer: {0}")]
    Malformed(String),
    /// The request is not allowed to leave: plain HTTP to another machine, or not HTTP at all.
    #[error("{0}")]
    NotAllowed(String),
}

/// How nobody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Every address refused, or there is no route.
    #[error("refused")]
    Refused,
    /// A deadline passed.
    #[error("timed out")]
    Timeout,
    /// The name has no address.
    #[error("name not resolved")]
    Dns,
    /// The connection ended before the answer did.
    #[error("connection lost")]
    Reset,
}

/// Settings from which no client can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HttpBuildError(pub(crate) String);

impl From<UnknownProfile> for HttpBuildError {
    fn from(why: UnknownProfile) -> Self {
        Self(why.to_string())
    }
}

impl HttpError {
    /// Whether nobody answered at all: the only kind that is a sample of health.
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::NoAnswer(_))
    }

    /// Reads hyper's error; what our own dialer said is found inside.
    pub(super) fn from_hyper(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(inner) = cause {
            if let Some(ours) = inner.downcast_ref::<Self>() {
                return ours.clone();
            }
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Self::from_io(io);
            }
            if let Some(hyper) = inner.downcast_ref::<hyper::Error>() {
                if hyper.is_parse() || hyper.is_parse_too_large() {
                    return Self::Malformed(hyper.to_string());
                }
                if hyper.source().is_none() {
                    return Self::NoAnswer(NoAnswer::Reset);
                }
            }
            cause = inner.source();
        }
        Self::NoAnswer(NoAnswer::Reset)
    }

    /// Reads an error of a socket or of TLS on it.
    pub(super) fn from_io(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls.to_string());
        }
        Self::NoAnswer(match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::NetworkDown => NoAnswer::Refused,
            io::ErrorKind::TimedOut => NoAnswer::Timeout,
            _ => NoAnswer::Reset,
        })
    }
}
