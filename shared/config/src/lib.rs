//! What an operator writes. One file per YAML section, typed, validated whole; secret references and their
//! providers. Nothing here runs: a [`Config`] is plain data.

pub mod apps;
pub mod connectors;
pub mod continuity;
pub mod duration;
pub mod environment;
pub mod files;
pub mod finding;
pub mod health_check;
pub mod http;
pub mod matching;
pub mod node;
pub mod provider;
pub mod secret;
pub mod secrets;
pub mod tree;

mod checks;
mod decode;
mod load;
mod reference;
mod references;
mod resolved;
mod shape;
mod structure;
mod trail;
mod unsupported;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use apps::App;
pub use connectors::Connector;
pub use duration::GoDuration;
pub use environment::{Environment, Problem, locate, locate_with};
pub use finding::{Finding, Report, Severity};
pub use load::{Loader, Resolver, load};
pub use reference::reference;
pub use references::nearest;
pub use resolved::{issuer_text, origin};
pub use secret::Secret;
pub use shape::schema;

/// The whole configuration of a node, root or edge.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// Version of the configuration language, or of this configuration. Informs only.
    #[schemars(extend("x-scalar" = true))]
    pub version: Option<String>,
    /// Feature flags: `"true"` or `"enabled"` switch on, anything else off.
    #[schemars(extend("x-scalar" = true))]
    pub features: BTreeMap<String, String>,
    /// Where and how the node listens.
    pub http: http::Http,
    /// Named TLS profiles, for the listener and for connectors.
    pub tls: BTreeMap<String, http::TlsProfile>,
    /// Log level and form.
    pub logger: node::Logger,
    /// The status endpoint and the heartbeat in the log.
    pub health: node::Health,
    /// Where the node keeps what it makes: keys, device-cookie key, node id.
    pub state: node::State,
    /// The admin interface.
    pub admin: node::Admin,
    /// Browser sessions.
    pub session: node::Session,
    /// Logout at this node, everywhere at once.
    pub single_logout: Option<node::SingleLogout>,
    /// Caches shared by nodes.
    pub caches: Vec<node::Cache>,
    /// Upstream identity providers and continuity groups over them.
    pub connectors: Vec<Connector>,
    /// Downstream applications.
    pub apps: Vec<App>,
    /// The OIDC provider mode.
    pub oidc_provider: Option<provider::OidcProvider>,
    /// The SAML provider mode.
    pub saml_provider: Option<provider::SamlProvider>,
    /// OpenTelemetry export; accepted, not built yet.
    pub telemetry: Option<serde_json::Value>,
}

impl Config {
    /// The TLS profile that a listener or a connector names, if it names one.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn tls_profile(&self, name: Option<&str>) -> Result<Option<&http::TlsProfile>, UnknownProfile> {
        let find = |name: &str| self.tls.get(name).ok_or_else(|| UnknownProfile(name.to_owned()));
        name.map(find).transpose()
    }
}

/// A TLS profile that is named and not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no TLS profile called `{0}`")]
pub struct UnknownProfile(pub String);
