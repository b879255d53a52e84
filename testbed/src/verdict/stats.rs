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

/// The mean; none of nothing.
pub fn mean(samples: &[u64]) -> Option<u64> {
    let count = u64::try_from(samples.len()).ok().filter(|count| *count > 0)?;
    Some(samples.iter().sum::<u64>() / count)
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

/// How far a number moved, and between which bounds 95 of 100 draws put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// As measured, microseconds; negative is faster.
    pub measured: i64,
    /// Lower bound.
    pub low: i64,
    /// Upper bound.
    pub high: i64,
}

/// Compares twins, (without, with), that were measured in groups: the median of their differences, and by how much the
/// slowest tenth moved. By bootstrap in two steps, groups first and then twins within them: what disturbed one group as a
/// whole makes the answer less sure, not wrong. `None` without twins.
pub fn compare(groups: &[Vec<(u64, u64)>]) -> Option<(Shift, Shift)> {
    let all: Vec<_> = groups.iter().flatten().copied().collect();
    let mut chance = Chance::new(all.len() as u64, "bootstrap");
    let draws: Vec<(i64, i64)> = (0..DRAWS)
        .filter_map(|_| {
            let groups = redraw(groups, &mut chance);
            numbers(&groups.iter().flat_map(|group| redraw(group, &mut chance)).collect::<Vec<_>>())
        })
        .collect();
    let (middle, slow) = numbers(&all)?;
    let bounds = |measured: i64, mut draws: Vec<i64>| {
        draws.sort_unstable();
        let at = |promille: usize| draws.get((draws.len().checked_sub(1)?) * promille / 1_000).copied();
        Some(Shift { measured, low: at(25)?, high: at(975)? })
    };
    let (middles, slows) = draws.into_iter().unzip();
    Some((bounds(middle, middles)?, bounds(slow, slows)?))
}

/// The median of the differences, and the difference of the slowest tenths.
fn numbers(twins: &[(u64, u64)]) -> Option<(i64, i64)> {
    let signed = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    let mut differences: Vec<i64> = twins.iter().map(|(a, b)| signed(*b) - signed(*a)).collect();
    differences.sort_unstable();
    let middle = *differences.get(differences.len() / 2)?;
    let slow = |side: fn(&(u64, u64)) -> u64| quantile(&twins.iter().map(side).collect::<Vec<_>>(), 0.9);
    Some((middle, signed(slow(|twin| twin.1)?) - signed(slow(|twin| twin.0)?)))
}

fn redraw<T: Clone>(samples: &[T], chance: &mut Chance) -> Vec<T> {
    let draw = |_| samples[usize::try_from(chance.below(samples.len() as u64)).unwrap_or(0)].clone();
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
        let group = |added: u64| (0..20).map(|i| (100_000 + i * 997, 100_000 + i * 997 + added)).collect();
        let slower: Vec<Vec<_>> = vec![group(50_000), group(51_000), group(49_000)];
        let (middle, slow) = compare(&slower).unwrap();
        assert!(middle.low >= 49_000 && middle.high <= 51_000, "{middle:?}");
        assert!(slow.low > 40_000 && slow.high < 60_000, "{slow:?}");
        let (none, _) = compare(&[group(0), group(0)]).unwrap();
        assert_eq!((none.low, none.measured, none.high), (0, 0, 0));
        assert_eq!(compare(&[]), None);
    }

    #[test]
    fn one_group_that_was_disturbed_makes_the_answer_unsure() {
        let group = |added: u64| (0..20).map(|i| (100_000 + i, 100_000 + i + added)).collect();
        let (middle, _) = compare(&[group(0), group(0), group(0), group(200_000)]).unwrap();
        assert_eq!((middle.low, middle.measured, middle.high), (0, 0, 200_000));
    }
}
