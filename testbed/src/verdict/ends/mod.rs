//! The end of each login, as the testbed's table has them: signed in, told, cut off, lost, wrong.
//!
//! Who is *wrong* is a matter of `subjects`, who was *cut off* one of `excuses`; [`visits`] has the same of people with a session,
//! [`sign_outs`] of those who end it, [`usual`] what logins cost without a fault.

mod excuses;
pub mod sign_outs;
pub(super) mod subjects;
pub mod usual;
pub mod visits;

use std::collections::BTreeMap;

use self::sign_outs::{JudgedSignOut, SignOuts};
use self::subjects::Subjects;
use self::usual::{LEAST_WINDOW, Usual, answered};
use self::visits::JudgedVisit;
use super::world::{Span, World};
use crate::history::{Event, Login, MILLISECOND, Micros, SECOND, Seen, What};

/// A no is "at once" until here; looking at everybody once more takes a second of it.
const AT_ONCE: Micros = 2 * SECOND;
/// A window that meets a change for less than this is listed apart.
const TOUCH: Micros = 100 * MILLISECOND;

/// What a login was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Signed in as oneself.
    SignedIn,
    /// A clear no at once, and there was no live path.
    Told,
    /// No live path, and no node could say so.
    CutOff,
    /// Anything else.
    Lost,
    /// Somebody else, or nobody who may.
    Wrong,
    /// Touched a change so shortly that it cannot be said on which side it was; or the run ended first.
    Apart,
}

impl End {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SignedIn => "signed in",
            Self::Told => "told",
            Self::CutOff => "cut off",
            Self::Lost => "lost",
            Self::Wrong => "wrong",
            Self::Apart => "apart",
        }
    }
}

/// A login and what it was worth.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    /// As it was seen.
    pub login: &'a Login,
    /// When it ended.
    pub ended: Micros,
    /// What it was worth.
    pub end: End,
    /// Why, in words; empty for one that is signed in.
    pub why: String,
    /// Who answered in the try that counted: the servers that the browser saw behind the edge, in order.
    pub by: Vec<&'a str>,
    /// Restarts, choices and passwords beyond those of the same login without a fault; without passwords that a provider which
    /// went swallowed.
    pub acts: u32,
    /// Whether there was a live path.
    pub live: bool,
    /// The time for which the path had to be live: from the start to three usual logins later.
    pub window: Span,
}

impl Judged<'_> {
    /// How long the person needed.
    pub fn took(&self) -> Micros {
        self.ended.saturating_sub(self.login.start)
    }

    /// Who answered, as one name.
    pub fn answered_by(&self) -> String {
        if self.by.is_empty() { "its own session".to_owned() } else { self.by.join(" › ") }
    }
}

/// Everything that people did, judged.
pub struct Ends<'a> {
    /// Logins in the order of their ends.
    pub logins: Vec<Judged<'a>>,
    /// Visits in the order of their ends.
    pub visits: Vec<JudgedVisit<'a>>,
    /// Sign-outs in the order of their ends.
    pub sign_outs: Vec<JudgedSignOut<'a>>,
    /// What logins cost without a fault, by region.
    pub usual: BTreeMap<&'a str, Usual>,
}

impl<'a> Ends<'a> {
    /// Judges every login, visit and sign-out of the history.
    pub fn judge(world: &World<'a>, events: &'a [Event]) -> Self {
        let usual = usual::usual(world, events);
        let mut ends = Self { logins: Vec::new(), visits: Vec::new(), sign_outs: Vec::new(), usual };
        let (mut subjects, mut leaving) = (Subjects::default(), SignOuts::default());
        let mut since: BTreeMap<&str, Micros> = BTreeMap::new();
        for event in events {
            match &event.what {
                What::Login(login) => {
                    let judged = ends.judge_login(world, &mut subjects, login, event.at);
                    if judged.end == End::SignedIn {
                        since.insert(&login.person, event.at);
                    }
                    leaving.comes(world, login, &judged.by);
                    ends.logins.push(judged);
                }
                What::Visit(visit) => {
                    let began = since.get(visit.person.as_str()).copied().unwrap_or(visit.start);
                    ends.visits.push(visits::judge(world, &mut subjects, visit, event.at, began));
                    leaving.visits(world, visit);
                }
                What::SignOut(sign_out) => leaving.leaves(world, sign_out, event.at),
                What::Round(_) => leaving.begins_anew(),
                _ => {}
            }
        }
        ends.sign_outs = leaving.judged;
        ends
    }

    fn judge_login(
        &self,
        world: &World<'a>,
        subjects: &mut Subjects<'a>,
        login: &'a Login,
        ended: Micros,
    ) -> Judged<'a> {
        let usual = self.usual.get(login.region.as_str());
        let window =
            Span { from: login.start, until: login.start + usual.map_or(LEAST_WINDOW, Usual::window) };
        let live = world.live_path(&login.person, &login.region, &login.app, window);
        let (end, why) = match subjects.wrong(world, login) {
            Some(why) => (End::Wrong, why),
            None => end(world, login, ended, window, live.as_deref()),
        };
        let extra = |used: u32, usual: u32| used.saturating_sub(usual);
        let (choices, passwords) = usual.map_or((0, 1), |usual| (usual.choices, usual.passwords));
        let heard = login.acts.passwords.saturating_sub(excuses::swallowed(world, login));
        let acts = login.acts.restarts + extra(login.acts.choices, choices) + extra(heard, passwords);
        Judged { login, ended, end, why, by: answered(world, login), acts, live: live.is_some(), window }
    }
}

fn end(
    world: &World<'_>,
    login: &Login,
    ended: Micros,
    window: Span,
    live: Option<&[&str]>,
) -> (End, String) {
    let seen = seen(&login.seen);
    match (&login.seen, live) {
        (Seen::SignedIn, _) => return (End::SignedIn, String::new()),
        (Seen::Unfinished, _) => return (End::Apart, "the run ended first".to_owned()),
        _ if touches_a_change(world, window) => {
            return (End::Apart, format!("{seen}; its window meets a change for less than 100 ms"));
        }
        (_, Some(chain)) => {
            return (End::Lost, format!("{seen}, although this path was live: {}", chain.join(" › ")));
        }
        (Seen::Refused { status: 503, waited, says }, None) if *waited <= AT_ONCE && !says.is_empty() => {
            return (End::Told, format!("{seen}, and there was no live path"));
        }
        _ => {}
    }
    match excuses::cut_off(world, &login.into(), ended, window) {
        Some(why) => (End::CutOff, format!("{seen}; {why}")),
        None => (End::Lost, format!("{seen}; there was no live path, and who could have said so did not")),
    }
}

fn seen(seen: &Seen) -> String {
    match seen {
        Seen::SignedIn => "signed in".to_owned(),
        Seen::Refused { status, says, .. } => format!("a page with status {status} said “{says}”"),
        Seen::GaveUp { trouble } => format!("no page came ({trouble:?})"),
        Seen::Stuck { status, says } => format!("stuck on a page with status {status}: “{says}”"),
        Seen::Unfinished => "unfinished".to_owned(),
    }
}

fn touches_a_change(world: &World<'_>, window: Span) -> bool {
    world.changes.iter().any(|change| {
        let before = change.until > window.from && change.until < window.from + TOUCH;
        let after = change.from <= window.until && change.from + TOUCH > window.until;
        before || after
    })
}
