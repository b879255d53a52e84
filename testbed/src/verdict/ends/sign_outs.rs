//! The end of each sign-out: whether the person was brought back to the application, and whether they were signed out. The latter
//! shows in what came after: the application's page, its tokens, and the next login in the same browser, which has to ask for a
//! password. It need not where a page had said that somebody could not be told, and whoever answered then could not. A page that says so
//! where everybody could be told is no better than none.

use std::collections::BTreeMap;

use super::TOUCH;
use super::excuses::{self, Walk};
use crate::history::{
    Login, Micros, Remains, Seen, Server, ServerKind, SignOut, SignOutOutcome, Visit, VisitOutcome,
};
use crate::verdict::world::{Span, World};

/// A sign-out and what it was worth.
#[derive(Debug, Clone)]
pub struct JudgedSignOut<'a> {
    /// As it was seen.
    pub sign_out: &'a SignOut,
    /// When it ended.
    pub ended: Micros,
    /// Where the person was then.
    pub back: Back,
    /// Whether they were signed out.
    pub after: After,
    /// Why, in words; empty for one who came back and was out.
    pub why: String,
}

/// Where a sign-out left the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// At the application.
    Brought,
    /// Elsewhere, or nowhere, although every server on the way back was there.
    Lost,
    /// Elsewhere, or nowhere, and no node could have known.
    CutOff,
}

/// What came after a sign-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing that would tell.
    Unknown,
    /// A password was asked for.
    Out,
    /// Somebody could not be told, and the person read it.
    SaidSo,
    /// Somebody took them for signed in.
    StillSignedIn,
}

impl<'a> JudgedSignOut<'a> {
    /// In a word.
    pub fn words(&self) -> &'static str {
        match (self.after, self.back) {
            (After::StillSignedIn, _) => "still signed in",
            (_, Back::Lost) => "lost",
            (_, Back::CutOff) => "cut off",
            (After::SaidSo, _) => "signed out here",
            _ => "signed out",
        }
    }

    fn still(&mut self, why: String) {
        (self.after, self.why) = (After::StillSignedIn, why);
    }
}

/// What a server keeps of a person's browser.
#[derive(Debug, Clone, Copy)]
enum Keeps {
    /// A session.
    Session,
    /// None: the sign-out of this number ended it.
    Ended(usize),
    /// Perhaps one: the sign-out of this number did not reach it.
    Untold(usize),
}

/// Everybody who signed out, as the history goes on.
#[derive(Default)]
pub(super) struct SignOuts<'a> {
    pub(super) judged: Vec<JudgedSignOut<'a>>,
    /// Sign-outs that wait for the person's next login.
    waiting: BTreeMap<&'a str, usize>,
    keeps: BTreeMap<&'a str, BTreeMap<&'a str, Keeps>>,
}

impl<'a> SignOuts<'a> {
    /// Everybody begins with an empty browser.
    pub(super) fn begins_anew(&mut self) {
        self.waiting.clear();
        self.keeps.clear();
    }

    /// Somebody with a session came back. Whoever loses it takes another browser the next time.
    pub(super) fn visits(&mut self, world: &World<'a>, visit: &'a Visit) {
        match visit.outcome {
            VisitOutcome::Kept => {
                let seen = visit.hops.iter().filter_map(|hop| world.server_at(hop.host()));
                let kept = seen.filter(|server| server.kind != ServerKind::App);
                let kept = kept.map(|server| (server.name.as_str(), Keeps::Session));
                self.keeps.entry(&visit.person).or_default().extend(kept);
            }
            VisitOutcome::Lost { .. } => self.browser_gone(&visit.person),
            VisitOutcome::NoAnswer { .. } => {}
        }
    }

    /// The person's browser is gone, with all that it knew.
    fn browser_gone(&mut self, person: &str) {
        self.waiting.remove(person);
        self.keeps.remove(person);
    }

    /// Somebody signed out.
    pub(super) fn leaves(&mut self, world: &World<'a>, sign_out: &'a SignOut, ended: Micros) {
        let number = self.judged.len();
        let (back, why) = back(world, sign_out, ended);
        let mut judged = JudgedSignOut { sign_out, ended, back, after: After::Unknown, why };
        let told = back == Back::Brought && sign_out.notices.is_empty();
        let kept = self.keeps.entry(&sign_out.person).or_default();
        let meant: Vec<&'a str> = match &sign_out.began_at {
            None => kept.keys().copied().collect(),
            Some(idp) if kept.contains_key(idp.as_str()) => {
                let told = |name: &&str| {
                    *name == idp || world.server(name).is_some_and(|it| it.upstreams.contains(idp))
                };
                kept.keys().copied().filter(told).collect()
            }
            Some(_) => Vec::new(),
        };
        for server in &meant {
            let keeps = kept.entry(server).or_insert(Keeps::Session);
            if matches!(keeps, Keeps::Session) {
                *keeps = if told { Keeps::Ended(number) } else { Keeps::Untold(number) };
            }
        }
        let node = world.server(&sign_out.app).and_then(|app| app.upstreams.first());
        let of_the_node = sign_out.began_at.is_none()
            || back == Back::Brought && node.is_some_and(|node| meant.contains(&node.as_str()));
        if let Some(left) = sign_out.still.first().filter(|left| **left == Remains::Page || of_the_node) {
            judged.still(format!("{} still answered for {}", left.words(), sign_out.person));
        }
        self.judged.push(judged);
        self.waiting.insert(&sign_out.person, number);
    }

    /// Somebody signed in, or tried to; `by`: who answered.
    pub(super) fn comes(&mut self, world: &World<'a>, login: &'a Login, by: &[&'a str]) {
        if login.seen != Seen::SignedIn {
            return self.browser_gone(&login.person);
        }
        let node = world.server(&login.app).and_then(|app| app.upstreams.first()).map(String::as_str);
        if let Some(waiting) = self.waiting.remove(login.person.as_str()) {
            self.came_again(world, login, waiting, whose_session(world, by).or(node));
        }
        let kept = self.keeps.entry(&login.person).or_default();
        kept.extend(by.iter().copied().chain(node).map(|server| (server, Keeps::Session)));
    }

    /// The next login after a sign-out, answered by a session of `whose` if nobody asked for a password.
    fn came_again(&mut self, world: &World<'a>, login: &Login, waiting: usize, whose: Option<&'a str>) {
        if login.acts.passwords > 0 {
            let for_nothing = self.said_for_nothing(world, &login.person, waiting);
            let judged = &mut self.judged[waiting];
            match judged.after {
                After::Unknown if for_nothing => {
                    judged
                        .still("a page said that somebody could not be told, and everybody could".to_owned());
                }
                After::Unknown => judged.after = After::Out,
                _ => {}
            }
            return;
        }
        let Some(whose) = whose else { return };
        let kept = self.keeps.get(login.person.as_str()).and_then(|kept| kept.get(whose));
        match kept.copied() {
            Some(Keeps::Ended(number)) => self.judged[number]
                .still(format!("{whose} signed {} in again and asked for no password", login.person)),
            Some(Keeps::Untold(number)) => {
                let could = self.could_be_told(world, &login.person, number, whose, DEEPEST);
                let judged = &mut self.judged[number];
                if could {
                    judged.still(format!("{whose} could have been told of {}, and was not", login.person));
                } else if judged.after == After::Unknown {
                    judged.after = After::SaidSo;
                    judged.why = format!("{whose} could not be told");
                }
            }
            Some(Keeps::Session) | None => {}
        }
    }

    /// Whether a page said of this sign-out that somebody could not be told, and each server with a session of this browser could.
    fn said_for_nothing(&self, world: &World<'a>, person: &str, number: usize) -> bool {
        let mut untold = self.untold(world, person, number);
        untold.retain(|server| server.by_browser); // a directory has no session of anybody's browser
        let could = |server: &&Server| self.could_be_told(world, person, number, &server.name, DEEPEST);
        !self.judged[number].sign_out.notices.is_empty() && !untold.is_empty() && untold.iter().all(could)
    }

    /// Servers with a session of this browser that this sign-out did not reach.
    fn untold(&self, world: &World<'a>, person: &str, number: usize) -> Vec<&'a Server> {
        let kept = self.keeps.get(person).into_iter().flatten();
        let of_this = kept.filter(|(_, keeps)| matches!(keeps, Keeps::Untold(it) if *it == number));
        of_this.filter_map(|(name, _)| world.server(name)).collect()
    }

    /// Whether a server could have been told of this sign-out: the person could have gone there all the time, and so could a node
    /// that had asked it for this session and could itself be told.
    fn could_be_told(
        &self,
        world: &World<'a>,
        person: &str,
        number: usize,
        server: &str,
        deepest: usize,
    ) -> bool {
        let Some(server) = world.server(server) else { return false };
        let (sign_out, back) = (self.judged[number].sign_out, self.judged[number].back);
        if sign_out.began_at.is_some() && back == Back::CutOff {
            return false; // it did not begin
        }
        let during = Span { from: sign_out.start, until: self.judged[number].ended };
        let there = server.signs_out && world.used_by(person, &sign_out.region, server, during);
        let app = world.server(&sign_out.app);
        if !there || app.is_some_and(|app| app.upstreams.contains(&server.name)) {
            return there;
        }
        let untold = self.untold(world, person, number);
        let mut askers = untold.iter().filter(|node| node.upstreams.contains(&server.name));
        askers.any(|node| {
            world.answers_in(&node.region, server, during)
                && deepest > 0
                && self.could_be_told(world, person, number, &node.name, deepest - 1)
        })
    }
}

/// As many nodes as may stand one above the other.
const DEEPEST: usize = 8;

/// Whose session answers a login that asks for no password: that of the last one behind the node who can have one.
fn whose_session<'a>(world: &World<'a>, by: &[&'a str]) -> Option<&'a str> {
    let vouches = |name: &&&str| world.server(name).is_some_and(|it| it.kind == ServerKind::Idp);
    by.iter().rfind(vouches).or(by.last()).copied()
}

/// Where the person was in the end, and why not at the application.
fn back(world: &World<'_>, sign_out: &SignOut, ended: Micros) -> (Back, String) {
    let seen = match &sign_out.outcome {
        SignOutOutcome::Back => return (Back::Brought, String::new()),
        SignOutOutcome::Stayed { says } => says.clone(),
        SignOutOutcome::NoAnswer { trouble } => format!("no page came ({trouble:?})"),
    };
    let during = Span { from: sign_out.start, until: ended };
    let began = sign_out.began_at.as_ref().and_then(|idp| world.server(idp));
    let reached = |idp: &Server| world.used_by(&sign_out.person, &sign_out.region, idp, during);
    if let Some(idp) = began.filter(|idp| !reached(idp)) {
        return (Back::CutOff, format!("{seen}; {} was out of reach", idp.name));
    }
    let walk = Walk {
        person: &sign_out.person,
        region: &sign_out.region,
        app: &sign_out.app,
        start: sign_out.start,
        hops: &sign_out.hops,
    };
    let excuse = excuses::cut_off(world, &walk, ended, during).or_else(|| on_its_way(world, sign_out));
    match excuse {
        Some(why) => (Back::CutOff, format!("{seen}; {why}")),
        None => (Back::Lost, seen),
    }
}

/// The browser had been sent on before anybody could know that there is nobody.
fn on_its_way(world: &World<'_>, sign_out: &SignOut) -> Option<String> {
    let failed = sign_out.hops.iter().find(|hop| hop.error.is_some())?;
    let to = world.server_at(failed.host())?;
    let sent = Span { from: failed.start.saturating_sub(TOUCH), until: failed.start };
    let lost = |change: &&Span| change.meets(sent) && world.lost_by(&sign_out.region, to, **change);
    world
        .changes
        .iter()
        .find(lost)
        .map(|_| format!("the browser was on its way to {} when the fault came", to.name))
}
