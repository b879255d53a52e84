//! What this node says of itself (deep health): whether the people of one application could be signed in now.
//!
//! "Reachable" is not "can sign people in". The word comes from the standings that logins are sent by, by the same pure
//! `choose`, so that it cannot say otherwise than a login would find: Unknown and Suspect count as yes, and so does who
//! failed only a look; Down, drained, misconfigured and unable as no. Asks nobody and names nobody.

use std::time::Duration;

use mangrove_continuity::{Moment, SkipReason, Skipped};
use mangrove_keys::ambient;
use serde::Serialize;

use crate::Login;

/// Whether somebody could vouch for an application's people now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Somebody could, or in which way nobody can.
    pub can_sign_in: Result<(), WordBlame>,
    /// How old the newest sample behind this is; none where nothing was sampled, or nothing needs to be.
    pub age: Option<Duration>,
}

/// In which way nobody can vouch: what would have to change first. Where there are several, the first of this order is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WordBlame {
    /// One that could vouch is down.
    Unavailable,
    /// An operator has to correct settings.
    Misconfigured,
    /// Operators sent people elsewhere.
    Drained,
}

impl Login {
    /// Whether this node can sign in people for an application that names `idps`.
    pub fn can_sign_in(&self, idps: &[String]) -> Word {
        let now = ambient::now();
        let seats = self.plan.seats(idps);
        let choice = self.choose(&seats, now);
        match &choice.picked {
            Some(name) => Word { can_sign_in: Ok(()), age: self.newest(&[name], now) },
            None => {
                let names: Vec<&str> = seats.iter().map(|seat| seat.connector.name()).collect();
                Word { can_sign_in: Err(blame(&choice.skipped)), age: self.newest(&names, now) }
            }
        }
    }

    fn newest(&self, names: &[&str], now: Moment) -> Option<Duration> {
        let at = names.iter().filter_map(|name| self.watch.last_sample(name)).max()?;
        Some(now.since(at))
    }
}

/// An application that names nobody is an operator's to correct.
fn blame(skipped: &[Skipped]) -> WordBlame {
    let of = |skipped: &Skipped| match skipped.why {
        SkipReason::Drained { .. } => WordBlame::Drained,
        SkipReason::Misconfigured { .. } | SkipReason::NotAble { .. } => WordBlame::Misconfigured,
        SkipReason::Down { .. }
        | SkipReason::AlreadyTried
        | SkipReason::Doubted { .. }
        | SkipReason::Unanswered
        | SkipReason::AnotherForced => WordBlame::Unavailable,
    };
    skipped.iter().map(of).min().unwrap_or(WordBlame::Misconfigured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(why: SkipReason) -> Skipped {
        Skipped { name: "a".into(), why }
    }

    #[test]
    fn what_may_return_by_itself_is_said_before_what_an_operator_has_to_do() {
        let down = skipped(SkipReason::Down { why: None, seconds: 1, probing: false });
        let wrong = skipped(SkipReason::NotAble { why: "no redirect URL".into() });
        let drained = skipped(SkipReason::Drained {
            who: "ops".into(),
            why: "planned".into(),
            until: None,
            seconds_left: None,
        });
        assert_eq!(blame(&[drained.clone(), wrong.clone(), down]), WordBlame::Unavailable);
        assert_eq!(blame(&[drained.clone(), wrong]), WordBlame::Misconfigured);
        assert_eq!(blame(&[drained]), WordBlame::Drained);
        assert_eq!(blame(&[]), WordBlame::Misconfigured);
    }
}
