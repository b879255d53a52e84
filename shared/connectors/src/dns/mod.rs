//! Names to addresses, with short patience and a long memory.
//!
//! `/etc/hosts` is asked first, then the servers of `/etc/resolv.conf`, A and AAAA separately (together, a timed out A and a
//! missing AAAA read as "no such name"). Both files are read again when they change. A name that resolved once keeps
//! resolving to its last good addresses while its servers are silent or say no, for at most [`KEEP`]; RFC 8767 is the idea.
//!
//! An address at which a name proved itself (by its certificate) is remembered apart for as long: where name servers lead
//! elsewhere, whoever dials can go on to it. [`services`] are names that other names stand for.

pub mod services;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::fs::Metadata;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use tokio::time::timeout;

/// How long one server may take to answer one question.
const SERVER: Duration = Duration::from_millis(800);
/// How long a lookup may take in all.
const LOOKUP: Duration = Duration::from_millis(2_000);
/// How long the second address family may take after the first has answered (RFC 8305 section 3).
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// How long servers may take when a last good answer is at hand.
const WITH_MEMORY: Duration = Duration::from_millis(300);
/// How long the last good answer is used at once after servers failed.
const TRUST_MEMORY: Duration = Duration::from_secs(5);
/// How long a last good answer is kept.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// Names remembered; upstream names come from the configuration, so this is never reached in practice.
const NAMES: usize = 1_024;
/// Addresses used of one name.
const ADDRESSES: usize = 16;

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

/// The process's resolver.
pub struct Names {
    sources: ArcSwap<Sources>,
    fixed: bool,
    memory: Mutex<HashMap<String, Remembered>>,
    proven: Mutex<HashMap<(String, u16), (IpAddr, Moment)>>,
}

impl Names {
    /// A resolver that follows this system's files.
    pub fn of_system() -> Self {
        Self {
            sources: ArcSwap::from_pointee(Sources::read()),
            fixed: false,
            memory: Mutex::default(),
            proven: Mutex::default(),
        }
    }

    /// A resolver that asks exactly this one; for tests.
    #[cfg(test)]
    pub(crate) fn asking(resolver: TokioResolver) -> Self {
        let sources = Sources { resolver: Some(resolver), hosts: Hosts::default(), stamps: [None, None] };
        Self {
            sources: ArcSwap::from_pointee(sources),
            fixed: true,
            memory: Mutex::default(),
            proven: Mutex::default(),
        }
    }

    /// Addresses of `host`, families interleaved with IPv6 first (RFC 8305 section 4). Literals need no question;
    /// `localhost` is always this machine (RFC 6761 section 6.3).
    ///
    /// # Errors
    /// See [`NoAddress`]; never while a last good answer is young enough.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(literal) = bare.parse::<IpAddr>() {
            return Ok(vec![literal]);
        }
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.addresses_at(host, ambient::now).await
    }

    async fn addresses_at(&self, host: &str, now: impl Fn() -> Moment) -> Result<Vec<IpAddr>, NoAddress> {
        let sources = self.sources();
        if let Some(listed) = sources.listed(host) {
            return Ok(listed);
        }
        let remembered = self.recall(host, now());
        if let Some(memory) = remembered.as_ref().filter(|memory| now() < memory.trusted_until) {
            return Ok(memory.addresses.clone());
        }
        let patience = if remembered.is_some() { WITH_MEMORY } else { LOOKUP };
        let found = timeout(patience, sources.ask(host)).await.unwrap_or(Err(NoAddress::Silent));
        match (found, remembered) {
            (Ok(addresses), _) => {
                self.remember(
                    host,
                    Remembered { addresses: addresses.clone(), at: now(), trusted_until: Moment(0) },
                );
                Ok(addresses)
            }
            (Err(why), Some(memory)) => {
                tracing::warn!(host, %why, "name servers fail; the last good addresses are used");
                let addresses = memory.addresses.clone();
                self.remember(host, Remembered { trusted_until: now() + TRUST_MEMORY, ..memory });
                Ok(addresses)
            }
            (Err(why), None) => Err(why),
        }
    }

    /// Remembers that `host` proved itself at an address just now.
    pub(crate) fn prove(&self, host: &str, port: u16, address: IpAddr) {
        self.prove_at(host, port, address, ambient::now());
    }

    fn prove_at(&self, host: &str, port: u16, address: IpAddr, now: Moment) {
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), port);
        if proven.len() < NAMES || proven.contains_key(&key) {
            proven.insert(key, (address, now));
        }
    }

    /// Where `host` last proved itself, if that is not too long ago.
    pub(crate) fn proven(&self, host: &str, port: u16) -> Option<IpAddr> {
        self.proven_at(host, port, ambient::now())
    }

    fn proven_at(&self, host: &str, port: u16, now: Moment) -> Option<IpAddr> {
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        let (address, at) = proven.get(&(host.to_owned(), port))?;
        (now.since(*at) < KEEP).then_some(*address)
    }

    /// The current sources; read again if their files changed.
    fn sources(&self) -> Arc<Sources> {
        let sources = self.sources.load_full();
        if self.fixed || sources.stamps == Sources::stamps_now() {
            return sources;
        }
        let fresh = Arc::new(Sources::read());
        self.sources.store(fresh.clone());
        fresh
    }

    fn recall(&self, host: &str, now: Moment) -> Option<Remembered> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.get(host).filter(|known| now.since(known.at) < KEEP).cloned()
    }

    fn remember(&self, host: &str, what: Remembered) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() < NAMES || memory.contains_key(host) {
            memory.insert(host.to_owned(), what);
        }
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

#[derive(Clone)]
struct Remembered {
    addresses: Vec<IpAddr>,
    at: Moment,
    trusted_until: Moment,
}

const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// What the system's files say.
struct Sources {
    resolver: Option<TokioResolver>,
    hosts: Hosts,
    stamps: [Option<(SystemTime, u64)>; 2],
}

impl Sources {
    fn read() -> Self {
        let stamps = Self::stamps_now();
        Self { resolver: Self::resolver(), hosts: Hosts::from_system().unwrap_or_default(), stamps }
    }

    fn resolver() -> Option<TokioResolver> {
        let build = || {
            let mut builder = TokioResolver::builder_tokio()?;
            let options = builder.options_mut();
            options.timeout = SERVER;
            options.attempts = 1;
            options.num_concurrent_reqs = 2;
            options.use_hosts_file = ResolveHosts::Never;
            builder.build()
        };
        build()
            .inspect_err(|why: &NetError| tracing::warn!(%why, "no name servers: only /etc/hosts is used"))
            .ok()
    }

    fn stamps_now() -> [Option<(SystemTime, u64)>; 2] {
        let stamp = |meta: Metadata| Some((meta.modified().ok()?, meta.len()));
        FILES.map(|file| std::fs::metadata(file).ok().and_then(stamp))
    }

    /// Addresses of the hosts file.
    fn listed(&self, host: &str) -> Option<Vec<IpAddr>> {
        let mut name = Name::from_utf8(host).ok()?;
        name.set_fqdn(true);
        let of = |kind| {
            let found = self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
            found.map(|lookup| ips(lookup.answers().iter().map(|record| &record.data))).unwrap_or_default()
        };
        let addresses = interleave(of(RecordType::AAAA), of(RecordType::A));
        (!addresses.is_empty()).then_some(addresses)
    }

    /// Asks the servers: both families at once; once one has addresses the other gets a moment more.
    async fn ask(&self, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
        let resolver = self.resolver.as_ref().ok_or(NoAddress::Silent)?;
        let of = async |kind| match resolver.lookup(host, kind).await {
            Ok(lookup) => Ok(ips(lookup.answers().iter().map(|record| &record.data))),
            Err(why) if why.is_no_records_found() => Ok(Vec::new()),
            Err(_) => Err(NoAddress::Silent),
        };
        let (v6, v4) = (of(RecordType::AAAA), of(RecordType::A));
        tokio::pin!(v6, v4);
        let (v6, v4) = tokio::select! {
            first = &mut v6 => { let usable = has_some(&first); (first, second(v4, usable).await) }
            first = &mut v4 => { let usable = has_some(&first); (second(v6, usable).await, first) }
        };
        match (v6, v4) {
            (Err(why), Err(_)) => Err(why),
            (v6, v4) => {
                let one_failed = v6.is_err() || v4.is_err();
                let addresses = interleave(v6.unwrap_or_default(), v4.unwrap_or_default());
                match addresses.is_empty() {
                    false => Ok(addresses),
                    true if one_failed => Err(NoAddress::Silent),
                    true => Err(NoAddress::NotFound),
                }
            }
        }
    }
}

type Family = Result<Vec<IpAddr>, NoAddress>;

fn has_some(family: &Family) -> bool {
    family.as_ref().is_ok_and(|addresses| !addresses.is_empty())
}

/// The slower family: waited for as long as it takes, or only a moment when the faster one is usable.
async fn second(other: impl Future<Output = Family>, usable: bool) -> Family {
    if usable { timeout(OTHER_FAMILY, other).await.unwrap_or(Err(NoAddress::Silent)) } else { other.await }
}

fn ips<'a>(data: impl Iterator<Item = &'a RData>) -> Vec<IpAddr> {
    data.filter_map(RData::ip_addr).collect()
}

/// One of each family in turn, IPv6 first, bounded.
fn interleave(v6: Vec<IpAddr>, v4: Vec<IpAddr>) -> Vec<IpAddr> {
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut all = Vec::new();
    while all.len() < ADDRESSES {
        let pair = (v6.next(), v4.next());
        all.extend(pair.0);
        all.extend(pair.1);
        if pair == (None, None) {
            break;
        }
    }
    all
}
