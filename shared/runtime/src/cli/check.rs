//! `check`: everything that is wrong, doubtful or assumed, and whether a start would be refused; one line at the end.

use mangrove_config::{App, Config, Connector, Environment, Report, Severity};

use super::args::{self, Source};
use super::names::SystemNames;
use super::{Exit, count, explain, run, say};
use crate::node;
use crate::role::Role;

pub(super) fn check(
    role: &'static Role,
    ask: &args::Check,
    source: &Source,
    environment: &Environment,
) -> Exit {
    if let Some(member) = &ask.explain {
        return tell(role, member, ask, source, environment);
    }
    let (_, report) = match run::load_with(source, environment, Some(&SystemNames::default())) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    for finding in &report.findings {
        say(finding);
    }
    let (refusals, doubts) = match &report.config {
        Some(config) => (node::rehearse(config), (role.rules)(config)),
        None => (Vec::new(), Vec::new()),
    };
    for refusal in &refusals {
        say(&format!("problem: {refusal}"));
    }
    for doubt in &doubts {
        say(&format!("warning: {doubt}"));
    }
    let summary = Summary::of(&report, refusals.len(), doubts.len());
    say(&summary.line(report.config.as_ref()));
    if summary.wrong > 0 { Exit::BadInput } else { Exit::Clean }
}

/// Tells what applications would see of somebody, if the configuration could be started with.
fn tell(role: &Role, member: &str, ask: &args::Check, source: &Source, environment: &Environment) -> Exit {
    let report = match run::load(source, environment) {
        Ok((_, report)) => report,
        Err(exit) => return exit,
    };
    match report.start() {
        Ok(config) => explain::explain(&config, member, ask.claims.as_deref()),
        Err(report) => run::refuse(role, &report),
    }
}

/// Counts of what was found.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    wrong: usize,
    warnings: usize,
}

impl Summary {
    fn of(report: &Report, refusals: usize, doubts: usize) -> Self {
        let wrong =
            report.of(Severity::Problem).count() + report.of(Severity::RefusedAtStart).count() + refusals;
        // A report without a configuration has a problem, whether or not it could say which.
        let wrong = wrong.max(usize::from(report.config.is_none()));
        Self { wrong, warnings: report.of(Severity::Warning).count() + doubts }
    }

    /// `ok: 3 connectors, 1 app, 2 warnings`, or `2 problems, no warnings: this would not start`.
    fn line(&self, config: Option<&Config>) -> String {
        let warnings = count(self.warnings as u64, "warning");
        match config {
            Some(config) if self.wrong == 0 => {
                let (connectors, apps) =
                    (count(connectors(config) as u64, "connector"), count(apps(config) as u64, "app"));
                format!("ok: {connectors}, {apps}, {warnings}")
            }
            _ => format!(
                "not ok: {}, {warnings}; a start would be refused",
                count(self.wrong as u64, "problem")
            ),
        }
    }
}

fn connectors(config: &Config) -> usize {
    config.connectors.iter().filter(|c| !matches!(c, Connector::Continuity(_))).count()
}

fn apps(config: &Config) -> usize {
    config.apps.iter().filter(|app| matches!(app, App::Oidc(_))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_in_words() {
        let config = Config::default();
        assert_eq!(
            Summary { wrong: 0, warnings: 1 }.line(Some(&config)),
            "ok: no connectors, no apps, 1 warning"
        );
        let line = Summary { wrong: 2, warnings: 0 }.line(None);
        assert_eq!(line, "not ok: 2 problems, no warnings; a start would be refused");
    }

    #[test]
    fn a_report_without_a_configuration_is_never_ok() {
        assert_eq!(Summary::of(&Report::default(), 0, 0).wrong, 1);
    }
}
