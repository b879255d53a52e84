//! Work that would keep an async thread: done off them, a few pieces at a time, a bounded number behind them, within a time.
//!
//! Those who wait are served in turn, one piece of each network's after another, so that whoever brings much waits for their own.
//! While there is room nobody is bounded. When there is none, the network that has the most waiting gives up its newest piece for
//! one that has less; a newcomer that would have the most is turned away itself. So a flood from few networks washes out itself,
//! and a piece from elsewhere waits for one piece of each of them at most. A panic in a piece of work ends what caused it and
//! nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Network;

/// One bench.
#[derive(Debug)]
pub(crate) struct Bench {
    hall: Arc<Hall>,
    longest: Duration,
}

/// Why work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undone {
    /// Too much is waiting, or it took too long.
    #[error("too much waits to be done")]
    Busy,
    /// A bug.
    #[error("it failed inside; nothing of it was used")]
    Panicked,
}

impl Bench {
    /// So many workers, with so many waiting behind them; nobody waits for longer than `longest`, work included.
    pub(crate) fn new(workers: usize, waiting: usize, longest: Duration) -> Self {
        let queue = Queue { free: workers, lines: VecDeque::new() };
        Self { hall: Arc::new(Hall { room: waiting, queue: Mutex::new(queue) }), longest }
    }

    /// Does some work of this node's own.
    ///
    /// # Errors
    /// See [`Undone`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        self.run_for(Network::default(), work).await
    }

    /// Does some work that somebody brought. Work whose asker has gone still ends, and keeps its worker until then.
    ///
    /// # Errors
    /// See [`Undone`].
    pub(crate) async fn run_for<T: Send + 'static>(
        &self,
        whom: Network,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let doing = async {
            let turn = match self.hall.enter(whom)? {
                Entered::Served(turn) => turn,
                Entered::Waits(turn) => turn.await.map_err(|_| Undone::Busy)?,
            };
            let done = spawn_blocking(move || {
                let _turn = turn;
                work()
            });
            done.await.map_err(|why| if why.is_panic() { Undone::Panicked } else { Undone::Busy })
        };
        timeout(self.longest, doing).await.unwrap_or(Err(Undone::Busy))
    }
}

/// Where work waits for a worker.
#[derive(Debug)]
struct Hall {
    /// Pieces that may wait.
    room: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    /// Workers without work; then nobody waits.
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
    /// Busy after all, if it closes without a turn.
    Waits(oneshot::Receiver<Turn>),
}

/// A worker's time. Dropping it gives it to the next, also where whoever it was given to has gone.
#[derive(Debug)]
struct Turn(Arc<Hall>);

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.0.queue().next();
        if let Some(next) = next {
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

impl Hall {
    fn enter(self: &Arc<Self>, whom: Network) -> Result<Entered, Undone> {
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
    /// Whose turn it is; nobody's, and a worker is free.
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
    fn makes_room_for(&mut self, whom: Network) -> Result<(), Undone> {
        let own = self.lines.iter().find(|line| line.of == whom).map_or(0, |line| line.waiting.len());
        let longest = self.lines.iter_mut().max_by_key(|line| line.waiting.len());
        match longest.filter(|longest| longest.waiting.len() > own + 1) {
            Some(longest) => {
                longest.waiting.pop_back();
                Ok(())
            }
            None => Err(Undone::Busy),
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::mpsc;

    use futures::future::{join, join_all};

    use super::*;

    /// The network of a number.
    fn network(number: u8) -> Network {
        IpAddr::from([192, 0, 2, number]).into()
    }

    /// Has the one worker of a bench do all of this, whoever's it is, after all of it has come: whose was done, in order, and whose
    /// was turned away.
    async fn in_which_order(room: usize, whose: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let bench = Bench::new(1, room, Duration::MAX);
        let (let_go, held) = mpsc::channel::<()>();
        let first = bench.run(move || _ = held.recv());
        let done = Arc::new(Mutex::new(Vec::new()));
        let work = |whose: u8| {
            let done = Arc::clone(&done);
            bench.run_for(network(whose), move || done.lock().unwrap().push(whose))
        };
        let all = join_all(whose.iter().map(|&whose| work(whose)));
        let opens = async {
            tokio::task::yield_now().await;
            drop(let_go);
        };
        let (_, (came, ())) = join(first, join(all, opens)).await;
        let turned_away = whose.iter().zip(came).filter(|(_, came)| came.is_err()).map(|(whose, _)| *whose);
        let done = done.lock().unwrap().clone();
        (done, turned_away.collect())
    }

    #[tokio::test]
    async fn a_flood_from_one_network_waits_for_itself_and_not_for_whoever_comes_from_elsewhere() {
        let mut whose = vec![1; 200];
        whose.extend([2, 2]);
        let (done, turned_away) = in_which_order(100, &whose).await;
        assert_eq!(done[..5], [1, 2, 1, 2, 1], "one piece of the flood, and then one of the other's");
        assert_eq!(done.len(), 100, "all the room there is was used");
        assert_eq!(turned_away, vec![1; 102], "nobody but the flood had to go");
    }

    #[tokio::test]
    async fn behind_a_flood_from_many_networks_one_waits_for_one_piece_of_each() {
        let mut whose: Vec<u8> = (0..200).map(|number| number % 20 + 1).collect();
        whose.push(99);
        let (done, turned_away) = in_which_order(100, &whose).await;
        assert_eq!(done.iter().position(|whose| *whose == 99), Some(20));
        assert!(!turned_away.contains(&99));
    }

    #[tokio::test]
    async fn where_nobody_has_more_than_one_waiting_the_newcomer_is_turned_away() {
        let whose: Vec<u8> = (1..=11).collect();
        assert_eq!(in_which_order(10, &whose).await, ((1..=10).collect(), vec![11]));
    }

    #[tokio::test]
    async fn an_office_behind_one_address_has_all_the_room_there_is() {
        let (done, turned_away) = in_which_order(100, &[7; 100]).await;
        assert_eq!((done.len(), turned_away.len()), (100, 0));
    }

    #[tokio::test]
    async fn a_panic_ends_one_piece_of_work_and_nothing_else() {
        let bench = Bench::new(1, 0, Duration::MAX);
        assert_eq!(bench.run(|| -> u8 { panic!("a bug") }).await, Err(Undone::Panicked));
        assert_eq!(bench.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn past_the_room_the_answer_is_busy_and_what_takes_too_long_is_not_waited_for() {
        let bench = Bench::new(1, 1, Duration::from_millis(50));
        let (let_go, held) = mpsc::channel::<()>();
        let slow = bench.run(move || _ = held.recv());
        let (first, second, third) = futures::join!(slow, bench.run(|| ()), bench.run(|| ()));
        assert_eq!((first, second, third), (Err(Undone::Busy), Err(Undone::Busy), Err(Undone::Busy)));
        let waits = bench.run(|| 7);
        drop(let_go);
        assert_eq!(
            waits.await,
            Ok(7),
            "who went left the room, and the worker comes back when the slow work has ended"
        );
    }
}
