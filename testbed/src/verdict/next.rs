//! What a fault costs those who come after the first: nothing, if whoever looked first told the others.
//!
//! The way that is left may be a longer one than the way that went, so whole logins cannot be compared. What can be is each
//! stage that the same people passed before any fault as well, a server and a path: the node at home above all, where looks are
//! waited for. How much longer those took is what the fault added; stages that nobody passed before are left out.

use std::collections::BTreeMap;

use super::ends::{End, Judged};
use super::judge::{Court, Finding, in_words};
use super::{noticed_within, stats};
use crate::history::{Hop, Micros, StepKind};
use crate::language::Expectation;

/// What each stage takes in a region without a fault: a server and a path.
type Stages<'a> = BTreeMap<(&'a str, &'a str), Micros>;

impl Court<'_, '_> {
    /// How much longer than without a fault the logins after the first took, in the mean, at stages that are known: while
    /// the probes could not have noticed, or from then on, whichever is worse. Left out are those whose time was the machine's.
    pub(super) fn next_logins(&self, expected: &Expectation) -> Finding {
        let usual = self.usual_stages();
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
                let noticed = told + noticed_within(self.world);
                let came = self.ends.logins.iter().filter(|login| {
                    login.login.region == region
                        && (told..until).contains(&login.login.start)
                        && login.end != End::Apart
                        && (login.live || login.end == End::SignedIn)
                        && !self.was_disturbed(login)
                });
                let (soon, later): (Vec<_>, Vec<_>) = came.partition(|login| login.login.start < noticed);
                attempts += soon.len() + later.len();
                for (when, logins) in [("soon", soon), ("later", later)] {
                    let whom = format!("{when} after “{}” in {region}", fault.words);
                    let (added, words) = if logins.iter().any(|login| login.end != End::SignedIn) {
                        (f64::INFINITY, format!("somebody was not signed in {whom}"))
                    } else {
                        let added: Vec<_> = logins.iter().map(|login| added(login, &usual)).collect();
                        let Some(mean) = stats::mean(&added) else { continue };
                        (mean as f64, format!("{} added {whom}", in_words(mean)))
                    };
                    if worst.as_ref().is_none_or(|(most, _)| added > *most) {
                        worst = Some((added, words));
                    }
                }
            }
        }
        let words = match &worst {
            None => "nobody came after the first login after a fault".to_owned(),
            Some((_, words)) => format!("at most {words}, in the mean; {attempts} came after the first"),
        };
        Finding { number: worst.map(|(most, _)| most), words, attempts }
    }

    /// The medians of those who were signed in before the first fault.
    fn usual_stages(&self) -> Stages<'_> {
        let first_fault = self.world.first_fault();
        let mut times: BTreeMap<_, Vec<Micros>> = BTreeMap::new();
        for login in &self.ends.logins {
            if login.ended < first_fault && login.end == End::SignedIn {
                for (hop, took) in stages(login) {
                    times.entry((login.login.region.as_str(), hop.url.as_str())).or_default().push(took);
                }
            }
        }
        times.into_iter().filter_map(|(stage, times)| Some((stage, stats::median(&times)?))).collect()
    }
}

/// How much longer a login took at the stages that are known.
fn added(login: &Judged<'_>, usual: &Stages<'_>) -> Micros {
    let region = login.login.region.as_str();
    let known =
        stages(login).filter_map(|(hop, took)| Some((took, *usual.get(&(region, hop.url.as_str()))?)));
    let (took, usual) = known.fold((0, 0), |(a, b), (took, usual)| (a + took, b + usual));
    took.saturating_sub(usual)
}

/// Each request of a login and the time until the next one, or until its end.
fn stages<'l>(login: &'l Judged<'_>) -> impl Iterator<Item = (&'l Hop, Micros)> {
    let hops = &login.login.hops;
    let nexts = hops.iter().skip(1).map(|hop| hop.start).chain([login.ended]);
    hops.iter().zip(nexts).map(|(hop, next)| (hop, next.saturating_sub(hop.start)))
}
