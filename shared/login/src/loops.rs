//! The loop guard: a mesh has no loops.
//!
//! Every node adds its id to the hops of a login; a node that finds itself there, or more than [`MOST_HOPS`] with itself,
//! ends the login. Hops are carried by a browser, so this stops accidents and authorises nothing. What hops do not catch
//! is caught by counting: more than [`MOST_UNANSWERED`] top-level requests within a minute for one application in one
//! browser, none of them answered.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mangrove_continuity::Moment;

/// Most nodes on a login's way, this one included.
pub(crate) const MOST_HOPS: usize = 8;

/// Most unanswered requests within [`WINDOW`].
const MOST_UNANSWERED: u32 = 10;

const WINDOW: Duration = Duration::from_secs(60);

const SHARDS: usize = 16;

/// Browsers and applications counted in one shard; a full shard forgets what is oldest.
const ENTRIES_EACH: usize = 4096;

/// Why a login is ended as a loop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Loop {
    /// This node is among the hops.
    #[error("this node is already on the login's way: nodes send it round in a circle")]
    Round,
    /// The way is too long.
    #[error("the login came over {0} nodes, more than {MOST_HOPS}")]
    TooLong(usize),
    /// The browser comes again and again.
    #[error("the browser asked more than {MOST_UNANSWERED} times within a minute and no login was answered")]
    Unanswered,
}

/// Judges the hops of a request that reached the node `own`.
pub(crate) fn judge_hops(hops: &[String], own: &str) -> Result<(), Loop> {
    if hops.iter().any(|hop| hop == own) {
        return Err(Loop::Round);
    }
    if hops.len() >= MOST_HOPS {
        return Err(Loop::TooLong(hops.len() + 1));
    }
    Ok(())
}

/// Unanswered requests by browser and application.
#[derive(Debug)]
pub(crate) struct Unanswered {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, Count>>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    began: Moment,
    requests: u32,
}

impl Unanswered {
    /// Nothing counted.
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// One more request of this browser for this application.
    pub(crate) fn asked(&self, browser: &str, app: &str, now: Moment) -> Result<(), Loop> {
        let key = self.hasher.hash_one((browser, app));
        let mut shard = self.shard(key);
        if shard.len() >= ENTRIES_EACH && !shard.contains_key(&key) {
            make_room(&mut shard, now);
        }
        let count = shard.entry(key).or_insert(Count { began: now, requests: 0 });
        if now.since(count.began) >= WINDOW {
            *count = Count { began: now, requests: 0 };
        }
        count.requests += 1;
        if count.requests > MOST_UNANSWERED { Err(Loop::Unanswered) } else { Ok(()) }
    }

    /// A login of this browser for this application was answered.
    pub(crate) fn answered(&self, browser: &str, app: &str) {
        let key = self.hasher.hash_one((browser, app));
        self.shard(key).remove(&key);
    }

    fn shard(&self, key: u64) -> std::sync::MutexGuard<'_, HashMap<u64, Count>> {
        let at = usize::try_from(key % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(shard: &mut HashMap<u64, Count>, now: Moment) {
    shard.retain(|_, count| now.since(count.began) < WINDOW);
    if shard.len() >= ENTRIES_EACH
        && let Some(oldest) = shard.iter().min_by_key(|(_, count)| count.began).map(|(key, _)| *key)
    {
        shard.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000)
    }

    #[test]
    fn a_node_that_finds_itself_among_the_hops_ends_the_login() {
        assert_eq!(judge_hops(&["a".into(), "me".into()], "me"), Err(Loop::Round));
        assert_eq!(judge_hops(&["a".into(), "b".into()], "me"), Ok(()));
    }

    #[test]
    fn more_than_eight_hops_end_the_login() {
        let hops = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(judge_hops(&hops(7), "me"), Ok(()));
        assert_eq!(judge_hops(&hops(8), "me"), Err(Loop::TooLong(9)));
    }

    #[test]
    fn the_eleventh_unanswered_request_within_a_minute_is_a_loop() {
        let guard = Unanswered::new();
        for second in 0..10 {
            assert_eq!(guard.asked("browser", "app", at(second)), Ok(()));
        }
        assert_eq!(guard.asked("browser", "app", at(10)), Err(Loop::Unanswered));
        assert_eq!(guard.asked("browser", "other app", at(10)), Ok(()));
        assert_eq!(guard.asked("other browser", "app", at(10)), Ok(()));
        assert_eq!(guard.asked("browser", "app", at(61)), Ok(()), "a minute later it may try again");
    }

    #[test]
    fn an_answered_login_starts_the_count_anew() {
        let guard = Unanswered::new();
        for second in 0..50 {
            assert_eq!(guard.asked("browser", "app", at(second)), Ok(()));
            guard.answered("browser", "app");
        }
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let guard = Unanswered::new();
        for number in 0..(SHARDS * ENTRIES_EACH * 5 / 4) {
            guard.asked(&number.to_string(), "app", at(0)).unwrap();
        }
        assert!(guard.shards.iter().all(|shard| shard.lock().unwrap().len() <= ENTRIES_EACH));
    }
}
