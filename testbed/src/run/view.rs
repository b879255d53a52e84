//! What one sees while a run goes on: on a terminal a lane for each group of people and a bar of progress, elsewhere a
//! line for each event. Shows; counts nothing that the verdict would use.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use crate::history::{Event, Micros, ProcessState, SECOND, Seen, StepKind, What, micros, now};
use crate::language::Topology;

/// Between two drawings.
const FRAME: Micros = 150_000;
/// Between two summaries where there is no terminal.
const SUMMARY: Micros = 10 * SECOND;

/// The view of a run.
pub struct View {
    lively: bool,
    crowded: bool,
    total: Micros,
    begun: Option<Micros>,
    over: bool,
    lanes: BTreeMap<String, Lane>,
    steps: Vec<(Micros, StepKind)>,
    drawn: usize,
    last: Micros,
}

#[derive(Default)]
struct Lane {
    logins: Vec<(Micros, Mark)>,
    good: usize,
}

/// How bad a login looked; the worst of a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Good,
    Acted,
    Told,
    Bad,
}

impl Mark {
    fn glyph(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m·\x1b[0m",
            Self::Acted => "\x1b[33mo\x1b[0m",
            Self::Told => "\x1b[36m!\x1b[0m",
            Self::Bad => "\x1b[31mX\x1b[0m",
        }
    }
}

impl View {
    /// A view of a run of this topology; `plain` asks for lines even on a terminal.
    pub fn new(topology: &Topology, plain: bool) -> Self {
        let lively = !plain && std::io::stdout().is_terminal();
        let lanes = topology.people.iter().map(|people| (people.region.clone(), Lane::default())).collect();
        let total = micros(topology.settings.total());
        let view = Self {
            lively,
            crowded: true,
            total,
            begun: None,
            over: false,
            lanes,
            steps: Vec::new(),
            drawn: 0,
            last: 0,
        };
        print(&format!("{}: {}\n", topology.name, topology.says));
        view
    }

    /// A view of a mesh that stands until told to end, in lines; `crowded` says whether simulated people come.
    pub fn standing(topology: &Topology, crowded: bool) -> Self {
        Self { crowded, ..Self::new(topology, true) }
    }

    /// Takes note of an event.
    pub fn see(&mut self, event: &Event) {
        match &event.what {
            What::Begin => {
                self.begun = Some(event.at);
                self.last = event.at;
                let who = if self.crowded { "people begin to sign in" } else { "nobody signs in but you" };
                self.line(event.at, &format!("everybody is there; {who}"));
            }
            What::End => {
                self.over = true;
                self.line(event.at, "the time is over; people finish what they are at");
            }
            What::Round(round) => {
                let how = if round.faults { "with" } else { "without" };
                self.line(event.at, &format!("pair {}: a round {how} the timeline", round.pair));
            }
            What::Step(step) => {
                self.steps.push((event.at, step.kind));
                let sign = if step.kind == StepKind::Heal { "\x1b[32m+\x1b[0m" } else { "\x1b[31m-\x1b[0m" };
                let sign = if self.lively { sign } else { ">" };
                self.line(event.at, &format!("{sign} {}", step.words));
            }
            What::Process(change) if self.begun.is_some_and(|begun| begun <= event.at) => {
                let words = match change.state {
                    ProcessState::Starting => "is starting",
                    ProcessState::Running => "answers",
                    ProcessState::Paused => "is paused",
                    ProcessState::Stopped => "is gone",
                };
                self.line(event.at, &format!("  {} {words}", change.server));
            }
            What::Health(change) if self.begun.is_some() => {
                let words = format!("  {} sees {} {}", change.node, change.connector, change.state);
                self.line(event.at, &words);
            }
            What::Note { from, text } => self.line(event.at, &format!("  {from}: {text}")),
            What::Login(login) => {
                let acted = login.acts.restarts + login.acts.reloads + login.acts.choices > 0;
                let mark = match &login.seen {
                    Seen::SignedIn if acted => Mark::Acted,
                    Seen::SignedIn => Mark::Good,
                    Seen::Refused { .. } => Mark::Told,
                    Seen::Unfinished => return,
                    Seen::GaveUp { .. } | Seen::Stuck { .. } => Mark::Bad,
                };
                let lane = self.lanes.entry(login.region.clone()).or_default();
                lane.logins.push((login.start, mark));
                lane.good += usize::from(mark <= Mark::Acted);
                if !self.lively && mark > Mark::Acted {
                    self.line(event.at, &format!("  {}: {}", login.person, ending(&login.seen)));
                }
            }
            _ => {}
        }
    }

    /// Draws, if it is time.
    pub fn draw(&mut self) {
        let time = now();
        let Some(begun) = self.begun.filter(|_| self.crowded) else { return };
        if !self.lively {
            if time > self.last + SUMMARY && !self.over {
                self.last = time;
                let counts = self.counts();
                self.line(time, &format!("  {counts}"));
            }
            return;
        }
        if time < self.last + FRAME {
            return;
        }
        self.last = time;
        let width =
            crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns)).clamp(40, 240);
        let label = self.lanes.keys().map(String::len).max().unwrap_or(0).max(8);
        let columns = width - label - 3;
        let mut frame = self.erase();
        for (name, lane) in &self.lanes {
            let _ = writeln!(frame, "{name:>label$} |{}", self.lane(lane, begun, columns));
        }
        let _ = writeln!(frame, "{:>label$} |{}", "faults", self.faults(begun, columns));
        let done = (time - begun).min(self.total);
        let filled = usize::try_from(done * columns as u64 / self.total.max(1)).unwrap_or(columns);
        let bar = format!("{}{}", "=".repeat(filled), " ".repeat(columns - filled));
        let progress = format!("{} s", done / SECOND);
        frame.push_str(&format!("{progress:>label$} |{bar}\n{:>label$}  {}\n", "", self.counts()));
        self.drawn = self.lanes.len() + 3;
        print(&frame);
    }

    /// Leaves the last picture standing.
    pub fn finish(&mut self) {
        self.last = 0;
        if self.lively {
            self.draw();
        }
        self.drawn = 0;
    }

    fn lane(&self, lane: &Lane, begun: Micros, columns: usize) -> String {
        let mut worst = vec![None; columns];
        for (at, mark) in &lane.logins {
            let cell = &mut worst[self.column(*at, begun, columns)];
            *cell = (*cell).max(Some(*mark));
        }
        worst.into_iter().map(|mark: Option<Mark>| mark.map_or(" ", Mark::glyph)).collect()
    }

    fn faults(&self, begun: Micros, columns: usize) -> String {
        let mut cells = vec![" "; columns];
        for (at, kind) in &self.steps {
            let sign = if *kind == StepKind::Heal { "+" } else { "-" };
            cells[self.column(*at, begun, columns)] = sign;
        }
        cells.concat()
    }

    fn column(&self, at: Micros, begun: Micros, columns: usize) -> usize {
        let column = at.saturating_sub(begun) * columns as u64 / self.total.max(1);
        usize::try_from(column).unwrap_or(usize::MAX).min(columns - 1)
    }

    fn counts(&self) -> String {
        let all: usize = self.lanes.values().map(|lane| lane.logins.len()).sum();
        let good: usize = self.lanes.values().map(|lane| lane.good).sum();
        format!("{all} logins, {good} signed in")
    }

    fn erase(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\x1b[0J", self.drawn) }
    }

    /// A line of its own, above the lanes.
    fn line(&mut self, at: Micros, words: &str) {
        let since = self.begun.map_or(0, |begun| at.saturating_sub(begun));
        let time = Duration::from_micros(since).as_secs_f64();
        let erase = self.erase();
        self.drawn = 0;
        let safe: String = words.chars().filter(|c| !c.is_control() || *c == '\x1b').collect();
        print(&format!("{erase}{time:7.2}s {safe}\n"));
    }
}

/// What a person saw who is not signed in.
fn ending(seen: &Seen) -> String {
    match seen {
        Seen::SignedIn => "signed in".to_owned(),
        Seen::Refused { status, says, waited } => {
            format!("told after {} ms: {says} ({status})", waited / 1_000)
        }
        Seen::GaveUp { trouble } => format!("gave up: {trouble:?}"),
        Seen::Stuck { status, says } => format!("stuck at: {says} ({status})"),
        Seen::Unfinished => "not finished".to_owned(),
    }
}

/// Writes to standard output; a reader that went away is no reason to stop the run.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
