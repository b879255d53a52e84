//! `run`: load, log, build, run. The exit code says who has to act: 1 the machine, 2 the configuration.

use std::path::PathBuf;

use mangrove_config::{Config, Environment, Finding, Loader, Report, Resolver, Severity};

use super::args::Source;
use super::{Exit, complain};
use crate::logging;
use crate::node::{self, Loaded, Node, StartError};
use crate::role::Role;

pub(super) fn run(role: &'static Role, source: &Source, environment: &Environment) -> Exit {
    let (file, report) = match load(source, environment) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let findings = report.findings.clone();
    let config = match report.start() {
        Ok(config) => config,
        Err(report) => return refuse(role, &report),
    };
    let json = config.logger.json_output;
    let _flush = logging::begin(&config.logger, &node::name(&config.public_url()), source.verbose);
    tell(&findings);
    tell_rules(role, &config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("{}: cannot start threads: {error}", role.name));
            return Exit::Failed;
        }
    };
    let loaded = Loaded { config, file, environment: environment.clone() };
    let exit = runtime.block_on(async {
        match Node::build(role, loaded) {
            Ok(node) => {
                if node.run().await {
                    Exit::Clean
                } else {
                    Exit::Failed
                }
            }
            Err(error) => {
                // Logs that are JSON are read by a machine; standard error is read by whoever started this.
                if json {
                    tracing::error!(%error, "cannot start");
                }
                complain(&format!("{}: cannot start: {error}", role.name));
                if matches!(error, StartError::Input(_)) { Exit::BadInput } else { Exit::Failed }
            }
        }
    });
    // Threads that hash or resolve may be busy; nobody waits for what they find.
    runtime.shutdown_background();
    exit
}

/// Finds and loads the configuration.
pub(super) fn load(source: &Source, environment: &Environment) -> Result<(PathBuf, Report), Exit> {
    load_with(source, environment, None)
}

/// The same, with names looked up where `names` can.
pub(super) fn load_with(
    source: &Source,
    environment: &Environment,
    names: Option<&dyn Resolver>,
) -> Result<(PathBuf, Report), Exit> {
    let file = mangrove_config::locate(source.config.as_deref(), environment).map_err(|problem| {
        complain(&problem);
        Exit::BadInput
    })?;
    let loader = Loader::new(environment);
    let loader = match source.secret_provider.as_deref() {
        Some(url) => loader.secret_provider(url),
        None => loader,
    };
    let loader = names.into_iter().fold(loader, Loader::resolver);
    let report = loader.load(&file);
    Ok((file, report))
}

pub(super) fn refuse(role: &Role, report: &Report) -> Exit {
    let stands_in_the_way =
        |finding: &&Finding| matches!(finding.severity, Severity::Problem | Severity::RefusedAtStart);
    for finding in report.findings.iter().filter(stands_in_the_way) {
        complain(finding);
    }
    complain(&format!("{}: cannot start with this configuration; `check` says more", role.name));
    Exit::BadInput
}

/// What was found and does not stand in the way, as lines of the log. What to write is in `check`.
fn tell(findings: &[Finding]) {
    for finding in findings {
        let place = format!("{}:{}", finding.file.display(), finding.line);
        let path = finding.path.as_str();
        match finding.severity {
            Severity::Warning => tracing::warn!(place, path, "{}", finding.message),
            Severity::Assumption => tracing::info!(place, path, "assumed: {}", finding.message),
            _ => tracing::info!(place, path, "{}", finding.message),
        }
    }
}

fn tell_rules(role: &Role, config: &Config) {
    for doubt in (role.rules)(config) {
        tracing::warn!("{doubt}");
    }
}
