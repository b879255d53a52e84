//! The last look before leaving: nobody is sent to a page that is dead, as far as can be seen from here.
//!
//! A connector is looked at before a browser is redirected to it. Where its last success is young ([`FRESH`]) a knock is enough:
//! a connection, and nothing asked. Order wins, speed does not: [`before_leaving`] begins to look at the next one after [`HEDGE`], and the
//! first one's answer counts all the same until its deadline has passed. Looks are shared: one flight per connector,
//! whoever asks. What a look found is a sample, taken in once per flight.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared, WeakShared};
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use mangrove_connectors::{Knock, Look};
use mangrove_continuity::simulated::SIMULATED;
use mangrove_continuity::{Moment, Sample};
use mangrove_keys::ambient;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::watch::Member;

/// Age of a last success at which a connector is asked, at most; a shorter interval makes it shorter. Other people's providers
/// limit such requests, so a younger success stands, if a connection does. A root is ours: it may be asked as often as people
/// sign in. Those who come at once share a look.
const FRESH: Duration = Duration::from_secs(5);
const FRESH_ROOT: Duration = Duration::ZERO;

/// The same for a root when this node is asked what it can do: however many nodes ask, the layers above are asked four
/// times a second.
const FRESH_ROOT_IN_A_WORD: Duration = Duration::from_millis(250);

/// Least and most patience of a look, with somebody who is not far away.
const LEAST_PATIENCE: Duration = Duration::from_millis(400);
const MOST_PATIENCE: Duration = Duration::from_secs(1);
/// Nobody is farther away than this.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);

/// From the beginning of a look to that of the look at the next connector.
const HEDGE: Duration = Duration::from_millis(150);

/// How long a knock waits for a door to open.
const KNOCK: Duration = HEDGE;

/// For how long the outcome of a parallel look stands.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// A look under way; every clone drives it.
pub(crate) type Flight = Shared<BoxFuture<'static, Look>>;

/// The same, for who begins none.
pub(crate) type UnderWay = WeakShared<BoxFuture<'static, Look>>;

/// What a look is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// To send somebody there, with others to send them to.
    BeforeLeaving,
    /// Because nobody else is left, where an endpoint judges the connector.
    AtLast,
}

/// The look at one connector that is under way, and the last one that ended.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    flight: Option<UnderWay>,
    last: Option<(Moment, Look)>,
    /// The flight is taken to its end whoever waits for it.
    kept: bool,
}

/// Looks that nobody waits for any more and that are taken to their end all the same: who asked had less patience.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    queue: Mutex<Vec<Flight>>,
    wake: Notify,
}

impl Keeper {
    fn keep(&self, flight: Flight) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(flight);
        self.wake.notify_one();
    }

    /// Takes kept looks to their end; a task, until it is dropped.
    pub(crate) async fn run(&self) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = self.wake.notified() => {
                    under_way.extend(self.queue.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
                }
                Some(_) = under_way.next(), if !under_way.is_empty() => {}
            }
        }
    }
}

/// What is known of a look's outcome by the login that asked for it.
#[derive(Debug)]
pub(crate) struct Looked {
    /// What it found.
    pub(crate) look: Look,
    /// How long this login waited for it.
    pub(crate) waited: Duration,
    /// The look at the next connector, if it has begun: as long as somebody holds it, it can be gone on with.
    pub(crate) next: Option<Flight>,
}

impl Looked {
    /// Nobody was there to be looked at.
    pub(crate) fn in_vain(why: &str) -> Self {
        let look = Look::Failed { why: why.to_owned(), timed_out: false };
        Self { look, waited: Duration::ZERO, next: None }
    }
}

/// Looks at `first`, and after a moment at `next`, which waits its turn.
pub(crate) async fn before_leaving(first: &Arc<Member>, next: Option<&Arc<Member>>) -> Looked {
    let began = ambient::now();
    let mut flight = first.look(first.patience());
    let next = next.filter(|next| next.wants_a_look());
    let Some(next) = next else {
        return Looked { look: flight.await, waited: ambient::now().since(began), next: None };
    };
    tokio::select! {
        biased;
        look = &mut flight => return Looked { look, waited: ambient::now().since(began), next: None },
        () = sleep(HEDGE) => {}
    }
    let hedge = next.look(next.patience());
    let look = tokio::select! {
        biased;
        look = flight => look,
        never = driven(hedge.clone()) => match never {},
    };
    Looked { look, waited: ambient::now().since(began), next: Some(hedge) }
}

/// Looks at `member` for at most `time`; what it found, if it found something by then. If not, `keeper` takes the look to
/// its end, so that the next one who asks knows.
pub(crate) async fn within(time: Duration, member: &Arc<Member>, keeper: &Keeper) -> Option<Look> {
    let flight = member.look(member.patience());
    let found = timeout(time, flight.clone()).await.ok();
    if found.is_none() && !std::mem::replace(&mut member.looks(Kind::BeforeLeaving).kept, true) {
        keeper.keep(flight);
    }
    found
}

/// Drives a flight and answers nothing.
async fn driven(flight: Flight) -> std::convert::Infallible {
    flight.await;
    std::future::pending().await
}

/// One look at all of `members` at once, in [`MOST_PATIENCE`] in all: the first in order that answers. What was seen less
/// than [`SHARED_FOR`] ago is not looked at again.
pub(crate) async fn all_at_once<'a>(members: &[(&'a str, Arc<Member>)]) -> Option<&'a str> {
    let now = ambient::now();
    let mut looks: FuturesOrdered<_> = members
        .iter()
        .map(|(name, member)| {
            let seen = member.seen_since(now);
            let flight = seen.is_none().then(|| member.look_at_last(MOST_PATIENCE));
            async move {
                match (seen, flight) {
                    (Some(look), _) => (*name, look),
                    (None, Some(flight)) => (*name, flight.await),
                    (None, None) => unreachable!("what was not seen is looked at"),
                }
            }
        })
        .collect();
    while let Some((name, look)) = looks.next().await {
        if matches!(look, Look::Answered { .. }) {
            let found = members.iter().find(|(member, _)| *member == name);
            if let Some((_, member)) = found.filter(|(_, member)| member.is_simulated(now)) {
                member.says_that_the_simulation_is_set_aside();
            }
            return Some(name);
        }
    }
    None
}

impl Member {
    /// Whether it is looked at before somebody is sent there, or asked for the password that it checks: everybody whom this node
    /// reaches over a network. Where it was seen a moment ago, a knock does.
    pub(crate) fn wants_a_look(&self) -> bool {
        self.connector.a_look_tells()
    }

    /// Whether its last success is too long ago to be believed before this node says of itself that it can sign people in there.
    pub(crate) fn wants_a_look_for_a_word(&self, now: Moment) -> bool {
        self.is_older_than(FRESH_ROOT_IN_A_WORD, now)
    }

    fn is_older_than(&self, root: Duration, now: Moment) -> bool {
        let health = self.health();
        let window = health.policy().interval.min(if self.connector.is_root() { root } else { FRESH });
        self.connector.a_look_tells() && health.last_success().is_none_or(|at| now.since(at) >= window)
    }

    /// Whether it may be slow rather than gone: its last look ran out of time, and what has more patience has not given it
    /// up. One that is not probed is given up by logins alone.
    pub(crate) fn may_be_slow(&self, now: Moment) -> bool {
        let ran_out =
            matches!(self.looks(Kind::BeforeLeaving).last, Some((_, Look::Failed { timed_out: true, .. })));
        let health = self.health();
        let policy = health.policy();
        let lately = health.last_success().is_some_and(|at| now.since(at) < policy.interval + policy.timeout);
        ran_out && health.standing(now).state.usable() && (lately || !policy.probed)
    }

    /// A look before leaving. A simulated outage is all that it sees while that is on.
    fn look(self: &Arc<Self>, patience: Duration) -> Flight {
        let now = ambient::now();
        if !self.is_simulated(now) {
            let young = !self.is_older_than(FRESH_ROOT, now);
            return if young { self.knock(patience) } else { self.join(Kind::BeforeLeaving, patience) };
        }
        let why = SIMULATED.to_owned();
        self.observe(&Sample::LookFailed { why: why.clone() }, now);
        futures::future::ready(Look::Failed { why, timed_out: false }).boxed().shared()
    }

    /// A knock: an open door is enough, and no sample. A closed one is what a look would have found, although it may open again
    /// before a look came: whoever restarts may be another afterwards, which only a probe can tell. Where neither is seen in a moment, it
    /// is looked at as ever; so a knock that is lost, or slow, moves nobody and no verdict.
    fn knock(self: &Arc<Self>, patience: Duration) -> Flight {
        let mut knock = self.knock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = knock.as_ref().and_then(WeakShared::upgrade).filter(|it| it.peek().is_none()) {
            return flight;
        }
        let member = Arc::clone(self);
        let knocking = async move {
            let began = ambient::now();
            match timeout(KNOCK, member.connector.opens()).await {
                Ok(Knock::Open) => Look::Answered { took: ambient::now().since(began) },
                Ok(Knock::Closed { why }) => {
                    let look = Look::Failed { why, timed_out: false };
                    member.learns(Kind::BeforeLeaving, &look);
                    look
                }
                Ok(Knock::Unsure) | Err(_) => member.join(Kind::BeforeLeaving, patience).await,
            }
        };
        let flight = knocking.boxed().shared();
        *knock = flight.downgrade();
        flight
    }

    /// A look when nobody else is left, or somebody is there already: past what is simulated, and past an endpoint that judges
    /// the connector and is silent.
    pub(crate) fn look_at_last(self: &Arc<Self>, patience: Duration) -> Flight {
        self.join(self.kind_at_last(), patience)
    }

    /// Where no endpoint judges, the two kinds are one and share their flights.
    fn kind_at_last(&self) -> Kind {
        if self.health().policy().custom_endpoint { Kind::AtLast } else { Kind::BeforeLeaving }
    }

    /// Joins the look that is under way, or begins one.
    fn join(self: &Arc<Self>, kind: Kind, patience: Duration) -> Flight {
        let mut looks = self.looks(kind);
        if let Some(flight) = looks.flight.as_ref().and_then(WeakShared::upgrade) {
            return flight;
        }
        let member = Arc::clone(self);
        let flight = async move { member.look_once(kind, patience).await }.boxed().shared();
        looks.flight = flight.downgrade();
        flight
    }

    async fn look_once(self: Arc<Self>, kind: Kind, patience: Duration) -> Look {
        let looking = async {
            match kind {
                Kind::BeforeLeaving => self.connector.look(patience).await,
                Kind::AtLast => self.connector.look_at_last(patience).await,
            }
        };
        // The connector keeps the deadline itself; this one is for what it does twice.
        let look = timeout(patience + GRACE, looking).await;
        let look = look.unwrap_or_else(|_| Look::Failed { why: "no answer in time".into(), timed_out: true });
        self.learns(kind, &look);
        let mut looks = self.looks(kind);
        (looks.flight, looks.kept) = (None, false);
        look
    }

    /// Takes in what was found. What the provider says past its judge is no sample.
    fn learns(&self, kind: Kind, look: &Look) {
        let now = ambient::now();
        if kind == Kind::BeforeLeaving || matches!(look, Look::Refused { .. }) {
            if let Look::Answered { took } = look {
                self.health().took(*took);
            }
            self.observe(&sample_of(look), now);
        }
        self.looks(kind).last = Some((now, look.clone()));
    }

    /// How long a look at it may take.
    pub(crate) fn patience(&self) -> Duration {
        let health = self.health();
        patience(health.usual_time(), health.policy().timeout)
    }

    /// Something newer is known than what the last look found.
    pub(crate) fn forget_look(&self) {
        self.looks(Kind::BeforeLeaving).last = None;
        self.looks(Kind::AtLast).last = None;
    }

    fn seen_since(&self, now: Moment) -> Option<Look> {
        let looks = self.looks(self.kind_at_last());
        looks.last.as_ref().filter(|(at, _)| now.since(*at) < SHARED_FOR).map(|(_, look)| look.clone())
    }

    fn looks(&self, kind: Kind) -> MutexGuard<'_, Looks> {
        let looks = match kind {
            Kind::BeforeLeaving => &self.looks,
            Kind::AtLast => &self.looks_at_last,
        };
        looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look taught about a member.
pub(crate) fn sample_of(look: &Look) -> Sample {
    match look {
        Look::Answered { .. } => Sample::LookSucceeded,
        Look::Failed { why, .. } => Sample::LookFailed { why: why.clone() },
        Look::SaysNo { why } => Sample::ProviderSaysNo { why: why.clone() },
        Look::Refused { why } => Sample::EndpointRefused { why: why.clone() },
        Look::Misconfigured { why } => Sample::Misconfigured { why: why.clone() },
    }
}

/// Time in which the connector's own deadline passes first.
const GRACE: Duration = Duration::from_millis(10);

/// How long a look may take: four times what is usual, within bounds; the most where nothing is known. Who is far away gets
/// half again what is usual and two round trips for a new connection, up to the `timeout` of a probe: else everybody would be sent
/// elsewhere while it is well. No round trip is taken for longer than a second, so that who is slow and not far gets little of it.
fn patience(usual: Duration, timeout: Duration) -> Duration {
    if usual.is_zero() {
        return MOST_PATIENCE;
    }
    let connecting = usual.min(LONGEST_ROUND_TRIP) * 2;
    let far = (usual * 3 / 2 + connecting).min(timeout);
    (usual * 4).clamp(LEAST_PATIENCE, MOST_PATIENCE).max(far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_may_take_four_times_what_is_usual_within_bounds() {
        assert_eq!([2, 100, 150, 200, 280].map(after), [400, 400, 600, 800, 1_000]);
        assert_eq!(patience(Duration::ZERO, TIMEOUT), MOST_PATIENCE);
    }

    #[test]
    fn a_far_provider_is_not_passed_over_for_being_far() {
        assert_eq!(
            [600, 800, 1_800].map(after),
            [2_100, 2_800, 4_000],
            "three round trips where nothing is kept"
        );
        let slow = patience(Duration::from_secs(6), Duration::from_secs(30));
        assert_eq!(slow, Duration::from_secs(11), "who is slow is waited for as before, and two seconds");
    }

    const TIMEOUT: Duration = Duration::from_secs(4);

    fn after(usual: u64) -> u128 {
        patience(Duration::from_millis(usual), TIMEOUT).as_millis()
    }
}
