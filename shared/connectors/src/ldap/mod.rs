//! `type: ldap` and `type: activedirectory`: people whose passwords a directory checks.
//!
//! Read in the order of a login ([`sign_in`]): the service account searches the entry that the typed name belongs to
//! ([`servers`]) for the attributes that somebody [`wanted`], the person is bound on a connection of its own that nobody uses
//! afterwards, [`judge`] reads what the directory says, [`entry`] what it knows. A [`search`] that may find much goes by pages. Every
//! connection ([`link`]) is dialled and encrypted as all others of this process are; the driver sees only what [`guard`] has let
//! through. A password goes to the servers that `url` lists and nowhere else: referrals are never followed. All of it has one
//! deadline.

mod ber;
mod dn;
mod entry;
mod guard;
mod judge;
mod link;
mod pool;
mod ranges;
mod refusals;
mod search;
mod servers;
mod settings;
mod shape;
mod sign_in;
mod wanted;

use std::time::Duration;

use futures::FutureExt;
use mangrove_config::health_check::HealthCheck;
use mangrove_config::{Config, connectors::Ldap as Written};
use mangrove_continuity::HealthPolicy;
use mangrove_keys::ambient;
use tokio::time::timeout;

use self::entry::Person;
use self::link::{Act, Said, Trouble, Who};
use self::servers::Servers;
use self::settings::{By, Settings};
use self::sign_in::Outcome;
use crate::endpoint::{self, Endpoint};
use crate::failure::WRONG_PASSWORD;
use crate::http::HttpBuildError;
use crate::turns::Turns;
use crate::{Begin, Failure, Identity, Look, Network, Parts, ProbeResult};

/// From the typed password to the answer, all servers together. The listener gives an endpoint 15 s, of which guessing may
/// have cost 8.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest name and password that are sent.
const LONGEST_NAME: usize = 256;
const LONGEST_PASSWORD: usize = 1_024;
/// Sign-ins that ask the directory at a time: each holds some six descriptors until it ends.
const IN_FLIGHT: usize = 64;
/// Sign-ins that wait for their turn, and how long each does. Where the directory answers, turns come in milliseconds.
const WAITING: usize = 256;
const TURN: Duration = Duration::from_secs(2);

/// A directory.
#[derive(Debug)]
pub struct Ldap {
    settings: Settings,
    /// Attributes to ask for of a person's entry.
    wanted: Vec<String>,
    servers: Servers,
    endpoint: Option<Endpoint>,
    turns: Turns,
}

impl Ldap {
    pub(crate) fn build(
        written: &Written,
        active_directory: bool,
        config: &Config,
        parts: &Parts,
    ) -> Result<Self, HttpBuildError> {
        let settings = Settings::read(written, active_directory)?;
        let profile = config.tls_profile(written.tls.as_deref())?;
        let judge = written.health_check.as_ref().and_then(HealthCheck::judge);
        let endpoint = |judge| Endpoint::build(judge, parts.http.share(profile, None)?);
        let endpoint = judge.map(endpoint).transpose()?;
        let servers = Servers::new(&settings, &parts.http.dialer(profile)?);
        let wanted = wanted::attributes(&settings, config);
        Ok(Self { settings, wanted, servers, endpoint, turns: Turns::new(IN_FLIGHT, WAITING) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn health_policy(&self) -> HealthPolicy {
        self.settings.health.clone()
    }

    pub(crate) fn begin(&self) -> Begin {
        Begin::Password { title: self.settings.title.clone() }
    }

    pub(crate) async fn verify_password(
        &self,
        username: &str,
        password: &str,
        from: Network,
    ) -> Result<Identity, Failure> {
        let wrong = |log: &str| Err(Failure::rejected(WRONG_PASSWORD, self.said(log)));
        if username.is_empty() || password.is_empty() {
            return wrong("an empty user name or password: not sent, a directory may take it for anonymous");
        }
        if username.len() > LONGEST_NAME || password.len() > LONGEST_PASSWORD {
            return wrong("a user name or password longer than anybody has");
        }
        if username.chars().any(char::is_control) || password.contains('\0') {
            return wrong("a user name or password with characters that nobody types");
        }
        let until = ambient::now() + PATIENCE;
        let Ok(Ok(_turn)) = timeout(TURN, self.turns.turn(from)).await else {
            return Err(Failure::unavailable(self.said(format_args!(
                "busy: {IN_FLIGHT} sign-ins are asking the directory, and this one had no turn within {} s, or no place to wait",
                TURN.as_secs()
            ))));
        };
        let left = || until.since(ambient::now());
        let work = |server| self.sign_in_at(server, username, password).boxed();
        match self.servers.first_that_can(left(), work).await {
            Ok(Outcome::Vouched(person, groups)) => self.identity(&person, groups),
            Ok(Outcome::Not(no, said)) => Err(no.failure(&self.settings.name, &said)),
            Ok(Outcome::Unknown { referred: false }) => wrong("an unknown user name"),
            Ok(Outcome::Unknown { referred: true }) => {
                wrong("an unknown user name; the directory pointed at other servers, which are never asked")
            }
            Ok(Outcome::Several) => {
                tracing::error!(
                    connector = self.settings.name,
                    "several entries have the same user name: none is let in"
                );
                wrong("a user name that several entries have")
            }
            Ok(Outcome::Hidden(attribute)) => {
                let log = self.said(format_args!(
                    "the entry found does not show its {attribute} to the service account"
                ));
                Err(Failure::misconfigured(log))
            }
            Ok(Outcome::SomeGroups { why }) => Err(Failure::misconfigured(
                self.said(format_args!("nobody is let in with some of their groups: {why}")),
            )),
            Err(why) => {
                let failure = self.failure(&why);
                let keeps_out =
                    failure.keeps_out && (why.is_the_accounts() || self.is_kept_out(left()).await);
                Err(Failure { keeps_out, ..failure })
            }
        }
    }

    /// Whether what one person's search was refused is refused to everybody: one entry is no reason to keep the others out.
    async fn is_kept_out(&self, patience: Duration) -> bool {
        self.rehearsed(patience).await.is_err_and(|why| self.failure(&why).keeps_out)
    }

    /// Connects and binds as the service account: at every server at once, so that each is known to work or not. Where an
    /// operator points at an endpoint, that is asked instead.
    pub(crate) async fn probe(&self) -> ProbeResult {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.probe(self.settings.health.timeout).await;
        }
        // Less than the probe has itself, which would else end unanswered with the one server that is silent.
        match self.servers.all(self.settings.health.timeout.mul_f64(0.9)).await {
            Ok(took) => ProbeResult::Answered { took, knows_this_node: false },
            Err(why) if why.is_the_accounts() => ProbeResult::Misconfigured { why: self.said(&why) },
            Err(why) => {
                ProbeResult::Failed { why: why.to_string(), no_answer: matches!(why, Trouble::NoAnswer(_)) }
            }
        }
    }

    pub(crate) async fn look(&self, patience: Duration) -> Look {
        endpoint::look(self.endpoint.as_ref(), patience, self.look_itself(patience)).await
    }

    pub(crate) async fn look_at_last(&self, patience: Duration) -> Look {
        endpoint::look_at_last(self.endpoint.as_ref(), patience, self.look_itself(patience)).await
    }

    async fn look_itself(&self, patience: Duration) -> Look {
        match self.servers.any(patience).await {
            Ok(took) => Look::Answered { took },
            Err(why) if why.is_the_accounts() => Look::Misconfigured { why: self.said(&why) },
            Err(why) => Look::Failed {
                timed_out: why == Trouble::NoAnswer(crate::http::NoAnswer::Timeout),
                why: self.said(&why),
            },
        }
    }

    /// Does what everybody's login needs: binds as the service account, and searches people and groups.
    pub(crate) async fn rehearse(&self) -> Result<(), Failure> {
        self.rehearsed(PATIENCE).await.map_err(|why| self.failure(&why))
    }

    async fn rehearsed(&self, patience: Duration) -> Result<(), Trouble> {
        if self.settings.account.is_none() {
            return self.servers.any(patience).await.map(drop);
        }
        self.servers.first_that_can(patience, |server| self.rehearse_at(server).boxed()).await
    }

    fn identity(&self, person: &Person, groups: Vec<String>) -> Result<Identity, Failure> {
        let mut claims = person.claims(&self.settings);
        let maps = |name: &str| self.settings.mapping.iter().any(|(ours, _)| ours == name);
        if !groups.is_empty() && !maps("groups") {
            claims.insert("groups".into(), groups.into());
        }
        let subject = match claims.get("sub") {
            None if maps("sub") => None,
            None => Some(person.identifier()),
            Some(mapped) => mapped.as_str().filter(|text| !text.is_empty()).map(str::to_owned),
        };
        let subject = subject.ok_or_else(|| {
            let log = self.said("the attribute that is mapped to `sub` is absent or has several values");
            Failure::rejected(
                "The directory does not say reliably who you are, so nobody was signed in.",
                log,
            )
        })?;
        claims.insert("sub".into(), subject.clone().into());
        let name = match &self.settings.by {
            By::Key(key) | By::Rdn(key) => person.text(key),
            By::ActiveDirectory => person.text("sAMAccountName"),
        };
        if let Some(name) = name {
            claims.entry("preferred_username").or_insert_with(|| name.into());
        }
        Ok(Identity {
            connector: self.settings.name.clone(),
            issuer: None,
            subject,
            claims,
            auth_time: Some(ambient::unix_now()),
            acr: None,
            amr: vec!["pwd".into()],
            path: Vec::new(),
            email_trusted: self.settings.trust_email,
            logout_hint: None,
            upstream_sid: None,
            subject_passes: false,
            once: None,
        })
    }

    fn failure(&self, why: &Trouble) -> Failure {
        match why {
            Trouble::NoAnswer(_) => Failure::no_answer(self.said(why)),
            Trouble::Tls(_) | Trouble::Unsure { .. } => Failure::unavailable(self.said(why)),
            Trouble::Malformed(_) => Failure::protocol(self.said(why)),
            Trouble::Refused { act, said } => refused(&self.settings.name, act, said),
        }
    }

    /// What every message to the log begins with.
    fn said(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.settings.name)
    }
}

/// A result that is no success and no word about a person. What a person's own bind or search is answered hangs on their
/// entry and on what they typed, so it ends or moves that login only: nobody's entry keeps the directory out for everybody.
fn refused(connector: &str, act: &Act, said: &Said) -> Failure {
    const REFERRAL: u32 = 10;
    let log = format!("{connector}: {act}: {said}");
    match said.code {
        _ if said.passes() => Failure::unavailable(log),
        REFERRAL => Failure::misconfigured(format!(
            "{log}: it refers to another server, which is never followed; list that server, or choose another base"
        )),
        _ => Failure { keeps_out: act.who() == Who::Account, ..Failure::misconfigured(log) },
    }
}
