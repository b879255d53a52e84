//! Simulated outages (`healthCheck.simulation`): said loudly when they come and go, and set aside where they would cost
//! somebody a login.
//!
//! Whoever asks a connector meanwhile, a probe or a look, is told [`SIMULATED`] instead of asking it. Sessions, logins that
//! are under way and logouts go on: the connector itself is not touched. If nobody else is left, it is asked after all.

use std::sync::Arc;

use futures::future::BoxFuture;
use mangrove_connectors::ProbeResult;
use mangrove_continuity::Moment;
use mangrove_continuity::simulated::{Phase, SIMULATED};
use mangrove_keys::ambient;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::watch::{Member, Watch};

/// A simulated outage that is not over, for an operator.
#[derive(Debug, Clone, Serialize)]
pub struct SimulationStatus {
    /// Whether it is on.
    pub on: bool,
    /// Seconds until it ends, or until it begins.
    pub seconds: u64,
}

impl SimulationStatus {
    pub(crate) fn of(phase: Option<Phase>) -> Option<Self> {
        match phase? {
            Phase::Due(time) => Some(Self { on: false, seconds: time.as_secs() }),
            Phase::On(time) => Some(Self { on: true, seconds: time.as_secs() }),
            Phase::Over => None,
        }
    }
}

impl Watch {
    /// One task for each connector with a simulated outage to come: it says when it begins and when it ends.
    pub(crate) fn heralds(
        self: &Arc<Self>,
        shutdown: &CancellationToken,
    ) -> Vec<(String, BoxFuture<'static, ()>)> {
        let now = ambient::now();
        let due = self.members().into_iter().filter(|member| member.health().simulation(now).is_some());
        due.map(|member| {
            let shutdown = shutdown.clone();
            let title = format!("simulated outage of {}", member.connector.name());
            let task: BoxFuture<'static, ()> = Box::pin(async move {
                shutdown.run_until_cancelled(member.heralds_its_simulation()).await;
            });
            (title, task)
        })
        .collect()
    }
}

impl Member {
    /// Whether an outage of it is being simulated.
    pub(crate) fn is_simulated(&self, now: Moment) -> bool {
        self.health().is_simulated(now)
    }

    /// What a probe finds while an outage is simulated.
    pub(crate) fn simulated_probe(&self, now: Moment) -> Option<ProbeResult> {
        let failed = ProbeResult::Failed { why: SIMULATED.into(), no_answer: true };
        self.is_simulated(now).then_some(failed)
    }

    /// It was asked although an outage is simulated, because nobody else is left, and answered.
    pub(crate) fn says_that_the_simulation_is_set_aside(&self) {
        tracing::warn!(
            connector = self.connector.name(),
            simulated = true,
            "SIMULATED OUTAGE set aside: nobody else is left, so the connector is used after all"
        );
    }

    async fn heralds_its_simulation(&self) {
        let connector = self.connector.name();
        loop {
            let phase = self.health().simulation(ambient::now());
            let left = match phase {
                Some(Phase::Due(left)) => {
                    let seconds = left.as_secs_f64();
                    tracing::warn!(connector, simulated = true, seconds, "a SIMULATED OUTAGE is to come");
                    left
                }
                Some(Phase::On(left)) => {
                    let seconds = left.as_secs_f64();
                    tracing::warn!(
                        connector,
                        simulated = true,
                        seconds,
                        "SIMULATED OUTAGE begins: the connector is taken for one that does not answer; sessions go on"
                    );
                    left
                }
                Some(Phase::Over) | None => {
                    tracing::warn!(
                        connector,
                        simulated = true,
                        "SIMULATED OUTAGE is over: the connector returns by good probes"
                    );
                    // A task that ends ends the node.
                    return std::future::pending().await;
                }
            };
            tokio::time::sleep(left).await;
        }
    }
}
