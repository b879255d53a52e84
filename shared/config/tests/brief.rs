//! The configurations that the product starts from load unchanged. They lie beside the checkout
//! (`../shared/brief/configs`) or where `MANGROVE_BRIEF` says. A clone elsewhere has the guide's examples for them, which are the
//! same but for their comments (`examples.rs` sees to that where both lie), so nothing is passed over.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::PathBuf;

use mangrove_config::{Environment, Loader, Severity};
use support::{EXAMPLES, Mapped, SECRETS, brief, guide, signing_key};

fn configurations() -> Vec<PathBuf> {
    let folder = brief().inspect(|folder| {
        assert_eq!(
            std::fs::read_dir(folder).unwrap().count(),
            EXAMPLES.len(),
            "the brief's own files are these"
        );
    });
    let folder = folder.unwrap_or_else(|| guide().join("examples"));
    EXAMPLES.map(|name| folder.join(name)).to_vec()
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
