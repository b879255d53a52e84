//! `/oauth2/jwks`: the public keys (RFC 7517), for anybody, from any origin, for a few minutes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::OidcProvider;
use super::respond::public_json;

/// `GET`: the key set, serialised once.
pub(super) async fn get(State(provider): State<Arc<OidcProvider>>) -> Response {
    public_json(&provider.documents.jwks)
}
