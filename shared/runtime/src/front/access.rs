//! The access log: one line for each request. Never a query string, a body or a header's value but the user agent's
//! absence of one: codes and tokens travel there.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use mangrove_login::Peer;

/// A line in the making: what must be read before the request is given away.
pub(super) struct Entry {
    method: Method,
    path: String,
    id: Arc<str>,
}

impl Entry {
    pub(super) fn new(request: &Request<Incoming>, id: Arc<str>) -> Self {
        let path = request.uri().path();
        let end = path.char_indices().nth(MOST_PATH).map_or(path.len(), |(at, _)| at);
        Self { method: request.method().clone(), path: path[..end].to_owned(), id }
    }

    /// A balancer's look at the status endpoint, twice a second for ever, says nothing while all is well.
    pub(super) fn is_routine(&self, status_path: &str, response: &Response<Body>) -> bool {
        self.path == status_path && response.status() == StatusCode::OK
    }

    pub(super) fn finish(&mut self, peer: Peer, response: &Response<Body>, took: Duration) {
        tracing::info!(
            target: "access",
            method = %self.method,
            path = %self.path,
            status = response.status().as_u16(),
            duration_ms = took.as_micros() as f64 / 1000.0,
            peer = %peer.address,
            request_id = %self.id,
            "request"
        );
    }
}

/// Characters of a path that are logged.
const MOST_PATH: usize = 200;
