//! The configurations that the product starts from load unchanged. They lie beside the checkout
//! (`../shared/brief/configs`) or where `MANGROVE_BRIEF` says; where they do not, these tests say so and pass.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::PathBuf;

use mangrove_config::{Environment, Loader, Severity};
use support::{Mapped, SECRETS, signing_key};

fn brief() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/brief/configs");
    let folder = std::env::var_os("MANGROVE_BRIEF").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "NOT TESTED: the brief's configurations do not lie at {}; set MANGROVE_BRIEF",
        folder.display()
    );
    None
}

fn configurations() -> Vec<PathBuf> {
    let Some(folder) = brief() else { return Vec::new() };
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 6, "the brief has six configurations");
    files
}

#[test]
fn the_briefs_six_files_start_unchanged_with_their_secrets_and_key() {
    let env = Environment::default();
    let files = Mapped::new()
        .with("/run/secrets.yaml", SECRETS)
        .with("/etc/maverics/keys/signing.key", signing_key());
    for path in configurations() {
        let report =
            Loader::new(&env).secret_provider("secretfile:///run/secrets.yaml").files(&files).load(&path);
        assert!(report.clone().start().is_ok(), "{} does not start:\n{report}", path.display());
    }
}

#[test]
fn without_secrets_each_missing_one_is_named() {
    let env = Environment::default();
    let files = Mapped::new().with("/run/secrets.yaml", "secrets: {other: x}");
    for path in configurations() {
        let text = std::fs::read_to_string(&path).unwrap();
        let report =
            Loader::new(&env).secret_provider("secretfile:///run/secrets.yaml").files(&files).load(&path);
        for reference in text.split_whitespace().filter(|word| word.starts_with("<vault.")) {
            let named =
                report.of(Severity::Problem).filter(|finding| finding.message.contains(reference)).count();
            assert_eq!(named, 1, "{reference} of {} in\n{report}", path.display());
        }
        assert!(report.start().is_err());
    }
}
