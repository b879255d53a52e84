//! Where XML is read and written: on benches off the async threads.
//!
//! What is done there is bounded by the gate that every message passes; this bounds how many of them there are, and that an answer to
//! one request is judged once at a time. A panic in it ends the login that caused it and nothing else.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Failure;
use crate::bench::{Bench, Undone};

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
    /// Requests to which an answer is at its bench.
    pub(super) answered: Answered,
}

impl Default for Benches {
    fn default() -> Self {
        let bench = |workers| Bench::new(workers, WAITING, LONGEST);
        Self {
            answers: bench(WORKERS),
            anybodys: bench(WORKERS_FOR_ANYBODY),
            requests: bench(WORKERS),
            watch: bench(WORKERS),
            answered: Answered::default(),
        }
    }
}

/// Requests to which an answer is being judged, or waits for that: as many as have a place at the bench. Whoever has begun one login
/// has one worker by it at most, however often they bring their answer, and whether they wait for it or not.
#[derive(Debug, Clone, Default)]
pub(super) struct Answered(Arc<Mutex<HashSet<String>>>);

impl Answered {
    /// Takes the place of the answer to a request, by its id; none where another has it.
    pub(super) fn enter(&self, request: &str) -> Option<Place> {
        let entered = self.requests().insert(request.to_owned());
        entered.then(|| Place { of: self.clone(), request: request.to_owned() })
    }

    fn requests(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an answer. The work itself holds it, so that it is free when that is done, or dropped undone, and no sooner.
#[derive(Debug)]
pub(super) struct Place {
    of: Answered,
    request: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.requests().remove(&self.request);
    }
}

/// Work that was not done, as the end of a login at `connector`.
pub(super) fn failure(undone: Undone, connector: &str) -> Failure {
    let log = format!("{connector}: SAML: {undone}");
    match undone {
        Undone::Busy => Failure { busy: true, ..Failure::unavailable(log) },
        Undone::Panicked => {
            tracing::error!(connector, "SAML: a message made this node fail inside; the message was refused");
            Failure::protocol(log)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_place_of_an_answer_is_free_when_the_work_is_done_or_dropped_whoever_has_gone() {
        let benches = Benches::default();
        let place = || benches.answered.enter("a request");
        let (let_go, held) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel::<()>();
        let work = place().map(|place| {
            move || {
                let _place = place;
                _ = held.recv();
                drop(done);
            }
        });
        {
            let asked = std::pin::pin!(benches.answers.run(work.unwrap()));
            assert!(futures::poll!(asked).is_pending());
        }
        assert!(place().is_none(), "whoever asked has gone, and a worker is at it");
        assert!(benches.answered.enter("another request").is_some());
        drop(let_go);
        assert!(is_done.recv().is_err(), "the work is done");
        while place().is_none() {
            tokio::task::yield_now().await;
        }
        let waits = place();
        assert!(waits.is_some() && place().is_none());
        drop(waits);
        assert!(place().is_some());
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
