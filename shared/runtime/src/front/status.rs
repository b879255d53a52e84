//! `GET /status` (`health.location`): whether this node takes requests. 200 while it does, whatever its upstreams do,
//! because restarting the node helps nobody; 503 from the moment it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};

/// Up, or on the way out.
#[derive(Debug, Default)]
pub struct Status {
    leaving: AtomicBool,
}

impl Status {
    /// From now on the answer is 503.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// True after [`leave`](Self::leave).
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    pub(super) fn answer(&self, method: &Method) -> Response<Body> {
        let (status, text) = match (method, self.is_leaving()) {
            (&Method::GET | &Method::HEAD, false) => (StatusCode::OK, "{\"status\":\"up\"}"),
            (&Method::GET | &Method::HEAD, true) => {
                (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"draining\"}")
            }
            _ => (StatusCode::METHOD_NOT_ALLOWED, "{\"error\":\"method_not_allowed\"}"),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
