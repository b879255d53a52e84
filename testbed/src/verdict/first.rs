//! What a fault costs whoever comes first after it, and how long after a heal the last one failed.

use std::collections::BTreeMap;

use super::ends::{End, Judged};
use super::judge::{Court, Finding, in_words};
use super::world::Span;
use crate::history::{Micros, StepKind};
use crate::language::Expectation;

impl Court<'_, '_> {
    /// For each fault and region the first login that had a live path: its time over the fault-free median. No attempt is one whose
    /// time was the machine's.
    pub(super) fn first_login(&self, expected: &Expectation) -> Finding {
        let faults = self.world.steps.iter().filter(|step| step.kind == StepKind::Fault);
        let mut worst: Option<(f64, String)> = None;
        let mut attempts = 0;
        for fault in faults {
            for login in self.firsts(expected, fault.span.until) {
                if self.was_disturbed(login) {
                    continue;
                }
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

    /// Whether somebody signed in while the machine was too busy to say how long that takes.
    pub(super) fn was_disturbed(&self, login: &Judged<'_>) -> bool {
        let during = Span { from: login.login.start, until: login.ended };
        login.end == End::SignedIn && self.machine.hiccuped(during)
    }

    pub(super) fn firsts<'l>(&'l self, expected: &'l Expectation, after: Micros) -> Vec<&'l Judged<'l>> {
        let mut firsts: BTreeMap<&str, &Judged<'_>> = BTreeMap::new();
        let here = |login: &&Judged<'_>| expected.concerns(&login.login.region);
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
    pub(super) fn back(&self, expected: &Expectation) -> Finding {
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
}
