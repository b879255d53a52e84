//! The history of a run: what happened, as JSON lines, on one clock. The supervisor writes what it did to the network
//! and to processes, each region's people write what they saw; verdict and report read nothing else. A history is
//! complete: [`Run`] on its first line describes the mesh, so that a file can be judged again later.
//!
//! Owns the event types, their form on disk, and the clock: `CLOCK_MONOTONIC` in microseconds, which every process on
//! the machine reads alike, in whichever network namespace. Knows nothing of how events come about or what they mean.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Microseconds of `CLOCK_MONOTONIC`.
pub type Micros = u64;

/// Microseconds in a second.
pub const SECOND: Micros = 1_000_000;

/// Microseconds in a millisecond.
pub const MILLISECOND: Micros = 1_000;

/// What the clock says now.
pub fn now() -> Micros {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every kernel has CLOCK_MONOTONIC");
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or_default();
    seconds * SECOND + nanos / 1_000
}

/// Seconds since the Unix epoch, for the times inside tokens. Never used to order events.
#[expect(clippy::disallowed_methods, reason = "the testbed's one reader of the wall clock")]
pub fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, or when it was known to have taken effect.
    pub at: Micros,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// Everything that can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// First line: the mesh as it stands before anything happens to it.
    Run(Box<Run>),
    /// Everything is up and the people begin to sign in. The run's time line starts here.
    Begin,
    /// People begin anew, with the same seed; where a run has rounds with the time line and rounds without.
    Round(Round),
    /// One step of the time line, in the words of its file.
    Step(Step),
    /// The kernel has accepted a change of the path between two regions.
    Path(PathChange),
    /// A process changed its state.
    Process(ProcessChange),
    /// The DNS of a region answers otherwise from now on.
    Names(NamesChange),
    /// An identity provider does its work otherwise from now on.
    Idp(IdpChange),
    /// The clock of a node or IdP goes otherwise from now on.
    Clock(ClockChange),
    /// A person's browser asked its region's DNS for a name, and got an address.
    Named(Named),
    /// A TCP connection was tried from a region to a server, to check what the faults say.
    Probe(Probe),
    /// How late the machine was since the last such line.
    Machine {
        /// Packets that the switch delivered; late from [`LATE_PACKET`] on.
        packets: Lateness,
        /// Wake-ups of a thread that only sleeps; late from [`LATE_WAKE`] on.
        wakes: Lateness,
    },
    /// A node's opinion of one of its connectors changed.
    Health(HealthChange),
    /// A person tried to sign in; written when the try has ended.
    Login(Box<Login>),
    /// A person with a session came back; written when the visit has ended.
    Visit(Box<Visit>),
    /// Something that a reader should know, without meaning for the verdict.
    Note {
        /// Who says so: a region, a node, `testbed`.
        from: String,
        /// What.
        text: String,
    },
    /// The last step is done and people were told to stop.
    End,
}

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
    /// Names of the people it knows; `None`: everybody.
    #[serde(default)]
    pub knows: Option<Vec<String>>,
    /// Its connectors that are probed, by name, and the server that each asks.
    #[serde(default)]
    pub connectors: BTreeMap<String, String>,
    /// How it probes its upstreams; where they differ, the slowest.
    #[serde(default)]
    pub probing: Option<Probing>,
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

/// A part of a run in which the same people do the same as in the other round of its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Number of the pair, from 1.
    pub pair: u32,
    /// Whether the time line happens in it.
    pub faults: bool,
}

/// One step of the time line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was asked for, in words that a reader of the report understands.
    pub words: String,
    /// What it means for the mesh.
    pub kind: StepKind,
    /// When the supervisor began to do it; the event's own time is when all of it had taken effect.
    pub began: Micros,
}

/// What a step means for the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Something is made worse.
    Fault,
    /// Something is made better.
    Heal,
    /// Neither, such as waiting for a condition.
    Other,
}

/// A change of what packets from one region to another meet. One-way cuts are one such event, others are two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathChange {
    /// Region of the sender.
    pub from: String,
    /// Region of the receiver.
    pub to: String,
    /// From now on.
    pub state: PathState,
    /// When the change was begun; the event's own time is when the kernel had accepted it.
    pub began: Micros,
}

/// What packets meet on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "path", rename_all = "kebab-case")]
pub enum PathState {
    /// The path as the topology describes it.
    Open,
    /// Open, and worse than described: slow, lossy, throttled.
    Impaired {
        /// In words.
        how: String,
    },
    /// Packets vanish.
    BlackHole,
    /// Connections are refused or reset at once.
    Refused,
}

impl PathState {
    /// Whether a connection can be made at all.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open | Self::Impaired { .. })
    }
}

/// A change of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessChange {
    /// Name of the server.
    pub server: String,
    /// From now on.
    pub state: ProcessState,
    /// When the change was begun (the signal was about to be sent); the event's own time is when it was done.
    pub began: Micros,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// Started, and not answering yet.
    Starting,
    /// Accepts and answers.
    Running,
    /// Alive, and does not answer.
    Paused,
    /// Gone.
    Stopped,
}

/// Life of an answer of the lab's DNS, in seconds: short, so that faults of it are seen soon.
pub const ANSWERS_LIVE: u32 = 5;

/// How long a person's browser keeps a name that it has resolved, as real ones do.
pub const BROWSERS_KEEP_NAMES: Micros = 60 * SECOND;

/// A change of what the DNS of a region answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesChange {
    /// Whose DNS.
    pub region: String,
    /// From now on.
    pub state: NamesState,
    /// Host names that it is about; none: all.
    #[serde(default)]
    pub about: Vec<String>,
    /// When the change was begun; the event's own time is when no answer came by the old state any more.
    pub began: Micros,
}

/// What a DNS answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamesState {
    /// What is true.
    #[default]
    Right,
    /// Nothing.
    Dead,
    /// Addresses of others.
    Lying,
    /// Addresses where nothing listens any more.
    Stale,
}

/// A change of how an identity provider does its work, while its process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdpChange {
    /// Name of the server.
    pub server: String,
    /// From now on.
    pub state: IdpState,
    /// Nodes that it is about; none: everybody.
    #[serde(default)]
    pub about: Vec<String>,
    /// When the change was begun; the event's own time is when nobody was answered by the old state any more.
    pub began: Micros,
}

/// A change of how wrong a clock is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockChange {
    /// Name of the server.
    pub server: String,
    /// Seconds ahead of the right time; negative: behind it.
    pub ahead: i64,
    /// When the change was begun; the event's own time is when it was done.
    pub began: Micros,
}

/// How an identity provider does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdpState {
    /// As it should.
    #[default]
    Right,
    /// Every request is answered with status 500.
    Errors,
    /// Every request is answered 200, with a page of somebody else.
    Garbage,
    /// Its certificate has expired.
    ExpiredCertificate,
    /// As it should, and every answer comes late.
    SlowPages,
    /// It signs with another key than before, and publishes no other.
    KeysRolled,
    /// The client secrets of some nodes have expired.
    SecretExpired,
}

impl IdpState {
    /// Whether people can be signed in by an identity provider in this state.
    pub fn signs_in(self) -> bool {
        matches!(self, Self::Right | Self::SlowPages | Self::KeysRolled)
    }
}

/// A name that a person's browser resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Name of the person.
    pub person: String,
    /// The host name.
    pub host: String,
    /// When it was asked; the event's own time is the answer's.
    pub began: Micros,
}

/// One TCP connection, tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Region it was tried from.
    pub from: String,
    /// Name of the server it was tried to.
    pub to: String,
    /// When it was begun; the event's own time is when the result was known.
    pub began: Micros,
    /// Whether the connection was made.
    pub connected: bool,
}

/// A packet that the switch delivers later than this is late.
pub const LATE_PACKET: Micros = MILLISECOND;

/// A thread that is woken later than this is late.
pub const LATE_WAKE: Micros = 10 * MILLISECOND;

/// How late things were for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// How many there were.
    pub all: u64,
    /// How many of them were late.
    pub late: u64,
    /// How late the latest was.
    pub worst: Micros,
    /// How late all of them were together.
    #[serde(default)]
    pub total: Micros,
}

impl Lateness {
    /// Counts another while as well.
    pub fn add(&mut self, other: Self) {
        let worst = self.worst.max(other.worst);
        let total = self.total + other.total;
        *self = Self { all: self.all + other.all, late: self.late + other.late, worst, total };
    }

    /// How late one of them was on average, in microseconds.
    pub fn mean(&self) -> f64 {
        self.total as f64 / self.all.max(1) as f64
    }

    /// Share of those that were late.
    pub fn share(&self) -> f64 {
        self.late as f64 / self.all.max(1) as f64
    }
}

/// A node's opinion of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// Name of the node's server.
    pub node: String,
    /// Name of the connector in its configuration.
    pub connector: String,
    /// `unknown`, `healthy`, `suspect`, `down` or `probing`.
    pub state: String,
    /// The node's reason, if it gave one.
    #[serde(default)]
    pub why: String,
}

/// One try of one person to sign in, from typing the application's address to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// Name of the person.
    pub person: String,
    /// Name of the application's server.
    pub app: String,
    /// The person's region.
    pub region: String,
    /// When the address was typed; the event's own time is the end.
    pub start: Micros,
    /// Every answer or failure that the browser saw, in order.
    pub hops: Vec<Hop>,
    /// What the person had to do.
    pub acts: Acts,
    /// How it ended for the person's eyes.
    pub seen: Seen,
    /// Whom the application says it has, if it says so.
    #[serde(default)]
    pub who: Option<Who>,
    /// The login id that a page showed, for the nodes' logs.
    #[serde(default)]
    pub login_id: Option<String>,
}

/// One request of a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// When it was sent.
    pub start: Micros,
    /// How long until the answer was read or the browser gave up, in microseconds.
    pub took: Micros,
    /// `GET` or `POST`.
    pub method: String,
    /// Host and path of the URL, never its query.
    pub url: String,
    /// Status of the answer; `None` if none came.
    #[serde(default)]
    pub status: Option<u16>,
    /// Why none came.
    #[serde(default)]
    pub error: Option<Trouble>,
    /// What nodes write down of its `state`, if it had one; finds the login in their logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Hop {
    /// Host name of the URL, without its port.
    pub fn host(&self) -> &str {
        self.url.split(['/', ':']).next().unwrap_or_default()
    }

    /// Path of the URL, with its first slash.
    pub fn path(&self) -> &str {
        self.url.find('/').map_or("", |start| &self.url[start..])
    }
}

/// Why a browser got no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The name could not be resolved.
    Dns,
    /// Nobody listens, or the path refuses.
    Refused,
    /// No answer within the person's patience.
    Timeout,
    /// The connection broke.
    Reset,
    /// The certificate is not good.
    Tls,
    /// Not HTTP, or more of it than a browser takes.
    Garbage,
    /// More than 20 redirects.
    Redirects,
}

/// What a person had to do in one login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acts {
    /// Loaded the page that failed once more.
    pub reloads: u32,
    /// Went back to the application and started again.
    pub restarts: u32,
    /// Chose between ways to sign in.
    pub choices: u32,
    /// Typed a password.
    pub passwords: u32,
}

/// How a login ended for the person's eyes. What it was worth is the verdict's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum Seen {
    /// The application greets somebody.
    SignedIn,
    /// A page that says no, and nothing more to do on it.
    Refused {
        /// Its status.
        status: u16,
        /// Its heading or first words, at most 200 characters.
        says: String,
        /// How long the person waited for the first such page, in microseconds.
        waited: Micros,
    },
    /// No page in all the tries that a patient person makes.
    GaveUp {
        /// The last trouble.
        trouble: Trouble,
    },
    /// A page that this person cannot use: no form, no button, the password asked again and again.
    Stuck {
        /// Its status.
        status: u16,
        /// Its heading or first words, at most 200 characters.
        says: String,
    },
    /// The run ended first.
    Unfinished,
}

/// Whom an application believes it has signed in, from a verified ID token and the userinfo endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Issuer.
    pub iss: String,
    /// Subject.
    pub sub: String,
    /// E-mail address, if one came.
    #[serde(default)]
    pub email: Option<String>,
    /// The hidden attribute: who it really is.
    #[serde(default)]
    pub lab_person: Option<String>,
    /// The nodes that the login went through, if the provider says so.
    #[serde(default)]
    pub path: Vec<String>,
}

/// A person with a session came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Name of the person.
    pub person: String,
    /// Name of the application's server.
    pub app: String,
    /// The person's region.
    pub region: String,
    /// When the visit began; the event's own time is the end.
    pub start: Micros,
    /// What the person came for.
    pub kind: VisitKind,
    /// How it went.
    pub outcome: VisitOutcome,
    /// Every answer or failure that the browser saw, in order.
    pub hops: Vec<Hop>,
    /// Whom the application says it has, if it says so.
    #[serde(default)]
    pub who: Option<Who>,
}

/// What a person with a session came for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VisitKind {
    /// A page of the application: its own session.
    Page,
    /// The application renews its tokens at its provider.
    Refresh,
    /// A new login that the provider's session should answer without asking.
    SingleSignOn,
}

/// How a visit went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "visit", rename_all = "kebab-case")]
pub enum VisitOutcome {
    /// The session went on.
    Kept,
    /// The session was gone: signed out, or a password was asked for.
    Lost {
        /// What was seen instead, at most 200 characters.
        says: String,
    },
    /// No answer that would tell.
    NoAnswer {
        /// What happened.
        trouble: Trouble,
    },
}

impl Event {
    /// An event that happens now.
    pub fn now(what: What) -> Self {
        Self { at: now(), what }
    }

    /// The event as one line, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("events have string keys only")
    }
}

/// Writes events as lines.
pub fn write(events: &[Event], mut to: impl Write) -> io::Result<()> {
    for event in events {
        writeln!(to, "{}", event.to_line())?;
    }
    to.flush()
}

/// Reads a history; the error names the line that is not one. Sorted by time, since regions write side by side.
pub fn read(from: impl BufRead) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for (number, line) in from.lines().enumerate() {
        let line = line.map_err(|error| format!("line {}: {error}", number + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        events.push(serde_json::from_str(&line).map_err(|error| format!("line {}: {error}", number + 1))?);
    }
    sort(&mut events);
    Ok(events)
}

/// Brings events into the order of their times; the description of the run stays first.
pub fn sort(events: &mut [Event]) {
    events.sort_by_key(|event| (!matches!(event.what, What::Run(_)), event.at));
}

/// Host name to server name, for reading hops.
pub fn servers_by_host(run: &Run) -> BTreeMap<&str, &Server> {
    run.servers
        .iter()
        .flat_map(|server| server.hosts.iter().map(move |host| (host.as_str(), server)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Event {
        Event {
            at: 2_000_000,
            what: What::Login(Box::new(Login {
                person: "a-1".into(),
                app: "branch-app".into(),
                region: "branch-a".into(),
                start: 1_000_000,
                hops: vec![Hop {
                    start: 1_000_000,
                    took: 900,
                    method: "GET".into(),
                    url: "branch-app.mesh.test/".into(),
                    status: None,
                    error: Some(Trouble::Refused),
                    reference: None,
                }],
                acts: Acts::default(),
                seen: Seen::GaveUp { trouble: Trouble::Refused },
                who: None,
                login_id: None,
            })),
        }
    }

    #[test]
    fn an_event_is_one_flat_line_and_comes_back_as_it_was() {
        let line = login().to_line();
        assert!(line.starts_with(r#"{"at":2000000,"event":"login","person":"a-1""#), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), login());
    }

    #[test]
    fn a_history_is_read_in_the_order_of_time_whoever_wrote_first() {
        let late = Event { at: 9, what: What::End };
        let early = Event { at: 1, what: What::Begin };
        let run = Event { at: 5, what: What::Run(Box::default()) };
        let mut file = Vec::new();
        write(&[late.clone(), early.clone(), run.clone()], &mut file).unwrap();
        assert_eq!(read(file.as_slice()).unwrap(), [run, early, late]);
    }

    #[test]
    fn a_line_that_is_no_event_is_named_by_its_number() {
        let error = read("{\"at\":1,\"event\":\"begin\"}\n\n{\"at\":2}\n".as_bytes()).unwrap_err();
        assert!(error.starts_with("line 3:"), "{error}");
    }

    #[test]
    fn a_hop_knows_its_host_and_its_path() {
        let What::Login(mut login) = login().what else { unreachable!() };
        assert_eq!((login.hops[0].host(), login.hops[0].path()), ("branch-app.mesh.test", "/"));
        login.hops[0].url = "localhost:8443/a/b".into();
        assert_eq!((login.hops[0].host(), login.hops[0].path()), ("localhost", "/a/b"));
    }
}
