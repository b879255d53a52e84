//! What servers were worth over time beyond running: whether one surely signed people in. An identity provider that answers
//! nothing but errors, or shows a certificate that nobody takes, is no live path; one that is slow, or signs with a new key,
//! is, and has to be used. A server whose clock is wrong vouches for times that nobody believes.

use std::collections::BTreeMap;

use super::world::Span;
use crate::history::{Event, IdpState, Micros, Server, What};

/// Clocks of servers that run well are no further apart than this, in seconds.
const CLOCKS_DIFFER: i64 = 60;

/// Everything about the conduct of servers in a history.
#[derive(Default)]
pub struct Conduct<'a> {
    changes: BTreeMap<&'a str, Vec<Change<'a>>>,
    clocks: BTreeMap<&'a str, Vec<(Span, i64)>>,
}

struct Change<'a> {
    span: Span,
    state: IdpState,
    about: &'a [String],
}

impl<'a> Conduct<'a> {
    /// Takes note of an event; answers the span of a change.
    pub fn take(&mut self, event: &'a Event) -> Option<Span> {
        let span = |began: Micros| Span { from: began.min(event.at), until: event.at };
        match &event.what {
            What::Idp(idp) => {
                let change = Change { span: span(idp.began), state: idp.state, about: &idp.about };
                self.changes.entry(&idp.server).or_default().push(change);
                Some(span(idp.began))
            }
            What::Clock(clock) => {
                self.clocks.entry(&clock.server).or_default().push((span(clock.began), clock.ahead));
                Some(span(clock.began))
            }
            _ => None,
        }
    }

    /// Whether a server surely signed people in all the time, if not all of them.
    pub fn signs_in(&self, server: &Server, during: Span) -> bool {
        self.in_force(server, during).all(|change| change.state.signs_in() || !change.about.is_empty())
    }

    /// Whether a server surely signed in, all the time, people whom this other server sends.
    pub fn signs_in_for(&self, asking: &Server, server: &Server, during: Span) -> bool {
        let concerns = |change: &Change<'_>| change.about.is_empty() || change.about.contains(&asking.name);
        self.has_the_time(server, during)
            && self.in_force(server, during).all(|change| change.state.signs_in() || !concerns(change))
    }

    /// Whether the clock of a server surely was as good as right all the time.
    fn has_the_time(&self, server: &Server, during: Span) -> bool {
        let all = self.clocks.get(server.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        in_force(all, |(span, _)| *span, during).all(|(_, ahead)| ahead.abs() <= CLOCKS_DIFFER)
    }

    /// The states of an identity provider that held at some time of the span.
    fn in_force(&self, server: &Server, during: Span) -> impl Iterator<Item = &Change<'a>> {
        let all = self.changes.get(server.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        in_force(all, |change| change.span, during)
    }
}

/// Of changes in order those whose state held at some time of the span.
fn in_force<T>(all: &[T], span: impl Fn(&T) -> Span, during: Span) -> impl Iterator<Item = &T> {
    let times: Vec<Span> = all.iter().map(span).collect();
    let held = move |index: usize| {
        let until = times.get(index + 1).map_or(Micros::MAX, |next| next.until);
        times[index].from <= during.until && until > during.from
    };
    all.iter().enumerate().filter(move |(index, _)| held(*index)).map(|(_, change)| change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{ClockChange, IdpChange, SECOND};

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

    #[test]
    fn who_has_the_wrong_time_vouches_for_nobody() {
        let clock = |second: u64, ahead| {
            let at = second * SECOND;
            Event { at, what: What::Clock(ClockChange { server: "corp".into(), ahead, began: at - 10 }) }
        };
        let events = [clock(110, 600), clock(120, -600), clock(130, 60), clock(140, -61), clock(150, 0)];
        let mut conduct = Conduct::default();
        for event in &events {
            conduct.take(event);
        }
        let signs_in = |second: u64| {
            let during = Span { from: second * SECOND, until: (second + 2) * SECOND };
            conduct.signs_in_for(&server("root"), &server("corp"), during)
        };
        assert!(signs_in(100) && !signs_in(111) && !signs_in(121) && signs_in(131) && !signs_in(141));
        assert!(!signs_in(149) && signs_in(151));
    }
}
