//! Whom to send a browser to, now: the choice, and the last look before leaving.
//!
//! The choice is `continuity`'s and the looks are [`crate::looks`]'s; this puts them together. A member whose look failed
//! is doubted from then on, so that the choice itself goes on to the next one and later logins do not look again. Where
//! nobody is left by verdicts, all that could be alive get one look together, and whoever answers is used in order.

use std::sync::Arc;
use std::time::Duration;

use mangrove_connectors::Look;
use mangrove_continuity::{Candidate, Choice, Moment, Reason, SkipReason, Skipped, Standing, choose, order};

use crate::book::Flow;
use crate::decisions::What;
use crate::login::Login;
use crate::looks::Looked;
use crate::plan::Seat;
use crate::steps::World;

/// Why a member is asked that the verdicts had given up.
const ANSWERS_NOW: &str = "nobody else is left, and it answered a look just now";

/// The same where its outage is a rehearsal, which may cost nobody a login.
const ONLY_SIMULATED: &str = "nobody else is left, and its outage is only simulated";

/// The member to ask next, looked at where that is due; none if nobody is left.
pub(crate) async fn pick<W: World>(world: &W, flow: &Flow) -> Option<String> {
    let mut looked: Vec<String> = Vec::new();
    // Held while the first look is waited for, so that the second goes on and is not begun anew.
    let mut _under_way = None;
    loop {
        let choice = world.choose(flow, &flow.tried);
        let Some(name) = choice.picked.clone().filter(|_| choice.reason != Reason::LastResort) else {
            return last_chance(world, flow, choice).await;
        };
        let forced = matches!(choice.reason, Reason::Forced { .. });
        if forced || !world.wants_a_look(&name) {
            world.record(flow, What::from(&choice));
            return Some(name);
        }
        if looked.contains(&name) {
            return last_chance(world, flow, choice).await;
        }
        let next = next_after(world, flow, &name);
        let found = world.look(&name, next.as_deref()).await;
        if matches!(found.look, Look::Answered { .. }) {
            world.record(flow, What::from(&choice));
            return Some(name);
        }
        record_look(world, flow, &name, &found);
        _under_way = found.next;
        looked.push(name);
    }
}

/// Whether somebody else could be asked if neither `member` nor those that this login asked before vouch; here, or by who
/// sent the browser. A silent login asks one member only.
pub(crate) fn has_another<W: World>(world: &W, flow: &Flow, member: &str) -> bool {
    !flow.silent() && (flow.request.ask.elsewhere || next_after(world, flow, member).is_some())
}

/// Who would be chosen if `member` could not be.
fn next_after<W: World>(world: &W, flow: &Flow, member: &str) -> Option<String> {
    let mut without = flow.tried.clone();
    without.push(member.to_owned());
    let next = world.choose(flow, &without);
    next.picked.filter(|_| next.reason != Reason::LastResort)
}

/// Nobody is left by verdicts and looks: one look at all that could be alive, and then whoever may only be slow.
async fn last_chance<W: World>(world: &W, flow: &Flow, choice: Choice) -> Option<String> {
    let mut alive = world.members(flow);
    alive.retain(|name| !flow.tried.contains(name) && world.could_be_alive(flow, name));
    let answered = world.look_at_all(&alive).await;
    let slow = || {
        let slow = alive.iter().find(|name| world.may_be_slow(name)).cloned();
        slow.filter(|_| !flow.request.ask.elsewhere)
    };
    let (name, reason) = match answered {
        Some(name) => {
            let simulated = world.standing(&name).is_some_and(|standing| standing.simulated);
            let reason = if simulated { ONLY_SIMULATED } else { ANSWERS_NOW };
            (Some(name), reason.to_owned())
        }
        None => match slow() {
            Some(name) => (Some(name), Reason::LastResort.to_string()),
            None => (None, Reason::NobodyLeft.to_string()),
        },
    };
    let skipped = passed_over(world, choice, name.as_deref());
    world.record(flow, What::Chosen { member: name.clone(), reason, skipped });
    name
}

/// Those that were passed over for `name`: the one that was given up only just now is among them.
fn passed_over<W: World>(world: &W, choice: Choice, name: Option<&str>) -> Vec<Skipped> {
    let mut skipped = choice.skipped;
    if let Some(given_up) = choice.picked {
        let why = world.standing(&given_up).and_then(|standing| standing.why);
        skipped.push(Skipped { name: given_up, why: SkipReason::Doubted { why } });
    }
    skipped.retain(|skipped| Some(skipped.name.as_str()) != name);
    skipped
}

fn record_look<W: World>(world: &W, flow: &Flow, member: &str, found: &Looked) {
    let why = match &found.look {
        Look::Answered { .. } => return,
        Look::Failed { why, .. }
        | Look::SaysNo { why }
        | Look::Refused { why }
        | Look::Misconfigured { why } => why.clone(),
    };
    let milliseconds = whole_milliseconds(found.waited);
    world.record(flow, What::LookedInVain { member: member.to_owned(), why, milliseconds });
}

impl Login {
    /// Whether a look could find it alive, and it might then be used.
    pub(crate) fn could_be_alive(&self, seat: &Seat, now: Moment) -> bool {
        let Some(standing) = self.watch.standing(seat.connector.name(), now) else { return false };
        (seat.connector.a_look_tells() || standing.simulated)
            && seat.able().is_ok()
            && worth_a_look(&standing)
    }

    /// Whom to ask, if this login had asked those that are `tried`.
    pub(crate) fn choose_for(
        &self,
        flow: &Flow,
        seats: &[Arc<Seat>],
        tried: &[String],
        now: Moment,
    ) -> Choice {
        let able = |seat: &Seat| {
            let moves =
                !flow.avoid.is_empty() && !flow.avoid.iter().any(|name| name == seat.connector.name());
            if moves && !seat.connector.may_meet(&flow.request.ask) {
                return Err("it cannot meet the acr that the application asks for".to_owned());
            }
            seat.able()
        };
        self.choose_of(seats, able, tried, &flow.avoid, now)
    }

    /// Whom to ask, whoever the browser is.
    pub(crate) fn choose(&self, seats: &[Arc<Seat>], now: Moment) -> Choice {
        self.choose_of(seats, Seat::able, &[], &[], now)
    }

    fn choose_of(
        &self,
        seats: &[Arc<Seat>],
        able: impl Fn(&Seat) -> Result<(), String>,
        tried: &[String],
        avoid: &[String],
        now: Moment,
    ) -> Choice {
        let members = seats.iter().filter_map(|seat| {
            let name = seat.connector.name();
            Some((name, self.watch.standing(name, now)?, able(seat)))
        });
        choose_among(&members.collect::<Vec<_>>(), tried, avoid, now)
    }
}

/// The choice among members, each with what is known of it and whether it is able, for a login that has asked those `tried`
/// in a browser that is to be kept from those to `avoid`.
pub(crate) fn choose_among(
    members: &[(&str, Standing, Result<(), String>)],
    tried: &[String],
    avoid: &[String],
    now: Moment,
) -> Choice {
    let candidates: Vec<Candidate<'_>> = members
        .iter()
        .map(|(name, standing, able)| Candidate {
            name,
            standing: standing.clone(),
            able: able.as_ref().copied().map_err(String::as_str),
            tried: tried.iter().any(|tried| tried == name),
            unanswered: avoid.iter().any(|avoided| avoided == name),
        })
        .collect();
    choose(&candidates, now)
}

/// Whether a member that a look found alive might be used: not drained, not misconfigured, not refused by its own endpoint.
pub(crate) fn worth_a_look(standing: &Standing) -> bool {
    let drained = standing.order.as_ref().is_some_and(|order| order.what == order::What::Drain);
    !drained && !standing.refused && standing.misconfigured.is_none()
}

fn whole_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
