//! What a fault costs those who come after the first: nothing, if whoever looked first told the others. They are held against
//! those who come late under the same fault, because the way that is left may be a longer one than the way that went.

use super::ends::{End, Judged};
use super::judge::{Court, Finding, in_words};
use super::stats;
use crate::history::{Micros, StepKind};
use crate::language::Expectation;

impl Court<'_, '_> {
    /// How much longer the logins after the first took, in the mean, while a fault was young.
    pub(super) fn next_logins(&self, expected: &Expectation) -> Finding {
        let mut worst: Option<(f64, String)> = None;
        let mut attempts = 0;
        for (index, fault) in self.world.steps.iter().enumerate() {
            if fault.kind != StepKind::Fault {
                continue;
            }
            let until = self.world.steps.get(index + 1).map_or(self.world.end, |next| next.span.from);
            for first in self.firsts(expected, fault.span.until) {
                let region = first.login.region.as_str();
                let told = first.login.start + first.took();
                let under: Vec<_> = self
                    .ends
                    .logins
                    .iter()
                    .filter(|login| {
                        login.login.region == region && (told..until).contains(&login.login.start)
                    })
                    .filter(|login| login.end == End::SignedIn || (login.live && login.end != End::Apart))
                    .collect();
                let half = told + until.saturating_sub(told) / 2;
                let (young, old): (Vec<_>, Vec<_>) =
                    under.into_iter().partition(|login| login.login.start < half);
                let where_and_when = format!("in {region} after “{}”", fault.words);
                let (added, words) = match (mean(&young), mean(&old)) {
                    (Some(soon), Some(late)) => {
                        attempts += young.len();
                        let added = soon.saturating_sub(late);
                        (added as f64, format!("{} added {where_and_when}", in_words(added)))
                    }
                    _ if young.iter().any(|login| login.end != End::SignedIn) => {
                        (f64::INFINITY, format!("somebody was not signed in {where_and_when}"))
                    }
                    _ => continue,
                };
                if worst.as_ref().is_none_or(|(most, _)| added > *most) {
                    worst = Some((added, words));
                }
            }
        }
        let words = match &worst {
            None => "nobody came after the first login after a fault".to_owned(),
            Some((_, words)) => format!("at most {words}, in the mean; {attempts} came after the first"),
        };
        Finding { number: worst.map(|(most, _)| most), words, attempts }
    }
}

/// The mean time of logins that all ended signed in; none if one did not, or nobody came.
fn mean(logins: &[&Judged<'_>]) -> Option<Micros> {
    let all = logins.iter().all(|login| login.end == End::SignedIn);
    let times: Vec<_> = logins.iter().map(|login| login.took()).collect();
    all.then(|| stats::mean(&times)).flatten()
}
