//! Work that would keep an async thread: done off them, a few pieces at a time, a bounded number behind them, within a time.
//! Those who wait are served by [`Turns`]. A panic in a piece of work ends what caused it and nothing else.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Network;
use crate::turns::{Full, Turns};

/// One bench.
#[derive(Debug)]
pub(crate) struct Bench {
    turns: Turns,
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
        Self { turns: Turns::new(workers, waiting), longest }
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
            let turn = self.turns.turn(whom).await.map_err(|Full| Undone::Busy)?;
            let done = spawn_blocking(move || {
                let _turn = turn;
                work()
            });
            done.await.map_err(|why| if why.is_panic() { Undone::Panicked } else { Undone::Busy })
        };
        timeout(self.longest, doing).await.unwrap_or(Err(Undone::Busy))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::{Arc, Mutex, mpsc};

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
    async fn whoever_has_a_48_of_ipv6_is_one_network() {
        let bench = Bench::new(1, 10, Duration::MAX);
        let (let_go, held) = mpsc::channel::<()>();
        let first = bench.run(move || _ = held.recv());
        let address = |text: String| Network::from(text.parse::<IpAddr>().unwrap());
        let flood = (0..10_u16).map(|number| address(format!("2001:db8:1:{:x}::1", number << 8)));
        let flood = join_all(flood.map(|from| bench.run_for(from, || ())));
        let elsewhere = bench.run_for(address("2001:db8:2::1".to_owned()), || ());
        let opens = async {
            tokio::task::yield_now().await;
            drop(let_go);
        };
        let (_, came, let_in, ()) = futures::join!(first, flood, elsewhere, opens);
        assert_eq!((let_in, came.iter().filter(|came| came.is_err()).count()), (Ok(()), 1));
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
