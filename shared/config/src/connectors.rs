//! `connectors`: upstream identity providers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{GoDuration, Secret, continuity::Continuity, health_check::HealthCheck};

/// One upstream identity provider, or a group of them.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Connector {
    /// Any OpenID provider: discovery, code and PKCE.
    Oidc(Oidc),
    /// Any SAML 2.0 identity provider.
    Saml(Saml),
    /// A directory by LDAP.
    Ldap(Ldap),
    /// Active Directory by LDAP.
    ActiveDirectory(Ldap),
    /// A file of users on this node.
    Local(Local),
    /// An ordered group of connectors.
    Continuity(Continuity),
}

impl Connector {
    /// The connector's unique name.
    pub fn name(&self) -> &str {
        match self {
            Self::Oidc(c) => &c.name,
            Self::Saml(c) => &c.name,
            Self::Ldap(c) | Self::ActiveDirectory(c) => &c.name,
            Self::Local(c) => &c.name,
            Self::Continuity(c) => &c.name,
        }
    }

    /// How the connector is watched; groups are not.
    pub fn health_check(&self) -> Option<&HealthCheck> {
        match self {
            Self::Oidc(c) => c.health_check.as_ref(),
            Self::Saml(c) => c.health_check.as_ref(),
            Self::Ldap(c) | Self::ActiveDirectory(c) => c.health_check.as_ref(),
            Self::Local(_) | Self::Continuity(_) => None,
        }
    }
}

/// Any OpenID provider.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// Unique name.
    pub name: String,
    /// URL of the discovery document.
    #[serde(rename = "oidcWellKnownURL")]
    pub well_known_url: url::Url,
    /// This node's client id at the provider.
    #[serde(rename = "oauthClientID")]
    pub client_id: String,
    /// This node's client secret at the provider; none for a public client, or with `oauthClientAuth`.
    #[serde(rename = "oauthClientSecret")]
    pub client_secret: Option<Secret>,
    /// Proves who this node is with a key instead of a secret.
    #[serde(rename = "oauthClientAuth")]
    pub client_proof: Option<Box<ClientProof>>,
    /// This node's redirect URL at the provider. Without it the connector loads and cannot be chosen.
    #[serde(rename = "oauthRedirectURL")]
    pub redirect_url: Option<url::Url>,
    /// Older form of `oauthRedirectURL`: the first URL counts.
    pub oauth_login_redirect: Option<RedirectUrls>,
    /// Where the provider may send the browser after logout.
    pub oauth_logout_redirect: Option<RedirectUrls>,
    /// Older form of `oauthLogoutRedirect`.
    #[serde(rename = "oidcLogoutCallbackURL")]
    pub logout_callback_url: Option<url::Url>,
    /// Scopes, separated by spaces. Defaults to `openid profile email`.
    #[serde(default = "default_scopes")]
    pub scopes: String,
    /// Sends no PKCE challenge. Defaults to false.
    #[serde(default, rename = "disablePKCE")]
    pub disable_pkce: bool,
    /// Parameters added to the authorization request.
    #[serde(default)]
    #[schemars(extend("x-scalar" = true))]
    pub oauth_extra_params: BTreeMap<String, String>,
    /// Signature algorithms accepted on ID tokens. Defaults to what the provider lists, of RS256, RS384, RS512, PS256,
    /// PS384, PS512, ES256, ES384 and EdDSA.
    #[serde(default)]
    pub allowed_algorithms: Vec<String>,
    /// Refresh tokens upstream.
    #[serde(default)]
    pub offline_access: OfflineAccess,
    /// TLS profile for connections to the provider.
    pub tls: Option<String>,
    /// Proxy for connections to the provider, `http://host:port`; user and password percent-encoded before the host, where it
    /// wants them. Defaults to none; the environment is not read.
    pub proxy: Option<url::Url>,
    /// The provider is a Mangrove root. Defaults to false.
    #[serde(default)]
    pub root: bool,
    /// Believe the provider's e-mail addresses although it does not mark them verified. Defaults to false.
    #[serde(default)]
    pub trust_email: bool,
    /// How long keys and metadata are used after the last good fetch. Defaults to `24h`.
    pub keys_max_age: Option<GoDuration>,
    /// How the connector is watched.
    pub health_check: Option<HealthCheck>,
}

/// Proof with a key: the provider knows its public half and learns nothing that could be used elsewhere.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientProof {
    /// How this node proves who it is.
    pub method: ProofMethod,
    /// PEM file with the private key: RSA of at least 2048 bits, P-256, P-384 or Ed25519. Defaults to a P-256 key that is
    /// generated once and kept in the state directory. `client-keys` prints the public half.
    #[schemars(extend("x-file" = "key"))]
    pub key_path: Option<String>,
    /// PEM file with a certificate around that key, for providers that find the key by it, as Entra ID does: each proof then
    /// carries its thumbprints (`x5t`, `x5t#S256`) instead of the key's `kid`. Needs `keyPath`.
    #[schemars(extend("x-file" = "certificates"))]
    pub cert_path: Option<String>,
    /// What the key signs with. Defaults to RS256, ES256, ES384 or EdDSA, by the kind of key.
    pub algorithm: Option<String>,
    /// Whom the proof is for. Defaults to `issuer`.
    #[serde(default)]
    pub audience: ProofAudience,
}

/// How a node proves who it is with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
pub enum ProofMethod {
    /// A short-lived signed assertion (RFC 7523, OpenID Connect Core 1.0 section 9).
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
}

/// Whom a proof with a key is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProofAudience {
    /// The issuer: no other provider can make use of the proof.
    #[default]
    Issuer,
    /// The URL of the token endpoint, for providers that take nothing else.
    TokenEndpoint,
}

/// A list of redirect URLs.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
pub struct RedirectUrls {
    /// The URLs; the first counts.
    pub urls: Vec<url::Url>,
}

/// Refresh tokens upstream.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
pub struct OfflineAccess {
    /// Accepted; no upstream tokens are kept until a mode needs them. Defaults to false.
    #[serde(default)]
    pub enabled: bool,
}

/// A SAML 2.0 identity provider.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Saml {
    /// Unique name.
    pub name: String,
    /// URL of the provider's metadata, `https://...` or `file:///...`.
    #[serde(rename = "samlMetadataURL")]
    pub metadata_url: url::Url,
    /// This node's assertion consumer service: where responses arrive, by POST. Below it, at `/metadata`, this node publishes
    /// its own metadata.
    #[serde(rename = "samlConsumerServiceURL")]
    pub consumer_service_url: url::Url,
    /// This node's entity id.
    #[serde(rename = "samlEntityID")]
    pub entity_id: String,
    /// This node's single logout service. Defaults to none: logouts are neither told nor heard.
    #[serde(rename = "samlLogoutCallbackURL")]
    pub logout_callback_url: Option<url::Url>,
    /// PEM file with this node's certificate as a service provider; the first in it counts. With it and its key requests are
    /// signed, and encrypted assertions opened where the key is RSA.
    #[serde(rename = "samlSPCertPath")]
    #[schemars(extend("x-file" = "certificates"))]
    pub sp_cert_path: Option<String>,
    /// PEM file with the key of that certificate; RSA keys behind it only open what is encrypted to them, for a roll-over.
    #[serde(rename = "samlSPKeyPath")]
    #[schemars(extend("x-file" = "key"))]
    pub sp_key_path: Option<String>,
    /// Format of the name id to ask for, in full or by its last word: `persistent`, `emailAddress`, `unspecified`. Defaults to
    /// none: the provider's own choice.
    #[serde(rename = "samlNameIDFormat")]
    pub name_id_format: Option<String>,
    /// How requests travel: `post`, or `redirect`, which shows no page in between. Defaults to `post`; the other one is used
    /// where the provider offers only that.
    #[serde(default, rename = "samlRequestBinding")]
    pub request_binding: RequestBinding,
    /// How long metadata is used after the last good fetch. Defaults to `24h`.
    pub keys_max_age: Option<GoDuration>,
    /// Takes responses that nobody asked for: a login that begins at the provider. Nothing binds them to a browser, so that
    /// somebody can be signed in as somebody else without noticing. Needs `initiateLoginURL` on an application. Defaults to
    /// false.
    #[serde(default, rename = "allowIDPInitiated")]
    pub allow_idp_initiated: bool,
    /// Believe the provider's e-mail addresses. Defaults to false.
    #[serde(default)]
    pub trust_email: bool,
    /// TLS profile for connections to the provider.
    pub tls: Option<String>,
    /// Proxy for connections to the provider, `http://host:port`; user and password percent-encoded before the host, where it
    /// wants them. Defaults to none; the environment is not read.
    pub proxy: Option<url::Url>,
    /// How the connector is watched.
    pub health_check: Option<HealthCheck>,
}

/// The URI of a format of name ids, written in full or by its last word (SAML Core 8.3).
pub fn name_id_format(written: &str) -> Option<String> {
    const SAML_1: [&str; 4] =
        ["unspecified", "emailAddress", "X509SubjectName", "WindowsDomainQualifiedName"];
    const SAML_2: [&str; 4] = ["persistent", "transient", "entity", "kerberos"];
    match written {
        word if SAML_1.contains(&word) => Some(format!("urn:oasis:names:tc:SAML:1.1:nameid-format:{word}")),
        word if SAML_2.contains(&word) => Some(format!("urn:oasis:names:tc:SAML:2.0:nameid-format:{word}")),
        uri if uri.contains(':') && !uri.contains(char::is_whitespace) => Some(uri.to_owned()),
        _ => None,
    }
}

/// How SAML requests travel through the browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RequestBinding {
    /// In a form.
    #[default]
    Post,
    /// In the query of a redirect.
    Redirect,
}

/// A directory.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ldap {
    /// Unique name.
    pub name: String,
    /// One URL or several of the same directory, tried in order: `ldaps://host`, or `ldap://host` with StartTLS where `tls`
    /// names a profile.
    pub url: OneOrMany,
    /// Where users are searched.
    #[serde(rename = "baseDN")]
    pub base_dn: String,
    /// The service account, which searches users. Needed unless `userRDNKey` finds them.
    #[serde(rename = "bindDN", alias = "serviceAccountUsername")]
    #[schemars(extend("x-aliases" = ["serviceAccountUsername"]))]
    pub bind_dn: Option<String>,
    /// Its password.
    #[serde(alias = "serviceAccountPassword")]
    #[schemars(extend("x-aliases" = ["serviceAccountPassword"]))]
    pub bind_password: Option<Secret>,
    /// Whose password the sign-in page asks for. Defaults to the connector's name.
    pub title: Option<String>,
    /// Attribute that holds the user name. Defaults to `uid`; for Active Directory to `sAMAccountName`, where an `@` is typed to
    /// `userPrincipalName`, and behind it to `sAMAccountName@` with the domain of `baseDN`.
    pub username_search_key: Option<String>,
    /// Attribute of a user's own name right under `baseDN`: binds as that name without a search, so that no service account
    /// is needed. Has no effect beside `usernameSearchKey`. Defaults to none: a search.
    #[serde(rename = "userRDNKey")]
    pub user_rdn_key: Option<String>,
    /// How deep under `baseDN` users are searched. Defaults to `wholeSubtree`.
    #[serde(default)]
    pub scope: LdapScope,
    /// Name of an attribute here, and of the directory's. Attributes that are not named here keep their names. The directory is asked
    /// for these, for what the mappings of groups and applications name, and for the usual ones (guide to directories).
    #[serde(default)]
    pub attribute_mapping: BTreeMap<String, String>,
    /// What joins several values of one attribute into one text. Defaults to none: a list.
    pub attribute_delimiter: Option<String>,
    /// Where groups are searched; their names become the claim `groups`. Has no effect beside a mapping of `groups`. Defaults to
    /// none: the names in `memberOf`.
    #[serde(rename = "groupBaseDN")]
    pub group_base_dn: Option<String>,
    /// Attribute of a group that holds its members' DNs; `member:1.2.840.113556.1.4.1941:` finds members of members in Active
    /// Directory. Defaults to `member`.
    pub group_search_key: Option<String>,
    /// Attribute that is a group's name. Defaults to `cn`.
    pub group_name_key: Option<String>,
    /// Accepted; has no effect: the sign-in page is the node's own.
    #[serde(rename = "loginURL")]
    pub login_url: Option<String>,
    /// Allows passwords over `ldap://` in the clear where `tls` names no profile. Defaults to false.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Believe the directory's e-mail addresses. Defaults to false.
    #[serde(default)]
    pub trust_email: bool,
    /// TLS profile.
    pub tls: Option<String>,
    /// How the connector is watched.
    pub health_check: Option<HealthCheck>,
}

/// Active Directory's matching rule for members of members, behind the name of an attribute.
pub const IN_CHAIN: &str = ":1.2.840.113556.1.4.1941:";

/// Whether a text can be the name of an attribute (RFC 4512 section 2.5), so that it means nothing else in a filter or a DN.
pub fn is_attribute(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

/// How deep a directory is searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LdapScope {
    /// `baseDN` itself.
    BaseObject,
    /// What is right below it.
    SingleLevel,
    /// All that is below it.
    #[default]
    WholeSubtree,
}

/// One string or a list.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
        .iter()
        .map(String::as_str)
    }
}

/// Users in a file on this node.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Local {
    /// Unique name.
    pub name: String,
    /// YAML file with users and argon2id hashes, written by `mangrove-root user add`.
    #[schemars(extend("x-file" = "users"))]
    pub users_file: String,
    /// Whose password the sign-in page asks for. Defaults to the connector's name.
    pub title: Option<String>,
}

fn default_scopes() -> String {
    "openid profile email".into()
}
