//! Each expectation held against what happened: its number, whether it holds, and whether enough was tried to say so.
//! An expectation cannot pass empty: with too few attempts in its window it cannot be judged.

use std::time::Duration;

use super::ends::{End, Ends, Judged};
use super::machine::Machine;
use super::world::{Span, World};
use crate::history::{MILLISECOND, Micros, PasswordRefused, SECOND, micros};
use crate::language::{Bound, Expectation, Limit, Measure};

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
    /// Whether and when the machine was too busy for times to mean anything.
    pub machine: &'c Machine,
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
            Measure::VouchedBy => self.vouched(expected),
            Measure::TokensRenewed => self.renewed(expected),
            Measure::SessionsLost => self.sessions(expected),
            Measure::SignOutsLost => self.sign_outs_lost(expected),
            Measure::StillSignedIn => self.still_signed_in(expected),
            Measure::BrowsersAgree => self.agree(expected),
        };
        if self.machine.busy() && is_a_time(expected.measure) && finding.number.take().is_some() {
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
            let here = expected.concerns(&login.login.region);
            here && !self.excused(expected.after_change, login.window)
        })
    }

    /// Whether this happened before the probes had the time to notice.
    pub(super) fn excused(&self, after_change: Option<Duration>, span: Span) -> bool {
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
    pub(super) fn tried<'l>(
        &'l self,
        expected: &'l Expectation,
    ) -> impl Iterator<Item = &'l Judged<'l>> + 'l {
        let first = self.world.first_fault();
        let from = if first >= self.world.end { 0 } else { first };
        self.logins(expected).filter(move |login| login.login.start >= from && login.end != End::Apart)
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

/// So many of all, as a share where the bound is one.
pub(super) fn share(bound: Bound, count: usize, of: usize) -> f64 {
    let (Bound::AtMost(limit) | Bound::AtLeast(limit) | Bound::Exactly(limit)) = bound;
    if matches!(limit, Limit::Share(_)) { count as f64 / of.max(1) as f64 } else { count as f64 }
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
