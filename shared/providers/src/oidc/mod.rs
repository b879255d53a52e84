//! The OpenID Connect provider: how applications (and edges) have people signed in here.
//!
//! Owns the wire format of OAuth 2.0 and OpenID Connect, one file an endpoint, and the life of codes and tokens. Does not
//! know who vouches or how: [`mangrove_login::Login`] signs people in and keeps their sessions.
//!
//! | route (defaults) | file | standard |
//! |---|---|---|
//! | `/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server` | `discovery` | OpenID Connect Discovery 1.0, RFC 8414 |
//! | `/oauth2/auth` | `authorize` | OpenID Connect Core 1.0, RFC 9207 |
//! | `/oauth2/token` | `token` | RFC 6749, RFC 7636 |
//! | `/oauth2/userinfo` | `userinfo` | OpenID Connect Core 1.0, RFC 6750 |
//! | `/oauth2/jwks` | `jwks` | RFC 7517 |
//! | `/oauth2/introspect` | `introspect` | RFC 7662 |
//! | `/oauth2/revoke` | `revoke` | RFC 7009 |
//! | `/oauth2/logout` | `logout` | RP-Initiated Logout 1.0 |
//! | `/oauth2/health` | `health` | Mangrove's own (deep health) |

mod about_token;
mod access;
mod authorize;
mod claims;
mod client;
mod client_assertion;
mod client_auth;
mod discovery;
mod endpoints;
mod grant;
mod health;
mod id_hint;
mod introspect;
mod jwks;
mod logout;
mod mint;
mod pages;
mod params;
mod pkce;
mod redirect_uri;
mod respond;
mod response_mode;
mod revoke;
mod scope;
mod store;
mod token;
mod userinfo;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use mangrove_cache::Cache;
use mangrove_config::{Config, GoDuration, issuer_text};
use mangrove_keys::{KeyRing, ambient};
use mangrove_login::{Login, Mode, Refused, SessionHandle, SignedIn};

pub use claims::{Attributes, Told, claims_by_scope, could_get};
use client::Clients;
use discovery::Documents;
use endpoints::Endpoints;
use health::Questions;
use store::Store;

/// Name of this protocol among a login's modes.
const MODE: &str = "oidc";
/// Life of an ID token, where nothing is configured.
const ID_TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Life of an authorization code, where nothing is configured, and the most that may be.
const CODE_LIFE: Duration = Duration::from_secs(60);
const LONGEST_CODE_LIFE: Duration = Duration::from_secs(600);

/// What a provider is built from.
pub struct OidcParts<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Who signs people in.
    pub login: Arc<Login>,
    /// Where codes and tokens are kept.
    pub cache: Cache,
    /// The signing keys.
    pub keys: KeyRing,
    /// This node's opaque id, for the path of a login.
    pub node_id: String,
}

/// Why a provider cannot be built: every problem, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BuildError(pub Vec<String>);

/// An OpenID Connect provider.
pub struct OidcProvider {
    issuer: String,
    endpoints: Endpoints,
    documents: Documents,
    clients: Clients,
    questions: Questions,
    login: Arc<Login>,
    store: Store,
    keys: KeyRing,
    node: String,
    /// Tokens end with the session they came from.
    correlate: bool,
    id_token_lifetime: Duration,
    /// Life of a refresh token that nobody uses.
    refresh_lifetime: Duration,
    /// Longest life of a session, and of all that grows from one.
    session_lifetime: Duration,
}

impl OidcProvider {
    /// Builds the provider and adds it to the login's modes. Opens nothing and starts nothing.
    ///
    /// # Errors
    /// All that is wrong with the configuration of the provider and its applications.
    pub fn build(parts: OidcParts<'_>) -> Result<Arc<Self>, BuildError> {
        let written = parts.config.oidc_provider.clone().unwrap_or_default();
        let issuer = issuer_text(&parts.config.issuer().unwrap_or_else(|| parts.config.public_url()));
        let endpoints = Endpoints::new(&issuer, &written.discovery).map_err(BuildError)?;
        let clients = Clients::build(parts.config, &parts.keys).map_err(BuildError)?;
        let session_lifetime = parts.config.session.lifetime.max_timeout.0;
        let access_lifetime =
            clients.iter().map(|client| client.access_token_lifetime).max().unwrap_or_default();
        let lifetime = |configured: Option<GoDuration>, usual| configured.map_or(usual, |life| life.0);
        let code_lifetime = lifetime(written.code_lifetime, CODE_LIFE).min(LONGEST_CODE_LIFE);
        let provider = Arc::new(Self {
            documents: Documents::new(&issuer, &endpoints, &clients, &parts.keys),
            store: Store::new(parts.cache, code_lifetime, session_lifetime.max(access_lifetime)),
            correlate: written.correlate_session.unwrap_or(true),
            id_token_lifetime: lifetime(written.id_token_lifetime, ID_TOKEN_LIFE),
            refresh_lifetime: lifetime(written.refresh_token_lifetime, session_lifetime),
            session_lifetime,
            issuer,
            endpoints,
            questions: Questions::of(&clients, ambient::now()),
            clients,
            login: Arc::clone(&parts.login),
            keys: parts.keys,
            node: parts.node_id,
        });
        parts.login.add_mode(Arc::clone(&provider) as Arc<dyn Mode>);
        Ok(provider)
    }

    /// The issuer, as tokens name it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// All endpoints, at their configured paths.
    pub fn router(self: &Arc<Self>) -> Router {
        let at = &self.endpoints;
        let mut router = Router::new()
            .route(&at.authorization.path, get(authorize::get).post(authorize::post))
            .route(&at.token.path, post(token::post))
            .route(&at.userinfo.path, get(userinfo::get).post(userinfo::post))
            .route(&at.jwks.path, get(jwks::get))
            .route(&at.introspection.path, post(introspect::post))
            .route(&at.revocation.path, post(revoke::post))
            .route(&at.end_session.path, get(logout::get).post(logout::post))
            .route(&at.health.path, post(health::post));
        for path in &at.well_known {
            router = router.route(path, get(discovery::get));
        }
        router.with_state(Arc::clone(self))
    }
}

impl Mode for OidcProvider {
    fn name(&self) -> &'static str {
        MODE
    }

    fn tells(&self, via: &str, name: &str) -> bool {
        self.clients.readable.has(via, name)
    }

    fn resume<'a>(&'a self, data: &'a [u8], outcome: Result<SignedIn, Refused>) -> BoxFuture<'a, Response> {
        Box::pin(self.resume_authorization(data, outcome))
    }

    /// Nothing to do: each use of a token asks whether its session lives.
    fn session_ended<'a>(&'a self, _: &'a SessionHandle) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
