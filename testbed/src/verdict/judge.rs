//! Each expectation held against what happened: its number, whether it holds, and whether enough was tried to say so.
//! An expectation cannot pass empty: with too few attempts in its window it cannot be judged.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ends::visits::{JudgedVisit, VisitEnd};
use super::ends::{End, Ends, Judged};
use super::world::{Span, World};
use crate::history::{MILLISECOND, Micros, PasswordRefused, SECOND, StepKind};
use crate::language::{Bound, Expectation, Limit, Measure};

/// One login of so many may be listed apart where it is said that none was lost.
const FEW_APART: usize = 10;

/// What became of one expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// As it was written.
    pub expected: String,
    /// What was found, with its number.
    pub found: String,
    /// Whether it holds.
    pub ruling: Ruling,
    /// How often it was tried.
    pub attempts: usize,
    /// How often at least it had to be.
    pub needed: usize,
}

/// Whether an expectation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It does.
    Holds,
    /// It does not.
    Fails,
    /// Too little happened to say, or the machine was too busy.
    CannotJudge,
}

/// Everything that expectations are held against.
pub struct Court<'c, 'a> {
    /// The mesh over time.
    pub world: &'c World<'a>,
    /// What people did.
    pub ends: &'c Ends<'a>,
    /// Passwords that identity providers of the lab refused.
    pub refused: &'c [&'a PasswordRefused],
    /// Least number of attempts where an expectation names none.
    pub attempts: u32,
    /// Whether the machine was too busy for times to mean anything.
    pub busy: bool,
}

/// A number that was found, in words, and as compared.
pub(super) struct Finding {
    pub(super) number: Option<f64>,
    pub(super) words: String,
    pub(super) attempts: usize,
}

impl Court<'_, '_> {
    /// Holds one expectation against the run.
    pub fn judge(&self, expected: &Expectation) -> Outcome {
        let needed = expected.needed(self.attempts) as usize;
        let mut finding = match expected.measure {
            Measure::LoginsLost => self.lost(expected),
            Measure::LoginsWrong => self.wrong(expected),
            Measure::LoginsTold => self.told(expected),
            Measure::LoginsCutOff => self.count(expected, End::CutOff),
            Measure::LoginsSignedIn => self.signed_in(expected),
            Measure::FirstLoginAfterFault => self.first_login(expected),
            Measure::NextLoginsAfterFault => self.next_logins(expected),
            Measure::BackAfterHeal => self.back(expected),
            Measure::ActsPerLogin => self.acts(expected),
            Measure::ActsAtHome => self.acts_at_home(expected),
            Measure::DownNoticed => self.noticed(expected),
            Measure::Slower => self.slower(expected),
            Measure::OneSubject => self.one_subject(expected),
            Measure::SameAttributes => self.same_attributes(expected),
            Measure::PasswordsRefused => self.passwords_refused(expected),
            Measure::SessionsLost => self.sessions(expected),
            Measure::BrowsersAgree => self.agree(expected),
        };
        if self.busy && is_a_time(expected.measure) && finding.number.take().is_some() {
            finding.words = format!("void on this machine: {}", finding.words);
        }
        let few = finding.attempts < needed;
        // One login too many is a counterexample and needs no company; too few may be too few tried.
        let counterexample = !matches!(expected.bound, Bound::AtLeast(_));
        let ruling = match finding.number.map(|number| holds(expected.bound, number)) {
            Some(false) if counterexample || !few => Ruling::Fails,
            Some(true) if !few => Ruling::Holds,
            _ => Ruling::CannotJudge,
        };
        let few = if ruling == Ruling::CannotJudge && few {
            format!("; {} of at least {needed} attempts", finding.attempts)
        } else {
            String::new()
        };
        Outcome {
            expected: expected.text.clone(),
            found: format!("{}{few}", finding.words),
            ruling,
            attempts: finding.attempts,
            needed,
        }
    }

    /// Logins that the expectation is about.
    pub(super) fn logins<'l>(
        &'l self,
        expected: &'l Expectation,
    ) -> impl Iterator<Item = &'l Judged<'l>> + 'l {
        self.ends.logins.iter().filter(move |login| {
            let here = expected.region.as_ref().is_none_or(|region| *region == login.login.region);
            here && !self.excused(expected.after_change, login.window)
        })
    }

    /// Whether this happened before the probes had the time to notice.
    fn excused(&self, after_change: Option<Duration>, span: Span) -> bool {
        after_change.is_some_and(|time| self.before_noticed(span, micros(time)))
    }

    /// Whether the span meets a change or the given time after it.
    pub fn before_noticed(&self, span: Span, time: Micros) -> bool {
        self.world
            .changes
            .iter()
            .any(|change| span.meets(Span { from: change.from, until: change.until + time }))
    }

    /// Logins in the window that counts as tried: from the first fault on, or all if there was none.
    fn tried<'l>(&'l self, expected: &'l Expectation) -> impl Iterator<Item = &'l Judged<'l>> + 'l {
        let first = self.world.first_fault();
        let from = if first >= self.world.end { 0 } else { first };
        self.logins(expected).filter(move |login| login.login.start >= from && login.end != End::Apart)
    }

    fn count(&self, expected: &Expectation, end: End) -> Finding {
        let count = self.logins(expected).filter(|login| login.end == end).count();
        let attempts = self.tried(expected).count();
        let early = self.ends.logins.iter().filter(|login| {
            let here = expected.region.as_ref().is_none_or(|region| *region == login.login.region);
            here && login.end == end && self.excused(expected.after_change, login.window)
        });
        let early = match early.count() {
            0 => String::new(),
            more => format!(", and {more} before the probes could notice"),
        };
        let words = format!("{count} {} of {attempts} logins since the first fault{early}", end.words());
        Finding { number: Some(count as f64), words, attempts }
    }

    /// Whom nobody could have told is no attempt, and where many are listed apart nobody can say that none of them was lost.
    fn lost(&self, expected: &Expectation) -> Finding {
        let mut finding = self.count(expected, End::Lost);
        let all = self.logins(expected);
        let (apart, beyond_help) = all.fold((0, 0), |(apart, beyond_help), login| match login.end {
            End::Apart => (apart + 1, beyond_help),
            End::CutOff => (apart, beyond_help + 1),
            _ => (apart, beyond_help),
        });
        finding.attempts = finding.attempts.saturating_sub(beyond_help);
        if apart > 0 {
            finding.words.push_str(&format!(", {apart} more listed apart"));
        }
        if finding.number == Some(0.0) && apart > finding.attempts / FEW_APART {
            finding.number = None;
            finding.words.push_str(", too many to say that none of them was lost");
        }
        finding
    }

    /// Where a number of people has to be told, those without a live path are the attempts.
    fn told(&self, expected: &Expectation) -> Finding {
        let finding = self.count(expected, End::Told);
        if !matches!(expected.bound, Bound::AtLeast(_)) {
            return finding;
        }
        let without_way =
            self.tried(expected).filter(|login| !login.live && login.end != End::SignedIn).count();
        Finding {
            words: format!("{} ({without_way} without a live path)", finding.words),
            attempts: without_way,
            ..finding
        }
    }

    fn wrong(&self, expected: &Expectation) -> Finding {
        let logins = self.logins(expected).filter(|login| login.end == End::Wrong);
        let here = |visit: &&JudgedVisit<'_>| {
            expected.region.as_ref().is_none_or(|region| *region == visit.visit.region)
        };
        let visits = self.ends.visits.iter().filter(here).filter(|visit| visit.end == VisitEnd::Wrong);
        let all: Vec<&str> =
            logins.map(|login| login.why.as_str()).chain(visits.map(|visit| visit.why.as_str())).collect();
        let signed_in: Vec<_> = self.logins(expected).filter(|login| login.end == End::SignedIn).collect();
        let blind = signed_in
            .iter()
            .filter(|login| login.login.who.as_ref().is_none_or(|who| who.lab_person.is_none()));
        let blind = blind.count();
        if all.is_empty() && blind > 0 {
            let words = format!(
                "{blind} logins came without the hidden attribute `lab_person`: map it in the nodes' configurations"
            );
            return Finding { number: None, words, attempts: signed_in.len() };
        }
        let first = all.first().map(|why| format!(", the first: {why}")).unwrap_or_default();
        let attempts = signed_in.len() + all.len();
        Finding { number: Some(all.len() as f64), words: format!("{} wrong{first}", all.len()), attempts }
    }

    fn signed_in(&self, expected: &Expectation) -> Finding {
        let count = self.tried(expected).filter(|login| login.end == End::SignedIn).count();
        let attempts = self.tried(expected).count();
        let share = matches!(
            expected.bound,
            Bound::AtMost(Limit::Share(_))
                | Bound::AtLeast(Limit::Share(_))
                | Bound::Exactly(Limit::Share(_))
        );
        let number = if share { count as f64 / attempts.max(1) as f64 } else { count as f64 };
        Finding {
            number: Some(number),
            words: format!("{count} of {attempts} logins since the first fault signed in"),
            attempts,
        }
    }

    /// For each fault and region the first login that had a live path: its time over the fault-free median.
    fn first_login(&self, expected: &Expectation) -> Finding {
        let faults = self.world.steps.iter().filter(|step| step.kind == StepKind::Fault);
        let mut worst: Option<(f64, String)> = None;
        let mut attempts = 0;
        for fault in faults {
            for login in self.firsts(expected, fault.span.until) {
                let usual = self.ends.usual.get(login.login.region.as_str());
                let usual = usual.and_then(|usual| usual.median(&login.by.join(" › ")));
                let (added, words) = match (login.end, usual) {
                    (End::SignedIn, Some(usual)) => {
                        let added = login.took().saturating_sub(usual);
                        (
                            added as f64,
                            format!(
                                "{} added in {} after “{}”",
                                in_words(added),
                                login.login.region,
                                fault.words
                            ),
                        )
                    }
                    // Nobody knows what is usual here: no attempt.
                    (End::SignedIn, None) => continue,
                    (end, _) => (
                        f64::INFINITY,
                        format!("{} in {} after “{}”", end.words(), login.login.region, fault.words),
                    ),
                };
                attempts += 1;
                if worst.as_ref().is_none_or(|(most, _)| added > *most) {
                    worst = Some((added, words));
                }
            }
        }
        let words = worst
            .as_ref()
            .map_or("no login after a fault".to_owned(), |(_, words)| format!("at most {words}"));
        Finding { number: worst.map(|(most, _)| most), words, attempts }
    }

    pub(super) fn firsts<'l>(&'l self, expected: &'l Expectation, after: Micros) -> Vec<&'l Judged<'l>> {
        let mut firsts: BTreeMap<&str, &Judged<'_>> = BTreeMap::new();
        let here =
            |login: &&Judged<'_>| expected.region.as_ref().is_none_or(|region| *region == login.login.region);
        for login in self.ends.logins.iter().filter(here).filter(|login| {
            login.login.start >= after
                && login.end != End::Apart
                && (login.live || login.end == End::SignedIn)
        }) {
            let first = firsts.entry(&login.login.region).or_insert(login);
            if login.login.start < first.login.start {
                *first = login;
            }
        }
        firsts.into_values().collect()
    }

    /// For each heal: how long after it the last login began that was not signed in.
    fn back(&self, expected: &Expectation) -> Finding {
        let mut worst: Option<f64> = None;
        let mut attempts = 0;
        let steps = &self.world.steps;
        for (index, heal) in steps.iter().enumerate().filter(|(_, step)| step.kind == StepKind::Heal) {
            let next = steps[index + 1..].iter().find(|step| step.kind == StepKind::Fault);
            let until = next.map_or(self.world.end, |step| step.span.from);
            let after: Vec<&Judged<'_>> = self
                .logins(expected)
                .filter(|login| {
                    login.login.start >= heal.span.until
                        && login.login.start < until
                        && login.end != End::Apart
                })
                .collect();
            attempts += after.len();
            let bad = after.iter().filter(|login| login.end != End::SignedIn);
            let last_bad = bad.map(|login| login.login.start - heal.span.until).max();
            let time = match (last_bad, after.iter().map(|login| login.login.start - heal.span.until).max()) {
                (_, None) => continue,
                (None, _) => 0.0,
                (Some(bad), Some(last)) if bad == last => f64::INFINITY,
                (Some(bad), _) => bad as f64,
            };
            worst = Some(worst.map_or(time, |worst: f64| worst.max(time)));
        }
        let words = match worst {
            None => "nobody came after a heal".to_owned(),
            Some(time) if time.is_infinite() => "not back before the end".to_owned(),
            Some(0.0) => "everybody who came after the heal was signed in".to_owned(),
            Some(time) => {
                format!("the last login that failed began {} after the heal", in_words(time as Micros))
            }
        };
        Finding { number: worst, words, attempts }
    }

    fn acts(&self, expected: &Expectation) -> Finding {
        let most =
            self.logins(expected).filter(|login| login.end == End::SignedIn).map(|login| login.acts).max();
        let some = self.logins(expected).filter(|login| login.end == End::SignedIn && login.acts > 0).count();
        let words = match most {
            None => "nobody signed in".to_owned(),
            Some(most) => format!("at most {most}; {some} logins needed any"),
        };
        let attempts = self.tried(expected).filter(|login| login.end == End::SignedIn).count();
        Finding { number: most.map(f64::from), words, attempts }
    }

    fn sessions(&self, expected: &Expectation) -> Finding {
        let here = |visit: &&JudgedVisit<'_>| {
            let span = Span { from: visit.visit.start, until: visit.ended };
            expected.region.as_ref().is_none_or(|region| *region == visit.visit.region)
                && !self.excused(expected.after_change, span)
        };
        let judged: Vec<_> =
            self.ends.visits.iter().filter(here).filter(|visit| visit.end != VisitEnd::Excused).collect();
        let lost: Vec<_> = judged.iter().filter(|visit| visit.end != VisitEnd::Kept).collect();
        let first = lost
            .first()
            .map(|visit| format!(", the first: {} ({})", visit.visit.person, visit.why))
            .unwrap_or_default();
        let words = format!("{} lost in {} visits of people with a session{first}", lost.len(), judged.len());
        Finding { number: Some(lost.len() as f64), words, attempts: judged.len() }
    }
}

/// Whether a machine that is too busy would change the number itself.
fn is_a_time(measure: Measure) -> bool {
    use Measure::{BackAfterHeal, DownNoticed, FirstLoginAfterFault, NextLoginsAfterFault, Slower};
    matches!(measure, FirstLoginAfterFault | NextLoginsAfterFault | BackAfterHeal | DownNoticed | Slower)
}

fn holds(bound: Bound, number: f64) -> bool {
    let limit = |limit: Limit| match limit {
        Limit::Count(count) => count,
        Limit::Share(share) => share,
        Limit::Time(time) => micros(time) as f64,
        Limit::Yes(yes) => f64::from(u8::from(yes)),
    };
    match bound {
        Bound::AtMost(most) => number <= limit(most),
        Bound::AtLeast(least) => number >= limit(least),
        // A time without a sign means "within".
        Bound::Exactly(time @ Limit::Time(_)) => number <= limit(time),
        Bound::Exactly(exact) => (number - limit(exact)).abs() < 1e-9,
    }
}

pub(super) fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

pub(super) fn signed(time: i64) -> String {
    let sign = if time < 0 { "−" } else { "+" };
    format!("{sign}{}", in_words(time.unsigned_abs()))
}

/// A time as a person would say it.
pub fn in_words(time: Micros) -> String {
    match time {
        0 => "0 s".to_owned(),
        1..MILLISECOND => format!("{time} µs"),
        MILLISECOND..SECOND => format!("{} ms", (time + 500) / MILLISECOND),
        _ if time.is_multiple_of(SECOND) => format!("{} s", time / SECOND),
        _ => format!("{:.1} s", time as f64 / SECOND as f64),
    }
}
