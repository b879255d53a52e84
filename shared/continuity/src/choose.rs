//! Whom to ask, why, and whom it passed over for what reason.
//!
//! Strategy `failover`: the first in order that can. An operator's force goes before the order; a candidate that is
//! doubted (its last look failed) comes after all that are not, one from which this very browser came back unanswered after
//! all that it may still try. Nothing else reorders: a fast backup is still a backup.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::health::State;
use crate::order::{Standing, What};
use crate::time::Moment;

/// A member that might be asked.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// Name of the connector.
    pub name: &'a str,
    /// Its health and orders, as of now.
    pub standing: Standing,
    /// Whether it can serve this login at all; if not, why.
    pub able: Result<(), &'a str>,
    /// Whether this login has asked it already.
    pub tried: bool,
    /// Whether this browser was sent there lately and came back unanswered; says nothing about its health.
    pub unanswered: bool,
}

/// The answer: whom, why, and whom not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// The one to ask, if any is left.
    pub picked: Option<String>,
    /// Why that one.
    pub reason: Reason,
    /// Those before it in order that were passed over, or all if nobody is left.
    pub skipped: Vec<Skipped>,
}

/// Why a candidate was picked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason {
    /// It is the first in order.
    FirstInOrder,
    /// Those before it cannot be asked.
    NextInOrder,
    /// An operator said so.
    Forced {
        /// Who.
        who: String,
        /// Why, in the operator's words.
        why: String,
    },
    /// The browser came back unanswered from all that can be asked: the first again.
    FirstAgain,
    /// It failed a look, and nobody else is left.
    LastResort,
    /// Nobody can be asked.
    NobodyLeft,
}

/// A candidate that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Skipped {
    /// Name of the connector.
    pub name: String,
    /// Why.
    pub why: SkipReason,
}

/// Why a candidate was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SkipReason {
    /// It is down.
    Down {
        /// The last failure, in words.
        why: Option<String>,
        /// For how long it has been down.
        seconds: u64,
        /// Whether it is being probed for its return right now.
        probing: bool,
    },
    /// An operator drained it.
    Drained {
        /// Who.
        who: String,
        /// Why, in the operator's words.
        why: String,
        /// When the order ends.
        #[serde(skip)]
        until: Option<Moment>,
        /// In how many seconds the order ends.
        seconds_left: Option<u64>,
    },
    /// It answers and does not know this node, or this node's settings are wrong.
    Misconfigured {
        /// What it said, in words.
        why: String,
    },
    /// It cannot serve this login.
    NotAble {
        /// Why not.
        why: String,
    },
    /// This login has asked it already.
    AlreadyTried,
    /// Its last look failed, and another candidate can be asked.
    Doubted {
        /// The failure, in words.
        why: Option<String>,
    },
    /// This browser came back from there unanswered, and another candidate can be asked.
    Unanswered,
    /// It could be asked; an operator forces another.
    AnotherForced,
}

/// Picks whom to ask: the first in order that can. `Unknown` and `Suspect` can be asked.
pub fn choose(candidates: &[Candidate<'_>], now: Moment) -> Choice {
    let obstacles: Vec<Option<SkipReason>> = candidates.iter().map(|c| obstacle(c, now)).collect();
    let first = |wanted: &dyn Fn(&Candidate<'_>) -> bool| {
        candidates.iter().zip(&obstacles).position(|(c, o)| o.is_none() && wanted(c))
    };

    if let Some(at) = first(&|c| forced(c, now).is_some()) {
        let (who, why) = forced(&candidates[at], now).expect("was just found to be forced");
        return picked(candidates, &obstacles, at, Reason::Forced { who, why });
    }
    if let Some(at) = first(&|c| !c.standing.doubted && !c.unanswered) {
        let reason = if at == 0 { Reason::FirstInOrder } else { Reason::NextInOrder };
        return picked(candidates, &obstacles, at, reason);
    }
    if let Some(at) = first(&|c| !c.standing.doubted) {
        return picked(candidates, &obstacles, at, Reason::FirstAgain);
    }
    if let Some(at) = first(&|_| true) {
        return picked(candidates, &obstacles, at, Reason::LastResort);
    }
    let skipped = candidates.iter().zip(obstacles);
    let skipped = skipped.filter_map(|(c, o)| Some(Skipped { name: c.name.to_owned(), why: o? })).collect();
    Choice { picked: None, reason: Reason::NobodyLeft, skipped }
}

/// What stands against asking this candidate, whoever the others are.
fn obstacle(candidate: &Candidate<'_>, now: Moment) -> Option<SkipReason> {
    let standing = &candidate.standing;
    if candidate.tried {
        return Some(SkipReason::AlreadyTried);
    }
    if let Err(why) = candidate.able {
        return Some(SkipReason::NotAble { why: why.to_owned() });
    }
    match standing.order.as_ref().filter(|order| order.holds(now)) {
        Some(order) if order.what == What::Force => return None,
        Some(order) => {
            return Some(SkipReason::Drained {
                who: order.who.clone(),
                why: order.why.clone(),
                until: order.until,
                seconds_left: order.until.map(|until| until.since(now).as_secs()),
            });
        }
        None => {}
    }
    if let Some(why) = &standing.misconfigured {
        return Some(SkipReason::Misconfigured { why: why.clone() });
    }
    (!standing.state.usable()).then(|| SkipReason::Down {
        why: standing.why.clone(),
        seconds: now.since(standing.since).as_secs(),
        probing: standing.state == State::Probing,
    })
}

/// Who forced this candidate, and why.
fn forced(candidate: &Candidate<'_>, now: Moment) -> Option<(String, String)> {
    let order = candidate.standing.order.as_ref();
    let order = order.filter(|order| order.what == What::Force && order.holds(now))?;
    Some((order.who.clone(), order.why.clone()))
}

/// The choice of the candidate at `at`, with a reason for each one before it.
fn picked(
    candidates: &[Candidate<'_>],
    obstacles: &[Option<SkipReason>],
    at: usize,
    reason: Reason,
) -> Choice {
    let passed_over = |candidate: &Candidate<'_>| match (&reason, candidate.standing.doubted) {
        (Reason::Forced { .. }, _) => SkipReason::AnotherForced,
        (_, false) => SkipReason::Unanswered,
        _ => SkipReason::Doubted { why: candidate.standing.why.clone() },
    };
    let skipped = candidates[..at].iter().zip(obstacles).map(|(candidate, obstacle)| Skipped {
        name: candidate.name.to_owned(),
        why: obstacle.clone().unwrap_or_else(|| passed_over(candidate)),
    });
    Choice { picked: Some(candidates[at].name.to_owned()), skipped: skipped.collect(), reason }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.picked {
            Some(name) => write!(f, "{name}: {}", self.reason)?,
            None => write!(f, "{}", self.reason)?,
        }
        for skipped in &self.skipped {
            write!(f, "; {skipped}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstInOrder => f.write_str("first in order"),
            Self::NextInOrder => f.write_str("next in order"),
            Self::Forced { who, why } => write!(f, "forced by {who} ({why})"),
            Self::FirstAgain => f.write_str(
                "this browser came back unanswered from all that can be asked, so it is the first again",
            ),
            Self::LastResort => f.write_str("did not answer the last look, but nobody else is left"),
            Self::NobodyLeft => f.write_str("nobody left to ask"),
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}: {}", self.name, self.why)
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { why, seconds, probing } => {
                write!(f, "down for {}", in_words(*seconds))?;
                if *probing {
                    f.write_str(", being probed for its return")?;
                }
                because(f, why.as_deref())
            }
            Self::Drained { who, why, seconds_left, .. } => {
                write!(f, "drained by {who} ({why})")?;
                seconds_left.map_or(Ok(()), |left| write!(f, " for another {}", in_words(left)))
            }
            Self::Misconfigured { why } => write!(f, "misconfigured, an operator has to act: {why}"),
            Self::NotAble { why } => write!(f, "cannot serve this login: {why}"),
            Self::AlreadyTried => f.write_str("this login has asked it already"),
            Self::Doubted { why } => {
                f.write_str("did not answer the last look")?;
                because(f, why.as_deref())
            }
            Self::Unanswered => f.write_str("this browser came back from there unanswered"),
            Self::AnotherForced => f.write_str("an operator forces another"),
        }
    }
}

fn because(f: &mut fmt::Formatter<'_>, why: Option<&str>) -> fmt::Result {
    why.map_or(Ok(()), |why| write!(f, ": {why}"))
}

/// A length of time as a person says it: the two largest units.
fn in_words(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}
