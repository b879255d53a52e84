//! The node's own life: `logger`, `health`, `state`, `admin`, `session`, `singleLogout`, `caches`.

use serde::{Deserialize, Serialize};

use crate::GoDuration;

/// Log level and form.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Logger {
    /// The least of what is logged. Defaults to `info`.
    pub level: Level,
    /// One JSON object a line. Defaults to false.
    pub json_output: bool,
    /// Name of a Go layout (`RFC3339Nano`, `Kitchen`, ...) or a layout. Without it, times on a terminal are
    /// `15:04:05.000`. Defaults to `RFC3339Nano`.
    pub time_format: Option<String>,
    /// Logs an id derived from the session's, to correlate lines. Defaults to false.
    #[serde(rename = "logSessionID")]
    pub log_session_id: bool,
    /// Order of the fields of a line.
    pub field_ordering: FieldOrdering,
}

/// Log level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What should not happen.
    Warn,
    /// What is broken.
    Error,
}

/// Order of the fields of a log line.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldOrdering {
    /// Time, level and message first. Defaults to false; they always come first here.
    pub enabled: bool,
}

/// The status endpoint and the heartbeat.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Health {
    /// Path of the status endpoint. Defaults to `/status`.
    pub location: String,
    /// The heartbeat in the log.
    pub heartbeat: Heartbeat,
}

/// The heartbeat in the log.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Heartbeat {
    /// Switches the heartbeat off. Defaults to false.
    pub disabled: bool,
    /// Level of the heartbeat: only `info` or `debug`. Defaults to `info`.
    pub log_level: Level,
    /// Time between two heartbeats. Defaults to `1m`.
    pub interval: GoDuration,
}

/// Where the node keeps what it makes.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// Directory for generated keys and the node's id. Defaults to `/var/lib/mangrove`, or `$STATE_DIRECTORY` under
    /// systemd.
    #[schemars(extend("x-file" = "path"))]
    pub directory: Option<String>,
}

/// The admin interface.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Admin {
    /// Path of the admin's Unix socket, mode 0600. Defaults to `admin.sock` in the state directory.
    #[schemars(extend("x-file" = "path"))]
    pub socket: Option<String>,
    /// TCP address of the admin interface as well, loopback only; needs `token`. Defaults to none.
    pub address: Option<String>,
    /// Bearer token for `address`.
    pub token: Option<crate::Secret>,
}

/// Browser sessions.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Session {
    /// The session cookie.
    pub cookie: SessionCookie,
    /// How long a session lives.
    pub lifetime: SessionLifetime,
    /// Where sessions are kept.
    pub store: SessionStore,
}

/// The session cookie.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionCookie {
    /// Name of the cookie. Defaults to `maverics_session`.
    pub name: String,
}

/// How long a session lives.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionLifetime {
    /// Longest life of a session, used or not. Defaults to `24h`.
    pub max_timeout: GoDuration,
    /// Longest time without use; 0 for none. Defaults to `15m`.
    pub idle_timeout: GoDuration,
}

/// Where sessions are kept.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionStore {
    /// Where sessions are kept; `cluster` is refused at start. Defaults to `local`.
    #[serde(rename = "type")]
    pub kind: SessionStoreKind,
    /// Most sessions kept at once; the least recently used goes first. A session that keeps more than 16 KiB about a person
    /// counts once for each 16 KiB begun. One person has at most a fiftieth of them, but 20 in any case, however large. Defaults
    /// to 50000.
    pub capacity: usize,
    /// The cluster of `type: cluster`; not built yet.
    pub cluster: Option<ClusterName>,
}

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionStoreKind {
    /// In this node's memory.
    #[default]
    Local,
    /// In a cluster of nodes; not built yet.
    Cluster,
}

/// Logout at this node, everywhere at once.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SingleLogout {
    /// URL of the logout endpoint, on this node's own origin.
    #[serde(rename = "logoutURL")]
    pub logout_url: url::Url,
    /// What happens afterwards.
    #[serde(default)]
    pub post_logout: PostLogout,
    /// Older form of `postLogout.redirectURL`.
    #[serde(rename = "postLogoutRedirectURL")]
    pub post_logout_redirect_url: Option<url::Url>,
}

/// What happens after a logout.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PostLogout {
    /// Where the browser goes. Defaults to a page that says what ended.
    #[serde(rename = "redirectURL")]
    pub redirect_url: Option<url::Url>,
}

/// A cache shared by nodes; other than in memory not built yet.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cache {
    /// Name of the cache; `local_default` is reserved.
    pub name: String,
    /// Where the cache is.
    #[serde(rename = "type")]
    pub kind: CacheKind,
    /// What `type: redis` needs.
    pub redis: Option<Redis>,
    /// The cluster of `type: cluster`.
    pub cluster: Option<ClusterName>,
    /// How values are sealed before they leave the node.
    #[serde(default)]
    pub encryption: CacheEncryption,
    /// How keys are hashed before they leave the node.
    #[serde(default)]
    pub hashing: CacheHashing,
}

/// Where a cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheKind {
    /// In this node's memory.
    Memory,
    /// On Redis; not built yet.
    Redis,
    /// In a cluster of nodes; not built yet.
    Cluster,
}

/// A Redis.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redis {
    /// `host:port` of the server; of a Redis Cluster, of all its nodes.
    pub addresses: Vec<String>,
    /// User name (Redis ACL).
    pub username: Option<String>,
    /// Its password.
    pub password: Option<crate::Secret>,
    /// TLS profile.
    pub tls: Option<String>,
}

/// A cluster of nodes.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterName {
    /// Its name.
    pub name: String,
}

/// How values are sealed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheEncryption {
    /// Leaves values as they are. Defaults to false: AES-256-GCM.
    pub disabled: bool,
    /// The keys.
    pub keys: CacheKeys,
}

/// Keys of a cache, 64 hexadecimal digits each.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheKeys {
    /// The key that seals and opens.
    pub current: Option<crate::Secret>,
    /// Keys that open only, while keys change. Defaults to none.
    pub old: Vec<crate::Secret>,
}

/// How keys of values are hashed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheHashing {
    /// The keys of values.
    pub keys: CacheKeyHashing,
}

/// Whether the keys of values are hashed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheKeyHashing {
    /// Leaves them as they are. Defaults to false.
    pub disabled: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self { location: "/status".into(), heartbeat: Heartbeat::default() }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { disabled: false, log_level: Level::Info, interval: GoDuration::seconds(60) }
    }
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self { name: "maverics_session".into() }
    }
}

impl Default for SessionLifetime {
    fn default() -> Self {
        Self { max_timeout: GoDuration::seconds(24 * 3600), idle_timeout: GoDuration::seconds(15 * 60) }
    }
}

impl Default for SessionStore {
    fn default() -> Self {
        Self { kind: SessionStoreKind::Local, capacity: 50_000, cluster: None }
    }
}
