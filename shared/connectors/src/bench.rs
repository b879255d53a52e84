//! Work that would keep an async thread: done off them, a few pieces at a time, a bounded number behind them, within a time.
//!
//! A panic in it ends the work that caused it and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// One bench.
#[derive(Debug)]
pub(crate) struct Bench {
    workers: Arc<Semaphore>,
    inside: AtomicUsize,
    room: usize,
    longest: Duration,
}

/// Why work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undone {
    /// Too much is waiting, or it took too long.
    #[error("too much waits to be done")]
    Busy,
    /// A bug.
    #[error("it failed inside; nothing of it was used")]
    Panicked,
}

impl Bench {
    /// So many workers, with so many waiting behind them; nobody waits for longer than `longest`, work included.
    pub(crate) fn new(workers: usize, waiting: usize, longest: Duration) -> Self {
        Self {
            workers: Arc::new(Semaphore::new(workers)),
            inside: AtomicUsize::new(0),
            room: workers + waiting,
            longest,
        }
    }

    /// Does some work. Work whose asker has gone still ends, and keeps its place among those at a time until then.
    ///
    /// # Errors
    /// See [`Undone`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let place = Place(&self.inside);
        if self.inside.fetch_add(1, Ordering::AcqRel) >= self.room {
            return Err(Undone::Busy);
        }
        let doing = async {
            let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Undone::Busy)?;
            let done = spawn_blocking(move || {
                let _worker = worker;
                work()
            });
            done.await.map_err(|why| if why.is_panic() { Undone::Panicked } else { Undone::Busy })
        };
        let done = timeout(self.longest, doing).await.unwrap_or(Err(Undone::Busy));
        drop(place);
        done
    }
}

/// A place at the bench; leaving it is dropping it.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_one_piece_of_work_and_nothing_else() {
        let bench = Bench::new(1, 0, Duration::MAX);
        assert_eq!(bench.run(|| -> u8 { panic!("a bug") }).await, Err(Undone::Panicked));
        assert_eq!(bench.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn past_the_room_the_answer_is_busy_and_what_takes_too_long_is_not_waited_for() {
        let bench = Bench::new(1, 1, Duration::from_millis(50));
        let (let_go, held) = mpsc::channel::<()>();
        let slow = bench.run(move || _ = held.recv());
        let (first, second, third) = futures::join!(slow, bench.run(|| ()), bench.run(|| ()));
        assert_eq!((first, second, third), (Err(Undone::Busy), Err(Undone::Busy), Err(Undone::Busy)));
        assert_eq!(bench.inside.load(Ordering::Acquire), 0);
        drop(let_go);
        let patient = Bench { longest: Duration::from_secs(10), ..bench };
        assert_eq!(patient.run(|| 7).await, Ok(7), "the worker comes back when the slow work has ended");
    }
}
