//! The front door's own answers: short, the same for everybody, with the id under which the log knows more.

use axum::body::Body;
use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Body as _;
use mangrove_login::layout::{self, Frame, Reference};

use super::RequestId;

/// True if a person's browser asked.
pub(super) fn wants_html<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|a| a.contains("text/html"))
}

/// A refusal in words, under a heading that a page of it has.
pub(super) fn refusal(
    node: &str,
    status: StatusCode,
    words: Words,
    id: &RequestId,
    html: bool,
) -> Response<Body> {
    let (heading, more) = words;
    let mut response = if html {
        let frame = Frame { node, reference: Some(Reference::Request(&id.0)) };
        layout::notice(frame, status, heading, &[more], None)
    } else {
        let mut response = Response::new(Body::from(format!("{heading}. {more}\nRequest {}\n", id.0)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    };
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
        // What is left of the body is nobody's; the connection cannot be used again.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// True if nobody has said anything about an address that is not served, or not for this method.
pub(super) fn is_mute(response: &Response<Body>) -> bool {
    let nothing_there = matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
    nothing_there && response.body().size_hint().exact() == Some(0)
}

/// What happened, and what that means for a person.
pub(super) type Words = (&'static str, &'static str);

pub(super) const NOT_HERE: Words = (
    "There is no page here",
    "This is a service that signs people in to applications; it has no pages of its own.",
);
/// A request that does not say clearly whom it is for, and why.
pub(super) fn unclear(why: &'static str) -> Words {
    ("This request cannot be answered", why)
}

pub(super) const TOO_LARGE: Words = ("This request is too large", "More was sent than this service takes.");
pub(super) const NOT_WHOLE: Words = ("This request did not arrive whole", "The connection may be bad.");
pub(super) const TOO_SLOW: Words = ("This request did not arrive in time", "The connection may be slow.");
pub(super) const BROKEN: Words =
    ("Something went wrong here", "It is not your fault, and your account is not affected.");
pub(super) const TOOK_TOO_LONG: Words = ("This took too long", "Wait a moment before you try again.");
