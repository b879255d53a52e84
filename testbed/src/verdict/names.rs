//! What names were worth over time: whether a node, or a person's browser, surely found a server by its name. A DNS that is
//! dead excuses no node that ran before, because a node keeps its last good answer; one that lies excuses it, because nobody
//! can know. A person's browser keeps a name for a minute, and then needs its region's DNS.

use std::collections::BTreeMap;

use super::world::Span;
use crate::history::{ANSWERS_LIVE, BROWSERS_KEEP_NAMES, Event, Micros, NamesState, SECOND, Server, What};

/// Everything about names in a history.
#[derive(Default)]
pub struct Names<'a> {
    changes: BTreeMap<&'a str, Vec<Change<'a>>>,
    /// When browsers asked, by person and host.
    asked: BTreeMap<(&'a str, &'a str), Vec<Span>>,
}

struct Change<'a> {
    span: Span,
    state: NamesState,
    about: &'a [String],
}

impl Change<'_> {
    fn is_about(&self, host: &str) -> bool {
        self.about.is_empty() || self.about.iter().any(|name| name == host)
    }
}

impl<'a> Names<'a> {
    /// Takes note of an event; answers the span of a change of a DNS.
    pub fn take(&mut self, event: &'a Event) -> Option<Span> {
        let span = |began: Micros| Span { from: began.min(event.at), until: event.at };
        match &event.what {
            What::Names(names) => {
                let span = span(names.began);
                let change = Change { span, state: names.state, about: &names.about };
                self.changes.entry(&names.region).or_default().push(change);
                Some(span)
            }
            What::Named(named) => {
                self.asked.entry((&named.person, &named.host)).or_default().push(span(named.began));
                None
            }
            _ => None,
        }
    }

    /// Whether the browser of somebody in a region surely finds the server all the time.
    pub fn found_by(&self, person: &str, region: &str, server: &Server, during: Span) -> bool {
        let finds = |host: &String| {
            let asked = self.asked.get(&(person, host.as_str()));
            let last = asked.and_then(|all| all.iter().rfind(|asked| asked.until <= during.from));
            match last.filter(|last| last.until + BROWSERS_KEEP_NAMES > during.from) {
                Some(last) if self.deceived(region, host, *last) => false,
                Some(last) if last.until + BROWSERS_KEEP_NAMES > during.until => true,
                _ => !self.deceived(region, host, during) && self.silent(region, host, during).is_none(),
            }
        };
        server.hosts.iter().all(finds)
    }

    /// Whether a node in a region that was never told anything else surely finds the server all the time.
    pub fn told_truly(&self, region: &str, server: &Server, during: Span) -> bool {
        // A lie is believed as long as its answer lives.
        let believed = during.from.saturating_sub(Micros::from(ANSWERS_LIVE) * SECOND);
        let during = Span { from: believed, until: during.until };
        server.hosts.iter().all(|host| !self.deceived(region, host, during))
    }

    /// Since when the DNS of a region has been silent about a server, if it is at any time.
    pub fn silent_since(&self, region: &str, server: &Server, during: Span) -> Option<Micros> {
        server.hosts.iter().filter_map(|host| self.silent(region, host, during)).min()
    }

    fn deceived(&self, region: &str, host: &str, during: Span) -> bool {
        let lies = |change: &&Change<'_>| matches!(change.state, NamesState::Lying | NamesState::Stale);
        self.in_force(region, during).filter(lies).any(|change| change.is_about(host))
    }

    fn silent(&self, region: &str, host: &str, during: Span) -> Option<Micros> {
        let mut dead = self.in_force(region, during).filter(|change| change.state == NamesState::Dead);
        dead.find(|change| change.is_about(host)).map(|change| change.span.from)
    }

    /// The changes whose state held at some time of the span.
    fn in_force(&self, region: &str, during: Span) -> impl Iterator<Item = &Change<'a>> {
        let all = self.changes.get(region).map(Vec::as_slice).unwrap_or_default();
        let holds_until = |index: usize| all.get(index + 1).map_or(Micros::MAX, |next| next.span.until);
        let held = move |(index, change): &(usize, &Change<'_>)| {
            change.span.from <= during.until && holds_until(*index) > during.from
        };
        all.iter().enumerate().filter(held).map(|(_, change)| change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Named, NamesChange};

    const MINUTE: u64 = 60;

    fn server() -> Server {
        Server { name: "root".into(), hosts: vec!["root.mesh.test".into()], ..Server::default() }
    }

    fn change(second: u64, state: NamesState, about: &[&str]) -> Event {
        let about = about.iter().map(|name| (*name).to_owned()).collect();
        let at = second * SECOND;
        Event { at, what: What::Names(NamesChange { region: "branch".into(), state, about, began: at - 10 }) }
    }

    fn asked(second: u64) -> Event {
        let at = second * SECOND;
        let named = Named { person: "a".into(), host: "root.mesh.test".into(), began: at - 10 };
        Event { at, what: What::Named(named) }
    }

    fn during(second: u64) -> Span {
        Span { from: second * SECOND, until: second * SECOND + 2 * SECOND }
    }

    fn names(events: &[Event]) -> Names<'_> {
        let mut names = Names::default();
        events.iter().for_each(|event| {
            names.take(event);
        });
        names
    }

    #[test]
    fn a_person_outlives_a_dead_dns_by_what_the_browser_keeps() {
        let events = [asked(100), change(110, NamesState::Dead, &[]), change(200, NamesState::Right, &[])];
        let names = names(&events);
        let finds = |person: &str, second| names.found_by(person, "branch", &server(), during(second));
        assert!(finds("a", 105) && finds("a", 120) && finds("a", 100 + MINUTE - 3));
        assert!(!finds("a", 100 + MINUTE - 1), "the name expires in the login");
        assert!(!finds("b", 120), "who never asked");
        assert!(
            finds("a", 201) && finds("b", 201) && names.found_by("b", "elsewhere", &server(), during(120))
        );
    }

    #[test]
    fn who_was_lied_to_believes_it_for_a_minute() {
        let events = [change(110, NamesState::Lying, &[]), asked(115), change(120, NamesState::Right, &[])];
        let names = names(&events);
        let finds = |person: &str, second| names.found_by(person, "branch", &server(), during(second));
        assert!(!finds("a", 116) && !finds("a", 130) && !finds("b", 111) && finds("b", 130));
        assert!(finds("a", 115 + MINUTE));
    }

    #[test]
    fn a_lie_excuses_a_node_and_silence_does_not() {
        let events =
            [change(110, NamesState::Stale, &["root.mesh.test"]), change(120, NamesState::Dead, &[])];
        let names = names(&events);
        let told = |second| names.told_truly("branch", &server(), during(second));
        assert!(told(100) && !told(111) && !told(124), "believed as long as the answer lives");
        assert!(told(126));
        let other = Server { hosts: vec!["other.mesh.test".into()], ..Server::default() };
        assert!(names.told_truly("branch", &other, during(111)));
        assert_eq!(names.silent_since("branch", &other, during(115)), None);
        assert_eq!(names.silent_since("branch", &other, during(130)), Some(120 * SECOND - 10));
    }
}
