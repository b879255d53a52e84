//! The mesh of a topology, ready to be started: addresses, certificates, secrets, people, and for each server what to run.
//! Writes files below one directory and starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mangrove_config::{Config, Environment, Loader};
use mangrove_keys::{Algorithm, KeyError, KeyRing, KeySource};

use super::addresses::{PORT, PORT_BEHIND, Plan};
use super::ca::{Authority, Leaf};
use super::dns::Zone;
use super::endpoint::EndpointSpec;
use super::expiry::Expiry;
use super::foreign::{Before, Exchange};
use super::front::FrontSpec;
use super::idp::{Member, Somebody};
use super::knock::Question;
use super::{configs, describe, foreign};
use crate::agent::spec::Spec;
use crate::history::{Run, ServerKind};
use crate::language::{Endpoint, Idp, ROOT_SERVICE, Topology, host};

/// A process to be: a node, an IdP of the lab, a foreign application.
#[derive(Debug, Clone)]
pub struct Program {
    /// Name of the server.
    pub name: String,
    /// Index of its region.
    pub region: usize,
    /// Name of its region.
    pub region_name: String,
    /// What to start: a path, or the name of one of the product's programs.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What stands in front of it, if anything does.
    pub front: Option<FrontSpec>,
    /// How client secrets expire there, where the timeline wants that.
    pub expiry: Option<Expiry>,
    /// Where it reads how wrong its clock is, if that may go wrong.
    pub clock: Option<PathBuf>,
    /// Its state directory, where that has to be a disk of its own that can be full; whoever builds the lab gives it.
    pub disk: Option<PathBuf>,
    /// Files that it makes again at its next start if they are gone: the keys of an IdP of the lab.
    pub keys: Vec<PathBuf>,
    /// What is done before each start, and in which folder.
    pub before: Option<(Before, PathBuf)>,
    /// How it gets other keys while it goes on, and in which folder; none where it cannot.
    pub exchange: Option<(Exchange, PathBuf)>,
    /// What it answers with status 200 once it is ready, if accepting connections does not say so.
    pub ready: Option<Question>,
}

/// A topology, made concrete.
pub struct Mesh {
    /// Names and addresses.
    pub plan: Plan,
    /// Processes to start.
    pub programs: Vec<Program>,
    /// What to tell each region's process of people and applications, in the order of the regions.
    pub specs: Vec<Spec>,
    /// Status endpoints to open.
    pub endpoints: Vec<EndpointSpec>,
    /// The first line of the history.
    pub run: Run,
}

/// Why a mesh cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The disk, the random source, an encoder.
    #[error("the lab cannot prepare its files: {0}")]
    Lab(String),
    /// Configurations and topology do not fit together; every problem, one a line.
    #[error("{}", .0.join("\n"))]
    Configurations(Vec<String>),
}

impl From<io::Error> for MeshError {
    fn from(error: io::Error) -> Self {
        Self::Lab(error.to_string())
    }
}

impl From<rcgen::Error> for MeshError {
    fn from(error: rcgen::Error) -> Self {
        Self::Lab(error.to_string())
    }
}

pub(super) struct Draft<'t> {
    pub(super) topology: &'t Topology,
    folder: &'t Path,
    pub(super) plan: Plan,
    pub(super) authority: Authority,
    pub(super) leaves: BTreeMap<String, Leaf>,
    pub(super) people: Vec<Somebody>,
    pub(super) configs: BTreeMap<String, Config>,
    pub(super) problems: Vec<String>,
}

impl Mesh {
    /// Makes everything that the topology's processes need, below `folder`.
    ///
    /// # Errors
    /// When files cannot be written, or with every problem of the configurations.
    pub fn prepare(topology: &Topology, folder: &Path) -> Result<Self, MeshError> {
        let mut draft = Draft {
            topology,
            folder,
            plan: Plan::of(topology),
            authority: Authority::create()?,
            leaves: BTreeMap::new(),
            people: people(topology)?,
            configs: BTreeMap::new(),
            problems: Vec::new(),
        };
        secret(&draft.authority_file(), &draft.authority.certificate_pem())?;
        draft.secrets()?;
        draft.certificates()?;
        draft.client_keys()?;
        draft.service_providers()?;
        draft.load();
        draft.foreign_addresses();
        let mut programs = draft.programs()?;
        let mut specs = draft.specs()?;
        draft.foreign_apps(&mut specs, &mut programs)?;
        let run = describe::run(topology, &draft.people, &draft.configs);
        if draft.problems.is_empty() {
            let endpoints = draft.endpoints();
            return Ok(Self { plan: draft.plan, programs, specs, endpoints, run });
        }
        Err(MeshError::Configurations(draft.problems))
    }

    /// What the lab's DNS knows: every server by its name, and the roots as a service.
    pub fn zone(&self) -> Zone {
        let roots = self.run.servers.iter().filter(|server| server.kind == ServerKind::Root);
        let roots = roots.map(|server| host(&server.name)).collect();
        let services = BTreeMap::from([(host(ROOT_SERVICE), roots)]);
        Zone { names: self.plan.names(), services }
    }
}

impl Draft<'_> {
    pub(super) fn home(&self, name: &str) -> PathBuf {
        self.folder.join("servers").join(name)
    }

    /// The file with the lab's certificate authority.
    pub(super) fn authority_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// One random value for each name that any configuration refers to; the same name is the same secret everywhere.
    fn secrets(&self) -> Result<(), MeshError> {
        let texts = self.topology.nodes.iter().filter_map(|node| std::fs::read_to_string(&node.config).ok());
        let names: BTreeSet<String> = texts.flat_map(|text| configs::secret_names(&text)).collect();
        let mut values = serde_json::Map::new();
        for name in names {
            values.insert(name, token()?.into());
        }
        let file = serde_json::json!({ "secrets": values }).to_string();
        Ok(secret(&self.folder.join("secrets.yaml"), &file)?)
    }

    fn certificates(&mut self) -> Result<(), MeshError> {
        let names: Vec<_> = self.plan.names().into_keys().collect();
        for name in names.iter().filter_map(|host| host.split('.').next()) {
            let leaf = self.authority.leaf(name)?;
            let home = self.home(name);
            std::fs::create_dir_all(home.join("state"))?;
            secret(&home.join("cert.pem"), &leaf.certificate_pem)?;
            secret(&home.join("key.pem"), &leaf.key_pem)?;
            self.leaves.insert(name.to_owned(), leaf);
        }
        Ok(())
    }

    /// The public halves of the keys by which nodes and foreign applications prove who they are, for whoever is to know them: a node's
    /// own key, as `client-keys` makes and prints it, and the key of an application's certificate.
    fn client_keys(&self) -> Result<(), MeshError> {
        let folder = self.client_keys_folder();
        std::fs::create_dir_all(&folder)?;
        let keep = |name: &str, ring: Result<KeyRing, KeyError>| {
            let ring = ring.map_err(|why| MeshError::Lab(why.to_string()))?;
            Ok::<_, MeshError>(std::fs::write(folder.join(format!("{name}.jwks.json")), ring.jwks_text())?)
        };
        let proves = |text: String| text.contains("private_key_jwt");
        for node in &self.topology.nodes {
            if std::fs::read_to_string(&node.config).is_ok_and(proves) {
                keep(
                    &node.name,
                    KeyRing::client_kept(&self.home(&node.name).join("state"), Algorithm::Es256),
                )?;
            }
        }
        for app in self.topology.apps.iter().filter(|app| foreign::application(app.kind).is_some()) {
            let path = self.home(&app.name).join("key.pem");
            keep(&app.name, KeyRing::load(&[KeySource::File { path, algorithm: None }]))?;
        }
        Ok(())
    }

    /// The key and certificate of each node that is a service provider with one.
    fn service_providers(&self) -> Result<(), MeshError> {
        let named = |text: String| text.contains("NODE_SAML_KEY");
        for node in &self.topology.nodes {
            if std::fs::read_to_string(&node.config).is_ok_and(named) {
                let (home, own) = (self.home(&node.name), Authority::service_provider(&node.name)?);
                secret(&home.join("saml.pem"), &own.certificate_pem)?;
                secret(&home.join("saml.key"), &own.key_pem)?;
            }
        }
        Ok(())
    }

    fn client_keys_folder(&self) -> PathBuf {
        self.folder.join("client-keys")
    }

    /// Loads every node's configuration as the node itself will.
    fn load(&mut self) {
        let provider = self.secret_provider();
        for node in &self.topology.nodes {
            let environment = Environment::new(self.environment(&node.name, &node.region));
            let report = Loader::new(&environment).secret_provider(&provider).load(&node.config);
            match report.start() {
                Ok(config) => {
                    self.configs.insert(node.name.clone(), config);
                }
                Err(report) => self.problems.extend(
                    report
                        .findings
                        .iter()
                        .filter(|finding| finding.severity <= mangrove_config::Severity::RefusedAtStart)
                        .map(|finding| {
                            format!("{} ({}): {finding}", self.topology.file.display(), node.name)
                        }),
                ),
            }
        }
    }

    pub(super) fn secret_provider(&self) -> String {
        format!("secretfile://{}", self.folder.join("secrets.yaml").display())
    }

    /// What a configuration may refer to by `{{ env.NAME }}`.
    pub(super) fn environment(&self, name: &str, region: &str) -> Vec<(String, String)> {
        let path = |path: PathBuf| path.display().to_string();
        let home = self.home(name);
        let address = self.address(name).map(|address| address.to_string()).unwrap_or_default();
        [
            ("LAB_DIR", path(self.folder.to_owned())),
            ("LAB_CA", path(self.authority_file())),
            ("LAB_CLIENT_KEYS", path(self.client_keys_folder())),
            ("LAB_REGION", region.to_owned()),
            ("NODE_NAME", name.to_owned()),
            ("NODE_HOST", host(name)),
            ("NODE_ADDRESS", address),
            ("NODE_CERT", path(home.join("cert.pem"))),
            ("NODE_KEY", path(home.join("key.pem"))),
            ("NODE_SAML_CERT", path(home.join("saml.pem"))),
            ("NODE_SAML_KEY", path(home.join("saml.key"))),
            ("NODE_STATE", path(home.join("state"))),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME", path(home)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Where a server listens: behind its front, if it has one.
    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        let fronted = self.topology.idps.iter().any(|idp| idp.name == name && self.fronted(idp));
        Some(SocketAddr::from((
            self.plan.address(name)?,
            if fronted { PORT_BEHIND } else { self.port(name) },
        )))
    }

    /// Whether a front stands before an IdP: one that the timeline breaks, or one that speaks no TLS by itself.
    pub(super) fn fronted(&self, idp: &Idp) -> bool {
        self.topology.breaks(&idp.name)
            || !foreign::provider(idp.kind).is_none_or(foreign::Provider::speaks_tls)
    }

    /// The port at which everybody reaches a server.
    pub(super) fn port(&self, name: &str) -> u16 {
        let idp = self.topology.idps.iter().find(|idp| idp.name == name);
        idp.and_then(|idp| foreign::provider(idp.kind)).map_or(PORT, foreign::Provider::port)
    }

    fn endpoints(&self) -> Vec<EndpointSpec> {
        let spec = |endpoint: &Endpoint| {
            Some(EndpointSpec {
                name: endpoint.name.clone(),
                region: self.topology.region_index(&endpoint.region)?,
                listen: self.address(&endpoint.name)?,
                leaf: self.leaves.get(&endpoint.name)?.clone(),
                says: endpoint.says.clone(),
            })
        };
        self.topology.endpoints.iter().filter_map(spec).collect()
    }

    fn programs(&self) -> Result<Vec<Program>, MeshError> {
        let mut programs = Vec::new();
        for provider in &self.topology.idps {
            programs.extend(self.idp(provider)?);
        }
        for node in &self.topology.nodes {
            // Nodes run with `/` as their directory, as services do.
            let program = self.node(&node.name, &node.region, node.role, &node.config.canonicalize()?);
            programs.extend(program);
        }
        Ok(programs.into_iter().map(|program| self.equipped(program)).collect())
    }

    /// Everybody as this IdP knows them.
    pub(super) fn members_at(&self, idp: &Idp) -> Result<Vec<Member>, MeshError> {
        self.people.iter().map(|somebody| somebody.at(idp).map_err(MeshError::Lab)).collect()
    }
}

fn people(topology: &Topology) -> Result<Vec<Somebody>, MeshError> {
    let mut people = Vec::new();
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    for seat in describe::everybody(topology) {
        let number = numbers.entry(&seat.people.region).or_default();
        *number += 1;
        let name = format!("{}-{number:02}", seat.people.region);
        people.push(Somebody { name, secret: token()?, salt: random()? });
    }
    Ok(people)
}

fn random() -> Result<[u8; 16], MeshError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| MeshError::Lab("no random numbers".to_owned()))?;
    Ok(bytes)
}

pub(super) fn token() -> Result<String, MeshError> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random()?))
}

/// Writes a file that only its owner reads.
pub(super) fn secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
