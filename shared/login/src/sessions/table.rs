//! The table of sessions: sharded, bounded, least recently used first.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mangrove_continuity::Moment;

use super::people::People;
use super::{Limits, MOST_APPS, Session, Vouched};
use crate::digest;

/// Shards of the table; a power of two.
const SHARDS: usize = 32;

type CookieHash = [u8; 32];

/// All sessions of this node.
#[derive(Debug)]
pub(crate) struct Sessions {
    limits: Limits,
    shards: Vec<Mutex<Shard>>,
    cookies: Vec<Mutex<HashMap<CookieHash, Arc<str>>>>,
    people: People,
    count: AtomicUsize,
    weight: AtomicUsize,
    ticks: AtomicU64,
}

/// Sessions by id, and their order of use.
#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    order: BTreeMap<Used, Arc<str>>,
}

/// When an entry was last used; the number tells two of the same microsecond apart.
type Used = (Moment, u64);

#[derive(Debug)]
struct Entry {
    cookie: CookieHash,
    used: Used,
    session: Session,
    /// As whose session it counts.
    of: Vec<u64>,
    /// As how many it counts.
    weight: usize,
}

/// What a login did to the table.
#[derive(Debug)]
pub(crate) struct Entered {
    /// The session as it is now.
    pub(crate) session: Session,
    /// Sessions that ended by it: another person's in the same browser, this person's oldest of too many, or the least
    /// recently used.
    pub(crate) ended: Vec<Session>,
}

/// Fresh randomness for a session, made by the caller.
#[derive(Debug)]
pub(crate) struct Fresh<'a> {
    /// The new cookie value.
    pub(crate) cookie: &'a str,
    /// The id of the session, should it be a new one.
    pub(crate) sid: String,
}

impl Sessions {
    /// An empty table.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            cookies: (0..SHARDS).map(|_| Mutex::default()).collect(),
            people: People::new(limits.of_one_person()),
            count: AtomicUsize::new(0),
            weight: AtomicUsize::new(0),
            ticks: AtomicU64::new(0),
        }
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The session behind a cookie value, if it lives; using it keeps it from being idle.
    pub(crate) fn by_cookie(&self, cookie: &str, now: Moment) -> Option<Session> {
        let hash = cookie_hash(cookie);
        let sid = self.cookie_shard(&hash).get(&hash).cloned()?;
        self.by_sid(&sid, now)
    }

    /// Whether there is a session behind a cookie value; asking does not keep it from being idle.
    pub(crate) fn lives(&self, cookie: &str, now: Moment) -> bool {
        let hash = cookie_hash(cookie);
        let Some(sid) = self.cookie_shard(&hash).get(&hash).cloned() else { return false };
        self.shard(&sid).entries.get(&sid).is_some_and(|entry| !entry.is_dead(self.limits, now))
    }

    /// The session behind an id, if it lives; using it keeps it from being idle.
    pub(crate) fn by_sid(&self, sid: &str, now: Moment) -> Option<Session> {
        let tick = self.tick();
        let (session, lighter, gone) = {
            let mut shard = self.shard(sid);
            let entry = shard.entries.get_mut(sid)?;
            if entry.is_dead(self.limits, now) {
                return None; // swept by `expire`, which tells those who have to know
            }
            let (old, lighter) = entry.take_old(self.limits, now);
            let gone: Vec<u64> = old.iter().map(|vouched| self.people.person(vouched)).collect();
            entry.of.retain(|person| !gone.contains(person));
            let (before, sid) = (entry.used, entry.session.sid.clone());
            entry.used = (now, tick);
            let session = entry.session.clone();
            shard.order.remove(&before);
            shard.order.insert((now, tick), sid);
            (session, lighter, gone)
        };
        self.weight.fetch_sub(lighter, Ordering::Relaxed);
        self.people.forget(sid, &gone);
        Some(session)
    }

    /// Remembers that a session served an application.
    pub(crate) fn served(&self, sid: &str, app: &str) {
        if let Some(entry) = self.shard(sid).entries.get_mut(sid) {
            entry.session.serve(app);
        }
    }

    /// A person was vouched for in the browser whose session cookie was `before`. The same person again, or another group
    /// of the same browser, keeps the session under a new cookie value; another person ends it.
    pub(crate) fn enter(
        &self,
        before: Option<&str>,
        vouched: Vouched,
        app: &str,
        fresh: Fresh<'_>,
        now: Moment,
    ) -> Entered {
        let mut ended = Vec::new();
        let mut session = Session { sid: fresh.sid.into(), identities: BTreeMap::new(), apps: Vec::new() };
        if let Some(old) =
            before.and_then(|cookie| self.by_cookie(cookie, now)).and_then(|s| self.end(&s.sid))
        {
            match old.identities.get(&vouched.via) {
                Some(other) if other.sub != vouched.sub => ended.push(old),
                _ => session = old,
            }
        }
        session.identities.insert(vouched.via.clone(), Arc::new(vouched));
        session.serve(app);
        let too_many = self.insert(fresh.cookie, session.clone(), now);
        ended.extend(too_many.iter().filter_map(|sid| self.end(sid)));
        while self.len() > 1 && self.weight.load(Ordering::Relaxed) > self.limits.capacity {
            let Some(oldest) = self.least_recently_used().and_then(|sid| self.end(&sid)) else { break };
            ended.push(oldest);
        }
        Entered { session, ended }
    }

    /// Ends a session.
    pub(crate) fn end(&self, sid: &str) -> Option<Session> {
        let entry = {
            let mut shard = self.shard(sid);
            let entry = shard.entries.remove(sid)?;
            shard.order.remove(&entry.used);
            entry
        };
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.weight.fetch_sub(entry.weight, Ordering::Relaxed);
        self.cookie_shard(&entry.cookie).remove(&entry.cookie);
        self.people.forget(sid, &entry.of);
        Some(entry.session)
    }

    /// Ends every session that is meant.
    pub(crate) fn end_all(&self, is_meant: impl Fn(&Session) -> bool) -> Vec<Session> {
        let mut meant = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let sessions = shard.entries.iter().filter(|(_, entry)| is_meant(&entry.session));
            meant.extend(sessions.map(|(sid, _)| sid.clone()));
        }
        meant.iter().filter_map(|sid| self.end(sid)).collect()
    }

    /// Ends every session that has lived its time.
    pub(crate) fn expire(&self, now: Moment) -> Vec<Session> {
        let mut dead = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            for (sid, entry) in &mut shard.entries {
                if entry.is_dead(self.limits, now) {
                    dead.push(sid.clone());
                }
            }
        }
        dead.iter().filter_map(|sid| self.end(sid)).collect()
    }

    /// Inserts a session; those that are one too many for a person of it.
    fn insert(&self, cookie: &str, session: Session, now: Moment) -> Vec<Arc<str>> {
        let (hash, sid) = (cookie_hash(cookie), session.sid.clone());
        let used = (now, self.tick());
        let weight = session.weight();
        let (of, too_many) = self.people.add(&session);
        self.cookie_shard(&hash).insert(hash, sid.clone());
        self.weight.fetch_add(weight, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        let replaced = {
            let mut shard = self.shard(&sid);
            shard.order.insert(used, sid.clone());
            shard.entries.insert(sid, Entry { cookie: hash, used, session, of, weight })
        };
        if let Some(old) = replaced {
            self.weight.fetch_sub(old.weight, Ordering::Relaxed);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        too_many
    }

    fn least_recently_used(&self) -> Option<Arc<str>> {
        let heads = self
            .shards
            .iter()
            .filter_map(|shard| lock(shard).order.first_key_value().map(|(used, sid)| (*used, sid.clone())));
        heads.min_by_key(|(used, _)| *used).map(|(_, sid)| sid)
    }

    fn shard(&self, sid: &str) -> MutexGuard<'_, Shard> {
        lock(&self.shards[index(sid.as_bytes())])
    }

    fn cookie_shard(&self, hash: &CookieHash) -> MutexGuard<'_, HashMap<CookieHash, Arc<str>>> {
        lock(&self.cookies[index(hash)])
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }
}

impl Entry {
    /// Takes out identities that are older than the maximum; in a session that is not dead, others live on. They, and by how
    /// much the session is lighter.
    fn take_old(&mut self, limits: Limits, now: Moment) -> (Vec<Arc<Vouched>>, usize) {
        let is_old = |_: &String, vouched: &mut Arc<Vouched>| now.since(vouched.since) >= limits.maximum;
        let old: Vec<_> =
            self.session.identities.extract_if(.., is_old).map(|(_, vouched)| vouched).collect();
        let before = self.weight;
        if !old.is_empty() {
            self.weight = self.session.weight();
        }
        (old, before - self.weight)
    }

    fn is_dead(&self, limits: Limits, now: Moment) -> bool {
        let idle = limits.idle.is_some_and(|idle| now.since(self.used.0) >= idle);
        idle || self.session.identities.values().all(|v| now.since(v.since) >= limits.maximum)
    }
}

impl Session {
    fn serve(&mut self, app: &str) {
        if self.apps.len() < MOST_APPS && !self.apps.iter().any(|known| known == app) {
            self.apps.push(app.to_owned());
        }
    }
}

fn cookie_hash(cookie: &str) -> CookieHash {
    digest::hash("session cookie", &[cookie.as_bytes()])
}

/// Both kinds of key are random from their last byte on; ids are text, of which the low bits differ.
fn index(key: &[u8]) -> usize {
    key.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % SHARDS
}

/// A poisoned lock means that a reader panicked between two consistent states; what it guards is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
