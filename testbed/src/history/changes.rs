//! What the supervisor did to the mesh: steps of the time line, and each change as it took effect.

use serde::{Deserialize, Serialize};

use super::{Micros, SECOND};

/// One step of the time line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was asked for, in words that a reader of the report understands.
    pub words: String,
    /// What it means for the mesh.
    pub kind: StepKind,
    /// When the supervisor began to do it; the event's own time is when all of it had taken effect.
    pub began: Micros,
}

/// What a step means for the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Something is made worse.
    Fault,
    /// Something is made better.
    Heal,
    /// Neither, such as waiting for a condition.
    Other,
}

/// A change of what packets from one region to another meet. One-way cuts are one such event, others are two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathChange {
    /// Region of the sender.
    pub from: String,
    /// Region of the receiver.
    pub to: String,
    /// From now on.
    pub state: PathState,
    /// When the change was begun; the event's own time is when the kernel had accepted it.
    pub began: Micros,
}

/// What packets meet on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "path", rename_all = "kebab-case")]
pub enum PathState {
    /// The path as the topology describes it.
    Open,
    /// Open, and worse than described: slow, lossy, throttled.
    Impaired {
        /// In words.
        how: String,
    },
    /// Packets vanish.
    BlackHole,
    /// Connections are refused or reset at once.
    Refused,
}

impl PathState {
    /// Whether a connection can be made at all.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open | Self::Impaired { .. })
    }
}

/// A change of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessChange {
    /// Name of the server.
    pub server: String,
    /// From now on.
    pub state: ProcessState,
    /// When the change was begun (the signal was about to be sent); the event's own time is when it was done.
    pub began: Micros,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// Started, and not answering yet.
    Starting,
    /// Accepts and answers.
    Running,
    /// Alive, and does not answer.
    Paused,
    /// Gone.
    Stopped,
}

/// Life of an answer of the lab's DNS, in seconds: short, so that faults of it are seen soon.
pub const ANSWERS_LIVE: u32 = 5;

/// How long a person's browser keeps a name that it has resolved, as real ones do.
pub const BROWSERS_KEEP_NAMES: Micros = 60 * SECOND;

/// A change of what the DNS of a region answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesChange {
    /// Whose DNS.
    pub region: String,
    /// From now on.
    pub state: NamesState,
    /// Host names that it is about; none: all.
    #[serde(default)]
    pub about: Vec<String>,
    /// When the change was begun; the event's own time is when no answer came by the old state any more.
    pub began: Micros,
}

/// What a DNS answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamesState {
    /// What is true.
    #[default]
    Right,
    /// Nothing.
    Dead,
    /// Addresses of others.
    Lying,
    /// Addresses where nothing listens any more.
    Stale,
}

/// A change of how an identity provider does its work, while its process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdpChange {
    /// Name of the server.
    pub server: String,
    /// From now on.
    pub state: IdpState,
    /// Nodes that it is about; none: everybody.
    #[serde(default)]
    pub about: Vec<String>,
    /// When the change was begun; the event's own time is when nobody was answered by the old state any more.
    pub began: Micros,
}

/// A change of how wrong a clock is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockChange {
    /// Name of the server.
    pub server: String,
    /// Seconds ahead of the right time; negative: behind it.
    pub ahead: i64,
    /// When the change was begun; the event's own time is when it was done.
    pub began: Micros,
}

/// How an identity provider does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdpState {
    /// As it should.
    #[default]
    Right,
    /// Every request is answered with status 500.
    Errors,
    /// Every request is answered 200, with a page of somebody else.
    Garbage,
    /// Its certificate has expired.
    ExpiredCertificate,
    /// As it should, and every answer comes late.
    SlowPages,
    /// It signs with another key than before, and publishes no other.
    KeysRolled,
    /// It publishes the certificate that it will sign with beside the one that it signs with.
    KeysAnnounced,
    /// It publishes its former certificate no longer.
    OldKeysGone,
    /// The client secrets of some nodes have expired.
    SecretExpired,
}

impl IdpState {
    /// Whether it is a step of exchanging its keys, which nothing has to heal.
    pub fn is_of_keys(self) -> bool {
        matches!(self, Self::KeysRolled | Self::KeysAnnounced | Self::OldKeysGone)
    }

    /// Whether people can be signed in by an identity provider in this state.
    pub fn signs_in(self) -> bool {
        !matches!(self, Self::Errors | Self::Garbage | Self::ExpiredCertificate | Self::SecretExpired)
    }
}
