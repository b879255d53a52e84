//! Topologies with foreign software, where something does not fit: told with words, and never passed over.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::stand_in::{EDGE, TOPOLOGY};

const DEX: &str = "https://corp.mesh.test/dex/.well-known/openid-configuration";

/// Runs a topology with an IdP of this kind; nothing of its cache is there, and the nodes are empty files.
fn run(verb: &str, kind: &str, edge: &str, cache: &Path) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("topology.yaml"), TOPOLOGY.replace("kind: local", &format!("kind: {kind}"))).unwrap();
    fs::write(path("edge.yaml"), edge).unwrap();
    for name in ["mangrove-root", "mangrove-edge"] {
        fs::write(path(name), "").unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mangrove-testbed"));
    command.arg(verb).arg(path("topology.yaml")).env("MANGROVE_CACHE", cache);
    if verb == "run" {
        command.arg("--bin").arg(folder.path()).arg("--out").arg(path("out"));
    }
    command.output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_without_the_foreign_program_is_not_skipped_but_says_how_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    for (kind, product, realm) in [
        ("dex", "Dex 2", "/dex"),
        ("keycloak", "Keycloak 2", "/realms/mesh"),
        ("node-oidc-provider", "oidc-provider 9", ""),
    ] {
        let edge = EDGE.replace("corp.mesh.test/.well-known", &format!("corp.mesh.test{realm}/.well-known"));
        let output = run("run", kind, &edge, empty.path());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let words = words(&output);
        assert!(words.contains(product) && words.contains(&format!("`scripts/foreign {kind}`")), "{words}");
    }
}

#[test]
fn a_node_that_asks_dex_where_it_does_not_answer_is_told_what_to_write() {
    let output = run("check", "dex", EDGE, Path::new("/nonexistent"));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(words(&output).contains("corp is Dex and does not answer at"), "{output:?}");
    assert!(words(&output).contains(&format!("write `oidcWellKnownURL: {DEX}`")), "{output:?}");
}
