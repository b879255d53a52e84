//! What this node says of itself (deep health): whether the people of one application could be signed in now.
//!
//! "Reachable" is not "can sign people in". The word comes from the standings that logins are sent by, by the same pure
//! `choose`, so that it cannot say otherwise than a login would find: Unknown and Suspect count as yes; Down, drained,
//! misconfigured and unable as no. Where the last sign of life of whoever would be chosen is old, it is looked at first, as
//! before a login, but only for [`WITHIN`]. If everybody who is left failed a look, that is a no; if the look only ran out of
//! time, a yes in doubt. Names nobody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mangrove_connectors::Look;
use mangrove_continuity::{Choice, Moment, Reason, SkipReason, Skipped};
use mangrove_keys::ambient;
use serde::Serialize;

use crate::plan::Seat;
use crate::{Login, looks};

/// For how long a look may keep who asks: a node that wants to send a person here waits a little longer.
const WITHIN: Duration = Duration::from_millis(200);

/// Whether somebody could vouch for an application's people now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Somebody could, or in which way nobody can.
    pub can_sign_in: Result<(), WordBlame>,
    /// Somebody could who did not answer in time when it was last looked at: whoever else can be asked is the better choice.
    pub in_doubt: bool,
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
    pub async fn can_sign_in(&self, idps: &[String]) -> Word {
        let seats = self.plan().seats(idps);
        self.look_around(&seats).await;
        self.word(&seats, ambient::now())
    }

    /// Looks at whoever would be chosen, until one answers, none is left to look at, or [`WITHIN`] has passed.
    async fn look_around(&self, seats: &[Arc<Seat>]) {
        let began = ambient::now();
        let mut looked = BTreeSet::new();
        loop {
            let now = ambient::now();
            let left = WITHIN.saturating_sub(now.since(began));
            let choice = self.choose(seats, now);
            let Some(name) = unforced(choice).filter(|name| looked.insert(name.clone())) else { return };
            let Some(member) = self.watch.member(&name).filter(|m| m.wants_a_look_for_a_word(now)) else {
                return;
            };
            match looks::within(left, &member, &self.watch.keeper).await {
                None | Some(Look::Answered { .. }) => return,
                Some(_) => {}
            }
        }
    }

    fn word(&self, seats: &[Arc<Seat>], now: Moment) -> Word {
        let choice = self.choose(seats, now);
        let names: Vec<&str> = seats.iter().map(|seat| seat.connector.name()).collect();
        let word =
            |can_sign_in, in_doubt, names| Word { can_sign_in, in_doubt, age: self.newest(names, now) };
        match (&choice.picked, &choice.reason) {
            (Some(_), Reason::LastResort) => {
                let in_doubt = seats.iter().any(|seat| self.may_only_be_slow(seat, now));
                let can_sign_in = if in_doubt { Ok(()) } else { Err(WordBlame::Unavailable) };
                word(can_sign_in, in_doubt, &names)
            }
            (Some(name), _) => word(Ok(()), false, &[name]),
            (None, _) if seats.iter().any(|seat| self.is_only_simulated(seat, now)) => {
                word(Ok(()), true, &names)
            }
            (None, _) => word(Err(blame(&choice.skipped)), false, &names),
        }
    }

    fn may_only_be_slow(&self, seat: &Seat, now: Moment) -> bool {
        if self.is_only_simulated(seat, now) {
            return true;
        }
        let member = self.watch.member(seat.connector.name());
        self.could_be_alive(seat, now) && member.is_some_and(|member| member.may_be_slow(now))
    }

    /// Whether an outage is simulated there: a member that is asked after all if nobody else is left.
    fn is_only_simulated(&self, seat: &Seat, now: Moment) -> bool {
        let standing = self.watch.standing(seat.connector.name(), now);
        standing.is_some_and(|standing| standing.simulated) && self.could_be_alive(seat, now)
    }

    fn newest(&self, names: &[&str], now: Moment) -> Option<Duration> {
        let at = names.iter().filter_map(|name| self.watch.last_sample(name)).max()?;
        Some(now.since(at))
    }
}

/// Who would be chosen although an operator forces nobody, nor is it the last resort.
fn unforced(choice: Choice) -> Option<String> {
    choice.picked.filter(|_| !matches!(choice.reason, Reason::Forced { .. } | Reason::LastResort))
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
