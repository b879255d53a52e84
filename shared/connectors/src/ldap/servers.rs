//! The servers of one directory: in order, those that failed lately last; and the service account's connections to each.
//!
//! A connection that the service account is bound on is kept and used again; one that a person was bound on never comes
//! here. A kept one may have died unseen: an operation on it gets [`STALE`] and is then repeated, once, on a new one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all, select_ok};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use tokio::time::timeout;

use super::judge::INVALID_CREDENTIALS;
use super::link::{Found, Link, Query, Trouble};
use super::settings::{Account, Place, Settings};
use crate::http::{Dialer, NoAnswer};

/// How long a server that failed stands behind the others, unless it is seen alive before.
const DOUBTED: Duration = Duration::from_secs(30);
/// Patience with a kept connection; a live one answers within.
const STALE: Duration = Duration::from_secs(1);
/// How long a connection is kept unused, and how many of one server.
const KEEP: Duration = Duration::from_secs(60);
const KEPT: usize = 8;
/// Patience with one server while others are left.
const NOT_THE_LAST: Duration = Duration::from_secs(2);

/// All servers of a directory.
#[derive(Debug)]
pub(super) struct Servers {
    servers: Vec<Server>,
}

/// One server.
pub(super) struct Server {
    pub(super) place: Place,
    connector: String,
    dialer: Dialer,
    account: Option<Account>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    doubted_until: Option<Moment>,
    kept: Vec<(Link, Moment)>,
}

impl Servers {
    pub(super) fn new(settings: &Settings, dialer: &Dialer) -> Self {
        let server = |place: &Place| Server {
            place: place.clone(),
            connector: settings.name.clone(),
            dialer: dialer.clone(),
            account: settings.account.clone(),
            state: Mutex::default(),
        };
        Self { servers: settings.places.iter().map(server).collect() }
    }

    /// Does `work` at the first server that can, within `patience` in all.
    ///
    /// # Errors
    /// What the last one that was asked could not do, or the first thing that another server would not do better.
    pub(super) async fn first_that_can<'a, T>(
        &'a self,
        patience: Duration,
        work: impl Fn(&'a Server) -> BoxFuture<'a, Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let until = ambient::now() + patience;
        let mut order: Vec<&Server> = self.servers.iter().collect();
        order.sort_by_key(|server| server.is_doubted(ambient::now()));
        let mut last = Trouble::NoAnswer(NoAnswer::Timeout);
        for (i, server) in order.iter().enumerate() {
            let left = until.since(ambient::now());
            let share = if i + 1 == order.len() { left } else { left.min(NOT_THE_LAST) };
            if share.is_zero() {
                break;
            }
            match server.within(share, work(server)).await {
                Err(why) if why.is_the_servers() => last = why,
                done => return done,
            }
        }
        Err(last)
    }

    /// Connects to every server and binds as the service account; how long the quickest took.
    ///
    /// # Errors
    /// What the first in order that could not is in.
    pub(super) async fn all(&self, patience: Duration) -> Result<Duration, Trouble> {
        let results = join_all(self.servers.iter().map(|server| server.look(patience))).await;
        let quickest = results.iter().filter_map(|result| result.as_ref().ok()).min();
        match (quickest, results.iter().find_map(|result| result.as_ref().err())) {
            (Some(took), _) => Ok(*took),
            (None, why) => Err(why.cloned().unwrap_or(Trouble::NoAnswer(NoAnswer::Timeout))),
        }
    }

    /// The same, as soon as one has let the account in.
    pub(super) async fn any(&self, patience: Duration) -> Result<Duration, Trouble> {
        let looks = self.servers.iter().map(|server| server.look(patience).boxed());
        select_ok(looks).await.map(|(took, _)| took)
    }
}

impl Server {
    async fn look(&self, patience: Duration) -> Result<Duration, Trouble> {
        let began = ambient::now();
        let link = self.within(patience, self.account_link()).await?;
        self.keep(link);
        Ok(ambient::now().since(began))
    }

    /// A new connection that nobody is bound on.
    pub(super) async fn connect(&self) -> Result<Link, Trouble> {
        Link::open(&self.dialer, &self.place).await
    }

    /// Searches as the service account.
    pub(super) async fn search(&self, query: &Query) -> Result<Found, Trouble> {
        while let Some(mut link) = self.take_kept() {
            match timeout(STALE, link.search(query)).await {
                Ok(Ok(found)) => {
                    self.keep(link);
                    return Ok(found);
                }
                Ok(Err(why)) if !matches!(why, Trouble::NoAnswer(_)) => return Err(why),
                // What happened to one has likely happened to all.
                _ => self.state().kept.clear(),
            }
        }
        let mut link = self.account_link().await?;
        let found = link.search(query).await?;
        self.keep(link);
        Ok(found)
    }

    /// A new connection that the service account is bound on; without an account, one whose server answers anything.
    async fn account_link(&self) -> Result<Link, Trouble> {
        let mut link = self.connect().await?;
        match &self.account {
            Some(account) => {
                let bound = link.bind(&account.dn, account.password.expose()).await?;
                if bound.said.code != 0 {
                    return Err(Trouble::Refused { what: "bind as the service account", said: bound.said });
                }
            }
            None => drop(link.search(&Query::anything()).await?),
        }
        Ok(link)
    }

    fn take_kept(&self) -> Option<Link> {
        let now = ambient::now();
        let mut state = self.state();
        while let Some((mut link, since)) = state.kept.pop() {
            if now.since(since) < KEEP && link.stands() {
                return Some(link);
            }
        }
        None
    }

    fn keep(&self, link: Link) {
        let mut state = self.state();
        if self.account.is_some() && state.kept.len() < KEPT {
            state.kept.push((link, ambient::now()));
        }
    }

    /// Takes `work` to its end or its deadline, and remembers what that says about the server.
    async fn within<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let done = timeout(patience, work).await.unwrap_or(Err(Trouble::NoAnswer(NoAnswer::Timeout)));
        match &done {
            Err(why) if why.is_the_servers() => self.doubt(why),
            _ => self.trust(),
        }
        done
    }

    fn doubt(&self, why: &Trouble) {
        let until = ambient::now() + DOUBTED;
        let mut state = self.state();
        state.kept.clear();
        if state.doubted_until.replace(until).is_none() {
            tracing::warn!(connector = self.connector, server = %self.place, %why, "a server of the directory fails");
        }
    }

    fn trust(&self) {
        if self.state().doubted_until.take().is_some() {
            tracing::info!(connector = self.connector, server = %self.place, "a server of the directory works again");
        }
    }

    fn is_doubted(&self, now: Moment) -> bool {
        self.state().doubted_until.is_some_and(|until| now < until)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Query {
    /// The root of the directory, which everybody may read.
    fn anything() -> Self {
        Self {
            base: String::new(),
            scope: ldap3::Scope::Base,
            filter: "(objectClass=*)".into(),
            attributes: vec!["supportedLDAPVersion".into()],
            most: 1,
        }
    }
}

impl Trouble {
    /// Another server of the same directory may do better.
    fn is_the_servers(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::Tls(_) => true,
            Self::Malformed(_) => false,
            // A new password of the service account reaches one server before the other.
            Self::Refused { said, .. } => said.passes() || self.is_the_accounts(),
        }
    }

    /// The service account is not let in: an operator has to act.
    pub(super) fn is_the_accounts(&self) -> bool {
        matches!(self, Self::Refused { said, .. } if said.code == INVALID_CREDENTIALS)
    }
}
