//! How much of the room for logins in progress each network address takes, so that nobody can fill it for everybody.
//!
//! Anybody may begin logins. While there is room nobody is bounded, so that a large office behind one address works as any
//! other. When [`SHARE`] of the room is taken, the address that takes the most gives up its oldest login, again and again until
//! the new one has room: a flood washes out itself, and whoever takes less than the largest loses nothing. An IPv6 address
//! counts by its /48. Owns this book-keeping; the logins are in [`crate::book`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mangrove_connectors::Network;
use mangrove_continuity::Moment;

use crate::book::Flow;
use crate::cookies::{LOGIN_SECONDS, MOST_LOGINS};

/// Numerator and denominator of the part of the room that logins may take; the rest is for what they leave behind.
const SHARE: (usize, usize) = (3, 4);

/// Bytes of a login beside what its application asked, and of each of its attempts, in the cache.
const BYTES: usize = 4 * 1024;
const BYTES_OF_AN_ATTEMPT: usize = 1024;

/// Bytes are kept as JSON numbers: so much for each, at most.
const WRITTEN: usize = 4;

/// A login without attempts takes so many entries: itself, and what was noticed about it.
const ENTRIES: usize = 2;

const LIFE: Duration = Duration::from_secs(LOGIN_SECONDS);

/// How often a flood is said in the log.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Where a login is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    crowd: u64,
    serial: u64,
}

/// Logins in progress by address.
#[derive(Debug)]
pub(crate) struct Crowds {
    hasher: RandomState,
    /// Bytes that all may take.
    most: usize,
    /// Bytes that an entry counts at least.
    entry: usize,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    taken: usize,
    last_serial: u64,
    crowds: HashMap<u64, Crowd>,
    /// Where each login is counted, by its id: once, however many of its attempts go on at the same time.
    places: HashMap<String, Place>,
    by_size: BTreeSet<(usize, u64)>,
    said: Option<Moment>,
}

/// The logins of one address, oldest first.
#[derive(Debug, Default)]
struct Crowd {
    taken: usize,
    logins: BTreeMap<u64, Begun>,
}

#[derive(Debug)]
struct Begun {
    flow: String,
    /// How many of its attempts are counted: all that were said here, whoever else knows of them.
    attempts: usize,
    bytes: usize,
    at: Moment,
}

impl Crowds {
    /// For a cache of so many entries, which are so large on average.
    pub(crate) fn new(capacity: usize, average: usize) -> Self {
        let most = capacity.saturating_mul(average) / SHARE.1 * SHARE.0;
        Self { hasher: RandomState::new(), most, entry: average, all: Mutex::default() }
    }

    /// A login that is about to be kept for another while, with so many `more` attempts, for a browser at `address`: the logins that
    /// have to make room.
    pub(crate) fn enter(&self, address: IpAddr, flow: &Flow, more: usize, now: Moment) -> Vec<String> {
        let crowd = self.hasher.hash_one(Network::from(address).site());
        let mut all = self.all();
        let counted = all.forget(&flow.id).map_or(0, |begun| begun.attempts);
        let attempts = (counted.max(flow.attempts.len()) + more).min(MOST_LOGINS);
        let bytes = self.bytes_of(flow, attempts);
        all.last_serial += 1;
        let place = Place { crowd, serial: all.last_serial };
        all.add(place, Begun { flow: flow.id.clone(), attempts, bytes, at: now });
        let gone = all.make_room(self.most, place);
        if !gone.is_empty() && all.said.is_none_or(|said| now.since(said) >= SAID_EVERY) {
            all.said = Some(now);
            tracing::warn!(
                %address, of_address = all.crowds.get(&crowd).map_or(0, |crowd| crowd.logins.len()),
                "logins in progress take all their room: the address that has most of them loses its oldest"
            );
        }
        gone
    }

    /// A login ended as it should.
    pub(crate) fn leave(&self, flow: &Flow) {
        self.all().forget(&flow.id);
    }

    /// Forgets logins that have lived their time.
    pub(crate) fn sweep(&self, now: Moment) {
        self.all().forget_old(now);
    }

    /// What a login takes with so many attempts; it will have one.
    fn bytes_of(&self, flow: &Flow, attempts: usize) -> usize {
        let attempts = attempts.max(1);
        let asked = flow.request.resume.data.len().saturating_mul(WRITTEN);
        (BYTES + attempts * BYTES_OF_AN_ATTEMPT + asked).max((ENTRIES + attempts) * self.entry)
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn add(&mut self, place: Place, begun: Begun) {
        self.places.insert(begun.flow.clone(), place);
        self.resize(place.crowd, |crowd| {
            crowd.taken += begun.bytes;
            crowd.logins.insert(place.serial, begun);
        });
    }

    /// Counts a login no more; as what it was counted.
    fn forget(&mut self, flow: &str) -> Option<Begun> {
        let place = self.places.remove(flow)?;
        let mut forgotten = None;
        self.resize(place.crowd, |crowd| {
            forgotten = crowd.logins.remove(&place.serial);
            crowd.taken -= forgotten.as_ref().map_or(0, |begun| begun.bytes);
        });
        forgotten
    }

    /// Changes a crowd and keeps the order by size true.
    fn resize(&mut self, key: u64, change: impl FnOnce(&mut Crowd)) {
        let crowd = self.crowds.entry(key).or_default();
        let before = crowd.taken;
        change(crowd);
        let after = crowd.taken;
        self.by_size.remove(&(before, key));
        if crowd.logins.is_empty() {
            self.crowds.remove(&key);
        } else {
            self.by_size.insert((after, key));
        }
        self.taken = self.taken - before + after;
    }

    /// Takes the oldest of the largest crowd out until all have room; never `newest`.
    fn make_room(&mut self, most: usize, newest: Place) -> Vec<String> {
        let mut gone = Vec::new();
        while self.taken > most
            && let Some((_, crowd)) = self.by_size.last().copied()
            && let Some((serial, begun)) = self.crowds[&crowd].logins.first_key_value()
            && *serial != newest.serial
        {
            let flow = begun.flow.clone();
            self.forget(&flow);
            gone.push(flow);
        }
        gone
    }

    fn forget_old(&mut self, now: Moment) {
        let old = |crowd: &Crowd| {
            let logins = crowd.logins.values().take_while(|begun| now.since(begun.at) >= LIFE);
            logins.map(|begun| begun.flow.clone()).collect::<Vec<_>>()
        };
        let flows: Vec<String> = self.crowds.values().flat_map(old).collect();
        for flow in &flows {
            self.forget(flow);
        }
    }
}

#[cfg(test)]
mod tests {
    use mangrove_connectors::Ask;

    use super::*;
    use crate::{Request, Resume};

    const AVERAGE: usize = 2048;
    /// What a login of these tests counts, with one attempt.
    const ONE: usize = (ENTRIES + 1) * AVERAGE;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000)
    }

    /// Room for so many small logins.
    fn room_for(logins: usize) -> Crowds {
        Crowds { most: logins * ONE, ..Crowds::new(0, AVERAGE) }
    }

    fn flow(id: &str, bytes: usize) -> Flow {
        let request = Request {
            app: "app".into(),
            idps: Vec::new(),
            ask: Ask::default(),
            from_ref: None,
            resume: Resume { mode: "mode".into(), data: vec![0; bytes] },
        };
        Flow::new(id.into(), id.into(), request, "browser".into(), at(0))
    }

    fn enters(crowds: &Crowds, address: &str, id: &str) -> Vec<String> {
        crowds.enter(address.parse().unwrap(), &flow(id, 10), 1, at(0))
    }

    fn counted(crowds: &Crowds) -> (usize, usize) {
        let all = crowds.all();
        assert_eq!(all.taken, all.crowds.values().map(|crowd| crowd.taken).sum::<usize>());
        assert_eq!(all.by_size.len(), all.crowds.len());
        assert_eq!(all.places.len(), all.crowds.values().map(|crowd| crowd.logins.len()).sum::<usize>());
        (all.taken / ONE, all.crowds.len())
    }

    #[test]
    fn a_flood_from_one_address_washes_out_its_own_logins_and_nobody_elses() {
        let crowds = room_for(100);
        for number in 0..10 {
            assert!(enters(&crowds, &format!("198.51.100.{number}"), &format!("honest {number}")).is_empty());
        }
        let mut gone = Vec::new();
        for number in 0..10_000 {
            gone.extend(enters(&crowds, "192.0.2.1", &format!("flood {number}")));
        }
        assert_eq!(gone.len(), 10_000 - 90);
        assert!(gone.iter().all(|login| login.starts_with("flood")), "and the oldest first");
        assert_eq!(gone[0], "flood 0");
        assert_eq!(enters(&crowds, "203.0.113.9", "another honest one"), ["flood 9910"]);
        assert_eq!(counted(&crowds), (100, 12));
    }

    #[test]
    fn an_office_behind_one_address_takes_all_the_room_there_is() {
        let crowds = room_for(1_000);
        for number in 0..1_000 {
            assert!(enters(&crowds, "192.0.2.1", &format!("colleague {number}")).is_empty());
        }
    }

    #[test]
    fn a_subscriber_with_a_whole_ipv6_network_is_one_address() {
        let crowds = room_for(10);
        enters(&crowds, "2001:db8:1::1", "honest");
        for number in 0..100 {
            let gone = enters(&crowds, &format!("2001:db8:2:{number:x}::1"), &format!("flood {number}"));
            assert!(gone.iter().all(|login| login.starts_with("flood")));
        }
    }

    #[test]
    fn large_requests_and_many_attempts_count_for_more() {
        let crowds = room_for(100);
        enters(&crowds, "192.0.2.1", "honest");
        let mut gone = Vec::new();
        for number in 0..100 {
            let large = flow(&format!("large {number}"), 20_000);
            gone.extend(crowds.enter("192.0.2.2".parse().unwrap(), &large, 1, at(0)));
        }
        assert!(gone.len() > 90 && gone.iter().all(|login| login.starts_with("large")), "{}", gone.len());
        let small = flow("small", 0);
        assert!(crowds.bytes_of(&small, MOST_LOGINS) > 2 * crowds.bytes_of(&small, 1));
    }

    #[test]
    fn attempts_of_one_login_that_go_on_at_once_are_all_counted_and_do_not_drop_it() {
        let crowds = room_for(1);
        let read_by_all = flow("login", 10);
        for _ in 0..50 {
            assert!(crowds.enter("192.0.2.1".parse().unwrap(), &read_by_all, 1, at(0)).is_empty());
        }
        assert_eq!(counted(&crowds).1, 1, "it is one login");
        let all = crowds.bytes_of(&read_by_all, MOST_LOGINS);
        assert_eq!(
            crowds.all().taken,
            all,
            "with as many attempts as are kept, though none knew of the others"
        );
        assert_eq!(enters(&crowds, "192.0.2.2", "another"), ["login"], "and so it makes room");
    }

    #[test]
    fn a_login_that_goes_on_is_counted_once_and_one_that_ended_or_is_too_old_not_at_all() {
        let crowds = room_for(100);
        let login = flow("login", 10);
        for address in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
            crowds.enter(address.parse().unwrap(), &login, 0, at(0));
            assert_eq!(counted(&crowds), (1, 1));
        }
        crowds.leave(&login);
        crowds.leave(&login);
        assert_eq!(counted(&crowds), (0, 0));
        enters(&crowds, "192.0.2.1", "old");
        crowds.enter("192.0.2.1".parse().unwrap(), &login, 0, at(600));
        crowds.sweep(at(901));
        assert_eq!(counted(&crowds), (1, 1));
        crowds.sweep(at(1_501));
        assert_eq!(counted(&crowds), (0, 0));
    }
}
