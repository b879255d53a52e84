//! The table of software of other makers: what was exercised with it, by which protocol, and whether the runs held. Made from
//! histories alone; a column is empty where no run did it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::history::{
    Event, Foreign, Hop, IdpState, Login, Particular, ProcessState, Run, Seen, Server, ServerKind, SignOut,
    SignOutOutcome, Visit, VisitKind, VisitOutcome, What,
};

/// What many runs did, a row for each software and protocol.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<Key, Row>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    application: bool,
    product: String,
    version: String,
    protocol: String,
}

impl Key {
    fn of(foreign: &Foreign, server: &Server, protocol: &str) -> Self {
        Self {
            application: server.kind == ServerKind::App,
            product: foreign.product.clone(),
            version: foreign.version.clone(),
            protocol: protocol.to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Row {
    logins: usize,
    /// How many of these in a particular way.
    of_these: BTreeMap<&'static str, usize>,
    renewed: usize,
    single: usize,
    signed_out: usize,
    keys: BTreeMap<&'static str, usize>,
    outages: BTreeMap<&'static str, usize>,
    /// Topologies, and the exit code of each.
    runs: BTreeMap<String, u8>,
}

impl Table {
    /// Adds a run: its history, and the exit code of its verdict.
    pub fn add(&mut self, events: &[Event], code: u8) {
        let run = events.iter().find_map(|event| match &event.what {
            What::Run(run) => Some(run),
            _ => None,
        });
        let Some(run) = run else { return };
        let mut ways: BTreeMap<Key, Vec<Way<'_>>> = BTreeMap::new();
        for server in &run.servers {
            let Some(foreign) = &server.foreign else { continue };
            for (protocol, places) in &foreign.spoken {
                let key = Key::of(foreign, server, protocol);
                ways.entry(key).or_default().push(Way { run, server, places });
            }
        }
        for (key, ways) in ways {
            self.0.entry(key).or_default().fill(&ways, &run.topology, events, code);
        }
    }

    /// The page, from its heading on.
    pub fn markdown(&self) -> String {
        let mut page = HEAD.to_owned();
        for (key, row) in &self.0 {
            let what = if key.application { "application" } else { "identity provider" };
            let _ = writeln!(
                page,
                "| {} | {} | {what} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                key.product,
                key.version,
                key.protocol,
                number(row.logins),
                numbers(&row.of_these),
                number(row.single),
                number(row.renewed),
                number(row.signed_out),
                numbers(&row.keys),
                numbers(&row.outages),
                row.result(),
            );
        }
        page
    }
}

const HEAD: &str = "\
# Software of other makers

What was exercised, and how it went. Made by `mangrove-testbed compatibility OUT...` from the histories of runs (`make test-idps` prints
it); nothing here is written by hand, and a field is empty where no run did it.

- **Logins** ended signed in, through this identity provider or at this application. **Signed on** are logins that a session answered
  without asking; **renewed** are tokens that an application renewed at its node, new ones for the same person. Both count for whoever
  vouched at the person's last login.
- **Signed out**: the person was brought back to the application, after the browser had been at this identity provider for it.
- **Of these**: asked for by a signed request, because this provider took no other; said in an encrypted assertion; or begun at the provider
  instead of the application.
- **Keys rolled**: the identity provider signed with another key; or announced one, which its metadata showed beside the old.
  **Outages**: how often it was killed, paused, broken, or out of reach of a node that asks it, while people went on signing in.
- **Holds**: everything that the topology expects, such as no login lost and none wrong.

| software | version | as | protocol | logins | of these | signed on | renewed | signed out | keys rolled | outages | result |
|---|---|---|---|---|---|---|---|---|---|---|---|
";

fn number(count: usize) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

fn numbers(counts: &BTreeMap<&'static str, usize>) -> String {
    let counts = counts.iter().map(|(what, times)| format!("{what} {times}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// One protocol by which one server of a run was asked.
struct Way<'r> {
    run: &'r Run,
    server: &'r Server,
    /// Where it sends browsers back.
    places: &'r [String],
}

impl Way<'_> {
    /// Whether a login ended signed in by this way.
    fn took(&self, login: &Login) -> bool {
        if login.seen != Seen::SignedIn {
            return false;
        }
        match self.server.kind {
            ServerKind::App => login.app == self.server.name,
            _ if self.server.by_browser => login.hops.iter().any(|hop| self.places.contains(&hop.url)),
            // Nobody saw the directory: the password was typed at a node that asks it, and nobody else sent the browser back.
            _ => {
                login.hops.iter().any(|hop| hop.method == "POST" && self.asks(hop.host()))
                    && !self.elsewhere(login)
            }
        }
    }

    /// Whether the node of this host name asks the server.
    fn asks(&self, host: &str) -> bool {
        let node = self.run.servers.iter().find(|node| node.hosts.iter().any(|its| its == host));
        node.is_some_and(|node| node.upstreams.contains(&self.server.name))
    }

    /// In which particular ways this login, which it took, went.
    fn particular(&self, login: &Login) -> Vec<&'static str> {
        let foreign = self.server.foreign.iter();
        let theirs = foreign.flat_map(|foreign| &foreign.particular);
        let theirs = theirs.filter(|(place, _)| login.hops.iter().any(|hop| hop.url == **place));
        let mut ways: Vec<_> = theirs.flat_map(|(_, ways)| ways).map(|way| word(*way)).collect();
        let began =
            login.hops.first().is_some_and(|hop| self.server.hosts.iter().any(|its| its == hop.host()));
        ways.extend((began && self.server.kind == ServerKind::Idp).then_some("begun there"));
        ways
    }

    /// Whether the browser was at an identity provider's own page in this login.
    fn elsewhere(&self, login: &Login) -> bool {
        let idps = self.run.servers.iter().filter(|it| it.kind == ServerKind::Idp && it.by_browser);
        let hosts: BTreeSet<_> = idps.flat_map(|idp| &idp.hosts).map(String::as_str).collect();
        login.hops.iter().any(|hop| hosts.contains(hop.host()))
    }

    /// Whether somebody whose session is from here signed out by this way, and no page said that it could not be told.
    fn let_go(&self, left: &SignOut) -> bool {
        let its = |hop: &Hop| self.server.hosts.iter().any(|host| host == hop.host());
        left.outcome == SignOutOutcome::Back
            && match self.server.kind {
                ServerKind::App => left.app == self.server.name,
                _ => left.notices.is_empty() && left.hops.iter().any(its),
            }
    }

    /// Regions from which nodes ask the server.
    fn askers(&self) -> BTreeSet<&str> {
        let nodes = self.run.servers.iter().filter(|node| node.upstreams.contains(&self.server.name));
        nodes.map(|node| node.region.as_str()).collect()
    }
}

impl Row {
    /// `ways` are all servers of one software and protocol: a login by any of them is one login.
    fn fill(&mut self, ways: &[Way<'_>], topology: &str, events: &[Event], code: u8) {
        let here = |name: &str| ways.iter().any(|way| way.server.name == name);
        let steps = |what: &str| -> Vec<_> {
            ways.iter().map(|way| format!("break {}: keys {what}", way.server.name)).collect()
        };
        let (rolled, announced) = (steps("rolled"), steps("announced"));
        let asked = ways
            .iter()
            .flat_map(|way| way.askers().into_iter().map(|from| (from, way.server.region.as_str())));
        let asked: BTreeSet<_> = asked.collect();
        let (mut began, mut cut) = (false, BTreeSet::new());
        let mut of: BTreeMap<&str, bool> = BTreeMap::new(); // whether a person's session is from here
        let mut outage = |how| *self.outages.entry(how).or_default() += 1;
        for event in events {
            match &event.what {
                What::Begin => began = true,
                What::End => began = false,
                What::Login(login) if login.seen == Seen::SignedIn => {
                    let took = ways.iter().find(|way| way.took(login));
                    of.insert(&login.person, took.is_some());
                    self.logins += usize::from(took.is_some());
                    for way in took.into_iter().flat_map(|way| way.particular(login)) {
                        *self.of_these.entry(way).or_default() += 1;
                    }
                }
                What::Visit(visit)
                    if visit.outcome == VisitOutcome::Kept
                        && of.get(visit.person.as_str()) == Some(&true) =>
                {
                    match visit.kind {
                        VisitKind::Refresh => self.renewed += usize::from(is_theirs(visit)),
                        VisitKind::SingleSignOn => self.single += 1,
                        VisitKind::Page => {}
                    }
                }
                What::SignOut(left) => {
                    let from_here = of.remove(left.person.as_str()) == Some(true);
                    self.signed_out += usize::from(from_here && ways.iter().any(|way| way.let_go(left)));
                }
                What::Step(step) if rolled.contains(&step.words) => {
                    *self.keys.entry("rolled").or_default() += 1;
                }
                What::Step(step) if announced.contains(&step.words) => {
                    *self.keys.entry("announced").or_default() += 1;
                }
                What::Process(change) if began && here(&change.server) => match change.state {
                    ProcessState::Stopped => outage("stopped"),
                    ProcessState::Paused => outage("paused"),
                    ProcessState::Starting | ProcessState::Running => {}
                },
                What::Idp(change) if here(&change.server) && !change.state.signs_in() => {
                    outage(broken(change.state));
                }
                What::Path(change) => {
                    let way = (change.from.as_str(), change.to.as_str());
                    if change.state.is_open() {
                        cut.remove(&way);
                    } else if asked.contains(&way) && cut.insert(way) {
                        outage("cut off");
                    }
                }
                _ => {}
            }
        }
        let known = self.runs.entry(topology.to_owned()).or_default();
        *known = (*known).max(code);
    }

    fn result(&self) -> String {
        let word = |code: u8| match code {
            0 => "holds",
            1 => "FAILS",
            _ => "not judged",
        };
        let runs = self.runs.iter().map(|(topology, code)| format!("{}: {topology}", word(*code)));
        runs.collect::<Vec<_>>().join("<br>")
    }
}

fn word(particular: Particular) -> &'static str {
    match particular {
        Particular::SignedRequests => "signed requests",
        Particular::EncryptedAssertions => "encrypted assertions",
    }
}

/// Whether the application has the person whom it had.
fn is_theirs(visit: &Visit) -> bool {
    visit.who.as_ref().and_then(|who| who.lab_person.as_deref()) == Some(&visit.person)
}

fn broken(state: IdpState) -> &'static str {
    match state {
        IdpState::Errors => "errors",
        IdpState::Garbage => "garbage",
        IdpState::ExpiredCertificate => "expired certificate",
        IdpState::SecretExpired => "secret expired",
        IdpState::Right
        | IdpState::SlowPages
        | IdpState::KeysRolled
        | IdpState::KeysAnnounced
        | IdpState::OldKeysGone => "broken",
    }
}

#[cfg(test)]
mod tests;
