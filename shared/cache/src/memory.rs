//! A cache in this process's memory: shards with a lock each, so that no lock is shared by all logins, and in each shard
//! a queue by expiry, so that making room never means looking at everything.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::room::{Freed, Room};
use crate::{CacheError, Shelf};

/// What a new value may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over<'a> {
    Anything,
    Nothing,
    /// Only what is there.
    Something,
    /// Only this.
    This(&'a [u8]),
}

impl Over<'_> {
    /// Whether it may replace what is there.
    fn may_replace(self, there: &[u8]) -> bool {
        match self {
            Self::Anything | Self::Something => true,
            Self::Nothing => false,
            Self::This(was) => was == there,
        }
    }

    /// Whether it goes where nothing is.
    fn may_be_new(self) -> bool {
        matches!(self, Self::Anything | Self::Nothing)
    }
}

#[derive(Debug)]
pub(crate) struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    room: Room,
}

impl Memory {
    pub(crate) fn new(capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), room: Room::new(capacity) }
    }

    pub(crate) fn put(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
        over: Over<'_>,
    ) -> Result<bool, CacheError> {
        within("key", key.len(), MAX_KEY)?;
        within("value", value.len(), MAX_VALUE)?;
        let now = Instant::now();
        match self.try_put(shelf, key, value, now, ttl, over) {
            Attempt::Stored => Ok(true),
            Attempt::Declined => Ok(false),
            Attempt::NoRoom(value) => {
                self.sweep();
                match self.try_put(shelf, key, value, now, ttl, over) {
                    Attempt::Stored => Ok(true),
                    Attempt::Declined => Ok(false),
                    Attempt::NoRoom(_) => Err(CacheError::Full { capacity: self.room.most_entries() }),
                }
            }
        }
    }

    pub(crate) fn get(&self, shelf: Shelf, key: &str) -> Option<Vec<u8>> {
        let shard = self.shard(shelf, key);
        let entry = shard.get(shelf, key)?;
        (entry.expires > Instant::now()).then(|| entry.value.clone())
    }

    pub(crate) fn take(&self, shelf: Shelf, key: &str) -> Option<Vec<u8>> {
        let entry = {
            let mut shard = self.shard(shelf, key);
            let entry = shard.remove(shelf, key)?;
            shard.forget_stale_queue();
            entry
        };
        self.room.give_back(Freed { entries: 1, bytes: entry.size() });
        (entry.expires > Instant::now()).then_some(entry.value)
    }

    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        for shard in &self.shards {
            let freed = lock(shard).drop_expired(now);
            self.room.give_back(freed);
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.room.most_entries()
    }

    pub(crate) fn len(&self) -> usize {
        self.room.entries()
    }

    fn try_put(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        now: Instant,
        ttl: Duration,
        over: Over<'_>,
    ) -> Attempt {
        let mut shard = self.shard(shelf, key);
        self.room.give_back(shard.drop_expired(now));
        let expires = now.checked_add(ttl).unwrap_or_else(|| now + FAR);
        let serial = shard.next_serial();
        if let Some(entry) = shard.get_mut(shelf, key) {
            if !over.may_replace(&entry.value) {
                return Attempt::Declined;
            }
            if !self.room.resize(entry.value.len(), value.len()) {
                return Attempt::NoRoom(value);
            }
            (entry.value, entry.expires, entry.serial) = (value, expires, serial);
            let name = Arc::clone(&entry.name);
            shard.queue.push(Reverse((expires, serial, shelf, name)));
        } else if !over.may_be_new() {
            return Attempt::Declined;
        } else {
            if !self.room.take(key.len() + value.len()) {
                return Attempt::NoRoom(value);
            }
            let name: Arc<str> = key.into();
            let entry = Entry { name: Arc::clone(&name), value, expires, serial };
            shard.shelves.entry(shelf).or_default().insert(Arc::clone(&name), entry);
            shard.count += 1;
            shard.queue.push(Reverse((expires, serial, shelf, name)));
        }
        shard.forget_stale_queue();
        Attempt::Stored
    }

    fn shard(&self, shelf: Shelf, key: &str) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one((shelf, key));
        let at = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[at])
    }
}

enum Attempt {
    Stored,
    /// Something was there, or nothing was, or something else, and that was not wanted.
    Declined,
    NoRoom(Vec<u8>),
}

#[derive(Debug, Default)]
struct Shard {
    shelves: HashMap<Shelf, HashMap<Arc<str>, Entry>>,
    count: usize,
    /// Every entry, by expiry. Also entries that are gone or have a later expiry by now: their serial gives them away.
    queue: BinaryHeap<Reverse<Due>>,
    last_serial: u64,
}

/// When an entry expires, the serial it had, and its shelf and name.
type Due = (Instant, u64, Shelf, Arc<str>);

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    value: Vec<u8>,
    expires: Instant,
    serial: u64,
}

impl Entry {
    fn size(&self) -> usize {
        self.name.len() + self.value.len()
    }
}

impl Shard {
    fn get(&self, shelf: Shelf, key: &str) -> Option<&Entry> {
        self.shelves.get(&shelf)?.get(key)
    }

    fn get_mut(&mut self, shelf: Shelf, key: &str) -> Option<&mut Entry> {
        self.shelves.get_mut(&shelf)?.get_mut(key)
    }

    fn remove(&mut self, shelf: Shelf, key: &str) -> Option<Entry> {
        let entry = self.shelves.get_mut(&shelf)?.remove(key)?;
        self.count -= 1;
        Some(entry)
    }

    fn next_serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    /// Frees what has expired.
    fn drop_expired(&mut self, now: Instant) -> Freed {
        let mut freed = Freed::default();
        while self.queue.peek().is_some_and(|Reverse((expires, ..))| *expires <= now) {
            let Some(Reverse((_, serial, shelf, name))) = self.queue.pop() else { break };
            if self.get(shelf, &name).is_some_and(|entry| entry.serial == serial)
                && let Some(entry) = self.remove(shelf, &name)
            {
                freed.entries += 1;
                freed.bytes += entry.size();
            }
        }
        freed
    }

    /// Keeps the queue in proportion to the entries when many are taken long before they expire.
    fn forget_stale_queue(&mut self) {
        if self.queue.len() > 2 * self.count + SLACK {
            let shelves = &self.shelves;
            self.queue.retain(|Reverse((_, serial, shelf, name))| {
                shelves.get(shelf).and_then(|s| s.get(name)).is_some_and(|entry| entry.serial == *serial)
            });
        }
    }
}

/// A lock poisoned by a panic elsewhere still guards whole entries: nothing here panics between two changes.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn within(what: &'static str, size: usize, limit: usize) -> Result<(), CacheError> {
    if size > limit { Err(CacheError::TooLarge { what, size, limit }) } else { Ok(()) }
}

const SHARDS: usize = 16;

/// Queue entries a shard may keep past what it needs, before it looks for them.
const SLACK: usize = 64;

/// Bytes of a key: many times a token of ours, less than a flood would like.
const MAX_KEY: usize = 1024;

/// Bytes of a value: a login with all its claims, many times over.
const MAX_VALUE: usize = 256 * 1024;

/// As good as for ever, where a time to live is past what the clock can say.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
