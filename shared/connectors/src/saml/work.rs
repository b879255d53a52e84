//! Where XML is read and written: off the async threads, a few at a time, a bounded number behind them, within a time.
//!
//! What is done there is bounded by the gate that every message passes; this bounds how many of them there are. A panic in it
//! ends the login that caused it and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Failure;

/// Messages at a time.
const WORKERS: usize = 4;
/// Messages at a time where anybody may bring them, without a login that has begun.
const WORKERS_FOR_ANYBODY: usize = 1;
/// Messages that may wait: with the largest that the gate lets through, 64 MiB.
const WAITING: usize = 128;
/// How long one may take, waiting included.
const LONGEST: Duration = Duration::from_secs(4);

/// The benches; one of each per process. Each kind of work has its own, so that a flood of messages from outside keeps neither
/// this node's requests nor its own look at its providers waiting: a provider must not seem down because of it.
#[derive(Debug)]
pub(crate) struct Benches {
    /// Answers that browsers bring to logins that have begun.
    pub(crate) answers: Bench,
    /// What anybody brings: logouts, and answers that nobody asked for.
    pub(crate) anybodys: Bench,
    /// Requests that are written, one for each browser that leaves.
    pub(crate) requests: Bench,
    /// Metadata and probes: a few for each provider.
    pub(crate) watch: Bench,
}

impl Default for Benches {
    fn default() -> Self {
        let bench = |workers| Bench::new(workers, WAITING, LONGEST);
        Self {
            answers: bench(WORKERS),
            anybodys: bench(WORKERS_FOR_ANYBODY),
            requests: bench(WORKERS),
            watch: bench(WORKERS),
        }
    }
}

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
    #[error("too many SAML messages wait to be read")]
    Busy,
    /// A bug.
    #[error("reading the message failed inside; nothing of it was used")]
    Panicked,
}

impl Undone {
    /// The same as the end of a login at `connector`.
    pub(crate) fn into_failure(self, connector: &str) -> Failure {
        let log = format!("{connector}: {self}");
        match self {
            Self::Busy => Failure { busy: true, ..Failure::unavailable(log) },
            Self::Panicked => {
                tracing::error!(
                    connector,
                    "SAML: a message made this node fail inside; the message was refused"
                );
                Failure::protocol(log)
            }
        }
    }
}

impl Bench {
    fn new(workers: usize, waiting: usize, longest: Duration) -> Self {
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
        let bench = Bench::new(1, 0, LONGEST);
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

    #[tokio::test]
    async fn a_flood_of_messages_keeps_neither_requests_nor_probes_waiting() {
        let benches = Benches::default();
        let (let_go, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let flood = |bench: &'static dyn Fn(&Benches) -> &Bench| {
            let held = Arc::clone(&held);
            bench(&benches).run(move || _ = held.lock().map(|held| held.recv()))
        };
        let doors: [&'static dyn Fn(&Benches) -> &Bench; 2] = [&|all| &all.answers, &|all| &all.anybodys];
        let flood: Vec<_> =
            doors.into_iter().flat_map(|door| std::iter::repeat_n(door, 200)).map(flood).collect();
        let honest = async {
            tokio::task::yield_now().await;
            assert_eq!(benches.answers.run(|| 7).await, Err(Undone::Busy), "the flood is there");
            let done = (benches.requests.run(|| 7).await, benches.watch.run(|| 7).await);
            drop(let_go);
            done
        };
        let (_, done) = futures::join!(futures::future::join_all(flood), honest);
        assert_eq!(done, (Ok(7), Ok(7)));
    }
}
