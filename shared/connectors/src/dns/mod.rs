//! Names to addresses, with short patience and a long memory.
//!
//! `/etc/hosts` is asked first, then the servers of `/etc/resolv.conf`, A and AAAA separately (together, a timed out A and a
//! missing AAAA read as "no such name"). Both files are read again when they change. A name that resolved once keeps
//! resolving to its last good addresses while its servers are silent or say no, for at most a day; RFC 8767 is the idea. Where
//! servers are slow the last good addresses are used meanwhile, and the question goes on until it is answered.
//!
//! An address at which a name proved itself (by its certificate) is remembered apart for as long: where name servers lead
//! elsewhere, whoever dials can go on to it. [`services`] are names that other names stand for.

mod memory;
pub mod services;
mod sources;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use memory::{LastGood, Memory};
use sources::{Files, Sources};

/// How long a lookup may take in all.
const LOOKUP: Duration = Duration::from_millis(2_000);
/// How long anybody waits for servers when a last good answer is at hand.
const WITH_MEMORY: Duration = Duration::from_millis(300);
/// How long the last good answer is used at once after servers failed, or until they answer after all.
const TRUST_MEMORY: Duration = Duration::from_secs(5);
/// How often the system's files are looked at.
const FILES_EVERY: Duration = Duration::from_secs(1);
/// How long a lookup waits for that: the files may lie on a disk that hangs.
const FILES_TAKE: Duration = Duration::from_millis(100);
/// In place of the next time for the files: somebody is looking at them.
const UNDER_WAY: u64 = u64::MAX;

/// Why a name has no addresses now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// Servers answered that there is no such name, or no address of it.
    #[error("the name does not exist")]
    NotFound,
    /// No server answered in time, or none is configured.
    #[error("name servers do not answer")]
    Silent,
}

type Found = Result<Vec<IpAddr>, NoAddress>;
/// A lookup that several may wait for.
type Flight = Shared<BoxFuture<'static, Found>>;

/// The process's resolver.
pub struct Names {
    sources: ArcSwap<Sources>,
    /// The files that the sources follow; none in tests that ask one server.
    files: Option<Files>,
    /// When they are looked at again, in microseconds of this process's time, or [`UNDER_WAY`].
    files_next: AtomicU64,
    memory: Memory<String, LastGood>,
    proven: Memory<(String, u16), IpAddr>,
    /// Lookups under way: one for each name, none longer than [`LOOKUP`].
    flights: Mutex<HashMap<String, Flight>>,
    /// What drives them when nobody waits for them any more; ends with the resolver.
    drivers: Mutex<JoinSet<()>>,
}

impl Names {
    /// A resolver that follows this system's files.
    pub fn of_system() -> Arc<Self> {
        Self::following(Files::of_system())
    }

    fn following(files: Files) -> Arc<Self> {
        Self::made(Sources::read(&files), Some(files))
    }

    fn made(sources: Sources, files: Option<Files>) -> Arc<Self> {
        Arc::new(Self {
            sources: ArcSwap::from_pointee(sources),
            files,
            files_next: AtomicU64::new(0),
            memory: Memory::default(),
            proven: Memory::default(),
            flights: Mutex::default(),
            drivers: Mutex::default(),
        })
    }

    /// Addresses of `host`, families interleaved with IPv6 first (RFC 8305 section 4). Literals need no question;
    /// `localhost` is always this machine (RFC 6761 section 6.3).
    ///
    /// # Errors
    /// See [`NoAddress`]; never while a last good answer is young enough.
    pub async fn addresses(self: &Arc<Self>, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(literal) = bare.parse::<IpAddr>() {
            return Ok(vec![literal]);
        }
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.addresses_at(host, ambient::now).await
    }

    async fn addresses_at(
        self: &Arc<Self>,
        host: &str,
        now: impl Fn() -> Moment + Send + Sync + 'static,
    ) -> Found {
        let sources = self.sources().await;
        if let Some(listed) = sources.listed(host) {
            return Ok(listed);
        }
        let (key, asked) = (host.to_owned(), now());
        let remembered = self.memory.recall(&key, asked);
        if let Some(memory) = remembered.as_ref().filter(|memory| asked < memory.trusted_until) {
            return Ok(memory.addresses.clone());
        }
        let flight = self.flight(host, sources, now);
        let Some(memory) = remembered else { return flight.await };
        match timeout(WITH_MEMORY, flight).await {
            Ok(found) => found.or(Ok(memory.addresses)),
            Err(_) => {
                tracing::debug!(host, "name servers are slow; the last good addresses are used meanwhile");
                self.memory.amend(&key, |memory| memory.trusted_until = asked + TRUST_MEMORY);
                Ok(memory.addresses)
            }
        }
    }

    /// The lookup of a name that is under way, or a new one. It goes on when nobody waits for it any more, and learns.
    fn flight(
        self: &Arc<Self>,
        host: &str,
        sources: Arc<Sources>,
        now: impl Fn() -> Moment + Send + Sync + 'static,
    ) -> Flight {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(host) {
            return flight.clone();
        }
        let (names, name) = (Arc::clone(self), host.to_owned());
        let flight = async move {
            let lookup = async {
                let found = timeout(LOOKUP, sources.ask(&name)).await.unwrap_or(Err(NoAddress::Silent));
                match &found {
                    Ok(addresses) => names.learn(&name, addresses.clone(), now()),
                    Err(why) => names.distrust(&name, why, now()),
                }
                found
            };
            // A panic ends this lookup: the next one asks anew.
            let found = AssertUnwindSafe(lookup).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(host = name, "an answer about the name made this node fail inside");
                Err(NoAddress::Silent)
            });
            names.flights().remove(&name);
            found
        };
        let flight = flight.boxed().shared();
        flights.insert(host.to_owned(), flight.clone());
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        while drivers.try_join_next().is_some() {}
        drivers.spawn(flight.clone().map(drop));
        flight
    }

    fn learn(&self, host: &str, addresses: Vec<IpAddr>, now: Moment) {
        self.memory.learn(host.to_owned(), LastGood { addresses, trusted_until: Moment(0) }, now);
    }

    /// Servers failed: for a while the last good answer is used without asking them.
    fn distrust(&self, host: &str, why: &NoAddress, now: Moment) {
        self.memory.amend(&host.to_owned(), |memory| {
            tracing::warn!(host, %why, "name servers fail; the last good addresses are used");
            memory.trusted_until = now + TRUST_MEMORY;
        });
    }

    /// Remembers that `host` proved itself at an address just now.
    pub(crate) fn prove(&self, host: &str, port: u16, address: IpAddr) {
        self.prove_at(host, port, address, ambient::now());
    }

    fn prove_at(&self, host: &str, port: u16, address: IpAddr, now: Moment) {
        self.proven.learn((host.to_owned(), port), address, now);
    }

    /// Where `host` last proved itself, if that is not too long ago.
    pub(crate) fn proven(&self, host: &str, port: u16) -> Option<IpAddr> {
        self.proven_at(host, port, ambient::now())
    }

    fn proven_at(&self, host: &str, port: u16, now: Moment) -> Option<IpAddr> {
        self.proven.recall(&(host.to_owned(), port), now)
    }

    /// The current sources. Once in a while the files are looked at first, and read again if they changed.
    async fn sources(self: &Arc<Self>) -> Arc<Sources> {
        let (now, next) = (ambient::now().0, self.files_next.load(Ordering::Relaxed));
        let is_due = self.files.is_some() && next <= now;
        let claim =
            || self.files_next.compare_exchange(next, UNDER_WAY, Ordering::Relaxed, Ordering::Relaxed);
        if is_due && claim().is_ok() {
            let names = Arc::clone(self);
            let look = spawn_blocking(move || names.read_again());
            drop(timeout(FILES_TAKE, look).await);
        }
        self.sources.load_full()
    }

    /// Reads the files again if they changed; blocks.
    fn read_again(&self) {
        let _look = Look(&self.files_next);
        if let Some(files) = &self.files
            && self.sources.load().stamps != files.stamps()
        {
            self.sources.store(Arc::new(Sources::read(files)));
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at the files, after which the next one has its time, also where this one panicked.
struct Look<'a>(&'a AtomicU64);

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.0.store((ambient::now() + FILES_EVERY).0, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

/// Whether a host is this machine by name (RFC 6761).
pub(crate) fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}
