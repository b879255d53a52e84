//! Topologies good and bad.

mod ailments;
mod sign_outs;
mod ways;

use std::path::Path;
use std::time::Duration;

use super::parse::parse;
use super::read::Problems;
use super::{AppKind, Bound, Cut, How, IdpKind, Limit, Meanwhile, Measure, Topology, Verb};

const GOOD: &str = r#"# Branch A loses its link to DC1.
# Branch B notices nothing.
regions:
  cloud: {}
  dc1: {}
  branch-a: {}
links:
  - { between: [cloud, dc1, branch-a], delay: 20ms, jitter: 2ms, rate: 20mbit, loss: 1% }
idps:
  corp: { region: cloud, kind: local }
nodes:
  edge-a: { region: branch-a, role: edge, config: edge.yaml }
apps:
  app-a: { region: branch-a, at: edge-a, client: branch-app }
people:
  - { in: branch-a, count: 20, app: app-a, sign-in: every 2s, keep-session: yes }
timeline:
  - { after: 10s, partition: { between: [branch-a, dc1], how: refused } }
  - { after: 12s, partition: { from: dc1, to: cloud } }
  - { after: 14s, partition: { region: branch-a } }
  - { after: 20s, heal: all }
  - { after: 21s, kill: corp }
  - { after: 22s, start: corp }
  - { after: 19s, slow: { between: [cloud, dc1], by: 100ms } }
settings: { rounds: 3, seed: 7, patience: 5s }
expect:
  - logins lost: 0
  - in: branch-a
    after change: 4s
    back after heal: "<= 1s"
    acts per login: "<= 1"
  - slower: no
  - one person, one subject: yes
"#;

fn read(text: &str) -> Result<Topology, Problems> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("edge.yaml"), "apps: []\n").unwrap();
    parse(text, &folder.path().join("cut.yaml"))
}

fn problems(text: &str) -> Vec<(u64, String, String)> {
    let problems = read(text).expect_err("has problems").0;
    problems.into_iter().map(|it| (it.place.line, it.what, it.hint)).collect()
}

fn cut(from: &str, to: &str) -> Cut {
    Cut { from: from.into(), to: to.into() }
}

#[test]
fn a_good_topology_means_what_it_says() {
    let topology = read(GOOD).unwrap();
    assert_eq!(topology.says, "Branch A loses its link to DC1. Branch B notices nothing.");
    assert_eq!(topology.links.len(), 3);
    assert_eq!(topology.links[2].between, ("dc1".to_owned(), "branch-a".to_owned()));
    assert_eq!(topology.links[0].rate, Some(20_000_000));
    assert!(topology.people[0].keep_session);
    assert_eq!(topology.settings.duration, Duration::from_secs(37));
    assert_eq!(topology.settings.total(), Duration::from_secs(6 * 37));
    let verbs: Vec<_> = topology.timeline.iter().map(|step| &step.verb).collect();
    let both = vec![cut("branch-a", "dc1"), cut("dc1", "branch-a")];
    assert_eq!(*verbs[0], Verb::Partition { cuts: both, how: How::Refused });
    assert_eq!(*verbs[1], Verb::Partition { cuts: vec![cut("dc1", "cloud")], how: How::BlackHole });
    assert_eq!(verbs[2].cuts().len(), 4);
    assert_eq!(topology.timeline[2].text, "partition branch-a | all (black-hole)");
}

#[test]
fn expectations_share_their_region_and_window() {
    let topology = read(GOOD).unwrap();
    let back = topology.expect.iter().find(|it| it.measure == Measure::BackAfterHeal).unwrap();
    assert_eq!(back.bound, Bound::AtMost(Limit::Time(Duration::from_secs(1))));
    assert_eq!(back.region.as_deref(), Some("branch-a"));
    assert_eq!(back.after_change, Some(Duration::from_secs(4)));
    assert_eq!(topology.expect.len(), 5);
    assert_eq!(topology.expect[3].bound, Bound::Exactly(Limit::Yes(false)));
}

#[test]
fn an_expectation_about_attributes_names_them() {
    let text = ways::WAYS.replacen("logins lost: 0", "same attributes: [email, role]", 1);
    let expected = ways::read_ways(&text, "0s down").unwrap().expect.remove(0);
    assert_eq!(
        (expected.about.join(" "), expected.bound),
        ("email role".into(), Bound::Exactly(Limit::Yes(true)))
    );
    assert_eq!(expected.text, "same attributes email, role");
}

#[test]
fn who_vouches_is_said_for_all_or_with_a_bound_each_and_while_somebody_is_away() {
    let read = |text: &str| {
        ways::read_ways(&ways::WAYS.replacen("logins lost: 0", text, 1), "0s down").unwrap().expect
    };
    let all = read("vouched by: edge, while: edge out of reach, after change: 4s").remove(0);
    assert_eq!(all.text, "vouched by edge 100% while edge out of reach (from 4s after a change)");
    assert_eq!(all.meanwhile, Some(Meanwhile { server: "edge".into(), in_reach: false }));
    let each = read("vouched by: { edge: \">= 90%\" }").remove(0);
    assert_eq!((each.about, each.bound), (vec!["edge".to_owned()], Bound::AtLeast(Limit::Share(0.9))));
}

/// The good topology with this written in place of that has this problem.
fn is_told(good: &str, bad: &str, line: u64, what: &str, hint: &str) {
    assert!(GOOD.contains(good), "{good}");
    let found = problems(&GOOD.replacen(good, bad, 1));
    let fits = |it: &(u64, String, String)| it.0 == line && it.1.contains(what) && it.2.contains(hint);
    assert!(found.iter().any(fits), "{bad}: {found:#?}");
}

#[test]
fn each_mistake_is_told_with_its_line_and_what_to_write() {
    for (good, bad, line, what, hint) in [
        ("role: edge", "role: egde", 12, "`egde` is no role", "role: edge"),
        (
            "at: edge-a,",
            "at: edge-a, kind: oauth2-proxy, renews: yes,",
            14,
            "nobody sees",
            "kind: openid-client",
        ),
        ("at: edge-a", "at: edge-b", 14, "no node `edge-b`", "did you mean `edge-a`?"),
        (
            "in: branch-a, count",
            "in: branch-c, count",
            16,
            "no region `branch-c`",
            "did you mean `branch-a`?",
        ),
        ("app: app-a", "app: app-b", 16, "no application `app-b`", "did you mean `app-a`?"),
        ("every 2s", "2s", 16, "cannot be read", "every 10s"),
        ("how: refused", "how: rejected", 18, "`rejected` cannot be read", "black-hole, refused, reset"),
        ("kill: corp", "kill: corpp", 22, "no node or IdP `corpp`", "did you mean `corp`?"),
        ("kill: corp", "pause: corp", 23, "was not killed before", "restart"),
        ("delay: 20ms", "delay: 20", 8, "`20` cannot be read", "30s"),
        ("jitter: 2ms", "jitter: 30ms", 8, "jitter is more than delay", "before it was sent"),
        ("20mbit", "20mb", 8, "`20mb` cannot be read", "20mbit"),
        ("config: edge.yaml", "config: egde.yaml", 12, "egde.yaml cannot be read", "edge's configuration"),
        ("config: edge.yaml", "confg: edge.yaml", 12, "`config` is missing", "operator's configuration"),
        (
            "config: edge.yaml",
            "config: edge.yaml, confg: x",
            12,
            "`confg` is not known here",
            "did you mean `config`?",
        ),
        (
            "logins lost: 0",
            "logins lots: 0",
            27,
            "`logins lots` is no measure",
            "did you mean `logins lost`?",
        ),
        (
            "back after heal: \"<= 1s\"",
            "first login after fault: \"<= 1s added\"",
            30,
            "`after change` leaves nothing out of it",
            "an entry of its own",
        ),
        ("slower: no", "slower: 3", 32, "the bound cannot be read", "neither `yes` nor `no`"),
        (
            "{ between: [branch-a, dc1], how",
            "{ betwen: [branch-a, dc1], how",
            18,
            "`betwen` is not known here",
            "did you mean `between`?",
        ),
        ("app-a: { region", "edge-a: { region", 14, "`edge-a` is there twice", "one name space"),
        ("corp: { region", "Corp: { region", 10, "`Corp` cannot be a name", "DNS"),
        ("patience: 5s }", "patience: 5s, duration: 9s }", 25, "ends before its last step", "22s"),
        ("rounds: 3, ", "", 32, "`slower` compares rounds", "rounds: 4"),
        ("rounds: 3", "rounds: 1", 25, "`1` cannot be read", "2 to 50"),
        ("start: corp", "resume: corp", 22, "still in force", "a step `start: corp`"),
        ("heal: all", "heal: { between: [cloud, dc1] }", 18, "still in force", "a step `heal: all`"),
    ] {
        is_told(good, bad, line, what, hint);
    }
}

#[test]
fn a_round_that_heals_each_thing_by_itself_leaves_nothing_for_the_next() {
    let text = GOOD.replace(
        "  - { after: 20s, heal: all }\n",
        "  - { after: 20s, heal: { between: [branch-a, dc1] } }
  - { after: 20s, heal: { region: branch-a } }
  - { after: 20s, heal: { between: [cloud, dc1] } }
  - { after: 20s, break: { idp: corp, how: errors } }
  - { after: 20s, heal: { idp: corp } }\n",
    );
    read(&text).expect("each is healed");
    let other = text.replace("heal: { idp: corp }", "heal: { disk: corp }");
    assert!(problems(&other).iter().any(|(line, what, _)| *line == 24 && what.contains("still in force")));
}

#[test]
fn what_would_pass_empty_or_mean_two_things_is_told_with_its_line() {
    for (good, bad, line, what, hint) in [
        ("start: corp", "resume: corp", 23, "`corp` was not paused before", "pause it first"),
        (
            "[cloud, dc1, branch-a]",
            "[cloud, dc1, branch-c]",
            8,
            "no region `branch-c`",
            "did you mean `branch-a`?",
        ),
        ("how: refused", "half: [cloud]", 18, "in more than one form", "`half: [a, b]`"),
        ("from: dc1, to: cloud", "from: dc1, to: cloud, region: dc1", 19, "in more than one form", "one way"),
        (
            "logins lost: 0",
            "logins lost: \"<= inf\"",
            27,
            "the bound cannot be read",
            "`inf` is not a whole number",
        ),
        (
            "logins lost: 0",
            "logins lost: \">= -1\"",
            27,
            "the bound cannot be read",
            "`-1` is not a whole number",
        ),
        ("- logins lost: 0", "- { logins lost: 0, attempts: 0 }", 27, "`0` cannot be read", "no attempt"),
        ("- logins lost: 0", "- in: branch-a", 27, "nothing is measured here", "`logins lost: 0`"),
        ("patience: 5s", "patience: 5ms", 25, "`5ms` cannot be read", "a second"),
        ("patience: 5s", "attempts: 0", 25, "`0` cannot be read", "`1` or more"),
        ("delay: 20ms", "delay: 900h", 8, "`900h` cannot be read", "24h"),
        ("  dc1: {}", "  dc1: {}\n  dc1: {}", 6, "the key `dc1` is there twice", ""),
    ] {
        is_told(good, bad, line, what, hint);
    }
}

const FOREIGN: &str = "# Foreign software behind and in front.
regions: { cloud: {}, branch: {} }
links: [{ between: [cloud, branch], delay: 1ms }]
idps:
  corp: { region: cloud, kind: dex }
  lab: { region: cloud }
nodes: { edge: { region: branch, role: edge, config: edge.yaml } }
apps:
  theirs: { region: branch, at: edge, client: a, kind: openid-client }
  ours: { region: branch, at: edge, client: b }
people: [{ in: branch, app: theirs }]
timeline:
  - { after: 1s, kill: theirs }
  - { after: 2s, start: theirs }
expect: [{ logins lost: 0 }]
";

#[test]
fn foreign_software_is_a_kind_and_the_labs_own_is_what_is_meant_otherwise() {
    let topology = read(FOREIGN).unwrap();
    assert_eq!(topology.idps.iter().map(|it| it.kind).collect::<Vec<_>>(), [IdpKind::Dex, IdpKind::Local]);
    let two = FOREIGN.replacen("kind: dex", "kind: slapd", 1).replacen(
        "lab: {",
        "lab: { kind: slapd, replica-of: corp,",
        1,
    );
    assert_eq!(read(&two).unwrap().servers_of("corp"), ["corp", "lab"], "two servers of one directory");
    assert_eq!(
        topology.apps.iter().map(|it| it.kind).collect::<Vec<_>>(),
        [AppKind::OpenidClient, AppKind::Lab]
    );
    for (good, bad, line, what, hint) in [
        (
            "lab: { region: cloud }",
            "lab: { region: cloud, kind: slapd, replica-of: corp }",
            6,
            "no directory `corp`",
            "`kind: slapd`",
        ),
        (
            "lab: { region: cloud }",
            "lab: { region: cloud, replica-of: corp }",
            6,
            "only a directory has several",
            "`kind: slapd`",
        ),
        ("kind: dex", "kind: dexx", 5, "`dexx` cannot be read", "did you mean `dex`?"),
        ("kind: dex", "kind: okta", 5, "`okta` cannot be read", "known: local, dex, keycloak"),
        (
            "kind: openid-client",
            "kind: openid_client",
            9,
            "`openid_client` cannot be read",
            "`openid-client`",
        ),
        ("kill: theirs", "kill: ours", 13, "`ours` is no process of its own", "kind: openid-client"),
    ] {
        assert!(FOREIGN.contains(good), "{good}");
        let found = problems(&FOREIGN.replacen(good, bad, 1));
        let fits = |it: &(u64, String, String)| it.0 == line && it.1.contains(what) && it.2.contains(hint);
        assert!(found.iter().any(fits), "{bad}: {found:#?}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = GOOD.replacen("role: edge", "role: egde", 1).replacen("every 2s", "2s", 1).replacen(
        "kill: corp",
        "kill: c",
        1,
    );
    assert!(problems(&text).len() >= 3);
}

#[test]
fn people_must_be_able_to_reach_their_application_before_anything_is_cut() {
    let text = GOOD.replacen("in: branch-a, count", "in: dc1, count", 1).replacen(
        "[cloud, dc1, branch-a]",
        "[cloud, dc1]",
        1,
    );
    assert!(
        problems(&text)
            .iter()
            .any(|(_, what, hint)| what.contains("cannot reach app-a") && hint.contains("[dc1, branch-a]"))
    );
}

#[test]
fn what_is_no_yaml_or_no_topology_is_told_and_nothing_panics() {
    for text in
        ["", "[", "a: b: c", "- 1", "regions: 3", "# x\nregions: [a]\nlinks: {}\ntimeline: x", "\u{0}"]
    {
        assert!(parse(text, Path::new("x.yaml")).is_err(), "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z0-9:{}\\[\\], \n#-]{0,200}") {
        let _ = parse(&text, Path::new("x.yaml"));
    }
}

#[test]
fn the_reference_names_every_verb_and_every_measure() {
    let page = include_str!("../../../../docs/reference/topologies.md");
    let measures: Vec<_> = Measure::all().map(Measure::name).collect();
    for word in super::timeline::VERBS.iter().chain(measures.iter()) {
        assert!(page.contains(&format!("`{word}`")), "docs/reference/topologies.md lacks `{word}`");
    }
}

#[test]
fn in_rounds_the_timeline_happens_in_every_other_one_and_either_is_first_in_turn() {
    let topology = read(GOOD).unwrap();
    let plan = super::rounds::plan(&topology);
    let faults: Vec<_> = plan.iter().map(|round| (round.pair, round.faults)).collect();
    assert_eq!(faults, [(1, false), (1, true), (2, true), (2, false), (3, false), (3, true)]);
    let steps = super::rounds::steps(&topology);
    assert_eq!(steps.len(), 3 * topology.timeline.len());
    assert_eq!(steps[0].after, Duration::from_secs(37 + 10), "the second round begins after 37 s");
    assert!(steps.is_sorted_by_key(|step| step.after));
    let once = super::Topology { settings: super::Settings::default(), ..topology };
    assert_eq!(super::rounds::steps(&once).len(), once.timeline.len());
}

#[test]
fn where_faults_are_typed_any_clock_of_our_own_can_go_wrong_and_no_foreign_one() {
    let mut topology = read(GOOD).unwrap();
    let (node, idp) = (topology.nodes[0].name.clone(), topology.idps[0].name.clone());
    topology.timeline.clear();
    assert!(!topology.skews(&node) && !topology.fills(&node));
    topology.by_hand = true;
    assert!(topology.skews(&node) && topology.fills(&node) && topology.skews(&idp));
    topology.idps[0].kind = super::IdpKind::Slapd;
    assert!(!topology.skews(&idp) && !topology.fills(&idp));
}
