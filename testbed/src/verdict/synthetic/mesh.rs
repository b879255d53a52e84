//! The mesh on paper, and what its browsers ask.

use crate::history::{
    Foreign, Hop, Link, MILLISECOND, Micros, Person, Probing, Run, SECOND, Server, ServerKind, Trouble,
};

pub(super) const ROOTS: [(&str, &str); 2] = [("root-dc1", "dc1"), ("root-dc2", "dc2")];
pub(super) const BRANCHES: [&str; 2] = ["branch-a", "branch-b"];

pub(super) fn hop(hops: &mut Vec<Hop>, at: Micros, method: &str, url: String, millis: u64) -> Micros {
    let took = millis * MILLISECOND;
    hops.push(Hop {
        start: at,
        took,
        method: method.into(),
        url,
        status: Some(302),
        error: None,
        reference: None,
    });
    at + took
}

pub(super) fn dead_hop(hops: &mut Vec<Hop>, at: Micros, url: String, took: Micros) -> Micros {
    hops.push(Hop {
        start: at,
        took,
        method: "GET".into(),
        url,
        status: None,
        error: Some(Trouble::Timeout),
        reference: None,
    });
    at + took
}

pub(super) fn host(name: &str) -> String {
    format!("{name}.mesh.test")
}

pub(super) fn edge(branch: &str) -> String {
    branch.replace("branch", "edge")
}

pub(super) fn app(branch: &str) -> String {
    branch.replace("branch", "app")
}

pub(super) fn root_in(region: &str) -> String {
    format!("root-{region}")
}

/// The mesh on paper.
pub(crate) fn mesh() -> Run {
    let probing = Some(Probing {
        interval_us: SECOND,
        timeout_us: SECOND,
        unhealthy_threshold: 2,
        healthy_threshold: 1,
    });
    let server = |name: &str, region: &str, kind, upstreams: &[&str]| Server {
        name: name.into(),
        region: region.into(),
        kind,
        hosts: vec![host(name)],
        upstreams: upstreams.iter().map(|name| (*name).to_owned()).collect(),
        vouches: kind == ServerKind::Idp,
        by_browser: true,
        signs_out: true,
        knows: None,
        connectors: upstreams.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect(),
        probing,
        foreign: None,
    };
    let mut corp = server("corp", "cloud", ServerKind::Idp, &[]);
    // It says which passwords it refuses.
    corp.foreign = Some(Foreign { product: "SimpleSAMLphp".into(), ..Foreign::default() });
    let mut servers = vec![corp];
    servers.extend(ROOTS.map(|(root, region)| server(root, region, ServerKind::Root, &["corp"])));
    for branch in BRANCHES {
        servers.push(server(&edge(branch), branch, ServerKind::Edge, &["root-dc1", "root-dc2"]));
        servers.push(server(&app(branch), branch, ServerKind::App, &[&edge(branch)]));
    }
    let pairs = [("cloud", "dc1"), ("cloud", "dc2"), ("dc1", "dc2")];
    let branches = BRANCHES.iter().flat_map(|branch| ["cloud", "dc1", "dc2"].map(|other| (*branch, other)));
    let links = pairs.into_iter().chain(branches);
    let people = BRANCHES.iter().flat_map(|branch| {
        (0..23).map(move |number| Person {
            name: format!("{branch}-{number}"),
            region: (*branch).into(),
            app: app(branch),
            keeps_session: number >= 20,
            twin_of: None,
        })
    });
    Run {
        topology: "branch-cut-from-one-root".into(),
        sentence:
            "Branch A loses its link to DC1. Nobody in branch A signs in twice; branch B notices nothing."
                .into(),
        seed: 1,
        regions: ["cloud", "dc1", "dc2", "branch-a", "branch-b"].map(str::to_owned).to_vec(),
        links: links.map(|(a, b)| Link { a: a.into(), b: b.into(), delay_us: 10_000 }).collect(),
        servers,
        people: people.collect(),
    }
}
