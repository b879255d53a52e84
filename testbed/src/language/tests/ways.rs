//! Ways of every form, and traces.

use super::*;
use crate::history::NamesState;
use crate::language::Healed;
use crate::language::read::Problem;

pub(super) const WAYS: &str = "# Ways of every form.
regions: { a: {}, b: {}, c: {}, d: {}, e: {} }
links: [{ between: [a, b, c, d], delay: 1ms }]
nodes: { edge: { region: a, role: edge, config: edge.yaml } }
apps: { app: { region: a, at: edge, client: app } }
people: [{ in: a, app: app }]
timeline:
  - { after: 1s, partition: { half: [a, b] } }
  - { after: 2s, partition: { ring: [a, b, c, d] } }
  - { after: 3s, throttle: { between: [a, b], rate: 64kbit } }
  - { after: 4s, throttle: { from: a, to: b } }
  - { after: 5s, trace: { between: [a, b], file: hill.trace } }
  - { after: 7s, heal: all }
  - { after: 8s, dns: { region: a, how: lying, about: [edge] } }
  - { after: 9s, heal: { dns: a } }
expect: [{ logins lost: 0 }]
";

pub(super) fn read_ways(text: &str, trace: &str) -> Result<Topology, Problems> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("edge.yaml"), "apps: []\n").unwrap();
    std::fs::write(folder.path().join("hill.trace"), trace).unwrap();
    parse(text, &folder.path().join("ways.yaml"))
}

#[test]
fn ways_are_halves_and_rings_and_a_trace_becomes_steps() {
    let topology = read_ways(WAYS, "0s down\n1s up delay 20ms\n").unwrap();
    let step = |number: usize| &topology.timeline[number];
    let half: Vec<_> = step(0).verb.cuts().iter().map(|it| format!("{}{}", it.from, it.to)).collect();
    assert_eq!(half, ["ac", "ca", "ad", "da", "ae", "ea", "bc", "cb", "bd", "db", "be", "eb"]);
    let ring: Vec<_> = step(1).verb.cuts().iter().map(|it| format!("{}{}", it.from, it.to)).collect();
    assert_eq!(ring, ["ac", "ca", "bd", "db"], "each sees its two neighbours");
    assert!(matches!(step(2).verb, Verb::Throttle { rate: 64_000, .. }));
    assert!(matches!(step(3).verb, Verb::Throttle { rate: 1_000_000, .. }));
    let texts: Vec<_> = topology.timeline.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(
        texts[..4],
        [
            "partition a, b | the rest (black-hole)",
            "partition ring a, b, c, d (black-hole)",
            "throttle a | b to 64kbit",
            "throttle a -> b to 1mbit"
        ]
    );
    let about = vec!["edge".to_owned()];
    assert_eq!(step(6).verb, Verb::Dns { region: "a".into(), how: NamesState::Lying, about });
    assert_eq!(step(7).verb, Verb::HealOne { what: Healed::Dns("a".into()) });
    assert_eq!(texts[6..8], ["dns of a lying about edge", "heal the dns of a"]);
    assert_eq!(texts[8..], ["trace a | b by hill.trace: down", "trace a | b by hill.trace: up, 20ms slower"]);
}

#[test]
fn mistakes_in_ways_and_traces_are_told_with_their_lines() {
    for (good, bad, line, what, hint) in [
        ("half: [a, b]", "half: [a, f]", 8, "no region `f`", "known: a, b"),
        ("half: [a, b]", "half: [a, b, c, d, e]", 8, "no way between", "half: [a, b]"),
        ("ring: [a, b, c, d]", "ring: [a, b, c]", 9, "no way between", "ring: [a, b, c, d]"),
        ("half: [a, b]", "half: [e]", 8, "have no link", "`links` connects"),
        ("rate: 64kbit", "rate: 64", 10, "`64` cannot be read", "20mbit"),
        ("dns: { region: a", "dns: { region: f", 14, "no region `f`", "known: a, b"),
        ("region: a, how", "how", 14, "`region` is missing", "whose DNS"),
        ("how: lying", "how: lies", 14, "`lies` cannot be read", "dead, lying, stale"),
        ("about: [edge]", "about: [edg]", 14, "no node, IdP or application `edg`", "did you mean `edge`?"),
        (
            "client: app }",
            "client: app, kind: openid-client }",
            14,
            "asks its DNS at every login",
            "kind: lab",
        ),
        ("heal: { dns: a }", "heal: { dns: f }", 15, "no region `f`", "known: a, b"),
        ("file: hill.trace", "file: hil.trace", 12, "hil.trace cannot be read", "beside the topology"),
        (", file: hill.trace", "", 12, "`file` is missing", "satellite.trace"),
        (
            "app: app }]",
            "app: app, browser: chrome }]",
            6,
            "`chrome` cannot be read",
            "did you mean `chromium`?",
        ),
        ("app: app }]", "app: app, browser: chromium }]", 14, "which names the Chromium in a knows", "leave"),
        (
            "app: app }]",
            "app: app, sign-in: every 500ms, browser: chromium }]",
            6,
            "cannot sign in so often",
            "every 2s",
        ),
        ("logins lost: 0", "browsers agree: yes", 16, "nobody has a real browser", "browser: chromium"),
        ("logins lost: 0", "vouched by: edg", 16, "no IdP and no node `edg`", "did you mean `edge`?"),
        ("logins lost: 0", "vouched by: [edge]", 16, "the bound cannot be read", "{ keycloak: \">= 90%\" }"),
        ("logins lost: 0", "vouched by: { edge: often }", 16, "the bound cannot be read", "whole number"),
        ("logins lost: 0", "vouched by: edge, while: edge is up", 16, "cannot be read", "in reach"),
        ("logins lost: 0", "vouched by: edge, while: f in reach", 16, "no node `f`", "known: edge"),
        ("logins lost: 0", "logins lost: 0, while: edge in reach", 16, "goes with `vouched by`", "its own"),
        ("logins lost: 0", "same attributes: []", 16, "the bound cannot be read", "name the attributes"),
        ("logins lost: 0", "same attributes: [[a]]", 16, "the bound cannot be read", "[email, name]"),
    ] {
        assert!(WAYS.contains(good), "{good}");
        let found = read_ways(&WAYS.replacen(good, bad, 1), "0s down").expect_err("has problems").0;
        let fits = |it: &Problem| it.place.line == line && it.what.contains(what) && it.hint.contains(hint);
        assert!(found.iter().any(fits), "{bad}: {found:#?}");
    }
    let found = read_ways(WAYS, "0s up\n1s dwon").expect_err("has problems").0;
    assert_eq!((found[0].place.line, found[0].hint.as_str()), (12, "did you mean `down`?"));
    assert!(found[0].what.starts_with("hill.trace:2: "), "{found:?}");
}
