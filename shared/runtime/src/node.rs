//! A node: the rooms above, put together from a configuration.
//!
//! [`Node::build`] binds sockets and starts nothing; [`Node::run`] starts every task and returns when the last has
//! ended. An upstream that cannot be reached stops neither.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mangrove_config::{Config, Environment, Secret};
use mangrove_keys::ambient;
use mangrove_login::Login;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, AdminSocket, Api, ListenerStatus};
use crate::front::{Front, Status};
use crate::heartbeat;
use crate::lifecycle::Tasks;
use crate::listener::{self, Limits, Listener};
use crate::net::Network;
use crate::role::Role;
use crate::rooms::{self, Rooms};
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
    state: StateDir,
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
            node: rooms.login.frame(None).node.to_owned(),
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
            state,
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
        let (status, http) = (Arc::clone(&self.status), self.config.http.clone());
        self.say_ready();
        let mut running = self.start();
        let asked = tokio::select! {
            asked = signals.next() => Ok(asked),
            death = running.tasks.first_death() => Err(death),
            death = running.serving.first_death() => Err(death),
        };
        status.leave();
        let clean = asked.is_ok();
        match asked {
            Ok(Asked::Drain) => drain(http.drain_delay.0, &mut signals, &running.hurry).await,
            Ok(Asked::Stop) => tracing::info!("stopping"),
            Err(death) => {
                tracing::error!(task = death.task, panicked = death.panicked, "{death}: the node ends");
            }
        }
        running.end(http.grace_period.0, &mut signals).await;
        tracing::info!(clean, "ended");
        clean
    }

    fn say_ready(&self) {
        let address = self.listener.address();
        if self.plain_beyond_loopback {
            tracing::warn!(%address, "{PLAIN}");
        }
        let (role, node_id, public_url) = (self.api.role, &self.api.node_id, &self.api.public_url);
        tracing::info!(%address, role, node_id, version = env!("CARGO_PKG_VERSION"), public_url, "ready");
    }

    fn start(self) -> Running {
        let everything = CancellationToken::new();
        let api = || Arc::clone(&self.api);
        let mut tasks = Tasks::new(everything.clone());
        tasks.start_all(self.login.tasks(everything.clone()));
        tasks.start("admin socket", admin::serve_socket(self.admin_socket, api(), everything.clone()));
        if let Some((socket, token)) = self.admin_tcp {
            tasks.start("admin address", admin::serve_tcp(socket, token, api(), everything.clone()));
        }
        let heartbeat = self.config.health.heartbeat.clone();
        if !heartbeat.disabled {
            tasks.start("heartbeat", heartbeat::beat(heartbeat, api(), everything));
        }
        // The listener has a task set of its own: it is to end first, while the rest still works for it.
        let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
        let mut serving = Tasks::new(stop.clone());
        let grace = self.config.http.grace_period.0;
        serving.start("listener", self.listener.run(stop, grace, hurry.clone()));
        Running { tasks, serving, hurry, _state: self.state }
    }
}

/// Everything that runs.
struct Running {
    tasks: Tasks,
    serving: Tasks,
    /// Cuts requests in flight off.
    hurry: CancellationToken,
    _state: StateDir,
}

impl Running {
    /// Stops accepting, lets requests in flight finish, then ends the rest.
    async fn end(self, grace: Duration, signals: &mut Signals) {
        tracing::info!(grace_ms = grace.as_millis(), "no more connections; requests in flight may finish");
        tokio::select! {
            left = self.serving.stop(grace + LAST) => report_left(&left),
            () = second(signals, &self.hurry) => {}
        }
        report_left(&self.tasks.stop(LAST).await);
    }
}

/// A balancer needs time to notice the 503; a second signal says that there is none.
async fn drain(delay: Duration, signals: &mut Signals, hurry: &CancellationToken) {
    tracing::info!(
        delay_ms = delay.as_millis(),
        "draining: /status says 503, connections are still accepted"
    );
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        _ = signals.next() => hurry.cancel(),
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

/// Everything that a start would refuse and that can be tried without sockets, locks or a state directory.
pub fn rehearse(config: &Config) -> Vec<String> {
    let scratch = Path::new("/nonexistent");
    let own_keys = config.oidc_provider.as_ref().is_some_and(|provider| !provider.jwks.is_empty());
    let tried = [
        trusted_proxies(config).err(),
        listener_tls(config).err(),
        rooms::upstream(config, scratch, "").err(),
        own_keys.then(|| rooms::keys(config, scratch).err()).flatten(),
    ];
    tried.into_iter().flatten().collect()
}

/// The node's name in logs and stories: the host under which browsers reach it, with the port where a host alone does not
/// tell nodes apart.
pub fn name(public_url: &url::Url) -> String {
    match (public_url.host_str(), public_url.port()) {
        (Some(host @ ("localhost" | "127.0.0.1" | "[::1]")), Some(port)) => format!("{host}:{port}"),
        (Some(host), _) => host.to_owned(),
        (None, _) => String::new(),
    }
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
    let profile = config.tls_profile(config.http.tls.as_deref()).map_err(|why| format!("http.tls: {why}"))?;
    let (Some(name), Some(profile)) = (&config.http.tls, profile) else { return Ok(None) };
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

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError::Failed(error.to_string())
}

/// How long tasks may take to end once nothing is in flight.
const LAST: Duration = Duration::from_secs(2);
const SHORTEST_TOKEN: usize = 16;
const PLAIN: &str = "PLAIN HTTP: passwords and tokens travel readable; name a `tls` profile in `http.tls`, or put a \
                     TLS-terminating balancer in front";
