//! One upstream, whatever it speaks.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mangrove_config::Config;
use mangrove_config::connectors::Connector as Written;
use mangrove_continuity::HealthPolicy;
use mangrove_keys::{KeyError, KeyRing};
use url::Url;

use crate::finder::Found;
use crate::http::HttpBuildError;
use crate::ldap::Ldap;
use crate::local::{Local, Queue};
use crate::look::{Knock, Look, ProbeResult};
use crate::oidc::Oidc;
use crate::saml::{Benches, Saml};
use crate::{
    Answer, Ask, Begin, Carried, Failure, Farewell, Heard, HttpClient, Identity, Network, Pending, Sending,
    Wish,
};

/// One upstream that can be asked to vouch for a person.
#[derive(Debug)]
pub enum Connector {
    /// An OpenID provider.
    Oidc(Box<Oidc>),
    /// A directory.
    Ldap(Box<Ldap>),
    /// A file of users on this node.
    Local(Local),
    /// A SAML identity provider.
    Saml(Box<Saml>),
}

/// What connectors share.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The process's outgoing HTTP client.
    pub http: HttpClient,
    /// Folder for what the node keeps.
    pub state_dir: PathBuf,
}

/// A configuration that cannot become a connector.
#[derive(Debug, thiserror::Error)]
#[error("connector {connector}: {why}")]
pub struct BuildError {
    /// The connector's name.
    pub connector: String,
    /// What is wrong, in words.
    pub why: String,
}

impl Connector {
    /// Builds every connector of a configuration, in order; groups are not connectors and are left out. Opens nothing: an
    /// unreachable provider does not stop a start.
    ///
    /// # Errors
    /// Settings that can never work: a TLS profile that does not exist or load, plain HTTP to another machine.
    pub fn build(config: &Config, parts: &Parts) -> Result<Vec<Arc<Self>>, BuildError> {
        let mut built = Vec::new();
        let (queue, benches) = (Arc::new(Queue::default()), Arc::new(Benches::default()));
        for written in &config.connectors {
            let refuse =
                |why: HttpBuildError| BuildError { connector: written.name().into(), why: why.to_string() };
            built.push(Arc::new(match written {
                Written::Oidc(oidc) => {
                    Self::Oidc(Box::new(Oidc::build(oidc, config, parts).map_err(refuse)?))
                }
                Written::Local(local) => Self::Local(Local::build(local, &queue)),
                Written::Saml(saml) => {
                    Self::Saml(Box::new(Saml::build(saml, config, parts, &benches).map_err(refuse)?))
                }
                Written::Ldap(ldap) => {
                    Self::Ldap(Box::new(Ldap::build(ldap, false, config, parts).map_err(refuse)?))
                }
                Written::ActiveDirectory(ldap) => {
                    Self::Ldap(Box::new(Ldap::build(ldap, true, config, parts).map_err(refuse)?))
                }
                Written::Continuity(_) => continue,
            }));
        }
        Ok(built)
    }

    /// The connector's unique name.
    pub fn name(&self) -> &str {
        match self {
            Self::Oidc(c) => c.name(),
            Self::Ldap(c) => c.name(),
            Self::Local(c) => c.name(),
            Self::Saml(c) => c.name(),
        }
    }

    /// Whether anybody could sign in here at all, from the settings alone.
    ///
    /// # Errors
    /// What is missing, in words for an operator.
    pub fn able(&self) -> Result<(), String> {
        match self {
            Self::Oidc(c) => c.able(),
            Self::Ldap(_) | Self::Saml(_) => Ok(()),
            Self::Local(c) => c.able(),
        }
    }

    /// How the connector is to be watched.
    pub fn health_policy(&self) -> HealthPolicy {
        match self {
            Self::Oidc(c) => c.health_policy(),
            Self::Ldap(c) => c.health_policy(),
            Self::Saml(c) => c.health_policy(),
            Self::Local(_) => HealthPolicy { probed: false, ..HealthPolicy::default() },
        }
    }

    /// Whether an operator marked the upstream as a Mangrove root.
    pub fn is_root(&self) -> bool {
        matches!(self, Self::Oidc(c) if c.is_root())
    }

    /// The configured connector whose settings it has: itself, unless DNS found it.
    pub fn like(&self) -> &str {
        self.found().map_or_else(|| self.name(), |found| &found.like)
    }

    /// By which records DNS found it, if it did.
    pub fn found_by(&self) -> Option<&str> {
        self.found().map(|found| found.srv.as_str())
    }

    /// Whether it has shown who it is and that it knows this node. Only who was found has to.
    pub fn is_proven(&self) -> bool {
        self.found().is_none_or(Found::is_proven)
    }

    fn found(&self) -> Option<&Found> {
        match self {
            Self::Oidc(c) => c.found(),
            Self::Saml(_) | Self::Ldap(_) | Self::Local(_) => None,
        }
    }

    /// The key by which this node proves who it is at the upstream, where it is a key and not a secret. The node's own is made
    /// when it is first asked for.
    ///
    /// # Errors
    /// It can neither be read nor made.
    pub fn client_key(&self) -> Result<Option<&KeyRing>, KeyError> {
        match self {
            Self::Oidc(c) => c.client_key(),
            Self::Saml(_) | Self::Ldap(_) | Self::Local(_) => Ok(None),
        }
    }

    /// Path of this connector's redirect URL, where answers arrive.
    pub fn redirect_path(&self) -> Option<&str> {
        match self {
            Self::Oidc(c) => c.redirect_path(),
            Self::Saml(c) => Some(c.redirect_path()),
            Self::Ldap(_) | Self::Local(_) => None,
        }
    }

    /// A document of this node's that the upstream has to know, and the path on which it is published: SAML metadata.
    pub fn published(&self) -> Option<(String, String)> {
        match self {
            Self::Saml(c) => Some(c.published()),
            Self::Oidc(_) | Self::Ldap(_) | Self::Local(_) => None,
        }
    }

    /// Starts a login.
    ///
    /// # Errors
    /// The provider's metadata is neither known nor to be had, or the connector cannot be used.
    pub async fn begin(&self, ask: &Ask) -> Result<Begin, Failure> {
        match self {
            Self::Oidc(c) => c.begin(ask).await,
            Self::Ldap(c) => Ok(c.begin()),
            Self::Local(c) => Ok(c.begin()),
            Self::Saml(c) => c.begin(ask).await,
        }
    }

    /// Finishes a login that [`begin`](Self::begin) started, with what the browser brought back.
    ///
    /// # Errors
    /// See [`Failure`]: each says who is to blame.
    pub async fn finish(&self, pending: &Pending, answer: &Answer) -> Result<Identity, Failure> {
        match self {
            Self::Oidc(c) => c.finish(pending, answer).await,
            Self::Ldap(_) | Self::Local(_) => {
                Err(Failure::protocol("an answer from a browser to a connector that redirects nobody"))
            }
            Self::Saml(c) => c.finish(pending, answer).await,
        }
    }

    /// Whether [`finish`](Self::finish) asks nobody about an answer: it can be called with the same one again, and has changed nothing.
    pub fn judges_alone(&self) -> bool {
        matches!(self, Self::Saml(_))
    }

    /// Whether answers are taken that nobody asked for.
    pub fn allows_unasked(&self) -> bool {
        matches!(self, Self::Saml(c) if c.allows_unasked())
    }

    /// Takes an answer that nobody asked for, as [`finish`](Self::finish) takes one that somebody did.
    ///
    /// # Errors
    /// `Protocol` for all that does not hold; also where it is not allowed.
    pub async fn unasked(&self, answer: &Answer) -> Result<Identity, Failure> {
        match self {
            Self::Saml(c) if c.allows_unasked() => c.unasked(answer).await,
            _ => Err(Failure::protocol("an answer that nobody asked for")),
        }
    }

    /// Checks a password that this node asked for, typed in a browser of that network.
    ///
    /// # Errors
    /// `Rejected` for a wrong user name or password alike, and where the account may not be used; `Unavailable` when too many
    /// are being checked, or the directory does not answer.
    pub async fn verify_password(
        &self,
        username: &str,
        password: &str,
        from: Network,
    ) -> Result<Identity, Failure> {
        match self {
            Self::Ldap(c) => c.verify_password(username, password, from).await,
            Self::Local(c) => c.verify_password(username, password, from).await,
            Self::Oidc(_) | Self::Saml(_) => {
                Err(Failure::protocol("a password for a connector that takes none"))
            }
        }
    }

    /// Looks whether the upstream would answer a login now.
    pub async fn probe(&self) -> ProbeResult {
        match self {
            Self::Oidc(c) => c.probe().await,
            Self::Ldap(c) => c.probe().await,
            Self::Local(c) => c.probe(),
            Self::Saml(c) => c.probe().await,
        }
    }

    /// Whether a look can tell anything: whoever takes passwords from a file of this node has nothing that could be dead.
    pub fn a_look_tells(&self) -> bool {
        !matches!(self, Self::Local(_))
    }

    /// A cheap look, within `patience`, just before a browser is sent there. Verdicts are for [`probe`](Self::probe).
    pub async fn look(&self, patience: Duration) -> Look {
        match self {
            Self::Oidc(c) => c.look(patience).await,
            Self::Ldap(c) => c.look(patience).await,
            Self::Local(_) => Look::Answered { took: Duration::ZERO },
            Self::Saml(c) => c.look(patience).await,
        }
    }

    /// Whether its page can be connected to now; asks nothing, and has no deadline of its own.
    pub async fn opens(&self) -> Knock {
        match self {
            Self::Oidc(c) => c.opens().await,
            Self::Saml(c) => c.opens().await,
            Self::Ldap(_) | Self::Local(_) => Knock::Open,
        }
    }

    /// A look when nobody else is left: past a custom endpoint that is silent, never past one that says no.
    pub async fn look_at_last(&self, patience: Duration) -> Look {
        match self {
            Self::Oidc(c) => c.look_at_last(patience).await,
            Self::Ldap(c) => c.look_at_last(patience).await,
            Self::Saml(c) => c.look_at_last(patience).await,
            Self::Local(_) => self.look(patience).await,
        }
    }

    /// Whether the upstream can meet what an application requires of a login, as far as is known.
    pub fn may_meet(&self, ask: &Ask) -> bool {
        let Some(wanted) = ask.acr_values.as_deref() else { return true };
        match self {
            Self::Oidc(c) => c.may_meet(wanted),
            // It is asked for the classes, and says so where it knows none of them.
            Self::Saml(_) => true,
            Self::Ldap(_) | Self::Local(_) => wanted.trim().is_empty(),
        }
    }

    /// Looks whether the upstream knows this node, by what only this node can ask: at an OpenID provider a code that nobody
    /// issued must be answered `invalid_grant`, a directory must let the service account in, and let it search people and
    /// groups, a SAML provider's metadata must be of use. For connectors that are Misconfigured, about once a minute.
    ///
    /// # Errors
    /// What a login would meet now.
    pub async fn rehearse(&self) -> Result<(), Failure> {
        match self {
            Self::Oidc(c) => c.rehearse().await,
            Self::Ldap(c) => c.rehearse().await,
            Self::Saml(c) => c.rehearse().await,
            Self::Local(_) => Ok(()),
        }
    }

    /// Whether the upstream has a place where a browser can end this session too, as far as is known; nothing is fetched or signed.
    pub fn has_logout(&self, identity: &Identity) -> bool {
        match self {
            Self::Oidc(c) => c.has_logout(),
            Self::Saml(c) => c.has_logout(identity),
            Self::Ldap(_) | Self::Local(_) => false,
        }
    }

    /// How the browser goes to end the upstream's session too, if the upstream can be told. `back_to` is where it returns, unless
    /// the upstream knows better. Where it has to be written first, it waits its turn as one of the browser's network.
    pub async fn logout(&self, identity: &Identity, back_to: &Url, from: Network) -> Option<Farewell> {
        match self {
            Self::Oidc(c) => {
                let to = Sending::Redirect(c.logout(identity, back_to)?);
                Some(Farewell { to, asked: None })
            }
            Self::Saml(c) => c.logout(identity, from).await,
            Self::Ldap(_) | Self::Local(_) => None,
        }
    }

    /// Path of the door at which the upstream itself speaks of logouts, through browsers.
    pub fn logout_path(&self) -> Option<&str> {
        match self {
            Self::Saml(c) => c.logout_path(),
            Self::Oidc(_) | Self::Ldap(_) | Self::Local(_) => None,
        }
    }

    /// What arrived at that door, from a browser of that network.
    ///
    /// # Errors
    /// `Protocol` for what is malformed, forged or late.
    pub async fn hears(&self, carried: Carried, from: Network) -> Result<Heard, Failure> {
        match self {
            Self::Saml(c) => c.hears(carried, from).await,
            Self::Oidc(_) | Self::Ldap(_) | Self::Local(_) => {
                Err(Failure::protocol("a logout for a connector that has no door for it"))
            }
        }
    }

    /// Whether an upstream's wish is about this identity.
    pub fn is_meant(&self, wish: &Wish, identity: &Identity) -> bool {
        matches!(self, Self::Saml(c) if c.is_meant(wish, identity))
    }

    /// How the browser, which is of that network, takes the answer to a wish back, if the upstream takes one.
    pub async fn replies(&self, wish: &Wish, from: Network) -> Option<Sending> {
        match self {
            Self::Saml(c) => c.replies(wish, from).await,
            Self::Oidc(_) | Self::Ldap(_) | Self::Local(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn can_move_between_threads<T: Send>(_: T) {}

    /// Never called: that it compiles is the test.
    #[allow(dead_code)]
    fn every_step_can_be_awaited_by_a_server(
        connector: &Connector,
        ask: &Ask,
        pending: &Pending,
        answer: &Answer,
    ) {
        can_move_between_threads(connector.begin(ask));
        can_move_between_threads(connector.finish(pending, answer));
        can_move_between_threads(connector.verify_password("", "", Network::default()));
        can_move_between_threads(connector.probe());
        can_move_between_threads(connector.look(Duration::ZERO));
        can_move_between_threads(connector.look_at_last(Duration::ZERO));
        can_move_between_threads(connector.rehearse());
        can_move_between_threads(connector.hears(Carried::Form(Bytes::new()), Network::default()));
    }
}
