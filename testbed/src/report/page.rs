//! The report from top to bottom: the verdict in a sentence, each expectation, the picture, the maps, what was not a
//! plain sign-in, where the logs are, and how all of it was judged.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use mangrove_login::Line;

use super::marks::{Marks, meaning};
use super::moments::{Moment, moments};
use super::stories::Stories;
use super::{clock, details, map, timeline};
use crate::history::{Event, ServerKind, StepKind};
use crate::verdict::ends::visits::VisitEnd;
use crate::verdict::ends::{End, Judged};
use crate::verdict::judge::{Outcome, Ruling, in_words};
use crate::verdict::{Counts, Verdict, noticed_within};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("hover.js");
/// Logins of one kind that are told one by one; what is more is counted.
const MOST_ROWS: usize = 300;
/// Kinds of logins that show an example at once, on paper too.
const MOST_OPEN: usize = 4;
const ENDS: [End; 6] = [End::SignedIn, End::Told, End::CutOff, End::Lost, End::Wrong, End::Apart];

/// The whole file. `lines`: what the nodes' decision logs say, for the stories of the logins.
pub fn html(verdict: &Verdict<'_>, events: &[Event], lines: &[Line]) -> String {
    let run = verdict.world.run;
    let marks = Marks::of(verdict);
    let moments = moments(&verdict.world, events);
    let stories = Stories::of_lines(lines);
    let data = details::json(verdict, &moments, &stories, timeline::PLOT, timeline::until(verdict));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (run.topology) ": " (word(verdict.code())) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class={ "code" (verdict.code()) } {
                    p.topology { (run.topology) }
                    h1 { (verdict.sentence()) }
                    p.sentence { "To be shown: " (run.sentence) }
                }
                main {
                    (expectations(verdict))
                    (picture(verdict, events, &moments, &marks))
                    section.reach { h2 { "Who could reach whom" } (map::phases(verdict, &moments)) }
                    (early(verdict))
                    (logins(verdict))
                    (sessions(verdict))
                    (sign_outs(verdict))
                    (judged(verdict))
                    (logs(verdict, &stories))
                }
                script #data type="application/json" { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn word(code: u8) -> &'static str {
    match code {
        0 => "passed",
        1 => "failed",
        _ => "cannot judge",
    }
}

fn expectations(verdict: &Verdict<'_>) -> Markup {
    let row = |outcome: &Outcome| {
        let (class, sign, said) = match outcome.ruling {
            Ruling::Holds => ("holds", "✓", "holds"),
            Ruling::Fails => ("fails", "✕", "fails"),
            Ruling::CannotJudge => ("unsure", "?", "cannot judge"),
        };
        html! {
            tr class=(class) {
                td.sign { (sign) " " (said) }
                td { (outcome.expected) }
                td { (outcome.found) }
                td.number { (outcome.attempts) " / " (outcome.needed) }
            }
        }
    };
    // What does not hold is read first.
    let mut outcomes: Vec<&Outcome> = verdict.outcomes.iter().collect();
    outcomes.sort_by_key(|outcome| match outcome.ruling {
        Ruling::Fails => 0,
        Ruling::CannotJudge => 1,
        Ruling::Holds => 2,
    });
    html! {
        section {
            h2 { "What was expected" }
            table {
                thead { tr { th { "" } th { "expected" } th { "found" } th.number title="attempts / least number of attempts" { "tried / needed" } } }
                tbody { @for outcome in outcomes { (row(outcome)) } }
            }
        }
    }
}

fn picture(verdict: &Verdict<'_>, events: &[Event], moments: &[Moment], marks: &Marks) -> Markup {
    let steps = || timeline::told_steps(verdict);
    html! {
        section.picture {
            h2 { "What happened" }
            @if steps().next().is_some() {
                ol.steps {
                    @for step in steps() {
                        li class=(if step.kind == StepKind::Fault { "bad" } else { "" }) {
                            b { (clock(verdict, step.span.until)) } " " (step.words)
                        }
                    }
                }
            } @else { p { "Nothing was broken." } }
            (marks.legend(verdict))
            div.scroll { (timeline::draw(verdict, events, moments, marks)) }
            p.small {
                "Each mark is one login: to the right when it began, higher up the longer it took. A ring around it: the person had to do more than usual (start again, choose, type once more). "
                "Hatched: something was wrong. Dark bar above the lanes: a step was so recent that probes need not have noticed it yet. "
                "Below the lanes: what each node thought of its connectors."
            }
            (now(verdict, moments))
        }
    }
}

/// The map that moves with the time line, and the login that is pointed at; shown by the script.
fn now(verdict: &Verdict<'_>, moments: &[Moment]) -> Markup {
    html! {
        div #now hidden {
            div.mover {
                label for="time" { "Move over the time line, or here: " }
                input #time type="range" min="0" step="100" value="0";
            }
            div.reached {
                p { b #clock {} " " span #stands {} }
                @if let Some(first) = moments.first() { (map::Plan::of(verdict.world.run).draw(&first.state)) }
            }
            div #pointed { p.small { "Point at a login for its hops, its decisions and its story; click to keep it here." } }
        }
    }
}

/// Counts, with those honestly shown that came before anybody could have noticed.
fn early(verdict: &Verdict<'_>) -> Markup {
    let row = |region: &str, when: &str, counts: &std::collections::BTreeMap<End, usize>| {
        html! {
            tr {
                th { (region) }
                td { (when) }
                @for end in ENDS {
                    @let count = counts.get(&end).copied().unwrap_or_default();
                    td.number class=(if count > 0 && matches!(end, End::Lost | End::Wrong) { "fails" } else { "" }) { (count) }
                }
            }
        }
    };
    let time = in_words(noticed_within(&verdict.world));
    html! {
        section.ends {
            h2 { "How the logins ended" }
            table {
                thead { tr { th { "region" } th { "when" } @for end in ENDS { th.number title=(meaning(end)) { (end.words()) } } } }
                tbody {
                    @for (region, Counts { unnoticed, noticed }) in &verdict.counts {
                        (row(region, &format!("within {time} of a change"), unnoticed))
                        (row("", "otherwise", noticed))
                    }
                }
            }
            p.small { "Probes need up to " (time) " to notice that something died or is back. Logins near a change are counted apart, not left out." }
        }
    }
}

/// Logins with the same end for the same reason in one region, in the order of their beginnings.
struct Group<'v, 'a> {
    region: &'v str,
    end: End,
    acts: u32,
    why: String,
    logins: Vec<&'v Judged<'a>>,
}

/// Lost and wrong first, then by time.
fn groups<'v, 'a>(verdict: &'v Verdict<'a>) -> Vec<Group<'v, 'a>> {
    let mut groups: Vec<Group<'v, 'a>> = Vec::new();
    for login in verdict.ends.logins.iter().filter(|login| login.end != End::SignedIn || login.acts > 0) {
        let (region, end, acts) = (login.login.region.as_str(), login.end, login.acts);
        let why = details::why(login);
        let same = |group: &&mut Group<'_, '_>| {
            (group.region, group.end, group.acts, group.why.as_str()) == (region, end, acts, why.as_str())
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.logins.push(login),
            None => groups.push(Group { region, end, acts, why, logins: vec![login] }),
        }
    }
    for group in &mut groups {
        group.logins.sort_by_key(|login| login.login.start);
    }
    groups.sort_by_key(|group| {
        (std::cmp::Reverse(group.end == End::Wrong), group.end != End::Lost, group.logins[0].login.start)
    });
    groups
}

fn logins(verdict: &Verdict<'_>) -> Markup {
    let groups = groups(verdict);
    html! {
        section {
            h2 { "Logins that were not plain sign-ins" }
            @if groups.is_empty() { p { "None." } } @else {
                table.logins {
                    thead { tr { th { "end" } th.number { "how many" } th { "region" } th { "began" } th.number { "took" } th.number { "more acts" } th { "why; open it for each login and its hops" } } }
                    tbody {
                        @for (index, group) in groups.iter().enumerate() { (group_row(verdict, group, index < MOST_OPEN)) }
                    }
                }
            }
        }
    }
}

fn group_row(verdict: &Verdict<'_>, group: &Group<'_, '_>, open: bool) -> Markup {
    let bad = matches!(group.end, End::Lost | End::Wrong);
    let (first, last) = (group.logins[0], group.logins[group.logins.len() - 1]);
    let times = group.logins.iter().map(|login| login.took());
    let (least, most) = (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default());
    let range = |from: String, to: String| if from == to { from } else { format!("{from} – {to}") };
    let left_out = group.logins.len().saturating_sub(MOST_ROWS);
    html! {
        tr class=(if bad { "fails" } else { "" }) {
            td { (group.end.words()) }
            td.number { (group.logins.len()) }
            td { (group.region) }
            td { (range(clock(verdict, first.login.start), clock(verdict, last.login.start))) }
            td.number { (range(in_words(least), in_words(most))) }
            td.number { (group.acts) }
            td {
                details open[open] {
                    summary { (group.why) }
                    (story(verdict, first, open))
                    @if group.logins.len() > 1 {
                        details {
                            summary { (group.logins.len() - 1) " more" }
                            @for login in group.logins.iter().take(MOST_ROWS).skip(1) { (story(verdict, login, false)) }
                        }
                    }
                    @if left_out > 0 { p.small { (left_out) " more are in the history." } }
                }
            }
        }
    }
}

fn story(verdict: &Verdict<'_>, login: &Judged<'_>, open: bool) -> Markup {
    html! {
        details open[open] {
            summary {
                (clock(verdict, login.login.start)) " " (login.login.person) ", " (in_words(login.took()))
                @if let Some(id) = &login.login.login_id { ", login " code { (id) } }
            }
            ol.hops { @for hop in details::hops(login) { li { (hop) } } }
        }
    }
}

fn sessions(verdict: &Verdict<'_>) -> Markup {
    let odd: Vec<_> = verdict.ends.visits.iter().filter(|visit| visit.end != VisitEnd::Kept).collect();
    let total = verdict.ends.visits.len();
    html! {
        @if total > 0 {
            section {
                h2 { "People who came back with a session" }
                p { (total) " visits, " (total - odd.len()) " with the session as it was." }
                @if !odd.is_empty() {
                    ul {
                        @for visit in odd.iter().take(MOST_ROWS) {
                            li { (clock(verdict, visit.visit.start)) " " (visit.visit.person) ": "
                                b { (match visit.end { VisitEnd::Lost => "lost", VisitEnd::Wrong => "wrong", _ => "excused" }) }
                                ", " (visit.why) }
                        }
                    }
                }
            }
        }
    }
}

fn sign_outs(verdict: &Verdict<'_>) -> Markup {
    let all = &verdict.ends.sign_outs;
    let odd: Vec<_> = all.iter().filter(|it| !it.why.is_empty()).collect();
    html! {
        @if !all.is_empty() {
            section {
                h2 { "People who signed out" }
                p { (all.len()) " sign-outs, " (all.len() - odd.len()) " back at the application without more to say." }
                @if !odd.is_empty() {
                    ul {
                        @for left in odd.iter().take(MOST_ROWS) {
                            li { (clock(verdict, left.sign_out.start)) " " (details::sign_out(left)) }
                        }
                    }
                }
            }
        }
    }
}

fn judged(verdict: &Verdict<'_>) -> Markup {
    let probes = &verdict.probes;
    html! {
        section {
            h2 { "How this was judged" }
            p {
                "A login is lost if for its whole window (its start to three usual logins later, at least 2 s) one fixed chain of "
                "application, edge, root and identity provider was live and reachable for that person, and it was not signed in. "
                "What was live is computed from the faults as the kernel accepted them, never from what the nodes say. "
            }
            p {
                @if probes.compared == 0 { "No TCP probes were made to check the faults." } @else {
                    (probes.compared) " TCP probes from inside the regions were held against the faults; "
                    (probes.disagreed) " met something else"
                    @if probes.disagreed > 0 { " (the first: " (probes.example) ")" }
                    "."
                }
                " Seed " (verdict.world.run.seed) "."
            }
            p { "The machine: " (verdict.machine.words()) "." }
        }
    }
}

/// Where everything lies, and each login's id to search it by.
fn logs(verdict: &Verdict<'_>, stories: &Stories<'_>) -> Markup {
    let run = verdict.world.run;
    let nodes = |region: &str| {
        let here =
            run.servers.iter().filter(|server| server.region == region && server.kind != ServerKind::App);
        here.map(|server| server.name.clone()).collect::<Vec<_>>()
    };
    let logins = &verdict.ends.logins;
    html! {
        section.logs {
            h2 { "Logs" }
            p {
                "Beside this file: " a href="history.jsonl" { "history.jsonl" } " (all that was done and seen, one clock), "
                a href="topology.yaml" { "topology.yaml" } ", and what every node wrote, by region:"
            }
            ul.files {
                @for region in run.regions.iter().filter(|region| !nodes(region).is_empty()) {
                    li { b { (region) } @for node in nodes(region) { " " a href={ "logs/" (region) "/" (node) ".log" } { code { "logs/" (region) "/" (node) ".log" } } } }
                }
            }
            p { "The whole way of one login through all of them, in words: " code { "mangrove-edge why ID -log logs/*/*.log" } }
            details {
                summary { "All " (logins.len()) " logins with their ids" }
                table.logins {
                    thead { tr { th { "began" } th { "person" } th { "region" } th { "end" } th { "by" } th.number { "took" } th { "id" } } }
                    tbody {
                        @for login in logins {
                            tr {
                                td { (clock(verdict, login.login.start)) }
                                td { (login.login.person) }
                                td { (login.login.region) }
                                td { (login.end.words()) }
                                td { @if login.end == End::SignedIn { (login.answered_by()) } }
                                td.number { (in_words(login.took())) }
                                td { code { (stories.ids(login.login).join(" ")) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
