//! Client secrets that expire at an IdP of the lab: an operator's edit of its configuration. The IdP reads it when it is
//! restarted; discovery and pages are as before, and its token endpoint no longer knows the node.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::configs::Client;
use super::mesh::secret;

/// The configuration of an IdP, and what it is when the secrets of one node have expired.
#[derive(Debug, Clone)]
pub struct Expiry {
    file: PathBuf,
    right: String,
    of: BTreeMap<String, Edit>,
}

#[derive(Debug, Clone)]
struct Edit {
    config: String,
    about: Vec<String>,
}

impl Expiry {
    /// An IdP whose configuration stands in `file`. `nodes` are those that ask it, each with its clients there; `write`
    /// makes the configuration for a list of clients, `fresh` a secret that nobody knows.
    ///
    /// # Errors
    /// When `write` or `fresh` fails.
    pub fn of<E>(
        file: PathBuf,
        clients: &[Client],
        nodes: &BTreeMap<String, Vec<Client>>,
        write: impl Fn(&[Client]) -> Result<String, E>,
        fresh: impl Fn() -> Result<String, E>,
    ) -> Result<Self, E> {
        let mut of = BTreeMap::new();
        for (node, own) in nodes.iter().filter(|(_, own)| !own.is_empty()) {
            let mine = |client: &Client| {
                own.iter().any(|own| (own.protocol, &own.id) == (client.protocol, &client.id))
            };
            let mut edited = clients.to_vec();
            for client in edited.iter_mut().filter(|client| mine(client) && client.secret.is_some()) {
                client.secret = Some(fresh()?);
            }
            let about = nodes.iter().filter(|(_, theirs)| theirs.iter().any(mine));
            let about = about.map(|(name, _)| name.clone()).collect();
            of.insert(node.clone(), Edit { config: write(&edited)?, about });
        }
        Ok(Self { file, right: write(clients)?, of })
    }

    /// Writes the configuration in which the secrets of a node have expired; answers whom that is about, or none if the node
    /// is no client.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn expire(&self, node: &str) -> io::Result<Option<Vec<String>>> {
        let Some(edit) = self.of.get(node) else { return Ok(None) };
        secret(&self.file, &edit.config)?;
        Ok(Some(edit.about.clone()))
    }

    /// Writes the configuration as it was.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn renew(&self) -> io::Result<()> {
        secret(&self.file, &self.right)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::lab::configs::Protocol;

    #[test]
    fn the_secrets_of_one_node_expire_and_of_those_who_share_its_client() {
        let client = |id: &str| Client::new(Protocol::Oidc, id, Some(&format!("secret of {id}")));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let node = |name: &str, ids: &[&str]| (name.to_owned(), ids.iter().map(|id| client(id)).collect());
        let nodes = BTreeMap::from([
            node("root-1", &["both"]),
            node("root-2", &["both"]),
            node("root-3", &["own"]),
            node("edge", &[]),
        ]);
        let write = |clients: &[Client]| {
            let secrets: Vec<_> = clients.iter().map(|client| client.secret.clone().unwrap()).collect();
            Ok::<_, Infallible>(secrets.join(", "))
        };
        let clients = [client("both"), client("own")];
        let expiry = Expiry::of(file.clone(), &clients, &nodes, write, || Ok("fresh".to_owned())).unwrap();
        let text = || std::fs::read_to_string(&file).unwrap();
        assert_eq!(expiry.expire("root-1").unwrap().unwrap(), ["root-1", "root-2"]);
        assert_eq!(text(), "fresh, secret of own");
        assert_eq!(expiry.expire("root-3").unwrap().unwrap(), ["root-3"]);
        assert_eq!(text(), "secret of both, fresh");
        assert_eq!(expiry.expire("edge").unwrap(), None, "who asks nothing here has no secret");
        expiry.renew().unwrap();
        assert_eq!(text(), "secret of both, secret of own");
    }
}
