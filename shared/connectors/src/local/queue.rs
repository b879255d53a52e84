//! Where passwords wait to be checked: a few at a time, a bounded number behind them, nobody beyond; networks take turns.

use std::time::Duration;

use zeroize::Zeroizing;

use super::hash;
use crate::Network;
use crate::bench::{Bench, Undone};

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
pub(crate) struct Queue(Bench);

impl Default for Queue {
    fn default() -> Self {
        Self::new(WORKERS, WAITING)
    }
}

impl Queue {
    pub(super) fn new(workers: usize, waiting: usize) -> Self {
        Self(Bench::new(workers, waiting, Duration::MAX))
    }

    /// Whether the password belongs to the hash. Runs off the async threads; a check whose asker has gone still ends.
    pub(super) async fn verify(&self, from: Network, hash: String, password: &str) -> Result<bool, Busy> {
        let password = Zeroizing::new(password.to_owned());
        match self.0.run_for(from, move || hash::matches(&hash, &password)).await {
            Err(Undone::Busy) => Err(Busy),
            checked => Ok(checked.unwrap_or(false)),
        }
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
        let all = join_all((0..10).map(|_| queue.verify(Network::default(), hash.clone(), "x"))).await;
        assert_eq!(all.iter().filter(|result| **result == Err(Busy)).count(), 7);
        assert_eq!(all.iter().filter(|result| **result == Ok(true)).count(), 3);
        assert_eq!(queue.verify(Network::default(), hash, "x").await, Ok(true));
    }

    #[tokio::test]
    async fn whoever_comes_from_elsewhere_gets_in_where_one_network_fills_the_queue() {
        let queue = Queue::new(1, 2);
        let hash = hash::hash_password("x").unwrap();
        let elsewhere = Network::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let from = [vec![Network::default(); 10], vec![elsewhere]].concat();
        let all = join_all(from.into_iter().map(|from| queue.verify(from, hash.clone(), "x"))).await;
        assert_eq!(all.iter().filter(|result| **result == Ok(true)).count(), 3);
        assert_eq!(all[10], Ok(true));
    }
}
