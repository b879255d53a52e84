//! The end of each visit of a person with a session: kept, lost, or nobody's fault.

use super::subjects::Subjects;
use crate::history::{Micros, Visit, VisitOutcome};
use crate::verdict::world::{Span, World};

/// A visit and what it was worth.
#[derive(Debug, Clone)]
pub struct JudgedVisit<'a> {
    /// As it was seen.
    pub visit: &'a Visit,
    /// When it ended.
    pub ended: Micros,
    /// What it was worth.
    pub end: VisitEnd,
    /// Why, in words.
    pub why: String,
}

/// What a visit was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitEnd {
    /// The session went on.
    Kept,
    /// The session was lost although who keeps it was there.
    Lost,
    /// Who keeps the session was out of reach or started anew: nobody could.
    Excused,
    /// Somebody else's session.
    Wrong,
}

/// Judges a visit; the session began at `signed_in`.
pub(super) fn judge<'a>(
    world: &World<'a>,
    subjects: &mut Subjects<'a>,
    visit: &'a Visit,
    ended: Micros,
    signed_in: Micros,
) -> JudgedVisit<'a> {
    let during = Span { from: visit.start, until: ended };
    let (end, why) = match &visit.outcome {
        VisitOutcome::Kept => {
            let wrong = visit.who.as_ref().and_then(|who| subjects.mixed_up(&visit.app, &visit.person, who));
            wrong.map_or((VisitEnd::Kept, String::new()), |why| (VisitEnd::Wrong, why))
        }
        VisitOutcome::Lost { says } => excuse(world, visit, during, signed_in, says.clone()),
        VisitOutcome::NoAnswer { trouble } => {
            excuse(world, visit, during, signed_in, format!("no page came ({trouble:?})"))
        }
    };
    JudgedVisit { visit, ended, end, why }
}

/// Who keeps the session has to be in reach, and to have been up since it began or to have somebody to ask.
fn excuse(
    world: &World<'_>,
    visit: &Visit,
    during: Span,
    signed_in: Micros,
    why: String,
) -> (VisitEnd, String) {
    let app = world.server(&visit.app);
    let edge = app.and_then(|app| app.upstreams.first()).and_then(|name| world.server(name));
    let (Some(app), Some(edge)) = (app, edge) else { return (VisitEnd::Lost, why) };
    let reachable = world.in_reach(&visit.region, app, during)
        && world.in_reach(&visit.region, edge, during)
        && world.in_reach(&app.region, edge, during);
    if !reachable {
        return (VisitEnd::Excused, format!("{why}; {} or {} was out of reach", app.name, edge.name));
    }
    let life = Span { from: signed_in.min(during.from), until: during.until };
    let anew = world.stopped(&edge.name, life) || world.stopped(&app.name, life);
    if anew && world.live_path(&visit.person, &visit.region, &visit.app, during).is_none() {
        return (VisitEnd::Excused, format!("{why}; {} started anew with nobody to ask", edge.name));
    }
    (VisitEnd::Lost, why)
}
