//! Roots that DNS finds.

use mangrove_config::{Environment, Severity};

use crate::support::{EDGE, Mapped, certificate, check_with, says};

const DISCOVERY: &str =
    "discovery: {srv: _mangrove-root._tcp.example.com, suffix: roots.example.com, like: root-a}";

/// The edge, with a key, an authority and this section.
fn with(discovery: &str) -> String {
    let member = "oauthClientSecret: <vault.edge-dc1-secret>";
    let proven = "root: true\n    tls: mesh\n    oauthClientAuth: {method: private_key_jwt}";
    let yaml = EDGE.replacen(member, proven, 1);
    let yaml = yaml.replacen("    failover: {", &format!("    {discovery}\n    failover: {{"), 1);
    format!("{yaml}tls: {{mesh: {{caFile: /ca.pem}}}}\n")
}

fn report(yaml: &str) -> mangrove_config::Report {
    check_with(yaml, &Mapped::new().with("/ca.pem", certificate()), &Environment::default())
}

#[track_caller]
fn refused(yaml: &str, path: &str, words: &[&str]) {
    says(&report(yaml), Severity::Problem, 22, &format!("connectors[2].discovery{path}"), words);
}

#[test]
fn what_dns_may_add_is_said() {
    let report = report(&with(DISCOVERY));
    assert!(!report.has(Severity::Problem), "{report}");
    says(
        &report,
        Severity::Note,
        22,
        "connectors[2].discovery.like",
        &["up to 4 roots below `roots.example.com`"],
    );
}

#[test]
fn names_are_names_and_the_suffix_is_ones_own() {
    for srv in [
        "mangrove-root._tcp.example.com",
        "_mangrove-root._udp.example.com",
        "_mangrove-root._tcp",
        "'_a b._tcp.x'",
    ] {
        refused(&with(&DISCOVERY.replace("_mangrove-root._tcp.example.com", srv)), ".srv", &["RFC 2782"]);
    }
    for suffix in ["com", ".", "'*.example.com'", "''"] {
        refused(&with(&DISCOVERY.replace("roots.example.com", suffix)), ".suffix", &["domain of your own"]);
    }
    let more = |keys: &str| with(&DISCOVERY.replace('}', &format!(", {keys}}}")));
    refused(&more("most: 0"), ".most", &["1 to 16"]);
    refused(&more("most: 17"), ".most", &["1 to 16"]);
    refused(&more("keep: 200h"), ".keep", &["168h"]);
    refused(&more("order: random"), ".order", &["`records`"]);
}

#[test]
fn whoever_is_found_has_to_prove_itself_and_gets_no_secret() {
    let like = |name: &str| with(&DISCOVERY.replace("root-a", name));
    refused(&like("root-b"), ".like", &["secret", "private_key_jwt"]);
    refused(&like("root-b"), ".like", &["authority"]);
    refused(&like("root-b"), ".like", &["root: true"]);
    refused(&like("absent"), ".like", &["no `oidc` connector among the members"]);
    let proxied =
        with(DISCOVERY).replacen("tls: mesh", "tls: mesh\n    proxy: http://proxy.example.com:3128", 1);
    says(&report(&proxied), Severity::Problem, 23, "connectors[2].discovery.like", &["proxy"]);
}
