//! The first line of a history: the mesh as it stands before anything happens to it. Whom a node asks and how it probes
//! comes from its own configuration.

use std::collections::BTreeMap;

use mangrove_config::Config;

use super::configs::{Client, Protocol};
use super::foreign::{Provider, Software};
use super::idp::Somebody;
use super::{configs, foreign};
use crate::history::{Foreign, Link, Person, Run, Server, ServerKind, micros};
use crate::language::{People, Role, Topology, host};

/// Describes a topology whose people and configurations these are.
pub(super) fn run(
    topology: &Topology,
    somebodies: &[Somebody],
    configurations: &BTreeMap<String, Config>,
) -> Run {
    let link = |link: &crate::language::Link| Link {
        a: link.between.0.clone(),
        b: link.between.1.clone(),
        delay_us: micros(link.delay),
    };
    let person = |(Seat { people, twin_of }, somebody): (Seat<'_>, &Somebody)| Person {
        name: somebody.name.clone(),
        region: people.region.clone(),
        app: people.app.clone(),
        keeps_session: people.keep_session,
        twin_of: twin_of.map(|other| somebodies[other].name.clone()),
    };
    Run {
        topology: topology.name.clone(),
        sentence: topology.says.clone(),
        seed: topology.settings.seed,
        regions: topology.regions.clone(),
        links: topology.links.iter().map(link).collect(),
        servers: servers(topology, configurations),
        people: everybody(topology).zip(somebodies).map(person).collect(),
    }
}

/// Where somebody sits.
pub(super) struct Seat<'t> {
    /// The person's group.
    pub(super) people: &'t People,
    /// Number of the person at a real browser whose simulated twin this is.
    pub(super) twin_of: Option<usize>,
}

impl Seat<'_> {
    /// Whether the browser is a real one.
    pub(super) fn real(&self) -> bool {
        self.people.chromium && self.twin_of.is_none()
    }
}

/// Everybody in the order of the people; a twin sits behind the one whose twin it is.
pub(super) fn everybody(topology: &Topology) -> impl Iterator<Item = Seat<'_>> {
    let groups = topology.people.iter();
    let seats = groups.flat_map(|people| {
        let twins = if people.chromium { [false, true].as_slice() } else { [false].as_slice() };
        (0..people.count).flat_map(move |_| twins.iter().map(move |twin| (people, *twin)))
    });
    seats.enumerate().map(|(number, (people, twin))| Seat { people, twin_of: twin.then(|| number - 1) })
}

fn servers(topology: &Topology, configurations: &BTreeMap<String, Config>) -> Vec<Server> {
    let server = |name: &str, region: &str, kind| Server {
        name: name.to_owned(),
        region: region.to_owned(),
        kind,
        hosts: vec![host(name)],
        by_browser: true,
        ..Server::default()
    };
    let idps = topology.idps.iter().map(|it| {
        let provider = foreign::provider(it.kind);
        let clients = || configs::clients_at(&[&it.name], configurations.values());
        Server {
            vouches: true,
            by_browser: provider.is_none_or(Provider::by_browser),
            signs_out: provider.is_none_or(|provider| provider.signs_out(&clients())),
            foreign: provider.map(|provider| {
                let clients = clients();
                let particular = clients.iter().flat_map(|client| {
                    places(client).map(|place| (place, provider.particular(client))).collect::<Vec<_>>()
                });
                Foreign {
                    particular: particular.filter(|(_, what)| !what.is_empty()).collect(),
                    ..made_by(&provider.software(), &clients)
                }
            }),
            ..server(&it.name, &it.region, ServerKind::Idp)
        }
    });
    let roots = topology.nodes.iter().filter(|it| it.role == Role::Root);
    let roots: Vec<String> = roots.map(|it| it.name.clone()).collect();
    let nodes = topology.nodes.iter().map(|it| {
        let kind = if it.role == Role::Root { ServerKind::Root } else { ServerKind::Edge };
        let config = configurations.get(&it.name);
        let upstreams = config.map(|config| configs::upstreams(config, &roots)).unwrap_or_default();
        Server {
            upstreams: upstreams.servers,
            vouches: upstreams.vouches,
            signs_out: true,
            connectors: config.map(configs::probed).unwrap_or_default(),
            probing: config.and_then(configs::probing),
            ..server(&it.name, &it.region, kind)
        }
    });
    let apps = topology.apps.iter().map(|it| {
        let own = [Client::new(Protocol::Oidc, &it.client, None)];
        Server {
            upstreams: vec![it.at.clone()],
            foreign: foreign::application(it.kind).map(|kind| made_by(&kind.software(), &own)),
            ..server(&it.name, &it.region, ServerKind::App)
        }
    });
    idps.chain(nodes).chain(apps).collect()
}

/// Software of another maker, with the clients that it has.
fn made_by(software: &Software, clients: &[Client]) -> Foreign {
    let mut spoken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for client in clients {
        spoken.entry(client.protocol.to_string()).or_default().extend(places(client));
    }
    let (product, version) = (software.product.to_owned(), software.version().to_owned());
    Foreign { product, version, spoken, particular: BTreeMap::new() }
}

/// Where browsers come back to a client, as histories write places.
fn places(client: &Client) -> impl Iterator<Item = String> {
    client.urls.iter().filter_map(|url| url.strip_prefix("https://")).map(str::to_owned)
}
