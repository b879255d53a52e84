//! What identity providers were worth over time beyond running: whether one surely signed people in. One that answers
//! nothing but errors, or shows a certificate that nobody takes, is no live path; one that is slow, or signs with a new key,
//! is, and has to be used.

use std::collections::BTreeMap;

use super::world::Span;
use crate::history::{Event, IdpState, Micros, Server, What};

/// Everything about the conduct of servers in a history.
#[derive(Default)]
pub struct Conduct<'a> {
    changes: BTreeMap<&'a str, Vec<Change<'a>>>,
}

struct Change<'a> {
    span: Span,
    state: IdpState,
    about: &'a [String],
}

impl<'a> Conduct<'a> {
    /// Takes note of an event; answers the span of a change.
    pub fn take(&mut self, event: &'a Event) -> Option<Span> {
        let What::Idp(idp) = &event.what else { return None };
        let span = Span { from: idp.began.min(event.at), until: event.at };
        let change = Change { span, state: idp.state, about: &idp.about };
        self.changes.entry(&idp.server).or_default().push(change);
        Some(span)
    }

    /// Whether a server surely signed people in all the time, if not all of them.
    pub fn signs_in(&self, server: &Server, during: Span) -> bool {
        self.in_force(server, during).all(|change| change.state.signs_in() || !change.about.is_empty())
    }

    /// Whether a server surely signed in, all the time, people whom this other server sends.
    pub fn signs_in_for(&self, asking: &Server, server: &Server, during: Span) -> bool {
        let concerns = |change: &Change<'_>| change.about.is_empty() || change.about.contains(&asking.name);
        self.in_force(server, during).all(|change| change.state.signs_in() || !concerns(change))
    }

    /// The changes whose state held at some time of the span.
    fn in_force(&self, server: &Server, during: Span) -> impl Iterator<Item = &Change<'a>> {
        let all = self.changes.get(server.name.as_str()).map(Vec::as_slice).unwrap_or_default();
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
    use crate::history::{IdpChange, SECOND};

    fn change(second: u64, state: IdpState, about: &[&str]) -> Event {
        let about = about.iter().map(|name| (*name).to_owned()).collect();
        let at = second * SECOND;
        Event { at, what: What::Idp(IdpChange { server: "corp".into(), state, about, began: at - 10 }) }
    }

    fn server(name: &str) -> Server {
        Server { name: name.into(), ..Server::default() }
    }

    #[test]
    fn a_provider_is_no_live_path_while_it_cannot_sign_people_in() {
        let events = [
            change(110, IdpState::Errors, &[]),
            change(120, IdpState::ExpiredCertificate, &[]),
            change(130, IdpState::SlowPages, &[]),
            change(140, IdpState::Garbage, &["root-dc1"]),
            change(150, IdpState::Right, &[]),
        ];
        let mut conduct = Conduct::default();
        for event in &events {
            conduct.take(event);
        }
        let signs_in = |root: &str, second: u64| {
            let during = Span { from: second * SECOND, until: (second + 2) * SECOND };
            conduct.signs_in_for(&server(root), &server("corp"), during)
        };
        assert!(signs_in("root-dc1", 100) && !signs_in("root-dc1", 109) && !signs_in("root-dc1", 119));
        assert!(!signs_in("root-dc1", 129) && signs_in("root-dc1", 131), "slow is slow and no more");
        assert!(!signs_in("root-dc1", 141) && signs_in("root-dc2", 141), "only for whom it is about");
        assert!(!signs_in("root-dc1", 149) && signs_in("root-dc1", 151));
    }
}
