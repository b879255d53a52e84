//! The language of topologies: regions, links, nodes, people, a timeline of faults, and what is expected.
//!
//! [`Topology`] is what a good file means; [`parse`](parse::parse) makes it from text and says everything that is wrong
//! at once; [`by_hand`] reads one step as an operator types it. Nothing here runs.

pub mod ailments;
pub mod by_hand;
pub mod check;
pub mod endpoints;
pub mod enough;
pub mod expect;
pub mod parse;
pub mod random;
pub mod read;
pub mod rounds;
pub mod sign_outs;
pub mod timeline;
pub mod trace;
pub mod tree;
pub mod units;
pub mod ways;

use std::path::PathBuf;
use std::time::Duration;

pub use ailments::Healed;
pub use endpoints::Endpoint;
pub use expect::{Bound, Expectation, Limit, Meanwhile, Measure};
pub use sign_outs::SignOuts;
pub use timeline::{Step, Verb};
pub use ways::{Cut, How};

/// A topology: one failure mode, and all it needs.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// The file's name without its ending.
    pub name: String,
    /// The first comment: which failure mode this is, in an operator's sentence.
    pub says: String,
    /// The file itself.
    pub file: PathBuf,
    /// Names of the regions, in order; other places name regions by their text.
    pub regions: Vec<String>,
    /// Which regions reach each other; nothing else forwards.
    pub links: Vec<Link>,
    /// Identity providers that the lab itself makes.
    pub idps: Vec<Idp>,
    /// Nodes: real processes with an operator's configuration.
    pub nodes: Vec<Node>,
    /// Status endpoints that nodes may ask.
    pub endpoints: Vec<Endpoint>,
    /// Applications: relying parties that people want to use.
    pub apps: Vec<App>,
    /// People, by group.
    pub people: Vec<People>,
    /// Faults, by time.
    pub timeline: Vec<Step>,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// How long, how patient, which chance.
    pub settings: Settings,
    /// Steps will come that the timeline does not have: every server is made ready for every verb.
    pub by_hand: bool,
}

/// A pair of regions that reach each other; every number is for one way and holds both ways.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The two regions.
    pub between: (String, String),
    /// Time a packet takes one way.
    pub delay: Duration,
    /// A packet takes up to this much more or less; order is kept.
    pub jitter: Duration,
    /// Bits per second each way; none for no limit.
    pub rate: Option<u64>,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Line of the file.
    pub line: u64,
}

/// An identity provider that the lab makes; reached as `https://NAME.mesh.test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idp {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// What it is.
    pub kind: IdpKind,
    /// The other server whose directory this one holds as well.
    pub replica_of: Option<String>,
    /// Line of the file.
    pub line: u64,
}

/// What an identity provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdpKind {
    /// A `mangrove-root` with the local connector.
    Local,
    /// Dex with its password database.
    Dex,
    /// Keycloak, with one realm.
    Keycloak,
    /// A server on npm's `oidc-provider`.
    NodeOidcProvider,
    /// SimpleSAMLphp.
    Simplesamlphp,
    /// OpenLDAP's directory.
    Slapd,
}

impl Idp {
    /// Name of the directory that it is a server of.
    pub fn directory(&self) -> &str {
        self.replica_of.as_deref().unwrap_or(&self.name)
    }
}

impl IdpKind {
    /// Each kind by the name that a file has for it.
    pub const ALL: &[(&str, Self)] = &[
        ("local", Self::Local),
        ("dex", Self::Dex),
        ("keycloak", Self::Keycloak),
        ("node-oidc-provider", Self::NodeOidcProvider),
        ("simplesamlphp", Self::Simplesamlphp),
        ("slapd", Self::Slapd),
    ];
}

/// A node; reached as `https://NAME.mesh.test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Which binary.
    pub role: Role,
    /// The operator's configuration, found.
    pub config: PathBuf,
    /// Line of the file.
    pub line: u64,
}

/// Which binary a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `mangrove-root`.
    Root,
    /// `mangrove-edge`.
    Edge,
}

impl Role {
    /// Name of the binary.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Root => "mangrove-root",
            Self::Edge => "mangrove-edge",
        }
    }
}

/// An application; reached as `https://NAME.mesh.test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// The node that it asks to sign people in.
    pub at: String,
    /// Its client id there.
    pub client: String,
    /// Which program.
    pub kind: AppKind,
    /// Whether it asks for `offline_access` and renews its tokens when people with a session come back.
    pub renews: bool,
    /// Line of the file.
    pub line: u64,
}

/// Which program an application is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AppKind {
    /// The lab's own relying party.
    #[default]
    Lab,
    /// One on npm's `openid-client`.
    OpenidClient,
    /// `oauth2-proxy`, in front of a page that knows nothing of logins.
    Oauth2Proxy,
}

impl AppKind {
    /// Each kind by the name that a file has for it.
    pub const ALL: &[(&str, Self)] =
        &[("lab", Self::Lab), ("openid-client", Self::OpenidClient), ("oauth2-proxy", Self::Oauth2Proxy)];

    /// Where the node sends its browsers back, below `https://NAME.mesh.test`.
    pub fn callback(self) -> &'static str {
        match self {
            Self::Lab | Self::OpenidClient => "/callback",
            Self::Oauth2Proxy => "/oauth2/callback",
        }
    }
}

/// A group of people with the same habits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    /// Where they sit.
    pub region: String,
    /// How many.
    pub count: u32,
    /// The application that they use.
    pub app: String,
    /// The identity provider at which they begin, as from a portal; none: they begin at the application.
    pub begins: Option<String>,
    /// Each of them signs in once in this time.
    pub sign_in_every: Duration,
    /// They keep their cookies from one sign-in to the next.
    pub keep_session: bool,
    /// How they sign out, if they ever do.
    pub sign_out: Option<SignOuts>,
    /// They sit at a real browser, each beside a simulated twin.
    pub chromium: bool,
    /// Line of the file.
    pub line: u64,
}

/// How long, how patient, which chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long people sign in. Defaults to the last step of the timeline and 15 seconds.
    pub duration: Duration,
    /// How long a person waits before reloading. Defaults to 10 s.
    pub patience: Duration,
    /// Seed of all chance in the run. Defaults to 1.
    pub seed: u64,
    /// Least number of attempts that an expectation needs. Defaults to 30.
    pub attempts: u32,
    /// Pairs of rounds, one with the timeline and one without, each of them `duration` long. None: the timeline happens
    /// once.
    pub rounds: Option<u32>,
}

impl Settings {
    /// How long people sign in, all rounds together.
    pub fn total(&self) -> Duration {
        self.duration * self.rounds.map_or(1, |pairs| 2 * pairs)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let (duration, patience) = (Duration::from_secs(60), Duration::from_secs(10));
        Self { duration, patience, seed: 1, attempts: 30, rounds: None }
    }
}

/// The lab's domain: every node, IdP and application is `NAME.mesh.test`.
pub const DOMAIN: &str = "mesh.test";

/// Name of the service that roots are, in the lab's DNS.
pub const ROOT_SERVICE: &str = "_mangrove-root._tcp";

/// DNS name of a node, IdP or application.
pub fn host(name: &str) -> String {
    format!("{name}.{DOMAIN}")
}

impl Topology {
    /// Names of the IdPs that are servers of this directory.
    pub fn servers_of(&self, directory: &str) -> Vec<&str> {
        self.idps.iter().filter(|idp| idp.directory() == directory).map(|idp| idp.name.as_str()).collect()
    }

    /// Region of a node, IdP or application.
    pub fn region_of(&self, name: &str) -> Option<&str> {
        let idps = self.idps.iter().map(|it| (&it.name, &it.region));
        let nodes = self.nodes.iter().map(|it| (&it.name, &it.region));
        let apps = self.apps.iter().map(|it| (&it.name, &it.region));
        idps.chain(nodes).chain(apps).find(|(n, _)| *n == name).map(|(_, region)| region.as_str())
    }

    /// Whether some step may make this identity provider misbehave.
    pub fn breaks(&self, idp: &str) -> bool {
        self.by_hand || self.timeline.iter().any(|step| step.verb.breaks(idp))
    }

    /// Whether a server is a program of Mangrove's own. Only those have a clock that can go wrong and a disk that can be full:
    /// some foreign programs do not even start with libfaketime before them.
    pub fn is_our_own(&self, server: &str) -> bool {
        self.nodes.iter().any(|it| it.name == server)
            || self.idps.iter().any(|it| it.name == server && it.kind == IdpKind::Local)
    }

    /// Whether some step may put the clock of this server wrong.
    pub fn skews(&self, server: &str) -> bool {
        let skews = |step: &Step| step.verb.skews() && step.verb.node() == Some(server);
        self.is_our_own(server) && (self.by_hand || self.timeline.iter().any(skews))
    }

    /// Whether some step may fill the disk of this server.
    pub fn fills(&self, server: &str) -> bool {
        let fills = |step: &Step| matches!(&step.verb, Verb::Fill { node } if node == server);
        self.is_our_own(server) && (self.by_hand || self.timeline.iter().any(fills))
    }

    /// Index of a region: the number in its addresses is this plus one.
    pub fn region_index(&self, name: &str) -> Option<usize> {
        self.regions.iter().position(|region| region == name)
    }
}

#[cfg(test)]
mod tests;
