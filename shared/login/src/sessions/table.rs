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

    /// The session behind an id, if it lives; using it keeps it from being idle.
    pub(crate) fn by_sid(&self, sid: &str, now: Moment) -> Option<Session> {
        let tick = self.tick();
        let mut shard = self.shard(sid);
        let entry = shard.entries.get_mut(sid)?;
        entry.forget_old(self.limits, now);
        if entry.is_dead(self.limits, now) {
            return None; // swept by `expire`, which tells those who have to know
        }
        let (before, sid) = (entry.used, entry.session.sid.clone());
        entry.used = (now, tick);
        let session = entry.session.clone();
        shard.order.remove(&before);
        shard.order.insert((now, tick), sid);
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
        while self.len() > self.limits.capacity {
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
        self.cookie_shard(&entry.cookie).remove(&entry.cookie);
        self.people.forget(sid, &entry.of);
        Some(entry.session)
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
        let (of, too_many) = self.people.add(&session);
        self.cookie_shard(&hash).insert(hash, sid.clone());
        let replaced = {
            let mut shard = self.shard(&sid);
            shard.order.insert(used, sid.clone());
            shard.entries.insert(sid, Entry { cookie: hash, used, session, of })
        };
        if replaced.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
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
    /// Takes out identities that are older than the maximum while others live on.
    fn forget_old(&mut self, limits: Limits, now: Moment) {
        if self.session.identities.len() > 1 {
            self.session.identities.retain(|_, vouched| now.since(vouched.since) < limits.maximum);
        }
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
mod tests {
    use std::time::Duration;

    use mangrove_connectors::Identity;
    use serde_json::Map;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000)
    }

    fn table(capacity: usize) -> Sessions {
        Sessions::new(Limits { idle: Some(10 * SECOND), maximum: 60 * SECOND, capacity })
    }

    fn vouched(via: &str, sub: &str, now: Moment) -> Vouched {
        Vouched {
            via: via.into(),
            sub: sub.into(),
            attributes: Map::new(),
            identity: Identity {
                connector: "idp".into(),
                issuer: None,
                subject: sub.into(),
                claims: Map::new(),
                auth_time: None,
                acr: None,
                amr: Vec::new(),
                path: Vec::new(),
                email_trusted: false,
                id_token_hint: None,
                upstream_sid: None,
            },
            since: now,
            login_id: "login".into(),
        }
    }

    fn enter(table: &Sessions, before: Option<&str>, sub: &str, cookie: &str, now: Moment) -> Entered {
        let fresh = Fresh { cookie, sid: format!("sid of {cookie}") };
        table.enter(before, vouched("group", sub, now), "app", fresh, now)
    }

    #[test]
    fn the_cookie_value_changes_at_each_login_and_the_old_one_opens_nothing() {
        let table = table(10);
        let first = enter(&table, None, "alice", "one", at(0));
        let second = enter(&table, Some("one"), "alice", "two", at(1));
        assert_eq!(first.session.sid, second.session.sid, "tokens of the session stay good");
        assert!(table.by_cookie("one", at(1)).is_none());
        assert!(table.by_cookie("two", at(1)).is_some());
        assert!(second.ended.is_empty());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn another_person_in_the_same_browser_ends_the_first_session() {
        let table = table(10);
        enter(&table, None, "alice", "one", at(0));
        let second = enter(&table, Some("one"), "bob", "two", at(1));
        assert_eq!(second.ended.len(), 1);
        assert_eq!(&*second.ended[0].sid, "sid of one");
        assert!(table.by_sid("sid of one", at(1)).is_none());
        assert_eq!(table.by_cookie("two", at(1)).unwrap().identities["group"].sub, "bob");
    }

    #[test]
    fn one_session_holds_identities_for_several_groups() {
        let table = table(10);
        enter(&table, None, "alice", "one", at(0));
        let fresh = Fresh { cookie: "two", sid: "unused".into() };
        let both = table.enter(Some("one"), vouched("other", "alice@b", at(1)), "b", fresh, at(1));
        assert_eq!(both.session.identities.len(), 2);
        assert_eq!(both.session.apps, ["app", "b"]);
    }

    #[test]
    fn an_idle_session_ends_and_a_used_one_goes_on() {
        let table = table(10);
        enter(&table, None, "alice", "one", at(0));
        assert!(table.by_cookie("one", at(9)).is_some());
        assert!(table.by_cookie("one", at(18)).is_some(), "the use at 9 counts");
        assert!(table.by_cookie("one", at(28)).is_none());
        assert_eq!(table.expire(at(28)).len(), 1);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_session_ends_at_its_maximum_however_much_it_is_used() {
        let table = table(10);
        enter(&table, None, "alice", "one", at(0));
        for second in (5..60).step_by(5) {
            assert!(table.by_cookie("one", at(second)).is_some(), "at {second}");
        }
        assert!(table.by_cookie("one", at(60)).is_none());
    }

    #[test]
    fn an_older_identity_leaves_a_session_that_a_newer_one_keeps() {
        let table = Sessions::new(Limits { idle: None, maximum: 60 * SECOND, capacity: 10 });
        enter(&table, None, "alice", "one", at(0));
        let fresh = Fresh { cookie: "two", sid: "unused".into() };
        table.enter(Some("one"), vouched("other", "alice@b", at(50)), "b", fresh, at(50));
        let session = table.by_cookie("two", at(70)).unwrap();
        assert!(session.signed_in("group").is_none());
        assert!(session.signed_in("other").is_some());
    }

    #[test]
    fn a_full_table_gives_up_the_session_that_was_used_longest_ago() {
        let table = table(2);
        enter(&table, None, "a", "one", at(0));
        enter(&table, None, "b", "two", at(1));
        table.by_cookie("one", at(2));
        let third = enter(&table, None, "c", "three", at(3));
        assert_eq!(third.ended.len(), 1);
        assert!(table.by_cookie("two", at(3)).is_none());
        assert!(table.by_cookie("one", at(3)).is_some());
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_person_with_too_many_sessions_loses_the_oldest_of_their_own_and_nobody_else_any() {
        let table = table(1_000);
        enter(&table, None, "bob", "bob's", at(0));
        for number in 0..20 {
            let entered = enter(&table, None, "alice", &number.to_string(), at(1));
            assert!(entered.ended.is_empty(), "at number {number}");
        }
        for number in 20..500 {
            let entered = enter(&table, None, "alice", &number.to_string(), at(2));
            assert_eq!(entered.ended.len(), 1);
            assert_eq!(*entered.ended[0].sid, format!("sid of {}", number - 20), "the one she entered first");
        }
        assert_eq!(table.len(), 21);
        assert!(table.by_cookie("bob's", at(3)).is_some());
    }

    #[test]
    fn sessions_that_ended_count_for_nobody() {
        let table = table(1_000);
        for number in 0..100 {
            let entered = enter(&table, None, "alice", &number.to_string(), at(0));
            assert!(entered.ended.is_empty());
            table.end(&entered.session.sid);
        }
        for number in 0..100 {
            let before = format!("{}", number - 1);
            enter(&table, Some(&before), "alice", &number.to_string(), at(0));
        }
        assert_eq!((table.len(), table.people.len()), (1, 1), "the same browser has one");
        table.expire(at(60));
        assert_eq!(table.people.len(), 0);
    }

    #[test]
    fn the_table_holds_no_cookie_value() {
        let table = table(2);
        let fresh = Fresh { cookie: "the-cookie-value", sid: "sid".into() };
        table.enter(None, vouched("group", "alice", at(0)), "app", fresh, at(0));
        assert!(!format!("{table:?}").contains("the-cookie-value"));
    }
}
