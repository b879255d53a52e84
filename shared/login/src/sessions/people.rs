//! How many sessions each person has, so that nobody's flood of them pushes out other people's: past a bound, a person's oldest
//! session goes. Knows ids and hashes, and no session.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Session, Vouched};

const SHARDS: usize = 16;
/// So many sessions may anybody have, however large they are: somebody with a long list of groups has a telephone, too. At most
/// some 6 MiB of memory.
const IN_ANY_CASE: usize = 20;

/// Ids of sessions by person, the one entered first in front.
#[derive(Debug)]
pub(super) struct People {
    most: usize,
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, Own>>>,
}

/// One person's sessions, with what each weighs.
#[derive(Debug, Default)]
struct Own {
    sids: VecDeque<(Arc<str>, usize)>,
    weight: usize,
}

impl People {
    /// Nobody, and at most so many sessions for each, by weight, or [`IN_ANY_CASE`].
    pub(super) fn new(most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { most, hasher: RandomState::new(), shards }
    }

    /// Counts a session, before anybody else can end it, for each person that it is of: who that is, and which sessions are
    /// too many now.
    pub(super) fn add(&self, session: &Session) -> (Vec<u64>, Vec<Arc<str>>) {
        let (mut of, mut too_many) = (Vec::new(), Vec::new());
        for vouched in session.identities.values() {
            let person = self.person(vouched);
            of.push(person);
            let mut shard = self.shard(person);
            let own = shard.entry(person).or_default();
            let weight = vouched.weight();
            own.sids.push_back((Arc::clone(&session.sid), weight));
            own.weight += weight;
            while own.weight > self.most
                && own.sids.len() > IN_ANY_CASE
                && let Some((oldest, weight)) = own.sids.pop_front()
            {
                own.weight -= weight;
                too_many.push(oldest);
            }
        }
        (of, too_many)
    }

    /// As whose session one with this identity counts.
    pub(super) fn person(&self, vouched: &Vouched) -> u64 {
        self.hasher.hash_one((&vouched.via, &vouched.sub))
    }

    /// A session ended, or is no longer of these people.
    pub(super) fn forget(&self, sid: &str, of: &[u64]) {
        for person in of {
            let mut shard = self.shard(*person);
            let Some(own) = shard.get_mut(person) else { continue };
            own.sids.retain(|(known, _)| **known != *sid);
            own.weight = own.sids.iter().map(|(_, weight)| weight).sum();
            if own.sids.is_empty() {
                shard.remove(person);
            }
        }
    }

    /// How many people have a session.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        (0..SHARDS as u64).map(|shard| self.shard(shard).len()).sum()
    }

    fn shard(&self, person: u64) -> MutexGuard<'_, HashMap<u64, Own>> {
        let at = usize::try_from(person % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
