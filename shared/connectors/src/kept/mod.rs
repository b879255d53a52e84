//! What a provider publishes, kept: who fetches it, when it is fetched again, and for how long it is believed.
//!
//! A good fetch replaces everything at once, so whatever the provider took back is gone with it. A failed fetch changes nothing:
//! the last good answer is used until it is `keysMaxAge` old, or past an end that it names itself. One fetch runs at a time; who
//! waited for it takes its result. Nobody waits long while there is an answer that may be used: whoever finds it old has it fetched
//! again beside, and looks for [`MOMENT`] whether that brings something. An unknown key may cause a fetch, at most one every
//! [`KEY_PAUSE`], because anybody can invent one. Whoever needs what is fresh takes it without a lock. What is fetched, and what it
//! means, is the [`Source`]'s.

#[cfg(test)]
pub(crate) mod tests;

use std::fmt::{Debug, Display};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::http::Limits;

/// Age at which an answer is fetched again although it may still be used, unless the source says otherwise.
pub(crate) const REFRESH: Duration = Duration::from_secs(3600);
/// Pause after a failed refresh while the last good answer serves.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// How long the one login that has an old answer fetched again waits for the new one.
const MOMENT: Duration = Duration::from_millis(300);
/// How long a login that has nothing to go by waits for a fetch that is under way, such as a patient probe's.
const PATIENCE: Duration = Duration::from_secs(4);
/// Pause between two fetches because of an unknown key.
const KEY_PAUSE: Duration = Duration::from_secs(10);

/// Where answers come from.
pub(crate) trait Source: Debug + Send + Sync + 'static {
    /// What is published.
    type Answer: Debug + Send + Sync;
    /// Why nothing was fetched.
    type Why: Debug + Display + Clone + Send;

    /// Fetches. `last`: what the last good fetch brought, however long ago; `unix`: now, in seconds since 1970.
    fn fetch(
        &self,
        last: Option<&Self::Answer>,
        limits: &Limits,
        unix: u64,
    ) -> impl Future<Output = Result<Self::Answer, Self::Why>> + Send;

    /// What it comes to when a fetch that is under way is waited for no longer.
    fn unanswered() -> Self::Why;

    /// A new answer is about to take the last one's place: the moment to say what changed.
    fn news(&self, _last: Option<&Self::Answer>, _new: &Self::Answer) {}

    /// Age at which an answer is fetched again although it may still be used.
    fn refresh(&self, _answer: &Self::Answer) -> Duration {
        REFRESH
    }

    /// When an answer says that it ends, in seconds since 1970.
    fn end(&self, _answer: &Self::Answer) -> Option<u64> {
        None
    }

    /// The monotonic clock.
    fn now(&self) -> Moment {
        ambient::now()
    }

    /// The wall clock, in seconds since 1970.
    fn unix_now(&self) -> u64 {
        ambient::unix_now()
    }
}

/// The last good answer of a source, and what is needed to get the next.
#[derive(Debug)]
pub(crate) struct Kept<S: Source> {
    connector: String,
    source: S,
    max_age: Duration,
    good: ArcSwapOption<Good<S::Answer>>,
    flight: Arc<Mutex<Flight<S::Why>>>,
    /// The fetch that ends whether or not anybody waits for it: one at most, because it holds the flight.
    beside: Lock<JoinSet<()>>,
}

/// One good fetch.
#[derive(Debug)]
struct Good<A> {
    answer: Arc<A>,
    at: Moment,
}

/// What a fetch comes to.
type Fetched<S> = Result<Arc<<S as Source>::Answer>, <S as Source>::Why>;

/// The last fetch that ended.
#[derive(Debug)]
struct Flight<W> {
    failed: Option<(Moment, W)>,
    for_key: Option<Moment>,
}

impl<S: Source> Kept<S> {
    /// `first`: an answer that is there already. No answer is used for longer than `max_age`.
    pub(crate) fn new(connector: &str, source: S, max_age: Duration, first: Option<S::Answer>) -> Arc<Self> {
        let flight = Arc::new(Mutex::new(Flight { failed: None, for_key: None }));
        let kept = Self {
            connector: connector.to_owned(),
            source,
            max_age,
            good: ArcSwapOption::empty(),
            flight,
            beside: Lock::default(),
        };
        if let Some(first) = first {
            kept.take(first);
        }
        Arc::new(kept)
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// The last good answer, however old; for what does no harm when it is stale.
    pub(crate) fn last_good(&self) -> Option<Arc<S::Answer>> {
        self.good.load().as_ref().map(|good| Arc::clone(&good.answer))
    }

    /// What may be used now without asking anybody.
    pub(crate) fn known(&self) -> Option<Arc<S::Answer>> {
        self.younger_than(|_| self.max_age, self.source.now())
    }

    /// What the provider publishes, for a login.
    ///
    /// # Errors
    /// Why the fetch came to nothing, where no earlier answer may be used.
    pub(crate) async fn published(self: &Arc<Self>) -> Result<Arc<S::Answer>, S::Why> {
        let asked = self.source.now();
        if let Some(fresh) = self.fresh(asked) {
            return Ok(fresh);
        }
        let Some(old) = self.known() else { return self.awaited(asked).await };
        if let Some(renewed) = self.renewed() {
            drop(timeout(MOMENT, renewed).await);
        }
        Ok(self.known().unwrap_or(old))
    }

    /// What a fetch brings: the one under way, or one of its own.
    async fn awaited(&self, asked: Moment) -> Result<Arc<S::Answer>, S::Why> {
        let Ok(mut flight) = timeout(PATIENCE, self.flight.lock()).await else {
            return self.known().ok_or_else(S::unanswered);
        };
        if let Some(known) = self.known() {
            return Ok(known);
        }
        match &flight.failed {
            Some((ended, why)) if *ended >= asked => Err(why.clone()),
            _ => self.fetch(&mut flight, &Limits::DOCUMENT).await,
        }
    }

    /// Has an old answer fetched again, beside whoever found it old; not while a fetch is under way, or soon after one failed.
    fn renewed(self: &Arc<Self>) -> Option<oneshot::Receiver<Fetched<S>>> {
        let flight = Arc::clone(&self.flight).try_lock_owned().ok()?;
        let now = self.source.now();
        let failed = flight.failed.as_ref().is_some_and(|(ended, _)| now.since(*ended) < REFRESH_PAUSE);
        (!failed && self.fresh(now).is_none()).then(|| self.fetched_beside(flight))
    }

    /// Fetches, whether or not whoever waits for it goes away meanwhile.
    fn fetched_beside(
        self: &Arc<Self>,
        mut flight: OwnedMutexGuard<Flight<S::Why>>,
    ) -> oneshot::Receiver<Fetched<S>> {
        let (done, fetched) = oneshot::channel();
        let kept = Arc::clone(self);
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = beside.try_join_next() {
            if let Err(why) = ended {
                tracing::error!(connector = self.connector, %why, "a fetch ended in a bug");
            }
        }
        beside.spawn(async move {
            let fetched = kept.fetch(&mut flight, &Limits::DOCUMENT).await;
            if let Err(why) = &fetched {
                tracing::warn!(connector = kept.connector, %why, "what the last good fetch brought is used");
            }
            drop(flight);
            drop(done.send(fetched));
        });
        fetched
    }

    /// Fetches now; for probes. A fetch that is under way counts towards the time that `limits` give.
    ///
    /// # Errors
    /// Why the fetch came to nothing.
    pub(crate) async fn look(&self, limits: &Limits) -> Result<Arc<S::Answer>, S::Why> {
        let until = Instant::now() + limits.total;
        let mut flight = timeout_at(until, self.flight.lock()).await.map_err(|_| S::unanswered())?;
        let limits = Limits { total: until - Instant::now(), ..*limits };
        self.fetch(&mut flight, &limits).await
    }

    /// Something is signed by a key that is not in `known`: fetches again unless that happened just now. `None`: nothing new is
    /// known.
    ///
    /// # Errors
    /// Why the fetch came to nothing.
    pub(crate) async fn for_unknown_key(
        self: &Arc<Self>,
        known: &Arc<S::Answer>,
    ) -> Result<Option<Arc<S::Answer>>, S::Why> {
        let newer = || self.last_good().filter(|good| !Arc::ptr_eq(good, known));
        if let Some(newer) = newer() {
            return Ok(Some(newer));
        }
        let flight = timeout(PATIENCE, Arc::clone(&self.flight).lock_owned());
        let mut flight = flight.await.map_err(|_| S::unanswered())?;
        if let Some(newer) = newer() {
            return Ok(Some(newer));
        }
        let now = self.source.now();
        if flight.for_key.is_some_and(|last| now.since(last) < KEY_PAUSE) {
            return Ok(None);
        }
        flight.for_key = Some(now);
        // It ends though the asker hangs up: else whoever invents keys and goes would use up every turn.
        self.fetched_beside(flight).await.unwrap_or_else(|_| Err(S::unanswered())).map(Some)
    }

    /// Fetches past any fetch that is under way, and keeps what came only where nothing may be used yet.
    ///
    /// # Errors
    /// Why the fetch came to nothing.
    pub(crate) async fn first(&self, limits: &Limits) -> Result<(), S::Why> {
        let fetched = self.source.fetch(self.last_good().as_deref(), limits, self.source.unix_now()).await?;
        if self.known().is_none() {
            self.take(fetched);
        }
        Ok(())
    }

    async fn fetch(&self, flight: &mut Flight<S::Why>, limits: &Limits) -> Result<Arc<S::Answer>, S::Why> {
        let fetched = self.source.fetch(self.last_good().as_deref(), limits, self.source.unix_now()).await;
        flight.failed = fetched.as_ref().err().map(|why| (self.source.now(), why.clone()));
        fetched.map(|answer| self.take(answer))
    }

    fn take(&self, answer: S::Answer) -> Arc<S::Answer> {
        self.source.news(self.last_good().as_deref(), &answer);
        let answer = Arc::new(answer);
        self.good.store(Some(Arc::new(Good { answer: Arc::clone(&answer), at: self.source.now() })));
        answer
    }

    /// What need not be fetched again.
    fn fresh(&self, now: Moment) -> Option<Arc<S::Answer>> {
        self.younger_than(|answer| self.source.refresh(answer).min(self.max_age / 2), now)
    }

    fn younger_than(&self, age: impl Fn(&S::Answer) -> Duration, now: Moment) -> Option<Arc<S::Answer>> {
        let good = self.good.load();
        let good = good.as_ref().filter(|good| now.since(good.at) < age(&good.answer))?;
        let ended = self.source.end(&good.answer).is_some_and(|end| end <= self.source.unix_now());
        (!ended).then(|| Arc::clone(&good.answer))
    }
}
