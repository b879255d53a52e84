//! References to secrets and to the environment; and that the value of a secret shows nowhere.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::Path;

use mangrove_config::{Connector, Environment, Loader, Problem, Report, Severity, locate, locate_with};
use support::{EDGE, Mapped, check, check_with, edge, problem, says, warning};

fn secret_of(report: &Report) -> String {
    match &report.config.as_ref().unwrap_or_else(|| panic!("{report}")).connectors[0] {
        Connector::Oidc(oidc) => oidc.client_secret.as_ref().unwrap().expose().to_owned(),
        _ => panic!("not an OIDC connector"),
    }
}

fn load(provider: &str, files: &Mapped, env: &Environment) -> Report {
    Loader::new(env).secret_provider(provider).files(files).load_text(Path::new("node.yaml"), EDGE)
}

const NESTED: &str =
    "vault:\n  edge-dc1-secret: nested-one\n  edge-dc2-secret: 0042\n  edge-client-secret: three\n";

#[test]
fn secret_files_are_flat_or_nested() {
    assert_eq!(secret_of(&check(EDGE)), "six");
    let files = Mapped::new().with("/s.yaml", NESTED);
    assert_eq!(secret_of(&load("secretfile:///s.yaml", &files, &Environment::default())), "nested-one");
    let files = Mapped::new().with("/s.yaml", format!("secrets:\n  {}", NESTED.replace("\n ", "\n   ")));
    assert_eq!(secret_of(&load("secretfile:///s.yaml", &files, &Environment::default())), "nested-one");
}

#[test]
fn secrets_come_from_the_environment_by_a_rule() {
    let env = Environment::new([
        ("VAULT_EDGE_DC1_SECRET", "from-env"),
        ("VAULT_EDGE_DC2_SECRET", "b"),
        ("VAULT_EDGE_CLIENT_SECRET", "c"),
    ]);
    assert_eq!(secret_of(&load("env://", &Mapped::new(), &env)), "from-env");
    let report = load("env://OTHER_", &Mapped::new(), &env);
    says(&report, Severity::Problem, 7, "connectors[0].oauthClientSecret", &["OTHER_VAULT_EDGE_DC1_SECRET"]);
}

#[test]
fn the_command_lines_provider_goes_before_the_environments() {
    let env = Environment::new([("MAVERICS_SECRET_PROVIDER", "secretfile:///s.yaml")]);
    let files = Mapped::new().with("/s.yaml", NESTED);
    let by_env = Loader::new(&env).files(&files).load_text(Path::new("node.yaml"), EDGE);
    assert_eq!(secret_of(&by_env), "nested-one");
    let missing = load("secretfile:///none.yaml", &files, &env).to_string();
    assert!(
        missing.contains("command line -secretProvider") && missing.contains("no such file"),
        "{missing}"
    );
}

#[test]
fn a_reference_without_a_provider_is_named_each() {
    let env = Environment::default();
    let report = Loader::new(&env).load_text(Path::new("node.yaml"), EDGE);
    says(
        &report,
        Severity::Problem,
        7,
        "connectors[0].oauthClientSecret",
        &["<vault.edge-dc1-secret>", "-secretProvider"],
    );
    assert_eq!(report.of(Severity::Problem).count(), 3, "{report}");
}

#[test]
fn a_provider_that_cannot_be_opened_is_said_once() {
    let report =
        load("hashivault+https://vault:8200/x?token=s3cr3t", &Mapped::new(), &Environment::default());
    assert_eq!(report.of(Severity::Problem).count(), 1, "{report}");
    assert!(
        report.to_string().contains("not supported yet") && !report.to_string().contains("s3cr3t"),
        "{report}"
    );
}

#[test]
fn a_secret_file_that_others_may_read_is_warned_of() {
    let files = Mapped::new().with_mode("/s.yaml", NESTED, 0o640);
    let report = load("secretfile:///s.yaml", &files, &Environment::default());
    assert!(report.of(Severity::Warning).any(|finding| finding.message.contains("0640")), "{report}");
}

#[test]
fn a_broken_secret_file_shows_nothing_of_itself() {
    let files = Mapped::new().with("/s.yaml", "secrets:\n  a: s3cr3t\n  b: [s3cr3t\n");
    let report = load("secretfile:///s.yaml", &files, &Environment::default()).to_string();
    assert!(report.contains("/s.yaml:") && !report.contains("s3cr3t"), "{report}");
}

#[test]
fn a_literal_secret_is_taken_and_warned_of() {
    let yaml = edge("<vault.edge-dc1-secret>", "hunter2-literal");
    warning(&yaml, 7, "connectors[0].oauthClientSecret", &["in the file itself", "<vault.name>"]);
    let report = check(&yaml);
    assert_eq!(secret_of(&report), "hunter2-literal");
    assert!(!report.to_string().contains("hunter2") && !format!("{report:?}").contains("hunter2"));
}

#[test]
fn no_value_of_a_secret_shows_wherever_it_stands() {
    let value = "topsecret-value";
    let files = Mapped::new().with("/run/secrets.yaml", format!("secrets: {{x: {value}}}"));
    let env = Environment::default();
    let lines: Vec<usize> = (0..EDGE.lines().count()).collect();
    {
        let reference = "<x>";
        for line in &lines {
            // The reference takes the place of each value in turn, where it makes sense and where it does not.
            let yaml: Vec<String> = EDGE
                .lines()
                .enumerate()
                .map(|(i, text)| match text.split_once(": ") {
                    Some((key, _)) if i == *line => format!("{key}: {reference}"),
                    _ => text.to_owned(),
                })
                .collect();
            let report = Loader::new(&env)
                .secret_provider("secretfile:///run/secrets.yaml")
                .files(&files)
                .load_text(Path::new("node.yaml"), &yaml.join("\n"));
            for text in report.findings.iter().map(ToString::to_string) {
                assert!(!text.contains(value), "line {}: {text}", line + 1);
            }
        }
    }
}

#[test]
fn the_environment_fills_texts_and_numbers() {
    let env = Environment::new([("HOST", "127.0.0.1"), ("MANY", "7"), ("ON", "true")]);
    let yaml = EDGE.replace("\"127.0.0.1:9443\"", "\"{{ env.HOST }}:{{env.MANY}}\", maxConnections: \"{{ env.MANY }}\", accessLog: {disabled: \"{{ env.ON }}\"}");
    let config = check_with(&yaml, &Mapped::new(), &env).start().unwrap();
    assert_eq!((config.http.address.as_str(), config.http.max_connections), ("127.0.0.1:7", 7));
    assert!(config.http.access_log.disabled);
}

#[test]
fn variables_that_are_not_set_and_templates_that_are_none_are_named() {
    let env = Environment::new([("HOSTNAME", "x")]);
    let report = check_with("http: {address: \"{{ env.HOSTNAM }}:1\"}", &Mapped::new(), &env);
    says(&report, Severity::Problem, 1, "http.address", &["HOSTNAM is not set", "did you mean HOSTNAME?"]);
    problem("http: {address: \"{{ HOST }}:1\"}", 1, "http.address", &["{{ env.HOST }}"]);
    problem("http: {address: \"{{ env.HOST\"}", 1, "http.address", &["without `}}`"]);
}

#[test]
fn variables_go_before_the_file() {
    let env = Environment::new([
        ("MAVERICS_HTTP_ADDRESS", "127.0.0.1:1234"),
        ("MAVERICS_DEBUG_MODE", "true"),
        ("MAVERICS_TLS_SERVER_CERT_FILE", "/c.pem"),
        ("MAVERICS_TLS_SERVER_KEY_FILE", "/k.pem"),
    ]);
    let files = Mapped::new().with("/c.pem", support::certificate()).with("/k.pem", support::ec_key());
    let config = check_with(EDGE, &files, &env).start().unwrap();
    assert_eq!(config.http.address, "127.0.0.1:1234");
    assert_eq!(config.logger.level, mangrove_config::node::Level::Debug);
    let profile = &config.tls[config.http.tls.as_ref().unwrap()];
    assert_eq!((profile.cert_file.as_deref(), profile.key_file.as_deref()), (Some("/c.pem"), Some("/k.pem")));
    let report = check_with(EDGE, &Mapped::new(), &env);
    assert!(report.to_string().contains("environment $MAVERICS_TLS_SERVER_CERT_FILE: problem"), "{report}");
}

#[test]
fn the_configuration_is_located_by_argument_then_environment_then_default() {
    let both = Environment::new([("MAVERICS_CONFIG", "/a.yaml"), ("MANGROVE_CONFIG", "/b.yaml")]);
    assert_eq!(locate(Some(Path::new("/c.yaml")), &both).unwrap(), Path::new("/c.yaml"));
    let error = locate(None, &both).unwrap_err().to_string();
    assert!(error.contains("MAVERICS_CONFIG and MANGROVE_CONFIG are both set"), "{error}");
    let one = Environment::new([("MANGROVE_CONFIG", "/b.yaml")]);
    assert_eq!(locate(None, &one).unwrap(), Path::new("/b.yaml"));
    let none = Environment::default();
    let files = Mapped::new().with("/etc/mangrove/mangrove.yaml", "");
    assert_eq!(locate_with(None, &none, &files).unwrap(), Path::new("/etc/mangrove/mangrove.yaml"));
    let files = files.with("/etc/maverics/maverics.yaml", "");
    assert_eq!(locate_with(None, &none, &files).unwrap(), Path::new("/etc/maverics/maverics.yaml"));
    assert_eq!(locate_with(None, &none, &Mapped::new()), Err(Problem::Nowhere));
}

#[test]
fn what_a_missing_value_would_have_been_is_not_judged() {
    let report =
        check("http: {address: \"{{ env.NODE_ADDRESS }}\"}\nconnectors: [{name: <gone>, type: oidc}]\n");
    let problems: Vec<_> = report.of(Severity::Problem).map(|finding| finding.path.as_str()).collect();
    assert_eq!(
        problems,
        ["http.address", "connectors[0]", "connectors[0]", "connectors[0].name"],
        "{report}"
    );
}
