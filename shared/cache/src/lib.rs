//! What nodes share: put, get, take-once, expiry. Values are bytes; what they mean, and what a session is, is not known
//! here.
//!
//! Everything lies on a [`Shelf`], a name space: a code can never be read as a refresh token. Today's cache is this
//! process's memory; calls are async and can fail because tomorrow's is on a network. What is full refuses: a live code
//! is never dropped silently to make room for another.

mod memory;
mod records;
mod room;

use std::sync::Arc;

use memory::Memory;
pub use records::{Records, Spent, spend};

/// A name space. Make each one a constant of the room that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shelf(pub &'static str);

impl Shelf {
    /// The name space of this name.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// Why a cache could not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// No room left; nothing was dropped and nothing was stored.
    #[error("the cache is full (at most {capacity} entries, {} bytes each on average)", room::AVERAGE)]
    Full {
        /// How many entries it holds at most.
        capacity: usize,
    },
    /// A key or a value past the limits of any honest use; nothing was stored.
    #[error("a {what} of {size} bytes is too large for the cache (at most {limit})")]
    TooLarge {
        /// `key` or `value`.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The cache could not be reached; whether anything was stored or taken is unknown.
    #[error("the cache cannot be reached: {0}")]
    Unavailable(String),
}

/// A cache; clones are the same cache. What it can do is [`Records`].
#[derive(Debug, Clone)]
pub struct Cache {
    memory: Arc<Memory>,
}

impl Cache {
    /// An empty cache in memory for at most `capacity` entries, all shelves together, and for as many bytes as that many
    /// entries have on average: who fills it chooses how large entries are.
    pub fn in_memory(capacity: usize) -> Self {
        Self { memory: Arc::new(Memory::new(capacity)) }
    }

    /// Frees what has expired. What expired is never given out, so this is about memory only: once a minute is plenty.
    pub fn sweep(&self) {
        self.memory.sweep();
    }

    /// Bytes that an entry may have on average.
    pub const AVERAGE: usize = room::AVERAGE;

    /// How many entries it holds at most.
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// How many entries take up room: those that live, and those that expired and were not swept yet.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether nothing takes up room.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
