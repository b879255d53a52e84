//! What fails in a way of its own: providers, clocks, disks, names.

use super::*;
use crate::history::IdpState;
use crate::language::Healed;

const BROKEN: &str = "# An identity provider is there and broken.
regions: { cloud: {}, branch: {} }
links: [{ between: [cloud, branch], delay: 1ms }]
idps: { corp: { region: cloud }, spare: { region: cloud } }
nodes: { edge: { region: branch, role: edge, config: edge.yaml } }
apps: { app: { region: branch, at: edge, client: a } }
people: [{ in: branch, app: app }]
timeline:
  - { after: 1s, break: { idp: corp } }
  - { after: 2s, break: { idp: corp, how: slow pages, by: 2s } }
  - { after: 3s, heal: { idp: corp } }
  - { after: 4s, break: { idp: corp, how: keys rolled } }
  - { after: 5s, break: { idp: spare, how: secret expired, of: edge } }
  - { after: 6s, skew: { node: edge, by: -10m } }
  - { after: 7s, heal: { clock: edge } }
  - { after: 8s, fill: edge }
  - { after: 9s, heal: { disk: edge } }
expect: [{ logins lost: 0 }]
";

#[test]
fn what_fails_in_its_own_way_is_read_and_only_that_is_made_ready_for_it() {
    let topology = read(BROKEN).unwrap();
    let corp = || "corp".to_owned();
    let verbs: Vec<_> = topology.timeline.iter().map(|step| step.verb.clone()).collect();
    let broken = |how, by| Verb::Break { idp: corp(), how, by: Duration::from_secs(by), of: None };
    assert_eq!(verbs[..2], [broken(IdpState::Errors, 0), broken(IdpState::SlowPages, 2)]);
    let rolled = broken(IdpState::KeysRolled, 0);
    assert_eq!(verbs[2..4], [Verb::HealOne { what: Healed::Idp(corp()) }, rolled]);
    let texts: Vec<_> = topology.timeline.iter().map(|step| step.text.as_str()).collect();
    let words = [
        "break corp: errors",
        "break corp: slow pages by 2s",
        "heal corp",
        "break corp: keys rolled",
        "break spare: secret expired of edge",
        "skew edge by -10m",
        "heal the clock of edge",
        "fill edge",
        "heal the disk of edge",
    ];
    assert_eq!(texts, words);
    assert_eq!(verbs[5], Verb::Skew { node: "edge".into(), ahead: -600 });
    assert!(topology.skews("edge") && !topology.skews("corp"));
    assert!(topology.fills("edge") && !topology.fills("corp"));
    let without =
        BROKEN.replace("  - { after: 5s, break: { idp: spare, how: secret expired, of: edge } }\n", "");
    let without = read(&without).unwrap();
    assert!(without.breaks("corp") && !without.breaks("spare") && topology.breaks("spare"));
    for (good, bad, line, what, hint) in [
        ("break: { idp: corp }", "break: { idp: crop }", 9, "no node or IdP `crop`", "did you mean `corp`?"),
        ("break: { idp: corp }", "break: { idp: edge }", 9, "`edge` is no identity provider", "known: corp"),
        ("break: { idp: corp }", "break: { how: errors }", 9, "`idp` is missing", "which identity provider"),
        ("break: { idp: corp }", "break: { idp: corp, by: 1s }", 9, "`by` is not known here", "known: idp"),
        ("of: edge", "of: egde", 13, "no node `egde`", "did you mean `edge`?"),
        ("how: keys rolled", "how: keys announced", 12, "at once only", "keys rolled"),
        (", of: edge", "", 13, "`of` is missing", "which node's"),
        (
            "5s, break: { idp: spare",
            "2500ms, break: { idp: corp",
            13,
            "`corp` is broken already",
            "heal: { idp: corp }",
        ),
        ("skew: { node: edge", "skew: { node: egde", 14, "no node or IdP `egde`", "did you mean `edge`?"),
        ("by: -10m", "by: 0s", 14, "`0s` cannot be read", "a second or more"),
        (", by: -10m", "", 14, "`by` is missing", "by: -10m"),
        ("how: slow pages", "how: slow", 10, "`slow` cannot be read", "errors, garbage, expired certificate"),
        ("heal: { idp: corp }", "heal: { idp: crop }", 11, "no node or IdP `crop`", "did you mean `corp`?"),
    ] {
        assert!(BROKEN.contains(good), "{good}");
        let found = problems(&BROKEN.replacen(good, bad, 1));
        let fits = |it: &(u64, String, String)| it.0 == line && it.1.contains(what) && it.2.contains(hint);
        assert!(found.iter().any(fits), "{bad}: {found:#?}");
    }
}

#[test]
fn people_begin_at_a_provider_that_sends_people_on_unasked() {
    let begins = |kind: &str, at: &str| {
        let file =
            BROKEN.replace("spare: { region: cloud }", &format!("spare: {{ region: cloud, kind: {kind} }}"));
        read(&file.replace("in: branch, app: app", &format!("in: branch, app: app, begins: {at}")))
    };
    assert_eq!(begins("keycloak", "spare").unwrap().people[0].begins.as_deref(), Some("spare"));
    for (kind, at, what) in [
        ("keycloak", "spair", "there is no identity provider `spair`"),
        ("dex", "spare", "nobody begins at `spare`"),
    ] {
        let said = format!("{:?}", begins(kind, at).unwrap_err());
        assert!(said.contains(what) && said.contains("people.begins"), "{said}");
    }
}
