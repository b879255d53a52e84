//! `expect`: what must hold, as data. The verdict decides whether it does.

use std::time::Duration;

use super::read::{Reader, nearest};
use super::tree::{Kind, Place, Tree};
use super::{Topology, units};

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// As the author wrote it, for the verdict: `in branch-a: acts per login <= 1`.
    pub text: String,
    /// Only people of this region; all when none.
    pub region: Option<String>,
    /// Only logins that began this long or longer after the last change of the network or of a process; none for all.
    /// (`after change: 4s`: what the probes need to notice does not count.)
    pub after_change: Option<Duration>,
    /// Only logins and visits during all of which a server was in reach, or was not.
    pub meanwhile: Option<Meanwhile>,
    /// Least number of attempts; the topology's when none.
    pub attempts: Option<u32>,
    /// What is measured.
    pub measure: Measure,
    /// Names of the attributes or of the server that it is about, where it is about such.
    pub about: Vec<String>,
    /// What it must be.
    pub bound: Bound,
    /// Line of the file.
    pub line: u64,
}

/// How a server was during a login: `while: cloud-id in reach`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meanwhile {
    /// Name of the server.
    pub server: String,
    /// Whether a live path led through it all the time; else none did at any time.
    pub in_reach: bool,
}

impl std::fmt::Display for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.server, if self.in_reach { "in reach" } else { "out of reach" })
    }
}

/// How often a fault has to come where each fault is one attempt.
const REPEATS: u32 = 3;

impl Expectation {
    /// Whether it is about this region.
    pub fn concerns(&self, region: &str) -> bool {
        self.region.as_ref().is_none_or(|of| of == region)
    }

    /// How often it has to be tried; `usual` is the topology's number of attempts.
    pub fn needed(&self, usual: u32) -> u32 {
        let usual = match (self.measure, self.bound) {
            (Measure::FirstLoginAfterFault | Measure::DownNoticed, _) => REPEATS,
            (Measure::LoginsWrong, _) => 1,
            // The number demanded is the number of attempts.
            (Measure::LoginsTold, Bound::AtLeast(Limit::Count(count))) => (count as u32).max(1),
            _ => usual,
        };
        self.attempts.unwrap_or(usual)
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// `logins lost`: count.
    LoginsLost,
    /// `logins wrong`: count; 0 is always expected.
    LoginsWrong,
    /// `logins told`: count.
    LoginsTold,
    /// `logins cut off`: count.
    LoginsCutOff,
    /// `logins signed in`: share (`>= 90%`) or count.
    LoginsSignedIn,
    /// `first login after fault`: time added over the fault-free median.
    FirstLoginAfterFault,
    /// `next logins after fault`: time added, in the mean, for those who came after the first.
    NextLoginsAfterFault,
    /// `back after heal`: time from the heal to the start of the last login that was not signed in.
    BackAfterHeal,
    /// `acts per login`: most acts beyond those of a login without a fault.
    ActsPerLogin,
    /// `acts at home`: the same, of logins whose browser stood at no upstream when one went.
    ActsAtHome,
    /// `down noticed`: time from a fault until every node that asks a member which it took away says that it is Down.
    DownNoticed,
    /// `slower`: yes or no, with and without the fault.
    Slower,
    /// `one person, one subject`: the map person to (iss, sub) is one-to-one.
    OneSubject,
    /// `same attributes`: these are there, one person's are the same in every answer at an application, and not everybody's is the same.
    SameAttributes,
    /// `passwords refused`: count of passwords that were given to an identity provider that has another one.
    PasswordsRefused,
    /// `vouched by`: share (`>= 90%`) or count of those signed in for whom a server vouched.
    VouchedBy,
    /// `tokens renewed`: share or count of renewals that brought new tokens for the same person.
    TokensRenewed,
    /// `sessions lost`: count of kept sessions that ended although nothing asked for it.
    SessionsLost,
    /// `sign-outs lost`: count of those who signed out and were not brought back to the application.
    SignOutsLost,
    /// `still signed in`: count of those who signed out and were not.
    StillSignedIn,
    /// `browsers agree`: yes or no, each login at a real browser with that of its simulated twin.
    BrowsersAgree,
}

/// What kind of bound a measure takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Count,
    CountOrShare,
    Time,
    YesNo,
    /// Names; the bound is that it holds for all of them.
    Names,
    /// One server for all, or servers with a count or share each.
    Servers,
}

const MEASURES: [(&str, Measure, Takes); 21] = [
    ("logins lost", Measure::LoginsLost, Takes::Count),
    ("logins wrong", Measure::LoginsWrong, Takes::Count),
    ("logins told", Measure::LoginsTold, Takes::Count),
    ("logins cut off", Measure::LoginsCutOff, Takes::Count),
    ("logins signed in", Measure::LoginsSignedIn, Takes::CountOrShare),
    ("first login after fault", Measure::FirstLoginAfterFault, Takes::Time),
    ("next logins after fault", Measure::NextLoginsAfterFault, Takes::Time),
    ("back after heal", Measure::BackAfterHeal, Takes::Time),
    ("acts per login", Measure::ActsPerLogin, Takes::Count),
    ("acts at home", Measure::ActsAtHome, Takes::Count),
    ("down noticed", Measure::DownNoticed, Takes::Time),
    ("slower", Measure::Slower, Takes::YesNo),
    ("one person, one subject", Measure::OneSubject, Takes::YesNo),
    ("same attributes", Measure::SameAttributes, Takes::Names),
    ("passwords refused", Measure::PasswordsRefused, Takes::Count),
    ("vouched by", Measure::VouchedBy, Takes::Servers),
    ("tokens renewed", Measure::TokensRenewed, Takes::CountOrShare),
    ("sessions lost", Measure::SessionsLost, Takes::Count),
    ("sign-outs lost", Measure::SignOutsLost, Takes::Count),
    ("still signed in", Measure::StillSignedIn, Takes::Count),
    ("browsers agree", Measure::BrowsersAgree, Takes::YesNo),
];

impl Measure {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        MEASURES.iter().map(|(_, measure, _)| *measure)
    }

    /// Whether `after change` leaves nothing out of it: it is about a change itself, or about the whole run.
    fn is_of_all(self) -> bool {
        use Measure::{
            BrowsersAgree, DownNoticed, FirstLoginAfterFault, NextLoginsAfterFault, OneSubject,
            PasswordsRefused, SameAttributes,
        };
        let of_a_change = matches!(self, FirstLoginAfterFault | NextLoginsAfterFault | DownNoticed);
        of_a_change || matches!(self, OneSubject | SameAttributes | PasswordsRefused | BrowsersAgree)
    }

    /// Whether it may be about the time while a server is in reach, or out of it.
    fn is_about_a_while(self) -> bool {
        matches!(self, Self::VouchedBy | Self::TokensRenewed)
    }

    /// The measure's name in a file.
    pub fn name(self) -> &'static str {
        MEASURES.iter().find(|(_, measure, _)| *measure == self).map_or("", |(name, ..)| name)
    }
}

/// What a measure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// At most.
    AtMost(Limit),
    /// At least.
    AtLeast(Limit),
    /// Exactly.
    Exactly(Limit),
}

/// A number with its meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// A number of things.
    Count(f64),
    /// A share, 0 to 1.
    Share(f64),
    /// A time.
    Time(Duration),
    /// Yes or no.
    Yes(bool),
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
            Self::Exactly(limit) => write!(f, "{limit}"),
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{}%", share * 100.0),
            Self::Time(time) => f.write_str(&units::show(*time)),
            Self::Yes(yes) => f.write_str(if *yes { "yes" } else { "no" }),
        }
    }
}

/// Reads one entry of `expect`; an entry may hold several measures that share `in`, `after change` and `while`.
pub(crate) fn read(reader: &mut Reader<'_>, entry: &Tree, into: &mut Vec<Expectation>) {
    let Kind::Map(fields) = &entry.kind else {
        reader.problem(
            entry.place,
            "expect",
            "an expectation is a measure and its bound",
            "write `logins lost: 0`",
        );
        return;
    };
    let mut section = reader.section("expect", entry);
    let region = section.text("in");
    let after_change = section.parsed("after change", units::duration);
    let meanwhile = section.parsed("while", reach);
    let attempts = section.parsed("attempts", units::at_least_one);
    let shared = |name: &str| ["in", "after change", "while", "attempts"].contains(&name);
    if fields.iter().all(|(name, ..)| shared(name)) {
        let hint = "write a measure and its bound beside it, `logins lost: 0`";
        section.reader.problem(entry.place, "expect", "nothing is measured here", hint);
    }
    for (name, place, value) in fields {
        if shared(name) {
            continue;
        }
        let Some((_, measure, takes)) = MEASURES.iter().find(|(known, ..)| known == name) else {
            let hint = nearest(name, MEASURES.iter().map(|(known, ..)| *known));
            section.reader.problem(*place, "expect", &format!("`{name}` is no measure"), &hint);
            continue;
        };
        if after_change.is_some() && measure.is_of_all() {
            let what = format!(
                "`{name}` is about changes or the whole run: `after change` leaves nothing out of it"
            );
            section.reader.problem(
                *place,
                "expect",
                &what,
                "give it an entry of its own, without `after change`",
            );
            continue;
        }
        if meanwhile.is_some() && !measure.is_about_a_while() {
            let hint = "give it an entry of its own, without `while`";
            section.reader.problem(
                *place,
                "expect",
                "`while` goes with `vouched by` and `tokens renewed`",
                hint,
            );
            continue;
        }
        let read = match takes {
            Takes::Names => names(value).map(|bound| vec![(texts(value), bound)]),
            Takes::Servers => servers(value),
            _ => bound(value.text().unwrap_or_default(), *takes).map(|bound| vec![(Vec::new(), bound)]),
        };
        let read = read.unwrap_or_else(|hint| {
            section.reader.problem(value.place, name, "the bound cannot be read", &hint);
            Vec::new()
        });
        into.extend(read.into_iter().map(|(about, bound)| {
            let mut expected = Expectation {
                text: String::new(),
                region: region.clone(),
                after_change,
                meanwhile: meanwhile.clone(),
                attempts,
                measure: *measure,
                about,
                bound,
                line: place.line,
            };
            expected.text = say(&expected);
            expected
        }));
    }
}

/// The servers that expectations name exist, and can vouch.
pub(crate) fn named(topology: &Topology, reader: &mut Reader<'_>) {
    let idps = topology.idps.iter().map(|idp| idp.name.as_str());
    let known: Vec<_> = idps.chain(topology.nodes.iter().map(|node| node.name.as_str())).collect();
    for expected in topology.expect.iter().filter(|it| it.measure.is_about_a_while()) {
        let meanwhile = expected.meanwhile.iter().map(|it| it.server.as_str());
        for name in expected.about.iter().map(String::as_str).chain(meanwhile) {
            if !known.contains(&name) {
                let hint = nearest(name, known.iter().copied());
                let what = format!("there is no IdP and no node `{name}`");
                reader.problem(Place { line: expected.line, column: 1 }, "expect", &what, &hint);
            }
        }
    }
}

/// One server that vouches for all, or servers with a bound each.
fn servers(value: &Tree) -> Result<Vec<(Vec<String>, Bound)>, String> {
    let hint = || "write `keycloak`, or `{ keycloak: \">= 90%\" }`".to_owned();
    match &value.kind {
        Kind::Scalar(name) => Ok(vec![(vec![name.clone()], Bound::Exactly(Limit::Share(1.0)))]),
        Kind::Map(servers) if !servers.is_empty() => servers
            .iter()
            .map(|(name, _, value)| {
                Ok((vec![name.clone()], bound(value.text().ok_or_else(hint)?, Takes::CountOrShare)?))
            })
            .collect(),
        _ => Err(hint()),
    }
}

/// `cloud-id in reach`.
fn reach(text: &str) -> Result<Meanwhile, String> {
    let state = |words: &str| text.strip_suffix(words).map(|server| server.trim().to_owned());
    match (state(" out of reach"), state(" in reach")) {
        (Some(server), _) => Ok(Meanwhile { server, in_reach: false }),
        (_, Some(server)) => Ok(Meanwhile { server, in_reach: true }),
        _ => Err("write `cloud-id in reach` or `cloud-id out of reach`".to_owned()),
    }
}

/// A list of names; one alone is a list of one.
fn texts(value: &Tree) -> Vec<String> {
    value.text().into_iter().chain(value.items().iter().filter_map(Tree::text)).map(str::to_owned).collect()
}

fn names(value: &Tree) -> Result<Bound, String> {
    let all_are_names = value.items().iter().all(|item| item.text().is_some()) && !texts(value).is_empty();
    all_are_names
        .then_some(Bound::Exactly(Limit::Yes(true)))
        .ok_or_else(|| "name the attributes as the application knows them, `[email, name]`".to_owned())
}

fn say(expected: &Expectation) -> String {
    let place = expected.region.as_ref().map(|region| format!("in {region}: ")).unwrap_or_default();
    let meanwhile = expected.meanwhile.as_ref().map(|it| format!(" while {it}")).unwrap_or_default();
    let tail = expected.after_change;
    let tail = tail.map(|time| format!(" (from {} after a change)", units::show(time))).unwrap_or_default();
    let (name, about) = (expected.measure.name(), expected.about.join(", "));
    let bound = match expected.measure {
        Measure::SameAttributes => about,
        _ if about.is_empty() => expected.bound.to_string(),
        _ => format!("{about} {}", expected.bound),
    };
    format!("{place}{name} {bound}{meanwhile}{tail}")
}

fn bound(text: &str, takes: Takes) -> Result<Bound, String> {
    let text = text.trim();
    let (make, rest): (fn(Limit) -> Bound, &str) = if let Some(rest) = text.strip_prefix("<=") {
        (Bound::AtMost, rest)
    } else if let Some(rest) = text.strip_prefix(">=") {
        (Bound::AtLeast, rest)
    } else {
        (Bound::Exactly, text)
    };
    let rest = rest.trim();
    let limit = match takes {
        Takes::YesNo | Takes::Names | Takes::Servers => units::yes_no(rest).map(Limit::Yes),
        Takes::Time => units::duration(rest.strip_suffix("added").unwrap_or(rest).trim()).map(Limit::Time),
        Takes::CountOrShare if rest.ends_with('%') => units::share(rest).map(Limit::Share),
        Takes::Count | Takes::CountOrShare => rest
            .parse::<u32>()
            .map(|count| Limit::Count(f64::from(count)))
            .map_err(|_| format!("`{rest}` is not a whole number; write `0` or `\"<= 1\"`")),
    }?;
    Ok(make(limit))
}
