//! `type: ldap` and `type: activedirectory`: people whose passwords a directory checks.
//!
//! Read in the order of a login: the service account searches the entry that the typed name belongs to ([`servers`]), the
//! person is bound on a connection of its own that nobody uses afterwards, [`judge`] reads what the directory says, [`entry`]
//! what it knows. Every connection ([`link`]) is dialled and encrypted as all others of this process are; the driver sees
//! only what [`guard`] has let through. A password goes to the servers that `url` lists and nowhere else: referrals are
//! never followed. All of it has one deadline.

mod ber;
mod entry;
mod guard;
mod judge;
mod link;
mod servers;
mod settings;
mod shape;

use std::time::Duration;

use futures::FutureExt;
use ldap3::{Scope, dn_escape, ldap_escape};
use mangrove_config::health_check::HealthCheck;
use mangrove_config::{Config, connectors::Ldap as Written};
use mangrove_continuity::HealthPolicy;
use mangrove_keys::ambient;

use self::entry::Person;
use self::judge::No;
use self::link::{Bound, Found, Link, Query, Said, Trouble};
use self::servers::{Server, Servers};
use self::settings::{By, Settings};
use crate::endpoint::Endpoint;
use crate::failure::WRONG_PASSWORD;
use crate::http::HttpBuildError;
use crate::{Begin, Failure, Identity, Look, Parts, ProbeResult};

/// From the typed password to the answer, all servers together. The listener gives an endpoint 15 s, of which guessing may
/// have cost 8.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest name and password that are sent.
const LONGEST_NAME: usize = 256;
const LONGEST_PASSWORD: usize = 1_024;
/// Most groups of one person that are searched.
const MOST_GROUPS: i32 = 1_000;

/// A directory.
#[derive(Debug)]
pub struct Ldap {
    settings: Settings,
    servers: Servers,
    endpoint: Option<Endpoint>,
}

/// What a directory said about a name and a password.
enum Outcome {
    Vouched(Person, Vec<String>),
    Not(No, Said),
    /// Nobody has that name.
    Unknown {
        /// The directory pointed at other servers.
        referred: bool,
    },
    /// More than one entry has it.
    Several,
    /// The entry does not show the attribute that was searched by.
    Hidden(String),
}

/// What was asked, for the log: as the service account, or as whoever typed a password.
const AS_THE_ACCOUNT: &str = "search";
const AS_THE_PERSON: &str = "search as the person";
const BIND_OF_A_PERSON: &str = "bind of a person";

const UNKNOWN: Outcome = Outcome::Unknown { referred: false };

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
        Ok(Self { settings, servers, endpoint })
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

    pub(crate) async fn verify_password(&self, username: &str, password: &str) -> Result<Identity, Failure> {
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
        let work = |server| self.sign_in_at(server, username, password).boxed();
        match self.servers.first_that_can(PATIENCE, work).await {
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
            Err(why) => Err(self.failure(&why)),
        }
    }

    /// Connects and binds as the service account: at every server at once, so that each is known to work or not. Where an
    /// operator points at an endpoint, that is asked instead.
    pub(crate) async fn probe(&self) -> ProbeResult {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.probe(self.settings.health.timeout).await;
        }
        let patience = self.settings.health.timeout.min(PATIENCE);
        match self.servers.all(patience).await {
            Ok(took) => ProbeResult::Answered { took, knows_this_node: false },
            Err(why) if why.is_the_accounts() => ProbeResult::Misconfigured { why: self.said(&why) },
            Err(why) => {
                ProbeResult::Failed { why: why.to_string(), no_answer: matches!(why, Trouble::NoAnswer(_)) }
            }
        }
    }

    pub(crate) async fn look(&self, patience: Duration) -> Look {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.look(patience).await;
        }
        self.look_itself(patience).await
    }

    /// A silent endpoint is not the directory: when nobody else is left, the directory itself is looked at beside it.
    pub(crate) async fn look_at_last(&self, patience: Duration) -> Look {
        let Some(endpoint) = &self.endpoint else { return self.look_itself(patience).await };
        match futures::join!(endpoint.look(patience), self.look_itself(patience)) {
            (Look::Failed { .. }, seen) => seen,
            (judged, _) => judged,
        }
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

    /// Binds as the service account and reads the base that users are searched under.
    pub(crate) async fn rehearse(&self) -> Result<(), Failure> {
        let base = Query {
            base: self.settings.base.clone(),
            scope: Scope::Base,
            filter: "(objectClass=*)".into(),
            attributes: vec!["1.1".into()],
            most: 1,
        };
        let found = self.servers.first_that_can(PATIENCE, |server| server.search(&base).boxed()).await;
        found.and_then(|found| refused_or(found, AS_THE_ACCOUNT)).map(drop).map_err(|why| self.failure(&why))
    }

    async fn sign_in_at(&self, server: &Server, username: &str, password: &str) -> Result<Outcome, Trouble> {
        let (person, mut link) = match &self.settings.by {
            By::Rdn(key) => {
                let dn = format!("{key}={},{}", dn_escape(username), self.settings.base);
                if self.settings.account.as_ref().is_some_and(|account| entry::same_dn(&dn, &account.dn)) {
                    return Ok(UNKNOWN);
                }
                let mut link = server.connect().await?;
                let bound = link.bind(&dn, password).await?;
                if let Err(no) = judge::judge(&bound) {
                    return not(no, bound);
                }
                let query = self.query(dn, Scope::Base, "(objectClass=*)".into(), 1);
                match one(self.as_anybody(server, &mut link, &query).await?, self.who())? {
                    Ok(person) => (person, link),
                    Err(none_or_several) => return Ok(none_or_several),
                }
            }
            By::Key(_) | By::ActiveDirectory => {
                let query =
                    self.query(self.settings.base.clone(), self.settings.scope, self.filter(username), 2);
                let (found, link) = tokio::join!(server.search(&query), server.connect());
                let (found, mut link) = (found?, link?);
                let person = match one(found, AS_THE_ACCOUNT)? {
                    Ok(person) => person,
                    Err(none_or_several) => {
                        nobody_in_particular(&mut link, &self.settings.base).await;
                        return Ok(none_or_several);
                    }
                };
                if self.settings.account.as_ref().is_some_and(|account| person.is_known_as(&account.dn)) {
                    nobody_in_particular(&mut link, &self.settings.base).await;
                    return Ok(UNKNOWN);
                }
                if !person.is_called(self.key(username), username) {
                    nobody_in_particular(&mut link, &self.settings.base).await;
                    let hidden = person.text(self.key(username)).is_none();
                    return Ok(if hidden { Outcome::Hidden(self.key(username).into()) } else { UNKNOWN });
                }
                let bound = link.bind(person.dn(), password).await?;
                if let Err(no) = judge::judge(&bound) {
                    return not(no, bound);
                }
                (person, link)
            }
        };
        if !person.is_called(self.key(username), username) {
            return Ok(UNKNOWN);
        }
        let groups = self.groups(server, &mut link, &person).await?;
        Ok(Outcome::Vouched(person, groups))
    }

    /// The attribute that a typed name belongs to.
    fn key(&self, username: &str) -> &str {
        match &self.settings.by {
            By::Key(key) | By::Rdn(key) => key,
            By::ActiveDirectory if username.contains('@') => "userPrincipalName",
            By::ActiveDirectory => "sAMAccountName",
        }
    }

    fn filter(&self, username: &str) -> String {
        let is_it = format!("({}={})", self.key(username), ldap_escape(username));
        if self.settings.active_directory {
            format!("(&(objectClass=user)(!(objectClass=computer)){is_it})")
        } else {
            is_it
        }
    }

    fn query(&self, base: String, scope: Scope, filter: String, most: i32) -> Query {
        Query { base, scope, filter, attributes: entry::attributes(&self.settings), most }
    }

    /// Names of the person's groups: searched where that is configured, else those that the entry names.
    async fn groups(
        &self,
        server: &Server,
        link: &mut Link,
        person: &Person,
    ) -> Result<Vec<String>, Trouble> {
        let Some(groups) = &self.settings.groups else { return Ok(person.groups()) };
        let query = Query {
            base: groups.base.clone(),
            scope: Scope::Subtree,
            filter: format!("({}={})", groups.member, ldap_escape(person.dn())),
            attributes: vec![groups.name.clone()],
            most: MOST_GROUPS,
        };
        let found = refused_or(self.as_anybody(server, link, &query).await?, self.who())?;
        let found = found.entries.into_iter().map(Person::read);
        Ok(found.filter_map(|group| group.text(&groups.name).map(str::to_owned)).collect())
    }

    /// Searches as the service account if there is one, else as the person.
    async fn as_anybody(&self, server: &Server, link: &mut Link, query: &Query) -> Result<Found, Trouble> {
        match &self.settings.account {
            Some(_) => server.search(query).await,
            None => link.search(query).await,
        }
    }

    /// As whom [`Self::as_anybody`] searches, for the log.
    fn who(&self) -> &'static str {
        if self.settings.account.is_some() { AS_THE_ACCOUNT } else { AS_THE_PERSON }
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
            id_token_hint: None,
            upstream_sid: None,
        })
    }

    fn failure(&self, why: &Trouble) -> Failure {
        match why {
            Trouble::NoAnswer(_) => Failure::no_answer(self.said(why)),
            Trouble::Tls(_) => Failure::unavailable(self.said(why)),
            Trouble::Malformed(_) => Failure::protocol(self.said(why)),
            Trouble::Refused { what, said } => refused(&self.settings.name, what, said),
        }
    }

    /// What every message to the log begins with.
    fn said(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.settings.name)
    }
}

/// A result that is no success and no word about a person. What a person's own bind or search is answered hangs on their
/// entry and on what they typed, so it ends or moves that login only: nobody's entry keeps the directory out for everybody.
fn refused(connector: &str, what: &str, said: &Said) -> Failure {
    const REFERRAL: u32 = 10;
    let log = format!("{connector}: {what}: {said}");
    match said.code {
        _ if said.passes() => Failure::unavailable(log),
        REFERRAL => Failure::misconfigured(format!(
            "{log}: it refers to another server, which is never followed; list that server, or choose another base"
        )),
        _ => {
            let keeps_out = !matches!(what, BIND_OF_A_PERSON | AS_THE_PERSON);
            Failure { keeps_out, ..Failure::misconfigured(log) }
        }
    }
}

impl Said {
    /// The server cannot now, and may a little later or another may: too slow, too much, busy, unavailable, unknown.
    fn passes(&self) -> bool {
        matches!(self.code, 3 | 11 | 51 | 52 | 80..)
    }
}

fn not(no: No, bound: Bound) -> Result<Outcome, Trouble> {
    match no {
        No::Trouble => Err(Trouble::Refused { what: BIND_OF_A_PERSON, said: bound.said }),
        no => Ok(Outcome::Not(no, bound.said)),
    }
}

/// What a search found, unless the server refused it.
fn refused_or(found: Found, what: &'static str) -> Result<Found, Trouble> {
    const SIZE_LIMIT: u32 = 4;
    match found.said.code {
        0 | SIZE_LIMIT => Ok(found),
        _ => Err(Trouble::Refused { what, said: found.said }),
    }
}

/// The one entry that was found.
fn one(found: Found, what: &'static str) -> Result<Result<Person, Outcome>, Trouble> {
    let mut found = refused_or(found, what)?;
    let code = found.said.code;
    match (found.entries.pop(), found.entries.is_empty()) {
        (Some(entry), true) if code == 0 => {
            if entry.dn.is_empty() {
                return Err(Trouble::Malformed("an entry without a name: nobody can be bound as it".into()));
            }
            Ok(Ok(Person::read(entry)))
        }
        (None, _) => Ok(Err(Outcome::Unknown { referred: found.referred })),
        _ => Ok(Err(Outcome::Several)),
    }
}

/// Binds as nobody in particular, so that an unknown name takes about as long as a wrong password.
async fn nobody_in_particular(link: &mut Link, base: &str) {
    let dn = format!("cn={},{base}", ambient::token());
    let _ = link.bind(&dn, &ambient::token()).await;
}
