//! A rehearsed outage: when it is on, what it hides, and how the connector comes back.

use std::time::Duration;

use mangrove_continuity::simulated::{Phase, SIMULATED, SimulatedOutage};
use mangrove_continuity::{Health, HealthPolicy, Moment, Sample, State};

fn at(seconds: u64) -> Moment {
    Moment(seconds * 1_000_000)
}

/// Watched since second 100; the outage is on from 160 until 220.
fn rehearsing() -> Health {
    let simulated = SimulatedOutage { after: Duration::from_secs(60), lasts: Duration::from_secs(60) };
    let policy = HealthPolicy { simulated: Some(simulated), ..HealthPolicy::default() };
    let mut health = Health::new(policy, at(100));
    health.observe(&Sample::ProbeSucceeded, at(101));
    health.observe(&Sample::ProbeSucceeded, at(102));
    assert_eq!(health.state(), State::Healthy);
    health
}

fn silence() -> Sample {
    Sample::ProbeFailed { why: SIMULATED.into() }
}

#[test]
fn it_begins_and_ends_once_at_its_time() {
    let health = rehearsing();
    assert_eq!(health.simulation(at(159)), Some(Phase::Due(Duration::from_secs(1))));
    assert_eq!(health.simulation(at(160)), Some(Phase::On(Duration::from_secs(60))));
    assert_eq!(health.simulation(at(219)), Some(Phase::On(Duration::from_secs(1))));
    assert_eq!(health.simulation(at(220)), Some(Phase::Over));
    assert_eq!(Health::new(HealthPolicy::default(), at(0)).simulation(at(0)), None);
}

#[test]
fn the_verdict_takes_as_long_as_in_an_outage_that_is_meant() {
    let mut health = rehearsing();
    health.observe(&silence(), at(160));
    assert_eq!(health.state(), State::Suspect);
    health.observe(&silence(), at(190));
    let standing = health.standing(at(190));
    assert_eq!((standing.state, standing.simulated), (State::Down, true));
    assert_eq!(standing.why.as_deref(), Some(SIMULATED));
}

#[test]
fn nothing_good_counts_while_it_is_on() {
    for good in [Sample::ProbeSucceeded, Sample::LookSucceeded, Sample::LoginAnswered] {
        let mut health = rehearsing();
        health.observe(&silence(), at(160));
        health.observe(&good, at(170));
        health.observe(&silence(), at(190));
        assert_eq!(health.state(), State::Down, "{good:?} hid it");
    }
}

#[test]
fn what_is_bad_or_misconfigured_counts_all_the_same() {
    let mut health = rehearsing();
    health.observe(&Sample::EndpointRefused { why: "status 503".into() }, at(170));
    assert_eq!(health.state(), State::Down);
    health.observe(&Sample::Misconfigured { why: "invalid_client".into() }, at(171));
    assert!(health.standing(at(171)).misconfigured.is_some());
}

#[test]
fn afterwards_it_returns_by_good_probes() {
    let mut health = rehearsing();
    health.observe(&silence(), at(160));
    health.observe(&silence(), at(190));
    health.observe(&Sample::ProbeSucceeded, at(220));
    assert!(!health.state().usable() && !health.standing(at(220)).simulated);
    health.observe(&Sample::ProbeSucceeded, at(250));
    assert_eq!(health.state(), State::Healthy);
}
