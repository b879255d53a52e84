//! Whether the machine was fit to judge on: how late the switch delivered and how late threads were woken. A run on a machine
//! that was too busy over the whole of it passes nothing, and none of its times fails anything; a second in which it was too busy says
//! nothing of the times of those who signed in meanwhile.

use crate::history::{Event, LATE_PACKET, LATE_WAKE, Lateness, MILLISECOND, Micros, SECOND, What};

use super::judge::in_words;
use super::world::Span;

/// So many packets between regions of a login wait for each other: four pages across a link, each with a connection and a
/// handshake of its own, and what nodes ask each other meanwhile.
const PACKETS_IN_TURN: f64 = 45.0;
/// So many times in a login a process waits to be woken: for each of these packets, and within regions.
const WAKES_IN_TURN: f64 = 60.0;
/// A machine that makes a login longer by more than this is too busy. The shortest time that topologies ask of a single login is 300 ms
/// added: a sixth of it may be the machine's. (An idle one has some 10 ms, one with a build beside the run some 20.)
const MOST_LONGER: Micros = 50 * MILLISECOND;

/// How punctual a run was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Packets between regions.
    pub packets: Lateness,
    /// Wake-ups of a thread that only sleeps.
    pub wakes: Lateness,
    /// When it was too busy for the times of anybody who signed in then.
    hiccups: Vec<Span>,
}

impl Machine {
    /// Sums up a history; one that says nothing of it was not measured.
    pub fn of(events: &[Event]) -> Self {
        let mut all = Self::default();
        let mut before: Option<Micros> = None;
        for event in events {
            if let What::Machine { packets, wakes } = &event.what {
                all.packets.add(*packets);
                all.wakes.add(*wakes);
                let from = before.replace(event.at).unwrap_or_else(|| event.at.saturating_sub(SECOND));
                if longer(packets, wakes) > MOST_LONGER {
                    all.hiccups.push(Span { from, until: event.at });
                }
            }
        }
        all
    }

    /// Whether it was too busy at some time of these.
    pub fn hiccuped(&self, during: Span) -> bool {
        self.hiccups.iter().any(|hiccup| hiccup.meets(during))
    }

    /// By how much it made a login longer on average.
    pub fn longer(&self) -> Micros {
        longer(&self.packets, &self.wakes)
    }

    /// Whether the history says how late it was.
    pub fn measured(&self) -> bool {
        self.wakes.all > 0
    }

    /// Whether it was too busy to judge on, for all that is known.
    pub fn busy(&self) -> bool {
        !self.measured() || self.longer() > MOST_LONGER
    }

    /// In words.
    pub fn words(&self) -> String {
        let told = |what: &str, late: &Lateness, from: Micros| {
            format!(
                "{:.1}% of {} {what} were more than {} late, the worst {}",
                late.share() * 100.0,
                late.all,
                in_words(from),
                in_words(late.worst)
            )
        };
        if !self.measured() {
            return "how late the machine was is not in the history".to_owned();
        }
        let hiccups = match self.hiccups.len() {
            0 => String::new(),
            more => format!(", more than {} in {more} of its seconds", in_words(MOST_LONGER)),
        };
        format!(
            "it made a login about {} longer{hiccups}; {}, {}",
            in_words(self.longer()),
            told("packets between regions", &self.packets, LATE_PACKET),
            told("wake-ups", &self.wakes, LATE_WAKE)
        )
    }
}

/// By how much a login was made longer on average by this.
fn longer(packets: &Lateness, wakes: &Lateness) -> Micros {
    (PACKETS_IN_TURN * packets.mean() + WAKES_IN_TURN * wakes.mean()) as Micros
}
