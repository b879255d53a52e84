//! What the members of a group share: a vendor, a host, an address. What they share can take all of them down at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::Context;
use crate::{
    Connector,
    continuity::Continuity,
    finding::{Findings, Severity::Warning},
};

/// Warns of each thing that several members of one group hang on.
pub(super) fn members_share_nothing(context: &Context<'_>, findings: &mut Findings) {
    let connectors: BTreeMap<&str, &Connector> = context.connectors().map(|(_, c)| (c.name(), c)).collect();
    for (trail, connector) in context.connectors() {
        let Connector::Continuity(group) = connector else { continue };
        let hosts = hosts_of(group, &connectors);
        let at = trail.then("failover").then("idps");
        let mut told: Vec<BTreeSet<&str>> = Vec::new();
        for (kind, of) in [
            ("host", host as fn(&Context<'_>, &str) -> Vec<String>),
            ("address", addresses),
            ("DNS name", domain),
        ] {
            for (shared, members) in shared(context, &hosts, of) {
                if told.contains(&members) {
                    continue;
                }
                let names: Vec<_> = members.iter().map(|name| format!("`{name}`")).collect();
                let message = format!(
                    "{} share the {kind} {shared}: one outage there takes them all down",
                    names.join(" and ")
                );
                findings
                    .at(Warning, context.tree, &at, message)
                    .hint("a group lives from difference: another vendor, another region, another protocol");
                told.push(members);
            }
        }
    }
}

/// The hosts that each member hangs on. Groups among them are left out: their own members are judged there.
fn hosts_of<'a>(
    group: &'a Continuity,
    connectors: &BTreeMap<&str, &'a Connector>,
) -> BTreeMap<&'a str, BTreeSet<String>> {
    let mut hosts = BTreeMap::new();
    for member in &group.failover.idps {
        if let Some(connector) = connectors.get(member.as_str()) {
            let own = own_hosts(connector);
            if !own.is_empty() {
                hosts.insert(member.as_str(), own);
            }
        }
    }
    hosts
}

fn own_hosts(connector: &Connector) -> BTreeSet<String> {
    let urls: Vec<String> = match connector {
        Connector::Oidc(c) => vec![c.well_known_url.to_string()],
        Connector::Saml(c) => vec![c.metadata_url.to_string()],
        Connector::Ldap(c) | Connector::ActiveDirectory(c) => c.url.iter().map(str::to_owned).collect(),
        Connector::Local(_) | Connector::Continuity(_) => Vec::new(),
    };
    let parsed = urls.iter().filter_map(|url| url::Url::parse(url).ok());
    parsed.filter_map(|url| Some(url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase())).collect()
}

/// For each thing, the members that hang on it, where they are several.
fn shared<'a>(
    context: &Context<'_>,
    hosts: &BTreeMap<&'a str, BTreeSet<String>>,
    of: fn(&Context<'_>, &str) -> Vec<String>,
) -> Vec<(String, BTreeSet<&'a str>)> {
    let mut users: BTreeMap<String, BTreeSet<&'a str>> = BTreeMap::new();
    for (member, hosts) in hosts {
        for thing in hosts.iter().flat_map(|host| of(context, host)) {
            users.entry(thing).or_default().insert(*member);
        }
    }
    users.into_iter().filter(|(_, members)| members.len() > 1).collect()
}

fn host(_: &Context<'_>, host: &str) -> Vec<String> {
    vec![host.to_owned()]
}

fn addresses(context: &Context<'_>, host: &str) -> Vec<String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return vec![address.to_string()];
    }
    let found = context.resolver.map(|resolver| resolver.addresses(host)).unwrap_or_default();
    found.into_iter().map(|address| address.to_string()).collect()
}

/// Second-level domains under which strangers register names.
const SECOND_LEVEL: &[&str] = &["ac", "co", "com", "edu", "gob", "gov", "mil", "net", "ne", "or", "org"];

/// The domain that somebody registered: who loses it, or its DNS, loses every host below.
fn domain(_: &Context<'_>, host: &str) -> Vec<String> {
    if host.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let [.., second, top] = labels.as_slice() else { return Vec::new() };
    if *top == "localhost" {
        return Vec::new();
    }
    let three = top.len() == 2 && SECOND_LEVEL.contains(second) && labels.len() > 2;
    let take = if three { 3 } else { 2 };
    vec![labels[labels.len() - take..].join(".")]
}
