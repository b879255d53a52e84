//! The room's door: what modes and the runtime call.

use std::sync::{Arc, RwLock};

use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::StatusCode;
use mangrove_config::Config;
use mangrove_connectors::Connector;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{Browser, Mode, Outcome, Request, SessionHandle, SignedIn};

/// What a login room is built from.
pub struct LoginParts {
    /// The configuration.
    pub config: Arc<Config>,
    /// All connectors.
    pub connectors: Vec<Arc<Connector>>,
    /// Origin under which browsers reach this node.
    pub public_url: Url,
    /// This node's opaque id on a login's way.
    pub node_id: String,
}

/// Browser sessions and logins in progress of one node.
pub struct Login {
    modes: RwLock<Vec<Arc<dyn Mode>>>,
}

/// A wish to end a session, from a mode's logout endpoint.
#[derive(Debug, Clone, Default)]
pub struct EndAsk {
    /// The session that the request names (`id_token_hint`), whether or not the browser has its cookie.
    pub session: Option<SessionHandle>,
    /// The mode has proof that the person, or the application for them, wants this: no page asks again.
    pub proven: bool,
    /// Where the browser goes afterwards; judged by the mode.
    pub back_to: Option<Url>,
}

/// What a logout came to.
#[derive(Debug)]
pub struct Ended {
    /// There was a session, and it has ended.
    pub ended: bool,
    /// Connectors that vouched and could not be told.
    pub untold: Vec<String>,
    /// What the browser gets: a way through upstreams' logout pages, a page, or the way back.
    pub response: Response,
}

impl Login {
    /// Builds the room; opens nothing and starts nothing.
    pub fn new(_parts: LoginParts) -> Arc<Self> {
        Arc::new(Self { modes: RwLock::default() })
    }

    /// Adds a downstream protocol.
    pub fn add_mode(&self, mode: Arc<dyn Mode>) {
        self.modes.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(mode);
    }

    /// Redirect paths of connectors, sign-in page, single logout.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        axum::Router::new()
    }

    /// Signs a browser in for an application, or says what to send it.
    pub async fn authenticate(&self, _browser: &Browser, _request: Request) -> Outcome {
        Outcome::Respond(StatusCode::SERVICE_UNAVAILABLE.into_response())
    }

    /// The session behind a handle, if it lives; using it keeps it from being idle.
    pub async fn session(&self, _handle: &SessionHandle) -> Option<SignedIn> {
        None
    }

    /// Ends the browser's session.
    pub async fn end(&self, _browser: &Browser, _ask: EndAsk) -> Ended {
        Ended { ended: false, untold: Vec::new(), response: StatusCode::SERVICE_UNAVAILABLE.into_response() }
    }

    /// The room's tasks: probes, one for each connector, and expiry. Each ends when `shutdown` is cancelled.
    pub fn tasks(self: &Arc<Self>, _shutdown: CancellationToken) -> Vec<(String, BoxFuture<'static, ()>)> {
        Vec::new()
    }
}
