//! What a document looks like: keys, types, words, sizes.

use mangrove_config::{Environment, Severity};

use crate::support::{EDGE, Mapped, check, edge, problem, says};

#[test]
fn a_whole_edge_has_nothing_to_complain_about() {
    let report = check(EDGE);
    assert!(!report.has(Severity::Problem) && !report.has(Severity::Warning), "{report}");
    let config = report.start().unwrap();
    assert_eq!(config.connectors.len(), 3);
    assert_eq!(mangrove_config::issuer_text(&config.issuer().unwrap()), "https://edge.example.com");
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    problem(
        &edge("strategy: failover", "stratgy: failover"),
        19,
        "connectors[2].stratgy",
        &["unknown key", "`strategy`"],
    );
}

#[test]
fn an_unknown_top_level_key_is_refused() {
    problem("colour: red\n", 1, "colour", &["unknown key `colour`", "known keys: version"]);
}

#[test]
fn all_problems_are_said_at_once() {
    let yaml = EDGE
        .replace("stratgy", "x")
        .replace(
            "interval: 30s, timeout: 10s}\n  - name: root-b",
            "interval: 30, timeout: 10s}\n  - name: root-b",
        )
        .replace(
            "redirectURLs: [https://app.example.com/callback]",
            "redirectURLs: https://app.example.com/callback",
        )
        .replace("idps: [roots]", "idps: [rots]");
    let report = check(&yaml);
    says(&report, Severity::Problem, 9, "connectors[0].healthCheck.interval", &["duration", "`30s`"]);
    says(
        &report,
        Severity::Problem,
        29,
        "apps[0].redirectURLs",
        &["a list", "[https://app.example.com/callback]"],
    );
    says(&report, Severity::Problem, 30, "apps[0].authentication.idps[0]", &["`rots`", "`roots`"]);
    assert_eq!(report.of(Severity::Problem).count(), 3, "{report}");
}

#[test]
fn wrong_types_say_what_to_write() {
    problem(
        &edge("enabled: true", "enabled: yes"),
        9,
        "connectors[0].healthCheck.enabled",
        &["true or false", "write true"],
    );
    problem(&edge("clientID: branch-app", "clientID: 42"), 27, "apps[0].clientID", &["text", "\"42\""]);
    problem("http: {maxConnections: many}", 1, "http.maxConnections", &["whole number", "`many`"]);
    problem("http: {maxConnections: -1}", 1, "http.maxConnections", &["whole number from 0"]);
    problem("http: nine", 1, "http", &["a mapping of keys", "`nine`"]);
    problem("connectors: {name: x}", 1, "connectors", &["a list", "begin each item"]);
    problem("session: {lifetime: {maxTimeout: 1 day}}", 1, "session.lifetime.maxTimeout", &["duration"]);
    problem("- a\n- b\n", 1, "", &["a mapping of keys"]);
}

#[test]
fn missing_keys_are_named_with_their_meaning() {
    problem(
        &edge("    oauthClientID: edge\n", ""),
        3,
        "connectors[0]",
        &["`oauthClientID` is missing", "client id"],
    );
    problem(&edge("    type: continuity\n", ""), 17, "connectors[2]", &["`type` is missing", "`continuity`"]);
}

#[test]
fn unknown_words_name_the_known_ones() {
    problem(
        &edge("strategy: failover", "strategy: failovr"),
        19,
        "connectors[2].strategy",
        &["`failover`", "did you mean"],
    );
    problem("logger: {level: verbose}", 1, "logger.level", &["`debug` or `info`"]);
    problem(
        "connectors: [{name: a, type: oidcc}]",
        1,
        "connectors[0].type",
        &["`oidcc`", "did you mean `oidc`?"],
    );
}

#[test]
fn a_key_that_stands_twice_is_a_problem() {
    problem("http: {address: \"127.0.0.1:1\"}\nhttp: {}\n", 2, "http", &["twice", "line 1"]);
    problem(
        &edge("oauthClientID: edge", "name: again\n    oauthClientID: edge"),
        6,
        "connectors[0].name",
        &["twice"],
    );
}

#[test]
fn products_are_refused_with_the_type_to_use() {
    for (product, instead) in [
        ("azure", "type: oidc"),
        ("auth0", "type: oidc"),
        ("cognito", "type: oidc"),
        ("okta", "type: saml"),
        ("adfs", "type: saml"),
        ("keycloak", "realms"),
        ("pingfederate", "type: oidc"),
        ("oauth", "type: oidc"),
        ("ad", "type: activedirectory"),
    ] {
        let yaml = format!("connectors:\n  - name: x\n    type: {product}\n    whatever: y\n");
        problem(&yaml, 3, "connectors[0].type", &[product, "types are protocols", instead]);
    }
}

#[test]
fn what_is_not_supported_yet_is_refused_by_name() {
    for kind in ["proxy", "mcpProxy", "mcpBridge"] {
        let yaml = format!("apps:\n  - name: x\n    type: {kind}\n");
        problem(&yaml, 3, "apps[0].type", &[kind, "not supported yet"]);
    }
    for key in ["mcpProvider", "ldapProvider", "apis", "serviceExtensions", "clusters", "appgateways"] {
        problem(&format!("{key}: {{}}\n"), 1, key, &[key, "not supported yet"]);
    }
    let extension = edge(
        "clientID: branch-app",
        "clientID: branch-app\n    buildIDTokenClaimsSE: {funcName: F, file: f.go}",
    );
    problem(&extension, 28, "apps[0].buildIDTokenClaimsSE", &["no service extensions"]);
    let grant = edge("clientID: branch-app", "clientID: branch-app\n    grantTypes: [password]");
    problem(&grant, 28, "apps[0].grantTypes[0]", &["`password`", "not supported yet"]);
}

#[test]
fn what_is_unsafe_to_ignore_is_refused_at_start_only() {
    let at_start = |yaml: &str, line, path, words: &[&str]| {
        let report = check(yaml);
        says(&report, Severity::RefusedAtStart, line, path, words);
        assert!(!report.has(Severity::Problem), "{report}");
        assert!(report.start().is_err());
    };
    at_start(&format!("{EDGE}samlProvider: {{}}\n"), 32, "samlProvider", &["not built yet"]);
    at_start(
        &format!("{EDGE}session: {{store: {{type: cluster}}}}\n"),
        32,
        "session.store.type",
        &["not built yet"],
    );
    let redis = "caches:\n  - {name: shared, type: redis, redis: {addresses: [redis:6379]}, encryption: {disabled: true}}\noidcProvider: {cache: shared}\n";
    at_start(&format!("{EDGE}{redis}"), 33, "caches[0].type", &["`shared`", "`type: memory`"]);
    at_start(&format!("{EDGE}{redis}"), 34, "oidcProvider.cache", &["`shared`"]);
    let saml = "  - {name: s, type: saml, authentication: {idps: [roots]}, consumerServiceURL: https://s.example.com/acs}\n";
    at_start(&format!("{EDGE}{saml}"), 32, "apps[1].type", &["`s`", "not built yet"]);
}

#[test]
fn documents_that_are_no_yaml_say_where() {
    problem("connectors: [\n", 1, "", &["unclosed"]);
    problem("a: b: c\n", 1, "", &["mapping values"]);
    problem("http:\n\taddress: x\n", 2, "", &[]);
    problem("http: {{ env.HTTP }}\n", 1, "", &["quote it"]);
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = "[".repeat(10_000);
    assert!(check(&deep).has(Severity::Problem));
    let long = format!("version: {}\n", "x".repeat(mangrove_config::tree::MAX_BYTES));
    problem(&long, 1, "", &["too many"]);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert!(check(bomb).has(Severity::Problem));
}

#[test]
fn files_that_are_no_text_are_refused() {
    let env = Environment::default();
    let files = Mapped::new().with("/b.yaml", [0x1f, 0x8b, 8]).with("/u.yaml", [b'a', 0xff]);
    let load = |path: &str| mangrove_config::Loader::new(&env).files(&files).load(path.as_ref()).to_string();
    assert!(load("/b.yaml").contains("bundles are not supported yet"));
    assert!(load("/u.yaml").contains("not UTF-8"));
    assert!(load("/none.yaml").contains("no such file"));
}
