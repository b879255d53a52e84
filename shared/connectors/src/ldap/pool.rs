//! Connections that are kept for the next one who asks: a few, each for a while, the freshest first.

use std::time::Duration;

use mangrove_continuity::Moment;

/// How long a connection is kept unused, and how many are.
const KEEP: Duration = Duration::from_secs(60);
const KEPT: usize = 8;

/// Kept connections, the freshest last.
pub(super) struct Pool<T>(Vec<(T, Moment)>);

impl<T> Pool<T> {
    pub(super) fn put(&mut self, link: T, now: Moment) {
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push((link, now));
    }

    /// The freshest that still stands; those before it that do not are dropped.
    pub(super) fn take(&mut self, now: Moment, stands: impl Fn(&mut T) -> bool) -> Option<T> {
        while let Some((mut link, since)) = self.0.pop() {
            if now.since(since) < KEEP && stands(&mut link) {
                return Some(link);
            }
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn the_freshest_is_kept_and_is_used_first() {
        let mut pool = Pool::default();
        for n in 0..=KEPT as u64 {
            pool.put(n, at(n));
        }
        let mut kept = Vec::new();
        while let Some(link) = pool.take(at(KEPT as u64), |_| true) {
            kept.push(link);
        }
        let freshest: Vec<u64> = (1..=KEPT as u64).rev().collect();
        assert_eq!(kept, freshest, "and the oldest had to go");
    }

    #[test]
    fn what_is_old_or_has_fallen_is_not_used() {
        let mut pool = Pool::default();
        pool.put("old", at(0));
        pool.put("fallen", at(59));
        pool.put("standing", at(59));
        let stands = |link: &mut &str| *link != "fallen";
        assert_eq!(pool.take(at(60), stands), Some("standing"));
        assert_eq!(pool.take(at(60), stands), None);
    }
}
