//! Health checks: thresholds, times, endpoints and what their answers must be.

use mangrove_config::Severity;

use crate::support::{check, edge, problem, warning};

/// The edge with an endpoint that judges its first root by a matcher, which stands in line 9.
fn judged(matcher: &str) -> String {
    let custom = format!(
        "timeout: 10s, customEndpoint: {{type: http, endpoint: \"https://status.example/a\", responseMatcher: {matcher}}}"
    );
    edge("timeout: 10s", &custom)
}

const MATCHER: &str = "connectors[0].healthCheck.customEndpoint.responseMatcher";

#[test]
fn thresholds_and_times_are_such_that_a_verdict_can_come() {
    let health = |from: &str, to: &str| {
        edge("interval: 30s, timeout: 10s", &"interval: 30s, timeout: 10s".replace(from, to))
    };
    problem(
        &health("30s", "30s, unhealthyThreshold: 0"),
        9,
        "connectors[0].healthCheck.unhealthyThreshold",
        &["1 or more"],
    );
    problem(&health("30s", "1ms"), 9, "connectors[0].healthCheck.interval", &["out of bounds"]);
    problem(&health("10s", "1h"), 9, "connectors[0].healthCheck.timeout", &["out of bounds"]);
    warning(&health("10s", "40s"), 9, "connectors[0].healthCheck.timeout", &["longer than"]);
    warning(
        &edge("{enabled: true, ", "{enabled: false, "),
        9,
        "connectors[0].healthCheck",
        &["nobody watches `root-a`"],
    );
}

#[test]
fn keys_are_believed_through_an_outage_and_not_for_ever() {
    let kept = |age: &str| {
        edge("    oauthClientID: edge\n", &format!("    oauthClientID: edge\n    keysMaxAge: {age}\n"))
    };
    warning(&kept("25h"), 7, "connectors[0].keysMaxAge", &["takes back"]);
    assert!(!check(&kept("24h")).to_string().contains("takes back"));
}

#[test]
fn a_rehearsed_outage_has_an_end_is_noticed_and_is_said() {
    let with = |simulation: &str| {
        edge("timeout: 10s", &format!("timeout: 10s, simulation: {{enabled: true, {simulation}}}"))
    };
    let at = "connectors[0].healthCheck.simulation";
    problem(&with("startAfter: 1m"), 9, &format!("{at}.downtime"), &["has an end"]);
    problem(&with("downtime: 0s"), 9, &format!("{at}.downtime"), &["has an end"]);
    problem(&with("startAfter: 1000h, downtime: 5m"), 9, &format!("{at}.startAfter"), &["out of bounds"]);
    warning(&with("startAfter: 1m, downtime: 5m"), 9, at, &["300s", "60 s after each start", "remove it"]);
    warning(&with("downtime: 5s"), 9, &format!("{at}.downtime"), &["70 s"]);
    let off = with("downtime: 5m").replacen("{enabled: true, interval", "{enabled: false, interval", 1);
    warning(&off, 9, at, &["no outage is simulated"]);
}

#[test]
fn a_matcher_of_every_kind_is_taken() {
    let whole = judged(
        "{expectedStatuses: [200, 204], headers: {X-Up: 1}, body: {contains: a, equals: 1, matches: ^a|b$, \
         json: {$.status: up, \"$.checks[-1].ok\": true, \"$['free space']\": 7}}}",
    );
    let report = check(&whole);
    assert!(!report.has(Severity::Problem) && !report.has(Severity::Warning), "{report}");
}

#[test]
fn what_no_answer_can_be_or_every_answer_is_has_a_line() {
    let at = |key: &str| format!("{MATCHER}.{key}");
    problem(&judged("{expectedStatuses: [42]}"), 9, &at("expectedStatuses[0]"), &["42", "100 to 599"]);
    problem(&judged("{body: {matches: \"(up\"}}"), 9, &at("body.matches"), &["unclosed group"]);
    problem(&judged("{body: {matches: \"((a{99}){99}){99}\"}}"), 9, &at("body.matches"), &["too large"]);
    problem(&judged("{body: {json: {status: up}}}"), 9, &at("body.json.status"), &["begins with `$`"]);
    problem(&judged("{body: {json: {\"$[*]\": up}}}"), 9, &at("body.json[\"$[*]\"]"), &["wildcards"]);
    problem(&judged("{headers: {\"X Up\": 1}}"), 9, &at("headers[\"X Up\"]"), &["no spaces"]);
    problem(&judged("{headers: {X-Up: \"a\\nb\"}}"), 9, &at("headers.X-Up"), &["one line"]);
    problem(&judged("{body: {contain: up}}"), 9, &at("body.contain"), &["did you mean `contains`?"]);
    warning(&judged("{body: {contains: \"\"}}"), 9, &at("body.contains"), &["judges nothing"]);
}

#[test]
fn a_probe_of_the_token_endpoint_is_for_openid_providers_and_not_for_every_second() {
    let at = "connectors[0].healthCheck.probe";
    let with = |more: &str| edge("timeout: 10s", &format!("timeout: 10s, probe: token{more}"));
    assert!(!check(&with("")).has(Severity::Warning));
    warning(
        &with("").replacen("interval: 30s", "interval: 5s", 1).replacen("timeout: 10s", "timeout: 1s", 1),
        9,
        at,
        &["like an attack"],
    );
    let judged = ", customEndpoint: {type: http, endpoint: \"https://status.example/a\"}";
    warning(&with(judged), 9, at, &["no effect"]);
    problem(&edge("timeout: 10s", "timeout: 10s, probe: tokens"), 9, at, &["did you mean `token`?"]);
}

#[test]
fn an_endpoint_that_nobody_asks_is_said() {
    let off = judged("{}").replacen("enabled: true", "enabled: false", 1);
    warning(&off, 9, "connectors[0].healthCheck.customEndpoint", &["nobody asks"]);
}
