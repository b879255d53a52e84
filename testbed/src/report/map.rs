//! The map of the regions: who could reach whom. One that moves with the time line, and one for each way in which the mesh
//! stood, so that paper shows it too.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::clock;
use super::moments::{Moment, State, spans};
use crate::history::{
    IdpState, Micros, NamesState, PathState, ProcessState, Run, SECOND, Server, ServerKind,
};
use crate::verdict::Verdict;
use crate::verdict::world::Span;

/// Between boxes.
const GAP: f64 = 40.0;
/// How much lower the middle of a row of three or more lies, so that a link does not hide behind a box.
const BOW: f64 = 30.0;
/// Where on a link its sign stands: not in the middle, where links cross.
const SIGN: f64 = 0.38;
const LETTER: f64 = 6.7;
/// More letters of a name are cut.
const LETTERS: usize = 22;
/// Layers of nodes beyond this stand in one row.
const DEEPEST: usize = 8;
/// More maps than this help nobody.
const MOST: usize = 12;
/// More times than this of one map are counted.
const MOST_TIMES: usize = 3;

/// A map for each way in which the mesh stood, in the order in which it first did.
pub fn phases(verdict: &Verdict<'_>, moments: &[Moment]) -> Markup {
    let world = &verdict.world;
    let mut maps: Vec<(&State, Vec<Span>)> = Vec::new();
    for (state, span) in spans(world, moments) {
        match maps.iter_mut().find(|(known, _)| *known == state) {
            Some((_, times)) => times.push(span),
            None => maps.push((state, vec![span])),
        }
    }
    maps.retain(|(state, times)| !passing(state, times));
    let left_out = maps.len().saturating_sub(MOST);
    let plan = Plan::of(world.run);
    html! {
        div.maps {
            @for (state, times) in maps.iter().take(MOST) {
                figure.phase {
                    figcaption { b { (when(verdict, times)) } " " (state.sentence(world.run)) }
                    (plan.draw(state))
                }
            }
        }
        @if left_out > 0 { p.small { (left_out) " more are not drawn; move over the time line to see them." } }
        p.small { "✕: cut. An arrow: open this way only. Dotted: worse than usual. ✕, ‖, … and ! at a server: gone, paused, starting, not doing its work as it should. Only regions that a line joins ever reach each other." }
    }
}

/// Processes that are being started, for a moment: nothing that a reader has to see.
fn passing(state: &State, times: &[Span]) -> bool {
    let lasted: Micros = times.iter().map(|time| time.until.saturating_sub(time.from)).sum();
    state.servers.contains(&ProcessState::Starting) && lasted < SECOND
}

fn when(verdict: &Verdict<'_>, times: &[Span]) -> String {
    let time = |span: &Span| format!("{} – {}", clock(verdict, span.from), clock(verdict, span.until));
    let told: Vec<_> = times.iter().take(MOST_TIMES).map(time).collect();
    let more = times.len() - told.len();
    let more = match more {
        0 => String::new(),
        1 => " and once more".to_owned(),
        more => format!(" and {more} more times"),
    };
    format!("{}{more}:", told.join(", "))
}

/// Where each region lies.
pub struct Plan<'r> {
    run: &'r Run,
    places: BTreeMap<&'r str, (f64, f64)>,
    wide: f64,
    size: (f64, f64),
}

impl<'r> Plan<'r> {
    /// Whoever vouches stands on top, whoever asks below whom it asks, branches at the bottom.
    pub fn of(run: &'r Run) -> Self {
        let mut rows: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for region in &run.regions {
            let here = || run.servers.iter().filter(|server| server.region == *region);
            let branch = here().any(|server| server.kind == ServerKind::Edge)
                || run.people.iter().any(|person| person.region == *region);
            let row = here().map(|server| distance(run, server, DEEPEST)).max().unwrap_or_default();
            rows.entry(if branch { DEEPEST } else { row }).or_default().push(region);
        }
        let names = run.regions.iter().chain(run.servers.iter().map(|server| &server.name));
        let letters = names.map(|name| name.chars().count().min(LETTERS)).max().unwrap_or_default();
        let wide = (letters as f64 * LETTER + 14.0).max(96.0);
        let most = rows.values().map(Vec::len).max().unwrap_or_default().max(3);
        // Where layers are many, every second row is wider: a link over a row must not hide behind it.
        let layered = rows.len() > 3;
        let width = most as f64 * (wide + 20.0) + if layered { wide } else { 0.0 };
        let mut plan = Self { run, places: BTreeMap::new(), wide, size: (width, 0.0) };
        let mut top = 8.0;
        for (line, row) in rows.values().enumerate() {
            let spread = if layered && line % 2 == 0 { 1.5 } else { 1.0 };
            let tallest = row.iter().map(|region| plan.height(region)).fold(0.0, f64::max);
            let bow = if row.len() > 2 { BOW } else { 0.0 };
            for (column, region) in row.iter().enumerate() {
                let share = (column as f64 + 0.5) / row.len() as f64;
                let lower = bow * (1.0 - (2.0 * share - 1.0).powi(2));
                let x = (width * (0.5 + (share - 0.5) * spread)).clamp(wide / 2.0, width - wide / 2.0);
                plan.places.insert(region, (round(x), round(top + tallest / 2.0 + lower)));
            }
            top += tallest + bow + GAP;
        }
        plan.size.1 = top - GAP + 8.0;
        plan
    }

    fn height(&self, region: &str) -> f64 {
        34.0 + 13.0 * self.servers(region).count() as f64
    }

    fn servers(&self, region: &str) -> impl Iterator<Item = (usize, &'r str)> {
        let here = self.run.servers.iter().enumerate();
        here.filter(move |(_, server)| server.region == region && server.kind != ServerKind::App)
            .map(|(index, server)| (index, server.name.as_str()))
    }

    /// Draws it; the class of each link, server and region says how it stands, and the script may change it.
    pub fn draw(&self, state: &State) -> Markup {
        let codes = Codes::of(state);
        html! {
            svg.map viewBox={ "0 0 " (round(self.size.0)) " " (round(self.size.1)) } role="img" aria-label={ "Map: " (state.sentence(self.run)) } {
                @for (index, (link, code)) in self.run.links.iter().zip(codes.links.chars()).enumerate() {
                    @if let (Some(a), Some(b)) = (self.places.get(link.a.as_str()), self.places.get(link.b.as_str())) {
                        @let (dx, dy) = (b.0 - a.0, b.1 - a.1);
                        @let turn = dy.atan2(dx).to_degrees().round();
                        g class={ "l-" (code) } data-at=(index) {
                            line.link x1=(a.0) y1=(a.1) x2=(b.0) y2=(b.1) {}
                            g transform={ "translate(" (round(a.0 + dx * SIGN)) " " (round(a.1 + dy * SIGN)) ")" } {
                                path.no d="M-6 -6L6 6M6 -6L-6 6" {}
                                path.there d="M-6 -5L7 0L-6 5Z" transform={ "rotate(" (turn) ")" } {}
                                path.back d="M6 -5L-7 0L6 5Z" transform={ "rotate(" (turn) ")" } {}
                            }
                        }
                    }
                }
                @for index in 0..self.run.regions.len() {
                    (self.box_of(index, &codes))
                }
            }
        }
    }

    fn box_of(&self, region: usize, codes: &Codes) -> Markup {
        let (at, region) = (region, self.run.regions[region].as_str());
        let Some((x, y)) = self.places.get(region) else { return html! {} };
        let letter = |codes: &str, at| codes.chars().nth(at).unwrap_or('r');
        let height = self.height(region);
        html! {
            g class={ "n-" (letter(&codes.names, at)) } data-at=(at) transform={ "translate(" (x) " " (y) ")" } text-anchor="middle" {
                rect.place x=(-self.wide / 2.0) y=(-height / 2.0) width=(self.wide) height=(height) rx="5" {}
                text.name y=(15.0 - height / 2.0) { (cut(region)) }
                @for (line, (index, name)) in self.servers(region).enumerate() {
                    g class={ "s-" (letter(&codes.servers, index)) } data-at=(index) {
                        text.server y=(29.0 - height / 2.0 + 13.0 * line as f64) {
                            tspan.of { (cut(name)) } tspan.gone { " ✕" } tspan.paused { " ‖" } tspan.starting { " …" } tspan.ill { " !" }
                        }
                    }
                }
                text.dns y=(height / 2.0 - 5.0) {
                    tspan.dead { "DNS ✕ dead" } tspan.lies { "DNS lies" } tspan.old { "DNS out of date" }
                }
            }
        }
    }
}

/// How many others are between a server and whoever vouches, at most.
fn distance(run: &Run, server: &Server, deepest: usize) -> usize {
    let asked = run.servers.iter().filter(|other| server.upstreams.contains(&other.name));
    let farthest = asked.filter(|_| deepest > 0).map(|other| 1 + distance(run, other, deepest - 1)).max();
    if server.kind == ServerKind::App { 0 } else { farthest.unwrap_or_default() }
}

/// A letter for each link, server and region: the end of its class.
pub struct Codes {
    /// `o`pen, `i`mpaired, `c`ut, `t`here only, `b`ack only.
    pub links: String,
    /// `r`unning, `i`ll, `s`topped, `p`aused, s`t`arting.
    pub servers: String,
    /// `r`ight, `d`ead, `l`ying, `o`ut of date.
    pub names: String,
}

impl Codes {
    /// The letters of a state.
    pub fn of(state: &State) -> Self {
        let link = |[there, back]: &[PathState; 2]| match (there.is_open(), back.is_open()) {
            (true, true) if *there == PathState::Open && *back == PathState::Open => 'o',
            (true, true) => 'i',
            (true, false) => 't',
            (false, true) => 'b',
            (false, false) => 'c',
        };
        let well = |index: usize| state.conduct[index].0 == IdpState::Right && state.clocks[index] == 0;
        let server = |(index, server): (usize, &ProcessState)| match server {
            ProcessState::Running if !well(index) => 'i',
            ProcessState::Running => 'r',
            ProcessState::Stopped => 's',
            ProcessState::Paused => 'p',
            ProcessState::Starting => 't',
        };
        let names = |(names, _): &(NamesState, Vec<String>)| match names {
            NamesState::Right => 'r',
            NamesState::Dead => 'd',
            NamesState::Lying => 'l',
            NamesState::Stale => 'o',
        };
        Self {
            links: state.links.iter().map(link).collect(),
            servers: state.servers.iter().enumerate().map(server).collect(),
            names: state.names.iter().map(names).collect(),
        }
    }
}

fn cut(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
