//! The decision log: what was decided about a login, one structured line for each decision, and the last of them in
//! memory, so that `why` can tell a login's whole way.
//!
//! What a decision is stands here, whose fault an end is in [`fault`], the words in [`words`], the line in [`mod@line`]. The
//! line in the log, the line in memory and the sentence of a story are one. The ring is bounded and sharded by login id.
//! Nothing in it says more about a person than a hash of the stable subject: no claims, no user names, no addresses.

mod fault;
mod line;
mod words;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mangrove_continuity::{Blame, Choice, Skipped};

pub use fault::Fault;
pub use line::{Kind, Line};

use crate::{Refusal, digest, story};

/// Decisions kept in memory by default.
pub const KEPT: usize = 20_000;

const SHARDS: usize = 16;

/// One decision about one login.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The login it is about.
    pub login: String,
    /// Milliseconds since the Unix epoch, by this node's clock.
    pub at: u64,
    /// The application.
    pub app: String,
    /// [`reference()`] of the request with which the browser came; the node that sent it wrote the same.
    pub from_ref: Option<String>,
    /// What was decided.
    pub what: What,
}

/// What was decided.
#[derive(Debug, Clone)]
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
    /// The browser was sent to a member.
    Sent {
        /// The member.
        member: String,
        /// [`reference()`] of the `state` it took along; the receiver, if it is a node, wrote the same.
        to_ref: String,
    },
    /// This node asked for a password itself.
    PasswordAsked {
        /// The connector that will judge it.
        member: String,
    },
    /// A password was wrong, or the account may not be used.
    WrongPassword {
        /// The connector that judged it.
        member: String,
        /// What the connector says, in words for the log.
        why: String,
    },
    /// After wrong passwords the next one was not even looked at.
    MadeToWait {
        /// The connector that would have judged it.
        member: String,
        /// For how long.
        seconds: u64,
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
    /// This node had no time to ask a member; the person's page tries again.
    NotAsked {
        /// The member.
        member: String,
        /// In words, for the operator.
        why: String,
    },
    /// This node had no time to look at a member's answer; the browser brings it again.
    NotLookedAt {
        /// The member in whose name it came.
        member: String,
        /// In words, for the operator.
        why: String,
    },
    /// Something that came from a browser was turned away; the login, if it is known, goes on.
    TurnedAway {
        /// In words.
        why: String,
    },
    /// A member said more of a person than a session holds.
    LeftOut {
        /// The member.
        member: String,
        /// Names of what was left out.
        attributes: Vec<String>,
    },
    /// The login ended.
    Ended {
        /// How.
        end: End,
        /// From the application's request to now, in milliseconds.
        milliseconds: u64,
    },
}

/// How a login ended.
#[derive(Debug, Clone)]
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
        /// Who is to blame.
        fault: Fault,
        /// In words, for the operator.
        why: String,
    },
    /// A page ended it.
    Page {
        /// Its status.
        status: u16,
        /// The member at which it ended, if at one.
        member: Option<String>,
        /// Who is to blame.
        fault: Fault,
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
        Line::from(&decision).write();
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

    /// All that is kept, as the lines of the log; each login's in order.
    pub fn lines(&self) -> Vec<Line> {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.flat_map(|shard| shard.iter().map(Line::from).collect::<Vec<_>>()).collect()
    }

    /// A login's whole way at this node in plain sentences, or nothing if it is not known (any more).
    pub fn why(&self, login: &str) -> Option<Vec<String>> {
        story::tell(&self.of(login).iter().map(Line::from).collect::<Vec<_>>(), login)
    }

    fn shard(&self, login: &str) -> std::sync::MutexGuard<'_, VecDeque<Decision>> {
        let number = digest::number("decision shard", &[login.as_bytes()]);
        let at = usize::try_from(number % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A login that ended after a time.
pub(crate) fn ended(end: End, after: Duration) -> What {
    What::Ended { end, milliseconds: u64::try_from(after.as_millis()).unwrap_or(u64::MAX) }
}

/// A subject, fit for a log: a hash that correlates lines and names nobody.
pub(crate) fn subject(sub: &str) -> String {
    digest::text("decision subject", &[sub.as_bytes()])[..16].to_owned()
}

/// What two nodes write down about one hop of a browser between them: the first 80 bits of a hash over the `state` that the
/// sender made and the receiver got, as lower-case base32. Neither the `state` nor anything about the login follows from it,
/// and an identity provider that is no node need not know about it.
pub fn reference(state: &str) -> String {
    digest::short("decision reference", &[state.as_bytes()])
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
        let at = (3 * 3600 + 61) * 1000 + 120;
        Decision { login: login.into(), at, app: "branch-app".into(), from_ref: None, what }
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
        assert_eq!(story[0], "Login abc for the application branch-app, 1970-01-01, times in UTC.");
        assert!(
            story[1].starts_with("03:01:01.120  Asked root-dc2: next in order; not root-dc1:"),
            "{}",
            story[1]
        );
        assert_eq!(story[2], "03:01:01.120  Signed in; root-dc2 vouched. It took 1.2 s.");
        assert!(log.why("unknown").is_none());
    }

    #[test]
    fn a_login_that_has_not_ended_says_where_the_person_is() {
        let log = DecisionLog::new(100);
        log.record(decision("abc", What::TurnedAway { why: "a replayed state".into() }));
        assert!(log.why("abc").unwrap().last().unwrap().contains("has not ended"));
        log.record(decision("abc", What::Sent { member: "root-dc2".into(), to_ref: reference("s") }));
        let last = log.why("abc").unwrap().pop().unwrap();
        assert!(last.contains("sent to root-dc2 and has not come back"), "{last}");
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
        assert_eq!(log.lines().len(), 2);
    }

    #[test]
    fn a_subject_and_a_state_in_the_log_name_nobody() {
        assert!(!subject("alice@example.com").contains("alice"));
        assert_eq!(subject("a"), subject("a"));
        assert_ne!(subject("a"), subject("b"));
        assert_eq!(reference("a"), reference("a"));
        assert_ne!(reference("a"), reference("b"));
        assert_eq!(reference("a").len(), 16);
    }
}
