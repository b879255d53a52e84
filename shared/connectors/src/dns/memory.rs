//! What names resolved to, and where hosts proved themselves: bounded in number and in age.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mangrove_continuity::Moment;

/// How long what was learned is kept.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// Most names of each kind; the one that was learned longest ago goes first. Names come from the configuration, from services
/// and from providers' metadata.
pub(super) const NAMES: usize = 1_024;

/// The last good answer about a name.
#[derive(Debug, Clone)]
pub(super) struct LastGood {
    pub(super) addresses: Vec<IpAddr>,
    /// Until when it is used at once, without asking.
    pub(super) trusted_until: Moment,
}

/// What was learned, by what it is about.
pub(super) struct Memory<K, V>(Mutex<HashMap<K, (V, Moment)>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Memory<K, V> {
    /// What was learned, if that is not too long ago.
    pub(super) fn recall(&self, key: &K, now: Moment) -> Option<V> {
        let known = self.known();
        known.get(key).filter(|(_, at)| now.since(*at) < KEEP).map(|(value, _)| value.clone())
    }

    /// Learns; if there are too many, the one learned longest ago is forgotten.
    pub(super) fn learn(&self, key: K, value: V, now: Moment) {
        let mut known = self.known();
        if known.len() >= NAMES && !known.contains_key(&key) {
            known.retain(|_, (_, at)| now.since(*at) < KEEP);
            let oldest = known.iter().min_by_key(|(_, (_, at))| *at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.filter(|_| known.len() >= NAMES) {
                known.remove(&oldest);
            }
        }
        known.insert(key, (value, now));
    }

    /// Changes what is known, without making it younger.
    pub(super) fn amend(&self, key: &K, change: impl FnOnce(&mut V)) {
        if let Some((value, _)) = self.known().get_mut(key) {
            change(value);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<K, (V, Moment)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600 * 1_000_000;

    #[test]
    fn a_full_memory_forgets_what_it_learned_longest_ago() {
        let memory = Memory::default();
        for number in 0..NAMES as u64 {
            memory.learn(number, "known", Moment(number));
        }
        memory.learn(0, "known", Moment(NAMES as u64));
        memory.learn(u64::MAX, "new", Moment(NAMES as u64 + 1));
        let now = Moment(NAMES as u64 + 2);
        assert_eq!(
            [0, 1, 2, u64::MAX].map(|key| memory.recall(&key, now).is_some()),
            [true, false, true, true]
        );
        assert_eq!(memory.known().len(), NAMES);
    }

    #[test]
    fn what_is_too_old_makes_room_together() {
        let memory = Memory::default();
        for number in 0..NAMES as u64 {
            memory.learn(number, "old", Moment(number));
        }
        memory.learn(u64::MAX, "new", Moment(25 * HOUR));
        assert_eq!(memory.known().len(), 1);
    }

    #[test]
    fn a_change_makes_nothing_younger() {
        let memory = Memory::default();
        memory.learn("name", 1, Moment(0));
        memory.amend(&"name", |value| *value = 2);
        assert_eq!(memory.recall(&"name", Moment(23 * HOUR)), Some(2));
        assert_eq!(memory.recall(&"name", Moment(25 * HOUR)), None);
    }
}
