//! How late things were that must not be late: counted where they happen, and taken while by while for the history. The
//! switch counts its packets; [`Clock`] is a thread without precedence that only sleeps, and so is as late as any node.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::history::{LATE_WAKE, Lateness, Micros, now};

/// How long the clock's thread sleeps.
const NAP: Micros = 5_000;

/// Counts what came, and how late.
#[derive(Debug)]
pub struct Counter {
    late_from: Micros,
    all: AtomicU64,
    late: AtomicU64,
    worst: AtomicU64,
    total: AtomicU64,
}

impl Counter {
    /// A counter of what is late when it is later than this.
    pub fn new(late_from: Micros) -> Self {
        let zero = || AtomicU64::new(0);
        Self { late_from, all: zero(), late: zero(), worst: zero(), total: zero() }
    }

    /// Something came, so late.
    pub fn note(&self, late: Micros) {
        self.all.fetch_add(1, Ordering::Relaxed);
        self.worst.fetch_max(late, Ordering::Relaxed);
        self.total.fetch_add(late, Ordering::Relaxed);
        if late > self.late_from {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since this was asked last.
    pub fn take(&self) -> Lateness {
        let taken = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Lateness {
            all: taken(&self.all),
            late: taken(&self.late),
            worst: taken(&self.worst),
            total: taken(&self.total),
        }
    }
}

/// A thread that sleeps and sees how late it is woken; dropping it stops it.
#[derive(Debug)]
pub struct Clock {
    shared: Arc<(Counter, AtomicBool)>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    /// Starts it.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let shared = Arc::new((Counter::new(LATE_WAKE), AtomicBool::new(false)));
        let (counter, runs) = (Arc::clone(&shared), Duration::from_micros(NAP));
        let thread = std::thread::Builder::new().name("clock".to_owned()).spawn(move || {
            // What the kernel adds to every sleep on purpose is not the machine's fault.
            let _ = nix::sys::prctl::set_timerslack(1);
            while !counter.1.load(Ordering::Relaxed) {
                let asleep = now();
                std::thread::sleep(runs);
                counter.0.note(now().saturating_sub(asleep + NAP));
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// How late it was woken since this was asked last.
    pub fn take(&self) -> Lateness {
        self.shared.0.take()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.1.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_is_counted_and_taken_once() {
        let counter = Counter::new(1_000);
        for late in [0, 1_000, 1_001, 30_000] {
            counter.note(late);
        }
        assert_eq!(counter.take(), Lateness { all: 4, late: 2, worst: 30_000, total: 32_001 });
        assert_eq!(counter.take(), Lateness::default());
    }
}
