//! Measures that are counts: of logins by their ends, of acts, of sessions.

use super::ends::End;
use super::ends::sign_outs::{After, Back, JudgedSignOut};
use super::ends::visits::{JudgedVisit, VisitEnd};
use super::judge::{Court, Finding, share};
use super::world::Span;
use crate::language::{Bound, Expectation};

/// One login of so many may be listed apart where it is said that none was lost.
const FEW_APART: usize = 10;

impl Court<'_, '_> {
    pub(super) fn count(&self, expected: &Expectation, end: End) -> Finding {
        let count = self.logins(expected).filter(|login| login.end == end).count();
        let attempts = self.tried(expected).count();
        let early = self.ends.logins.iter().filter(|login| {
            let here = expected.concerns(&login.login.region);
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
    pub(super) fn lost(&self, expected: &Expectation) -> Finding {
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
    pub(super) fn told(&self, expected: &Expectation) -> Finding {
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

    pub(super) fn wrong(&self, expected: &Expectation) -> Finding {
        let logins = self.logins(expected).filter(|login| login.end == End::Wrong);
        let here = |visit: &&JudgedVisit<'_>| expected.concerns(&visit.visit.region);
        let visits = self.ends.visits.iter().filter(here).filter(|visit| visit.end == VisitEnd::Wrong);
        let left = self.ends.sign_outs.iter().filter(|it| expected.concerns(&it.sign_out.region));
        let left = left.filter(|it| it.after == After::StillSignedIn);
        let mut all: Vec<&str> =
            logins.map(|login| login.why.as_str()).chain(visits.map(|visit| visit.why.as_str())).collect();
        all.extend(left.map(|sign_out| sign_out.why.as_str()));
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

    pub(super) fn signed_in(&self, expected: &Expectation) -> Finding {
        let count = self.tried(expected).filter(|login| login.end == End::SignedIn).count();
        let attempts = self.tried(expected).count();
        Finding {
            number: Some(share(expected.bound, count, attempts)),
            words: format!("{count} of {attempts} logins since the first fault signed in"),
            attempts,
        }
    }

    pub(super) fn acts(&self, expected: &Expectation) -> Finding {
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

    /// Sign-outs that the expectation is about.
    fn sign_outs<'l>(&'l self, expected: &'l Expectation) -> impl Iterator<Item = &'l JudgedSignOut<'l>> {
        self.ends.sign_outs.iter().filter(move |it| {
            let span = Span { from: it.sign_out.start, until: it.ended };
            expected.concerns(&it.sign_out.region) && !self.excused(expected.after_change, span)
        })
    }

    /// Whom nobody could have brought back is no attempt.
    pub(super) fn sign_outs_lost(&self, expected: &Expectation) -> Finding {
        let attempts = self.sign_outs(expected).filter(|it| it.back != Back::CutOff).count();
        let lost: Vec<_> = self.sign_outs(expected).filter(|it| it.back == Back::Lost).collect();
        let first = lost.first().map(|it| format!(", the first: {} ({})", it.sign_out.person, it.why));
        let words = format!("{} lost of {attempts} sign-outs{}", lost.len(), first.unwrap_or_default());
        Finding { number: Some(lost.len() as f64), words, attempts }
    }

    /// Only a next login tells, and only where nobody had said that it would be let in.
    pub(super) fn still_signed_in(&self, expected: &Expectation) -> Finding {
        let number = |after| self.sign_outs(expected).filter(|it| it.after == after).count();
        let (still, out) = (number(After::StillSignedIn), number(After::Out));
        let first = self.sign_outs(expected).find(|it| it.after == After::StillSignedIn);
        let first = first.map(|it| format!(", the first: {}", it.why)).unwrap_or_default();
        let said = match number(After::SaidSo) {
            0 => String::new(),
            some => format!("; {some} more read who could not be told"),
        };
        let attempts = still + out;
        let words = format!("{still} still signed in of {attempts} who came again{first}{said}");
        Finding { number: Some(still as f64), words, attempts }
    }

    pub(super) fn sessions(&self, expected: &Expectation) -> Finding {
        let here = |visit: &&JudgedVisit<'_>| {
            let span = Span { from: visit.visit.start, until: visit.ended };
            expected.concerns(&visit.visit.region) && !self.excused(expected.after_change, span)
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
