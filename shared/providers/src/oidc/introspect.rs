//! `/oauth2/introspect` (RFC 7662): an application with a secret asks about a token of its own. About anybody else's,
//! and about whatever is over, revoked or invented, it learns the same: not active.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use mangrove_cache::CacheError;
use serde::Serialize;

use super::OidcProvider;
use super::about_token::AboutTokenError;
use super::access::Access;
use super::client::Client;
use super::client_auth::ClientAuthError;
use super::params::Params;
use super::respond::private_json;
use super::store::Family;

/// What is said of a token.
#[derive(Default, Serialize)]
struct Introspection {
    active: bool,
    #[serde(flatten)]
    access: Option<Access>,
    #[serde(flatten)]
    refresh: Option<Refresh>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
}

#[derive(Serialize)]
struct Refresh {
    iss: String,
    sub: String,
    client_id: String,
    scope: String,
    exp: u64,
}

/// `POST`: the only method (RFC 7662 section 2.1).
pub(super) async fn post(
    State(provider): State<Arc<OidcProvider>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match provider.introspect(&headers, body).await {
        Ok(said) => private_json(&said),
        Err(why) => why.response(),
    }
}

impl OidcProvider {
    async fn introspect(&self, headers: &HeaderMap, body: Body) -> Result<Introspection, AboutTokenError> {
        let params = Params::from_form(headers, body).await?;
        let client = self.authenticate_client(headers, &params).await?;
        if client.public {
            return Err(ClientAuthError::Refused.into());
        }
        let token = params.one("token")?.ok_or(AboutTokenError::Missing)?;
        if let Some(family) = self.good_refresh_token(token, &client).await? {
            return Ok(Introspection::of_refresh(&self.issuer, family));
        }
        let read = self.read_access(token).await?.filter(|read| read.access.client_id == client.id);
        Ok(read.map_or_else(Introspection::default, |read| Introspection::of_access(read.access)))
    }

    async fn good_refresh_token(&self, token: &str, client: &Client) -> Result<Option<Family>, CacheError> {
        let Some((family, turn)) = self.store.family(token).await? else { return Ok(None) };
        let good = family.grant.client_id == client.id
            && self.store.is_turn(&turn).await?
            && !self.store.is_grant_revoked(&family.grant.id).await?
            && self.lives(&family.grant).await;
        Ok(good.then_some(family))
    }
}

impl Introspection {
    fn of_access(access: Access) -> Self {
        Self { active: true, access: Some(access), token_type: Some("Bearer"), ..Self::default() }
    }

    fn of_refresh(issuer: &str, family: Family) -> Self {
        let refresh = Refresh {
            iss: issuer.to_owned(),
            scope: family.grant.scopes.as_str().to_owned(),
            sub: family.grant.sub,
            client_id: family.grant.client_id,
            exp: family.ends,
        };
        Self { active: true, refresh: Some(refresh), ..Self::default() }
    }
}
