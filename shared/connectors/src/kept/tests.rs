//! A source on a clock that the test moves, and what holds whatever happens to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as Lock, PoisonError};

use futures::FutureExt;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;

/// A provider that publishes numbers.
#[derive(Debug)]
pub(crate) struct Numbers {
    clock: AtomicU64,
    /// What it publishes; nothing while it is dead.
    publishes: Lock<Option<u32>>,
    /// Each fetch: when, and what came.
    fetches: Lock<Vec<(Moment, Option<u32>)>>,
    /// A fetch ends when it gets one.
    lets_go: Semaphore,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            clock: AtomicU64::new(1_000_000),
            publishes: Lock::new(Some(1)),
            fetches: Lock::default(),
            lets_go: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }
}

fn locked<T>(lock: &Lock<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Numbers {
    fn publishes(&self, number: Option<u32>) {
        *locked(&self.publishes) = number;
    }

    fn passes(&self, time: Duration) {
        self.clock.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }

    fn fetches(&self) -> Vec<(Moment, Option<u32>)> {
        locked(&self.fetches).clone()
    }
}

impl Source for Arc<Numbers> {
    type Answer = u32;
    type Why = &'static str;

    async fn fetch(&self, _: Option<&u32>, _: &Limits, _: u64) -> Result<u32, &'static str> {
        drop(self.lets_go.acquire().await);
        let came = *locked(&self.publishes);
        locked(&self.fetches).push((self.now(), came));
        came.ok_or("dead")
    }

    fn unanswered() -> &'static str {
        "unanswered"
    }

    fn now(&self) -> Moment {
        Moment::default() + Duration::from_millis(self.clock.load(Ordering::Relaxed))
    }
}

/// Any source, on clocks that the test puts forward, with its fetches counted.
#[derive(Debug)]
pub(crate) struct Ahead<S> {
    source: S,
    seconds: AtomicU64,
    fetches: AtomicU64,
}

impl<S> Ahead<S> {
    pub(crate) fn of(source: S) -> Self {
        Self { source, seconds: AtomicU64::new(0), fetches: AtomicU64::new(0) }
    }

    pub(crate) fn passes(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Fetches so far.
    pub(crate) fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }
}

impl<S: Source> Source for Ahead<S> {
    type Answer = S::Answer;
    type Why = S::Why;

    async fn fetch(&self, last: Option<&S::Answer>, limits: &Limits, unix: u64) -> Result<S::Answer, S::Why> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.source.fetch(last, limits, unix).await
    }

    fn unanswered() -> S::Why {
        S::unanswered()
    }

    fn news(&self, last: Option<&S::Answer>, new: &S::Answer) {
        self.source.news(last, new);
    }

    fn refresh(&self, answer: &S::Answer) -> Duration {
        self.source.refresh(answer)
    }

    fn end(&self, answer: &S::Answer) -> Option<u64> {
        self.source.end(answer)
    }

    fn now(&self) -> Moment {
        self.source.now() + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }

    fn unix_now(&self) -> u64 {
        self.source.unix_now() + self.seconds.load(Ordering::Relaxed)
    }
}

const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

fn kept() -> (Arc<Numbers>, Arc<Kept<Arc<Numbers>>>) {
    let numbers = Arc::new(Numbers::default());
    (Arc::clone(&numbers), Kept::new("idp", numbers, MAX_AGE, None))
}

#[derive(Debug, Clone)]
enum Happens {
    Time(Duration),
    Publishes(Option<u32>),
    Login,
    Probe,
    UnknownKey,
}

fn happens() -> impl Strategy<Value = Happens> {
    let time = prop_oneof![0..15_u64, 0..120_u64, 0..7_200_u64, 0..100_000_u64];
    prop_oneof![
        3 => time.prop_map(|seconds| Happens::Time(Duration::from_secs(seconds))),
        1 => any::<Option<u32>>().prop_map(Happens::Publishes),
        4 => Just(Happens::Login),
        1 => Just(Happens::Probe),
        2 => Just(Happens::UnknownKey),
    ]
}

/// What every login may rely on, whatever came before it.
async fn holds(story: Vec<Happens>) -> Result<(), TestCaseError> {
    let (numbers, kept) = kept();
    let mut for_keys: Vec<Moment> = Vec::new();
    for event in story {
        numbers.passes(Duration::from_millis(1)); // nothing happens at the same time as something else
        let (before, now) = (numbers.fetches(), numbers.now());
        let last_good = before.iter().rev().find_map(|(at, came)| Some((*at, (*came)?)));
        let usable = last_good.filter(|(at, _)| now.since(*at) < MAX_AGE);
        match event {
            Happens::Time(time) => numbers.passes(time),
            Happens::Publishes(number) => numbers.publishes(number),
            Happens::Probe => {
                let looked = kept.look(&Limits::DOCUMENT).await;
                prop_assert_eq!(looked.ok().as_deref().copied(), *locked(&numbers.publishes));
                prop_assert_eq!(numbers.fetches().len(), before.len() + 1, "a probe fetches");
            }
            Happens::UnknownKey => {
                let Some(known) = kept.last_good() else { continue };
                _ = kept.for_unknown_key(&known).await;
                let fetched = numbers.fetches().len() - before.len();
                let just_now = for_keys.last().is_some_and(|last| now.since(*last) < KEY_PAUSE);
                prop_assert_eq!(fetched, usize::from(!just_now), "once in a while");
                for_keys.extend((fetched > 0).then_some(now));
            }
            Happens::Login => {
                let answered = kept.published().await;
                let fetched = numbers.fetches().get(before.len()).copied();
                let fresh = usable.is_some_and(|(at, _)| now.since(at) < REFRESH);
                let spared =
                    before.last().is_some_and(|(at, came)| came.is_none() && now.since(*at) < REFRESH_PAUSE);
                let wants = !(fresh || usable.is_some() && spared);
                prop_assert_eq!(
                    fetched.is_some(),
                    wants,
                    "a login fetches what is old, and spares who just failed"
                );
                let expected = fetched.and_then(|(_, came)| came).or(usable.map(|(_, number)| number));
                prop_assert_eq!(
                    answered.ok().as_deref().copied(),
                    expected,
                    "the last good answer, while it is young"
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_happens_a_login_gets_the_last_good_answer_while_it_may_be_used(
        story in prop::collection::vec(happens(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(holds(story))?;
    }
}

/// Polls once, so that whoever has to wait waits.
async fn waits<T>(doing: &mut (impl Future<Output = T> + Unpin)) {
    assert!(futures::poll!(doing).is_pending());
}

#[tokio::test]
async fn who_waited_for_a_fetch_takes_its_result_good_or_bad() {
    for publishes in [Some(7), None] {
        let (numbers, kept) = kept();
        numbers.publishes(publishes);
        numbers.lets_go.forget_permits(Semaphore::MAX_PERMITS);
        let mut logins: Vec<_> = (0..20).map(|_| Box::pin(kept.published())).collect();
        for login in &mut logins {
            waits(login).await;
        }
        numbers.lets_go.add_permits(1);
        let ended = futures::future::join_all(logins).await;
        assert!(ended.into_iter().all(|one| one.ok().as_deref().copied() == publishes));
        assert_eq!(numbers.fetches().len(), 1);
    }
}

#[tokio::test]
async fn who_is_given_up_makes_room_for_the_next() {
    let (numbers, kept) = kept();
    numbers.lets_go.forget_permits(Semaphore::MAX_PERMITS);
    let mut gone = Box::pin(kept.published());
    waits(&mut gone).await;
    drop(gone);
    numbers.lets_go.add_permits(1);
    assert_eq!(kept.published().await.as_deref(), Ok(&1));
}

#[tokio::test]
async fn who_invents_a_key_and_goes_away_takes_no_turn_from_whoever_brings_a_new_one() {
    let (numbers, kept) = kept();
    let known = kept.published().await.expect("it is alive");
    numbers.publishes(Some(2));
    numbers.lets_go.forget_permits(Semaphore::MAX_PERMITS);
    let mut forger = Box::pin(kept.for_unknown_key(&known));
    waits(&mut forger).await;
    drop(forger);
    numbers.lets_go.add_permits(1);
    assert_eq!(kept.for_unknown_key(&known).await.expect("it is alive").as_deref(), Some(&2));
}

#[tokio::test]
async fn nobody_waits_for_a_fetch_while_the_answer_is_young() {
    let (numbers, kept) = kept();
    kept.published().await.expect("it is alive");
    numbers.lets_go.forget_permits(Semaphore::MAX_PERMITS);
    let mut probe = Box::pin(kept.look(&Limits::DOCUMENT));
    waits(&mut probe).await;
    assert_eq!(kept.published().now_or_never().expect("no waiting").as_deref(), Ok(&1));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_is_waited_for_only_where_nothing_is_known_and_no_longer_than_patience() {
    let (numbers, kept) = kept();
    for known in [false, true] {
        numbers.lets_go.forget_permits(Semaphore::MAX_PERMITS);
        let mut probe = Box::pin(kept.look(&Limits::DOCUMENT));
        waits(&mut probe).await;
        numbers.passes(REFRESH);
        let began = Instant::now();
        let answered = kept.published().await;
        let expected = if known { (Ok(&1), Duration::ZERO) } else { (Err(&"unanswered"), PATIENCE) };
        assert_eq!((answered.as_deref(), began.elapsed()), expected);
        numbers.lets_go.add_permits(1);
        probe.await.expect("it is alive");
        numbers.lets_go.add_permits(100);
    }
}

#[tokio::test(start_paused = true)]
async fn one_login_waits_a_moment_for_what_is_old_and_silent_the_others_not_at_all_and_it_is_renewed_beside()
{
    let (numbers, kept) = kept();
    kept.published().await.expect("it is alive");
    numbers.publishes(Some(2));
    numbers.passes(REFRESH);
    numbers.lets_go.forget_permits(Semaphore::MAX_PERMITS);
    for waited in [MOMENT, Duration::ZERO, Duration::ZERO] {
        let began = Instant::now();
        assert_eq!(kept.published().await.as_deref(), Ok(&1));
        assert_eq!(began.elapsed(), waited);
    }
    numbers.lets_go.add_permits(1);
    while kept.known().as_deref() != Some(&2) {
        tokio::task::yield_now().await;
    }
    assert_eq!(numbers.fetches().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_behind_a_fetch_that_hangs_ends_within_its_own_time() {
    let (numbers, kept) = kept();
    numbers.lets_go.forget_permits(Semaphore::MAX_PERMITS);
    let mut login = Box::pin(kept.published());
    waits(&mut login).await;
    let (began, second) = (Instant::now(), Duration::from_secs(1));
    let looked = kept.look(&Limits { total: second, ..Limits::DOCUMENT }).await;
    assert_eq!((looked, began.elapsed()), (Err("unanswered"), second));
}

#[tokio::test]
async fn a_hasty_first_answer_is_kept_only_while_there_is_no_other() {
    let (numbers, kept) = kept();
    kept.first(&Limits::DOCUMENT).await.expect("it is alive");
    numbers.publishes(Some(2));
    kept.first(&Limits::DOCUMENT).await.expect("it is alive");
    assert_eq!(kept.known().as_deref(), Some(&1));
}
