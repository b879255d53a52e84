//! The same for any history: a model reads the state off all of it, each time anew, and how soon a verdict comes is bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use mangrove_continuity::{Health, HealthPolicy, Sample, State};
use proptest::prelude::*;

use crate::{at, failed, look_failed, refused, unanswered, unprobed};

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Observe(Sample),
    ProbeBegins,
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Observe(Sample::ProbeSucceeded)),
        4 => Just(Step::Observe(failed())),
        1 => Just(Step::Observe(refused())),
        1 => Just(Step::Observe(Sample::LookSucceeded)),
        1 => Just(Step::Observe(look_failed())),
        1 => Just(Step::Observe(Sample::LoginAnswered)),
        1 => Just(Step::Observe(Sample::Misconfigured { why: "invalid_client".into() })),
        3 => (0_u64..5).prop_map(|login| Step::Observe(unanswered(login))),
        3 => Just(Step::ProbeBegins),
    ]
}

/// The state, read off the whole history: the verdicts, and what happened since the one that counts.
fn model(policy: &HealthPolicy, history: &[Step]) -> State {
    let verdicts: Vec<(usize, State)> =
        (0..history.len()).filter_map(|i| Some((i, verdict(policy, &history[..=i])?))).collect();
    let healthy_at = verdicts.iter().rposition(|(_, state)| *state == State::Healthy);
    let first_down = verdicts[healthy_at.map_or(0, |i| i + 1)..].first();
    if let Some((down_at, _)) = first_down {
        let attempt = history[down_at + 1..].iter().rev().find(|step| match step {
            Step::ProbeBegins => true,
            Step::Observe(sample) => {
                matches!(sample, Sample::ProbeFailed { .. } | Sample::EndpointRefused { .. })
            }
        });
        return if matches!(attempt, Some(Step::ProbeBegins)) { State::Probing } else { State::Down };
    }
    let since = healthy_at.map_or(0, |i| verdicts[i].0 + 1);
    if history[since..].iter().any(|step| is_bad(policy, step)) {
        return State::Suspect;
    }
    if healthy_at.is_some() { State::Healthy } else { State::Unknown }
}

/// The verdict that the last step of this history gives, if it gives one.
fn verdict(policy: &HealthPolicy, history: &[Step]) -> Option<State> {
    let Step::Observe(last) = history.last()? else { return None };
    let samples: Vec<&Sample> = history
        .iter()
        .filter_map(|step| match step {
            Step::Observe(sample) => Some(sample),
            Step::ProbeBegins => None,
        })
        .collect();
    let breaks_a_row = |sample: &Sample| match sample {
        Sample::ProbeSucceeded | Sample::LookSucceeded => true,
        Sample::LoginAnswered | Sample::Misconfigured { .. } => !policy.custom_endpoint,
        _ => false,
    };
    let since_broken = || samples.iter().rev().take_while(|sample| !breaks_a_row(sample));
    match last {
        Sample::EndpointRefused { .. } => Some(State::Down),
        Sample::ProbeSucceeded => {
            let probes = samples.iter().rev().filter(|sample| {
                matches!(
                    sample,
                    Sample::ProbeSucceeded | Sample::ProbeFailed { .. } | Sample::EndpointRefused { .. }
                )
            });
            let row = probes.take_while(|sample| matches!(sample, Sample::ProbeSucceeded)).count();
            (row >= policy.healthy_threshold as usize).then_some(State::Healthy)
        }
        Sample::ProbeFailed { .. } => {
            let row = since_broken()
                .filter(|s| matches!(s, Sample::ProbeFailed { .. } | Sample::EndpointRefused { .. }))
                .count();
            (row >= policy.unhealthy_threshold as usize).then_some(State::Down)
        }
        Sample::LoginUnanswered { .. } if !policy.custom_endpoint => {
            let logins: BTreeSet<u64> = since_broken()
                .filter_map(|sample| match sample {
                    Sample::LoginUnanswered { login } => Some(*login),
                    _ => None,
                })
                .collect();
            (logins.len() >= policy.unhealthy_threshold as usize).then_some(State::Down)
        }
        _ => None,
    }
}

fn is_bad(policy: &HealthPolicy, step: &Step) -> bool {
    match step {
        Step::Observe(Sample::ProbeFailed { .. } | Sample::LookFailed { .. }) => true,
        Step::Observe(Sample::LoginUnanswered { .. }) => !policy.custom_endpoint,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_state_is_what_the_whole_history_says(
        unhealthy_threshold in 1_u32..4,
        healthy_threshold in 1_u32..4,
        custom_endpoint: bool,
        history in prop::collection::vec(a_step(), 0..40),
    ) {
        let policy =
            HealthPolicy { unhealthy_threshold, healthy_threshold, custom_endpoint, ..HealthPolicy::default() };
        let mut health = Health::new(policy.clone(), at(0));
        for (i, step) in history.iter().enumerate() {
            let before = health.state();
            match step {
                Step::Observe(sample) => {
                    let news = health.observe(sample, at(i as u64));
                    if let Some(news) = news {
                        prop_assert_eq!((news.from, news.to), (before, health.state()));
                        let beside = matches!(sample, Sample::Misconfigured { .. });
                        prop_assert_eq!(news.from == news.to, beside, "it stands beside the state");
                    } else {
                        let out = |state: State| !state.usable();
                        prop_assert!(before == health.state() || (out(before) && out(health.state())));
                    }
                }
                Step::ProbeBegins => health.probe_begins(at(i as u64)),
            }
            prop_assert_eq!(health.state(), model(&policy, &history[..=i]), "after {:?}", &history[..=i]);
        }
    }

    #[test]
    fn the_verdict_comes_within_interval_times_threshold_plus_timeout(
        interval in 1_u64..60,
        timeout_share in 0.01_f64..1.0,
        threshold in 1_u32..5,
        chances in prop::collection::vec(0.0_f64..1.0, 1..20),
        dies_after in 0_u64..200,
    ) {
        let interval = Duration::from_secs(interval);
        let timeout = interval.mul_f64(timeout_share);
        let policy = HealthPolicy {
            interval, timeout, unhealthy_threshold: threshold, healthy_threshold: 1, ..HealthPolicy::default()
        };
        let dies = at(dies_after);
        let mut health = Health::new(policy, at(0));
        let (mut begins, mut chances) = (at(0), chances.into_iter().cycle());
        while health.state() != State::Down {
            health.probe_begins(begins);
            let ends = if begins < dies { begins } else { begins + timeout };
            let sample = if begins < dies { Sample::ProbeSucceeded } else { failed() };
            if health.observe(&sample, ends).is_some_and(|news| news.to == State::Down) {
                prop_assert!(ends.since(dies) <= interval * threshold + timeout);
            }
            let next = health.next_probe(begins, chances.next().unwrap());
            prop_assert!(next.since(begins) <= interval && next.since(begins) >= interval.mul_f64(0.79));
            begins = next;
        }
    }

    #[test]
    fn an_unprobed_connector_is_never_out_for_longer_than_an_interval_without_a_new_failure(
        logins in prop::collection::vec((any::<bool>(), 0_u64..8, 1_u64..50), 1..40),
    ) {
        let mut health = Health::new(unprobed(), at(0));
        let mut now = 0;
        for (answered, login, pause) in logins {
            now += pause;
            health.observe(&if answered { Sample::LoginAnswered } else { unanswered(login) }, at(now));
            prop_assert!(health.standing(at(now + 30)).state.usable());
            prop_assert!(!answered || health.standing(at(now)).state.usable());
        }
    }
}
