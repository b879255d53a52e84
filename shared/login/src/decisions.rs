//! The decision log: one structured line for each choice and for each end of a login, and the last of them in memory, so
//! that `why LOGIN_ID` can tell a login's whole way.
//!
//! Lines go to the tracing target `decision`; the ring here is bounded and sharded by login id. Nothing in it says more
//! about a person than a hash of the stable subject: no claims, no user names, no addresses.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mangrove_continuity::{Blame, Choice, Skipped};
use serde::Serialize;

use crate::{Refusal, digest};

/// Decisions kept in memory by default.
pub const KEPT: usize = 20_000;

const SHARDS: usize = 16;

/// One decision about one login.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// The login it is about.
    pub login: String,
    /// Seconds since the Unix epoch.
    pub at: u64,
    /// The application.
    pub app: String,
    /// What was decided.
    #[serde(flatten)]
    pub what: What,
}

/// What was decided.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum What {
    /// Whom to ask, and whom not.
    Chosen {
        /// The member, none if nobody is left.
        member: Option<String>,
        /// Why that one.
        reason: String,
        /// Those passed over, and why.
        skipped: Vec<Skipped>,
    },
    /// The browser was sent away by an earlier login of the same application and started again without an answer.
    CameBack {
        /// The member it was sent to.
        member: String,
        /// Seconds since then.
        seconds: u64,
        /// Who is next; none where all have been tried, and the first is next again.
        next: Option<String>,
        /// The person is asked.
        asked: bool,
    },
    /// A member was looked at before the browser was sent there, and not found well; the login goes on.
    LookedInVain {
        /// The member.
        member: String,
        /// In words, for the operator.
        why: String,
        /// How long the login waited for the look.
        milliseconds: u64,
    },
    /// A member that was asked did not vouch; the login goes on.
    Failed {
        /// The member.
        member: String,
        /// Who has to act.
        blame: Blame,
        /// In words, for the operator.
        why: String,
    },
    /// Something that came from a browser was turned away; the login, if it is known, goes on.
    TurnedAway {
        /// In words.
        why: String,
    },
    /// The login ended.
    Ended {
        /// How.
        #[serde(flatten)]
        end: End,
        /// From the application's request to now, in milliseconds.
        milliseconds: u64,
    },
}

/// How a login ended.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// Somebody vouched.
    SignedIn {
        /// The connector.
        member: String,
        /// The group or connector the application named.
        via: String,
        /// Hash of the subject, for correlation.
        subject: String,
        /// The browser's session was good enough; nobody was asked.
        from_session: bool,
    },
    /// The application was told no.
    Refused {
        /// What it was told.
        refusal: Refusal,
        /// The member that said so, if one did.
        member: Option<String>,
        /// Who has to act.
        blame: Option<Blame>,
        /// In words, for the operator.
        why: String,
    },
    /// A page ended it.
    Page {
        /// Its status.
        status: u16,
        /// The member at which it ended, if at one.
        member: Option<String>,
        /// Who has to act.
        blame: Option<Blame>,
        /// In words, for the operator.
        why: String,
    },
}

/// The decision log. Clones share one ring.
#[derive(Debug, Clone)]
pub struct DecisionLog {
    shards: Arc<[Mutex<VecDeque<Decision>>]>,
    kept_each: usize,
}

impl Default for DecisionLog {
    fn default() -> Self {
        Self::new(KEPT)
    }
}

impl DecisionLog {
    /// A log that keeps at least the last `kept` decisions in memory, if they spread evenly.
    pub fn new(kept: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            kept_each: kept.div_ceil(SHARDS).max(1),
        }
    }

    /// Writes the line and keeps the decision.
    pub fn record(&self, decision: Decision) {
        decision.trace();
        let mut shard = self.shard(&decision.login);
        if shard.len() >= self.kept_each {
            shard.pop_front();
        }
        shard.push_back(decision);
    }

    /// All that is kept about a login, oldest first.
    pub fn of(&self, login: &str) -> Vec<Decision> {
        self.shard(login).iter().filter(|decision| decision.login == login).cloned().collect()
    }

    /// A login's whole way in plain sentences, or nothing if it is not known (any more).
    pub fn why(&self, login: &str) -> Option<Vec<String>> {
        let all = self.of(login);
        let first = all.first()?;
        let mut story = vec![format!("Login {login} for the application {}.", first.app)];
        story.extend(all.iter().map(Decision::sentence));
        if !all.iter().any(|decision| matches!(decision.what, What::Ended { .. })) {
            story.push("It has not ended here: the person has not come back yet, or went elsewhere.".into());
        }
        Some(story)
    }

    fn shard(&self, login: &str) -> std::sync::MutexGuard<'_, VecDeque<Decision>> {
        let number = digest::number("decision shard", &[login.as_bytes()]);
        let at = usize::try_from(number % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subject, fit for a log: a hash that correlates lines and names nobody.
pub(crate) fn subject(sub: &str) -> String {
    digest::text("decision subject", &[sub.as_bytes()])[..16].to_owned()
}

impl Decision {
    /// The line at target `decision`. Levels: what goes well is `info`, what sends a login elsewhere or ends it is `warn`,
    /// and what an operator must act on is `error`.
    fn trace(&self) {
        let (login, app) = (self.login.as_str(), self.app.as_str());
        match &self.what {
            What::Chosen { member, reason, skipped } => {
                let skipped = list(skipped);
                let member = member.as_deref().unwrap_or("-");
                tracing::info!(target: "decision", login, app, member, reason, skipped, "chosen");
            }
            What::CameBack { member, seconds, next, asked } => {
                let next = next.as_deref().unwrap_or("-");
                tracing::warn!(target: "decision", login, app, member, seconds, next, asked, "came back unanswered");
            }
            What::LookedInVain { member, why, milliseconds } => {
                tracing::warn!(target: "decision", login, app, member, why, milliseconds, "looked at in vain");
            }
            What::Failed { member, blame: blame @ Blame::Misconfigured, why } => {
                tracing::error!(target: "decision", login, app, member, ?blame, why, "asked in vain, an operator has to act");
            }
            What::Failed { member, blame, why } => {
                tracing::warn!(target: "decision", login, app, member, ?blame, why, "asked in vain");
            }
            What::TurnedAway { why } => tracing::warn!(target: "decision", login, app, why, "turned away"),
            What::Ended { end, milliseconds } => end.trace(login, app, *milliseconds),
        }
    }

    /// What happened, in words.
    fn sentence(&self) -> String {
        let mut text = format!("{} ", clock(self.at));
        let written = match &self.what {
            What::Chosen { member: Some(member), reason, skipped } => {
                write!(text, "Asked {member}: {reason}{}.", tail(skipped))
            }
            What::Chosen { member: None, reason, skipped } => {
                write!(text, "Asked nobody: {reason}{}.", tail(skipped))
            }
            What::CameBack { member, seconds, next, asked } => {
                let onward = match (next, asked) {
                    (Some(next), true) => format!("The person was asked whether to try {next}."),
                    (Some(next), false) => format!("It goes to {next} for now."),
                    (None, _) => "Nobody else is left for it, so it begins with the first again.".to_owned(),
                };
                write!(
                    text,
                    "The same browser was sent to {member} {seconds} s before and started again without an answer. {onward}"
                )
            }
            What::LookedInVain { member, why, milliseconds } => {
                let waited = Duration::from_millis(*milliseconds).as_secs_f64();
                write!(
                    text,
                    "Looked at {member} before sending anybody there, and did not: {why}. That took {waited:.2} s."
                )
            }
            What::Failed { member, blame, why } => {
                write!(text, "{member} did not vouch, {}: {why}. The login went on.", to_blame(*blame))
            }
            What::TurnedAway { why } => write!(text, "Turned something away: {why}."),
            What::Ended { end, milliseconds } => {
                let took = Duration::from_millis(*milliseconds).as_secs_f64();
                write!(text, "{} It took {took:.1} s.", end.sentence())
            }
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        text
    }
}

impl End {
    fn trace(&self, login: &str, app: &str, milliseconds: u64) {
        match self {
            Self::SignedIn { member, via, subject, from_session } => {
                tracing::info!(target: "decision", login, app, member, via, subject, from_session, milliseconds, "signed in");
            }
            Self::Refused {
                refusal: refusal @ (Refusal::LoginRequired | Refusal::InteractionRequired),
                why,
                ..
            } => {
                tracing::info!(target: "decision", login, app, ?refusal, why, milliseconds, "refused");
            }
            Self::Refused { refusal, member, blame, why } => {
                let (member, blame) = (member.as_deref().unwrap_or("-"), blame.map_or("-", class));
                tracing::warn!(target: "decision", login, app, ?refusal, member, blame, why, milliseconds, "refused");
            }
            Self::Page { status, member, blame, why } => {
                let (member, blame) = (member.as_deref().unwrap_or("-"), blame.map_or("-", class));
                tracing::warn!(target: "decision", login, app, status, member, blame, why, milliseconds, "ended in a page");
            }
        }
    }

    fn sentence(&self) -> String {
        let blamed = |member: &Option<String>, blame: &Option<Blame>| {
            let member = member.as_deref().map(|m| format!(" at {m}")).unwrap_or_default();
            let blame = blame.map(|b| format!(" ({})", to_blame(b))).unwrap_or_default();
            format!("{member}{blame}")
        };
        match self {
            Self::SignedIn { member, from_session: true, .. } => {
                format!(
                    "Signed in from the browser's session; {member} had vouched for it earlier, nobody was asked."
                )
            }
            Self::SignedIn { member, .. } => format!("Signed in; {member} vouched."),
            Self::Refused { refusal, member, blame, why } => {
                format!("The application was told `{refusal}`{}: {why}.", blamed(member, blame))
            }
            Self::Page { status, member, blame, why } => {
                format!("It ended in a page with status {status}{}: {why}.", blamed(member, blame))
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoginRequired => "login_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccessDenied => "access_denied",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        })
    }
}

/// One word for a field of the log.
fn class(blame: Blame) -> &'static str {
    match blame {
        Blame::Unavailable => "Unavailable",
        Blame::Rejected => "Rejected",
        Blame::Misconfigured => "Misconfigured",
        Blame::Protocol => "Protocol",
    }
}

fn to_blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Unavailable => "it could not be used then",
        Blame::Rejected => "it said no to the person",
        Blame::Misconfigured => "its settings or ours are wrong and an operator has to act",
        Blame::Protocol => "its answer was malformed, forged or replayed",
    }
}

fn list(skipped: &[Skipped]) -> String {
    skipped.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn tail(skipped: &[Skipped]) -> String {
    if skipped.is_empty() { String::new() } else { format!("; {}", list(skipped)) }
}

/// The time of day, UTC.
fn clock(unix: u64) -> String {
    let day = unix % 86_400;
    format!("{:02}:{:02}:{:02} UTC", day / 3600, day / 60 % 60, day % 60)
}

impl From<&Choice> for What {
    fn from(choice: &Choice) -> Self {
        Self::Chosen {
            member: choice.picked.clone(),
            reason: choice.reason.to_string(),
            skipped: choice.skipped.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use mangrove_continuity::SkipReason;

    use super::*;

    fn decision(login: &str, what: What) -> Decision {
        Decision { login: login.into(), at: 3 * 3600 + 61, app: "branch-app".into(), what }
    }

    #[test]
    fn why_tells_a_login_s_whole_way_in_sentences() {
        let log = DecisionLog::new(100);
        let skipped =
            Skipped { name: "root-dc1".into(), why: SkipReason::NotAble { why: "no redirect URL".into() } };
        let reason = "next in order".to_owned();
        log.record(decision(
            "abc",
            What::Chosen { member: Some("root-dc2".into()), reason, skipped: vec![skipped] },
        ));
        let end = End::SignedIn {
            member: "root-dc2".into(),
            via: "edge-failover".into(),
            subject: subject("alice"),
            from_session: false,
        };
        log.record(decision("abc", What::Ended { end, milliseconds: 1234 }));
        let story = log.why("abc").unwrap();
        assert_eq!(story[0], "Login abc for the application branch-app.");
        assert!(
            story[1].starts_with("03:01:01 UTC Asked root-dc2: next in order; not root-dc1:"),
            "{}",
            story[1]
        );
        assert_eq!(story[2], "03:01:01 UTC Signed in; root-dc2 vouched. It took 1.2 s.");
        assert!(log.why("unknown").is_none());
    }

    #[test]
    fn a_login_that_has_not_ended_says_so() {
        let log = DecisionLog::new(100);
        log.record(decision("abc", What::TurnedAway { why: "a replayed state".into() }));
        assert!(log.why("abc").unwrap().last().unwrap().contains("has not ended"));
    }

    #[test]
    fn the_ring_is_bounded_and_gives_up_the_oldest() {
        let log = DecisionLog::new(SHARDS * 2);
        for number in 0..5 {
            log.record(decision("abc", What::TurnedAway { why: number.to_string() }));
        }
        let kept = log.of("abc");
        assert_eq!(kept.len(), 2);
        assert!(matches!(&kept[1].what, What::TurnedAway { why } if why == "4"));
    }

    #[test]
    fn a_subject_in_the_log_names_nobody() {
        assert!(!subject("alice@example.com").contains("alice"));
        assert_eq!(subject("a"), subject("a"));
        assert_ne!(subject("a"), subject("b"));
    }
}
