//! A node: the rooms above, put together from a configuration.
//!
//! [`Node::build`] binds sockets and starts nothing; [`Node::run`] starts every task and returns when the last has
//! ended. An upstream that cannot be reached stops neither.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mangrove_cache::Cache;
use mangrove_config::{App, Config, Environment, Secret};
use mangrove_connectors::{Connector, HttpClient, Parts};
use mangrove_keys::seal::Sealer;
use mangrove_keys::{KeyRing, ambient};
use mangrove_login::{DecisionLog, Login, LoginParts};
use mangrove_providers::oidc::{OidcParts, OidcProvider};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::admin::{self, AdminSocket, Api, ListenerStatus};
use crate::front::{Front, Status};
use crate::heartbeat;
use crate::lifecycle::Tasks;
use crate::listener::{self, Limits, Listener};
use crate::net::Network;
use crate::role::Role;
use crate::signals::{Asked, Signals};
use crate::state::{self, StateDir};
use crate::tls;

/// A configuration and where it came from.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its file.
    pub file: PathBuf,
    /// The environment it was loaded with.
    pub environment: Environment,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What was written cannot be used.
    #[error("{0}")]
    Input(String),
    /// The machine does not allow it, or not now.
    #[error("{0}")]
    Failed(String),
}

/// A node with its sockets bound and nothing running.
pub struct Node {
    listener: Listener<Front>,
    admin_socket: AdminSocket,
    admin_tcp: Option<(TcpListener, Secret)>,
    api: Arc<Api>,
    login: Arc<Login>,
    status: Arc<Status>,
    config: Arc<Config>,
    plain_beyond_loopback: bool,
    _state: StateDir,
}

impl Node {
    /// Puts a node together and binds its sockets.
    ///
    /// # Errors
    /// Settings that can never work, and sockets or directories that cannot be had. Never an upstream out of reach.
    pub fn build(role: &'static Role, loaded: Loaded) -> Result<Self, StartError> {
        let Loaded { config, file, environment } = loaded;
        let config = Arc::new(config);
        let started = ambient::now();
        let trusted = trusted_proxies(&config).map_err(StartError::Input)?;
        let tls = listener_tls(&config).map_err(StartError::Input)?;
        let state = StateDir::open(&state::path(&config, &environment)).map_err(failed)?;
        let socket = listener::bind(&config.http.address).map_err(failed)?;
        let admin_socket = admin::bind_socket(&admin_socket(&config, state.path())).map_err(failed)?;
        let admin_tcp = admin_tcp(&config)?;
        let rooms = Rooms::build(&config, &state)?;

        let limits = Limits::from_config(&config.http);
        let status = Arc::new(Status::default());
        let plain_beyond_loopback = tls.is_none() && socket.local_addr().is_ok_and(|a| !a.ip().is_loopback());
        let front = Arc::new(Front {
            router: rooms.router,
            trusted: trusted.clone(),
            limits: limits.clone(),
            status: Arc::clone(&status),
            status_path: config.health.location.clone(),
            access_log: !config.http.access_log.disabled,
            strict_transport: rooms.public_url.scheme() == "https",
        });
        let exempt = Arc::new(move |address: IpAddr| trusted.iter().any(|network| network.holds(address)));
        let uses_tls = tls.is_some();
        let listener = Listener::new(socket, tls, limits, exempt, front).map_err(failed)?;
        let listeners =
            vec![ListenerStatus { address: listener.address(), tls: uses_tls, gauge: listener.gauge() }];
        let api = Arc::new(Api {
            role: role.name,
            node_id: state.node_id().to_owned(),
            public_url: rooms.public_url.to_string(),
            configuration: file.display().to_string(),
            started,
            login: Arc::clone(&rooms.login),
            status: Arc::clone(&status),
            listeners,
        });
        let login = rooms.login;
        let node = Self {
            listener,
            admin_socket,
            admin_tcp,
            api,
            login,
            status,
            config,
            plain_beyond_loopback,
            _state: state,
        };
        Ok(node)
    }

    /// Runs until it is told to end, or a task dies. True if it ended as it was told.
    pub async fn run(self) -> bool {
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "cannot take over signals");
                return false;
            }
        };
        let address = self.listener.address();
        let everything = CancellationToken::new();
        let stop_accepting = CancellationToken::new();
        let hurry = CancellationToken::new();
        let grace = self.config.http.grace_period.0;
        let mut tasks = Tasks::new(everything.clone());
        tasks.start_all(self.login.tasks(everything.clone()));
        tasks.start(
            "admin socket",
            admin::serve_socket(self.admin_socket, Arc::clone(&self.api), everything.clone()),
        );
        if let Some((socket, token)) = self.admin_tcp {
            tasks.start(
                "admin address",
                admin::serve_tcp(socket, token, Arc::clone(&self.api), everything.clone()),
            );
        }
        let heartbeat = self.config.health.heartbeat.clone();
        if !heartbeat.disabled {
            tasks.start("heartbeat", heartbeat::beat(heartbeat, Arc::clone(&self.api), everything.clone()));
        }
        // The listener has a task set of its own: it is to end first, while the rest still works for it.
        let mut serving = Tasks::new(stop_accepting.clone());
        serving.start("listener", self.listener.run(stop_accepting.clone(), grace, hurry.clone()));

        if self.plain_beyond_loopback {
            tracing::warn!(%address, "PLAIN HTTP: passwords and tokens travel readable; name a `tls` profile in `http.tls`, or put a TLS-terminating balancer in front");
        }
        let (node, version, public_url) =
            (&self.api.node_id, env!("CARGO_PKG_VERSION"), &self.api.public_url);
        tracing::info!(%address, role = self.api.role, node, version, public_url, "ready");

        let asked = tokio::select! {
            asked = signals.next() => Ok(asked),
            death = tasks.first_death() => Err(death),
            death = serving.first_death() => Err(death),
        };
        let clean = asked.is_ok();
        self.status.leave();
        match asked {
            Ok(Asked::Drain) => {
                let delay = self.config.http.drain_delay.0;
                tracing::info!(
                    delay_ms = delay.as_millis(),
                    "draining: /status says 503, connections are still accepted"
                );
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    _ = signals.next() => hurry.cancel(),
                }
            }
            Ok(Asked::Stop) => tracing::info!("stopping"),
            Err(death) => {
                tracing::error!(task = death.task, panicked = death.panicked, "{death}: the node ends");
            }
        }
        tracing::info!(grace_ms = grace.as_millis(), "no more connections; requests in flight may finish");
        stop_accepting.cancel();
        tokio::select! {
            left = serving.stop(grace + LAST) => report_left(&left),
            () = second(&mut signals, &hurry) => {}
        }
        report_left(&tasks.stop(LAST).await);
        tracing::info!(clean, "ended");
        clean
    }
}

/// A second signal: gives the listener a moment to cut its connections off.
async fn second(signals: &mut Signals, hurry: &CancellationToken) {
    if !hurry.is_cancelled() {
        signals.next().await;
        tracing::warn!("told again: requests in flight are cut off");
        hurry.cancel();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

fn report_left(names: &[String]) {
    if !names.is_empty() {
        tracing::warn!(tasks = names.join(", "), "tasks that did not end in time were dropped");
    }
}

/// The rooms that answer people and applications.
struct Rooms {
    login: Arc<Login>,
    router: Router,
    public_url: url::Url,
}

impl Rooms {
    fn build(config: &Arc<Config>, state: &StateDir) -> Result<Self, StartError> {
        let connectors = connectors(config, state.path()).map_err(StartError::Input)?;
        let public_url = config.public_url();
        let cache = Cache::in_memory(cache_capacity(config));
        let login = Login::new(LoginParts {
            config: Arc::clone(config),
            connectors,
            cache: cache.clone(),
            decisions: DecisionLog::default(),
            sealer: Sealer::from_state(state.path()).map_err(failed)?,
            public_url: public_url.clone(),
            node_id: state.node_id().to_owned(),
        });
        let mut routers = vec![login.router()];
        if provides_oidc(config) {
            let provider = OidcProvider::build(OidcParts {
                config,
                login: Arc::clone(&login),
                cache,
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

/// Everything that a start would refuse and that can be tried without sockets, locks or a state directory.
pub fn rehearse(config: &Config) -> Vec<String> {
    let scratch = Path::new("/nonexistent");
    let own_keys = config.oidc_provider.as_ref().is_some_and(|provider| !provider.jwks.is_empty());
    let tried = [
        trusted_proxies(config).err(),
        listener_tls(config).err(),
        connectors(config, scratch).err(),
        own_keys.then(|| keys(config, scratch).err()).flatten(),
    ];
    tried.into_iter().flatten().collect()
}

/// Where the admin socket is.
pub fn admin_socket(config: &Config, state: &Path) -> PathBuf {
    config.admin.socket.as_ref().map_or_else(|| state.join("admin.sock"), PathBuf::from)
}

fn trusted_proxies(config: &Config) -> Result<Vec<Network>, String> {
    let read = |text: &String| text.parse().map_err(|why| format!("http.trustedProxies: {why}"));
    config.http.trusted_proxies.iter().map(read).collect()
}

fn listener_tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, String> {
    let Some(name) = &config.http.tls else { return Ok(None) };
    let profile =
        config.tls.get(name).ok_or_else(|| format!("http.tls: there is no TLS profile `{name}`"))?;
    tls::server(name, profile).map(Some).map_err(|error| error.to_string())
}

fn admin_tcp(config: &Config) -> Result<Option<(TcpListener, Secret)>, StartError> {
    let Some(address) = &config.admin.address else { return Ok(None) };
    let token = config.admin.token.clone().filter(|token| token.expose().len() >= SHORTEST_TOKEN);
    let token = token.ok_or_else(|| {
        let words = format!("admin.address needs `admin.token` of at least {SHORTEST_TOKEN} characters");
        StartError::Input(words)
    })?;
    let socket = listener::bind(address).map_err(failed)?;
    if !socket.local_addr().is_ok_and(|address| address.ip().is_loopback()) {
        return Err(StartError::Input(format!(
            "admin.address: {address} is not on loopback; write 127.0.0.1:PORT"
        )));
    }
    Ok(Some((socket, token)))
}

fn connectors(config: &Config, state: &Path) -> Result<Vec<Arc<Connector>>, String> {
    let http = HttpClient::new().map_err(|error| format!("cannot make the outgoing HTTP client: {error}"))?;
    let parts = Parts { http, state_dir: state.to_owned() };
    Connector::build(config, &parts).map_err(|error| error.to_string())
}

/// Applications by OIDC need the provider, whether or not it was written down.
fn provides_oidc(config: &Config) -> bool {
    config.oidc_provider.is_some() || config.apps.iter().any(|app| matches!(app, App::Oidc(_)))
}

fn keys(config: &Config, state: &Path) -> Result<KeyRing, String> {
    let written = config.oidc_provider.as_ref().map(|provider| provider.jwks.as_slice()).unwrap_or_default();
    if written.is_empty() {
        return KeyRing::generate_kept(state, mangrove_keys::Algorithm::Rs256)
            .map_err(|error| error.to_string());
    }
    let sources: Result<Vec<_>, String> =
        written.iter().enumerate().map(|(at, key)| source(at, key)).collect();
    KeyRing::load(&sources?).map_err(|error| error.to_string())
}

fn source(
    at: usize,
    key: &mangrove_config::provider::SigningKey,
) -> Result<mangrove_keys::KeySource, String> {
    use mangrove_config::provider::KeyKind;
    use mangrove_keys::{Algorithm, KeySource};
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

/// Codes, logins in progress and tokens beside sessions: several for each of them.
fn cache_capacity(config: &Config) -> usize {
    config.session.store.capacity.saturating_mul(8).max(100_000)
}

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError::Failed(error.to_string())
}

/// How long tasks may take to end once nothing is in flight.
const LAST: Duration = Duration::from_secs(2);
const SHORTEST_TOKEN: usize = 16;
