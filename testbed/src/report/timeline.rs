//! The picture of the run: time to the right, what was wrong as hatched bands with their words, a lane for each branch, each
//! login a mark whose height is how long it took, a strip for the health of each connector.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::clock;
use super::details::{brief, sign_out};
use super::marks::{Marks, patterns};
use super::moments::{Moment, Row, rows};
use crate::history::{Event, Micros, SECOND, StepKind, What};
use crate::verdict::ends::sign_outs::{After, Back};
use crate::verdict::ends::visits::VisitEnd;
use crate::verdict::ends::{End, Judged};
use crate::verdict::world::{Span, Stage};
use crate::verdict::{Verdict, noticed_within};

const LEFT: f64 = 150.0;
const WIDTH: f64 = 1_180.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const ROW: f64 = 19.0;
const LANE: f64 = 132.0;
const GAP: f64 = 34.0;
const STRIP: f64 = 16.0;
/// Rows of faults beyond this are counted.
const MOST_ROWS: usize = 30;
/// Times at which a lane has a line, in milliseconds; the first and the last are its borders.
const GRID: [(u64, &str); 4] = [(100, "0.1 s"), (1_000, "1 s"), (10_000, "10 s"), (60_000, "60 s")];

/// Where the time begins and ends in the picture.
pub const PLOT: [f64; 2] = [LEFT, WIDTH - RIGHT];

struct Sheet<'v, 'a> {
    verdict: &'v Verdict<'a>,
    from: Micros,
    until: Micros,
}

/// When the picture ends.
pub fn until(verdict: &Verdict<'_>) -> Micros {
    let last = verdict.ends.logins.iter().map(|login| login.login.start).max().unwrap_or_default();
    verdict.world.end.max(last).max(verdict.world.begin + SECOND)
}

/// Steps that a reader is told of: faults and heals, in order; their numbers are their places here.
pub fn told_steps<'v>(verdict: &'v Verdict<'_>) -> impl Iterator<Item = &'v Stage<'v>> {
    verdict.world.steps.iter().filter(|step| step.kind != StepKind::Other)
}

/// Draws the run.
pub fn draw(verdict: &Verdict<'_>, events: &[Event], moments: &[Moment], marks: &Marks) -> Markup {
    let sheet = Sheet { verdict, from: verdict.world.begin, until: until(verdict) };
    let (regions, strips) = (regions(verdict), strips(verdict, events));
    let mut rows = rows(&verdict.world, moments);
    let hidden = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let wrong = TOP + if verdict.world.rounds.is_empty() { 0.0 } else { ROW };
    let lanes = wrong + (rows.len() as f64 + 0.6) * ROW;
    let lanes_end = lanes + regions.len() as f64 * (LANE + GAP);
    let bottom = lanes_end + strips.len() as f64 * STRIP;
    let height = bottom + 40.0;
    html! {
        svg.timeline viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label="Every login of the run over time" {
            (patterns())
            (sheet.shades(&rows, lanes, bottom))
            (sheet.steps(lanes, bottom))
            (sheet.rounds())
            @if !rows.is_empty() { text.small.label x=(LEFT - 6.0) y=(wrong + 12.0) text-anchor="end" { "what was wrong" } }
            @if hidden > 0 { text.small x=(LEFT - 6.0) y=(wrong + 27.0) text-anchor="end" { (hidden) " more not drawn" } }
            @for (index, row) in rows.iter().enumerate() { (sheet.row(row, wrong + index as f64 * ROW)) }
            @for (index, region) in regions.iter().enumerate() {
                (sheet.lane(region, lanes + index as f64 * (LANE + GAP) + 8.0, marks))
            }
            @for (index, (name, states)) in strips.iter().enumerate() {
                (sheet.strip(name, states, lanes_end + index as f64 * STRIP))
            }
            (sheet.axis(bottom + 6.0))
            line.cursor x1=(LEFT) y1=(TOP - 6.0) x2=(LEFT) y2=(bottom + 6.0) visibility="hidden" {}
        }
    }
}

/// Regions with people, in the order of the topology.
fn regions<'a>(verdict: &Verdict<'a>) -> Vec<&'a str> {
    let peopled = |region: &&String| verdict.world.run.people.iter().any(|person| person.region == **region);
    verdict.world.run.regions.iter().filter(peopled).map(String::as_str).collect()
}

type States<'e> = Vec<(Micros, &'e str, &'e str)>;

/// For each connector of each node: its states, from when on, and why.
fn strips<'e>(verdict: &Verdict<'_>, events: &'e [Event]) -> Vec<(String, States<'e>)> {
    let mut strips: BTreeMap<(usize, String), States<'e>> = BTreeMap::new();
    for event in events {
        let What::Health(health) = &event.what else { continue };
        let mut servers = verdict.world.run.servers.iter();
        let place = servers.position(|server| server.name == health.node).unwrap_or(usize::MAX);
        let key = (usize::MAX - place, format!("{} → {}", health.node, health.connector));
        strips.entry(key).or_default().push((event.at, &health.state, &health.why));
    }
    strips.into_iter().map(|((_, name), states)| (name, states)).collect()
}

impl Sheet<'_, '_> {
    fn x(&self, at: Micros) -> f64 {
        let at = at.clamp(self.from, self.until);
        let share = (at - self.from) as f64 / (self.until - self.from) as f64;
        rounded(LEFT + share * (WIDTH - LEFT - RIGHT))
    }

    /// Behind everything: when anything was wrong.
    fn shades(&self, rows: &[Row], top: f64, bottom: f64) -> Markup {
        let mut all: Vec<Span> = rows.iter().flat_map(|row| row.spans.iter().copied()).collect();
        all.sort_unstable();
        let mut merged: Vec<Span> = Vec::new();
        for span in all {
            match merged.last_mut() {
                Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
                _ => merged.push(span),
            }
        }
        html! {
            @for span in merged {
                @let x = self.x(span.from);
                rect.fault x=(x) y=(top) width=(rounded(self.x(span.until) - x)) height=(bottom - top) {}
            }
        }
    }

    /// A numbered line for each step, and how long probes need to notice it.
    fn steps(&self, lanes: f64, bottom: f64) -> Markup {
        let noticed = noticed_within(&self.verdict.world);
        let mut free = f64::MIN;
        html! {
            @for (index, step) in told_steps(self.verdict).enumerate() {
                @let x = self.x(step.span.from);
                line.step x1=(x) y1=(TOP - 6.0) x2=(x) y2=(bottom) {}
                rect.unnoticed x=(x) y=(lanes + 1.0) width=(rounded(self.x(step.span.until + noticed) - x)) height="4" {}
                g.flag transform={ "translate(" (beside(&mut free, x)) " " (TOP - 15.0) ")" } {
                    circle r="9" {}
                    text y="4" text-anchor="middle" { (index + 1) }
                    title { (clock(self.verdict, step.span.until)) ": " (step.words) }
                }
            }
        }
    }

    /// Which rounds were with the time line, and which without.
    fn rounds(&self) -> Markup {
        html! {
            @for (round, span) in &self.verdict.world.rounds {
                @let x = self.x(span.from);
                rect.frame x=(x) y=(TOP + 1.0) width=(rounded(self.x(span.until) - x)) height=(ROW - 4.0) {}
                text.small x=(x + 4.0) y=(TOP + 12.5) { "pair " (round.pair) @if round.faults { ", with faults" } @else { ", without" } }
            }
            @if !self.verdict.world.rounds.is_empty() {
                text.small x=(LEFT - 6.0) y=(TOP + 12.0) text-anchor="end" { "rounds" }
            }
        }
    }

    /// What was wrong, with its words on its first bar.
    fn row(&self, row: &Row, y: f64) -> Markup {
        let start = self.x(row.spans[0].from);
        let ends_right = start + row.words.chars().count() as f64 * 6.5 > WIDTH - RIGHT;
        let (at, anchor) = if ends_right { (WIDTH - RIGHT - 4.0, "end") } else { (start + 5.0, "start") };
        html! {
            g.wrong-row {
                @for span in &row.spans {
                    @let x = self.x(span.from);
                    rect.bar x=(x) y=(y + 1.0) width=(rounded((self.x(span.until) - x).max(1.5))) height=(ROW - 4.0) {
                        title { (row.words) ", " (clock(self.verdict, span.from)) " – " (clock(self.verdict, span.until)) }
                    }
                }
                text.words x=(at) y=(y + 12.5) text-anchor=(anchor) { (row.words) }
            }
        }
    }

    fn lane(&self, region: &str, y: f64, marks: &Marks) -> Markup {
        let all = self.verdict.ends.logins.iter().enumerate();
        // What went wrong lies on top of what went well.
        let mut logins: Vec<_> = all.filter(|(_, login)| login.login.region == region).collect();
        logins.sort_by_key(|(_, login)| match login.end {
            End::SignedIn => 0,
            End::Apart => 1,
            End::Told => 2,
            End::CutOff => 3,
            End::Lost => 4,
            End::Wrong => 5,
        });
        html! {
            g.lane {
                text.region x="8" y=(y + 14.0) { (region) }
                text.small x="8" y=(y + 30.0) { (logins.len()) " logins" }
                text.small x="8" y=(y + 64.0) { "how long each took" }
                rect.frame x=(LEFT) y=(y) width=(WIDTH - LEFT - RIGHT) height=(LANE) {}
                @for (millis, label) in GRID {
                    @let line = rounded(y + height(millis * 1_000));
                    line.grid x1=(LEFT) y1=(line) x2=(WIDTH - RIGHT) y2=(line) {}
                    text.small x=(LEFT - 6.0) y=(line + 4.0) text-anchor="end" { (label) }
                }
                @for (index, login) in logins { (self.login(index, login, y, marks)) }
                (self.visits(region, y + LANE + 13.0))
            }
        }
    }

    fn login(&self, index: usize, login: &Judged<'_>, y: f64, marks: &Marks) -> Markup {
        let (class, outline) = marks.of_login(login);
        let x = self.x(login.login.start);
        let y = rounded(y + height(login.took()));
        let (head, more) = brief(self.verdict, login);
        html! {
            @if login.end == End::SignedIn && login.acts > 0 { circle.ring cx=(x) cy=(y) r="7" {} }
            path class={ "mark " (class) } data-login=(index) transform={ "translate(" (x) " " (y) ")" } d=(outline) {
                title { (head) @for line in more { "\n" (line) } }
            }
        }
    }

    fn visits(&self, region: &str, y: f64) -> Markup {
        let visits: Vec<_> =
            self.verdict.ends.visits.iter().filter(|visit| visit.visit.region == region).collect();
        let leaving: Vec<_> =
            self.verdict.ends.sign_outs.iter().filter(|it| it.sign_out.region == region).collect();
        html! {
            @if !visits.is_empty() {
                text.small x=(LEFT - 6.0) y=(y + 4.0) text-anchor="end" { "sessions" }
            }
            @for visit in visits {
                @let (class, outline) = match visit.end {
                    VisitEnd::Kept => ("kept", "M0 -3V3"),
                    VisitEnd::Excused => ("excused", "M-2 0H2"),
                    VisitEnd::Lost => ("lost", "M-4 -4L4 4M4 -4L-4 4"),
                    VisitEnd::Wrong => ("wrong", "M0 -5L4 4H-4Z"),
                };
                path class={ "mark " (class) } transform={ "translate(" (self.x(visit.visit.start)) " " (y) ")" } d=(outline) {
                    title { (clock(self.verdict, visit.visit.start)) " " (visit.visit.person) " came back: " (format!("{:?}", visit.end)) " " (visit.why) }
                }
            }
            @for left in leaving {
                @let (class, outline) = match (left.after, left.back) {
                    (After::StillSignedIn, _) => ("wrong", "M0 -5L4 4H-4Z"),
                    (_, Back::Lost) => ("lost", "M-4 -4L4 4M4 -4L-4 4"),
                    (_, Back::CutOff) => ("excused", "M-2 0H2"),
                    _ => ("kept", "M0 3V-3M-3 0L0 3L3 0"),
                };
                path class={ "mark " (class) } transform={ "translate(" (self.x(left.sign_out.start)) " " (y) ")" } d=(outline) {
                    title { (clock(self.verdict, left.sign_out.start)) " " (sign_out(left)) }
                }
            }
        }
    }

    fn strip(&self, name: &str, states: &States<'_>, y: f64) -> Markup {
        html! {
            text.small x=(LEFT - 6.0) y=(y + 10.0) text-anchor="end" { (name) }
            @for (index, (at, state, why)) in states.iter().enumerate() {
                @let x = self.x(*at);
                @let end = self.x(states.get(index + 1).map_or(self.until, |next| next.0));
                @let width = rounded(end - x);
                @if width > 0.0 {
                    g {
                        rect class={ "health " (state) } x=(x) y=(y) width=(width) height="12" {}
                        @if width > state.len() as f64 * 5.5 + 6.0 { text.on x=(x + 4.0) y=(y + 9.5) { (state) } }
                        title { (name) ": " (state) " from " (clock(self.verdict, *at)) @if !why.is_empty() { ", " (why) } }
                    }
                }
            }
        }
    }

    fn axis(&self, y: f64) -> Markup {
        let seconds = (self.until - self.from) / SECOND;
        let tick = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600]
            .into_iter()
            .find(|tick| seconds / tick <= 12)
            .unwrap_or(1_800);
        html! {
            @for second in (0..=seconds).filter(|second| second % tick == 0) {
                @let x = self.x(self.from + second * SECOND);
                line.tick x1=(x) y1=(y) x2=(x) y2=(y + 5.0) {}
                text.small x=(x) y=(y + 18.0) text-anchor="middle" { (second) " s" }
            }
            line.tick x1=(LEFT) y1=(y) x2=(WIDTH - RIGHT) y2=(y) {}
            text.small x=(LEFT - 24.0) y=(y + 18.0) text-anchor="end" { "time" }
        }
    }
}

/// Where a flag that belongs to `x` finds room beside the one before it.
fn beside(free: &mut f64, x: f64) -> f64 {
    let at = x.max(*free);
    *free = at + 19.0;
    at
}

/// How far down in its lane a login of this length lies: logarithmic, long ones on top.
fn height(took: Micros) -> f64 {
    let (low, high) = ((GRID[0].0 as f64).ln(), (GRID[GRID.len() - 1].0 as f64).ln());
    let millis = (took as f64 / 1e3).max(1.0).ln();
    LANE * (1.0 - ((millis - low) / (high - low)).clamp(0.0, 1.0))
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
