//! From text to a [`Topology`], with everything that is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::read::{Problem, Problems, Reader, nearest};
use super::tree::{Kind, Place, Tree};
use super::{
    App, AppKind, Idp, IdpKind, Link, Node, People, Role, Settings, Topology, Verb, check, expect, random,
    rounds, timeline, trace, units,
};

/// Reads and checks a topology.
///
/// # Errors
/// Every problem of the file, in the file's order.
pub fn parse(text: &str, file: &Path) -> Result<Topology, Problems> {
    let mut problems = Problems::default();
    let topology = match Tree::parse(text) {
        Ok(tree) => read(&tree, text, file, &mut problems),
        Err((place, what)) => {
            let hint = "the file must be YAML: indent by spaces, a space after each `:`".to_owned();
            problems.0.push(Problem { place, path: String::new(), what, hint });
            Topology::default()
        }
    };
    if problems.0.is_empty() {
        return Ok(topology);
    }
    problems.0.sort();
    problems.0.dedup();
    Err(problems)
}

/// Reads a file.
///
/// # Errors
/// Every problem, the file's absence included.
pub fn load(file: &Path) -> Result<Topology, Problems> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text, file),
        Err(error) => Err(Problems(vec![Problem {
            place: Place::default(),
            path: String::new(),
            what: format!("cannot be read: {error}"),
            hint: "name a topology, for example topologies/tier3-root-killed.yaml".to_owned(),
        }])),
    }
}

fn read(tree: &Tree, text: &str, file: &Path, problems: &mut Problems) -> Topology {
    let mut reader = Reader::new(problems);
    let mut top = reader.section("", tree);
    let parts = [
        "regions",
        "links",
        "idps",
        "nodes",
        "endpoints",
        "apps",
        "people",
        "timeline",
        "expect",
        "settings",
    ];
    let found = parts.map(|part| top.take(part));
    top.finish();
    let [regions, links, idps, nodes, endpoints, apps, people, steps, expectations, settings] = found;
    let mut topology = Topology {
        name: file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
        says: first_comment(text),
        file: file.to_owned(),
        regions: entries(&mut reader, "regions", regions)
            .iter()
            .map(|(name, ..)| (*name).to_owned())
            .collect(),
        ..Topology::default()
    };
    for item in regions.map(entries_of).unwrap_or_default() {
        reader.section(&format!("regions.{}", item.0), item.2).finish();
    }
    for item in list(&mut reader, "links", links) {
        read_links(&mut reader, item, &mut topology.links);
    }
    for (name, place, tree) in entries(&mut reader, "idps", idps) {
        topology.idps.extend(read_idp(&mut reader, name, place, tree));
    }
    for (name, place, tree) in entries(&mut reader, "nodes", nodes) {
        topology.nodes.extend(read_node(&mut reader, name, place, tree, file));
    }
    for (name, place, tree) in entries(&mut reader, "endpoints", endpoints) {
        topology.endpoints.extend(super::endpoints::read(&mut reader, name, place, tree));
    }
    for (name, place, tree) in entries(&mut reader, "apps", apps) {
        topology.apps.extend(read_app(&mut reader, name, place, tree));
    }
    for item in list(&mut reader, "people", people) {
        topology.people.extend(read_people(&mut reader, item));
    }
    for item in list(&mut reader, "timeline", steps) {
        let around = timeline::Around { regions: &topology.regions, file };
        topology.timeline.extend(timeline::read(&mut reader, item, &around));
    }
    for item in list(&mut reader, "expect", expectations) {
        expect::read(&mut reader, item, &mut topology.expect);
    }
    topology.settings = read_settings(&mut reader, settings, &topology);
    check::by_chance(&topology, &mut reader);
    random::spread(&mut topology.timeline, topology.settings.seed);
    check::check(&topology, &mut reader);
    trace::spread(&mut topology.timeline, topology.settings.duration);
    topology
}

/// The first comment of the file: the lines up to the first that is none.
fn first_comment(text: &str) -> String {
    let lines = text.lines().skip_while(|line| line.trim().is_empty());
    let comment = lines.map_while(|line| line.strip_prefix('#')).map(str::trim);
    comment.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn entries_of(tree: &Tree) -> Vec<(&str, Place, &Tree)> {
    match &tree.kind {
        Kind::Map(entries) => {
            entries.iter().map(|(name, place, tree)| (name.as_str(), *place, tree)).collect()
        }
        _ => Vec::new(),
    }
}

/// The entries of a mapping of names, each name good for DNS.
fn entries<'t>(
    reader: &mut Reader<'_>,
    path: &str,
    tree: Option<&'t Tree>,
) -> Vec<(&'t str, Place, &'t Tree)> {
    let Some(tree) = tree else { return Vec::new() };
    if !matches!(tree.kind, Kind::Map(_) | Kind::Null) {
        reader.problem(
            tree.place,
            path,
            &format!("here stands {}", tree.kind.what()),
            "write `name: {}`, one a line",
        );
    }
    let entries = entries_of(tree);
    for (name, place, _) in &entries {
        let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !letters || name.is_empty() || name.len() > 40 || name.starts_with('-') || name.ends_with('-') {
            let hint = "a name becomes a DNS name: a-z, 0-9 and `-`, at most 40";
            reader.problem(*place, path, &format!("`{name}` cannot be a name"), hint);
        }
    }
    entries
}

fn list<'t>(reader: &mut Reader<'_>, path: &str, tree: Option<&'t Tree>) -> &'t [Tree] {
    let Some(tree) = tree else { return &[] };
    if !matches!(tree.kind, Kind::List(_) | Kind::Null) {
        reader.problem(
            tree.place,
            path,
            &format!("here stands {}", tree.kind.what()),
            "write a list, `- ...`",
        );
    }
    tree.items()
}

fn read_links(reader: &mut Reader<'_>, tree: &Tree, into: &mut Vec<Link>) {
    let mut section = reader.section("links", tree);
    let between = section.texts("between");
    let delay = section.parsed("delay", units::duration).unwrap_or(Duration::ZERO);
    let jitter = section.parsed("jitter", units::duration).unwrap_or(Duration::ZERO);
    let rate = section.parsed("rate", units::rate);
    let loss = section.parsed("loss", units::share).unwrap_or(0.0);
    section.finish();
    if between.len() < 2 {
        reader.problem(
            tree.place,
            "links",
            "a link needs two regions or more",
            "write `between: [branch-a, dc1]`",
        );
    }
    if jitter > delay {
        reader.problem(
            tree.place,
            "links",
            "jitter is more than delay",
            "no packet arrives before it was sent",
        );
    }
    for (i, a) in between.iter().enumerate() {
        for b in &between[i + 1..] {
            let pair = (a.clone(), b.clone());
            let known =
                into.iter().any(|link| link.between == pair || link.between == (b.clone(), a.clone()));
            if known || a == b {
                let hint = "name each pair of different regions once";
                reader.problem(tree.place, "links", &format!("{a} and {b} cannot be linked here"), hint);
                continue;
            }
            into.push(Link { between: pair, delay, jitter, rate, loss, line: tree.place.line });
        }
    }
}

fn read_idp(reader: &mut Reader<'_>, name: &str, place: Place, tree: &Tree) -> Option<Idp> {
    let mut section = reader.section(&format!("idps.{name}"), tree);
    let region = section.needed("region", "write `region: cloud`");
    let kind = section.parsed("kind", |text| one_of(text, IdpKind::ALL));
    let replica_of = section.text("replica-of");
    section.finish();
    Some(Idp {
        name: name.to_owned(),
        region: region?,
        kind: kind.unwrap_or(IdpKind::Local),
        replica_of,
        line: place.line,
    })
}

fn read_node(reader: &mut Reader<'_>, name: &str, place: Place, tree: &Tree, file: &Path) -> Option<Node> {
    let path = format!("nodes.{name}");
    let mut section = reader.section(&path, tree);
    let region = section.needed("region", "write `region: dc1`");
    let role = section.needed("role", "write `role: root` or `role: edge`");
    let config = section
        .needed("config", "name the operator's configuration, for example `config: tier3/edge-a.yaml`");
    section.finish();
    let role = match role?.as_str() {
        "root" => Role::Root,
        "edge" => Role::Edge,
        other => {
            reader.problem(
                place,
                &path,
                &format!("`{other}` is no role"),
                "write `role: root` or `role: edge`",
            );
            return None;
        }
    };
    let config = find_config(&config?, file);
    Some(Node { name: name.to_owned(), region: region?, role, config, line: place.line })
}

/// A configuration lies beside the topology in `configs/`, or where the path says from there.
fn find_config(written: &str, file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new(""));
    let usual = folder.join("configs").join(written);
    if usual.is_file() { usual } else { folder.join(written) }
}

fn read_app(reader: &mut Reader<'_>, name: &str, place: Place, tree: &Tree) -> Option<App> {
    let mut section = reader.section(&format!("apps.{name}"), tree);
    let region = section.needed("region", "write `region: branch-a`");
    let at = section.needed("at", "name the node that signs its people in, `at: edge-a`");
    let client =
        section.needed("client", "write the client id from the node's configuration, `client: branch-app`");
    let kind = section.parsed("kind", |text| one_of(text, AppKind::ALL));
    let renews = section.parsed("renews", units::yes_no).unwrap_or(false);
    section.finish();
    let (name, kind) = (name.to_owned(), kind.unwrap_or_default());
    if renews && kind == AppKind::Oauth2Proxy {
        let hint = "write `kind: lab` or `kind: openid-client`";
        let path = format!("apps.{name}.renews");
        reader.problem(tree.place, &path, "nobody sees when oauth2-proxy renews its tokens", hint);
    }
    Some(App { name, region: region?, at: at?, client: client?, kind, renews, line: place.line })
}

fn read_people(reader: &mut Reader<'_>, tree: &Tree) -> Option<People> {
    let mut section = reader.section("people", tree);
    let region = section.needed("in", "write `in: branch-a`");
    let count = section.parsed("count", units::count).unwrap_or(1);
    let app = section.needed("app", "name one of `apps`");
    let begins = section.text("begins");
    let every = section.parsed("sign-in", units::every).unwrap_or(Duration::from_secs(10));
    let keep_session = section.parsed("keep-session", units::yes_no).unwrap_or(false);
    let sign_out = section.parsed("sign-out", super::sign_outs::read);
    let chromium =
        section.parsed("browser", |text| one_of(text, &[("simulated", false), ("chromium", true)]));
    section.finish();
    if !(1..=1000).contains(&count) {
        reader.problem(
            tree.place,
            "people.count",
            "one machine drives 1 to 1000 people",
            "write `count: 20`",
        );
    }
    Some(People {
        region: region?,
        count,
        app: app?,
        begins,
        sign_in_every: every,
        keep_session,
        sign_out,
        chromium: chromium.unwrap_or(false),
        line: tree.place.line,
    })
}

/// What stands behind one of these names; the error says which there are.
fn one_of<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| nearest(text, known.iter().map(|(name, _)| *name)))
}

fn read_settings(reader: &mut Reader<'_>, tree: Option<&Tree>, topology: &Topology) -> Settings {
    let usual = Settings::default();
    let last = topology.timeline.iter().map(|step| match &step.verb {
        Verb::Random { plan } => step.after + plan.lasts,
        _ => step.after,
    });
    let last = last.max().unwrap_or_default();
    let natural = last + Duration::from_secs(15);
    let Some(tree) = tree else { return Settings { duration: natural, ..usual } };
    let mut section = reader.section("settings", tree);
    let settings = Settings {
        duration: section.parsed("duration", units::duration).unwrap_or(natural),
        patience: section.parsed("patience", units::patience).unwrap_or(usual.patience),
        seed: section.parsed("seed", units::count).map_or(usual.seed, u64::from),
        attempts: section.parsed("attempts", units::at_least_one).unwrap_or(usual.attempts),
        rounds: section.parsed("rounds", rounds::read),
    };
    section.finish();
    if settings.duration < last {
        let hint = format!("the last step is after {}", units::show(last));
        reader.problem(tree.place, "settings.duration", "the run ends before its last step", &hint);
    }
    settings
}
