//! `apps`: downstream applications.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{GoDuration, Secret};

/// One downstream application.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum App {
    /// A relying party by OpenID Connect.
    Oidc(Box<OidcApp>),
    /// A service provider by SAML; not built yet.
    Saml(SamlApp),
}

impl App {
    /// The application's unique name.
    pub fn name(&self) -> &str {
        match self {
            Self::Oidc(app) => &app.name,
            Self::Saml(app) => &app.name,
        }
    }
}

/// A relying party by OpenID Connect.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcApp {
    /// Unique name.
    pub name: String,
    /// Client id.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Client secret; without one, `credentials` and keys an application is `public: true`.
    pub client_secret: Option<Secret>,
    /// Public keys of the application as a JWK Set (RFC 7517), for `private_key_jwt`; `client-keys` of a node prints its own.
    pub jwks: Option<serde_json::Value>,
    /// The same in a JSON file, in addition to `jwks`. Read at start.
    #[schemars(extend("x-file" = "jwks"))]
    pub jwks_file: Option<String>,
    /// Several client secrets, for rotation: any of them is accepted.
    #[serde(default)]
    pub credentials: Credentials,
    /// A client without a secret; PKCE is required. Defaults to false.
    #[serde(default)]
    pub public: bool,
    /// Redirect URLs, matched exactly.
    #[serde(default, rename = "redirectURLs")]
    pub redirect_urls: Vec<String>,
    /// Where the browser may go after logout, matched exactly.
    #[serde(default, rename = "postLogoutRedirectURLs")]
    pub post_logout_redirect_urls: Vec<String>,
    /// Where the application starts a login at another's word (OpenID Connect Core 4): people whose login began at a SAML provider
    /// go there, with `iss` added. Defaults to none.
    #[serde(rename = "initiateLoginURL")]
    pub initiate_login_url: Option<url::Url>,
    /// Grants. Defaults to `authorization_code` and `refresh_token`.
    #[serde(default = "default_grants")]
    pub grant_types: Vec<String>,
    /// Who vouches for this application's people.
    pub authentication: Authentication,
    /// Claim of the ID token and userinfo, and whence: `connector.attribute`.
    #[serde(default)]
    pub claims_mapping: BTreeMap<String, String>,
    /// Form and life of access tokens.
    #[serde(default)]
    pub access_token: AccessToken,
    /// Audiences this application may ask for with `resource`.
    #[serde(default)]
    pub allowed_audiences: Vec<String>,
    /// Scopes beyond the standard ones.
    #[serde(default)]
    pub custom_scopes: CustomScopes,
    /// Who may use the application. Defaults to all who can sign in.
    #[serde(default)]
    pub authorization: Authorization,
    /// Signature algorithm of this application's ID tokens. Defaults to that of the first key.
    pub id_token_signed_response_alg: Option<String>,
    /// ID tokens and userinfo say over which nodes the login came, as `mangrove_path`. For edges, and whoever must know.
    /// Defaults to false.
    #[serde(default)]
    pub path_claim: bool,
}

/// Several client secrets.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
pub struct Credentials {
    /// The secrets.
    #[serde(default)]
    pub secrets: Vec<Secret>,
}

/// Who vouches for an application's people.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
pub struct Authentication {
    /// Names of connectors or continuity groups, in order.
    pub idps: Vec<String>,
}

/// Form and life of access tokens.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessToken {
    /// Form of access tokens. Defaults to `jwt`.
    #[serde(rename = "type")]
    pub kind: AccessTokenKind,
    /// Life of an access token. Defaults to `10m`.
    pub lifetime: GoDuration,
}

/// Form of access tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessTokenKind {
    /// A signed JWT (RFC 9068).
    #[default]
    Jwt,
    /// A random handle.
    Opaque,
}

/// Scopes beyond the standard ones.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
pub struct CustomScopes {
    /// The scopes.
    #[serde(default)]
    pub scopes: Vec<CustomScope>,
}

/// A scope beyond the standard ones.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
pub struct CustomScope {
    /// Its name.
    pub name: String,
}

/// Who may use an application.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Authorization {
    /// All who can sign in. `false` is refused: rules are not built yet.
    pub allow_all: Option<bool>,
}

/// A service provider by SAML; validated, refused at start.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SamlApp {
    /// Unique name.
    pub name: String,
    /// Who vouches for this application's people.
    pub authentication: Authentication,
    /// Attribute of the assertion, and whence: `connector.attribute`.
    #[serde(default)]
    pub claims_mapping: BTreeMap<String, String>,
    /// Everything else; not read yet.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

fn default_grants() -> Vec<String> {
    vec!["authorization_code".into(), "refresh_token".into()]
}

impl Default for AccessToken {
    fn default() -> Self {
        Self { kind: AccessTokenKind::Jwt, lifetime: GoDuration::seconds(600) }
    }
}
