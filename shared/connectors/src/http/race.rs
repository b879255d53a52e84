//! Connection attempts that race: RFC 8305 section 5, so that a dead first address costs a quarter of a second.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::sleep;

/// Time from one attempt to the next (RFC 8305: Connection Attempt Delay).
pub(super) const STAGGER: Duration = Duration::from_millis(250);

/// Dials candidates in order and answers with the first connection; the others are dropped. The next one starts when
/// `stagger` has passed or the last one started has failed, whichever is sooner. No candidates: `None`.
pub(super) async fn race<A, T, E, F>(
    candidates: Vec<A>,
    stagger: Duration,
    dial: impl Fn(A) -> F,
) -> Option<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = candidates.into_iter();
    let mut running = FuturesUnordered::new();
    running.push(dial(waiting.next()?));
    let mut failed = None;
    loop {
        tokio::select! {
            Some(result) = running.next() => match result {
                Ok(connection) => return Some(Ok(connection)),
                Err(why) => {
                    failed.get_or_insert(why);
                    if let Some(next) = waiting.next() {
                        running.push(dial(next));
                    } else if running.is_empty() {
                        return failed.map(Err);
                    }
                }
            },
            () = sleep(stagger), if waiting.len() > 0 => running.extend(waiting.next().map(&dial)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Instant;

    use super::*;

    /// `None` never answers, `Some(Ok)` connects at once, `Some(Err)` refuses at once.
    async fn dial(what: Option<Result<&'static str, &'static str>>) -> Result<&'static str, &'static str> {
        match what {
            Some(result) => result,
            None => pending().await,
        }
    }

    #[tokio::test]
    async fn a_dead_first_address_costs_one_stagger() {
        let started = Instant::now();
        let won = race(vec![None, Some(Ok("second"))], STAGGER, dial).await;
        assert_eq!(won, Some(Ok("second")));
        assert!(started.elapsed() >= STAGGER && started.elapsed() < STAGGER * 3);
    }

    #[tokio::test]
    async fn a_refused_first_address_costs_nothing() {
        let started = Instant::now();
        let won = race(vec![Some(Err("refused")), Some(Ok("second"))], Duration::from_secs(60), dial).await;
        assert_eq!(won, Some(Ok("second")));
        assert!(started.elapsed() < STAGGER);
    }

    #[tokio::test]
    async fn when_all_refuse_the_first_refusal_is_told() {
        let won = race(vec![Some(Err("first")), Some(Err("second"))], STAGGER, dial).await;
        assert_eq!(won, Some(Err("first")));
        assert_eq!(race(Vec::new(), STAGGER, dial).await, None);
    }
}
