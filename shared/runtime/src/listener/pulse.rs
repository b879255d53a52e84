//! What a connection is doing, and until when it may.
//!
//! The socket wrapper says when bytes come and when writes are stuck; the service says when requests begin and end; one
//! future waits for whichever deadline follows from that. hyper's own header timeout counts the pause between two
//! requests as header time, and HTTP/2 has none at all: so the clock is ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::Limits;

/// State of one connection, shared by its socket, its service and its watcher.
pub(crate) struct Pulse {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    in_flight: usize,
    quiet_since: Instant,
    head_since: Option<Instant>,
    stuck_since: Option<Instant>,
    /// Answers that the client has opened no window for yet (HTTP/2), by their number, and since when: the socket itself is
    /// never stuck then.
    untaken: BTreeMap<u64, Instant>,
    answers: u64,
    closing_since: Option<Instant>,
    /// Bytes between requests begin a head (HTTP/1), or may be a ping (HTTP/2).
    bytes_are_heads: bool,
}

/// Why a connection was closed from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// No whole request head in time.
    Head,
    /// No further request in time.
    Idle,
    /// The client takes no bytes.
    Write,
    /// The client does not close its side.
    Linger,
}

/// One request in flight; dropped when its answer's body is done.
pub(crate) struct InFlight {
    pulse: Arc<Pulse>,
    answer: Option<u64>,
}

impl Pulse {
    pub(crate) fn new(opened: Instant, bytes_are_heads: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                in_flight: 0,
                quiet_since: opened,
                // The first head counts from the accept, bytes or not.
                head_since: Some(opened),
                stuck_since: None,
                untaken: BTreeMap::new(),
                answers: 0,
                closing_since: None,
                bytes_are_heads,
            }),
            changed: Notify::new(),
        })
    }

    pub(crate) fn bytes_came(&self) {
        self.change(|state| {
            let begins = state.bytes_are_heads && state.in_flight == 0 && state.head_since.is_none();
            if begins {
                state.head_since = Some(Instant::now());
            }
            begins
        });
    }

    pub(crate) fn write_stuck(&self) {
        self.change(|state| {
            let new = state.stuck_since.is_none();
            state.stuck_since.get_or_insert_with(Instant::now);
            new
        });
    }

    pub(crate) fn write_moved(&self) {
        self.change(|state| {
            state.stuck_since = None;
            false
        });
    }

    pub(crate) fn closing(&self) {
        self.change(|state| {
            let new = state.closing_since.is_none();
            state.closing_since.get_or_insert_with(Instant::now);
            new
        });
    }

    pub(crate) fn request_begins(self: &Arc<Self>) -> InFlight {
        self.change(|state| {
            state.in_flight += 1;
            state.head_since = None;
            false
        });
        InFlight { pulse: Arc::clone(self), answer: None }
    }

    /// True if no request is in flight and none has begun to arrive since the connection was opened or used.
    pub(crate) fn is_silent(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_flight == 0 && state.head_since.is_none_or(|since| since == state.quiet_since)
    }

    /// Waits until the connection has outstayed one of its limits.
    pub(crate) async fn overdue(&self, limits: &Limits) -> Overdue {
        loop {
            let changed = self.changed.notified();
            match self.next_deadline(limits) {
                None => changed.await,
                Some((at, why)) => {
                    if at <= Instant::now() {
                        return why;
                    }
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = changed => {}
                    }
                }
            }
        }
    }

    fn next_deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let after = |since: Option<Instant>, limit: Option<Duration>, why| Some((since? + limit?, why));
        let waiting = match (state.in_flight, state.head_since) {
            (0, None) => after(Some(state.quiet_since), Some(limits.idle), Overdue::Idle),
            (0, head) => after(head, Some(limits.head), Overdue::Head),
            _ => None,
        };
        let stuck = after(state.stuck_since, limits.write, Overdue::Write);
        let untaken = after(state.untaken.values().next().copied(), limits.write, Overdue::Write);
        let closing = after(state.closing_since, Some(limits.linger), Overdue::Linger);
        [waiting, stuck, untaken, closing].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let nearer = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        if nearer {
            self.changed.notify_one();
        }
    }
}

impl InFlight {
    /// The answer is there, and the client has to take it in time. HTTP/1 writes it at once; there the socket tells.
    pub(crate) fn answered(&mut self) {
        let answer = &mut self.answer;
        self.pulse.change(|state| {
            if state.bytes_are_heads {
                return false;
            }
            state.answers += 1;
            state.untaken.insert(state.answers, Instant::now());
            *answer = Some(state.answers);
            state.untaken.len() == 1
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.pulse.change(|state| {
            state.in_flight -= 1;
            state.quiet_since = Instant::now();
            self.answer.and_then(|answer| state.untaken.remove(&answer));
            state.in_flight == 0
        });
    }
}
