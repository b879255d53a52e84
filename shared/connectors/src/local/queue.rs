//! Where passwords wait to be checked: a few at a time, a bounded number behind them, nobody beyond.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::hash;

/// Checks at a time: each takes 19 MiB and a core.
const WORKERS: usize = 2;
/// Checks that may wait.
const WAITING: usize = 64;

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("busy: too many passwords wait to be checked")]
pub(crate) struct Busy;

/// The queue; one per process.
#[derive(Debug)]
pub(crate) struct Queue {
    workers: Arc<Semaphore>,
    inside: AtomicUsize,
    room: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self::new(WORKERS, WAITING)
    }
}

impl Queue {
    pub(super) fn new(workers: usize, waiting: usize) -> Self {
        Self {
            workers: Arc::new(Semaphore::new(workers)),
            inside: AtomicUsize::new(0),
            room: workers + waiting,
        }
    }

    /// Whether the password belongs to the hash. Runs off the async threads; a check whose asker has gone still ends.
    pub(super) async fn verify(&self, hash: String, password: &str) -> Result<bool, Busy> {
        let _place = self.place()?;
        let worker = self.workers.clone().acquire_owned().await.map_err(|_| Busy)?;
        let password = Zeroizing::new(password.to_owned());
        let check = spawn_blocking(move || {
            let _worker = worker;
            hash::matches(&hash, &password)
        });
        Ok(check.await.unwrap_or(false))
    }

    fn place(&self) -> Result<Place<'_>, Busy> {
        let place = Place(&self.inside);
        if self.inside.fetch_add(1, Ordering::AcqRel) < self.room { Ok(place) } else { Err(Busy) }
    }
}

/// A place in the queue; leaving it is dropping it.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn past_the_queue_the_answer_is_busy_and_afterwards_there_is_room_again() {
        let queue = Queue::new(1, 2);
        let hash = hash::hash_password("x").unwrap();
        let all = join_all((0..10).map(|_| queue.verify(hash.clone(), "x"))).await;
        assert_eq!(all.iter().filter(|result| **result == Err(Busy)).count(), 7);
        assert_eq!(all.iter().filter(|result| **result == Ok(true)).count(), 3);
        assert_eq!(queue.verify(hash, "x").await, Ok(true));
    }
}
