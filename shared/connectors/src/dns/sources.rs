//! What the system's files say of names: who is asked, and which names are listed.

use std::fs::{File, Metadata};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};
use tokio::time::timeout;

use super::NoAddress;

/// How long one server may take to answer one question.
pub(super) const SERVER: Duration = Duration::from_millis(800);
/// How long the second address family may take after the first has answered (RFC 8305 section 3).
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// Addresses used of one name.
pub(super) const ADDRESSES: usize = 16;

/// The files that name the servers and list hosts.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) resolv_conf: PathBuf,
    pub(super) hosts: PathBuf,
}

impl Files {
    /// Those of this system.
    pub(super) fn of_system() -> Self {
        Self { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }

    /// Which versions of the files there are now; blocks.
    pub(super) fn stamps(&self) -> Stamps {
        let stamp = |meta: Metadata| Some((meta.modified().ok()?, meta.len()));
        [&self.resolv_conf, &self.hosts].map(|file| std::fs::metadata(file).ok().and_then(stamp))
    }
}

/// When each file was written, and how long it is.
pub(super) type Stamps = [Option<(SystemTime, u64)>; 2];

/// What the system's files say.
pub(super) struct Sources {
    pub(super) resolver: Option<TokioResolver>,
    pub(super) hosts: Hosts,
    pub(super) stamps: Stamps,
}

impl Sources {
    /// Reads the files; blocks.
    pub(super) fn read(files: &Files) -> Self {
        let stamps = files.stamps();
        let resolver = resolver(&files.resolv_conf)
            .inspect_err(|why| tracing::warn!(%why, "no name servers: only the file of hosts is used"))
            .ok();
        Self { resolver, hosts: hosts(&files.hosts).unwrap_or_default(), stamps }
    }

    /// Addresses of the hosts file.
    pub(super) fn listed(&self, host: &str) -> Option<Vec<IpAddr>> {
        let mut name = Name::from_utf8(host).ok()?;
        name.set_fqdn(true);
        let of = |kind| {
            let found = self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
            found.map(|lookup| ips(lookup.answers().iter().map(|record| &record.data))).unwrap_or_default()
        };
        let addresses = interleave(of(RecordType::AAAA), of(RecordType::A));
        (!addresses.is_empty()).then_some(addresses)
    }

    /// Asks the servers: both families at once; once one has addresses the other gets a moment more. A name with a dot in it is
    /// asked for as it stands; search domains are for names of one word.
    pub(super) async fn ask(&self, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
        let resolver = self.resolver.as_ref().ok_or(NoAddress::Silent)?;
        let name = absolute(host);
        let of = async |kind| match resolver.lookup(name.as_str(), kind).await {
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

fn resolver(resolv_conf: &Path) -> Result<TokioResolver, NetError> {
    let (config, options) = parse_resolv_conf(std::fs::read(resolv_conf)?)?;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    let options = builder.options_mut();
    options.timeout = SERVER;
    options.attempts = 1;
    options.num_concurrent_reqs = 2;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build()
}

fn hosts(file: &Path) -> io::Result<Hosts> {
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf(File::open(file)?)?;
    Ok(hosts)
}

/// A name as it is asked for: one with a dot in it gets one at its end.
fn absolute(host: &str) -> String {
    let dot = if host.contains('.') && !host.ends_with('.') { "." } else { "" };
    format!("{host}{dot}")
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
pub(super) fn interleave(v6: Vec<IpAddr>, v4: Vec<IpAddr>) -> Vec<IpAddr> {
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
