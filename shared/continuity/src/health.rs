//! The health of one connector.
//!
//! ```text
//!            failure                 unhealthyThreshold failures, or a plain no
//!  Unknown ──────────► Suspect ─────────────────────────────────► Down ◄──┐ failure
//!     │                  ▲ │                                       │      │
//!     │          failure │ │ healthyThreshold                      ▼      │
//!     └────────────────► Healthy ◄───────────────────────────── Probing ──┘
//!      successful probes      healthyThreshold successful probes
//! ```
//!
//! **What is known comes in samples**, and they do not weigh the same.
//!
//! *Probes* are the connector's own question, asked every interval. `unhealthy_threshold` failures in a row make it
//! Down, `healthy_threshold` successes in a row make it Healthy, from whatever state: it takes as much to be believed
//! again after a hiccup as at the start. In between it is Unknown or Suspect, and both are usable; only a verdict takes a
//! connector out. While nothing is known and probes succeed, they follow each other quickly, so that a start is not
//! Unknown for minutes.
//!
//! *A plain no* — a custom endpoint that answers and does not match, a provider that says it cannot sign people in —
//! acts at once: it is information, not the absence of it.
//!
//! *Looks* are probes with a short deadline, made because somebody is about to be sent there. A failed one makes the
//! connector Suspect and asks for a probe at once, and until anything succeeds it is *doubted*: used only if nobody else
//! can be (one that is not probed: for an interval). It does not count towards Down, because its deadline is a fraction of a probe's and many logins in one bad
//! second would otherwise add up to a verdict that takes minutes to undo. A successful look ends doubt and breaks a row
//! of failures, and never counts towards Healthy.
//!
//! *Logins* are seen on the back channel only. One that got no answer makes the connector Suspect and asks for a probe;
//! `unhealthy_threshold` different logins with no success between make it Down. The same login twice counts once. An
//! answered one breaks both rows. Where there is a custom endpoint, logins change nothing but ask for a probe: who points
//! at an endpoint wants that to be the judge.
//!
//! **Without probes** (health checks switched off) only logins judge. Down then lasts one interval, and after it the
//! connector is Suspect again, so that the next login may find out: nothing else would ever bring it back. That login's
//! failure is enough to be Down for another interval; its success makes it Unknown, since only probes make Healthy.
//!
//! **A simulated outage** (see [`simulated`](crate::simulated)) hides what is good while it is on; who asks feeds in failures.
//!
//! **Misconfigured** stands beside the state: the provider answers, so a row of failures is broken, but it does not know this
//! node any more. It stays out until [`Sample::ConfigurationWorks`].

use std::collections::BTreeSet;
use std::time::Duration;

use crate::order::{Order, Standing};
pub use crate::sample::{HealthPolicy, Sample, State, Transition};
use crate::simulated::Phase;
use crate::time::Moment;

/// The health of one connector: everything that samples and operators said about it, and the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Health {
    policy: HealthPolicy,
    watched_since: Moment,
    state: State,
    since: Moment,
    failures: u32,
    successes: u32,
    unanswered: BTreeSet<u64>,
    refused: bool,
    doubted: Option<Moment>,
    probe_wanted: bool,
    misconfigured: Option<String>,
    last_success: Option<Moment>,
    last_sample: Option<Moment>,
    last_failure: Option<String>,
    usual_time: Duration,
    order: Option<Order>,
}

impl Health {
    /// A connector about which nothing is known.
    pub fn new(policy: HealthPolicy, now: Moment) -> Self {
        Self {
            policy,
            watched_since: now,
            state: State::Unknown,
            since: now,
            failures: 0,
            successes: 0,
            unanswered: BTreeSet::new(),
            refused: false,
            doubted: None,
            probe_wanted: false,
            misconfigured: None,
            last_success: None,
            last_sample: None,
            last_failure: None,
            usual_time: Duration::ZERO,
            order: None,
        }
    }

    /// Takes in a sample. Returns what has to be told: a change of state, but not each failed attempt to come back.
    pub fn observe(&mut self, sample: &Sample, now: Moment) -> Option<Transition> {
        if sample.is_good() && self.is_simulated(now) {
            return None;
        }
        if !(sample.is_of_a_login() && self.policy.custom_endpoint) {
            self.last_sample = Some(now);
        }
        match sample {
            Sample::ProbeSucceeded => self.probe_succeeded(now),
            Sample::ProbeFailed { why } => self.probe_failed(why, now),
            Sample::EndpointRefused { why } => {
                self.refused = true;
                self.said_no(why, now)
            }
            Sample::ProviderSaysNo { why } => self.said_no(why, now),
            Sample::LookSucceeded => {
                self.something_succeeded(now);
                None
            }
            Sample::LookFailed { why } => self.look_failed(why, now),
            Sample::LoginAnswered => self.login_answered(now),
            Sample::LoginUnanswered { login } => self.login_unanswered(*login, now),
            Sample::Misconfigured { why } => self.found_misconfigured(why, now),
            Sample::ConfigurationWorks => self.found_configured(now),
        }
    }

    /// A probe is on its way: who was Down is Probing until its outcome is known.
    pub fn probe_begins(&mut self, _now: Moment) {
        self.probe_wanted = false;
        if self.state == State::Down {
            self.state = State::Probing;
        }
    }

    /// When the next probe is due, given when the last one began. Jitter (`chance` in [0, 1)) only shortens the
    /// interval, by at most a fifth, so that a verdict comes within interval × threshold + timeout. A first success
    /// is followed up within a second.
    pub fn next_probe(&self, last: Moment, chance: f64) -> Moment {
        let hurry = self.state == State::Unknown && self.successes > 0;
        let interval = if hurry { self.policy.interval.min(FIRST_VERDICT) } else { self.policy.interval };
        last + interval.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
    }

    /// Whether a look or a login raised a doubt that only a probe can settle: probe at once, whenever the next is due.
    pub fn wants_probe_now(&self) -> bool {
        self.probe_wanted
    }

    /// The verdict as it was last reached. One that is not probed may be usable again by now: see [`Self::standing`].
    pub fn state(&self) -> State {
        self.state
    }

    /// When the state was entered; for Probing, when it went Down.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// When a probe, a look or a login last succeeded.
    pub fn last_success(&self) -> Option<Moment> {
        self.last_success
    }

    /// When the newest sample came that could change the verdict: so old is what the verdict stands on.
    pub fn last_sample(&self) -> Option<Moment> {
        self.last_sample
    }

    /// The last failure, in words, whether or not it has been made good since.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// How long a successful question usually takes; zero while unknown.
    pub fn usual_time(&self) -> Duration {
        self.usual_time
    }

    /// A successful question took this long: an eighth of it goes into the usual time.
    pub fn took(&mut self, time: Duration) {
        self.usual_time =
            if self.usual_time.is_zero() { time } else { (self.usual_time * 7).saturating_add(time) / 8 };
    }

    /// Sets or takes back an operator's order.
    pub fn order(&mut self, order: Option<Order>) {
        self.order = order;
    }

    /// Where the outage is that is to be simulated, if there is one.
    pub fn simulation(&self, now: Moment) -> Option<Phase> {
        Some(self.policy.simulated?.phase(self.watched_since, now))
    }

    /// Whether an outage is being simulated: whoever looks finds [`SIMULATED`](crate::simulated::SIMULATED).
    pub fn is_simulated(&self, now: Moment) -> bool {
        matches!(self.simulation(now), Some(Phase::On(_)))
    }

    /// The policy it is judged by.
    pub fn policy(&self) -> &HealthPolicy {
        &self.policy
    }

    /// What choosing needs, as of `now`: orders that ended are gone, and a Down that nothing probes ends after an
    /// interval.
    pub fn standing(&self, now: Moment) -> Standing {
        let released = self.hold_is_over(now);
        let state = if released { State::Suspect } else { self.state };
        Standing {
            state,
            since: self.since,
            why: if state == State::Healthy { None } else { self.last_failure.clone() },
            order: self.order.clone().filter(|order| order.holds(now)),
            misconfigured: self.misconfigured.clone(),
            refused: self.refused && !released,
            doubted: self.doubted.is_some_and(|at| self.policy.probed || now < at + self.policy.interval),
            simulated: self.is_simulated(now),
        }
    }

    fn probe_succeeded(&mut self, now: Moment) -> Option<Transition> {
        self.something_succeeded(now);
        self.refused = false;
        self.successes = self.successes.saturating_add(1);
        if self.successes < self.policy.healthy_threshold {
            return None;
        }
        self.enter(State::Healthy, &format!("{} probes in a row succeeded", self.successes), now)
    }

    fn probe_failed(&mut self, why: &str, now: Moment) -> Option<Transition> {
        self.something_failed(why);
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        if self.is_out() {
            return self.back_to_down();
        }
        if self.failures >= self.policy.unhealthy_threshold {
            return self.enter(State::Down, &format!("{} probes in a row failed: {why}", self.failures), now);
        }
        self.enter(State::Suspect, why, now)
    }

    fn said_no(&mut self, why: &str, now: Moment) -> Option<Transition> {
        self.something_failed(why);
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        if self.is_out() { self.back_to_down() } else { self.enter(State::Down, why, now) }
    }

    fn look_failed(&mut self, why: &str, now: Moment) -> Option<Transition> {
        self.something_failed(why);
        self.doubted = Some(now);
        self.probe_wanted = self.policy.probed;
        if self.is_out() { None } else { self.enter(State::Suspect, why, now) }
    }

    fn login_answered(&mut self, now: Moment) -> Option<Transition> {
        if self.policy.custom_endpoint {
            return None;
        }
        self.something_succeeded(now);
        if self.policy.probed { None } else { self.enter(State::Unknown, "a login was answered", now) }
    }

    fn login_unanswered(&mut self, login: u64, now: Moment) -> Option<Transition> {
        self.probe_wanted = self.policy.probed;
        if self.policy.custom_endpoint {
            return None;
        }
        self.something_failed("a login got no answer on the back channel");
        let enough = self.policy.unhealthy_threshold.max(1) as usize;
        if self.unanswered.len() < enough {
            self.unanswered.insert(login);
        }
        if self.hold_is_over(now) {
            self.since = now;
        }
        if self.is_out() {
            return None;
        }
        if self.unanswered.len() >= enough {
            let why = format!("{enough} different logins got no answer on the back channel");
            return self.enter(State::Down, &why, now);
        }
        self.enter(State::Suspect, "a login got no answer on the back channel", now)
    }

    fn found_misconfigured(&mut self, why: &str, now: Moment) -> Option<Transition> {
        // Whoever says so is there: two restarts, with days of it between them, are no two failures in a row. An endpoint says
        // nothing of the kind, and judges alone.
        if !self.policy.custom_endpoint {
            self.failures = 0;
            self.unanswered.clear();
        }
        let is_news = self.misconfigured.is_none();
        self.misconfigured = Some(why.to_owned());
        is_news.then(|| self.unchanged(&format!("misconfigured: {why}"), now))
    }

    fn found_configured(&mut self, now: Moment) -> Option<Transition> {
        self.misconfigured.take().map(|_| self.unchanged("its configuration works again", now))
    }

    fn something_succeeded(&mut self, now: Moment) {
        self.last_success = Some(now);
        self.failures = 0;
        self.unanswered.clear();
        self.doubted = None;
        self.probe_wanted = false;
    }

    fn something_failed(&mut self, why: &str) {
        self.last_failure = Some(why.to_owned());
    }

    fn is_out(&self) -> bool {
        !self.state.usable()
    }

    fn hold_is_over(&self, now: Moment) -> bool {
        !self.policy.probed && self.is_out() && now >= self.since + self.policy.interval
    }

    /// A failed attempt to return: it is Down since when it went down, and that is no news.
    fn back_to_down(&mut self) -> Option<Transition> {
        self.state = State::Down;
        None
    }

    fn enter(&mut self, to: State, why: &str, now: Moment) -> Option<Transition> {
        if self.state == to {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        Some(Transition { from, to, why: why.to_owned(), at: now })
    }

    fn unchanged(&self, why: &str, now: Moment) -> Transition {
        Transition { from: self.state, to: self.state, why: why.to_owned(), at: now }
    }
}

/// By how much of itself an interval may be shortened.
const JITTER: f64 = 0.2;

/// Between probes of a connector that has answered and is not known yet.
const FIRST_VERDICT: Duration = Duration::from_secs(1);
