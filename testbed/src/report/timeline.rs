//! The picture of the run: time to the right, a lane for each branch, each login a mark whose height is how long it
//! took, faults as hatched bands with numbers, a strip for the health of each connector.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::clock;
use super::marks::{Marks, patterns};
use crate::history::{Event, Hop, Micros, SECOND, StepKind, What};
use crate::verdict::ends::{End, Judged, VisitEnd};
use crate::verdict::judge::in_words;
use crate::verdict::world::Span;
use crate::verdict::{Verdict, noticed_within};

const LEFT: f64 = 150.0;
const WIDTH: f64 = 1_180.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const LANE: f64 = 132.0;
const GAP: f64 = 30.0;
const STRIP: f64 = 15.0;
/// Times at which a lane has a line, in milliseconds; the first and the last are its borders.
const GRID: [(u64, &str); 4] = [(100, "0.1 s"), (1_000, "1 s"), (10_000, "10 s"), (60_000, "60 s")];

struct Sheet<'v, 'a> {
    verdict: &'v Verdict<'a>,
    from: Micros,
    until: Micros,
    height: f64,
}

/// Draws the run.
pub fn draw(verdict: &Verdict<'_>, events: &[Event], marks: &Marks) -> Markup {
    let regions = regions(verdict);
    let strips = strips(verdict, events);
    let lanes_end = TOP + regions.len() as f64 * (LANE + GAP);
    let height = lanes_end + strips.len() as f64 * STRIP + 46.0;
    let last = verdict.ends.logins.iter().map(|login| login.login.start).max().unwrap_or_default();
    let sheet = Sheet {
        verdict,
        from: verdict.world.begin,
        until: verdict.world.end.max(last).max(verdict.world.begin + SECOND),
        height,
    };
    html! {
        svg.timeline viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label="Every login of the run over time" {
            (patterns())
            (sheet.bands(lanes_end + strips.len() as f64 * STRIP))
            @for (index, region) in regions.iter().enumerate() {
                (sheet.lane(region, TOP + index as f64 * (LANE + GAP) + 8.0, marks))
            }
            @for (index, (name, states)) in strips.iter().enumerate() {
                (sheet.strip(name, states, lanes_end + index as f64 * STRIP))
            }
            (sheet.axis(height - 30.0))
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
        let place = verdict
            .world
            .run
            .servers
            .iter()
            .position(|server| server.name == health.node)
            .unwrap_or(usize::MAX);
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

    /// Faults from their beginning to the next heal, numbered; hatched more densely until probes could notice.
    fn bands(&self, bottom: f64) -> Markup {
        let steps = &self.verdict.world.steps;
        let noticed = noticed_within(&self.verdict.world);
        html! {
            @for (index, step) in steps.iter().enumerate() {
                @let x = self.x(step.span.from);
                @if step.kind == StepKind::Fault {
                    @let healed = steps[index + 1..].iter().find(|later| later.kind == StepKind::Heal);
                    @let width = self.x(healed.map_or(self.until, |heal| heal.span.until)) - x;
                    rect.fault x=(x) y=(TOP) width=(rounded(width)) height=(bottom - TOP) {}
                }
                @if step.kind != StepKind::Other {
                    rect.unnoticed x=(x) y=(TOP) width=(rounded(self.x(step.span.until + noticed) - x)) height="5" {}
                }
                line.step x1=(x) y1=(TOP - 10.0) x2=(x) y2=(bottom) {}
                g.flag transform={ "translate(" (x) " " (TOP - 17.0) ")" } {
                    circle r="9" {}
                    text y="4" text-anchor="middle" { (index + 1) }
                    title { (clock(self.verdict, step.span.until)) ": " (step.words) }
                }
            }
        }
    }

    fn lane(&self, region: &str, y: f64, marks: &Marks) -> Markup {
        let logins = self.verdict.ends.logins.iter().filter(|login| login.login.region == region);
        // What went wrong lies on top of what went well.
        let mut logins: Vec<_> = logins.collect();
        logins.sort_by_key(|login| match login.end {
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
                rect.frame x=(LEFT) y=(y) width=(WIDTH - LEFT - RIGHT) height=(LANE) {}
                @for (millis, label) in GRID {
                    @let line = rounded(y + height(millis * 1_000));
                    line.grid x1=(LEFT) y1=(line) x2=(WIDTH - RIGHT) y2=(line) {}
                    text.small x=(LEFT - 6.0) y=(line + 4.0) text-anchor="end" { (label) }
                }
                @for login in logins { (self.login(login, y, marks)) }
                (self.visits(region, y + LANE + 13.0))
            }
        }
    }

    fn login(&self, login: &Judged<'_>, y: f64, marks: &Marks) -> Markup {
        let (class, outline) = marks.of_login(login);
        let acts = if login.acts > 0 { " acted" } else { "" };
        let x = self.x(login.login.start);
        let y = rounded(y + height(login.took()));
        html! {
            path class={ "mark " (class) (acts) } transform={ "translate(" (x) " " (y) ")" } d=(outline) {
                title { (describe(self.verdict, login)) }
            }
        }
    }

    fn visits(&self, region: &str, y: f64) -> Markup {
        let visits: Vec<_> =
            self.verdict.ends.visits.iter().filter(|visit| visit.visit.region == region).collect();
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
                        rect class={ "health " (state) } x=(x) y=(y) width=(width) height="11" {}
                        @if width > 60.0 { text.on x=(x + 4.0) y=(y + 9.0) { (state) } }
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
            @if self.height > 0.0 { text.small x="8" y=(y + 18.0) { "time" } }
        }
    }
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

/// Everything about a login, in lines.
pub fn describe(verdict: &Verdict<'_>, login: &Judged<'_>) -> String {
    let mut lines = vec![format!(
        "{} {} in {}: {} after {}",
        clock(verdict, login.login.start),
        login.login.person,
        login.login.region,
        login.end.words(),
        in_words(login.took())
    )];
    if login.end == End::SignedIn {
        lines.push(format!("by {}", login.answered_by()));
    } else if !login.why.is_empty() {
        lines.push(login.why.clone());
    }
    if login.acts > 0 {
        lines.push(format!("{} more acts than usual", login.acts));
    }
    if let Some(id) = &login.login.login_id {
        lines.push(format!("login id {id}"));
    }
    lines.extend(login.login.hops.iter().map(|hop| describe_hop(login.login.start, hop)));
    lines.join("\n")
}

/// One request, in a line.
pub fn describe_hop(start: Micros, hop: &Hop) -> String {
    let answer = match (hop.status, hop.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => format!("{error:?}"),
        (None, None) => String::new(),
    };
    let after = Span { from: start, until: hop.start };
    format!(
        "+{} {} {} → {answer} in {}",
        in_words(after.until - after.from),
        hop.method,
        hop.url,
        in_words(hop.took)
    )
}
