//! Names, references, groups, and what they mean.

use mangrove_config::{Environment, Severity};

use crate::support::{EDGE, Mapped, SECRETS, check, edge, problem, says, warning};

#[test]
fn duplicate_names_are_said_with_the_first_ones_line() {
    problem(&edge("name: root-b", "name: root-a"), 10, "connectors[1].name", &["`root-a`", "line 3"]);
    let app = "  - {name: branch-app, type: oidc, clientID: other, authentication: {idps: [roots]}}\n";
    problem(&format!("{EDGE}{app}"), 32, "apps[1].name", &["application", "`branch-app`"]);
    let app = "  - {name: other, type: oidc, clientID: branch-app, authentication: {idps: [roots]}}\n";
    problem(&format!("{EDGE}{app}"), 32, "apps[1].clientID", &["client id", "line 27"]);
    problem(
        "caches: [{name: a, type: memory}, {name: a, type: memory}]",
        1,
        "caches[1].name",
        &["cache", "`a`"],
    );
    let keys = "oidcProvider:\n  jwks:\n    - {name: k, file: /a}\n    - {name: k, file: /b}\n";
    problem(keys, 4, "oidcProvider.jwks[1].name", &["signing key", "line 3"]);
}

#[test]
fn connector_names_are_plain_and_sha256_is_reserved() {
    problem(&edge("name: root-a", "name: root a"), 3, "connectors[0].name", &["not a name"]);
    problem(&edge("name: root-a", "name: sha256"), 3, "connectors[0].name", &["reserved"]);
    problem("caches: [{name: local_default, type: memory}]", 1, "caches[0].name", &["reserved"]);
}

#[test]
fn missing_references_are_named() {
    problem(
        &edge("idps: [root-a, root-b]", "idps: [root-a, root-c]"),
        20,
        "connectors[2].failover.idps[1]",
        &["no connector `root-c`", "did you mean"],
    );
    problem(
        &edge("https://edge.example.com}", "https://edge.example.com, tls: srv}"),
        1,
        "http.tls",
        &["no TLS profile `srv`"],
    );
    problem(
        &format!("{EDGE}oidcProvider: {{cache: shared}}\n"),
        32,
        "oidcProvider.cache",
        &["no cache `shared`"],
    );
    problem(
        &edge("email: roots.email", "email: rots.email"),
        31,
        "apps[0].claimsMapping.email",
        &["`rots.email`", "did you mean `roots`?"],
    );
}

#[test]
fn a_connector_that_is_wrong_itself_is_not_missing_as_well() {
    let report = check(&edge("    oauthClientID: edge\n", ""));
    assert_eq!(report.of(Severity::Problem).count(), 1, "{report}");
}

#[test]
fn cycles_of_groups_are_named_whole() {
    let yaml = "\
connectors:
  - {name: a, type: continuity, failover: {idps: [b]}}
  - {name: b, type: continuity, failover: {idps: [c]}}
  - {name: c, type: continuity, failover: {idps: [a]}}
  - {name: self, type: continuity, failover: {idps: [self]}}
";
    problem(yaml, 2, "connectors[0].failover.idps[0]", &["`a` -> `b` -> `c` -> `a`"]);
    problem(yaml, 5, "connectors[3].failover.idps[0]", &["`self` -> `self`"]);
    assert_eq!(check(yaml).of(Severity::Problem).count(), 2);
}

#[test]
fn a_group_needs_members() {
    problem(&edge("idps: [root-a, root-b]", "idps: []"), 20, "connectors[2].failover.idps", &["no members"]);
    problem(
        &edge("idps: [root-a, root-b]", "idps: [root-a, root-a]"),
        20,
        "connectors[2].failover.idps[1]",
        &["already"],
    );
}

#[test]
fn sub_has_no_default_and_mappings_are_for_members() {
    problem(
        &edge("- name: sub", "- name: sub\n        default: nobody"),
        23,
        "connectors[2].attributes[0].default",
        &["`sub` has no default"],
    );
    problem(
        &edge("root-b: sub}", "root-b: sub, root-c: sub}"),
        23,
        "connectors[2].attributes[0].mapping.root-c",
        &["not a member"],
    );
}

#[test]
fn claims_that_nobody_provides_are_warned_of() {
    warning(
        &edge("roots.email", "roots.dispalyName"),
        31,
        "apps[0].claimsMapping.email",
        &["known to provide `dispalyName`"],
    );
    warning(
        &edge("idps: [roots]", "idps: [root-a]"),
        31,
        "apps[0].claimsMapping.email",
        &["does not ask `roots`"],
    );
}

#[test]
fn members_that_share_a_vendor_a_host_or_an_address_are_warned_of() {
    let path = "connectors[2].failover.idps";
    let url = "https://root-b.example.net/.well-known";
    warning(
        &edge(url, "https://root-b.example.org/.well-known"),
        20,
        path,
        &["`root-a` and `root-b`", "DNS name example.org"],
    );
    warning(
        &edge(url, "https://root-a.example.org/b/.well-known"),
        20,
        path,
        &["share the host root-a.example.org"],
    );
    let numbers =
        EDGE.replace("root-a.example.org", "192.0.2.7").replace("root-b.example.net", "192.0.2.7:8443");
    warning(&numbers, 20, path, &["192.0.2.7"]);
    assert!(!check(&edge(url, "https://root-b.example.co.uk/.well-known")).has(Severity::Warning));
}

#[test]
fn members_that_resolve_to_one_address_are_warned_of_when_names_are_resolved() {
    struct Same;
    impl mangrove_config::Resolver for Same {
        fn addresses(&self, _: &str) -> Vec<std::net::IpAddr> {
            vec!["192.0.2.9".parse().unwrap()]
        }
    }
    let env = Environment::default();
    let files = Mapped::new().with("/run/secrets.yaml", SECRETS);
    let report = mangrove_config::Loader::new(&env)
        .secret_provider("secretfile:///run/secrets.yaml")
        .files(&files)
        .resolver(&Same)
        .load_text("node.yaml".as_ref(), EDGE);
    says(&report, Severity::Warning, 20, "connectors[2].failover.idps", &["address 192.0.2.9"]);
}

#[test]
fn redirect_urls_whose_paths_are_the_same_are_shared() {
    for same in ["https://edge.example.com/oidc/a", "https://edge.example.com/oidc/a?b"] {
        let shared = edge("https://edge.example.com/oidc/b", same);
        warning(&shared, 15, "connectors[1].oauthRedirectURL", &["share one redirect URL", "`iss`"]);
    }
}

#[test]
fn who_could_vouch_for_whom_is_said() {
    let report = check(EDGE);
    says(
        &report,
        Severity::Note,
        22,
        "connectors[2].attributes[0]",
        &["root-a.sub, root-b.sub", "weakest member"],
    );
    let path = "connectors[2].attributes[0].mapping.root-a";
    for address in ["email", "contact.email", "\"emails[0].value.mail\"", "e-mail"] {
        let email = edge("{root-a: sub, root-b: sub}", &format!("{{root-a: {address}, root-b: sub}}"));
        says(&check(&email), Severity::Note, 23, path, &["email_verified: true"]);
    }
    let none = edge("{root-a: sub, root-b: sub}", "{root-a: userPrincipalName, root-b: sub}");
    assert!(!check(&none).to_string().contains("email_verified"), "logins ask for no such mark");
    let email = edge("{root-a: sub, root-b: sub}", "{root-a: email, root-b: sub}");
    let trusted = email.replacen("type: oidc\n", "type: oidc\n    trustEmail: true\n", 1);
    assert!(!check(&trusted).to_string().contains("email_verified"));
    let left_out = edge("{root-a: sub, root-b: sub}", "{root-a: sub}");
    warning(
        &left_out,
        23,
        "connectors[2].attributes[0].mapping",
        &["`sub` is not mapped for `root-b`", "refused"],
    );
}

#[test]
fn a_directory_needs_trust_email_to_be_known_by_e_mail() {
    let ldap = "  - {name: dir, type: ldap, url: ldaps://dc.example.com, baseDN: dc=x, bindDN: cn=s, bindPassword: <vault.ldap-password>}\n";
    let yaml = edge("  - name: roots", &format!("{ldap}  - name: roots"))
        .replace("[root-a, root-b]", "[root-a, root-b, dir]")
        .replace("root-b: sub}", "root-b: sub, dir: mail}");
    warning(&yaml, 24, "connectors[3].attributes[0].mapping.dir", &["cannot mark", "trustEmail: true"]);
}
