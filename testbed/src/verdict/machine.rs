//! Whether the machine was fit to judge on: how late the switch delivered and how late threads were woken, over the whole
//! run. A run on a machine that was too busy passes nothing, and none of its times fails anything.

use crate::history::{Event, LATE_PACKET, LATE_WAKE, Lateness, Micros, What};

use super::judge::in_words;

/// So large a share of late packets, or of late wake-ups, is a machine too busy. A login takes some ninety packets, half of
/// them one after the other, and some thirty wake-ups: at a tenth a login takes about 30 ms longer, which is the least
/// difference that the verdict would call slower.
const MOST_LATE: f64 = 0.1;

/// How punctual a run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// Packets between regions.
    pub packets: Lateness,
    /// Wake-ups of a thread that only sleeps.
    pub wakes: Lateness,
}

impl Machine {
    /// Sums up a history; one that says nothing of it was not measured.
    pub fn of(events: &[Event]) -> Self {
        let mut all = Self::default();
        for event in events {
            if let What::Machine { packets, wakes } = &event.what {
                all.packets.add(*packets);
                all.wakes.add(*wakes);
            }
        }
        all
    }

    /// Whether it was too busy to judge on.
    pub fn busy(&self) -> bool {
        self.packets.share() > MOST_LATE || self.wakes.share() > MOST_LATE
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
        if self.wakes.all == 0 {
            return "how late the machine was is not in the history".to_owned();
        }
        format!(
            "{}; {}",
            told("packets between regions", &self.packets, LATE_PACKET),
            told("wake-ups", &self.wakes, LATE_WAKE)
        )
    }
}
