//! `endpoints`: small servers of an operator's own that say how something is, and `flip`, the verb that makes one say
//! something else. Nodes ask them by `customEndpoint`; no person's way leads through one.

use super::read::{Reader, nearest};
use super::timeline::Verb;
use super::tree::{Place, Tree};
use super::{Healed, Step, Topology};

/// A status endpoint; answers every request at `https://NAME.mesh.test` alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// What it says as long as nobody flips it.
    pub says: Says,
    /// Line of the file.
    pub line: u64,
}

/// What an endpoint answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Says {
    /// Status of HTTP.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Default for Says {
    fn default() -> Self {
        Self { status: 200, body: "healthy".to_owned() }
    }
}

/// Reads one endpoint.
pub(super) fn read(reader: &mut Reader<'_>, name: &str, place: Place, tree: &Tree) -> Option<Endpoint> {
    let mut section = reader.section(&format!("endpoints.{name}"), tree);
    let region = section.needed("region", "write `region: dc`");
    let usual = Says::default();
    let status = section.parsed("status", status).unwrap_or(usual.status);
    let body = section.text("body").unwrap_or(usual.body);
    section.finish();
    Some(Endpoint { name: name.to_owned(), region: region?, says: Says { status, body }, line: place.line })
}

/// Reads `flip`. A body that is not written is empty.
pub(super) fn read_flip(reader: &mut Reader<'_>, argument: &Tree) -> Option<(Verb, String)> {
    let mut section = reader.section("timeline.flip", argument);
    let endpoint = section.needed("endpoint", "say which, `endpoint: idp-status`");
    let status = section.parsed("status", status).unwrap_or(200);
    let body = section.text("body").unwrap_or_default();
    section.finish();
    let endpoint = endpoint?;
    let words = if body.is_empty() { String::new() } else { format!(" {body}") };
    let text = format!("flip {endpoint}: {status}{words}");
    Some((Verb::Flip { endpoint, says: Says { status, body } }, text))
}

/// A step flips, or heals, an endpoint that there is.
pub(super) fn check(topology: &Topology, step: &Step, reader: &mut Reader<'_>) {
    let (Verb::Flip { endpoint, .. } | Verb::HealOne { what: Healed::Endpoint(endpoint) }) = &step.verb
    else {
        return;
    };
    let mut known = topology.endpoints.iter().map(|it| it.name.as_str());
    if !known.clone().any(|name| name == endpoint) {
        let place = Place { line: step.line, column: 1 };
        let hint = nearest(endpoint, known.by_ref());
        reader.problem(place, "timeline.flip", &format!("there is no endpoint `{endpoint}`"), &hint);
    }
}

fn status(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|status| (200..600).contains(status));
    number.ok_or_else(|| "write a status of HTTP, 200 to 599".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::history::StepKind;
    use crate::language::parse::parse;

    /// What a topology with these endpoints and this step means, or its problems in words.
    fn read(endpoints: &str, step: &str) -> Result<Topology, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("edge.yaml"), "{}").unwrap();
        let text = format!(
            "# A switch.\nregions: {{ a: {{}} }}\nnodes: {{ edge: {{ region: a, role: edge, config: edge.yaml }} }}\n\
             endpoints: {endpoints}\napps: {{ app: {{ region: a, at: edge, client: c }} }}\n\
             people: [{{ in: a, app: app }}]\ntimeline: [{{ after: 1s, {step} }}]\nexpect: [logins lost: 0]\n"
        );
        let told = |problem: &crate::language::read::Problem| {
            format!("{}:{} {} ({})", problem.place.line, problem.path, problem.what, problem.hint)
        };
        let read = parse(&text, &Path::join(folder.path(), "t.yaml"));
        read.map_err(|problems| problems.0.iter().map(told).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn an_endpoint_is_healthy_until_it_is_flipped() {
        let flip = "flip: { endpoint: soc, status: 503, body: compromised }";
        let topology = read("{ soc: { region: a } }", flip).unwrap();
        assert_eq!(topology.endpoints[0].says, Says { status: 200, body: "healthy".to_owned() });
        let says = Says { status: 503, body: "compromised".to_owned() };
        let step = &topology.timeline[0];
        assert_eq!((step.after, step.text.as_str()), (Duration::from_secs(1), "flip soc: 503 compromised"));
        assert_eq!(step.verb, Verb::Flip { endpoint: "soc".to_owned(), says });
        assert_eq!(step.verb.kind(), StepKind::Fault);
        let back = read("{ soc: { region: a } }", "heal: { endpoint: soc }").unwrap();
        assert_eq!(back.timeline[0].verb.kind(), StepKind::Heal);
    }

    #[test]
    fn what_is_not_there_or_no_answer_has_a_line() {
        let wrong = |endpoints, step| read(endpoints, step).unwrap_err();
        let missing = wrong("{ soc: { region: a } }", "flip: { endpoint: sox }");
        assert!(missing.contains("7:timeline.flip there is no endpoint `sox`"), "{missing}");
        assert!(missing.contains("did you mean `soc`?"), "{missing}");
        assert!(wrong("{ soc: { region: b } }", "heal: all").contains("there is no region `b`"));
        assert!(wrong("{ app: { region: a } }", "heal: all").contains("`app` is there twice"));
        let status = wrong("{ soc: { region: a } }", "flip: { endpoint: soc, status: 42 }");
        assert!(status.contains("200 to 599"), "{status}");
    }
}
