//! The servers of a draft as programs: IdPs with their configurations, what stands in front of those that the timeline
//! breaks, and how secrets expire there; nodes; foreign applications.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::configs::Client;
use super::expiry::Expiry;
use super::foreign::{Launch, Provider, Site};
use super::front::FrontSpec;
use super::knock::Question;
use super::mesh::{Draft, MeshError, Program, secret, token};
use super::{clock, configs, foreign, idp};
use crate::agent::spec::Spec;
use crate::language::{Idp, Role, host};

/// The signing key of a local IdP in its state directory; where it is gone, the next start makes another.
const KEY_OF_IDP: &str = "signing-rs256.pem";

impl Draft<'_> {
    pub(super) fn idp(&self, idp: &Idp) -> Result<Option<Program>, MeshError> {
        let (name, home) = (&idp.name, self.home(&idp.name));
        let file = home.join(foreign::provider(idp.kind).map_or("config.yaml", Provider::config_file));
        file.parent().map(std::fs::create_dir_all).transpose()?;
        let servers = self.topology.servers_of(idp.directory());
        let clients = configs::clients_at(&servers, self.configs.values());
        let write = |clients: &[Client]| self.idp_config(idp, clients);
        secret(&file, &write(&clients)?)?;
        let program = match foreign::provider(idp.kind) {
            None => {
                secret(&home.join("users.yaml"), &format!("{:#}", idp::users(name, &self.members_at(idp)?)))?;
                let keys = vec![home.join("state").join(KEY_OF_IDP)];
                self.node(name, &idp.region, Role::Root, &file).map(|program| Program { keys, ..program })
            }
            Some(provider) => {
                let launch = self.at_site(idp, |site| provider.launch(site))??;
                self.launched(name, &idp.region, launch)
            }
        };
        let Some(program) = program else { return Ok(None) };
        let front = if self.fronted(idp) { self.front(idp)? } else { None };
        let program = Program { front, ..program };
        if !self.topology.breaks(name) {
            return Ok(Some(program));
        }
        let own =
            |(node, config)| (String::clone(node), configs::clients_at(&servers, std::iter::once(config)));
        let expiry = Expiry::of(file, &clients, &self.configs.iter().map(own).collect(), write, token)?;
        Ok(Some(Program { expiry: Some(expiry), ..program }))
    }

    fn idp_config(&self, idp: &Idp, clients: &[Client]) -> Result<String, MeshError> {
        match foreign::provider(idp.kind) {
            None => Ok(format!("{:#}", idp::config(&idp.name, clients, &self.home(&idp.name)))),
            Some(provider) => {
                self.at_site(idp, |site| provider.config(site, clients))?.map_err(MeshError::Lab)
            }
        }
    }

    /// Does something with the place where an IdP stands.
    fn at_site<T>(&self, idp: &Idp, work: impl FnOnce(&Site<'_>) -> T) -> Result<T, MeshError> {
        let address = self.address(&idp.name);
        let address = address.ok_or_else(|| MeshError::Lab(format!("{} has no address", idp.name)))?;
        let (home, authority) = (self.home(&idp.name), self.authority_file());
        let members = self.members_at(idp)?;
        let (name, directory) = (&idp.name, idp.directory());
        let site = Site { name, directory, home: &home, address, authority: &authority, members: &members };
        Ok(work(&site))
    }

    /// Who asks a foreign IdP where it does not answer, or as what it is not, would never be answered.
    pub(super) fn foreign_addresses(&mut self) {
        for idp in &self.topology.idps {
            let Some(provider) = foreign::provider(idp.kind) else { continue };
            let (what, answers) = (provider.software().product, provider.urls(&idp.name));
            for node in &self.topology.nodes {
                let Some(config) = self.configs.get(&node.name) else { continue };
                for (connector, protocol, urls) in configs::asking(&[&idp.name], config) {
                    let right: Vec<_> =
                        answers.iter().filter(|(its, _)| *its == protocol).map(|(_, url)| url).collect();
                    let place = format!(
                        "{} ({}): connectors.{}: {} is {what}",
                        node.config.display(),
                        node.name,
                        connector.name(),
                        idp.name
                    );
                    let Some(first) = right.first() else {
                        self.problems.push(format!("{place} and is not asked by {protocol}"));
                        continue;
                    };
                    for url in urls.iter().filter(|url| !right.contains(url)) {
                        let key = protocol.url_key();
                        self.problems.push(format!(
                            "{place} and does not answer at {url}\n    write `{key}: {first}`"
                        ));
                    }
                    if let Some(words) = provider.misasked(connector) {
                        self.problems.push(format!("{place}, and cannot be asked like this\n    {words}"));
                    }
                }
            }
        }
    }

    /// A program with a clock that can go wrong and a disk that can be full, if it has to be. The disk is only named: a mesh is
    /// prepared to check a topology too, where mounts would be the machine's.
    pub(super) fn equipped(&self, mut program: Program) -> Program {
        let home = self.home(&program.name);
        if self.topology.skews(&program.name)
            && let Some(library) = clock::library()
        {
            let file = home.join("clock");
            program.environment.extend(clock::environment(&library, &file));
            program.clock = Some(file);
        }
        if self.topology.fills(&program.name) {
            program.disk = Some(home.join("state"));
        }
        program
    }

    pub(super) fn node(&self, name: &str, region: &str, role: Role, config: &Path) -> Option<Program> {
        let config = config.display().to_string();
        let arguments =
            vec!["-config".to_owned(), config, "-secretProvider".to_owned(), self.secret_provider()];
        self.program(name, region, PathBuf::from(role.binary()), arguments)
    }

    pub(super) fn program(
        &self,
        name: &str,
        region: &str,
        command: PathBuf,
        arguments: Vec<String>,
    ) -> Option<Program> {
        Some(Program {
            name: name.to_owned(),
            region: self.topology.region_index(region)?,
            region_name: region.to_owned(),
            command,
            arguments,
            environment: self.environment(name, region),
            address: self.address(name)?,
            front: None,
            expiry: None,
            clock: None,
            disk: None,
            keys: Vec::new(),
            before: None,
            exchange: None,
            ready: None,
        })
    }

    /// A foreign program.
    pub(super) fn launched(&self, name: &str, region: &str, launch: Launch) -> Option<Program> {
        let mut program = self.program(name, region, launch.command, launch.arguments)?;
        program.environment.extend(launch.environment);
        program.keys = launch.keys;
        program.before = launch.before.map(|before| (before, self.home(name)));
        program.exchange = launch.exchange.map(|exchange| (exchange, self.home(name)));
        let question = |path| Question { host: host(name), path, authority: self.authority_file() };
        program.ready = launch.ready.map(question);
        Some(program)
    }

    /// Takes foreign applications out of the specs and makes programs of them.
    pub(super) fn foreign_apps(
        &self,
        specs: &mut [Spec],
        programs: &mut Vec<Program>,
    ) -> Result<(), MeshError> {
        for app in &self.topology.apps {
            let Some(kind) = foreign::application(app.kind) else { continue };
            for spec in specs.iter_mut() {
                let Some(index) = spec.apps.iter().position(|it| it.name == app.name) else { continue };
                let own = spec.apps.remove(index);
                let launch = kind.launch(&own, &self.home(&app.name), &self.authority_file())?;
                programs.extend(self.launched(&app.name, &app.region, launch));
            }
        }
        Ok(())
    }

    fn front(&self, idp: &Idp) -> Result<Option<FrontSpec>, MeshError> {
        let name = &idp.name;
        let (Some(address), Some(right)) = (self.plan.address(name), self.leaves.get(name)) else {
            return Ok(None);
        };
        let (right, expired) = (Arc::new(right.clone()), Arc::new(self.authority.expired_leaf(name)?));
        let listen = SocketAddr::from((address, self.port(name)));
        let speaks_tls = !foreign::provider(idp.kind).is_none_or(Provider::speaks_tls);
        Ok(Some(FrontSpec { listen, right, expired, speaks_tls }))
    }
}
