//! What of a history stands in the table.

use std::path::Path;

use super::*;
use crate::history::{Acts, Hop, PathChange, PathState, ProcessChange, Step, StepKind, Visit, Who};

fn server(name: &str, kind: ServerKind, upstreams: &[&str]) -> Server {
    Server {
        name: name.into(),
        region: format!("at-{name}"),
        kind,
        hosts: vec![format!("{name}.mesh.test")],
        upstreams: upstreams.iter().map(|&it| it.to_owned()).collect(),
        by_browser: true,
        ..Server::default()
    }
}

fn foreign(product: &str, spoken: &[(&str, &str)]) -> Option<Foreign> {
    let spoken = spoken.iter().map(|(protocol, place)| {
        ((*protocol).to_owned(), Some((*place).to_owned()).filter(|it| !it.is_empty()).into_iter().collect())
    });
    Some(Foreign {
        product: product.into(),
        version: "1.2".into(),
        spoken: spoken.collect(),
        ..Foreign::default()
    })
}

fn login(person: &str, seen: Seen, hops: &[(&str, &str)]) -> What {
    let hop = |(method, url): &(&str, &str)| Hop {
        start: 0,
        took: 1,
        method: (*method).into(),
        url: (*url).into(),
        status: Some(302),
        error: None,
        reference: None,
    };
    What::Login(Box::new(Login {
        person: person.into(),
        app: "app".into(),
        region: "branch".into(),
        start: 0,
        hops: hops.iter().map(hop).collect(),
        acts: Acts::default(),
        seen,
        who: None,
        login_id: None,
    }))
}

fn visit(person: &str, kind: VisitKind) -> What {
    What::Visit(Box::new(Visit {
        person: person.into(),
        app: "app".into(),
        region: "branch".into(),
        start: 0,
        kind,
        outcome: VisitOutcome::Kept,
        hops: Vec::new(),
        who: Some(Who { lab_person: Some(person.into()), ..Who::default() }),
    }))
}

/// Somebody else's tokens came.
fn mixed_up(person: &str) -> What {
    let What::Visit(mut visit) = visit(person, VisitKind::Refresh) else { unreachable!() };
    visit.who = Some(Who { lab_person: Some("somebody-else".into()), ..Who::default() });
    What::Visit(visit)
}

fn leaves(person: &str, notice: &str, hops: &[&str]) -> What {
    let hops: Vec<_> = hops.iter().map(|&url| ("GET", url)).collect();
    let What::Login(walk) = login(person, Seen::SignedIn, &hops) else { unreachable!() };
    What::SignOut(Box::new(SignOut {
        person: walk.person,
        app: walk.app,
        region: walk.region,
        began_at: None,
        start: 0,
        outcome: SignOutOutcome::Back,
        notices: Some(notice.to_owned()).filter(|it| !it.is_empty()).into_iter().collect(),
        still: Vec::new(),
        hops: walk.hops,
    }))
}

fn lines(happened: Vec<What>, code: u8) -> Vec<String> {
    let keycloak = [("OIDC", "root.mesh.test/oidc/kc"), ("SAML", "root.mesh.test/saml/kc")];
    lines_of(foreign("Keycloak", &keycloak), happened, code)
}

fn lines_of(keycloak: Option<Foreign>, happened: Vec<What>, code: u8) -> Vec<String> {
    let run = Run {
        topology: "two".into(),
        servers: vec![
            Server { foreign: keycloak, ..server("kc", ServerKind::Idp, &[]) },
            Server {
                foreign: foreign("slapd", &[("LDAP", "")]),
                by_browser: false,
                ..server("dir", ServerKind::Idp, &[])
            },
            Server {
                foreign: foreign("slapd", &[("LDAP", "")]),
                by_browser: false,
                ..server("replica", ServerKind::Idp, &[])
            },
            server("root", ServerKind::Root, &["kc", "dir", "replica"]),
            Server {
                foreign: foreign("proxy", &[("OIDC", "")]),
                ..server("app", ServerKind::App, &["root"])
            },
        ],
        ..Run::default()
    };
    let all = [What::Run(Box::new(run)), What::Begin].into_iter().chain(happened).chain([What::End]);
    let events: Vec<_> = all.map(|what| Event { at: 0, what }).collect();
    let mut table = Table::default();
    table.add(&events, code);
    table.markdown().lines().filter(|line| line.contains("| 1.2 |")).map(str::to_owned).collect()
}

#[test]
fn a_login_counts_for_the_protocol_by_which_the_browser_came_back_and_for_its_application() {
    let by_oidc =
        [("GET", "app.mesh.test/"), ("POST", "kc.mesh.test/login"), ("GET", "root.mesh.test/oidc/kc")];
    let by_saml =
        [("GET", "app.mesh.test/"), ("POST", "kc.mesh.test/login"), ("POST", "root.mesh.test/saml/kc")];
    let by_page = [("POST", "root.mesh.test/sign-in")];
    let found = lines(
        vec![
            login("a", Seen::SignedIn, &by_oidc),
            visit("a", VisitKind::Refresh),
            visit("a", VisitKind::SingleSignOn),
            mixed_up("a"),
            visit("nobody", VisitKind::Refresh),
            login("b", Seen::SignedIn, &by_saml),
            login("c", Seen::SignedIn, &by_page),
            login("d", Seen::Unfinished, &by_oidc),
            leaves("a", "", &["root.mesh.test/out", "kc.mesh.test/out"]),
            leaves("a", "", &["root.mesh.test/out", "kc.mesh.test/out"]),
            leaves("b", "kc could not be told", &["kc.mesh.test/out"]),
            leaves("c", "", &["root.mesh.test/out"]),
        ],
        0,
    );
    assert_eq!(
        found,
        [
            "| Keycloak | 1.2 | identity provider | OIDC | 1 |  | 1 | 1 | 1 |  |  | holds: two |",
            "| Keycloak | 1.2 | identity provider | SAML | 1 |  |  |  |  |  |  | holds: two |",
            "| slapd | 1.2 | identity provider | LDAP | 1 |  |  |  |  |  |  | holds: two |",
            "| proxy | 1.2 | application | OIDC | 3 |  | 1 | 1 | 3 |  |  | holds: two |",
        ]
    );
}

#[test]
fn outages_are_counted_as_they_began_and_a_run_that_failed_says_so() {
    let process = |state| What::Process(ProcessChange { server: "kc".into(), state, began: 0 });
    let path = |state| {
        let (from, to) = ("at-root".into(), "at-kc".into());
        What::Path(PathChange { from, to, state, began: 0 })
    };
    let impaired = || path(PathState::Impaired { how: "slow".into() });
    let found = lines(
        vec![
            process(ProcessState::Stopped),
            process(ProcessState::Starting),
            path(PathState::BlackHole),
            path(PathState::Refused),
            impaired(),
            path(PathState::BlackHole),
        ],
        1,
    );
    assert!(found[0].ends_with("| cut off 2, stopped 1 | FAILS: two |"), "{}", found[0]);
    assert!(found[2].ends_with("|  | FAILS: two |"), "the directory stood: {}", found[2]);
}

#[test]
fn what_a_provider_demands_of_one_client_counts_for_logins_of_that_client() {
    let spoken = [("SAML", "root.mesh.test/saml/kc"), ("OIDC", "root.mesh.test/oidc/kc")];
    let demands = BTreeSet::from([Particular::SignedRequests, Particular::EncryptedAssertions]);
    let particular = BTreeMap::from([("root.mesh.test/saml/kc".to_owned(), demands)]);
    let keycloak = foreign("Keycloak", &spoken).map(|it| Foreign { particular, ..it });
    let by_saml = [("POST", "kc.mesh.test/login"), ("POST", "root.mesh.test/saml/kc")];
    let by_oidc = [("GET", "app.mesh.test/"), ("GET", "root.mesh.test/oidc/kc")];
    let step = |words: &str| What::Step(Step { words: words.into(), kind: StepKind::Fault, began: 0 });
    let happened = vec![
        login("a", Seen::SignedIn, &by_saml),
        login("b", Seen::SignedIn, &by_oidc),
        login("c", Seen::Unfinished, &by_saml),
        step("break kc: keys announced"),
        step("break kc: keys rolled"),
        step("break kc: old keys gone"),
    ];
    let found = lines_of(keycloak, happened, 0);
    let keys = "announced 1, rolled 1";
    assert!(found[0].contains(&format!("| OIDC | 1 |  |  |  |  | {keys} |")), "{}", found[0]);
    let saml = "| SAML | 1 | begun there 1, encrypted assertions 1, signed requests 1 |";
    assert!(found[1].contains(saml), "{}", found[1]);
}

#[test]
fn the_page_of_this_repository_tells_of_every_topology_with_software_of_other_makers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/reference/compatibility.md")).unwrap();
    let anew = "make it anew: `make test-idps`, then copy `out/compatibility.md` to `docs/reference`";
    assert!(
        page.starts_with(HEAD),
        "docs/reference/compatibility.md begins otherwise than this program; {anew}"
    );
    let told: BTreeSet<_> = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    for file in std::fs::read_dir(root.join("topologies/idps")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let topology = file.extension().is_some_and(|it| it == "yaml");
        assert!(
            !topology || told.contains(name),
            "docs/reference/compatibility.md does not tell of {name}; {anew}"
        );
    }
}
