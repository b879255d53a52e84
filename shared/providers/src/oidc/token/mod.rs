//! `/oauth2/token`: an application turns what it has into tokens (RFC 6749 sections 3.2 and 5).
//!
//! A grant is a row of [`GRANTS`] with a file of its own; this file authenticates the application, finds the row, and
//! says errors.

mod code;
mod refresh;

use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use mangrove_cache::CacheError;

use super::OidcProvider;
use super::access::MintError;
use super::client::Client;
use super::client_auth::ClientAuthError;
use super::mint::Tokens;
use super::params::{Duplicate, Params, Unreadable};
use super::respond::{cache_error, oauth_error, private_json};

pub(super) const AUTHORIZATION_CODE: &str = "authorization_code";
pub(super) const REFRESH_TOKEN: &str = "refresh_token";

/// A grant: its name on the wire, and what redeems it.
pub(super) struct GrantType {
    pub(super) name: &'static str,
    redeem: Redeem,
}

type Redeem = for<'a> fn(&'a OidcProvider, &'a Client, &'a Params) -> Redeeming<'a>;
type Redeeming<'a> = Pin<Box<dyn Future<Output = Result<Tokens, TokenError>> + Send + 'a>>;

/// The grants there are.
pub(super) const GRANTS: &[GrantType] = &[
    GrantType { name: AUTHORIZATION_CODE, redeem: code::redeem },
    GrantType { name: REFRESH_TOKEN, redeem: refresh::redeem },
];

impl std::fmt::Debug for GrantType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("{0}")]
    Client(#[from] ClientAuthError),
    #[error("{0}")]
    Invalid(&'static str),
    #[error("a parameter is there more than once")]
    Duplicate,
    #[error("this grant is not supported")]
    UnsupportedGrant,
    #[error("this application may not use this grant")]
    Unauthorized,
    /// What was presented is not good: the outside learns no more, the log does.
    #[error("{0}")]
    BadGrant(&'static str),
    #[error("scope asks for more than was granted")]
    Scope,
    #[error("resource asks for more than was granted")]
    Target,
    #[error("{0}")]
    Cache(#[from] CacheError),
    #[error("{0}")]
    Mint(#[from] MintError),
}

impl TokenError {
    /// Says in the log that the application is to blame. Whoever else is to blame was named where that was found.
    fn say(&self, app: &str, grant: &str) {
        if !matches!(self, Self::Client(_) | Self::Cache(_) | Self::Mint(_)) {
            tracing::warn!(app, grant, why = %self, blame = "application", "no tokens");
        }
    }

    fn response(&self) -> Response {
        let bad = |error| oauth_error(StatusCode::BAD_REQUEST, error, self.to_string());
        match self {
            Self::Unreadable(Unreadable::TooLarge) => {
                oauth_error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", self.to_string())
            }
            Self::Unreadable(_) | Self::Invalid(_) | Self::Duplicate => bad("invalid_request"),
            Self::Client(why) => why.response(),
            Self::UnsupportedGrant => bad("unsupported_grant_type"),
            Self::Unauthorized => bad("unauthorized_client"),
            Self::BadGrant(_) => oauth_error(
                StatusCode::BAD_REQUEST,
                "invalid_grant",
                "what was presented is not valid, or not any more",
            ),
            Self::Scope => bad("invalid_scope"),
            Self::Target => bad("invalid_target"),
            Self::Cache(why) | Self::Mint(MintError::Cache(why)) => cache_error(why),
            Self::Mint(MintError::Keys(why)) => {
                tracing::error!(%why, blame = "node", "signing failed");
                oauth_error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "this node cannot sign")
            }
        }
    }
}

impl From<Duplicate> for TokenError {
    fn from(_: Duplicate) -> Self {
        Self::Duplicate
    }
}

/// `POST`: the only method (RFC 6749 section 3.2).
pub(super) async fn post(
    State(provider): State<Arc<OidcProvider>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match provider.tokens(&headers, body).await {
        Ok(tokens) => private_json(&tokens),
        Err(why) => why.response(),
    }
}

impl OidcProvider {
    async fn tokens(&self, headers: &HeaderMap, body: Body) -> Result<Tokens, TokenError> {
        let asked = self.asked(headers, body).await;
        let (client, grant, params) = asked.inspect_err(|why| why.say("-", "-"))?;
        (grant.redeem)(self, &client, &params).await.inspect_err(|why| why.say(&client.app, grant.name))
    }

    /// Who asks, for what.
    async fn asked(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Arc<Client>, &'static GrantType, Params), TokenError> {
        let params = Params::from_form(headers, body).await?;
        params.refuse_duplicates(&["resource"])?;
        let client = self.authenticate_client(headers, &params).await?;
        let name = params.one("grant_type")?.ok_or(TokenError::Invalid("grant_type is missing"))?;
        if !GRANTS.iter().any(|grant| grant.name == name) {
            return Err(TokenError::UnsupportedGrant);
        }
        let grant = client.grant(name).ok_or(TokenError::Unauthorized)?;
        Ok((client, grant, params))
    }
}

/// The audiences of this access token: those asked for, all of which the grant must hold (RFC 8707 section 2.2).
fn narrow_audiences(granted: &[String], params: &Params) -> Result<Vec<String>, TokenError> {
    let asked: Vec<String> = params.all("resource").map(str::to_owned).collect();
    match asked {
        none if none.is_empty() => Ok(granted.to_vec()),
        some if some.iter().all(|resource| granted.contains(resource)) => Ok(some),
        _ => Err(TokenError::Target),
    }
}
