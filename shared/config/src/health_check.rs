//! `connectors[].healthCheck`: how a connector is watched.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::GoDuration;

/// How a connector is watched.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthCheck {
    /// Runs the check. Defaults to false.
    pub enabled: bool,
    /// Time between two probes. Defaults to `30s`.
    pub interval: GoDuration,
    /// Longest time of one probe. Defaults to `30s`.
    pub timeout: GoDuration,
    /// Consecutive failures that make the connector Down. Defaults to 2.
    pub unhealthy_threshold: u32,
    /// Consecutive successful probes that make it Healthy again. Defaults to 2.
    pub healthy_threshold: u32,
    /// What a probe of an OpenID provider asks. Defaults to `discovery`.
    pub probe: Probe,
    /// Asks this endpoint instead of the provider.
    pub custom_endpoint: Option<CustomEndpoint>,
    /// Rehearses an outage on a running node.
    pub simulation: Option<Simulation>,
}

/// What a probe of an OpenID provider asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// Its discovery document and keys.
    #[default]
    Discovery,
    /// Also its token endpoint, with a code that nobody issued: `invalid_grant` is as it should be, `invalid_client` says
    /// that it does not take this node's secret.
    Token,
}

/// An endpoint that tells whether the connector is to be used.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomEndpoint {
    /// How the endpoint is asked.
    #[serde(rename = "type")]
    pub kind: CustomEndpointKind,
    /// URL to ask. Redirects are not followed. TLS profile and proxy are the connector's.
    pub endpoint: url::Url,
    /// What a healthy answer looks like. An answer that is another takes the connector out at once; none counts as a
    /// failed probe. Defaults to any status from 200 to 299.
    #[serde(default)]
    pub response_matcher: ResponseMatcher,
}

/// Kind of a custom endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CustomEndpointKind {
    /// An HTTP GET.
    Http,
}

/// What a healthy answer looks like; all that is given must hold.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResponseMatcher {
    /// Statuses that are healthy. Defaults to 200 to 299.
    pub expected_statuses: Vec<u16>,
    /// What the body must be. One of more than 256 KiB does not match.
    pub body: BodyMatcher,
    /// Headers that must be there with these values, exactly.
    #[schemars(extend("x-scalar" = true))]
    pub headers: BTreeMap<String, String>,
}

/// What the body must be; all that is given must hold.
#[derive(Debug, Clone, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BodyMatcher {
    /// A text that the body must hold somewhere.
    pub contains: Option<String>,
    /// The whole body, without white space at either end.
    #[schemars(extend("x-scalar" = true))]
    pub equals: Option<String>,
    /// A regular expression (Rust's `regex`: no look-around, no back references; classes are ASCII) that must match
    /// somewhere; `^` and `$` are the ends of the body.
    pub matches: Option<String>,
    /// Values of a JSON body by path, such as `$.checks[0].status: up`. A path is `$`, names (`.name`, `['any name']`)
    /// and indices (`[0]`, from the end `[-1]`): the singular queries of RFC 9535. Texts are compared without quotes,
    /// numbers as numbers.
    #[schemars(extend("x-scalar" = true))]
    pub json: BTreeMap<String, String>,
}

/// A rehearsed outage: for a while probes and looks find the connector dead, whatever it answers. It comes once after each
/// start. Sessions and logins that are under way go on, and if nobody else is left the connector is used after all.
#[derive(Debug, Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// Switches it on. Defaults to false.
    #[serde(default)]
    pub enabled: bool,
    /// Time from the start of the node until the outage begins. Defaults to `0s`.
    pub start_after: Option<GoDuration>,
    /// How long it lasts. Needed where it is switched on.
    pub downtime: Option<GoDuration>,
}

impl HealthCheck {
    /// When a rehearsed outage begins after the start and how long it lasts; none unless health checks run.
    pub fn simulated_outage(&self) -> Option<(Duration, Duration)> {
        let simulation = self.simulation.as_ref().filter(|simulation| self.enabled && simulation.enabled)?;
        Some((simulation.start_after.map_or(Duration::ZERO, |after| after.0), simulation.downtime?.0))
    }

    /// The endpoint that judges the connector; none unless health checks run.
    pub fn judge(&self) -> Option<&CustomEndpoint> {
        self.custom_endpoint.as_ref().filter(|_| self.enabled)
    }

    /// Longest time until an outage is noticed by probes.
    pub fn detection_time(&self) -> Duration {
        self.interval.0.saturating_mul(self.unhealthy_threshold).saturating_add(self.timeout.0)
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            enabled: false,
            interval: GoDuration::seconds(30),
            timeout: GoDuration::seconds(30),
            unhealthy_threshold: 2,
            healthy_threshold: 2,
            probe: Probe::Discovery,
            custom_endpoint: None,
            simulation: None,
        }
    }
}
