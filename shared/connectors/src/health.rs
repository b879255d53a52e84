//! How a connector is watched, from its section of the configuration.

use mangrove_config::health_check::HealthCheck;
use mangrove_continuity::HealthPolicy;
use mangrove_continuity::simulated::SimulatedOutage;

/// A connector's health policy; one without a section is not probed.
pub(crate) fn policy(written: Option<&HealthCheck>) -> HealthPolicy {
    let unwritten = HealthCheck::default();
    let check = written.unwrap_or(&unwritten);
    HealthPolicy {
        probed: check.enabled,
        interval: check.interval.0,
        timeout: check.timeout.0,
        unhealthy_threshold: check.unhealthy_threshold,
        healthy_threshold: check.healthy_threshold,
        custom_endpoint: check.judge().is_some(),
        simulated: check.simulated_outage().map(|(after, lasts)| SimulatedOutage { after, lasts }),
    }
}
