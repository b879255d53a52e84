//! Tokens that an application renewed at its node when somebody with a session came back. Whoever vouched need not live for it.

use super::ends::visits::{JudgedVisit, VisitEnd};
use super::judge::{Court, Finding, share};
use super::world::Span;
use crate::history::{Visit, VisitKind};
use crate::language::Expectation;

impl Court<'_, '_> {
    /// Of the renewals since the first fault: how many brought new tokens for the same person. Those that nobody could have answered
    /// are no attempts.
    pub(super) fn renewed(&self, expected: &Expectation) -> Finding {
        let first = self.world.first_fault();
        let from = if first >= self.world.end { 0 } else { first };
        let tried = |visit: &&JudgedVisit<'_>| {
            let Visit { person, region, app, start, kind, .. } = visit.visit;
            let own = Span { from: *start, until: visit.ended };
            *kind == VisitKind::Refresh
                && visit.end != VisitEnd::Excused
                && own.from >= from
                && expected.concerns(region)
                && !self.excused(expected.after_change, own)
                && expected.meanwhile.as_ref().is_none_or(|it| self.was(it, (person, region, app), own))
        };
        let all: Vec<_> = self.ends.visits.iter().filter(tried).collect();
        let not: Vec<_> = all.iter().filter(|visit| visit.end != VisitEnd::Kept).collect();
        let (attempts, done) = (all.len(), all.len() - not.len());
        let first =
            not.first().map(|it| format!(", the first that was not: {} ({})", it.visit.person, it.why));
        let words = format!("{done} of {attempts} renewals{}", first.unwrap_or_default());
        let number = (attempts > 0).then(|| share(expected.bound, done, attempts));
        Finding { number, words, attempts }
    }
}
