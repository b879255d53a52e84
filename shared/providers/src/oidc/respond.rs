//! Responses: OAuth errors as JSON, and the headers that every answer of this protocol carries.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mangrove_cache::CacheError;
use serde::Serialize;

/// How long whoever met a full or failing cache waits, seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Headers of every answer but discovery and keys: what is in it is for one reader, once (RFC 6749 section 5.1).
static PRIVATE: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::PRAGMA, "no-cache"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Headers of discovery and keys: for anybody, also from a script of any origin, never with credentials.
static PUBLIC: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "application/json"),
    (header::CACHE_CONTROL, "public, max-age=300"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
];

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// An error response of RFC 6749 section 5.2. The description is for the application's developer.
pub(super) fn oauth_error(
    status: StatusCode,
    error: &str,
    description: impl Into<Cow<'static, str>>,
) -> Response {
    let description = description.into();
    let mut response = private_json(&Body { error, error_description: &description });
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// The cache failed: nothing was given and nothing may be assumed.
pub(super) fn cache_error(why: &CacheError) -> Response {
    tracing::error!(%why, blame = "node", "the cache refuses");
    oauth_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a moment")
}

/// A JSON answer for one reader.
pub(super) fn private_json(body: &impl Serialize) -> Response {
    let mut response = axum::Json(body).into_response();
    set(response.headers_mut(), &PRIVATE);
    response
}

/// An empty answer for one reader.
pub(super) fn private_empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    set(response.headers_mut(), &PRIVATE);
    response
}

/// A document for everybody, serialised once.
pub(super) fn public_json(document: &bytes::Bytes) -> Response {
    let mut response = document.clone().into_response();
    set(response.headers_mut(), &PUBLIC);
    response
}

/// A redirect after a form or with a code in it: 303, so that no browser repeats a POST (RFC 9700 section 4.12).
pub(super) fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        return oauth_error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the redirect URI cannot be written in a header",
        );
    };
    let mut response = private_empty(StatusCode::SEE_OTHER);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Puts the headers of a private answer on a page.
pub(super) fn private_headers(headers: &mut HeaderMap) {
    set(headers, &PRIVATE);
}

fn set(headers: &mut HeaderMap, list: &[(HeaderName, &'static str)]) {
    for (name, value) in list {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
}
