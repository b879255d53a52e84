//! The end of each login, as the testbed's table has them: signed in, told, cut off, lost, wrong. And of each visit of
//! a person with a session: kept, lost, or nobody's fault.

use std::collections::BTreeMap;

use super::stats;
use super::world::{Span, World};
use crate::history::{
    Event, Hop, Login, MILLISECOND, Micros, SECOND, Seen, Server, ServerKind, Visit, VisitOutcome, What, Who,
};

/// A login's window lasts at least so long.
const LEAST_WINDOW: Micros = 2 * SECOND;
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
    /// Restarts, choices and passwords beyond those of the same login without a fault.
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

/// What logins in one region cost without a fault.
#[derive(Debug, Clone, Default)]
pub struct Usual {
    /// Times of those signed in, by who answered; `""` for all.
    pub times: BTreeMap<String, Vec<Micros>>,
    choices: u32,
    passwords: u32,
}

impl Usual {
    /// The median over the member that answered; over all if it never did.
    pub fn median(&self, by: &str) -> Option<Micros> {
        let times = self.times.get(by).or_else(|| self.times.get(""))?;
        stats::median(times)
    }

    /// How long the window of a login is.
    pub fn window(&self) -> Micros {
        LEAST_WINDOW.max(self.median("").unwrap_or_default().saturating_mul(3))
    }
}

/// Who is who at each application, as the first time said.
#[derive(Default)]
struct Subjects<'a> {
    of_person: BTreeMap<(&'a str, &'a str), (&'a str, &'a str)>,
    of_subject: BTreeMap<(&'a str, &'a str, &'a str), &'a str>,
}

/// Everything that people did, judged.
pub struct Ends<'a> {
    /// Logins in the order of their ends.
    pub logins: Vec<Judged<'a>>,
    /// Visits in the order of their ends.
    pub visits: Vec<JudgedVisit<'a>>,
    /// What logins cost without a fault, by region.
    pub usual: BTreeMap<&'a str, Usual>,
}

impl<'a> Ends<'a> {
    /// Judges every login and visit of the history.
    pub fn judge(world: &World<'a>, events: &'a [Event]) -> Self {
        let usual = usual(world, events);
        let mut ends = Self { logins: Vec::new(), visits: Vec::new(), usual };
        let mut subjects = Subjects::default();
        let mut since: BTreeMap<&str, Micros> = BTreeMap::new();
        for event in events {
            match &event.what {
                What::Login(login) => {
                    let judged = ends.judge_login(world, &mut subjects, login, event.at);
                    if judged.end == End::SignedIn {
                        since.insert(&login.person, event.at);
                    }
                    ends.logins.push(judged);
                }
                What::Visit(visit) => {
                    let began = since.get(visit.person.as_str()).copied().unwrap_or(visit.start);
                    ends.visits.push(judge_visit(world, &mut subjects, visit, event.at, began));
                }
                _ => {}
            }
        }
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
        let acts =
            login.acts.restarts + extra(login.acts.choices, choices) + extra(login.acts.passwords, passwords);
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
    match cut_off(world, login, ended, window) {
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

/// Why no node could have said that there is no way, if that is so.
fn cut_off(world: &World<'_>, login: &Login, ended: Micros, window: Span) -> Option<String> {
    let app = world.server(&login.app)?;
    if !world.used_by(&login.person, &login.region, app, window) {
        return Some("the application was out of reach".to_owned());
    }
    let edge = app.upstreams.first().and_then(|name| world.server(name));
    if let Some(edge) = edge
        && !(world.used_by(&login.person, &login.region, edge, window)
            && world.in_reach(&app.region, edge, window))
    {
        return Some(format!("{} was out of reach", edge.name));
    }
    dead_page(world, login, ended).or_else(|| only_the_persons_path(world, login))
}

/// The browser stood on a page, or waited for one, whose server the fault took away.
fn dead_page(world: &World<'_>, login: &Login, ended: Micros) -> Option<String> {
    let during = Span { from: login.start, until: ended };
    for change in world.changes.iter().filter(|change| change.meets(during)) {
        let Some(hop) = login.hops.iter().rfind(|hop| hop.start <= change.until) else { continue };
        let Some(server) = world.server_at(hop.host()) else { continue };
        let just_before = Span { from: hop.start.min(change.from), until: change.from.saturating_sub(1) };
        let just_after = Span { from: change.until, until: change.until + MILLISECOND };
        if world.answers_in(&login.region, server, just_before)
            && !world.answers_in(&login.region, server, just_after)
        {
            return Some(format!("the browser stood at {} when the fault came", server.name));
        }
    }
    None
}

/// The node that sent the browser on could itself reach where it sent it.
fn only_the_persons_path(world: &World<'_>, login: &Login) -> Option<String> {
    let (index, failed) = login.hops.iter().enumerate().rfind(|(_, hop)| hop.error.is_some())?;
    let to = world.server_at(failed.host())?;
    let sender = login.hops[..index].iter().rev().filter(|hop| hop.status.is_some());
    let sender =
        sender.filter_map(|hop| world.server_at(hop.host())).find(|server| server.name != to.name)?;
    let during = Span { from: failed.start, until: failed.start + failed.took };
    let only = world.in_reach(&sender.region, to, during)
        && !world.used_by(&login.person, &login.region, to, during);
    only.then(|| format!("{} reached {}, and the person did not", sender.name, to.name))
}

/// The servers behind the edge that the browser saw in its last start, in order.
fn answered<'a>(world: &World<'a>, login: &'a Login) -> Vec<&'a str> {
    let mut by: Vec<&str> = Vec::new();
    for server in last_start(world, login)
        .iter()
        .filter(|hop| hop.status.is_some())
        .filter_map(|hop| world.server_at(hop.host()))
    {
        let behind = matches!(server.kind, ServerKind::Root | ServerKind::Idp) || server.vouches;
        if behind && !by.contains(&server.name.as_str()) {
            by.push(&server.name);
        }
    }
    by
}

fn last_start<'h>(world: &World<'_>, login: &'h Login) -> &'h [Hop] {
    let at_app = |hop: &Hop| world.server_at(hop.host()).is_some_and(|server| server.name == login.app);
    let is_start = |hop: &Hop| hop.path() == "/" && at_app(hop);
    let start = login.hops.iter().rposition(is_start).unwrap_or(0);
    &login.hops[start..]
}

impl<'a> Subjects<'a> {
    fn wrong(&mut self, world: &World<'a>, login: &'a Login) -> Option<String> {
        if login.seen != Seen::SignedIn {
            return None;
        }
        let Some(who) = &login.who else { return Some("the application greets nobody".to_owned()) };
        self.mixed_up(&login.app, &login.person, who).or_else(|| unknown_there(world, login))
    }

    /// Whether this person is anybody else at this application, now or compared with before.
    fn mixed_up(&mut self, app: &'a str, person: &'a str, who: &'a Who) -> Option<String> {
        if let Some(really) = who.lab_person.as_deref().filter(|really| *really != person) {
            return Some(format!("{person} got the session of {really}"));
        }
        let subject = (who.iss.as_str(), who.sub.as_str());
        let first = *self.of_person.entry((app, person)).or_insert(subject);
        if first != subject {
            return Some(format!(
                "{person} was {} at {}, and is now {} at {}",
                first.1, first.0, subject.1, subject.0
            ));
        }
        let owner = *self.of_subject.entry((app, subject.0, subject.1)).or_insert(person);
        (owner != person).then(|| format!("{person} and {owner} are both {} at {}", subject.1, subject.0))
    }
}

/// Whether everybody who could have vouched in this login does not know the person.
fn unknown_there(world: &World<'_>, login: &Login) -> Option<String> {
    let knows = |server: &Server| server.knows.as_ref().is_none_or(|known| known.contains(&login.person));
    let asked: Vec<&Server> = last_start(world, login)
        .iter()
        .filter_map(|hop| world.server_at(hop.host()))
        .filter(|server| server.vouches)
        .collect();
    let nobody = !asked.is_empty() && !asked.iter().any(|server| knows(server));
    nobody.then(|| format!("{} does not know {} and let them in", asked[0].name, login.person))
}

fn judge_visit<'a>(
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

/// What logins cost that ended before the first fault.
fn usual<'a>(world: &World<'a>, events: &'a [Event]) -> BTreeMap<&'a str, Usual> {
    let first_fault = world.first_fault();
    let mut by_region: BTreeMap<&str, (Usual, Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for event in events.iter().filter(|event| event.at < first_fault) {
        let What::Login(login) = &event.what else { continue };
        if login.seen != Seen::SignedIn {
            continue;
        }
        let (usual, choices, passwords) = by_region.entry(&login.region).or_default();
        let took = event.at.saturating_sub(login.start);
        for by in [answered(world, login).join(" › "), String::new()] {
            usual.times.entry(by).or_default().push(took);
        }
        choices.push(u64::from(login.acts.choices));
        passwords.push(u64::from(login.acts.passwords));
    }
    let number = |counts: &[u64], otherwise| {
        stats::median(counts).and_then(|n| u32::try_from(n).ok()).unwrap_or(otherwise)
    };
    by_region
        .into_iter()
        .map(|(region, (usual, choices, passwords))| {
            (region, Usual { choices: number(&choices, 0), passwords: number(&passwords, 1), ..usual })
        })
        .collect()
}
