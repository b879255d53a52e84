//! What the lab reads in an operator's configuration: which secrets it names, which clients it has at an IdP of the lab,
//! whom it asks, and how it probes. The configuration itself is never changed; the lab fills in what it refers to.

use std::collections::BTreeMap;

use mangrove_config::connectors::Oidc;
use mangrove_config::{App, Config, Connector};

use crate::history::{Micros, Probing};
use crate::language::DOMAIN;
use crate::language::tree::Tree;

/// Names of the secrets that a configuration refers to, `<vault.corp-secret>`.
pub fn secret_names(text: &str) -> Vec<String> {
    let Ok(tree) = Tree::parse(text) else { return Vec::new() };
    let mut scalars = Vec::new();
    tree.scalars(&mut scalars);
    let named = scalars.iter().filter_map(|scalar| scalar.strip_prefix('<')?.strip_suffix('>'));
    let legal = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    named.filter(legal).map(str::to_owned).collect()
}

/// A client that a node is at one of its upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Client id.
    pub id: String,
    /// Client secret, if it has one.
    pub secret: Option<String>,
    /// Redirect URLs.
    pub redirect_urls: Vec<String>,
}

/// The clients of these nodes at the server `name`, one for each client id.
pub fn clients_at<'c>(name: &str, configs: impl Iterator<Item = &'c Config>) -> Vec<Client> {
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    for oidc in configs.flat_map(oidc_connectors).filter(|oidc| server_of(oidc) == Some(name)) {
        let client = clients.entry(oidc.client_id.clone()).or_insert_with(|| Client {
            id: oidc.client_id.clone(),
            secret: oidc.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
            redirect_urls: Vec::new(),
        });
        let url = oidc.redirect_url.as_ref().map(ToString::to_string);
        client.redirect_urls.extend(url.filter(|url| !client.redirect_urls.contains(url)));
    }
    clients.into_values().collect()
}

/// A node's connectors that ask the server `name`: each one's name and well-known URL.
pub fn asking<'c>(name: &str, config: &'c Config) -> impl Iterator<Item = (&'c str, &'c str)> {
    let asking = oidc_connectors(config).filter(move |oidc| server_of(oidc) == Some(name));
    asking.map(|oidc| (oidc.name.as_str(), oidc.well_known_url.as_str()))
}

fn oidc_connectors(config: &Config) -> impl Iterator<Item = &Oidc> {
    config.connectors.iter().filter_map(|connector| match connector {
        Connector::Oidc(oidc) => Some(oidc),
        _ => None,
    })
}

/// Name of the lab's server that a connector asks.
fn server_of(oidc: &Oidc) -> Option<&str> {
    oidc.well_known_url.host_str()?.strip_suffix(DOMAIN)?.strip_suffix('.')
}

/// Whom a node asks, in order, and whether it vouches itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstreams {
    /// Names of servers.
    pub servers: Vec<String>,
    /// It has users of its own.
    pub vouches: bool,
}

/// Follows applications to groups to connectors.
pub fn upstreams(config: &Config) -> Upstreams {
    let mut found = Upstreams::default();
    for app in &config.apps {
        let App::Oidc(app) = app else { continue };
        for idp in &app.authentication.idps {
            follow(config, idp, 0, &mut found);
        }
    }
    found
}

fn follow(config: &Config, name: &str, depth: usize, found: &mut Upstreams) {
    let connector = config.connectors.iter().find(|connector| connector.name() == name);
    match connector {
        Some(Connector::Oidc(oidc)) => {
            let server = server_of(oidc).map(str::to_owned);
            found.servers.extend(server.filter(|server| !found.servers.contains(server)));
        }
        Some(Connector::Local(_)) => found.vouches = true,
        Some(Connector::Continuity(group)) if depth < 8 => {
            group.failover.idps.iter().for_each(|member| follow(config, member, depth + 1, found));
        }
        _ => {}
    }
}

/// The connectors that a node probes, by name, and the lab's server that each asks.
pub fn probed(config: &Config) -> BTreeMap<String, String> {
    let oidc = config.connectors.iter().filter_map(|connector| match connector {
        Connector::Oidc(oidc) if connector.health_check().is_some_and(|check| check.enabled) => Some(oidc),
        _ => None,
    });
    oidc.filter_map(|oidc| Some((oidc.name.clone(), server_of(oidc)?.to_owned()))).collect()
}

/// How a node probes; of several ways the slowest.
pub fn probing(config: &Config) -> Option<Probing> {
    let checks = config.connectors.iter().filter_map(Connector::health_check).filter(|check| check.enabled);
    let micros = |time: std::time::Duration| Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX);
    checks
        .map(|check| Probing {
            interval_us: micros(check.interval.0),
            timeout_us: micros(check.timeout.0),
            unhealthy_threshold: check.unhealthy_threshold,
            healthy_threshold: check.healthy_threshold,
        })
        .max_by_key(|it| it.interval_us * u64::from(it.unhealthy_threshold) + it.timeout_us)
}

/// Issuer and secret of an application at its node. The error says what to write into the node's configuration.
pub fn relying_party(
    config: &Config,
    node: &str,
    client: &str,
    callback: &str,
) -> Result<Option<String>, String> {
    let apps = config.apps.iter().filter_map(|app| match app {
        App::Oidc(app) => Some(app),
        App::Saml(_) => None,
    });
    let apps: Vec<_> = apps.collect();
    let Some(app) = apps.iter().find(|app| app.client_id == client) else {
        let known: Vec<_> = apps.iter().map(|app| app.client_id.as_str()).collect();
        return Err(format!(
            "{node} has no application with clientID `{client}` (it has: {})",
            known.join(", ")
        ));
    };
    if !app.redirect_urls.iter().any(|url| url == callback) {
        return Err(format!("{node}'s application `{client}` lacks the redirect URL {callback}"));
    }
    Ok(app
        .client_secret
        .as_ref()
        .or(app.credentials.secrets.first())
        .map(|secret| secret.expose().to_owned()))
}
