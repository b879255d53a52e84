//! What was measured while people signed in: names asked for, TCP probes, lateness, what nodes thought.

use serde::{Deserialize, Serialize};

use super::{MILLISECOND, Micros};

/// A name that a person's browser resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Name of the person.
    pub person: String,
    /// The host name.
    pub host: String,
    /// When it was asked; the event's own time is the answer's.
    pub began: Micros,
}

/// One TCP connection, tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Region it was tried from.
    pub from: String,
    /// Name of the server it was tried to.
    pub to: String,
    /// When it was begun; the event's own time is when the result was known.
    pub began: Micros,
    /// Whether the connection was made.
    pub connected: bool,
}

/// A packet that the switch delivers later than this is late.
pub const LATE_PACKET: Micros = MILLISECOND;

/// A thread that is woken later than this is late.
pub const LATE_WAKE: Micros = 10 * MILLISECOND;

/// How late things were for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// How many there were.
    pub all: u64,
    /// How many of them were late.
    pub late: u64,
    /// How late the latest was.
    pub worst: Micros,
    /// How late all of them were together.
    #[serde(default)]
    pub total: Micros,
}

impl Lateness {
    /// Counts another while as well.
    pub fn add(&mut self, other: Self) {
        let worst = self.worst.max(other.worst);
        let total = self.total + other.total;
        *self = Self { all: self.all + other.all, late: self.late + other.late, worst, total };
    }

    /// How late one of them was on average, in microseconds.
    pub fn mean(&self) -> f64 {
        self.total as f64 / self.all.max(1) as f64
    }

    /// Share of those that were late.
    pub fn share(&self) -> f64 {
        self.late as f64 / self.all.max(1) as f64
    }
}

/// An identity provider of the lab was given a password that is not the person's there. People know their passwords: one that is
/// refused was meant for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRefused {
    /// Name of its server.
    pub server: String,
    /// Whose password it was said to be, if the provider tells.
    pub person: Option<String>,
}

/// A node's opinion of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// Name of the node's server.
    pub node: String,
    /// Name of the connector in its configuration.
    pub connector: String,
    /// `unknown`, `healthy`, `suspect`, `down` or `probing`.
    pub state: String,
    /// The node's reason, if it gave one.
    #[serde(default)]
    pub why: String,
}
