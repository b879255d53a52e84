//! `/oauth2/revoke` (RFC 7009): an application gives a token of its own back. A refresh token takes its whole grant with
//! it, an access token only itself. What is unknown or somebody else's is answered like what was revoked, and stays as it
//! is; a failing store is said (RFC 7009 section 2.2.1), never answered as success.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::OidcProvider;
use super::about_token::AboutTokenError;
use super::params::Params;
use super::respond::private_empty;

/// `POST`: the only method (RFC 7009 section 2.1).
pub(super) async fn post(
    State(provider): State<Arc<OidcProvider>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match provider.revoke(&headers, body).await {
        Ok(()) => private_empty(StatusCode::OK),
        Err(why) => why.response(),
    }
}

impl OidcProvider {
    async fn revoke(&self, headers: &HeaderMap, body: Body) -> Result<(), AboutTokenError> {
        let params = Params::from_form(headers, body).await?;
        let client = self.authenticate_client(headers, &params).await?;
        let token = params.one("token")?.ok_or(AboutTokenError::Missing)?;
        if let Some((family, _)) = self.store.family(token).await? {
            if family.grant.client_id == client.id {
                self.store.revoke_grant(&family.grant.id).await?;
            }
        } else if let Some(access) = self.decode_access(token).await?
            && access.client_id == client.id
        {
            self.store.revoke_access(&access).await?;
        }
        Ok(())
    }
}
