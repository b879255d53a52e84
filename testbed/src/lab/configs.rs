//! What the lab reads in an operator's configuration: which secrets it names, which clients it has at an IdP of the lab
//! by which protocol, whom it asks, and how it probes. The configuration itself is never changed; the lab fills in what it refers to.

use std::collections::BTreeMap;
use std::path::Path;

use mangrove_config::connectors::Oidc;
use mangrove_config::{App, Config, Connector, Secret};
use mangrove_keys::{Algorithm, KeyRing, KeySource, Signer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::history::{Probing, micros};
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

/// How a node speaks to an identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// OpenID Connect.
    Oidc,
    /// SAML 2.0.
    Saml,
    /// LDAP.
    Ldap,
}

/// A client that a node is at one of its upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// How it speaks.
    pub protocol: Protocol,
    /// Client id; entity id of a service provider; DN of a service account.
    pub id: String,
    /// Client secret, or password of the service account, if it has one.
    pub secret: Option<String>,
    /// The public half of what it proves itself with instead, as a JWK Set.
    pub keys: Option<Value>,
    /// Redirect URLs, or assertion consumer services.
    pub urls: Vec<String>,
    /// Where browsers come back to after a logout; single logout services of a service provider.
    pub logout_urls: Vec<String>,
    /// File with the certificate by which a service provider signs, PEM.
    pub certificate: Option<String>,
    /// The key of that certificate opens what is encrypted for it.
    pub decrypts: bool,
}

impl Client {
    /// A client that is known nowhere yet.
    pub fn new(protocol: Protocol, id: &str, secret: Option<&str>) -> Self {
        let (id, secret) = (id.to_owned(), secret.map(str::to_owned));
        Self {
            protocol,
            id,
            secret,
            keys: None,
            urls: Vec::new(),
            logout_urls: Vec::new(),
            certificate: None,
            decrypts: false,
        }
    }

    /// Whether a service provider signs its wish that a session ends, and has a place for the answer. Who lacks either wishes nothing.
    pub fn can_sign_out(&self) -> bool {
        !self.logout_urls.is_empty() && self.certificate.is_some()
    }
}

/// The clients of these nodes at the servers of one IdP, one for each protocol and id.
pub fn clients_at<'c>(names: &[&str], configs: impl Iterator<Item = &'c Config>) -> Vec<Client> {
    let mut clients: BTreeMap<(Protocol, String), Client> = BTreeMap::new();
    let connectors = configs.flat_map(|config| config.connectors.iter().map(move |it| (config, it)));
    let asks = |it: &Connector| servers_of(it).iter().any(|server| names.contains(&server.as_str()));
    for (config, connector) in connectors.filter(|(_, it)| asks(it)) {
        let Some(found) = client_of(config, connector) else { continue };
        let known = clients.entry((found.protocol, found.id.clone()));
        let known = known.or_insert_with(|| Client { urls: vec![], logout_urls: vec![], ..found.clone() });
        for (into, from) in [(&mut known.urls, found.urls), (&mut known.logout_urls, found.logout_urls)] {
            into.extend(from.into_iter().filter(|url| !into.contains(url)).collect::<Vec<_>>());
        }
    }
    clients.into_values().collect()
}

/// The client that a node is by this connector; none where it asks nobody else, or anonymously.
fn client_of(config: &Config, connector: &Connector) -> Option<Client> {
    let texts = |url: Option<&Url>| url.map(ToString::to_string).into_iter().collect();
    let exposed = |secret: Option<&Secret>| secret.map(|secret| secret.expose().to_owned());
    Some(match connector {
        Connector::Oidc(oidc) => Client {
            secret: exposed(oidc.client_secret.as_ref()),
            keys: keys_of(config, oidc),
            urls: texts(oidc.redirect_url.as_ref()),
            logout_urls: texts(signed_out_at(config, oidc).as_ref()),
            ..Client::new(Protocol::Oidc, &oidc.client_id, None)
        },
        Connector::Saml(saml) => Client {
            urls: texts(Some(&saml.consumer_service_url)),
            logout_urls: texts(saml.logout_callback_url.as_ref()),
            certificate: saml.sp_cert_path.clone(),
            decrypts: saml.sp_key_path.as_deref().is_some_and(is_rsa),
            ..Client::new(Protocol::Saml, &saml.entity_id, None)
        },
        Connector::Ldap(ldap) | Connector::ActiveDirectory(ldap) => Client {
            secret: exposed(ldap.bind_password.as_ref()),
            ..Client::new(Protocol::Ldap, ldap.bind_dn.as_ref()?, None)
        },
        Connector::Local(_) | Connector::Continuity(_) => return None,
    })
}

/// Whether a file holds a key that can open as well as sign.
fn is_rsa(file: &str) -> bool {
    let signer = std::fs::read(file).ok().and_then(|pem| Signer::from_pem(file, &pem).ok());
    signer.is_some_and(|signer| signer.algorithm() == Algorithm::Rs256)
}

/// Where a provider sends browsers back to after a logout: where the connector says, or the node's own page for it.
fn signed_out_at(config: &Config, oidc: &Oidc) -> Option<Url> {
    let written = oidc.oauth_logout_redirect.as_ref().and_then(|it| it.urls.first());
    let node = config.http.public_url.as_ref().or(oidc.redirect_url.as_ref());
    written.cloned().or_else(|| node?.join("/login/signed-out").ok())
}

/// Where a node ends sessions at an application's word.
pub fn end_session(config: &Config, issuer: &str) -> Option<Url> {
    let written = config.oidc_provider.as_ref().and_then(|it| it.discovery.endpoints.end_session.clone());
    written.or_else(|| Url::parse(issuer).ok()?.join("/oauth2/logout").ok())
}

/// Whether a node sends the browsers of an application there after a logout.
pub fn leads_back(config: &Config, client: &str, url: &str) -> bool {
    let of = |app: &&App| matches!(app, App::Oidc(app) if app.client_id == client);
    config.apps.iter().find(of).is_some_and(|app| match app {
        App::Oidc(app) => app.post_logout_redirect_urls.iter().any(|it| it == url),
        App::Saml(_) => false,
    })
}

/// The public half of the key by which a node proves who it is: the one that it names, or its own.
fn keys_of(config: &Config, oidc: &Oidc) -> Option<Value> {
    let proof = oidc.client_proof.as_ref()?;
    let ring = match (&proof.key_path, &config.state.directory) {
        (Some(path), _) => KeyRing::load(&[KeySource::File { path: path.into(), algorithm: None }]),
        (None, Some(state)) => KeyRing::client_kept(Path::new(state), Algorithm::Es256),
        (None, None) => return None,
    };
    ring.ok().map(|ring| ring.jwks().clone())
}

impl Protocol {
    /// Where a connector says whom it asks by this protocol.
    pub fn url_key(self) -> &'static str {
        match self {
            Self::Oidc => "oidcWellKnownURL",
            Self::Saml => "samlMetadataURL",
            Self::Ldap => "url",
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Oidc => "OIDC",
            Self::Saml => "SAML",
            Self::Ldap => "LDAP",
        })
    }
}

/// The protocol of a connector that asks somebody else.
fn protocol_of(connector: &Connector) -> Option<Protocol> {
    match connector {
        Connector::Oidc(_) => Some(Protocol::Oidc),
        Connector::Saml(_) => Some(Protocol::Saml),
        Connector::Ldap(_) | Connector::ActiveDirectory(_) => Some(Protocol::Ldap),
        Connector::Local(_) | Connector::Continuity(_) => None,
    }
}

/// Whose password a node's own page asks for by this connector; none where it sends people elsewhere.
pub fn title_of(connector: &Connector) -> Option<String> {
    match connector {
        Connector::Ldap(ldap) | Connector::ActiveDirectory(ldap) => {
            Some(ldap.title.clone().unwrap_or_else(|| ldap.name.clone()))
        }
        _ => None,
    }
}

/// A node's connectors that ask one of these servers: each one, how, and the URLs at which it does.
pub fn asking<'c>(names: &[&str], config: &'c Config) -> Vec<(&'c Connector, Protocol, Vec<String>)> {
    let there = |url: &String| server_at(url).is_some_and(|server| names.contains(&server.as_str()));
    let urls = |connector: &Connector| urls_of(connector).into_iter().filter(there).collect::<Vec<_>>();
    let all = config.connectors.iter().filter_map(|it| Some((it, protocol_of(it)?, urls(it))));
    all.filter(|(.., urls)| !urls.is_empty()).collect()
}

/// Where a connector asks.
fn urls_of(connector: &Connector) -> Vec<String> {
    match connector {
        Connector::Oidc(oidc) => vec![oidc.well_known_url.to_string()],
        Connector::Saml(saml) => vec![saml.metadata_url.to_string()],
        Connector::Ldap(ldap) | Connector::ActiveDirectory(ldap) => {
            ldap.url.iter().map(str::to_owned).collect()
        }
        Connector::Local(_) | Connector::Continuity(_) => Vec::new(),
    }
}

/// Names of the lab's servers that a connector asks, in order.
fn servers_of(connector: &Connector) -> Vec<String> {
    urls_of(connector).iter().filter_map(|url| server_at(url)).collect()
}

/// Name of the lab's server at a URL.
fn server_at(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(url.host_str()?.strip_suffix(DOMAIN)?.strip_suffix('.')?.to_owned())
}

/// Whom a node asks, in order, and whether it vouches itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstreams {
    /// Names of servers.
    pub servers: Vec<String>,
    /// It has users of its own.
    pub vouches: bool,
}

/// Follows applications to groups to connectors. `roots` are those that DNS names.
pub fn upstreams(config: &Config, roots: &[String]) -> Upstreams {
    let mut found = Upstreams::default();
    for app in &config.apps {
        let App::Oidc(app) = app else { continue };
        for idp in &app.authentication.idps {
            follow(config, roots, idp, 0, &mut found);
        }
    }
    found
}

fn follow(config: &Config, roots: &[String], name: &str, depth: usize, found: &mut Upstreams) {
    let connector = config.connectors.iter().find(|connector| connector.name() == name);
    match connector {
        Some(Connector::Local(_)) => found.vouches = true,
        Some(Connector::Continuity(group)) if depth < 8 => {
            group.failover.idps.iter().for_each(|member| follow(config, roots, member, depth + 1, found));
            let named = roots.iter().filter(|_| group.discovery.is_some());
            let new: Vec<String> = named.filter(|root| !found.servers.contains(root)).cloned().collect();
            found.servers.extend(new);
        }
        Some(connector) => {
            for server in servers_of(connector) {
                if !found.servers.contains(&server) {
                    found.servers.push(server);
                }
            }
        }
        None => {}
    }
}

/// The connectors that a node probes, by name, and the lab's server that each asks. Not those that ask several: none of
/// these takes the connector down by its own death.
pub fn probed(config: &Config) -> BTreeMap<String, String> {
    let probes = |it: &&Connector| it.health_check().is_some_and(|check| check.enabled);
    let one = |it: &Connector| <[String; 1]>::try_from(servers_of(it)).ok();
    let connectors = config.connectors.iter().filter(probes);
    connectors.filter_map(|it| one(it).map(|[server]| (it.name().to_owned(), server))).collect()
}

/// How a node probes; of several ways the slowest.
pub fn probing(config: &Config) -> Option<Probing> {
    let checks = config.connectors.iter().filter_map(Connector::health_check).filter(|check| check.enabled);
    checks
        .map(|check| Probing {
            interval_us: micros(check.interval.0),
            timeout_us: micros(check.timeout.0),
            unhealthy_threshold: check.unhealthy_threshold,
            healthy_threshold: check.healthy_threshold,
        })
        .max_by_key(|it| it.interval_us * u64::from(it.unhealthy_threshold) + it.timeout_us)
}

/// How an application proves who it is at its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppProof {
    /// By a secret.
    Secret(String),
    /// By its key.
    Key,
    /// Not at all.
    Nothing,
}

/// How an application proves who it is at its node. The error says what to write into the node's configuration.
pub fn relying_party(config: &Config, node: &str, client: &str, callback: &str) -> Result<AppProof, String> {
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
    let secret = app.client_secret.as_ref().or(app.credentials.secrets.first());
    let keyed = app.jwks.is_some() || app.jwks_file.is_some();
    Ok(match secret {
        Some(secret) => AppProof::Secret(secret.expose().to_owned()),
        None if keyed => AppProof::Key,
        None => AppProof::Nothing,
    })
}
