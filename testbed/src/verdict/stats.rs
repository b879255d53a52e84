//! Medians, quantiles and how sure one can be of a difference. Repeatable: the same numbers give the same answer.

use crate::agent::chance::Chance;

/// How often samples are drawn again to see how much a quantile moves by chance.
const DRAWS: u32 = 1_000;

/// The value below which this share of the samples lies; `None` without samples.
pub fn quantile(samples: &[u64], share: f64) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    quantile_of_sorted(&sorted, share)
}

/// The middle of the samples.
pub fn median(samples: &[u64]) -> Option<u64> {
    quantile(samples, 0.5)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index"
)]
fn quantile_of_sorted(sorted: &[u64], share: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share.clamp(0.0, 1.0)).round() as usize).copied()
}

/// How far a quantile moved from `before` to `during`, and between which bounds 95 of 100 draws put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// As measured, microseconds; negative is faster.
    pub measured: i64,
    /// Lower bound.
    pub low: i64,
    /// Upper bound.
    pub high: i64,
}

/// The shift of a quantile, by bootstrap. `None` without samples on either side.
pub fn shift(before: &[u64], during: &[u64], share: f64) -> Option<Shift> {
    let difference =
        |a: u64, b: u64| i64::try_from(b).unwrap_or(i64::MAX) - i64::try_from(a).unwrap_or(i64::MAX);
    let measured = difference(quantile(before, share)?, quantile(during, share)?);
    let mut chance = Chance::new(before.len() as u64, "bootstrap");
    let mut draws: Vec<i64> = (0..DRAWS)
        .filter_map(|_| {
            let (a, b) = (redraw(before, &mut chance), redraw(during, &mut chance));
            Some(difference(quantile(&a, share)?, quantile(&b, share)?))
        })
        .collect();
    draws.sort_unstable();
    let at = |promille: usize| draws.get((draws.len() - 1) * promille / 1_000).copied();
    Some(Shift { measured, low: at(25)?, high: at(975)? })
}

fn redraw(samples: &[u64], chance: &mut Chance) -> Vec<u64> {
    let draw = |_| samples[usize::try_from(chance.below(samples.len() as u64)).unwrap_or(0)];
    (0..samples.len()).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[5]), Some(5));
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(quantile(&(0..=100).collect::<Vec<_>>(), 0.9), Some(90));
    }

    #[test]
    fn a_shift_is_found_and_no_shift_is_not() {
        let before: Vec<u64> = (0..60).map(|i| 100_000 + i * 100).collect();
        let slower: Vec<u64> = before.iter().map(|time| time + 50_000).collect();
        let found = shift(&before, &slower, 0.5).unwrap();
        assert!(found.low > 40_000 && found.high < 60_000, "{found:?}");
        let none = shift(&before, &before, 0.5).unwrap();
        assert!(none.low <= 0 && none.high >= 0 && none.measured == 0, "{none:?}");
    }
}
