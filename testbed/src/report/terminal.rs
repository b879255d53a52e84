//! The verdict for a terminal: plain text, no colours, fits beside a log.

use std::fmt::Write as _;

use super::{clock, details};
use crate::verdict::Verdict;
use crate::verdict::ends::sign_outs::{After, Back, JudgedSignOut};
use crate::verdict::ends::visits::VisitEnd;
use crate::verdict::ends::{End, Judged};
use crate::verdict::judge::{Ruling, in_words};

/// Logins that are told of one by one.
const MOST_STORIES: usize = 5;

/// The verdict, its expectations, and what went worst.
pub fn summary(verdict: &Verdict<'_>) -> String {
    let mut text = String::new();
    for outcome in &verdict.outcomes {
        let sign = match outcome.ruling {
            Ruling::Holds => "holds ",
            Ruling::Fails => "FAILS ",
            Ruling::CannotJudge => "unsure",
        };
        let _ = writeln!(text, "  {sign}  {}\n          {}", outcome.expected, outcome.found);
    }
    let bad = |login: &&Judged<'_>| matches!(login.end, End::Lost | End::Wrong);
    let stories: Vec<_> = verdict.ends.logins.iter().filter(bad).collect();
    for login in stories.iter().take(MOST_STORIES) {
        let (at, took) = (clock(verdict, login.login.start), in_words(login.took()));
        let id = login.login.login_id.as_deref().map(|id| format!(" [login {id}]")).unwrap_or_default();
        let _ = writeln!(
            text,
            "  {at} {}: {} after {took}: {}{id}",
            login.login.person,
            login.end.words(),
            login.why
        );
    }
    if stories.len() > MOST_STORIES {
        let _ = writeln!(text, "  ... and {} more; the report has them all", stories.len() - MOST_STORIES);
    }
    for visit in verdict.ends.visits.iter().filter(|visit| visit.end == VisitEnd::Lost).take(MOST_STORIES) {
        let _ = writeln!(
            text,
            "  {} {}: session lost: {}",
            clock(verdict, visit.visit.start),
            visit.visit.person,
            visit.why
        );
    }
    let bad = |left: &&JudgedSignOut<'_>| left.after == After::StillSignedIn || left.back == Back::Lost;
    for left in verdict.ends.sign_outs.iter().filter(bad).take(MOST_STORIES) {
        let _ = writeln!(text, "  {} {}", clock(verdict, left.sign_out.start), details::sign_out(left));
    }
    if verdict.probes.doubtful() {
        let probes = &verdict.probes;
        let _ = writeln!(
            text,
            "  {} of {} TCP probes disagree with the faults: {}",
            probes.disagreed, probes.compared, probes.example
        );
    }
    let _ = writeln!(text, "{}", verdict.sentence());
    text
}
