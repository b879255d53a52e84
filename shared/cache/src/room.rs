//! How much there is room for: entries, and bytes of all entries together, because whoever fills a cache chooses how large
//! an entry is.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of key and value that entries may have on average. A code or a login in progress has about half of it.
pub(crate) const AVERAGE: usize = 2 * 1024;

/// Bytes there is always room for, so that a small cache takes a large value.
const LEAST: usize = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Room {
    entries: AtomicUsize,
    bytes: AtomicUsize,
    most_entries: usize,
    most_bytes: usize,
}

impl Room {
    pub(crate) fn new(most_entries: usize) -> Self {
        let most_bytes = most_entries.saturating_mul(AVERAGE).max(LEAST);
        Self { entries: AtomicUsize::new(0), bytes: AtomicUsize::new(0), most_entries, most_bytes }
    }

    /// Takes room for one entry of so many bytes, if there is any.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        if !raise(&self.entries, 1, self.most_entries) {
            return false;
        }
        let there_is = raise(&self.bytes, bytes, self.most_bytes);
        if !there_is {
            self.entries.fetch_sub(1, Ordering::Relaxed);
        }
        there_is
    }

    /// Takes what an entry needs more than before, if there is room, or gives back what it needs less.
    pub(crate) fn resize(&self, before: usize, after: usize) -> bool {
        if after > before {
            return raise(&self.bytes, after - before, self.most_bytes);
        }
        self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        true
    }

    /// Gives back what entries took.
    pub(crate) fn give_back(&self, freed: Freed) {
        self.entries.fetch_sub(freed.entries, Ordering::Relaxed);
        self.bytes.fetch_sub(freed.bytes, Ordering::Relaxed);
    }

    /// How many entries took room.
    pub(crate) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// For how many entries there is room.
    pub(crate) fn most_entries(&self) -> usize {
        self.most_entries
    }
}

/// Entries that are gone, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

fn raise(count: &AtomicUsize, by: usize, most: usize) -> bool {
    let more = |now: usize| now.checked_add(by).filter(|sum| *sum <= most);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}
