//! Whether an expectation can be tried often enough for a verdict at all: an author hears it from `check`, not after the
//! run. Counts generously, so that nothing that may come to pass is refused; what really happened the verdict counts.

use super::read::{Problems, Reader};
use super::tree::Place;
use super::{Expectation, IdpKind, Measure, People, Topology, rounds};
use crate::history::StepKind;

/// Expectations that cannot have enough attempts. A run of such a topology can fail, and never pass.
pub fn lacks(topology: &Topology) -> Problems {
    let mut problems = Problems::default();
    let mut reader = Reader::new(&mut problems);
    for expected in &topology.expect {
        let Some((most, of_what, hint)) = most(topology, expected) else { continue };
        let needed = u64::from(expected.needed(topology.settings.attempts));
        if most < needed {
            let what = format!("`{}` needs {needed} attempts, and {most} {of_what}", expected.measure.name());
            reader.problem(Place { line: expected.line, column: 1 }, "expect", &what, hint);
        }
    }
    problems
}

/// How many attempts there are at most, in words, and what to do about it; `None` where that depends on the run.
fn most(topology: &Topology, expected: &Expectation) -> Option<(u64, &'static str, &'static str)> {
    let here = |people: &&People| expected.concerns(&people.region);
    let people = || topology.people.iter().filter(here);
    let steps = rounds::steps(topology);
    let of_kind = |kind| steps.iter().filter(|step| step.verb.kind() == kind).count() as u64;
    let (faults, heals) = (of_kind(StepKind::Fault), of_kind(StepKind::Heal));
    let logins = |people: &People| {
        let turns = topology.settings.total().as_millis() / people.sign_in_every.as_millis().max(1) + 1;
        let twins = if people.chromium { 2 } else { 1 };
        u64::try_from(turns).unwrap_or(u64::MAX).saturating_mul(u64::from(people.count) * twins)
    };
    let logins = || people().map(logins).fold(0, u64::saturating_add);
    let leaving = |people: &People| {
        let every = people.sign_out.as_ref()?.every.max(people.sign_in_every * 2);
        let times = topology.settings.total().as_millis() / every.as_millis().max(1) + 1;
        let twins = if people.chromium { 2 } else { 1 };
        Some(u64::try_from(times).unwrap_or(u64::MAX).saturating_mul(u64::from(people.count) * twins))
    };
    let sign_outs = || people().filter_map(leaving).fold(0, u64::saturating_add);
    let more = "let more people sign in, or more often, or longer; or name a smaller number, `attempts: 10`";
    let regions = || {
        let mut regions: Vec<_> = people().map(|people| people.region.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        regions.len() as u64
    };
    match expected.measure {
        Measure::FirstLoginAfterFault
        | Measure::NextLoginsAfterFault
        | Measure::ActsAtHome
        | Measure::DownNoticed
        | Measure::Slower
            if faults == 0 =>
        {
            Some((
                0,
                "can come: there is no fault",
                "add a fault to the timeline, `- { after: 10s, kill: root-dc1 }`",
            ))
        }
        Measure::DownNoticed | Measure::Slower => None,
        Measure::FirstLoginAfterFault => Some((
            faults.saturating_mul(regions()),
            "can come: one for each fault in each region with people",
            "let the fault come three times, or write `attempts: 1` beside it",
        )),
        Measure::BackAfterHeal if heals == 0 => {
            Some((0, "can come: nothing is healed", "add a step `heal: all`"))
        }
        Measure::SessionsLost if !people().any(|people| people.keep_session) => {
            Some((0, "can come: nobody keeps a session", "write `keep-session: yes` at a group of `people`"))
        }
        Measure::TokensRenewed if !people().any(|people| renews(topology, people)) => Some((
            0,
            "can come: nobody's application renews any",
            "write `renews: yes` at an application, and `keep-session: yes` at people who use it",
        )),
        Measure::PasswordsRefused if !topology.idps.iter().any(|idp| says_what_it_refuses(idp.kind)) => {
            Some((0, "can come: no IdP says which it refuses", "let one be `kind: slapd` or `simplesamlphp`"))
        }
        Measure::SignOutsLost | Measure::StillSignedIn => {
            Some((sign_outs(), "sign-outs at most can come", more))
        }
        // Answers and visits come beside logins.
        Measure::OneSubject | Measure::SameAttributes | Measure::SessionsLost | Measure::TokensRenewed
            if logins() > 0 =>
        {
            None
        }
        _ => Some((logins(), "logins at most can come", more)),
    }
}

/// Whether these people come back to an application that renews their tokens.
fn renews(topology: &Topology, people: &People) -> bool {
    people.keep_session && topology.apps.iter().any(|app| app.name == people.app && app.renews)
}

/// Whether an IdP of this kind says which passwords it refuses, so that the lab hears it.
fn says_what_it_refuses(kind: IdpKind) -> bool {
    matches!(kind, IdpKind::Slapd | IdpKind::Simplesamlphp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::parse::parse;

    const KILLED: &str = "{ after: 5s, kill: edge }, { after: 9s, start: edge }";

    fn lacking(expect: &str, settings: &str) -> Vec<(u64, String)> {
        lacking_under(KILLED, expect, settings)
    }

    fn lacking_under(timeline: &str, expect: &str, settings: &str) -> Vec<(u64, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("edge.yaml"), "apps: []\n").unwrap();
        std::fs::write(folder.path().join("hill.trace"), "0s down\n1s up\n2s down\n3s up\n").unwrap();
        let text = format!(
            "# A root dies.
regions: {{ branch: {{}}, office: {{}} }}
links: [{{ between: [branch, office], delay: 1ms }}]
nodes: {{ edge: {{ region: branch, role: edge, config: edge.yaml }} }}
apps: {{ app: {{ region: branch, at: edge, client: app }} }}
people: [{{ in: branch, count: 5, app: app, sign-in: every 2s }}]
timeline: [{timeline}]
settings: {{ duration: 20s{settings} }}
expect:
  - {expect}
"
        );
        let topology = parse(&text, &folder.path().join("x.yaml")).unwrap();
        lacks(&topology).0.into_iter().map(|it| (it.place.line, it.what)).collect()
    }

    #[test]
    fn what_cannot_be_tried_often_enough_is_told_with_its_line() {
        for (expect, settings, what) in [
            ("logins lost: 0", ", attempts: 100", "needs 100 attempts, and 55 logins at most"),
            ("{ acts per login: 0, in: office }", "", "needs 30 attempts, and 0 logins at most"),
            ("logins told: \">= 60\"", "", "needs 60 attempts, and 55 logins"),
            ("first login after fault: 1s", "", "needs 3 attempts, and 1 can come: one for each fault"),
            ("sessions lost: 0", "", "nobody keeps a session"),
            ("tokens renewed: 100%", "", "nobody's application renews any"),
            ("passwords refused: 0", "", "no IdP says which it refuses"),
        ] {
            let found = lacking(expect, settings);
            assert!(found.len() == 1 && found[0].0 == 10 && found[0].1.contains(what), "{expect}: {found:?}");
        }
    }

    #[test]
    fn a_trace_is_one_fault_however_many_lines_it_has() {
        let trace = "{ after: 5s, trace: { between: [branch, office], file: hill.trace } }";
        let found = lacking_under(trace, "first login after fault: 1s", "");
        assert!(found.len() == 1 && found[0].1.contains("needs 3 attempts, and 1 can come"), "{found:?}");
        let again = format!("{trace}, {{ after: 10s, heal: all }}, {KILLED}, {}", trace.replace("5s", "12s"));
        assert_eq!(lacking_under(&again, "first login after fault: 1s", ""), []);
    }

    #[test]
    fn where_nothing_fails_nothing_about_faults_can_be_said() {
        for (expect, needed) in [
            ("first login after fault: 1s", 3),
            ("next logins after fault: 1s", 30),
            ("acts at home: 0", 30),
            ("down noticed: 3s", 3),
            ("slower: no", 30),
        ] {
            let found = lacking_under("", expect, ", rounds: 2");
            let what = format!("needs {needed} attempts, and 0 can come: there is no fault");
            assert!(found.len() == 1 && found[0].1.contains(&what), "{expect}: {found:?}");
            let under = lacking_under(KILLED, expect, ", rounds: 3");
            assert_eq!(under, [], "{expect}");
        }
        assert_eq!(lacking_under("", "logins lost: 0", ""), []);
    }

    #[test]
    fn what_may_come_often_enough_is_not_refused() {
        for (expect, settings) in [
            ("logins lost: 0", ""),
            ("first login after fault: 1s", ", rounds: 3"),
            ("{ first login after fault: 1s, attempts: 1 }", ""),
            ("back after heal: 4s", ""),
            ("{ down noticed: 3s, in: office }", ""),
            ("one person, one subject: yes", ", attempts: 100"),
        ] {
            assert_eq!(lacking(expect, settings), [], "{expect}");
        }
    }
}
