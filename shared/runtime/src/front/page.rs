//! The front door's own answers: short, the same for everybody, with the id under which the log knows more.

use axum::body::Body;
use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};

use super::RequestId;

/// True if a person's browser asked.
pub(super) fn wants_html<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|a| a.contains("text/html"))
}

/// A refusal in words.
pub(super) fn refusal(status: StatusCode, words: &str, id: &RequestId, html: bool) -> Response<Body> {
    let id = &id.0;
    let (kind, text) = if html {
        ("text/html; charset=utf-8", PAGE.replace("{words}", words).replace("{id}", id))
    } else {
        ("text/plain; charset=utf-8", format!("{words}\nRequest {id}\n"))
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
        // What is left of the body is nobody's; the connection cannot be used again.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\"><title>{words}</title>\
<main><h1>{words}</h1><p>If it happens again, tell whoever runs this service: request <code>{id}</code>.</p></main>\
</html>\n";
