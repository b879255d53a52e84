//! The mesh that a history is about: regions, links, servers, people, rounds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Micros;

/// The mesh that a run is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// File name of the topology.
    pub topology: String,
    /// Its first comment: which failure mode, in a sentence.
    pub sentence: String,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// Regions in the order of the file.
    pub regions: Vec<String>,
    /// Pairs of regions that reach each other at the start, both ways. A region always reaches itself.
    pub links: Vec<Link>,
    /// Every process that takes part in a login: nodes, identity providers, applications.
    pub servers: Vec<Server>,
    /// Everybody who signs in.
    pub people: Vec<Person>,
}

/// Two regions that reach each other at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// One end.
    pub a: String,
    /// The other end.
    pub b: String,
    /// One-way delay in microseconds, for the map.
    #[serde(default)]
    pub delay_us: u64,
}

/// A process that takes part in a login.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Name in the topology file.
    pub name: String,
    /// Region it runs in.
    pub region: String,
    /// What it is for.
    pub kind: ServerKind,
    /// Host names under which browsers and nodes know it.
    pub hosts: Vec<String>,
    /// Whom it asks: for an application its edge, for an edge its roots, for a root its providers, by name and in
    /// order. Empty where it vouches itself.
    #[serde(default)]
    pub upstreams: Vec<String>,
    /// Whether it vouches for people by itself (it has a directory or users of its own).
    #[serde(default)]
    pub vouches: bool,
    /// Whether a person's browser has to reach it in a login (a directory server: no).
    #[serde(default = "yes")]
    pub by_browser: bool,
    /// Whether it ends its own session with a browser that those who ask it send there to sign out.
    #[serde(default)]
    pub signs_out: bool,
    /// Names of the people it knows; `None`: everybody.
    #[serde(default)]
    pub knows: Option<Vec<String>>,
    /// Its connectors that are probed, by name, and the server that each asks.
    #[serde(default)]
    pub connectors: BTreeMap<String, String>,
    /// How it probes its upstreams; where they differ, the slowest.
    #[serde(default)]
    pub probing: Option<Probing>,
    /// Whose software it is, where it is not Mangrove's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
}

/// Software of another maker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// What its makers call it.
    pub product: String,
    /// Which version.
    pub version: String,
    /// The protocols by which nodes ask it (an application: by which it asks a node), each with the places, host and path, to
    /// which it sends browsers back. None where a browser never sees it.
    pub spoken: BTreeMap<String, Vec<String>>,
    /// What it demands or does in logins that come back to one of these places, where it does not always.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub particular: BTreeMap<String, BTreeSet<Particular>>,
}

/// What software of another maker does for some of those who ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Particular {
    /// It takes no request without a signature.
    SignedRequests,
    /// It encrypts what it says of a person.
    EncryptedAssertions,
}

fn yes() -> bool {
    true
}

/// What a server is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    /// An application that people sign in to.
    #[default]
    App,
    /// A Mangrove node in the branch role.
    Edge,
    /// A Mangrove node in the data-center role.
    Root,
    /// An identity provider, whatever program it is.
    Idp,
}

/// Settings of a node's health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probing {
    /// Between two probes.
    pub interval_us: Micros,
    /// Of one probe.
    pub timeout_us: Micros,
    /// Failures in a row until Down.
    pub unhealthy_threshold: u32,
    /// Successes in a row until Healthy.
    pub healthy_threshold: u32,
}

/// Somebody who signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Unique in the run; also the value of the hidden attribute `lab_person` at every identity provider.
    pub name: String,
    /// Where the browser is.
    pub region: String,
    /// Name of the application's server.
    pub app: String,
    /// Whether this person keeps a session and comes back.
    #[serde(default)]
    pub keeps_session: bool,
    /// Name of the person at a real browser whose simulated twin this is.
    #[serde(default)]
    pub twin_of: Option<String>,
}

/// What people are, half of them each: an attribute at every identity provider of the lab, and a group where one has groups.
pub const ROLES: [&str; 2] = ["clerk", "engineer"];

/// What somebody of this name is.
pub fn role_of(name: &str) -> &'static str {
    ROLES[usize::from(name.bytes().last().is_some_and(|last| last % 2 == 1))]
}

/// A part of a run in which the same people do the same as in the other round of its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Number of the pair, from 1.
    pub pair: u32,
    /// Whether the time line happens in it.
    pub faults: bool,
}

/// Host name to server name, for reading hops.
pub fn servers_by_host(run: &Run) -> BTreeMap<&str, &Server> {
    run.servers
        .iter()
        .flat_map(|server| server.hosts.iter().map(move |host| (host.as_str(), server)))
        .collect()
}
