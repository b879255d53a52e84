//! Roots that DNS finds: asks for the records, and makes connectors of hosts that they name.
//!
//! A found root takes the settings of a configured one, all but the URL. What DNS says is not believed for a moment longer than
//! a certificate needs: only the authority of that connector's TLS profile is trusted, not the system's; this node proves itself
//! with its key, never with a secret; and nobody is sent there before the root has answered a proof of this node at its token
//! endpoint as only one that knows this node's key does ([`Found::is_proven`]). When to ask, whom to keep and in which order
//! they stand is decided in the room above.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mangrove_config::connectors::{Connector as Written, Oidc};
use mangrove_config::continuity::{RootDiscovery, RootOrder};
use mangrove_config::health_check::{HealthCheck, Probe};
use mangrove_config::http::TlsProfile;
use mangrove_config::{Config, GoDuration};
use url::Url;

use crate::connector::{BuildError, Connector, Parts};
use crate::dns::NoAddress;
use crate::dns::services::{Host, Services};

/// Why nobody is sent to a root that was found.
pub(crate) const NOT_PROVEN: &str =
    "DNS named it, and it has not shown a certificate of the authority and that it knows this node's key";

/// For how long a root that was found stays without an answer that names it, unless configured.
const KEEP: Duration = Duration::from_secs(24 * 3_600);

/// How DNS found a root.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) like: String,
    pub(crate) srv: String,
    proven: AtomicBool,
}

impl Found {
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// It has answered as only a root does that knows this node's key.
    pub(crate) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }
}

/// Finds roots for one group.
#[derive(Debug)]
pub struct Finder {
    group: String,
    written: RootDiscovery,
    like: Oidc,
    profile: TlsProfile,
    listed: Vec<(String, Option<Host>)>,
    names: Vec<String>,
    node: String,
    parts: Parts,
}

impl Finder {
    /// One for each group that finds roots. `node_id` makes this node's order its own.
    ///
    /// # Errors
    /// A pattern that would not ask for proof, or could be made to send a secret.
    pub fn build(config: &Config, parts: &Parts, node_id: &str) -> Result<Vec<Self>, BuildError> {
        let groups = config.connectors.iter().filter_map(|written| match written {
            Written::Continuity(group) => Some((group, group.discovery.as_ref()?)),
            _ => None,
        });
        groups
            .map(|(group, discovery)| {
                let refuse = |why: &str| BuildError {
                    connector: group.name.clone(),
                    why: format!("discovery.like: {} {why}", discovery.like),
                };
                let Some(Written::Oidc(like)) = config.connector(&discovery.like) else {
                    return Err(refuse("is no oidc connector"));
                };
                let profile = like.tls.as_ref().and_then(|name| config.tls.get(name));
                let profile = profile.filter(|profile| profile.ca_file.is_some());
                let profile = profile.ok_or_else(|| refuse("has no TLS profile with caFile"))?;
                if like.client_proof.is_none() || like.client_secret.is_some() {
                    return Err(refuse("does not prove who this node is with a key (oauthClientAuth)"));
                }
                let listed = group.failover.idps.iter().map(|name| {
                    let host = match config.connector(name) {
                        Some(Written::Oidc(oidc)) => host_of(&oidc.well_known_url),
                        _ => None,
                    };
                    (name.clone(), host)
                });
                Ok(Self {
                    group: group.name.clone(),
                    written: discovery.clone(),
                    like: like.clone(),
                    profile: profile.clone(),
                    listed: listed.collect(),
                    names: config.connectors.iter().map(|connector| connector.name().to_owned()).collect(),
                    node: node_id.to_owned(),
                    parts: parts.clone(),
                })
            })
            .collect()
    }

    /// The group that they are found for.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name of the records.
    pub fn srv(&self) -> &str {
        &self.written.srv
    }

    /// The members of the group that are listed, with the host at which each is.
    pub fn listed(&self) -> &[(String, Option<Host>)] {
        &self.listed
    }

    /// Where those stand that the records name.
    pub fn order(&self) -> RootOrder {
        self.written.order
    }

    /// How many an answer may add.
    pub fn most(&self) -> usize {
        self.written.most.into()
    }

    /// How long one that proved itself stays after the last answer that named it.
    pub fn keep(&self) -> Duration {
        self.written.keep.map_or(KEEP, |keep: GoDuration| keep.0)
    }

    /// Asks the name servers.
    ///
    /// # Errors
    /// Nobody answers, or there are no such records.
    pub async fn ask(&self) -> Result<Services, NoAddress> {
        self.parts.http.services(&self.written.srv, &self.written.suffix, &self.node).await
    }

    /// The connector of a host that the records name. It is called by its host, with the port where that is not 443.
    ///
    /// # Errors
    /// A configured connector has that name; the profile's files cannot be read.
    pub fn connector(&self, host: &Host) -> Result<Arc<Connector>, BuildError> {
        let name = match host.port {
            443 => host.name.clone(),
            port => format!("{}_{port}", host.name),
        };
        let refuse = |why: String| BuildError { connector: name.clone(), why };
        if self.names.contains(&name) {
            return Err(refuse("a configured connector has the name of this host".into()));
        }
        let url = format!("https://{host}/.well-known/openid-configuration");
        let url = Url::parse(&url).map_err(|_| refuse("not a host for a URL".into()))?;
        let mut written = self.like.clone();
        written.name.clone_from(&name);
        written.well_known_url = url;
        written.root = true;
        written.health_check = Some(watched(written.health_check.take()));
        let found = Found {
            like: self.like.name.clone(),
            srv: self.written.srv.clone(),
            proven: AtomicBool::new(false),
        };
        let built = crate::oidc::Oidc::found_root(&written, &self.profile, &self.parts, found);
        let oidc = built.map_err(|why| refuse(why.to_string()))?;
        Ok(Arc::new(Connector::Oidc(Box::new(oidc))))
    }
}

/// A found root is always watched, by the probe that shows whether it knows this node. What an operator wrote about one
/// machine (an endpoint, a rehearsed outage) is not about another.
fn watched(check: Option<HealthCheck>) -> HealthCheck {
    HealthCheck {
        enabled: true,
        probe: Probe::Token,
        custom_endpoint: None,
        simulation: None,
        ..check.unwrap_or_default()
    }
}

fn host_of(url: &Url) -> Option<Host> {
    Some(Host { name: url.host_str()?.to_ascii_lowercase(), port: url.port_or_known_default()? })
}
