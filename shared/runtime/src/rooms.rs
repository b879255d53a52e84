//! The rooms that answer people and applications, put together: connectors, login, keys, the OIDC provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use mangrove_cache::Cache;
use mangrove_config::provider::{KeyKind, SigningKey};
use mangrove_config::{App, Config};
use mangrove_connectors::{Connector, Finder, HttpClient, Parts};
use mangrove_keys::seal::Sealer;
use mangrove_keys::{Algorithm, KeyRing, KeySource};
use mangrove_login::{DecisionLog, Login, LoginParts};
use mangrove_providers::oidc::{OidcParts, OidcProvider};
use zeroize::Zeroizing;

use crate::node::StartError;
use crate::state::StateDir;

/// The rooms that answer people and applications.
pub(crate) struct Rooms {
    pub(crate) login: Arc<Login>,
    pub(crate) router: Router,
    pub(crate) public_url: url::Url,
}

impl Rooms {
    /// Puts them together; starts nothing and reaches nobody.
    pub(crate) fn build(config: &Arc<Config>, state: &StateDir) -> Result<Self, StartError> {
        let upstream = upstream(config, state.path(), state.node_id());
        let (connectors, finders) = upstream.map_err(StartError::Input)?;
        for connector in &connectors {
            let key = connector.client_key().map(drop);
            key.map_err(|why| StartError::Failed(format!("connector {}: {why}", connector.name())))?;
        }
        let public_url = config.public_url();
        let login = Login::new(LoginParts {
            config: Arc::clone(config),
            connectors,
            cache: Cache::in_memory(cache_capacity(config)),
            decisions: DecisionLog::default(),
            sealer: Sealer::from_state(state.path())
                .map_err(|error| StartError::Failed(error.to_string()))?,
            public_url: public_url.clone(),
            node_id: state.node_id().to_owned(),
        });
        for finder in finders {
            login.finds(Arc::new(finder));
        }
        let mut routers = vec![login.router()];
        if provides_oidc(config) {
            let provider = OidcProvider::build(OidcParts {
                config,
                login: Arc::clone(&login),
                cache: Cache::in_memory(cache_capacity(config)),
                keys: keys(config, state.path()).map_err(StartError::Input)?,
                node_id: state.node_id().to_owned(),
            });
            routers.push(provider.map_err(|error| StartError::Input(error.to_string()))?.router());
        }
        let router = merged(routers).map_err(StartError::Input)?;
        Ok(Self { login, router, public_url })
    }
}

/// All routes together. Two rooms that want the same path are a configuration's mistake, and axum's panic.
fn merged(routers: Vec<Router>) -> Result<Router, String> {
    let merge = || routers.into_iter().fold(Router::new(), Router::merge);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let merged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(merge));
    std::panic::set_hook(hook);
    merged.map_err(|_| {
        "two endpoints have the same path: compare redirect URLs, `singleLogout.logoutURL` and \
         `oidcProvider.discovery.endpoints`"
            .to_owned()
    })
}

/// Who may vouch: the connectors, and what finds more of them. Reaches nobody.
pub(crate) fn upstream(
    config: &Config,
    state: &Path,
    node_id: &str,
) -> Result<(Vec<Arc<Connector>>, Vec<Finder>), String> {
    let http = HttpClient::new().map_err(|error| format!("cannot make the outgoing HTTP client: {error}"))?;
    let parts = Parts { http, state_dir: state.to_owned() };
    let connectors = Connector::build(config, &parts).map_err(|error| error.to_string())?;
    let finders = Finder::build(config, &parts, node_id).map_err(|error| error.to_string())?;
    Ok((connectors, finders))
}

/// Applications by OIDC need the provider, whether or not it was written down.
fn provides_oidc(config: &Config) -> bool {
    config.oidc_provider.is_some() || config.apps.iter().any(|app| matches!(app, App::Oidc(_)))
}

pub(crate) fn keys(config: &Config, state: &Path) -> Result<KeyRing, String> {
    let written = config.oidc_provider.as_ref().map(|provider| provider.jwks.as_slice()).unwrap_or_default();
    if written.is_empty() {
        return KeyRing::generate_kept(state, Algorithm::Rs256).map_err(|error| error.to_string());
    }
    let sources: Result<Vec<_>, String> =
        written.iter().enumerate().map(|(at, key)| source(at, key)).collect();
    KeyRing::load(&sources?).map_err(|error| error.to_string())
}

fn source(at: usize, key: &SigningKey) -> Result<KeySource, String> {
    let name = key.name.clone().unwrap_or_else(|| format!("oidcProvider.jwks[{at}]"));
    let algorithm = match (key.algorithm.as_deref(), key.kind) {
        // `RSA256` is the other form's word for RS256.
        (Some("RSA256"), _) | (None, Some(KeyKind::Rsa)) => Some(Algorithm::Rs256),
        (None, Some(KeyKind::Ec)) => Some(Algorithm::Es256),
        (Some(other), _) => Some(
            Algorithm::parse(other)
                .ok_or_else(|| format!("{name}: `{other}` is not a signature algorithm"))?,
        ),
        (None, None) => None,
    };
    match (&key.file, &key.private_key) {
        (Some(path), None) => Ok(KeySource::File { path: PathBuf::from(path), algorithm }),
        (None, Some(pem)) => {
            Ok(KeySource::Pem { name, pem: Zeroizing::new(pem.expose().to_owned()), algorithm })
        }
        _ => Err(format!("{name}: write either `file` or `privateKey`")),
    }
}

/// Several entries for each session. Logins in progress, which anybody can begin, and codes and tokens, which only signed-in
/// people have, are kept apart: a flood of the first takes no room from the second.
fn cache_capacity(config: &Config) -> usize {
    config.session.store.capacity.saturating_mul(8).max(100_000)
}
