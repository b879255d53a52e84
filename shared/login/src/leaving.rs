//! Whom to send a browser to, now: the choice, and the last look before leaving.
//!
//! The choice is `continuity`'s and the looks are [`crate::looks`]'s; this puts them together. A member whose look failed
//! is doubted from then on, so that the choice itself goes on to the next one and later logins do not look again. Where
//! nobody is left by verdicts, all that could be alive get one look together, and whoever answers is used in order.

use std::sync::Arc;
use std::time::Duration;

use mangrove_connectors::Look;
use mangrove_continuity::{Candidate, Choice, Moment, Reason, SkipReason, Skipped, choose, order};
use mangrove_keys::ambient;

use crate::book::Flow;
use crate::decisions::What;
use crate::login::Login;
use crate::looks::{self, Looked};
use crate::plan::Seat;
use crate::watch::Member;

/// Why a member is asked that the verdicts had given up.
const ANSWERS_NOW: &str = "nobody else is left, and it answered a look just now";

impl Login {
    /// The member to ask next, looked at where that is due; none if nobody is left.
    pub(crate) async fn pick<'a>(&self, flow: &Flow, seats: &[&'a Seat]) -> Option<&'a Seat> {
        let seat = |name: &str| seats.iter().copied().find(|seat| seat.connector.name() == name);
        let mut looked: Vec<String> = Vec::new();
        // Held while the first look is waited for, so that the second goes on and is not begun anew.
        let mut _under_way = None;
        loop {
            let now = ambient::now();
            let choice = self.choose_for(flow, seats, &flow.tried, now);
            let Some(name) = choice.picked.clone().filter(|_| choice.reason != Reason::LastResort) else {
                return self.last_chance(flow, seats, choice).await.and_then(seat);
            };
            let member = self.watch.member(&name)?;
            let forced = matches!(choice.reason, Reason::Forced { .. });
            if forced || !member.wants_a_look(now) {
                self.record(flow, What::from(&choice));
                return seat(&name);
            }
            if looked.contains(&name) {
                return self.last_chance(flow, seats, choice).await.and_then(seat);
            }
            let next = self.next_after(&name, flow, seats, now);
            let found = looks::before_leaving(member, next.as_ref()).await;
            if matches!(found.look, Look::Answered { .. }) {
                self.record(flow, What::from(&choice));
                return seat(&name);
            }
            self.record_look(flow, &name, &found);
            _under_way = found.next;
            looked.push(name);
        }
    }

    /// Whether somebody else could be asked if those that this login has asked do not vouch; here, or by who sent the browser.
    /// A silent login asks one member only.
    pub(crate) fn has_another(&self, flow: &Flow, seats: &[&Seat]) -> bool {
        let next = self.choose_for(flow, seats, &flow.tried, ambient::now());
        let here = next.picked.is_some() && next.reason != Reason::LastResort;
        !flow.silent() && (here || flow.request.ask.elsewhere)
    }

    /// Who would be chosen if `name` could not be.
    fn next_after(&self, name: &str, flow: &Flow, seats: &[&Seat], now: Moment) -> Option<Arc<Member>> {
        let mut without = flow.tried.clone();
        without.push(name.to_owned());
        let next = self.choose_for(flow, seats, &without, now);
        let next = next.picked.filter(|_| next.reason != Reason::LastResort)?;
        self.watch.member(&next).cloned()
    }

    /// Nobody is left by verdicts and looks: one look at all that could be alive, and then whoever may only be slow.
    async fn last_chance<'a>(&self, flow: &Flow, seats: &[&'a Seat], choice: Choice) -> Option<&'a str> {
        let now = ambient::now();
        let alive: Vec<(&'a str, Arc<Member>)> = seats
            .iter()
            .map(|seat| seat.connector.name())
            .zip(seats)
            .filter(|(name, seat)| {
                self.could_be_alive(seat, now) && !flow.tried.iter().any(|tried| tried == name)
            })
            .filter_map(|(name, _)| Some((name, Arc::clone(self.watch.member(name)?))))
            .collect();
        let answered = looks::all_at_once(&alive).await;
        let slow = || {
            let now = ambient::now();
            let slow = alive.iter().find(|(_, member)| member.may_be_slow(now)).map(|(name, _)| *name);
            slow.filter(|_| !flow.request.ask.elsewhere)
        };
        let (name, reason) = match (answered, answered.or_else(slow)) {
            (Some(_), name) => (name, ANSWERS_NOW.to_owned()),
            (None, Some(name)) => (Some(name), Reason::LastResort.to_string()),
            (None, None) => (None, Reason::NobodyLeft.to_string()),
        };
        let skipped = self.passed_over(choice, name, now);
        self.record(flow, What::Chosen { member: name.map(str::to_owned), reason, skipped });
        name
    }

    /// Those that were passed over for `name`: the one that was given up only just now is among them.
    fn passed_over(&self, choice: Choice, name: Option<&str>, now: Moment) -> Vec<Skipped> {
        let mut skipped = choice.skipped;
        if let Some(given_up) = choice.picked {
            let why = self.watch.standing(&given_up, now).and_then(|standing| standing.why);
            skipped.push(Skipped { name: given_up, why: SkipReason::Doubted { why } });
        }
        skipped.retain(|skipped| Some(skipped.name.as_str()) != name);
        skipped
    }

    /// Whether a look could find it alive, and it might then be used: not drained, not misconfigured, not refused by its own
    /// endpoint.
    pub(crate) fn could_be_alive(&self, seat: &Seat, now: Moment) -> bool {
        let Some(standing) = self.watch.standing(seat.connector.name(), now) else { return false };
        let drained = standing.order.is_some_and(|order| order.what == order::What::Drain);
        seat.connector.has_a_page()
            && seat.able().is_ok()
            && !drained
            && !standing.refused
            && standing.misconfigured.is_none()
    }

    /// Whom to ask, if this login had asked those that are `tried`.
    pub(crate) fn choose_for(&self, flow: &Flow, seats: &[&Seat], tried: &[String], now: Moment) -> Choice {
        let able = |seat: &Seat| {
            let moves =
                !flow.avoid.is_empty() && !flow.avoid.iter().any(|name| name == seat.connector.name());
            if moves && !seat.connector.may_meet(&flow.request.ask) {
                return Err("it cannot meet the acr that the application asks for".to_owned());
            }
            seat.able()
        };
        self.choose_among(seats, able, tried, &flow.avoid, now)
    }

    /// Whom to ask, whoever the browser is.
    pub(crate) fn choose(&self, seats: &[&Seat], now: Moment) -> Choice {
        self.choose_among(seats, Seat::able, &[], &[], now)
    }

    fn choose_among(
        &self,
        seats: &[&Seat],
        able: impl Fn(&Seat) -> Result<(), String>,
        tried: &[String],
        avoid: &[String],
        now: Moment,
    ) -> Choice {
        let able: Vec<Result<(), String>> = seats.iter().map(|seat| able(seat)).collect();
        let candidates: Vec<Candidate<'_>> = seats
            .iter()
            .zip(&able)
            .filter_map(|(seat, able)| {
                let name = seat.connector.name();
                Some(Candidate {
                    name,
                    standing: self.watch.standing(name, now)?,
                    able: able.as_ref().copied().map_err(String::as_str),
                    tried: tried.iter().any(|tried| tried == name),
                    unanswered: avoid.iter().any(|avoided| avoided == name),
                })
            })
            .collect();
        choose(&candidates, now)
    }

    fn record_look(&self, flow: &Flow, member: &str, found: &Looked) {
        let why = match &found.look {
            Look::Answered { .. } => return,
            Look::Failed { why, .. }
            | Look::SaysNo { why }
            | Look::Refused { why }
            | Look::Misconfigured { why } => why.clone(),
        };
        let milliseconds = whole_milliseconds(found.waited);
        self.record(flow, What::LookedInVain { member: member.to_owned(), why, milliseconds });
    }
}

fn whole_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
