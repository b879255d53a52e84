//! The mesh from change to change: what packets meet on each link, what each process does, how each region's DNS answers.
//! The maps draw it and the bands say it. From what the supervisor did to the lab only; what it means for a login is the
//! verdict's to say.

use crate::history::{
    Event, IdpState, MILLISECOND, Micros, NamesState, PathState, ProcessState, Run, StepKind, What,
};
use crate::verdict::world::{Span, World};

/// Changes so close together are one for a reader: those of one step.
const AT_ONCE: Micros = 20 * MILLISECOND;
/// So many things are named in one row; what is more is counted.
const MOST_NAMED: usize = 4;

/// The mesh from a change on.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// From when on.
    pub at: Micros,
    /// How it stands.
    pub state: State,
}

/// How the mesh stands.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// For each link of the run: what packets meet from its `a` to its `b`, and back.
    pub links: Vec<[PathState; 2]>,
    /// What each server of the run does.
    pub servers: Vec<ProcessState>,
    /// How each server of the run does its work, and about which nodes if not about all.
    pub conduct: Vec<(IdpState, Vec<String>)>,
    /// How many seconds the clock of each server is ahead.
    pub clocks: Vec<i64>,
    /// How the DNS of each region of the run answers, and about which hosts if not about all.
    pub names: Vec<(NamesState, Vec<String>)>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// What: a link, a server, a region's DNS.
    pub thing: String,
    /// How.
    pub how: String,
}

/// Something that was wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// In words.
    pub words: String,
    /// From when until when, in order.
    pub spans: Vec<Span>,
}

/// How the mesh stood from the begin on, change by change.
pub fn moments(world: &World<'_>, events: &[Event]) -> Vec<Moment> {
    let run = world.run;
    let mut state = State {
        links: vec![[PathState::Open, PathState::Open]; run.links.len()],
        servers: vec![ProcessState::Running; run.servers.len()],
        conduct: vec![(IdpState::Right, Vec::new()); run.servers.len()],
        clocks: vec![0; run.servers.len()],
        names: vec![(NamesState::Right, Vec::new()); run.regions.len()],
    };
    let mut moments = vec![Moment { at: world.begin, state: state.clone() }];
    for event in events {
        if !state.take(run, event) {
            continue;
        }
        match moments.last_mut() {
            Some(last) if event.at <= last.at + AT_ONCE => last.state.clone_from(&state),
            _ => moments.push(Moment { at: event.at, state: state.clone() }),
        }
    }
    moments.dedup_by(|later, earlier| later.state == earlier.state);
    moments
}

/// The span of each moment.
pub fn spans<'m>(world: &World<'_>, moments: &'m [Moment]) -> impl Iterator<Item = (&'m State, Span)> {
    let ends = moments.iter().skip(1).map(|next| next.at).chain([world.end]);
    moments.iter().zip(ends).map(|(moment, until)| (&moment.state, Span { from: moment.at, until }))
}

/// What was wrong when, in the order in which it began.
pub fn rows(world: &World<'_>, moments: &[Moment]) -> Vec<Row> {
    let mut troubles: Vec<(Trouble, Vec<Span>)> = Vec::new();
    for (state, span) in spans(world, moments) {
        for trouble in state.troubles(world.run) {
            match troubles.iter_mut().find(|(known, _)| *known == trouble) {
                Some((_, spans)) => match spans.last_mut() {
                    Some(last) if last.until == span.from => last.until = span.until,
                    _ => spans.push(span),
                },
                None => troubles.push((trouble, vec![span])),
            }
        }
    }
    let mut rows: Vec<(Vec<Trouble>, Vec<Span>)> = Vec::new();
    for (trouble, spans) in troubles {
        match rows.iter_mut().find(|(others, same)| others[0].how == trouble.how && *same == spans) {
            Some((others, _)) => others.push(trouble),
            None => rows.push((vec![trouble], spans)),
        }
    }
    let seen = rows.into_iter().map(|(troubles, spans)| Row { words: words(&troubles), spans });
    let mut rows: Vec<Row> = seen.chain(unseen(world)).collect();
    rows.sort_by_key(|row| row.spans[0]);
    rows
}

/// Faults that change no link, process or DNS by themselves: from their step until the next heal.
fn unseen<'w>(world: &'w World<'_>) -> impl Iterator<Item = Row> + 'w {
    let changed = |span: Span| world.changes.iter().any(|change| change.meets(span));
    let faults = world.steps.iter().enumerate();
    faults.filter(move |(_, step)| step.kind == StepKind::Fault && !changed(step.span)).map(
        |(index, step)| {
            let heal = world.steps[index + 1..].iter().find(|later| later.kind == StepKind::Heal);
            let until = heal.map_or(world.end, |heal| heal.span.until);
            Row { words: step.words.to_owned(), spans: vec![Span { from: step.span.from, until }] }
        },
    )
}

impl State {
    /// Takes note; whether it changed anything.
    fn take(&mut self, run: &Run, event: &Event) -> bool {
        let server = |name: &String| run.servers.iter().position(|server| server.name == *name);
        match &event.what {
            What::Path(path) => {
                let ends = |link: &crate::history::Link| match (&link.a, &link.b) {
                    (a, b) if (a, b) == (&path.from, &path.to) => Some(0),
                    (a, b) if (b, a) == (&path.from, &path.to) => Some(1),
                    _ => None,
                };
                let found = run.links.iter().enumerate().find_map(|(index, link)| Some((index, ends(link)?)));
                let Some((index, way)) = found else { return false };
                self.links[index][way] = path.state.clone();
            }
            What::Process(process) => {
                let Some(index) = server(&process.server) else { return false };
                self.servers[index] = process.state;
            }
            What::Idp(idp) => {
                let Some(index) = server(&idp.server) else { return false };
                self.conduct[index] = (idp.state, idp.about.clone());
            }
            What::Clock(clock) => {
                let Some(index) = server(&clock.server) else { return false };
                self.clocks[index] = clock.ahead;
            }
            What::Names(names) => {
                let index = run.regions.iter().position(|region| *region == names.region);
                let Some(index) = index else { return false };
                self.names[index] = (names.state, names.about.clone());
            }
            _ => return false,
        }
        true
    }

    /// Everything that is not as it should be.
    pub fn troubles(&self, run: &Run) -> Vec<Trouble> {
        let trouble = |thing: String, how: &str| Trouble { thing, how: how.to_owned() };
        let mut troubles = Vec::new();
        for (link, [there, back]) in run.links.iter().zip(&self.links) {
            if there == back {
                troubles.extend(met(there).map(|how| trouble(format!("{} – {}", link.a, link.b), how)));
                continue;
            }
            troubles.extend(met(there).map(|how| trouble(format!("{} → {}", link.a, link.b), how)));
            troubles.extend(met(back).map(|how| trouble(format!("{} → {}", link.b, link.a), how)));
        }
        for (server, state) in run.servers.iter().zip(&self.servers) {
            let how = match state {
                ProcessState::Running => continue,
                ProcessState::Paused => "paused, does not answer",
                ProcessState::Starting | ProcessState::Stopped => "not running",
            };
            troubles.push(trouble(server.name.clone(), how));
        }
        for (server, (state, about)) in run.servers.iter().zip(&self.conduct) {
            let how = match state {
                IdpState::Right => continue,
                IdpState::Errors => "answers status 500",
                IdpState::Garbage => "answers garbage",
                IdpState::ExpiredCertificate => "its certificate has expired",
                IdpState::SlowPages => "answers slowly",
                IdpState::KeysRolled => "its keys are others than before",
                IdpState::KeysAnnounced => "other keys are announced",
                IdpState::OldKeysGone => "its former keys are gone",
                IdpState::SecretExpired => "client secret expired",
            };
            troubles.push(trouble(server.name.clone(), &format!("{how}{}", to("for", about))));
        }
        for (server, ahead) in run.servers.iter().zip(&self.clocks).filter(|(_, ahead)| **ahead != 0) {
            let way = if *ahead > 0 { "ahead" } else { "behind" };
            troubles.push(trouble(server.name.clone(), &format!("clock {} s {way}", ahead.unsigned_abs())));
        }
        for (region, (state, about)) in run.regions.iter().zip(&self.names) {
            let how = match state {
                NamesState::Right => continue,
                NamesState::Dead => "dead",
                NamesState::Lying => "lies",
                NamesState::Stale => "out of date",
            };
            troubles.push(trouble(format!("DNS of {region}"), &format!("{how}{}", to("about", about))));
        }
        troubles
    }

    /// In a sentence.
    pub fn sentence(&self, run: &Run) -> String {
        let mut groups: Vec<Vec<Trouble>> = Vec::new();
        for trouble in self.troubles(run) {
            match groups.iter_mut().find(|group| group[0].how == trouble.how) {
                Some(group) => group.push(trouble),
                None => groups.push(vec![trouble]),
            }
        }
        if groups.is_empty() {
            return "everything open and running".to_owned();
        }
        groups.iter().map(|group| words(group)).collect::<Vec<_>>().join("; ")
    }
}

/// What packets meet, in words, if it is not what the topology says.
fn met(state: &PathState) -> Option<&str> {
    match state {
        PathState::Open => None,
        PathState::Impaired { how } => Some(how),
        PathState::BlackHole => Some("packets vanish"),
        PathState::Refused => Some("connections are refused"),
    }
}

/// Whom something is about, if not everybody.
fn to(word: &str, about: &[String]) -> String {
    if about.is_empty() { String::new() } else { format!(" {word} {}", about.join(", ")) }
}

/// Things with the same trouble, in words.
fn words(troubles: &[Trouble]) -> String {
    let named: Vec<_> = troubles.iter().take(MOST_NAMED).map(|trouble| trouble.thing.as_str()).collect();
    let more = troubles.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}: {}", named.join(", "), troubles[0].how)
}
