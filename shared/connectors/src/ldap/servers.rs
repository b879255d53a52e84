//! The servers of one directory: in order, those that failed lately last; and the service account's connections to each.
//!
//! A connection that the service account is bound on is kept and used again, the freshest first; one that a person was bound
//! on never comes here. A kept one may have died unseen, or not be bound any more: an operation on it has [`STALE`] to
//! begin to be answered and is then repeated, once, on a new one. Whom a server did not let in is in [`refusals`](super::refusals).

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, join_all, select, select_ok};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use tokio::sync::watch;
use tokio::time::sleep;

use super::link::{Act, Link, Said, Trouble, Who};
use super::pool::Pool;
use super::refusals::Refusals;
use super::search::{Found, Query};
use super::settings::{Account, Place, Settings};
use crate::http::{Dialer, NoAnswer};

/// How long a server that failed stands behind the others, unless it is seen alive before.
const DOUBTED: Duration = Duration::from_secs(30);
/// Patience with a kept connection; a live one begins to answer within.
const STALE: Duration = Duration::from_secs(1);
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
    /// Its place in `url`.
    place_in_order: usize,
    refusals: Arc<Refusals>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    doubted_until: Option<Moment>,
    kept: Pool<Link>,
}

impl Servers {
    pub(super) fn new(settings: &Settings, dialer: &Dialer) -> Self {
        let refusals = Arc::new(Refusals::of(settings.places.len()));
        let server = |(i, place): (usize, &Place)| Server {
            place_in_order: i,
            refusals: Arc::clone(&refusals),
            place: place.clone(),
            connector: settings.name.clone(),
            dialer: dialer.clone(),
            account: settings.account.clone(),
            state: Mutex::default(),
        };
        Self { servers: settings.places.iter().enumerate().map(server).collect() }
    }

    /// Does `work` at the first server that can, within `patience` in all.
    ///
    /// # Errors
    /// What the last one that was asked could not do, or the first thing that another server would not do better. Garbage only if
    /// nobody asked said anything else: one server's must not end a login that another directory could take over.
    pub(super) async fn first_that_can<'a, T>(
        &'a self,
        patience: Duration,
        work: impl Fn(&'a Server) -> BoxFuture<'a, Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let until = ambient::now() + patience;
        let mut order: Vec<&Server> = self.servers.iter().collect();
        order.sort_by_key(|server| server.is_doubted(ambient::now()));
        let (mut garbage, mut last) = (None, None);
        for (i, server) in order.iter().enumerate() {
            let left = until.since(ambient::now());
            let share = if i + 1 == order.len() { left } else { left.min(NOT_THE_LAST) };
            if share.is_zero() {
                break;
            }
            match server.within(sleep(share), work(server)).await {
                Err(why @ Trouble::Malformed(_)) => garbage = Some(why),
                Err(why) if why.is_the_servers() => last = Some(why),
                done => return done,
            }
        }
        Err(match (garbage, last) {
            (Some(garbage), Some(other)) => Trouble::Unsure { garbage: garbage.into(), other: other.into() },
            (garbage, last) => garbage.or(last).unwrap_or(Trouble::NoAnswer(NoAnswer::Timeout)),
        })
    }

    /// Connects to every server and binds as the service account; how long the quickest took. Once that one has let the account
    /// in, the others have [`NOT_THE_LAST`] left.
    ///
    /// # Errors
    /// What the first in order that could not is in.
    pub(super) async fn all(&self, patience: Duration) -> Result<Duration, Trouble> {
        let (tell, told) = watch::channel(false);
        let look = async |server: &Server| {
            let mut told = told.clone();
            let enough = async { drop(told.wait_for(|someone_answered| *someone_answered).await) };
            let enough = enough.then(|()| sleep(NOT_THE_LAST));
            let found = server.look(select(Box::pin(enough), Box::pin(sleep(patience)))).await;
            if found.is_ok() {
                tell.send_replace(true);
            }
            found
        };
        let results = join_all(self.servers.iter().map(look)).await;
        let quickest = results.iter().filter_map(|result| result.as_ref().ok()).min();
        match (quickest, results.iter().find_map(|result| result.as_ref().err())) {
            (Some(took), _) => Ok(*took),
            (None, why) => Err(why.cloned().unwrap_or(Trouble::NoAnswer(NoAnswer::Timeout))),
        }
    }

    /// The same, as soon as one has let the account in.
    pub(super) async fn any(&self, patience: Duration) -> Result<Duration, Trouble> {
        let looks = self.servers.iter().map(|server| server.look(sleep(patience)).boxed());
        select_ok(looks).await.map(|(took, _)| took)
    }
}

impl Server {
    async fn look(&self, deadline: impl Future) -> Result<Duration, Trouble> {
        let began = ambient::now();
        let link = self.within(deadline, self.account_link()).await?;
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
            match link.search_if_alive(query, STALE).await {
                Some(Ok(found)) if !found.said.spoils() => {
                    self.keep_after(&found, link);
                    return Ok(found);
                }
                Some(Err(why)) if !matches!(why, Trouble::NoAnswer(_)) => return Err(why),
                // What happened to one has likely happened to all.
                _ => self.state().kept.clear(),
            }
        }
        let mut link = self.account_link().await?;
        let found = link.search(query).await?;
        if !found.said.spoils() {
            self.keep_after(&found, link);
        }
        Ok(found)
    }

    /// A new connection that the service account is bound on; without an account, one whose server answers anything.
    async fn account_link(&self) -> Result<Link, Trouble> {
        let Some(account) = &self.account else {
            let mut link = self.connect().await?;
            link.search(&Query::anything()).await?;
            return Ok(link);
        };
        self.refusals.admit(self.place_in_order, ambient::now())?;
        let mut link = self.connect().await?;
        let said = link.bind(&account.dn, account.password.expose()).await?.said;
        if said.code == 0 {
            self.refusals.let_in(self.place_in_order);
            return Ok(link);
        }
        let why = Trouble::Refused { act: Act::Bind(Who::Account), said };
        if why.is_the_accounts() {
            self.refusals.refused(self.place_in_order, why.clone(), ambient::now());
        }
        Err(why)
    }

    fn take_kept(&self) -> Option<Link> {
        self.state().kept.take(ambient::now(), Link::stands)
    }

    /// Keeps a connection that no pages are left on.
    fn keep_after(&self, found: &Found, link: Link) {
        if !found.unfinished {
            self.keep(link);
        }
    }

    fn keep(&self, link: Link) {
        if self.account.is_some() {
            self.state().kept.put(link, ambient::now());
        }
    }

    /// Takes `work` to its end or its deadline, and remembers what that says about the server.
    async fn within<T>(
        &self,
        deadline: impl Future,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let done = match select(pin!(work), pin!(deadline)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(Trouble::NoAnswer(NoAnswer::Timeout)),
        };
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
            Self::NoAnswer(_) | Self::Tls(_) | Self::Malformed(_) | Self::Unsure { .. } => true,
            // A new password of the service account reaches one server before the other.
            Self::Refused { said, .. } => said.passes() || self.is_the_accounts(),
        }
    }

    /// The service account is not let in: an operator has to act.
    pub(super) fn is_the_accounts(&self) -> bool {
        matches!(self, Self::Refused { act: Act::Bind(Who::Account), said } if !said.passes())
    }
}

impl Said {
    /// The server cannot now, and may a little later or another may: too slow, too much, busy, unavailable, unknown.
    pub(super) fn passes(&self) -> bool {
        matches!(self.code, 3 | 11 | 51 | 52 | 80..)
    }

    /// What it said is about the connection rather than about the search: out of order, not bound well enough, no more.
    fn spoils(&self) -> bool {
        matches!(self.code, 1 | 2 | 8 | 51 | 52 | 80..)
    }
}
