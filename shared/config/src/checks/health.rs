//! How connectors are watched.

use std::{collections::BTreeSet, time::Duration};

use super::Context;
use crate::{
    Connector,
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    health_check::{CustomEndpoint, HealthCheck, Probe, ResponseMatcher},
    matching::{JsonPath, pattern},
    trail::Trail,
};

const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Shortest interval of probes at a token endpoint that raises no eyebrows.
const MOST_OFTEN_TOKENS: Duration = Duration::from_secs(10);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
const LONGEST_FOR_KEYS: Duration = Duration::from_secs(24 * 3600);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Thresholds and times are such that a verdict can come.
pub(super) fn health_checks_can_decide(context: &Context<'_>, findings: &mut Findings) {
    for (trail, connector) in context.connectors() {
        let Some(check) = connector.health_check() else { continue };
        let trail = trail.then("healthCheck");
        for (key, threshold) in
            [("unhealthyThreshold", check.unhealthy_threshold), ("healthyThreshold", check.healthy_threshold)]
        {
            if threshold == 0 {
                let message = "a threshold of 0 can never be reached or always is";
                findings.at(Problem, context.tree, &trail.then(key), message).hint("write 1 or more");
            }
        }
        for (key, time, least, most) in [
            ("interval", check.interval.0, SHORTEST_INTERVAL, LONGEST_INTERVAL),
            ("timeout", check.timeout.0, SHORTEST_TIMEOUT, LONGEST_TIMEOUT),
        ] {
            if time < least || time > most {
                let message = format!("out of bounds: from {least:?} to {most:?}");
                findings
                    .at(Problem, context.tree, &trail.then(key), message)
                    .hint(format!("write `{key}: 30s`"));
            }
        }
        timeout_fits(context, &trail, check, findings);
        probe_has_somebody_to_ask(context, &trail, connector, check, findings);
        simulation_is_meant(context, &trail, check, findings);
        if let Some(endpoint) = &check.custom_endpoint {
            let trail = trail.then("customEndpoint");
            if !check.enabled {
                let message = "nobody asks this endpoint: the health check is off";
                findings.at(Warning, context.tree, &trail, message).hint("add `enabled: true` beside it");
            }
            endpoint_is_sound(context, &trail, endpoint, findings);
        }
    }
}

fn timeout_fits(context: &Context<'_>, trail: &Trail, check: &HealthCheck, findings: &mut Findings) {
    if check.timeout > check.interval && !context.unwritten(&trail.then("timeout")) {
        findings
            .at(
                Warning,
                context.tree,
                &trail.then("timeout"),
                "a probe may take longer than the time between two",
            )
            .hint("make `timeout` shorter than `interval`");
    }
}

/// The token endpoint is one of an OpenID provider, and a custom endpoint is asked instead of it. Providers count wrong codes.
fn probe_has_somebody_to_ask(
    context: &Context<'_>,
    trail: &Trail,
    connector: &Connector,
    check: &HealthCheck,
    findings: &mut Findings,
) {
    if check.probe != Probe::Token {
        return;
    }
    let trail = trail.then("probe");
    let mut warn = |message: &str, hint: &str| {
        findings.at(Warning, context.tree, &trail, message).hint(hint);
    };
    if !matches!(connector, Connector::Oidc(_)) {
        warn("only OpenID providers have a token endpoint: it has no effect here", "remove it");
    } else if check.custom_endpoint.is_some() {
        warn("`customEndpoint` is asked instead: it has no effect", "remove one of them");
    } else if check.interval.0 < MOST_OFTEN_TOKENS {
        warn(
            "a wrong code at the token endpoint this often may look like an attack there",
            "write `interval: 10s` or more, or agree with who runs the provider",
        );
    }
}

/// A rehearsal that would not come, would not end, or that nobody noticed is there.
fn simulation_is_meant(context: &Context<'_>, trail: &Trail, check: &HealthCheck, findings: &mut Findings) {
    let Some(simulation) = check.simulation.as_ref().filter(|simulation| simulation.enabled) else { return };
    let trail = trail.then("simulation");
    if !check.enabled {
        findings
            .at(Warning, context.tree, &trail, "no outage is simulated: the health check is off")
            .hint("add `enabled: true` to `healthCheck`");
        return;
    }
    let Some(downtime) = simulation.downtime.filter(|time| !time.0.is_zero()) else {
        findings
            .at(Problem, context.tree, &trail.then("downtime"), "an outage that is rehearsed has an end")
            .hint("write `downtime: 2m`");
        return;
    };
    let after = simulation.start_after.map_or(Duration::ZERO, |after| after.0);
    for (key, time) in [("startAfter", after), ("downtime", downtime.0)] {
        if time > LONGEST_INTERVAL {
            let message = format!("out of bounds: at most {LONGEST_INTERVAL:?}");
            findings
                .at(Problem, context.tree, &trail.then(key), message)
                .hint("write hours, minutes, seconds");
        }
    }
    let message = format!(
        "an outage of {downtime} is simulated {} s after each start, and people are sent elsewhere",
        after.as_secs_f64()
    );
    findings.at(Warning, context.tree, &trail, message).hint("remove it after the rehearsal");
    if downtime.0 < check.detection_time() {
        let message = format!(
            "shorter than it takes to notice, up to {} s: no verdict may come of it",
            check.detection_time().as_secs_f64()
        );
        findings
            .at(Warning, context.tree, &trail.then("downtime"), message)
            .hint("make it longer than interval \u{d7} unhealthyThreshold + timeout");
    }
}

fn endpoint_is_sound(
    context: &Context<'_>,
    trail: &Trail,
    endpoint: &CustomEndpoint,
    findings: &mut Findings,
) {
    if !matches!(endpoint.endpoint.scheme(), "http" | "https") {
        findings
            .at(Problem, context.tree, &trail.then("endpoint"), "the endpoint is asked by HTTP")
            .hint("write an https URL");
    } else if endpoint.endpoint.scheme() == "http" && !super::urls::is_loopback(&endpoint.endpoint) {
        let message = "plain HTTP: whoever is on the way can switch this connector off or keep it on";
        findings.at(Warning, context.tree, &trail.then("endpoint"), message).hint("use https");
    }
    matcher_is_sound(context, &trail.then("responseMatcher"), &endpoint.response_matcher, findings);
}

fn matcher_is_sound(
    context: &Context<'_>,
    trail: &Trail,
    matcher: &ResponseMatcher,
    findings: &mut Findings,
) {
    let at = trail.then("expectedStatuses");
    for (i, status) in matcher.expected_statuses.iter().enumerate() {
        if !(100..600).contains(status) {
            findings
                .at(Problem, context.tree, &at.then(i), format!("{status} is not an HTTP status"))
                .hint("write numbers from 100 to 599");
        }
    }
    let body = trail.then("body");
    if matcher.body.contains.as_deref() == Some("") {
        let message = "every body holds an empty text: this judges nothing";
        findings.at(Warning, context.tree, &body.then("contains"), message).hint("write what it must hold");
    }
    if let Some(Err(why)) = matcher.body.matches.as_deref().map(pattern) {
        let message = format!("not a regular expression that can be used: {why}");
        findings
            .at(Problem, context.tree, &body.then("matches"), message)
            .hint("write for example `matches: \"state=(up|degraded)\"`");
    }
    for path in matcher.body.json.keys() {
        if let Err(why) = JsonPath::parse(path) {
            findings
                .at(Problem, context.tree, &body.then("json").then(path), format!("not a path: {why}"))
                .hint("write for example `$.checks[0].status: up`");
        }
    }
    for (name, value) in &matcher.headers {
        let sound = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
            && value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
        if !sound {
            let at = trail.then("headers").then(name);
            findings
                .at(Problem, context.tree, &at, "no answer can have such a header")
                .hint("a name has no spaces and colons, a value stands in one line of ASCII");
        }
    }
}

/// Keys are believed through an outage, and not for ever.
pub(super) fn keys_are_not_believed_for_ever(context: &Context<'_>, findings: &mut Findings) {
    for (trail, connector) in context.connectors() {
        let keys_max_age = match connector {
            Connector::Oidc(oidc) => oidc.keys_max_age,
            Connector::Saml(saml) => saml.keys_max_age,
            _ => None,
        };
        if keys_max_age.is_some_and(|age| age.0 > LONGEST_FOR_KEYS) {
            let message =
                "a key that the provider takes back while it cannot be reached is believed for so long";
            findings
                .at(Warning, context.tree, &trail.then("keysMaxAge"), message)
                .hint("write `keysMaxAge: 24h` or less");
        }
    }
}

/// Members of a group are watched: otherwise only people's logins tell.
pub(super) fn members_are_watched(context: &Context<'_>, findings: &mut Findings) {
    let mut members = BTreeSet::new();
    for (_, connector) in context.connectors() {
        if let Connector::Continuity(group) = connector {
            members.extend(&group.failover.idps);
        }
    }
    for (trail, connector) in context.connectors() {
        let watched = connector.health_check().is_some_and(|check| check.enabled);
        let watchable = !matches!(connector, Connector::Local(_) | Connector::Continuity(_));
        let at = trail.then("healthCheck");
        let spoilt = context.tree.find(&at).is_some_and(|node| node.spoilt);
        if watchable && !watched && !spoilt && members.contains(&connector.name().to_owned()) {
            let message = format!(
                "nobody watches `{}`: that it is down is noticed only when somebody signs in",
                connector.name()
            );
            findings.at(Warning, context.tree, &at, message).hint(
                "add\nhealthCheck:\n  enabled: true\n  interval: 30s\n  timeout: 10s\n  unhealthyThreshold: 3\n  \
                 healthyThreshold: 2",
            );
        }
    }
}
