//! Health: told as sentences ([`told`]), and compared with a model that looks at the whole history each time
//! ([`against_a_model`]). What both say it with stands here.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod against_a_model;
mod told;

use mangrove_continuity::{Health, HealthPolicy, Moment, Sample};

const fn at(seconds: u64) -> Moment {
    Moment(seconds * 1_000_000)
}

fn policy() -> HealthPolicy {
    HealthPolicy { unhealthy_threshold: 3, healthy_threshold: 2, ..HealthPolicy::default() }
}

fn unprobed() -> HealthPolicy {
    HealthPolicy { probed: false, ..policy() }
}

fn failed() -> Sample {
    Sample::ProbeFailed { why: "connection refused".into() }
}

fn refused() -> Sample {
    Sample::EndpointRefused { why: "status 503".into() }
}

fn look_failed() -> Sample {
    Sample::LookFailed { why: "no answer in 400 ms".into() }
}

fn unanswered(login: u64) -> Sample {
    Sample::LoginUnanswered { login }
}

fn after(policy: HealthPolicy, samples: &[Sample]) -> Health {
    let mut health = Health::new(policy, at(0));
    for (second, sample) in (1..).zip(samples) {
        health.observe(sample, at(second));
    }
    health
}

fn healthy() -> Health {
    after(policy(), &[Sample::ProbeSucceeded, Sample::ProbeSucceeded])
}

fn down() -> Health {
    after(policy(), &[failed(), failed(), failed()])
}
