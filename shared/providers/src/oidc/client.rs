//! Applications as OAuth clients: what the configuration says of them, parsed once, looked up by `client_id`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mangrove_config::apps::{AccessTokenKind, OidcApp};
use mangrove_config::{App, Config, Secret};
use mangrove_keys::{Algorithm, ForeignKeys, KeyRing};
use serde_json::{Value, json};

use super::access::Format;
use super::claims::{Mapping, Readable};
use super::redirect_uri::RedirectUri;
use super::scope::{OFFLINE_ACCESS, STANDARD};
use super::token::{GRANTS, GrantType, REFRESH_TOKEN};

/// One application.
#[derive(Debug)]
pub(super) struct Client {
    /// The application's name in the configuration, for logs and for the login.
    pub(super) app: String,
    pub(super) id: String,
    /// It has no secret, and PKCE is required of it.
    pub(super) public: bool,
    pub(super) secrets: Vec<Secret>,
    /// Its public keys, where it has registered any.
    pub(super) keys: Option<ForeignKeys>,
    redirect_uris: Vec<RedirectUri>,
    post_logout_redirect_uris: Vec<String>,
    grants: Vec<&'static GrantType>,
    pub(super) idps: Vec<String>,
    pub(super) mapping: Mapping,
    pub(super) access_tokens: Format,
    pub(super) access_token_lifetime: Duration,
    audiences: Vec<String>,
    custom_scopes: Vec<String>,
    /// Signs its ID tokens; the first key's algorithm where nothing is said.
    pub(super) algorithm: Option<Algorithm>,
    /// Its ID tokens carry the path of the login.
    pub(super) path_claim: bool,
}

/// All applications.
#[derive(Debug)]
pub(super) struct Clients {
    by_id: HashMap<String, Arc<Client>>,
    /// The most secrets that one client has: so many comparisons does every authentication cost.
    pub(super) most_secrets: usize,
    /// What any of them may be told of a person.
    pub(super) readable: Readable,
}

impl Clients {
    /// Reads the `type: oidc` applications.
    ///
    /// # Errors
    /// All that is wrong with them, one problem a line.
    pub(super) fn build(config: &Config, keys: &KeyRing) -> Result<Self, Vec<String>> {
        let sources: Vec<&str> = config.connectors.iter().map(mangrove_config::Connector::name).collect();
        let mut problems = Vec::new();
        let mut by_id = HashMap::new();
        for app in &config.apps {
            let App::Oidc(app) = app else { continue };
            match Client::build(app, &sources, keys) {
                Ok(client) => {
                    if by_id.insert(client.id.clone(), Arc::new(client)).is_some() {
                        problems
                            .push(format!("apps.{}: another application has the same clientID", app.name));
                    }
                }
                Err(why) => problems.extend(why.into_iter().map(|why| format!("apps.{}: {why}", app.name))),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let most_secrets =
            by_id.values().map(|client: &Arc<Client>| client.secrets.len()).max().unwrap_or(0).max(1);
        let readable = Readable::by(by_id.values().map(|client| &client.mapping));
        Ok(Self { by_id, most_secrets, readable })
    }

    pub(super) fn find(&self, id: &str) -> Option<&Arc<Client>> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.by_id.values()
    }
}

impl Client {
    fn build(app: &OidcApp, sources: &[&str], keys: &KeyRing) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut keep = |why: String| problems.push(why);
        let secrets: Vec<Secret> =
            app.secrets().filter(|secret| !secret.expose().is_empty()).cloned().collect();
        let public_keys = public_keys(app).map_err(&mut keep).unwrap_or_default();
        if app.public && !(secrets.is_empty() && public_keys.is_none()) {
            keep("a public client has no secret and no keys; remove `public`, or those".into());
        }
        if app.client_id.is_empty()
            || app.client_id.len() > 255
            || app.client_id.contains(|c: char| !is_vschar(c))
        {
            keep("`clientID` must be 1 to 255 printable ASCII characters".into());
        }
        let redirect_uris = register(app, &mut keep);
        let grants = grants(app, &mut keep);
        let mapping = Mapping::parse(&app.claims_mapping, sources)
            .map_err(|problems| problems.into_iter().for_each(&mut keep))
            .unwrap_or_default();
        let algorithm = algorithm(app, keys).map_err(&mut keep).unwrap_or_default();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            app: app.name.clone(),
            id: app.client_id.clone(),
            public: app.public,
            secrets,
            keys: public_keys,
            redirect_uris,
            post_logout_redirect_uris: app.post_logout_redirect_urls.clone(),
            grants,
            idps: app.authentication.idps.clone(),
            mapping,
            access_tokens: match app.access_token.kind {
                AccessTokenKind::Jwt => Format::Jwt,
                AccessTokenKind::Opaque => Format::Opaque,
            },
            access_token_lifetime: app.access_token.lifetime.0,
            audiences: app.allowed_audiences.clone(),
            custom_scopes: app.custom_scopes.scopes.iter().map(|scope| scope.name.clone()).collect(),
            algorithm,
            path_claim: app.path_claim,
        })
    }

    /// Whether `uri` is one of its redirect URIs.
    pub(super) fn redirects_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| registered.matches(uri))
    }

    /// Whether the browser may go to `uri` after a logout: the exact string.
    pub(super) fn returns_after_logout_to(&self, uri: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|registered| registered == uri)
    }

    /// The grant of this name, if this client may use it.
    pub(super) fn grant(&self, name: &str) -> Option<&'static GrantType> {
        self.grants.iter().copied().find(|grant| grant.name == name)
    }

    /// Whether this client may have the scope.
    pub(super) fn knows_scope(&self, name: &str) -> bool {
        match name {
            OFFLINE_ACCESS => self.grant(REFRESH_TOKEN).is_some(),
            _ => {
                STANDARD.iter().any(|scope| scope.name == name)
                    || self.custom_scopes.iter().any(|own| own == name)
            }
        }
    }

    /// The scopes of its own.
    pub(super) fn custom_scopes(&self) -> &[String] {
        &self.custom_scopes
    }

    /// Whether it may ask for tokens for this audience (RFC 8707).
    pub(super) fn may_address(&self, audience: &str) -> bool {
        self.audiences.iter().any(|allowed| allowed == audience)
    }
}

fn register(app: &OidcApp, keep: &mut impl FnMut(String)) -> Vec<RedirectUri> {
    let mut registered = Vec::new();
    for text in &app.redirect_urls {
        match RedirectUri::register(text, app.public) {
            Ok(uri) => registered.push(uri),
            Err(why) => keep(format!("redirectURLs: {why}")),
        }
    }
    for text in &app.post_logout_redirect_urls {
        if let Err(why) = RedirectUri::register(text, app.public) {
            keep(format!("postLogoutRedirectURLs: {why}"));
        }
    }
    registered
}

fn grants(app: &OidcApp, keep: &mut impl FnMut(String)) -> Vec<&'static GrantType> {
    let mut grants = Vec::new();
    for name in &app.grant_types {
        match GRANTS.iter().find(|grant| grant.name == name) {
            Some(grant) => grants.push(grant),
            None => keep(format!("grantTypes: `{name}` is not supported")),
        }
    }
    grants
}

/// The keys by which it may prove who it is: those written inline, and those of the file. One that cannot be used is a problem
/// and not left out: whoever registered it means to use it.
fn public_keys(app: &OidcApp) -> Result<Option<ForeignKeys>, String> {
    let file = match &app.jwks_file {
        None => None,
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|why| format!("jwksFile: {path}: {why}"))?;
            Some(serde_json::from_slice(&bytes).map_err(|_| format!("jwksFile: {path}: not JSON"))?)
        }
    };
    let sets: Vec<&Value> = app.jwks.iter().chain(&file).collect();
    if sets.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for set in sets {
        let keys = set.get("keys").and_then(Value::as_array);
        all.extend(keys.ok_or("jwks: not a JWK Set: an object with a list `keys`")?);
    }
    let keys = ForeignKeys::parse(json!({ "keys": all }).to_string().as_bytes());
    let keys = keys.map_err(|why| format!("jwks: {why}"))?;
    match keys.skipped() {
        [] => Ok(Some(keys)),
        skipped => Err(format!("jwks: {}", skipped.join("; "))),
    }
}

fn algorithm(app: &OidcApp, keys: &KeyRing) -> Result<Option<Algorithm>, String> {
    let Some(written) = &app.id_token_signed_response_alg else { return Ok(None) };
    let offered = keys.algorithms();
    match offered.iter().find(|algorithm| algorithm.name() == written) {
        Some(algorithm) => Ok(Some(*algorithm)),
        None => Err(format!("idTokenSignedResponseAlg: there is no key for `{written}`")),
    }
}

/// A printable ASCII character (RFC 6749 appendix A).
fn is_vschar(c: char) -> bool {
    matches!(c, ' '..='~')
}
