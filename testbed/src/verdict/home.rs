//! Where a browser stood when a server went that a node asks. *At home* are the application and the node that signs its
//! people in: who stands there, or comes later, has a node to look after them and needs no act more than usual. Who stood at
//! an upstream is out of everybody's reach.

use std::collections::{BTreeMap, BTreeSet};

use super::ends::{End, Judged};
use super::judge::{Court, Finding, in_words};
use super::world::{Span, World};
use crate::history::{Login, MILLISECOND, Micros, Server};
use crate::language::Expectation;

/// An answer of one's own node that came so shortly after the change, or by the time longer that a server's last word takes to
/// that node, may stand on what it saw before: a process that is killed takes connections until its last moment, and the node
/// has to write the answer after it.
const ON_ITS_WAY: Micros = 50 * MILLISECOND;

/// Where a browser stood when an upstream went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stood<'a> {
    /// At this server of its own: waiting for its answer, or at its page.
    At(&'a str),
    /// Nowhere: the login began later.
    Later,
    /// At an upstream, at a server that the change took away as well, or on its way to one.
    Away,
}

/// For each application the changes that took an upstream away from a node that its logins need.
pub struct Home<'w, 'a> {
    world: &'w World<'a>,
    on_its_way: Micros,
    losses: BTreeMap<&'a str, BTreeSet<Span>>,
}

impl<'w, 'a> Home<'w, 'a> {
    /// Finds those changes.
    pub fn of(world: &'w World<'a>) -> Self {
        let apps: BTreeSet<&str> = world.run.people.iter().map(|person| person.app.as_str()).collect();
        let losses = apps.into_iter().filter_map(|app| Some((app, losses(world, world.server(app)?))));
        let longest = world.run.links.iter().map(|link| link.delay_us).max().unwrap_or_default();
        Self { world, on_its_way: ON_ITS_WAY + longest, losses: losses.collect() }
    }

    /// Where this login's browser stood; `None` if no upstream went before it ended.
    pub fn stood(&self, login: &Judged<'_>) -> Option<Stood<'a>> {
        let Judged { login, ended, .. } = login;
        let losses = self.losses.get(login.app.as_str())?;
        let during = Span { from: login.start, until: *ended };
        let mut found = None;
        for loss in losses.iter().filter(|loss| loss.meets(during)) {
            match self.at(login, *loss) {
                Stood::Away => return Some(Stood::Away),
                place => found = Some(place),
            }
        }
        let before = losses.first().is_some_and(|first| first.until < login.start);
        found.or(before.then_some(Stood::Later))
    }

    fn at(&self, login: &Login, loss: Span) -> Stood<'a> {
        let Some(app) = self.world.server(&login.app) else { return Stood::Away };
        let Some(index) = login.hops.iter().rposition(|hop| hop.start <= loss.until) else {
            return Stood::Later;
        };
        let hop = &login.hops[index];
        let sent_before = hop.start + hop.took < loss.until + self.on_its_way;
        let goes_on = login.hops.get(index + 1).is_some_and(|next| next.start < loss.until + self.on_its_way);
        let Some(server) = self.world.server_at(hop.host()) else { return Stood::Away };
        let own = server.name == app.name || app.upstreams.contains(&server.name);
        let around = Span { from: loss.from.saturating_sub(1), until: loss.until + MILLISECOND };
        if own && !(sent_before && goes_on) && self.world.in_reach(&login.region, server, around) {
            Stood::At(&server.name)
        } else {
            Stood::Away
        }
    }
}

impl Court<'_, '_> {
    /// The acts of logins whose browser stood at no upstream when one went. A reload counts here: nobody who waited at
    /// home is to be sent to a page that does not come.
    pub(super) fn acts_at_home(&self, expected: &Expectation) -> Finding {
        let home = Home::of(self.world);
        let mut most: Option<(u32, String)> = None;
        let (mut stood, mut later) = (0, 0);
        for login in self.logins(expected).filter(|login| login.end == End::SignedIn) {
            let place = match home.stood(login) {
                Some(Stood::At(server)) => {
                    stood += 1;
                    format!("stood at {server}")
                }
                Some(Stood::Later) => {
                    later += 1;
                    "began later".to_owned()
                }
                Some(Stood::Away) | None => continue,
            };
            let acts = login.acts + login.login.acts.reloads;
            if most.as_ref().is_none_or(|(most, _)| acts > *most) {
                let after = in_words(login.login.start.saturating_sub(self.world.begin));
                most = Some((acts, format!("{}, who came after {after} and {place}", login.login.person)));
            }
        }
        let words = match &most {
            None => "nobody signed in after an upstream went".to_owned(),
            Some((acts, whose)) => {
                let whose = if *acts > 0 { format!(" ({whose})") } else { String::new() };
                format!(
                    "at most {acts}{whose}; {stood} stood at the application or its node when an upstream went, {later} began later"
                )
            }
        };
        Finding { number: most.map(|(acts, _)| f64::from(acts)), words, attempts: stood + later }
    }
}

/// The changes by which a node below this application lost somebody whom it asks.
fn losses(world: &World<'_>, app: &Server) -> BTreeSet<Span> {
    let mut asked: Vec<(&str, &Server)> = Vec::new();
    let mut nodes: Vec<&Server> = app.upstreams.iter().filter_map(|name| world.server(name)).collect();
    let mut seen = BTreeSet::new();
    while let Some(node) = nodes.pop() {
        if seen.insert(node.name.as_str()) {
            let upstreams: Vec<_> = node.upstreams.iter().filter_map(|name| world.server(name)).collect();
            asked.extend(upstreams.iter().map(|server| (node.region.as_str(), *server)));
            nodes.extend(upstreams);
        }
    }
    let took = |change: &&Span| asked.iter().any(|(region, server)| world.lost_by(region, server, **change));
    world.changes.iter().filter(took).copied().collect()
}
