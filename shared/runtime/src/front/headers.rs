//! Headers that every answer carries, unless the room that answered knows better.

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, Response};

use super::RequestId;

/// Adds what is missing.
pub(super) fn add<B>(response: &mut Response<B>, id: &RequestId, strict_transport: bool) {
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        missing(headers, name.clone(), HeaderValue::from_static(value));
    }
    if strict_transport {
        missing(headers, STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
}

fn missing(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}

const ALWAYS: &[(HeaderName, &str)] = &[
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
];
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
