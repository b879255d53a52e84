//! The examples of the guide start, say what they should, and hold what the configurations that the product starts from
//! hold. What the guide's pages show as YAML is checked as well.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};

use mangrove_config::{
    Connector, Environment, Loader, Report, Severity,
    tree::{self, Node, Value},
};
use support::{EXAMPLES, Mapped, SECRETS, brief, certificate, ec_key, guide, says, signing_key};

fn example(name: &str) -> Report {
    let env = Environment::default();
    let files = Mapped::new()
        .with("/run/secrets.yaml", SECRETS)
        .with("/etc/maverics/keys/signing.key", signing_key());
    let path = guide().join("examples").join(name);
    Loader::new(&env).secret_provider("secretfile:///run/secrets.yaml").files(&files).load(&path)
}

#[test]
fn every_example_starts() {
    for name in EXAMPLES {
        let report = example(name);
        assert!(report.clone().start().is_ok(), "{report}");
    }
}

#[test]
fn the_examples_hold_what_the_brief_holds() {
    let Some(folder) = brief() else {
        // To the terminal, past what a test's output is kept in: nobody reads that of a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "the brief's own files do not lie beside this checkout: not compared"
        );
        return;
    };
    for name in EXAMPLES {
        let parse = |path: PathBuf| tree::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        let (ours, theirs) = (parse(guide().join("examples").join(name)), parse(folder.join(name)));
        assert_eq!(plain(&ours), plain(&theirs), "{name}");
    }
}

/// A document as text without places.
fn plain(node: &Node) -> String {
    match &node.value {
        Value::List(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, node)| format!("{}: {}", key.text, plain(node))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        _ => node.shown(),
    }
}

#[test]
fn tier_1_is_told_that_two_providers_share_one_redirect_url_and_one_domain() {
    let report = example("tier1-basic.yaml");
    says(&report, Severity::Warning, 23, "connectors[1].oauthRedirectURL", &["share one redirect URL"]);
    says(&report, Severity::Warning, 37, "connectors[2].failover.idps", &["DNS name example.com"]);
    let config = report.start().unwrap();
    let check = config.connectors[0].health_check().unwrap();
    assert_eq!((check.interval.0.as_secs(), check.timeout.0.as_secs()), (30, 10));
    assert_eq!((check.unhealthy_threshold, check.healthy_threshold), (3, 2));
}

#[test]
fn tier_2_loads_saml_and_ldap_whole() {
    let report = example("tier2-diversified.yaml");
    let config = report.start().unwrap();
    let Connector::Ldap(ldap) = &config.connectors[2] else { panic!("not a directory") };
    assert_eq!(ldap.bind_password.as_ref().unwrap().expose(), "four");
    let Connector::Continuity(group) = &config.connectors[3] else { panic!("not a group") };
    assert_eq!(group.attributes[0].mapping["entra-idp"].paths(), ["preferred_username"]);
    assert_eq!(group.attributes[2].default, Some("user".into()));
}

#[test]
fn tier_3_says_what_the_edge_still_needs_with_the_lines_to_add() {
    let report = example("tier3-edge.yaml");
    let said = report.to_string();
    for line in [
        "branch-app has no redirectURLs: nobody can sign in to it yet",
        "redirectURLs: [",
        "branch-app has no clientSecret and is not public",
        "the issuer is assumed to be https://edge-branch-a.example.com",
        "`edge-failover` maps no `sub`",
        "NO TLS",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
    let config = report.start().unwrap();
    assert_eq!(mangrove_config::issuer_text(&config.issuer().unwrap()), "https://edge-branch-a.example.com");
    assert_eq!(config.public_url().as_str(), "https://edge-branch-a.example.com/");
}

#[test]
fn without_its_key_the_root_names_the_file() {
    let env = Environment::default();
    let files = Mapped::new().with("/run/secrets.yaml", SECRETS);
    let path = guide().join("examples/tier3-root.yaml");
    let report =
        Loader::new(&env).secret_provider("secretfile:///run/secrets.yaml").files(&files).load(&path);
    let problems: Vec<_> = report.of(Severity::Problem).map(ToString::to_string).collect();
    let there = Path::new("/etc/maverics/keys/signing.key").exists();
    assert!(there || problems.iter().any(|p| p.contains("/etc/maverics/keys/signing.key")), "{problems:?}");
}

#[test]
fn a_connector_without_a_redirect_url_loads_and_is_told_the_line() {
    let report = example("custom-health-check.yaml");
    let assumed =
        report.of(Severity::Assumption).find(|f| f.message.contains("has no redirect URL")).unwrap();
    assert!(assumed.hint.as_ref().unwrap().contains("oauthRedirectURL: "));
    let config = report.start().unwrap();
    let endpoint = config.connectors[0].health_check().unwrap().custom_endpoint.as_ref().unwrap();
    assert_eq!(endpoint.response_matcher.expected_statuses, [200]);
    assert_eq!(endpoint.response_matcher.body.contains.as_deref(), Some("healthy"));
}

/// The YAML blocks of a page that are configurations.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("```yaml\n") {
        let (block, behind) = after.split_once("```").unwrap();
        blocks.push(block.to_owned());
        rest = behind;
    }
    blocks.retain(|block| block.contains("\nconnectors:") || block.starts_with("connectors:"));
    blocks
}

/// The guide's pages, those of its folders too.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = inside.partition(|path| path.is_dir());
    let pages = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    folders.iter().flat_map(|folder| self::pages(folder)).chain(pages).collect()
}

#[test]
fn configurations_that_the_guide_shows_have_no_problems() {
    let env = Environment::default();
    for page in pages(&guide()) {
        for block in blocks(&std::fs::read_to_string(&page).unwrap()) {
            let secrets: String = block
                .split(['<', '>', ' ', '\n'])
                .filter(|word| word.starts_with("vault."))
                .map(|name| format!("  {name}: a-secret-of-the-guide\n"))
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect();
            let mut files = Mapped::new().with("/run/secrets.yaml", format!("secrets:\n{secrets}"));
            for path in block.split(['"', ' ', '\n', ',', '}']).filter(|word| word.starts_with('/')) {
                let key = if path.contains("key") { ec_key() } else { certificate() };
                files = files.with(path, key);
            }
            let report = Loader::new(&env)
                .secret_provider("secretfile:///run/secrets.yaml")
                .files(&files)
                .load_text(Path::new("/etc/mangrove/node.yaml"), &block);
            assert!(report.clone().start().is_ok(), "{}:\n{block}\n{report}", page.display());
        }
    }
}
