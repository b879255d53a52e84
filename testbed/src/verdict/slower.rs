//! "Slower: no": each login of a round with the faults is compared with the same login (of the same person, the same turn, the
//! same seed) of the round without them that stands beside it. Only those count that began while a fault was in force, and
//! their counterparts.

use std::collections::BTreeMap;

use super::ends::{End, Judged};
use super::judge::{Court, Finding, in_words, signed};
use super::stats;
use super::world::Span;
use crate::history::{MILLISECOND, Micros, StepKind};
use crate::language::Expectation;

/// A median that moves less than this, or than a quarter of itself, is not slower.
const LEAST_SLOWER: Micros = 30 * MILLISECOND;
/// The same login comes at the same time of its round, but for what the machine is late.
const SAME_TIME: Micros = 100 * MILLISECOND;

/// How long a login took without the faults, and with them.
type Twin = (Micros, Micros);

impl Court<'_, '_> {
    /// Whether logins take longer under the faults, and how sure that is.
    pub(super) fn slower(&self, expected: &Expectation) -> Finding {
        let pairs: Vec<Vec<Twin>> =
            self.pairs(expected).into_iter().filter(|pair| !pair.is_empty()).collect();
        let attempts = pairs.iter().map(Vec::len).sum();
        let without: Vec<Micros> = pairs.iter().flatten().map(|(without, _)| *without).collect();
        let (Some(median), Some((middle, slow)), 2..) =
            (stats::median(&without), stats::compare(&pairs), pairs.len())
        else {
            return Finding { number: None, words: "no two pairs of rounds to compare".to_owned(), attempts };
        };
        let allowed = i64::try_from(LEAST_SLOWER.max(median / 4)).unwrap_or(i64::MAX);
        let words = format!(
            "median {} without the faults, {} with them (95 of 100 draws: {} to {}), slowest tenth {} ({} to {}); {attempts} \
             logins and their twins in {} pairs of rounds, slower would be {}",
            in_words(median),
            signed(middle.measured),
            signed(middle.low),
            signed(middle.high),
            signed(slow.measured),
            signed(slow.low),
            signed(slow.high),
            pairs.len(),
            signed(allowed),
        );
        // Sure that it is, sure that it is not, and neither.
        if middle.low > allowed || slow.low > 2 * allowed {
            Finding { number: Some(1.0), words, attempts }
        } else if middle.high <= allowed && slow.measured <= 2 * allowed {
            Finding { number: Some(0.0), words, attempts }
        } else {
            Finding { number: None, words: format!("void, not sure enough: {words}"), attempts }
        }
    }

    /// For each pair of rounds the logins that have a twin.
    fn pairs(&self, expected: &Expectation) -> Vec<Vec<Twin>> {
        let mut pairs: BTreeMap<u32, [Option<Span>; 2]> = BTreeMap::new();
        for (round, span) in &self.world.rounds {
            pairs.entry(round.pair).or_default()[usize::from(round.faults)] = Some(*span);
        }
        let both = pairs.into_values().filter_map(|[without, with]| Some((without?, with?)));
        both.map(|(without, with)| self.twins(expected, without, with)).collect()
    }

    fn twins(&self, expected: &Expectation, without: Span, with: Span) -> Vec<Twin> {
        let within = |kind| {
            let steps = self.world.steps.iter().filter(move |step| step.kind == kind);
            steps.map(|step| step.span).filter(|span| span.meets(with))
        };
        let Some(from) = within(StepKind::Fault).map(|span| span.from).min() else { return Vec::new() };
        let until = within(StepKind::Heal).map(|span| span.from).max().unwrap_or(with.until);
        let usual = self.of_round(expected, without);
        let faulty = self.of_round(expected, with);
        let faulty = faulty.iter().filter(|(_, login)| (from..until).contains(&login.login.start));
        let twin = |(key, login): (&(&str, usize), &&Judged<'_>)| {
            let other = usual.get(key)?;
            let apart = (login.login.start - with.from).abs_diff(other.login.start - without.from);
            let both = login.end == End::SignedIn && other.end == End::SignedIn;
            (both && apart < SAME_TIME).then(|| (other.took(), login.took()))
        };
        faulty.filter_map(twin).collect()
    }

    /// The logins of a round, by person and turn.
    fn of_round<'l>(
        &'l self,
        expected: &'l Expectation,
        round: Span,
    ) -> BTreeMap<(&'l str, usize), &'l Judged<'l>> {
        let began = |login: &&Judged<'_>| (round.from..round.until).contains(&login.login.start);
        let mut logins: Vec<_> = self.logins(expected).filter(began).collect();
        logins.sort_by_key(|login| login.login.start);
        let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
        let keyed = logins.into_iter().map(|login| {
            let turn = turns.entry(&login.login.person).or_default();
            *turn += 1;
            ((login.login.person.as_str(), *turn), login)
        });
        keyed.collect()
    }
}
