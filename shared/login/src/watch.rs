//! The health of every connector of this node, and the tasks that look after it.
//!
//! Owns one small lock for each connector around the pure [`Health`], the probe tasks and operators' orders. Looks before
//! leaving are in [`crate::looks`]. Does not judge (that is `continuity`) and does not choose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use mangrove_connectors::{Connector, Look, ProbeResult};
use mangrove_continuity::order::Order;
use mangrove_continuity::{Health, Moment, Sample, Standing, State, Transition};
use mangrove_keys::ambient;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::looks::{Keeper, Looks, UnderWay};
use crate::simulation::SimulationStatus;

/// Least time from the beginning of one probe to that of the next, whatever asks for the second. From the beginning: one that
/// took all of an interval is followed at once, so that the verdict is not late.
const LEAST_GAP: Duration = Duration::from_millis(250);

/// How often a connector that does not know this node is asked whether it does again.
const REHEARSE_EVERY: Duration = Duration::from_secs(60);

/// The health of every connector.
#[derive(Debug)]
pub struct Watch {
    members: ArcSwap<BTreeMap<String, Arc<Member>>>,
    pub(crate) keeper: Keeper,
}

/// One connector, watched.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) connector: Arc<Connector>,
    health: Mutex<Health>,
    wake: Notify,
    pub(crate) looks: Mutex<Looks>,
    pub(crate) looks_at_last: Mutex<Looks>,
    /// The knock that is under way.
    pub(crate) knock: Mutex<Option<UnderWay>>,
}

/// A connector's health, for an operator.
#[derive(Debug, Clone, Serialize)]
pub struct MemberStatus {
    /// The connector.
    pub name: String,
    /// By which DNS records it was found; none where it is configured.
    pub found_by: Option<String>,
    /// Its state.
    pub state: State,
    /// For how long, in seconds.
    pub seconds: u64,
    /// Whether new logins can go there now.
    pub usable: bool,
    /// Why it cannot be chosen whatever its health, from the settings alone.
    pub unable: Option<String>,
    /// Whether it is probed.
    pub probed: bool,
    /// Seconds since it last answered.
    pub last_success_seconds: Option<u64>,
    /// The last failure, in words.
    pub last_failure: Option<String>,
    /// How long an answer usually takes, in milliseconds.
    pub usual_milliseconds: u64,
    /// Why it is out although it answers.
    pub misconfigured: Option<String>,
    /// An outage that is simulated, or is to be.
    pub simulation: Option<SimulationStatus>,
    /// An operator's order that holds now.
    pub order: Option<OrderStatus>,
}

/// An operator's order, for an operator.
#[derive(Debug, Clone, Serialize)]
pub struct OrderStatus {
    /// `drain` or `force`.
    pub what: mangrove_continuity::order::What,
    /// Who ordered it.
    pub who: String,
    /// Why.
    pub why: String,
    /// For how many more seconds; none until it is taken back.
    pub seconds_left: Option<u64>,
}

/// There is no connector of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no connector named {0}")]
pub struct UnknownConnector(pub String);

impl Watch {
    /// Nothing known about anybody.
    pub(crate) fn new(connectors: &[Arc<Connector>], now: Moment) -> Arc<Self> {
        let watch = Self { members: ArcSwap::default(), keeper: Keeper::default() };
        watch.add(connectors, now);
        Arc::new(watch)
    }

    /// Watches these as well; nothing is known about them.
    pub(crate) fn add(&self, connectors: &[Arc<Connector>], now: Moment) {
        let new: Vec<_> = connectors.iter().map(|connector| Arc::new(Member::new(connector, now))).collect();
        self.change(|members| {
            members.extend(new.iter().map(|member| (member.connector.name().to_owned(), Arc::clone(member))));
        });
    }

    /// Watches this one no more.
    pub(crate) fn remove(&self, connector: &Arc<Connector>) {
        self.change(|members| members.retain(|_, member| !Arc::ptr_eq(&member.connector, connector)));
    }

    fn change(&self, change: impl Fn(&mut BTreeMap<String, Arc<Member>>)) {
        self.members.rcu(|members| {
            let mut changed = BTreeMap::clone(members);
            change(&mut changed);
            changed
        });
    }

    /// What choosing needs to know about a connector.
    pub fn standing(&self, name: &str, now: Moment) -> Option<Standing> {
        Some(self.member(name)?.health().standing(now))
    }

    /// Takes in a sample; says so in the log where it changes the verdict, and probes at once where it raises a doubt.
    pub fn observe(&self, name: &str, sample: &Sample, now: Moment) {
        if let Some(member) = self.member(name) {
            member.observe(sample, now);
        }
    }

    /// A connector, watched.
    pub(crate) fn member(&self, name: &str) -> Option<Arc<Member>> {
        self.members.load().get(name).cloned()
    }

    /// All of them.
    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        self.members.load().values().cloned().collect()
    }

    /// When the newest sample came that could change a connector's verdict.
    pub(crate) fn last_sample(&self, name: &str) -> Option<Moment> {
        self.member(name)?.health().last_sample()
    }

    /// Sets an operator's order, or takes it back. Who takes orders says so in the log.
    ///
    /// # Errors
    /// No such connector.
    pub fn order(&self, name: &str, order: Option<Order>) -> Result<(), UnknownConnector> {
        let member = self.member(name).ok_or_else(|| UnknownConnector(name.to_owned()))?;
        member.health().order(order);
        Ok(())
    }

    /// Whether an operator named an endpoint that judges a connector.
    pub(crate) fn has_a_judge(&self, name: &str) -> bool {
        self.member(name).is_some_and(|member| member.health().policy().custom_endpoint)
    }

    /// Whether a browser that is sent to a connector's upstream now finds somebody there, past verdicts and rehearsals: a logout
    /// is for everybody who is there, and whoever has died since the last probe would keep the person on a dead page.
    pub(crate) async fn is_there(&self, name: &str) -> bool {
        let Some(member) = self.member(name) else { return false };
        matches!(member.look_at_last(member.patience()).await, Look::Answered { .. } | Look::SaysNo { .. })
    }

    /// All connectors, for an operator.
    pub fn snapshot(&self, now: Moment) -> Vec<MemberStatus> {
        self.members().iter().map(|member| member.status(now)).collect()
    }

    /// One task for each probed connector; each ends when `shutdown` is cancelled.
    pub(crate) fn tasks(
        self: &Arc<Self>,
        shutdown: &CancellationToken,
    ) -> Vec<(String, futures::future::BoxFuture<'static, ()>)> {
        let probed = self.members().into_iter().filter(|member| member.health().policy().probed);
        probed
            .map(|member| {
                let (watch, name) = (Arc::clone(self), member.connector.name().to_owned());
                let shutdown = shutdown.clone();
                let title = format!("probe {name}");
                let task: futures::future::BoxFuture<'static, ()> = Box::pin(async move {
                    shutdown.run_until_cancelled(watch.probe_while_watched(&name)).await;
                });
                (title, task)
            })
            .collect()
    }

    /// Asks misconfigured connectors once a minute whether they know this node again: discovery would never tell.
    pub(crate) async fn rehearse_for_ever(&self) {
        loop {
            tokio::time::sleep(REHEARSE_EVERY).await;
            for member in self.members() {
                let out = member.health().standing(ambient::now()).misconfigured.is_some();
                if out && member.connector.rehearse().await.is_ok() {
                    member.observe(&Sample::ConfigurationWorks, ambient::now());
                }
            }
        }
    }

    /// Probes a connector until it is watched no more.
    pub(crate) async fn probe_while_watched(&self, name: &str) {
        let Some(member) = self.member(name) else { return };
        while self.member(name).is_some_and(|watched| Arc::ptr_eq(&watched, &member)) {
            let began = ambient::now();
            member.probe_once(began).await;
            member.rest(began).await;
        }
    }
}

impl Member {
    fn new(connector: &Arc<Connector>, now: Moment) -> Self {
        Self {
            connector: Arc::clone(connector),
            health: Mutex::new(Health::new(connector.health_policy(), now)),
            wake: Notify::new(),
            looks: Mutex::default(),
            looks_at_last: Mutex::default(),
            knock: Mutex::default(),
        }
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observe(&self, sample: &Sample, now: Moment) {
        let (transition, doubt, standing) = {
            let mut health = self.health();
            let transition = health.observe(sample, now);
            (transition, health.wants_probe_now(), health.standing(now))
        };
        self.forget_look();
        if let Some(transition) = transition {
            say(self.connector.name(), &transition, &standing);
        }
        if doubt {
            self.wake.notify_one();
        }
    }

    async fn probe_once(&self, began: Moment) {
        self.health().probe_begins(began);
        let patience = self.health().policy().timeout;
        let asking = async {
            match self.simulated_probe(began) {
                Some(simulated) => simulated,
                None => self.connector.probe().await,
            }
        };
        let result = timeout(patience, asking).await.unwrap_or_else(|_| ProbeResult::Failed {
            why: format!("no answer within {} s", patience.as_secs_f64()),
            no_answer: true,
        });
        let sample = match result {
            ProbeResult::Answered { took, knows_this_node } => {
                self.health().took(took);
                if knows_this_node {
                    self.observe(&Sample::ConfigurationWorks, ambient::now());
                }
                Sample::ProbeSucceeded
            }
            ProbeResult::Misconfigured { why } => Sample::Misconfigured { why },
            ProbeResult::Failed { why, .. } => Sample::ProbeFailed { why },
            ProbeResult::SaysNo { why } => Sample::ProviderSaysNo { why },
            ProbeResult::EndpointRefused { why } => Sample::EndpointRefused { why },
        };
        self.observe(&sample, ambient::now());
    }

    /// Waits until the next probe is due, or until something raised a doubt.
    async fn rest(&self, began: Moment) {
        tokio::time::sleep(left_of_the_gap(began, ambient::now())).await;
        let chance = f64::from(u16::from_be_bytes(ambient::random())) / 65_536.0;
        let due = self.health().next_probe(began, chance);
        while !self.health().wants_probe_now() {
            let left = due.since(ambient::now());
            if left.is_zero() || timeout(left, self.wake.notified()).await.is_err() {
                return;
            }
        }
    }

    fn status(&self, now: Moment) -> MemberStatus {
        let health = self.health();
        let standing = health.standing(now);
        let out = standing.misconfigured.is_some() || !standing.state.usable();
        MemberStatus {
            name: self.connector.name().to_owned(),
            found_by: self.connector.found_by().map(str::to_owned),
            state: standing.state,
            seconds: now.since(standing.since).as_secs(),
            usable: !out && self.connector.able().is_ok(),
            unable: self.connector.able().err(),
            probed: health.policy().probed,
            last_success_seconds: health.last_success().map(|at| now.since(at).as_secs()),
            last_failure: health.last_failure().map(str::to_owned),
            usual_milliseconds: u64::try_from(health.usual_time().as_millis()).unwrap_or(u64::MAX),
            misconfigured: standing.misconfigured,
            simulation: SimulationStatus::of(health.simulation(now)),
            order: standing.order.map(|order| OrderStatus {
                what: order.what,
                who: order.who,
                why: order.why,
                seconds_left: order.until.map(|until| until.since(now).as_secs()),
            }),
        }
    }
}

fn left_of_the_gap(began: Moment, now: Moment) -> Duration {
    (began + LEAST_GAP).since(now)
}

/// One line for each change of verdict: what an operator must act on is `error`, what takes a connector out is `warn`.
fn say(name: &str, transition: &Transition, standing: &Standing) {
    let (from, to, why) = (transition.from, transition.to, transition.why.as_str());
    match (&standing.misconfigured, to) {
        (Some(_), _) if from == to => {
            tracing::error!(connector = name, state = %to, why, "connector is misconfigured and stays out");
        }
        (_, State::Down) => tracing::warn!(connector = name, %from, state = %to, why, "connector is down"),
        (_, State::Suspect) => {
            tracing::warn!(connector = name, %from, state = %to, why, "connector is suspect");
        }
        _ => tracing::info!(connector = name, %from, state = %to, why, "connector changed state"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_took_all_of_an_interval_is_followed_at_once() {
        let began = Moment::default();
        assert_eq!(left_of_the_gap(began, began + Duration::from_millis(10)), Duration::from_millis(240));
        assert_eq!(left_of_the_gap(began, began + Duration::from_secs(1)), Duration::ZERO);
    }
}
