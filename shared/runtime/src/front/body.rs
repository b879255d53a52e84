//! How large a request's body may be, and how long it may take. The rooms behind read as they like; the fault is
//! remembered here, so that the answer is 413 or 408 whatever they made of a body that broke off.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, StatusCode};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::listener::Limits;

/// What became of a body.
#[derive(Clone)]
pub(super) struct Fate(Arc<AtomicU8>);

struct Limited {
    inner: Incoming,
    left: usize,
    deadline: Option<Pin<Box<Sleep>>>,
    fate: Fate,
}

#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body did not arrive in time")]
    Late,
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
}

/// Puts limits around the body.
///
/// # Errors
/// 413 where the length that the request announces is already too much.
pub(super) fn limited(
    request: Request<Incoming>,
    limits: &Limits,
) -> Result<(Request<Body>, Fate), StatusCode> {
    let (parts, inner) = request.into_parts();
    if inner.is_end_stream() {
        return Ok((Request::from_parts(parts, Body::empty()), Fate::new(ARRIVED)));
    }
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let fate = Fate::new(UNDER_WAY);
    let deadline = limits.body.map(|limit| Box::pin(sleep(limit)));
    let body = Limited { inner, left: limits.body_bytes, deadline, fate: fate.clone() };
    Ok((Request::from_parts(parts, Body::new(body)), fate))
}

impl Fate {
    fn new(fate: u8) -> Self {
        Self(Arc::new(AtomicU8::new(fate)))
    }

    fn set(&self, fate: u8) {
        self.0.store(fate, Ordering::Relaxed);
    }

    /// True if the body has arrived whole.
    pub(super) fn arrived(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ARRIVED
    }

    /// The status for a body that must not be used.
    pub(super) fn fault(&self) -> Option<StatusCode> {
        match self.0.load(Ordering::Relaxed) {
            TOO_LARGE => Some(StatusCode::PAYLOAD_TOO_LARGE),
            LATE => Some(StatusCode::REQUEST_TIMEOUT),
            BROKEN => Some(StatusCode::BAD_REQUEST),
            _ => None,
        }
    }
}

impl hyper::body::Body for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.fate.fault().is_some() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(None) => {
                this.fate.set(ARRIVED);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.fate.set(BROKEN);
                Poll::Ready(Some(Err(BodyError::Broken(error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, Bytes::len);
                if size > this.left {
                    this.fate.set(TOO_LARGE);
                    return Poll::Ready(Some(Err(BodyError::TooLarge)));
                }
                this.left -= size;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Pending => match this.deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => {
                    this.fate.set(LATE);
                    Poll::Ready(Some(Err(BodyError::Late)))
                }
                _ => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

const UNDER_WAY: u8 = 0;
const ARRIVED: u8 = 1;
const TOO_LARGE: u8 = 2;
const LATE: u8 = 3;
const BROKEN: u8 = 4;
