//! Topologies with foreign software, where something does not fit: told with words, and never passed over.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::stand_in::{EDGE, TOPOLOGY};

const DEX: &str = "https://corp.mesh.test/dex/.well-known/openid-configuration";

/// A topology whose IdP is of this kind.
fn with_idp(kind: &str) -> String {
    TOPOLOGY.replace("kind: local", &format!("kind: {kind}"))
}

/// A topology whose application is of this kind.
fn with_app(kind: &str) -> String {
    TOPOLOGY.replace("client: app }", &format!("client: app, kind: {kind} }}"))
}

/// Runs or checks a topology; the nodes' programs are empty files.
fn run(verb: &str, topology: &str, edge: &str, cache: &Path, path_of_programs: Option<&str>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("topology.yaml"), topology).unwrap();
    fs::write(path("edge.yaml"), edge).unwrap();
    for name in ["mangrove-root", "mangrove-edge"] {
        fs::write(path(name), "").unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mangrove-testbed"));
    command.arg(verb).arg(path("topology.yaml")).env("MANGROVE_CACHE", cache);
    command.envs(path_of_programs.map(|path| ("PATH", path)));
    if verb == "run" {
        command.arg("--bin").arg(folder.path()).arg("--out").arg(path("out"));
    }
    command.output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The edge's configuration, as this kind wants it.
fn edge(kind: &str) -> String {
    let at = |place: &str| {
        EDGE.replace("corp.mesh.test/.well-known", &format!("corp.mesh.test{place}/.well-known"))
    };
    let connector =
        EDGE.lines().skip_while(|line| !line.contains("- name: corp")).take(7).collect::<Vec<_>>();
    let instead =
        |lines: &str| EDGE.replace(&connector.join("\n"), &format!("  - name: corp\n    tls: lab\n{lines}"));
    match kind {
        "dex" => at("/dex"),
        "keycloak" => at("/realms/mesh"),
        "slapd" => instead(
            "    type: ldap
    title: Corp
    url: ldaps://corp.mesh.test
    baseDN: ou=people,dc=mesh,dc=test
    bindDN: cn=edge,ou=services,dc=mesh,dc=test
    bindPassword: <vault.edge>
    usernameSearchKey: uid",
        ),
        "simplesamlphp" => instead(
            "    type: saml
    samlMetadataURL: https://corp.mesh.test/saml2/idp/metadata.php
    samlConsumerServiceURL: https://edge.mesh.test/saml/callback
    samlEntityID: https://edge.mesh.test",
        ),
        "oauth2-proxy" => EDGE.replace("app.mesh.test/callback", "app.mesh.test/oauth2/callback"),
        _ => EDGE.to_owned(),
    }
}

/// What `scripts/foreign` would have made is not there, or what it was made for is not.
fn is_not_skipped(kind: &str, output: &Output, missing: &str) {
    assert_eq!(output.status.code(), Some(2), "{kind}: {output:?}");
    let words = words(output);
    assert!(
        words.contains(missing) && words.contains(&format!("`scripts/foreign {kind}`")),
        "{kind}: {words}"
    );
}

#[test]
fn a_run_without_the_foreign_program_is_not_skipped_but_says_how_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    for (kind, product) in [
        ("dex", "Dex 2"),
        ("keycloak", "Keycloak 2"),
        ("node-oidc-provider", "oidc-provider 9"),
        ("slapd", "OpenLDAP 2"),
        ("simplesamlphp", "SimpleSAMLphp 1"),
    ] {
        is_not_skipped(kind, &run("run", &with_idp(kind), &edge(kind), empty.path(), None), product);
    }
    for (kind, product) in [("openid-client", "openid-client 6"), ("oauth2-proxy", "oauth2-proxy 7")] {
        is_not_skipped(kind, &run("run", &with_app(kind), &edge(kind), empty.path(), None), product);
    }
}

#[test]
fn a_run_without_what_the_foreign_program_runs_on_is_not_skipped_either() {
    let cache = tempfile::tempdir().unwrap();
    let made = |kind: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(kind);
        let version = fs::read_to_string(folder.join("version")).unwrap();
        let made = cache.path().join(format!("{kind}-{}", version.trim()));
        fs::create_dir_all(&made).unwrap();
        fs::write(made.join("made"), "").unwrap();
    };
    for (kind, missing) in [("node-oidc-provider", "Node.js"), ("simplesamlphp", "SimpleSAMLphp and PHP")] {
        made(kind);
        let output = run("run", &with_idp(kind), &edge(kind), cache.path(), Some("/nonexistent"));
        is_not_skipped(kind, &output, missing);
    }
    for kind in ["openid-client", "oauth2-proxy"] {
        made(kind);
        let output = run("run", &with_app(kind), &edge(kind), cache.path(), Some("/nonexistent"));
        is_not_skipped(kind, &output, "Node.js");
    }
}

#[test]
fn a_node_that_asks_dex_where_it_does_not_answer_is_told_what_to_write() {
    let output = run("check", &with_idp("dex"), EDGE, Path::new("/nonexistent"), None);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(words(&output).contains("corp is Dex and does not answer at"), "{output:?}");
    assert!(words(&output).contains(&format!("write `oidcWellKnownURL: {DEX}`")), "{output:?}");
}
