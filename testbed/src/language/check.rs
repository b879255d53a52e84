//! What a topology means across its sections: names that must exist, regions that must be linked, files that must load.

mod broken;

use std::collections::BTreeSet;
use std::time::Duration;

use super::read::{Reader, nearest};
use super::tree::{Place, Tree};
use super::{AppKind, Cut, Healed, IdpKind, Measure, People, ROOT_SERVICE, Role, Step, Topology, Verb};
use super::{expect, rounds};

/// Most regions: their number is one byte of an address.
pub const MOST_REGIONS: usize = 100;
/// Most nodes, IdPs and applications in all.
pub const MOST_SERVERS: usize = 200;

/// Someone at a Chromium signs in this often at most: a login takes half a second of a processor.
const OFTENEST_CHROMIUM: Duration = Duration::from_secs(1);

/// Notes everything that does not fit together.
pub(crate) fn check(topology: &Topology, reader: &mut Reader<'_>) {
    let file = Place::default();
    if topology.says.is_empty() {
        let hint =
            "begin the file with `# ...`: which failure mode it is, in a sentence an operator would say";
        reader.problem(Place { line: 1, column: 1 }, "", "the first comment is missing", hint);
    }
    for (part, empty, hint) in [
        ("regions", topology.regions.is_empty(), "write `regions:` with `cloud: {}`, one a line"),
        ("nodes", topology.nodes.is_empty(), "write `nodes:` with at least one root or edge"),
        ("apps", topology.apps.is_empty(), "write `apps:` with an application that people want to use"),
        (
            "people",
            topology.people.is_empty(),
            "write `people:`, `- { in: branch-a, count: 20, app: app-a }`",
        ),
        ("expect", topology.expect.is_empty(), "write `expect:`, `- logins lost: 0`"),
    ] {
        if empty {
            reader.problem(file, part, &format!("`{part}` is missing or empty"), hint);
        }
    }
    sizes(topology, reader);
    regions(topology, reader);
    expect::named(topology, reader);
    names(topology, reader);
    steps(topology, reader);
    rounds::check(topology, reader);
    paths(topology, reader);
    real_browsers(topology, reader);
    super::sign_outs::check(topology, reader);
    for node in &topology.nodes {
        config(node, reader);
    }
}

/// Notes what does not fit of a step that is done now, whatever was done before.
pub(crate) fn step(step: &Step, topology: &Topology, reader: &mut Reader<'_>) {
    let mut timeline = vec![step.clone()];
    let before = match &step.verb {
        Verb::Start { node } => Some(Verb::Kill { node: node.clone() }),
        Verb::Resume { node } => Some(Verb::Pause { node: node.clone() }),
        _ => None,
    };
    if let Some(verb) = before {
        timeline.insert(0, Step { verb, ..step.clone() });
    }
    let now = Topology { timeline, ..topology.clone() };
    regions(&now, reader);
    steps(&now, reader);
}

/// Notes what does not fit of the faults that may come by chance, those included that this seed does not choose.
pub(crate) fn by_chance(topology: &Topology, reader: &mut Reader<'_>) {
    for random in &topology.timeline {
        if let Verb::Random { plan } = &random.verb {
            plan.of.iter().for_each(|fault| step(fault, topology, reader));
        }
    }
}

fn at(line: u64) -> Place {
    Place { line, column: 1 }
}

fn sizes(topology: &Topology, reader: &mut Reader<'_>) {
    let servers = topology.idps.len() + topology.nodes.len() + topology.apps.len() + topology.endpoints.len();
    if topology.regions.len() > MOST_REGIONS || servers > MOST_SERVERS {
        let what = format!("{} regions and {servers} servers are too many", topology.regions.len());
        let hint = format!("at most {MOST_REGIONS} regions and {MOST_SERVERS} nodes, IdPs and applications");
        reader.problem(Place::default(), "regions", &what, &hint);
    }
}

/// Every region that is named exists.
fn regions(topology: &Topology, reader: &mut Reader<'_>) {
    let mut named: Vec<(u64, String, &str)> = Vec::new();
    let each = |path: &str, name: &str| format!("{path}.{name}.region");
    named.extend(topology.idps.iter().map(|it| (it.line, each("idps", &it.name), it.region.as_str())));
    named.extend(topology.nodes.iter().map(|it| (it.line, each("nodes", &it.name), it.region.as_str())));
    let endpoints = topology.endpoints.iter();
    named.extend(endpoints.map(|it| (it.line, each("endpoints", &it.name), it.region.as_str())));
    named.extend(topology.apps.iter().map(|it| (it.line, each("apps", &it.name), it.region.as_str())));
    named.extend(topology.people.iter().map(|it| (it.line, "people.in".to_owned(), it.region.as_str())));
    for link in &topology.links {
        named.extend([
            (link.line, "links".to_owned(), link.between.0.as_str()),
            (link.line, "links".to_owned(), link.between.1.as_str()),
        ]);
    }
    for step in &topology.timeline {
        let ways = step.verb.cuts().iter().flat_map(|cut| [&cut.from, &cut.to]);
        named.extend(ways.map(|name| (step.line, "timeline".to_owned(), name.as_str())));
        if let Verb::Dns { region, .. } | Verb::HealOne { what: Healed::Dns(region) } = &step.verb {
            named.push((step.line, "timeline".to_owned(), region));
        }
    }
    for expectation in &topology.expect {
        let region = expectation.region.iter();
        named.extend(region.map(|name| (expectation.line, "expect.in".to_owned(), name.as_str())));
    }
    for (line, path, name) in named {
        if topology.region_index(name).is_none() {
            let hint = nearest(name, topology.regions.iter().map(String::as_str));
            reader.problem(at(line), &path, &format!("there is no region `{name}`"), &hint);
        }
    }
}

/// Every node and application that is named exists, and no two things share a name.
fn names(topology: &Topology, reader: &mut Reader<'_>) {
    let mut seen = BTreeSet::new();
    let idps = topology.idps.iter().map(|it| (&it.name, it.line));
    let nodes = topology.nodes.iter().map(|it| (&it.name, it.line));
    let apps = topology.apps.iter().map(|it| (&it.name, it.line));
    let endpoints = topology.endpoints.iter().map(|it| (&it.name, it.line));
    for (name, line) in idps.chain(nodes).chain(apps).chain(endpoints) {
        if !seen.insert(name) {
            let hint = "nodes, IdPs, applications and endpoints share one name space: each is NAME.mesh.test";
            reader.problem(at(line), name, &format!("`{name}` is there twice"), hint);
        }
    }
    for idp in &topology.idps {
        replica(topology, idp, reader);
    }
    for app in &topology.apps {
        if !topology.nodes.iter().any(|node| node.name == app.at) {
            let hint = nearest(&app.at, topology.nodes.iter().map(|node| node.name.as_str()));
            let path = format!("apps.{}.at", app.name);
            reader.problem(at(app.line), &path, &format!("there is no node `{}`", app.at), &hint);
        }
    }
    for people in &topology.people {
        if !topology.apps.iter().any(|app| app.name == people.app) {
            let hint = nearest(&people.app, topology.apps.iter().map(|app| app.name.as_str()));
            reader.problem(
                at(people.line),
                "people.app",
                &format!("there is no application `{}`", people.app),
                &hint,
            );
        }
        beginning(topology, people, reader);
    }
}

/// Who begins at an identity provider begins at one that sends people on who were not sent there: SAML alone has that.
fn beginning(topology: &Topology, people: &People, reader: &mut Reader<'_>) {
    let Some(name) = &people.begins else { return };
    let saml = |it: &&super::Idp| matches!(it.kind, IdpKind::Keycloak | IdpKind::Simplesamlphp);
    let (what, hint) = match topology.idps.iter().find(|it| it.name == *name) {
        Some(idp) if saml(&idp) => return,
        Some(_) => (
            format!("nobody begins at `{name}`"),
            "name an IdP of kind `keycloak` or `simplesamlphp`".to_owned(),
        ),
        None => {
            let known = topology.idps.iter().filter(saml).map(|it| it.name.as_str());
            (format!("there is no identity provider `{name}`"), nearest(name, known))
        }
    };
    reader.problem(at(people.line), "people.begins", &what, &hint);
}

/// A second server of a directory names the first, which is no second one itself.
fn replica(topology: &Topology, idp: &super::Idp, reader: &mut Reader<'_>) {
    let Some(first) = &idp.replica_of else { return };
    let directories =
        || topology.idps.iter().filter(|it| it.kind == IdpKind::Slapd && it.replica_of.is_none());
    if idp.kind == IdpKind::Slapd && directories().any(|it| it.name == *first) {
        return;
    }
    let path = format!("idps.{}.replica-of", idp.name);
    let (what, hint) = if idp.kind == IdpKind::Slapd {
        let hint = "name an IdP of `kind: slapd` that is no replica itself";
        (format!("there is no directory `{first}` to be a server of"), hint)
    } else {
        ("only a directory has several servers".to_owned(), "write `kind: slapd`, or leave `replica-of` out")
    };
    reader.problem(at(idp.line), &path, &what, hint);
}

/// Names of what is a process of its own: the lab's own applications live in one process with their region's people.
fn processes(topology: &Topology) -> Vec<&str> {
    let idps = topology.idps.iter().map(|it| it.name.as_str());
    let nodes = topology.nodes.iter().map(|it| it.name.as_str());
    let apps = topology.apps.iter().filter(|it| it.kind != AppKind::Lab).map(|it| it.name.as_str());
    idps.chain(nodes).chain(apps).collect()
}

/// Every verb acts on something that is there, and starts only what was killed.
fn steps(topology: &Topology, reader: &mut Reader<'_>) {
    let known = processes(topology);
    for step in &topology.timeline {
        if let Some(node) = step.verb.node().filter(|node| !known.contains(node)) {
            let (what, hint) = if topology.apps.iter().any(|app| app.name == node) {
                let hint = "write `kind: openid-client` at the application, or act on its node";
                (format!("the lab's own application `{node}` is no process of its own"), hint.to_owned())
            } else {
                (format!("there is no node or IdP `{node}`"), nearest(node, known.iter().copied()))
            };
            reader.problem(at(step.line), "timeline", &what, &hint);
        }
        unlinked(topology, step, reader);
        super::endpoints::check(topology, step, reader);
        names_of(topology, step, reader);
        broken::check(topology, step, reader);
    }
    broken::one_at_a_time(topology, reader);
    let mut ordered: Vec<_> = topology.timeline.iter().collect();
    ordered.sort_by_key(|step| step.after);
    let (mut dead, mut asleep) = (BTreeSet::new(), BTreeSet::new());
    for step in ordered {
        match &step.verb {
            Verb::Kill { node } => {
                dead.insert(node.clone());
            }
            Verb::Pause { node } => {
                asleep.insert(node.clone());
            }
            Verb::Resume { node } if !asleep.remove(node) => {
                let what = format!("`{node}` was not paused before");
                reader.problem(at(step.line), "timeline.resume", &what, "pause it first, or check the times");
            }
            Verb::Start { node } if !dead.remove(node) => {
                let hint = "everything runs from the beginning: kill it first, or write `restart`";
                reader.problem(
                    at(step.line),
                    "timeline.start",
                    &format!("`{node}` was not killed before"),
                    hint,
                );
            }
            _ => {}
        }
    }
}

/// A DNS fails about servers that there are, and where nobody asks it at every login.
fn names_of(topology: &Topology, step: &Step, reader: &mut Reader<'_>) {
    let Verb::Dns { region, about, .. } = &step.verb else { return };
    for name in about.iter().filter(|name| topology.region_of(name).is_none() && *name != ROOT_SERVICE) {
        let idps = topology.idps.iter().map(|it| it.name.as_str());
        let nodes = topology.nodes.iter().map(|it| it.name.as_str());
        let apps = topology.apps.iter().map(|it| it.name.as_str());
        let hint = nearest(name, idps.chain(nodes).chain(apps));
        let what = format!("there is no node, IdP or application `{name}`");
        reader.problem(at(step.line), "timeline.dns.about", &what, &hint);
    }
    let foreign = |app: &&super::App| app.kind != AppKind::Lab && app.region == *region;
    if let Some(app) = topology.apps.iter().find(foreign) {
        let what = format!("`{}` in {region} asks its DNS at every login, and keeps nothing", app.name);
        reader.problem(at(step.line), "timeline.dns", &what, "write `kind: lab` at the application");
    }
}

/// A verb that names two regions means their link; one that names more means those that there are.
fn unlinked(topology: &Topology, step: &Step, reader: &mut Reader<'_>) {
    let cuts = step.verb.cuts();
    let known = |cut: &Cut| [&cut.from, &cut.to].iter().all(|name| topology.region_index(name).is_some());
    if cuts.iter().all(known) && cuts.iter().all(|cut| !linked(topology, &cut.from, &cut.to)) {
        let Some(first) = cuts.first() else { return };
        let what = format!("{} and {} have no link to act on", first.from, first.to);
        reader.problem(at(step.line), "timeline", &what, "name regions that `links` connects");
    }
}

fn linked(topology: &Topology, a: &str, b: &str) -> bool {
    let pair = |link: &super::Link| {
        (link.between.0 == a && link.between.1 == b) || (link.between.0 == b && link.between.1 == a)
    };
    a == b || topology.links.iter().any(pair)
}

/// People reach their application and its edge, as long as nothing is cut.
fn paths(topology: &Topology, reader: &mut Reader<'_>) {
    for people in &topology.people {
        let Some(app) = topology.apps.iter().find(|app| app.name == people.app) else { continue };
        let Some(node) = topology.nodes.iter().find(|node| node.name == app.at) else { continue };
        for (what, to) in [(&app.name, &app.region), (&node.name, &node.region)] {
            let both = topology.region_index(&people.region).is_some() && topology.region_index(to).is_some();
            if both && !linked(topology, &people.region, to) {
                let words = format!("people in {} cannot reach {what} in {to}", people.region);
                let hint =
                    format!("add `- {{ between: [{}, {to}], delay: 10ms }}` to `links`", people.region);
                reader.problem(at(people.line), "people", &words, &hint);
            }
        }
    }
}

/// What can be asked of people at a real browser.
fn real_browsers(topology: &Topology, reader: &mut Reader<'_>) {
    let real = topology.people.iter().filter(|people| people.chromium);
    for people in real.clone() {
        if people.sign_in_every < OFTENEST_CHROMIUM {
            let hint = "write `sign-in: every 2s` or more: opening a window takes its time";
            reader.problem(at(people.line), "people.sign-in", "a Chromium cannot sign in so often", hint);
        }
        let names = |step: &&Step| matches!(&step.verb, Verb::Dns { region, .. } if *region == people.region);
        if let Some(step) = topology.timeline.iter().find(names) {
            let what = format!("nobody sees which names the Chromium in {} knows", people.region);
            reader.problem(at(step.line), "timeline.dns", &what, "leave `browser: chromium` out here");
        }
    }
    let compares = topology.expect.iter().find(|it| it.measure == Measure::BrowsersAgree);
    if let Some(expectation) = compares.filter(|_| real.count() == 0) {
        let hint = "write `browser: chromium` at a group of `people`";
        reader.problem(at(expectation.line), "expect", "nobody has a real browser", hint);
    }
}

/// The configuration is there, and is YAML.
fn config(node: &super::Node, reader: &mut Reader<'_>) {
    let path = format!("nodes.{}.config", node.name);
    let role = if node.role == Role::Root { "root" } else { "edge" };
    match std::fs::read_to_string(&node.config) {
        Err(error) => {
            let what = format!("{} cannot be read: {error}", node.config.display());
            let hint = format!(
                "write the {role}'s configuration there, or name one from `configs/` beside the topology"
            );
            reader.problem(at(node.line), &path, &what, &hint);
        }
        Ok(text) => {
            if let Err((place, what)) = Tree::parse(&text) {
                let what = format!("{}:{}:{}: {what}", node.config.display(), place.line, place.column);
                reader.problem(at(node.line), &path, &what, "the configuration must be YAML");
            }
        }
    }
}
