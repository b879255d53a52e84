//! Where few may at a time: who is next.
//!
//! Those who wait are served in turn, one of each network ([`Network::site`]) after another, so that whoever comes with many waits for their own. While
//! there is room nobody is bounded. When there is none, the network that has the most waiting gives up its newest for one that has
//! less; a newcomer that would have the most is turned away itself. So a flood from few networks washes out itself, and who comes from
//! elsewhere waits for one of each of them at most. Its tests are those of [`Bench`](crate::bench::Bench), which has workers to count
//! by.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::Network;

/// Turns at something.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Hall>);

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Turns {
    /// So many at once, and so many waiting behind them.
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        let queue = Queue { free: at_once, lines: VecDeque::new() };
        Self(Arc::new(Hall { room: waiting, queue: Mutex::new(queue) }))
    }

    /// Waits for a turn, for somebody from there.
    ///
    /// # Errors
    /// See [`Full`]; also while waiting.
    pub(crate) async fn turn(&self, whom: Network) -> Result<Turn, Full> {
        match self.0.enter(whom.site())? {
            Entered::Served(turn) => Ok(turn),
            Entered::Waits(turn) => turn.await.map_err(|_| Full),
        }
    }
}

#[derive(Debug)]
struct Hall {
    /// How many may wait.
    room: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    /// Turns that nobody has; then nobody waits.
    free: usize,
    /// Those who wait, a line for each network, none of them empty; the first is served next, and then goes to the end.
    lines: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    of: Network,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// How somebody came in.
enum Entered {
    Served(Turn),
    /// Full after all, if it closes without a turn.
    Waits(oneshot::Receiver<Turn>),
}

/// Somebody's turn. Dropping it gives it to the next, also where whoever it was given to has gone.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Hall>);

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.0.queue().next();
        if let Some(next) = next {
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

impl Hall {
    fn enter(self: &Arc<Self>, whom: Network) -> Result<Entered, Full> {
        let mut queue = self.queue();
        if queue.free > 0 {
            queue.free -= 1;
            drop(queue);
            return Ok(Entered::Served(Turn(Arc::clone(self))));
        }
        if queue.waiting() >= self.room {
            queue.forget_those_who_went();
        }
        if queue.waiting() >= self.room {
            queue.makes_room_for(whom)?;
        }
        let (turn, waits) = oneshot::channel();
        queue.line(whom).waiting.push_back(turn);
        Ok(Entered::Waits(waits))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Whose turn it is; nobody's, and one is free.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let Some(mut line) = self.lines.pop_front() else {
            self.free += 1;
            return None;
        };
        let next = line.waiting.pop_front();
        if !line.waiting.is_empty() {
            self.lines.push_back(line);
        }
        next
    }

    /// Whoever waits longest in vain goes: the newest of the longest line, if that stays longer than that of the one who comes.
    fn makes_room_for(&mut self, whom: Network) -> Result<(), Full> {
        let own = self.lines.iter().find(|line| line.of == whom).map_or(0, |line| line.waiting.len());
        let longest = self.lines.iter_mut().max_by_key(|line| line.waiting.len());
        match longest.filter(|longest| longest.waiting.len() > own + 1) {
            Some(longest) => {
                longest.waiting.pop_back();
                Ok(())
            }
            None => Err(Full),
        }
    }

    fn line(&mut self, of: Network) -> &mut Line {
        let at = self.lines.iter().position(|line| line.of == of).unwrap_or_else(|| {
            self.lines.push_back(Line { of, waiting: VecDeque::new() });
            self.lines.len() - 1
        });
        &mut self.lines[at]
    }

    fn waiting(&self) -> usize {
        self.lines.iter().map(|line| line.waiting.len()).sum()
    }

    fn forget_those_who_went(&mut self) {
        for line in &mut self.lines {
            line.waiting.retain(|turn| !turn.is_closed());
        }
        self.lines.retain(|line| !line.waiting.is_empty());
    }
}
