//! The IdPs of a draft as programs: their configurations, what stands in front of those that the timeline breaks, and how
//! secrets expire there.

use std::net::SocketAddr;
use std::sync::Arc;

use super::addresses::PORT;
use super::configs::Client;
use super::expiry::Expiry;
use super::front::FrontSpec;
use super::mesh::{Draft, MeshError, Program, secret, token};
use super::{configs, foreign, idp};
use crate::language::{Idp, IdpKind, Role};

/// The signing key of a local IdP in its state directory; where it is gone, the next start makes another.
const KEY_OF_IDP: &str = "signing-rs256.pem";

impl Draft<'_> {
    pub(super) fn idp(&self, idp: &Idp) -> Result<Option<Program>, MeshError> {
        let (name, home) = (&idp.name, self.home(&idp.name));
        let file = home.join("config.yaml");
        let clients = configs::clients_at(name, self.configs.values());
        let write = |clients: &[Client]| self.idp_config(idp, clients);
        secret(&file, &write(&clients)?)?;
        let program = match idp.kind {
            IdpKind::Local => {
                secret(&home.join("users.yaml"), &format!("{:#}", idp::users(name, &self.members_at(idp)?)))?;
                self.node(name, &idp.region, Role::Root, &file)
            }
            IdpKind::Dex => {
                let arguments = vec!["serve".to_owned(), file.display().to_string()];
                self.program(name, &idp.region, foreign::dex().unwrap_or_default(), arguments)
            }
        };
        let Some(program) = program else { return Ok(None) };
        if !self.topology.breaks(name) {
            return Ok(Some(program));
        }
        let own = |(node, config)| (String::clone(node), configs::clients_at(name, std::iter::once(config)));
        let expiry = Expiry::of(file, &clients, &self.configs.iter().map(own).collect(), write, token)?;
        let keys = match idp.kind {
            IdpKind::Local => vec![home.join("state").join(KEY_OF_IDP)],
            IdpKind::Dex => Vec::new(),
        };
        Ok(Some(Program { front: self.front(name)?, expiry: Some(expiry), keys, ..program }))
    }

    fn idp_config(&self, idp: &Idp, clients: &[Client]) -> Result<String, MeshError> {
        let home = self.home(&idp.name);
        let config = match idp.kind {
            IdpKind::Local => idp::config(&idp.name, clients, &home),
            IdpKind::Dex => {
                let address = self.address(&idp.name).map(|address| address.to_string()).unwrap_or_default();
                foreign::dex_config(&idp.name, &address, clients, &self.members_at(idp)?, &home)
                    .map_err(MeshError::Lab)?
            }
        };
        Ok(format!("{config:#}"))
    }

    /// Dex answers below a path; who asks it elsewhere would never be answered.
    pub(super) fn dex_addresses(&mut self) {
        for idp in self.topology.idps.iter().filter(|idp| idp.kind == IdpKind::Dex) {
            let right = format!("{}/.well-known/openid-configuration", foreign::dex_issuer(&idp.name));
            for node in &self.topology.nodes {
                let Some(config) = self.configs.get(&node.name) else { continue };
                for (connector, url) in configs::asking(&idp.name, config).filter(|(_, url)| *url != right) {
                    self.problems.push(format!(
                        "{} ({}): connectors.{connector}: {} is Dex and does not answer at {url}\n    write `oidcWellKnownURL: {right}`",
                        node.config.display(), node.name, idp.name,
                    ));
                }
            }
        }
    }

    fn front(&self, name: &str) -> Result<Option<FrontSpec>, MeshError> {
        let (Some(address), Some(right)) = (self.plan.address(name), self.leaves.get(name)) else {
            return Ok(None);
        };
        let (right, expired) = (Arc::new(right.clone()), Arc::new(self.authority.expired_leaf(name)?));
        Ok(Some(FrontSpec { listen: SocketAddr::from((address, PORT)), right, expired }))
    }
}
