//! `oidcProvider` and `samlProvider`: the modes in which this node is an identity provider.

use serde::{Deserialize, Serialize};

use crate::{GoDuration, Secret};

/// The OIDC provider mode.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OidcProvider {
    /// What the discovery document says.
    pub discovery: Discovery,
    /// Signing keys; the first signs, all are published. Defaults to one RS256 key, generated once and kept.
    pub jwks: Vec<SigningKey>,
    /// Name of the cache for codes and tokens. Defaults to this node's memory.
    pub cache: Option<String>,
    /// Tokens end with the session they came from. Defaults to true.
    pub correlate_session: Option<bool>,
    /// Life of an ID token. Defaults to `10m`.
    pub id_token_lifetime: Option<GoDuration>,
    /// Life of an authorization code. Defaults to `60s`, at most `10m`.
    pub code_lifetime: Option<GoDuration>,
    /// Life of a refresh token without use. Defaults to the session's maximum.
    pub refresh_token_lifetime: Option<GoDuration>,
}

/// What the discovery document says.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Discovery {
    /// The issuer. Defaults to the origin of the first connector's redirect URL.
    pub issuer: Option<url::Url>,
    /// URLs of endpoints, where they differ from the usual ones.
    pub endpoints: Endpoints,
}

/// URLs of endpoints.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// The discovery document; `oauth-authorization-server` is served as well. Defaults to
    /// `/.well-known/openid-configuration`.
    pub well_known: Option<url::Url>,
    /// The public keys. Defaults to `/oauth2/jwks`.
    pub jwks: Option<url::Url>,
    /// Authorization. Defaults to `/oauth2/auth`.
    pub auth: Option<url::Url>,
    /// Tokens. Defaults to `/oauth2/token`.
    pub token: Option<url::Url>,
    /// Claims about the person. Defaults to `/oauth2/userinfo`.
    pub userinfo: Option<url::Url>,
    /// Introspection (RFC 7662). Defaults to `/oauth2/introspect`.
    pub introspect: Option<url::Url>,
    /// Revocation (RFC 7009). Defaults to `/oauth2/revoke`.
    pub revoke: Option<url::Url>,
    /// Logout asked for by an application. Defaults to `/oauth2/logout`.
    pub end_session: Option<url::Url>,
    /// Where an application with a secret asks whether this node can sign its people in now. Must be on the issuer's
    /// origin, else nobody asks. Defaults to `/oauth2/health`.
    pub health: Option<url::Url>,
}

/// A signing key: a file, or a pair of references.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SigningKey {
    /// Name of the key; informs only.
    pub name: Option<String>,
    /// `rsa` or `ec`.
    #[serde(rename = "type")]
    pub kind: Option<KeyKind>,
    /// PEM file with the private key.
    #[schemars(extend("x-file" = "key"))]
    pub file: Option<String>,
    /// `RSA256`, `RS256` or `ES256`: the other form of `type`.
    pub algorithm: Option<String>,
    /// PEM of the public key; derived from the private key where it is missing.
    pub public_key: Option<String>,
    /// PEM of the private key, as a secret reference.
    pub private_key: Option<Secret>,
}

/// Kind of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// RSA, at least 2048 bits: RS256.
    Rsa,
    /// P-256: ES256.
    Ec,
}

/// The SAML provider mode; validated, refused at start.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SamlProvider {
    /// Name of the cache.
    pub cache: Option<String>,
    /// Everything else; not read yet.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}
