//! The report of a paper mesh: complete, alone, and readable as text.

use super::moments::{Row, moments, rows};
use super::{html, summary};
use crate::history::{
    ClockChange, Event, IdpChange, IdpState, MILLISECOND, PathState, ProcessChange, ProcessState, SECOND,
    Step, StepKind, What, sort,
};
use crate::language::{Bound, Expectation, Limit, Measure};
use crate::verdict::judge;
use crate::verdict::synthetic::{BEGIN, Story};

fn lost(region: Option<&str>) -> Expectation {
    Expectation {
        text: format!("{}logins lost 0", region.map(|region| format!("in {region}: ")).unwrap_or_default()),
        region: region.map(str::to_owned),
        after_change: None,
        meanwhile: None,
        attempts: None,
        about: Vec::new(),
        measure: Measure::LoginsLost,
        bound: Bound::Exactly(Limit::Count(0.0)),
        line: 1,
    }
}

fn drawn(story: &Story) -> String {
    let events = story.tell();
    html(&judge(&events, &[lost(None)], 30).unwrap(), &events, &[])
}

#[test]
fn the_report_says_the_verdict_first_and_needs_nothing_from_outside() {
    let page = drawn(&Story::one_root_cut());
    let sentence = page.find("<h1>Passed: all 2 expectations hold.").expect("a verdict");
    assert!(sentence < page.find("<svg").expect("a picture"));
    for outside in ["src=", "http://", "@import", "url(h"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let beside = ["\"history.jsonl\"", "\"topology.yaml\"", "\"logs/"];
    for link in page.split("href=").skip(1) {
        assert!(beside.iter().any(|known| link.starts_with(known)), "{}", &link[..40]);
    }
    assert!(page.contains("logs/branch-a/edge-a.log") && page.contains("logs/dc2/root-dc2.log"));
}

#[test]
fn each_login_is_a_mark_and_each_lost_one_a_row() {
    let story = Story::one_root_cut().with(|product| product.notices_after = None);
    let events = story.tell();
    let verdict = judge(&events, &[lost(None)], 30).unwrap();
    let page = html(&verdict, &events, &[]);
    let lost =
        verdict.ends.logins.iter().filter(|login| login.end == crate::verdict::ends::End::Lost).count();
    assert!(lost > 0);
    assert_eq!(page.matches("<path class=\"mark lost").count(), lost + 1, "and one in the legend");
    assert!(page.contains("although this path was live"));
}

/// What the script knows, as the page carries it.
fn data(page: &str) -> serde_json::Value {
    let block = page.split("<script id=\"data\" type=\"application/json\">").nth(1).expect("a block of data");
    serde_json::from_str(block.split("</script>").next().unwrap()).unwrap()
}

/// The letters of the links at a time, in the order of the run's links, and the sentence.
fn map_at(data: &serde_json::Value, milliseconds: i64) -> (&str, &str) {
    let moments = data["moments"].as_array().unwrap();
    let then = moments.iter().rfind(|moment| moment[0].as_i64().unwrap() <= milliseconds).unwrap();
    (then[1].as_str().unwrap(), then[4].as_str().unwrap())
}

#[test]
fn the_map_of_each_time_has_the_cuts_of_that_time() {
    let page = drawn(&Story::one_root_cut());
    let data = data(&page);
    // Links: cloud – dc1, cloud – dc2, dc1 – dc2, then branch-a and branch-b with cloud, dc1, dc2.
    let (open, cut) = ("ooooooooo", "oooocoooo");
    for (second, links) in
        [(0, open), (19, open), (21, cut), (34, cut), (36, open), (46, cut), (71, cut), (99, open)]
    {
        assert_eq!(map_at(&data, second * 1_000).0, links, "after {second} s");
    }
    assert_eq!(map_at(&data, 21_000).1, "branch-a – dc1: packets vanish");
    assert_eq!(
        page.matches("<figure class=\"phase\"").count(),
        2,
        "one map for each way in which the mesh stood"
    );
    assert!(page.contains("20.0 s – 35.0 s, 45.0 s – 60.0 s, 70.0 s – 85.0 s:"));
}

#[test]
fn a_way_that_is_cut_in_one_direction_has_its_direction_on_the_map() {
    let mut events = Story::one_root_cut().tell();
    events.retain(|event| !matches!(&event.what, What::Path(path) if path.from == "branch-a"));
    let page = html(&judge(&events, &[lost(None)], 30).unwrap(), &events, &[]);
    let data = data(&page);
    assert_eq!(map_at(&data, 21_000), ("ooootoooo", "dc1 → branch-a: packets vanish"));
}

#[test]
fn what_was_wrong_is_a_band_with_its_words_and_one_that_changes_no_link_too() {
    let mut events = Story::one_root_cut().tell();
    let step = Step { words: "break idp corp".to_owned(), kind: StepKind::Fault, began: BEGIN + 25 * SECOND };
    events.push(Event { at: BEGIN + 25 * SECOND, what: What::Step(step) });
    sort(&mut events);
    let verdict = judge(&events, &[lost(None)], 30).unwrap();
    let moments = moments(&verdict.world, &events);
    let rows = rows(&verdict.world, &moments);
    let times = |row: &Row| {
        let second = |at: u64| (at - BEGIN) / SECOND;
        row.spans.iter().map(|span| (second(span.from), second(span.until))).collect::<Vec<_>>()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].words, "branch-a – dc1: packets vanish");
    assert_eq!(times(&rows[0]), [(20, 35), (45, 60), (70, 85)]);
    assert_eq!((rows[1].words.as_str(), times(&rows[1])), ("break idp corp", vec![(25, 35)]));
}

#[test]
fn a_root_that_dies_is_dead_on_a_map_and_the_moment_of_its_start_is_none_of_its_own() {
    let mut events = Story { cuts: Vec::new(), ..Story::one_root_cut() }.tell();
    let mut change = |second, kind, states: &[(ProcessState, u64)]| {
        let began = BEGIN + second * SECOND;
        for (state, took) in states {
            let change = ProcessChange { server: "root-dc1".to_owned(), state: *state, began };
            events.push(Event { at: began + took * MILLISECOND, what: What::Process(change) });
        }
        let step = Step { words: "kill or start".to_owned(), kind, began };
        events.push(Event { at: began + 1, what: What::Step(step) });
    };
    change(20, StepKind::Fault, &[(ProcessState::Stopped, 0)]);
    change(30, StepKind::Heal, &[(ProcessState::Starting, 1), (ProcessState::Running, 400)]);
    sort(&mut events);
    let page = html(&judge(&events, &[lost(None)], 30).unwrap(), &events, &[]);
    let maps: Vec<_> =
        page.split("<figure class=\"phase\"").skip(1).map(|map| map.contains("class=\"s-s\"")).collect();
    assert_eq!(maps, [false, true]);
    let data = data(&page);
    let servers = |at: usize| data["moments"][at][2].as_str().unwrap();
    assert_eq!(
        [servers(0), servers(1), servers(2)].map(|codes| &codes[1..2]),
        ["r", "s", "t"],
        "the script has it"
    );
}

#[test]
fn an_identity_provider_that_is_ill_and_a_clock_that_is_wrong_are_said_and_marked() {
    let mut events = Story { cuts: Vec::new(), ..Story::one_root_cut() }.tell();
    let began = BEGIN + 20 * SECOND;
    let about = vec!["root-dc1".to_owned()];
    let ill = IdpChange { server: "corp".to_owned(), state: IdpState::SecretExpired, about, began };
    let wrong = ClockChange { server: "root-dc2".to_owned(), ahead: -90, began };
    events.push(Event { at: began + 1, what: What::Idp(ill) });
    events.push(Event { at: began + 2, what: What::Clock(wrong) });
    sort(&mut events);
    let page = html(&judge(&events, &[lost(None)], 30).unwrap(), &events, &[]);
    let data = data(&page);
    let said = "corp: client secret expired for root-dc1; root-dc2: clock 90 s behind";
    assert_eq!(map_at(&data, 21_000), ("ooooooooo", said));
    assert_eq!(data["moments"][1][2].as_str().unwrap()[..3], *"iri", "corp, root-dc1, root-dc2");
}

#[test]
fn a_login_has_its_hops_and_the_story_of_the_nodes_logs() {
    let line = |node: &str, login: &str, rest: &str| -> mangrove_login::Line {
        let head = format!(
            r#"{{"node":"{node}","at":1,"login":"{login}","app":"a","decision":"sent","message":"Sent <b>on</b>.""#
        );
        serde_json::from_str(&format!("{head}{rest}}}")).unwrap()
    };
    // The page with the id was the root's; the way begins at the edge.
    let lines = [line("edge-a", "top", r#","to_ref":"r""#), line("root-dc1", "000000", r#","from_ref":"r""#)];
    let events = Story::one_root_cut().tell();
    let page = html(&judge(&events, &[lost(None)], 30).unwrap(), &events, &lines);
    let data = data(&page);
    let first = &data["logins"][0];
    assert_eq!(first["tries"][0][0], "top");
    assert!(first["tries"][0][1][1].as_str().unwrap().contains("Sent <b>on</b>."), "{first}");
    assert!(first["hops"][0].as_str().unwrap().starts_with("+0 s GET app-a.mesh.test/ → 302"), "{first}");
    assert_eq!(data["logins"][4]["tries"][0][1], serde_json::json!([]), "no log knows it");
    assert!(!page.contains("<b>on</b>"));
}

#[test]
fn words_from_a_history_cannot_become_markup() {
    let hostile = "</script><script>alert(1)</script>";
    let mut events = Story::one_root_cut().tell();
    for event in &mut events {
        match &mut event.what {
            What::Step(step) => step.words = hostile.to_owned(),
            What::Login(login) => login.person = hostile.to_owned(),
            What::Health(health) => (health.state, health.why) = (hostile.to_owned(), hostile.to_owned()),
            What::Path(path) => path.state = PathState::Impaired { how: hostile.to_owned() },
            _ => {}
        }
    }
    let page = html(&judge(&events, &[], 30).unwrap(), &events, &[]);
    assert!(!page.contains("<script>alert") && !page.contains("</script><script>a"));
    assert!(map_at(&data(&page), 21_000).1.contains(hostile), "said as it is, as text");
}

#[test]
fn the_terminal_gets_the_verdict_and_the_worst_stories() {
    let events = Story::one_root_cut().with(|product| product.notices_after = None).tell();
    let text = summary(&judge(&events, &[lost(Some("branch-a"))], 30).unwrap());
    assert!(text.contains("FAILS   in branch-a: logins lost 0"), "{text}");
    assert!(text.trim_end().lines().last().unwrap().starts_with("Failed: 1 of 2"), "{text}");
}

/// Not a check: writes reports to look at into the folder that `REPORTS` names.
#[test]
#[ignore = "draws reports for human eyes: REPORTS=folder cargo test -- --ignored draws"]
fn draws_reports_to_look_at() {
    let folder = std::path::PathBuf::from(std::env::var("REPORTS").unwrap());
    let broken = Story::one_root_cut().with(|product| product.notices_after = None);
    for (name, story) in [("cut", Story::one_root_cut()), ("isolated", Story::isolated()), ("broken", broken)]
    {
        std::fs::write(folder.join(format!("{name}.html")), drawn(&story)).unwrap();
    }
}
