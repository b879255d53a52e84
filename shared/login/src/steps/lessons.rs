//! What a login teaches about a member's health: only what this node met itself, never what a browser brought.

use mangrove_connectors::Failure;
use mangrove_continuity::{Blame, Sample};

use crate::book::Flow;
use crate::digest;

/// What beginning taught about a member: it asks for the member's metadata where none is known. A login's own experience never
/// overrides an endpoint that an operator named.
pub(super) fn of_a_beginning(failure: &Failure, has_a_judge: bool) -> Option<Sample> {
    match failure.blame {
        Blame::Unavailable if failure.no_answer && has_a_judge => None,
        Blame::Unavailable if failure.no_answer => Some(Sample::LookFailed { why: failure.log.clone() }),
        _ => of_this_node(failure),
    }
}

/// What the back channel taught about a member's health: silence, or that it does not know this node. Nothing else is a
/// sample; an ID token that is wrong in its times is nobody's verdict.
pub(super) fn of_a_login(flow: &Flow, failure: &Failure) -> Option<Sample> {
    match failure.blame {
        Blame::Unavailable if failure.no_answer => {
            Some(Sample::LoginUnanswered { login: digest::number("login sample", &[flow.id.as_bytes()]) })
        }
        _ => of_this_node(failure),
    }
}

fn of_this_node(failure: &Failure) -> Option<Sample> {
    let keeps_out = failure.blame == Blame::Misconfigured && failure.keeps_out;
    keeps_out.then(|| Sample::Misconfigured { why: failure.log.clone() })
}
