//! Guessing passwords is made slow, and nobody is locked out by it.
//!
//! Every attempt counts as wrong until it turns out right, so that a hundred at once are as slow as a hundred in a row.
//! Four counters, each forgotten [`FORGET`] after its last wrong attempt (an address's, account by account):
//!
//! | who | free | then | why so |
//! |---|---|---|---|
//! | account from one address | 3 | 1, 2, 4 .. 60 s between attempts, in line | one guesser |
//! | account, all addresses | 10 | up to 5 s, each attempt for itself | many guessers; the person waits 5 s at most |
//! | address, over *distinct* accounts that failed | 10 | up to 8 s, each attempt for itself | spraying; an office's typos are few accounts |
//! | device that signed in to this account before | 5 | 1, 2, 4 .. 60 s, in line | counted apart: guessers elsewhere do not slow it |
//!
//! A delay up to [`LONGEST_WAIT`] is served by waiting before the password is looked at, by a bounded number of waiters in
//! all and for each address; past it the answer is 503, for those alone who would have to wait. A longer one is answered
//! at once by a page that says how long. An address that has as many passwords looked at, or waiting, as one may is *crowded*:
//! its next ones are held and let in as those end, so that a whole office that comes back after an outage is in within
//! seconds. What turns out right frees the others at once.
//! Tables are bounded; the one with the fewest failures among a few goes first, so that flooding a table with new names
//! does not wash out the names under attack.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mangrove_connectors::Network;
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use tokio::sync::Semaphore;

/// Counters are forgotten so long after the last wrong attempt.
const FORGET: Duration = Duration::from_secs(15 * 60);

/// Longest delay that is served by waiting; a listener gives an endpoint 15 s.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Longest distance between two attempts of one address or device on one account.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// Longest delay by account alone.
const ACCOUNT_WAIT: Duration = Duration::from_secs(5);

/// Waiters in all, and for one address.
const WAITERS: usize = 512;
const WAITERS_EACH: usize = 8;

/// Attempts of one address at once that need not wait: a quarter of those that a node lets in to be looked at.
const LOOKED_AT_EACH: usize = 16;

/// Attempts from crowded addresses that are held, in all, and how often each asks again.
const CROWD: usize = 512;
const TURN: Duration = Duration::from_millis(100);

/// Entries of one table, and how many are compared to find the one that goes.
const ENTRIES: usize = 50_000;
const COMPARED: usize = 16;

/// Accounts remembered for one address.
const ACCOUNTS_EACH: usize = 64;

/// Who tries which account from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// The connector that would check the password.
    pub(crate) connector: &'a str,
    /// The account, as typed.
    pub(crate) account: &'a str,
    /// From where.
    pub(crate) address: IpAddr,
    /// The device, if it proved that it signed in to this account before.
    pub(crate) device: Option<&'a str>,
}

/// What an attempt has to do before its password is looked at.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Wait so long, then look; tell the [`Ticket`] how it ended.
    Wait(Duration, Ticket),
    /// Come back in so long; nothing was looked at.
    Later(Duration),
    /// Too many are waiting; nothing was looked at.
    Full,
    /// As many passwords of this address are looked at, or wait, as may at once; nothing was looked at.
    Crowded,
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Guessing {
    hasher: RandomState,
    tables: Mutex<Tables>,
    waiting: AtomicUsize,
    crowd: Semaphore,
}

#[derive(Debug, Default)]
struct Tables {
    lines: HashMap<u64, Line>,
    accounts: HashMap<u64, Count>,
    addresses: HashMap<u64, Address>,
}

/// Attempts in line: by account and address, or by account and device.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    failures: u32,
    last: Moment,
    next: Moment,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    failures: u32,
    last: Moment,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Address {
    /// Accounts that failed, and when each did last; the one that failed longest ago first.
    failed: Vec<(u64, Moment)>,
    waiting: usize,
    looked_at: usize,
}

/// The right to look at one password, and the duty to say how it ended; dropped, it counts as wrong.
#[derive(Debug)]
pub(crate) struct Ticket {
    guessing: Arc<Guessing>,
    keys: Keys,
    /// Counted by device and not by account.
    apart: bool,
    place: Place,
    at: Moment,
    ended: bool,
}

/// Where an attempt is until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has to wait first.
    Waiting,
    /// It is looked at at once.
    LookedAt,
    /// The same, on a device that knows the account: bounded by its own line.
    Known,
}

impl Guessing {
    /// Nothing counted.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            hasher: RandomState::new(),
            tables: Mutex::default(),
            waiting: AtomicUsize::new(0),
            crowd: Semaphore::new(CROWD),
        })
    }

    /// Admits an attempt; one from a crowded address is let in as soon as others of it have ended, or is sent away after
    /// [`LONGEST_WAIT`].
    pub(crate) async fn admit_in_turn(self: &Arc<Self>, attempt: &Attempt<'_>) -> Verdict {
        let began = ambient::now();
        let mut place = None;
        loop {
            let now = ambient::now();
            let verdict = self.admit(attempt, now);
            if !matches!(verdict, Verdict::Crowded) || now.since(began) >= LONGEST_WAIT {
                return verdict;
            }
            if place.is_none() {
                let Ok(taken) = self.crowd.try_acquire() else { return Verdict::Full };
                place = Some(taken);
            }
            tokio::time::sleep(TURN).await;
        }
    }

    /// Admits an attempt.
    fn admit(self: &Arc<Self>, attempt: &Attempt<'_>, now: Moment) -> Verdict {
        let keys = Keys::of(&self.hasher, attempt);
        let apart = attempt.device.is_some();
        let mut tables = self.lock();
        let in_line = tables.in_line(keys.line, now);
        if in_line > LONGEST_WAIT {
            return Verdict::Later(in_line);
        }
        let delay = match apart {
            true => in_line,
            false => {
                in_line.max(tables.by_account(keys.account, now)).max(tables.by_address(keys.address, now))
            }
        };
        let place = match (delay.is_zero(), apart) {
            (false, _) => Place::Waiting,
            (true, false) => Place::LookedAt,
            (true, true) => Place::Known,
        };
        let at_address = tables.at_address(keys.address, now);
        match place {
            Place::Waiting if self.waiting.load(Ordering::Relaxed) >= WAITERS => return Verdict::Full,
            Place::Waiting if at_address.waiting >= WAITERS_EACH => return Verdict::Crowded,
            Place::LookedAt if at_address.looked_at >= LOOKED_AT_EACH => return Verdict::Crowded,
            Place::Waiting => {
                at_address.waiting += 1;
                self.waiting.fetch_add(1, Ordering::Relaxed);
            }
            Place::LookedAt => at_address.looked_at += 1,
            Place::Known => {}
        }
        tables.count(keys, apart, now);
        let ticket = Ticket { guessing: Arc::clone(self), keys, apart, place, at: now, ended: false };
        Verdict::Wait(delay, ticket)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The password was right.
    pub(crate) fn right(mut self) {
        self.ended = true;
        let mut tables = self.guessing.lock();
        tables.lines.remove(&self.keys.line);
        if let Some(address) = tables.addresses.get_mut(&self.keys.address) {
            address.failed.retain(|(account, _)| *account != self.keys.account);
        }
        self.uncount(&mut tables);
    }

    /// Nobody looked at the password: it was no guess.
    pub(crate) fn unseen(mut self) {
        self.ended = true;
        let mut tables = self.guessing.lock();
        if let Some(line) = tables.lines.get_mut(&self.keys.line) {
            line.failures = line.failures.saturating_sub(1);
        }
        self.uncount(&mut tables);
    }

    fn uncount(&self, tables: &mut Tables) {
        if !self.apart
            && let Some(count) = tables.accounts.get_mut(&self.keys.account)
        {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut tables = self.guessing.lock();
        let address = tables.at_address(self.keys.address, self.at);
        match self.place {
            Place::Waiting => {
                address.waiting = address.waiting.saturating_sub(1);
                self.guessing.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            Place::LookedAt => address.looked_at = address.looked_at.saturating_sub(1),
            Place::Known => {}
        }
        if !self.ended {
            address.fail(self.keys.account, self.at);
        } else if *address == Address::default() {
            tables.addresses.remove(&self.keys.address);
        }
    }
}

impl Tables {
    /// The wait for a place in line.
    fn in_line(&self, key: u64, now: Moment) -> Duration {
        self.lines.get(&key).map_or(Duration::ZERO, |line| line.at(now).next.since(now))
    }

    /// The delay of one more attempt on an account.
    fn by_account(&self, key: u64, now: Moment) -> Duration {
        let failures = self.accounts.get(&key).map_or(0, |count| count.at(now).failures);
        doubling(failures.saturating_add(1), 10, ACCOUNT_WAIT)
    }

    fn by_address(&self, key: u64, now: Moment) -> Duration {
        let failed = self.addresses.get(&key).map_or(0, |address| address.failures(now));
        doubling(failed, 9, LONGEST_WAIT)
    }

    /// Counts an attempt as wrong, and takes its place in line.
    fn count(&mut self, keys: Keys, apart: bool, now: Moment) {
        make_room(&mut self.lines, keys.line, now, |line| (line.last, line.failures));
        let line = self.lines.entry(keys.line).or_default();
        let place = line.at(now).next.max(now);
        let failures = line.at(now).failures.saturating_add(1);
        let free = if apart { 5 } else { 3 };
        *line = Line { failures, last: now, next: place + doubling(failures, free, LONGEST_GAP) };
        if !apart {
            make_room(&mut self.accounts, keys.account, now, |count| (count.last, count.failures));
            let count = self.accounts.entry(keys.account).or_default();
            *count = Count { failures: count.at(now).failures.saturating_add(1), last: now };
        }
    }

    fn at_address(&mut self, key: u64, now: Moment) -> &mut Address {
        make_room(&mut self.addresses, key, now, |address| {
            let last = address.failed.last().map_or(Moment::default(), |(_, at)| *at);
            match address.waiting + address.looked_at {
                0 => (last, u32::try_from(address.failed.len()).unwrap_or(u32::MAX)),
                _ => (now, u32::MAX),
            }
        });
        self.addresses.entry(key).or_default()
    }
}

impl Line {
    /// What of it still counts.
    fn at(self, now: Moment) -> Self {
        if now.since(self.last) >= FORGET { Self::default() } else { self }
    }
}

impl Count {
    /// What of it still counts.
    fn at(self, now: Moment) -> Self {
        if now.since(self.last) >= FORGET { Self::default() } else { self }
    }
}

impl Address {
    fn failures(&self, now: Moment) -> u32 {
        let counts = self.failed.iter().filter(|(_, at)| now.since(*at) < FORGET).count();
        u32::try_from(counts).unwrap_or(u32::MAX)
    }

    fn fail(&mut self, account: u64, now: Moment) {
        self.failed.retain(|(known, at)| *known != account && now.since(*at) < FORGET);
        if self.failed.len() >= ACCOUNTS_EACH {
            self.failed.remove(0);
        }
        self.failed.push((account, now));
    }
}

/// Nothing up to `free`, then 1 s, 2 s, 4 s .. `most`.
fn doubling(failures: u32, free: u32, most: Duration) -> Duration {
    match failures.checked_sub(free) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(1 << over.min(10)).min(most),
    }
}

/// Makes room for a key in a full table: what is forgotten goes, else the lightest of a few.
fn make_room<V>(table: &mut HashMap<u64, V>, key: u64, now: Moment, weigh: impl Fn(&V) -> (Moment, u32)) {
    if table.len() < ENTRIES || table.contains_key(&key) {
        return;
    }
    let lightest = table.iter().take(COMPARED).min_by_key(|(_, value)| {
        let (last, failures) = weigh(value);
        if now.since(last) >= FORGET { 0 } else { failures.saturating_add(1) }
    });
    if let Some(key) = lightest.map(|(key, _)| *key) {
        table.remove(&key);
    }
}

#[derive(Debug, Clone, Copy)]
struct Keys {
    line: u64,
    account: u64,
    address: u64,
}

impl Keys {
    /// Keys are hashes under a key of this process: no names and no addresses stay in memory.
    fn of(hasher: &RandomState, attempt: &Attempt<'_>) -> Self {
        let account = attempt.account.trim().to_lowercase();
        let network = Network::from(attempt.address);
        let account_key = hasher.hash_one((attempt.connector, &account));
        let line = match attempt.device {
            Some(device) => hasher.hash_one((account_key, "device", device)),
            None => hasher.hash_one((account_key, "address", network)),
        };
        Self { line, account: account_key, address: hasher.hash_one(network) }
    }
}

#[cfg(test)]
mod tests;
