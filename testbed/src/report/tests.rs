//! The report of a paper mesh: complete, alone, and readable as text.

use super::{html, summary};
use crate::history::{Event, MILLISECOND, ProcessChange, ProcessState, SECOND, Step, StepKind, What, sort};
use crate::language::{Bound, Expectation, Limit, Measure};
use crate::verdict::judge;
use crate::verdict::synthetic::{BEGIN, Story};

fn lost(region: Option<&str>) -> Expectation {
    Expectation {
        text: format!("{}logins lost 0", region.map(|region| format!("in {region}: ")).unwrap_or_default()),
        region: region.map(str::to_owned),
        after_change: None,
        attempts: None,
        measure: Measure::LoginsLost,
        bound: Bound::Exactly(Limit::Count(0.0)),
        line: 1,
    }
}

fn drawn(story: &Story) -> String {
    let events = story.tell();
    html(&judge(&events, &[lost(None)], 30).unwrap(), &events)
}

#[test]
fn the_report_says_the_verdict_first_and_needs_nothing_from_outside() {
    let page = drawn(&Story::one_root_cut());
    let sentence = page.find("<h1>Passed: all 2 expectations hold.").expect("a verdict");
    assert!(sentence < page.find("<svg").expect("a picture"));
    for outside in ["src=", "href=", "http://", "@import", "url(h"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn each_login_is_a_mark_and_each_lost_one_a_row() {
    let story = Story::one_root_cut().with(|product| product.notices_after = None);
    let events = story.tell();
    let verdict = judge(&events, &[lost(None)], 30).unwrap();
    let page = html(&verdict, &events);
    let lost =
        verdict.ends.logins.iter().filter(|login| login.end == crate::verdict::ends::End::Lost).count();
    assert!(lost > 0);
    assert_eq!(page.matches("<path class=\"mark lost").count(), lost + 1, "and one in the legend");
    assert!(page.contains("although this path was live"));
}

#[test]
fn a_root_that_is_started_again_lives_on_the_map_of_its_phase_though_it_took_a_moment() {
    let mut events = Story { cuts: Vec::new(), ..Story::one_root_cut() }.tell();
    for (second, kind, state, took) in
        [(20, StepKind::Fault, ProcessState::Stopped, 0), (30, StepKind::Heal, ProcessState::Running, 40)]
    {
        let began = BEGIN + second * SECOND;
        let change = ProcessChange { server: "root-dc1".to_owned(), state, began };
        events.push(Event { at: began + took * MILLISECOND, what: What::Process(change) });
        let step = Step { words: "kill or start".to_owned(), kind, began };
        events.push(Event { at: began + 1, what: What::Step(step) });
    }
    sort(&mut events);
    let page = html(&judge(&events, &[lost(None)], 30).unwrap(), &events);
    let maps: Vec<_> = page.split("<figcaption").map(|map| map.contains("root-dc1 ✕")).collect();
    assert_eq!(maps[..3], [false, true, false]);
}

#[test]
fn words_from_a_history_cannot_become_markup() {
    let mut events = Story::one_root_cut().tell();
    for event in &mut events {
        if let crate::history::What::Step(step) = &mut event.what {
            step.words = "<script>alert(1)</script>".to_owned();
        }
    }
    let page = html(&judge(&events, &[], 30).unwrap(), &events);
    assert!(!page.contains("<script>alert"));
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
