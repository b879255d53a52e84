//! Why a question about a token, introspection or revocation, is not answered (RFC 7662 section 2.3, RFC 7009 section 2.2.1).

use axum::response::Response;
use http::StatusCode;
use mangrove_cache::CacheError;

use super::client_auth::ClientAuthError;
use super::params::{Duplicate, Unreadable};
use super::respond::{cache_error, oauth_error};

/// Why nothing is said or done.
#[derive(Debug, thiserror::Error)]
pub(super) enum AboutTokenError {
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("{0}")]
    Client(#[from] ClientAuthError),
    #[error("token is missing")]
    Missing,
    #[error("a parameter is there more than once")]
    Duplicate,
    #[error("{0}")]
    Cache(#[from] CacheError),
}

impl AboutTokenError {
    pub(super) fn response(&self) -> Response {
        match self {
            Self::Unreadable(_) | Self::Missing | Self::Duplicate => {
                oauth_error(StatusCode::BAD_REQUEST, "invalid_request", self.to_string())
            }
            Self::Client(why) => why.response(),
            Self::Cache(why) => cache_error(why),
        }
    }
}

impl From<Duplicate> for AboutTokenError {
    fn from(_: Duplicate) -> Self {
        Self::Duplicate
    }
}
