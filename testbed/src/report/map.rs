//! Who could reach whom, phase by phase: a small map for each time between two steps, so that paper shows it too.

use maud::{Markup, html};

use super::clock;
use crate::history::{MILLISECOND, Micros, ServerKind, StepKind};
use crate::verdict::Verdict;
use crate::verdict::world::Span;

const WIDTH: f64 = 330.0;
const HEIGHT: f64 = 210.0;
/// More maps than this help nobody.
const MOST: usize = 12;

/// A map for each phase.
pub fn draw(verdict: &Verdict<'_>) -> Markup {
    let world = &verdict.world;
    let steps = || world.steps.iter().enumerate().filter(|(_, step)| step.kind != StepKind::Other);
    let mut starts: Vec<(Micros, String)> = vec![(world.begin, "at first".to_owned())];
    starts.extend(steps().map(|(index, step)| (step.span.until, format!("{} {}", index + 1, step.words))));
    let ends = steps().map(|(_, step)| step.span.from).chain([world.end]);
    let left_out = starts.len().saturating_sub(MOST);
    html! {
        div.maps {
            @for ((at, words), end) in starts.iter().zip(ends).take(MOST) {
                figure {
                    (map(verdict, *at, end))
                    figcaption { b { (clock(verdict, *at)) } " " (words) }
                }
            }
        }
        @if left_out > 0 { p.small { (left_out) " later phases are not drawn." } }
    }
}

/// The phase from `at` to `end`, as it stood at its end: what is started needs a moment until it runs.
fn map(verdict: &Verdict<'_>, at: Micros, end: Micros) -> Markup {
    let world = &verdict.world;
    let settled = end.saturating_sub(2 * MILLISECOND).max(at + MILLISECOND);
    let during = Span { from: settled, until: settled + MILLISECOND };
    let places: Vec<(&str, f64, f64)> = places(verdict);
    let place = |name: &str| places.iter().find(|(region, ..)| *region == name).copied();
    html! {
        svg.map viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label="Regions and who reaches whom" {
            @for link in &world.run.links {
                @if let (Some((_, ax, ay)), Some((_, bx, by))) = (place(&link.a), place(&link.b)) {
                    @let open = world.linked(&link.a, &link.b, during);
                    line class=(if open { "link" } else { "link cut" }) x1=(ax) y1=(ay) x2=(bx) y2=(by) {
                        title { (link.a) " – " (link.b) ": " (if open { "open" } else { "cut" }) }
                    }
                    @if !open {
                        path.no transform={ "translate(" ((ax + bx) / 2.0) " " ((ay + by) / 2.0) ")" } d="M-6 -6L6 6M6 -6L-6 6" {}
                    }
                }
            }
            @for (region, x, y) in &places { (box_of(verdict, region, (*x, *y), during)) }
        }
    }
}

/// A region with its servers; those that do not run are struck through.
fn box_of(verdict: &Verdict<'_>, region: &str, (x, y): (f64, f64), during: Span) -> Markup {
    let servers: Vec<_> = verdict
        .world
        .run
        .servers
        .iter()
        .filter(|server| server.region == region && server.kind != ServerKind::App)
        .collect();
    let height = 20.0 + 12.0 * servers.len() as f64;
    html! {
        g transform={ "translate(" (x) " " (y) ")" } {
            rect.place x="-48" y=(-height / 2.0) width="96" height=(height) rx="5" {}
            text.name y=(14.0 - height / 2.0) text-anchor="middle" { (region) }
            @for (index, server) in servers.iter().enumerate() {
                @let runs = verdict.world.running(&server.name, during);
                text class=(if runs { "server" } else { "server dead" }) y=(27.0 - height / 2.0 + 12.0 * index as f64) text-anchor="middle" {
                    (server.name) @if !runs { " ✕" }
                }
            }
        }
    }
}

/// Identity providers on top, roots below them, branches at the bottom.
fn places<'a>(verdict: &Verdict<'a>) -> Vec<(&'a str, f64, f64)> {
    let run = verdict.world.run;
    let row = |region: &str| {
        let has = |kind| run.servers.iter().any(|server| server.region == region && server.kind == kind);
        if has(ServerKind::Edge) || run.people.iter().any(|person| person.region == region) {
            2
        } else if has(ServerKind::Root) {
            1
        } else {
            0
        }
    };
    let mut rows: [Vec<&str>; 3] = Default::default();
    for region in &run.regions {
        rows[row(region)].push(region);
    }
    let used: Vec<_> = rows.into_iter().filter(|row| !row.is_empty()).collect();
    let mut places = Vec::new();
    for (line, row) in used.iter().enumerate() {
        let y = HEIGHT * (line as f64 + 0.5) / used.len() as f64;
        for (column, region) in row.iter().enumerate() {
            places.push((*region, WIDTH * (column as f64 + 0.5) / row.len() as f64, y));
        }
    }
    places
}
