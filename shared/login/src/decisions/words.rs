//! What happened, in words: the one place where a decision becomes a sentence.

use std::time::Duration;

use mangrove_continuity::{Blame, SkipReason, Skipped};

use super::{End, What};
use crate::{Refusal, story::clock};

impl What {
    /// What happened, in words. `at` in milliseconds since the Unix epoch.
    pub(super) fn sentence(&self, at: u64) -> String {
        match self {
            Self::Chosen { member: Some(member), reason, skipped } => {
                format!("Asked {member}: {reason}{}.", passed_over(skipped, at))
            }
            Self::Chosen { member: None, reason, skipped } => {
                format!(
                    "Asked nobody: {reason}{}. The person sees a page that tries again by itself.",
                    passed_over(skipped, at)
                )
            }
            Self::Sent { member, .. } => format!("Sent the person to {member}."),
            Self::PasswordAsked { member } => {
                format!("Showed the person the sign-in page of {member}, here.")
            }
            Self::WrongPassword { member, why } => {
                format!("The password typed for {member} was not accepted: {why}. The person may try again.")
            }
            Self::MadeToWait { member, seconds } => {
                format!(
                    "Too many wrong passwords for {member}: this one was not looked at, the person has to wait {seconds} s."
                )
            }
            Self::CameBack { member, seconds, next, asked } => {
                came_back(member, *seconds, next.as_deref(), *asked)
            }
            Self::LookedInVain { member, why, milliseconds } => {
                let waited = Duration::from_millis(*milliseconds).as_secs_f64();
                format!(
                    "Looked at {member} before sending anybody there, and did not: {why}. That took {waited:.2} s."
                )
            }
            Self::Failed { member, blame, why } => {
                format!("{member} did not vouch, {}: {why}. The login went on.", to_blame(*blame))
            }
            Self::NotAsked { member, why } => {
                format!(
                    "This node had no time to ask {member}: {why}. The person sees a page that tries again by itself."
                )
            }
            Self::NotLookedAt { member, why } => {
                format!(
                    "This node had no time to look at the answer of {member}: {why}. The person's browser brings it again."
                )
            }
            Self::TurnedAway { why } => {
                format!("Turned something away that a browser brought: {why}. The login goes on.")
            }
            Self::LeftOut { member, attributes } => {
                let names = attributes.join(", ");
                format!("{member} said more of the person than a session holds; left out: {names}.")
            }
            Self::Ended { end, milliseconds } => {
                let took = Duration::from_millis(*milliseconds).as_secs_f64();
                format!("{} It took {took:.1} s.", end.sentence())
            }
        }
    }
}

impl End {
    fn sentence(&self) -> String {
        let at = |member: &Option<String>| member.as_deref().map(|m| format!(" at {m}")).unwrap_or_default();
        match self {
            Self::SignedIn { member, from_session: true, .. } => format!(
                "Signed in from the browser's session; {member} had vouched for it earlier, nobody was asked."
            ),
            Self::SignedIn { member, .. } => format!("Signed in; {member} vouched."),
            Self::Refused { refusal, member, fault, why } => format!(
                "The application was told `{refusal}`{}: {why}. {}",
                at(member),
                fault.sentence(member.as_deref())
            ),
            Self::Page { status, member, fault, why } => format!(
                "It ended in a page with status {status}{}: {why}. {}",
                at(member),
                fault.sentence(member.as_deref())
            ),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LoginRequired => "login_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccessDenied => "access_denied",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        })
    }
}

fn came_back(member: &str, seconds: u64, next: Option<&str>, asked: bool) -> String {
    let onward = match (next, asked) {
        (Some(next), true) => format!("The person was asked whether to try {next}."),
        (Some(next), false) => format!("It goes to {next} for now."),
        (None, _) => "Nobody else is left for it, so it begins with the first again.".to_owned(),
    };
    format!(
        "The same browser was sent to {member} {seconds} s before and started again without an answer. {onward}"
    )
}

fn to_blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Unavailable => "it could not be used then",
        Blame::Rejected => "it said no to the person",
        Blame::Misconfigured => "its settings or ours are wrong and an operator has to act",
        Blame::Protocol => "its answer was malformed, forged or replayed",
    }
}

/// Those that were passed over and why, with what an operator can do about it.
fn passed_over(skipped: &[Skipped], at: u64) -> String {
    skipped.iter().map(|skipped| format!("; {skipped}{}", to_do(skipped, at))).collect()
}

fn to_do(Skipped { name, why }: &Skipped, at: u64) -> String {
    match why {
        SkipReason::Drained { seconds_left: Some(left), .. } => {
            let until = clock(at.saturating_add(left.saturating_mul(1000)));
            format!(", until {} UTC (`drain {name} -undo` ends it)", &until[..8])
        }
        SkipReason::Drained { .. } => format!(", until `drain {name} -undo`"),
        SkipReason::Misconfigured { .. } => {
            format!(" (compare this node's clientID and clientSecret with those at {name}, and both clocks)")
        }
        _ => String::new(),
    }
}
