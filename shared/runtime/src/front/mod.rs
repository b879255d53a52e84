//! What happens to every request before and after the rooms behind it: the front door.
//!
//! Owns, in this order: a request id, who it comes from (forwarded headers, believed only from named proxies), exactly
//! one host, size and time of the body, the endpoint's time, panics, security headers, the access log. Does not own any
//! endpoint but the status endpoint. One function, read from top to bottom, because order is what matters here.

mod access;
mod body;
mod forwarded;
mod headers;
mod host;
mod page;
mod status;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use futures::FutureExt;
use http::header::{ALLOW, CONNECTION};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use mangrove_keys::ambient;
use mangrove_login::Peer;
pub use mangrove_login::RequestId;
use tower::ServiceExt;

use crate::listener::{Answer, Caller, Limits};
use crate::net::Network;

pub use status::Status;

/// The front door.
pub struct Front {
    /// The node, as people know it, for pages.
    pub node: String,
    /// The rooms behind it.
    pub router: Router,
    /// Proxies whose forwarded headers are believed.
    pub trusted: Vec<Network>,
    /// Sizes and times.
    pub limits: Limits,
    /// What the status endpoint says.
    pub status: Arc<Status>,
    /// Where the status endpoint is.
    pub status_path: String,
    /// One line for each request.
    pub access_log: bool,
    /// The public URL is `https`: browsers may be told to insist.
    pub strict_transport: bool,
}

impl Answer for Front {
    async fn answer(self: Arc<Self>, caller: Caller, mut request: Request<Incoming>) -> Response<Body> {
        let began = ambient::now();
        let id = RequestId(ambient::short_id().into());
        let mut entry = access::Entry::new(&request, id.0.clone());
        let peer = forwarded::peer(&self.trusted, caller, request.headers_mut());
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(id.clone());

        let version = request.version();
        let mut response = self.checked(request, &id).await;
        if version == Version::HTTP_2 {
            response.headers_mut().remove(CONNECTION);
        }

        headers::add(&mut response, &id, self.strict_transport && peer.secure);
        if self.access_log && !entry.is_routine(&self.status_path, &response) {
            entry.finish(peer, &response, ambient::now().since(began));
        }
        response
    }
}

impl Front {
    async fn checked(&self, mut request: Request<Incoming>, id: &RequestId) -> Response<Body> {
        let html = page::wants_html(&request);
        let refuse = |status, words| page::refusal(&self.node, status, words, id, html);
        let for_status = request.uri().path() == self.status_path;
        let host = host::settle(&mut request);
        // Balancers probe with HTTP/1.0, which knows no Host; the answer is the same for everybody.
        if for_status && (host.is_ok() || request.version() == Version::HTTP_10) {
            return self.status.answer(request.method());
        }
        if let Err(why) = host {
            return refuse(StatusCode::BAD_REQUEST, page::unclear(why));
        }
        let (request, body) = match body::limited(request, &self.limits) {
            Ok(limited) => limited,
            Err(status) => return refuse(status, page::TOO_LARGE),
        };
        let answer = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind();
        let answer = match self.limits.endpoint {
            Some(limit) => tokio::time::timeout(limit, answer).await,
            None => Ok(answer.await),
        };
        if let Some(status) = body.fault() {
            return refuse(status, page::NOT_WHOLE);
        }
        match answer {
            Ok(Ok(Ok(mute))) if page::is_mute(&mute) => {
                let mut response = refuse(mute.status(), page::NOT_HERE);
                response.headers_mut().extend(mute.headers().get(ALLOW).map(|allow| (ALLOW, allow.clone())));
                response
            }
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => {
                // The panic hook has said where; here is whose request it was.
                tracing::error!(request_id = %id.0, "a handler panicked");
                refuse(StatusCode::INTERNAL_SERVER_ERROR, page::BROKEN)
            }
            Err(_) if !body.arrived() => refuse(StatusCode::REQUEST_TIMEOUT, page::TOO_SLOW),
            Err(_) => {
                tracing::warn!(request_id = %id.0, "an endpoint took longer than http.endpointTimeoutSeconds");
                refuse(StatusCode::SERVICE_UNAVAILABLE, page::TOOK_TOO_LONG)
            }
        }
    }
}

/// A `Peer` for what the socket alone says.
fn peer_of_socket(caller: Caller) -> Peer {
    Peer { address: caller.socket.ip().to_canonical(), secure: caller.tls }
}

#[cfg(test)]
mod tests;
