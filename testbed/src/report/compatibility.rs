//! The table of software of other makers: what was exercised with it, by which protocol, and whether the runs held. Made from
//! histories alone; a column is empty where no run did it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::history::{
    Event, Foreign, IdpState, Login, ProcessState, Run, Seen, Server, ServerKind, VisitKind, VisitOutcome,
    What,
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
    renewed: usize,
    single: usize,
    rolled: usize,
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
            let outages = row.outages.iter().map(|(how, times)| format!("{how} {times}"));
            let _ = writeln!(
                page,
                "| {} | {} | {what} | {} | {} | {} | {} | {} | {} | {} |",
                key.product,
                key.version,
                key.protocol,
                number(row.logins),
                number(row.single),
                number(row.renewed),
                number(row.rolled),
                outages.collect::<Vec<_>>().join(", "),
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
  without asking; **renewed** are tokens. Both count for whoever vouched at the person's last login.
- **Keys rolled**: the identity provider came back with another signing key. **Outages**: how often it was killed, paused, broken, or
  out of reach of a node that asks it, while people went on signing in.
- **Holds**: everything that the topology expects, such as no login lost and none wrong.

| software | version | as | protocol | logins | signed on | renewed | keys rolled | outages | result |
|---|---|---|---|---|---|---|---|---|---|
";

fn number(count: usize) -> String {
    if count == 0 { String::new() } else { count.to_string() }
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

    /// Whether the browser was at an identity provider's own page in this login.
    fn elsewhere(&self, login: &Login) -> bool {
        let idps = self.run.servers.iter().filter(|it| it.kind == ServerKind::Idp && it.by_browser);
        let hosts: BTreeSet<_> = idps.flat_map(|idp| &idp.hosts).map(String::as_str).collect();
        login.hops.iter().any(|hop| hosts.contains(hop.host()))
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
        let rolled: Vec<_> =
            ways.iter().map(|way| format!("break {}: keys rolled", way.server.name)).collect();
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
                    let took = ways.iter().any(|way| way.took(login));
                    of.insert(&login.person, took);
                    self.logins += usize::from(took);
                }
                What::Visit(visit)
                    if visit.outcome == VisitOutcome::Kept
                        && of.get(visit.person.as_str()) == Some(&true) =>
                {
                    match visit.kind {
                        VisitKind::Refresh => self.renewed += 1,
                        VisitKind::SingleSignOn => self.single += 1,
                        VisitKind::Page => {}
                    }
                }
                What::Step(step) if rolled.contains(&step.words) => self.rolled += 1,
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

fn broken(state: IdpState) -> &'static str {
    match state {
        IdpState::Errors => "errors",
        IdpState::Garbage => "garbage",
        IdpState::ExpiredCertificate => "expired certificate",
        IdpState::SecretExpired => "secret expired",
        IdpState::Right | IdpState::SlowPages | IdpState::KeysRolled => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Acts, Hop, PathChange, PathState, ProcessChange, Visit};

    fn server(name: &str, kind: ServerKind, upstreams: &[&str]) -> Server {
        Server {
            name: name.into(),
            region: format!("at-{name}"),
            kind,
            hosts: vec![format!("{name}.mesh.test")],
            upstreams: upstreams.iter().map(|&it| it.to_owned()).collect(),
            by_browser: true,
            ..Server::default()
        }
    }

    fn foreign(product: &str, spoken: &[(&str, &str)]) -> Option<Foreign> {
        let spoken = spoken.iter().map(|(protocol, place)| {
            (
                (*protocol).to_owned(),
                Some((*place).to_owned()).filter(|it| !it.is_empty()).into_iter().collect(),
            )
        });
        Some(Foreign { product: product.into(), version: "1.2".into(), spoken: spoken.collect() })
    }

    fn login(person: &str, seen: Seen, hops: &[(&str, &str)]) -> What {
        let hop = |(method, url): &(&str, &str)| Hop {
            start: 0,
            took: 1,
            method: (*method).into(),
            url: (*url).into(),
            status: Some(302),
            error: None,
            reference: None,
        };
        What::Login(Box::new(Login {
            person: person.into(),
            app: "app".into(),
            region: "branch".into(),
            start: 0,
            hops: hops.iter().map(hop).collect(),
            acts: Acts::default(),
            seen,
            who: None,
            login_id: None,
        }))
    }

    fn visit(person: &str, kind: VisitKind) -> What {
        What::Visit(Box::new(Visit {
            person: person.into(),
            app: "app".into(),
            region: "branch".into(),
            start: 0,
            kind,
            outcome: VisitOutcome::Kept,
            hops: Vec::new(),
            who: None,
        }))
    }

    fn lines(happened: Vec<What>, code: u8) -> Vec<String> {
        let keycloak = [("OIDC", "root.mesh.test/oidc/kc"), ("SAML", "root.mesh.test/saml/kc")];
        let run = Run {
            topology: "two".into(),
            servers: vec![
                Server { foreign: foreign("Keycloak", &keycloak), ..server("kc", ServerKind::Idp, &[]) },
                Server {
                    foreign: foreign("slapd", &[("LDAP", "")]),
                    by_browser: false,
                    ..server("dir", ServerKind::Idp, &[])
                },
                Server {
                    foreign: foreign("slapd", &[("LDAP", "")]),
                    by_browser: false,
                    ..server("replica", ServerKind::Idp, &[])
                },
                server("root", ServerKind::Root, &["kc", "dir", "replica"]),
                Server {
                    foreign: foreign("proxy", &[("OIDC", "")]),
                    ..server("app", ServerKind::App, &["root"])
                },
            ],
            ..Run::default()
        };
        let all = [What::Run(Box::new(run)), What::Begin].into_iter().chain(happened).chain([What::End]);
        let events: Vec<_> = all.map(|what| Event { at: 0, what }).collect();
        let mut table = Table::default();
        table.add(&events, code);
        table.markdown().lines().filter(|line| line.contains("| 1.2 |")).map(str::to_owned).collect()
    }

    #[test]
    fn a_login_counts_for_the_protocol_by_which_the_browser_came_back_and_for_its_application() {
        let by_oidc = [("POST", "kc.mesh.test/login"), ("GET", "root.mesh.test/oidc/kc")];
        let by_saml = [("POST", "kc.mesh.test/login"), ("POST", "root.mesh.test/saml/kc")];
        let by_page = [("POST", "root.mesh.test/sign-in")];
        let found = lines(
            vec![
                login("a", Seen::SignedIn, &by_oidc),
                visit("a", VisitKind::Refresh),
                visit("a", VisitKind::SingleSignOn),
                visit("nobody", VisitKind::Refresh),
                login("b", Seen::SignedIn, &by_saml),
                login("c", Seen::SignedIn, &by_page),
                login("d", Seen::Unfinished, &by_oidc),
            ],
            0,
        );
        assert_eq!(
            found,
            [
                "| Keycloak | 1.2 | identity provider | OIDC | 1 | 1 | 1 |  |  | holds: two |",
                "| Keycloak | 1.2 | identity provider | SAML | 1 |  |  |  |  | holds: two |",
                "| slapd | 1.2 | identity provider | LDAP | 1 |  |  |  |  | holds: two |",
                "| proxy | 1.2 | application | OIDC | 3 | 1 | 1 |  |  | holds: two |",
            ]
        );
    }

    #[test]
    fn outages_are_counted_as_they_began_and_a_run_that_failed_says_so() {
        let process = |state| What::Process(ProcessChange { server: "kc".into(), state, began: 0 });
        let path = |state| {
            let (from, to) = ("at-root".into(), "at-kc".into());
            What::Path(PathChange { from, to, state, began: 0 })
        };
        let impaired = || path(PathState::Impaired { how: "slow".into() });
        let found = lines(
            vec![
                process(ProcessState::Stopped),
                process(ProcessState::Starting),
                path(PathState::BlackHole),
                path(PathState::Refused),
                impaired(),
                path(PathState::BlackHole),
            ],
            1,
        );
        assert!(found[0].ends_with("| cut off 2, stopped 1 | FAILS: two |"), "{}", found[0]);
        assert!(found[2].ends_with("|  | FAILS: two |"), "the directory stood: {}", found[2]);
    }
}
