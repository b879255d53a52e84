//! The cache in memory: expiry, taking once, bounds.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mangrove_cache::{Cache, CacheError, Records, Shelf};
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::advance;

const CODES: Shelf = Shelf::new("code");
const REFRESH: Shelf = Shelf::new("refresh");
const MINUTE: Duration = Duration::from_secs(60);

async fn read(cache: &Cache, shelf: Shelf, key: &str) -> Option<Vec<u8>> {
    cache.get(shelf, key).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_value_is_there_until_it_expires_and_not_a_moment_longer() {
    let cache = Cache::in_memory(10);
    cache.put(CODES, "a", b"1".to_vec(), MINUTE).await.unwrap();
    advance(Duration::from_millis(59_999)).await;
    assert_eq!(read(&cache, CODES, "a").await, Some(b"1".to_vec()));
    advance(Duration::from_millis(1)).await;
    assert_eq!(read(&cache, CODES, "a").await, None);
    assert_eq!(cache.take(CODES, "a").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_or_has_expired_is_not_replaced() {
    let cache = Cache::in_memory(10);
    assert!(!cache.replace(CODES, "a", b"1".to_vec(), MINUTE).await.unwrap());
    cache.put(CODES, "a", b"1".to_vec(), MINUTE).await.unwrap();
    assert!(cache.replace(CODES, "a", b"2".to_vec(), 2 * MINUTE).await.unwrap());
    advance(MINUTE).await;
    assert_eq!(cache.take(CODES, "a").await.unwrap(), Some(b"2".to_vec()), "for its own time");
    assert!(!cache.replace(CODES, "a", b"3".to_vec(), MINUTE).await.unwrap());
    cache.put(CODES, "a", b"4".to_vec(), MINUTE).await.unwrap();
    advance(MINUTE).await;
    assert!(!cache.replace(CODES, "a", b"5".to_vec(), MINUTE).await.unwrap());
    assert_eq!(read(&cache, CODES, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_exchanged_for_the_one_that_is_there_and_for_no_other() {
    let cache = Cache::in_memory(10);
    let exchange = async |was: &str, value: &str, ttl| {
        cache.exchange(CODES, "a", was.as_bytes(), value.into(), ttl).await.unwrap()
    };
    assert!(!exchange("", "1", MINUTE).await, "nothing is there");
    cache.put(CODES, "a", b"1".to_vec(), MINUTE).await.unwrap();
    assert!(!exchange("another", "2", MINUTE).await);
    assert!(exchange("1", "2", 2 * MINUTE).await);
    assert!(!exchange("1", "3", MINUTE).await, "somebody was quicker");
    advance(MINUTE).await;
    assert_eq!(read(&cache, CODES, "a").await, Some(b"2".to_vec()), "for its own time");
    advance(MINUTE).await;
    assert!(!exchange("2", "3", MINUTE).await, "it has expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_exchange_at_once_nobody_undoes_anothers_change() {
    let cache = Cache::in_memory(10);
    cache.put(CODES, "a", Vec::new(), MINUTE).await.unwrap();
    let mut all = JoinSet::new();
    for number in 0..50 {
        let cache = cache.clone();
        all.spawn(async move {
            loop {
                let there = read(&cache, CODES, "a").await.unwrap();
                let more = [there.as_slice(), &[number]].concat();
                if cache.exchange(CODES, "a", &there, more, MINUTE).await.unwrap() {
                    return;
                }
            }
        });
    }
    all.join_all().await;
    let mut all = read(&cache, CODES, "a").await.unwrap();
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<u8>>());
}

#[tokio::test(start_paused = true)]
async fn a_second_put_replaces_the_value_and_its_time() {
    let cache = Cache::in_memory(10);
    cache.put(CODES, "a", b"1".to_vec(), MINUTE).await.unwrap();
    cache.put(CODES, "a", b"2".to_vec(), 3 * MINUTE).await.unwrap();
    advance(2 * MINUTE).await;
    cache.put(CODES, "b", b"x".to_vec(), MINUTE).await.unwrap();
    cache.sweep();
    assert_eq!(
        read(&cache, CODES, "a").await,
        Some(b"2".to_vec()),
        "the first time to live no longer counts"
    );
    assert_eq!(cache.len(), 2);
}

#[tokio::test]
async fn a_code_can_never_be_read_as_a_refresh_token() {
    let cache = Cache::in_memory(10);
    cache.put(CODES, "a", b"1".to_vec(), MINUTE).await.unwrap();
    assert_eq!(read(&cache, REFRESH, "a").await, None);
    assert_eq!(cache.take(REFRESH, "a").await.unwrap(), None);
    cache.forget(REFRESH, "a").await.unwrap();
    assert!(cache.put_new(REFRESH, "a", b"2".to_vec(), MINUTE).await.unwrap());
    assert_eq!(read(&cache, CODES, "a").await, Some(b"1".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_many_takers_at_once_exactly_one_gets_the_value() {
    let cache = Cache::in_memory(1000);
    for round in 0..200 {
        let key = Arc::new(format!("code-{round}"));
        cache.put(CODES, &key, b"once".to_vec(), MINUTE).await.unwrap();
        let won = winners(
            32,
            |cache| {
                let key = Arc::clone(&key);
                async move { cache.take(CODES, &key).await.unwrap().is_some() }
            },
            &cache,
        )
        .await;
        assert_eq!(won, 1);
    }
    assert!(cache.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_many_who_put_something_new_at_once_exactly_one_does() {
    let cache = Cache::in_memory(1000);
    for round in 0..200 {
        let key = Arc::new(format!("jti-{round}"));
        let won = winners(
            32,
            |cache| {
                let key = Arc::clone(&key);
                async move { cache.put_new(CODES, &key, Vec::new(), MINUTE).await.unwrap() }
            },
            &cache,
        )
        .await;
        assert_eq!(won, 1);
    }
}

/// How many of `count` tasks that start together succeed.
async fn winners<F>(count: usize, attempt: impl Fn(Cache) -> F, cache: &Cache) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(count));
    let won = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (start, won, attempt) = (Arc::clone(&start), Arc::clone(&won), attempt(cache.clone()));
        tasks.spawn(async move {
            start.wait().await;
            if attempt.await {
                won.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    won.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn what_is_full_refuses_and_drops_nothing_that_lives() {
    let cache = Cache::in_memory(100);
    for i in 0..100 {
        cache.put(CODES, &format!("{i}"), vec![1], MINUTE).await.unwrap();
    }
    let full = CacheError::Full { capacity: 100 };
    assert_eq!(cache.put(CODES, "more", vec![1], MINUTE).await, Err(full.clone()));
    assert_eq!(cache.put_new(CODES, "more", vec![1], MINUTE).await, Err(full));
    cache.put(CODES, "7", vec![2], MINUTE).await.unwrap();
    assert!(!cache.put_new(CODES, "8", vec![2], MINUTE).await.unwrap(), "that it was there needs no room");
    for i in 0..100 {
        assert!(read(&cache, CODES, &format!("{i}")).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_makes_room() {
    let cache = Cache::in_memory(100);
    for i in 0..100 {
        cache.put(CODES, &format!("{i}"), vec![1], MINUTE).await.unwrap();
    }
    advance(MINUTE).await;
    for i in 100..200 {
        cache.put(CODES, &format!("{i}"), vec![1], MINUTE).await.unwrap();
    }
    assert_eq!(cache.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn taking_and_forgetting_make_room_at_once() {
    let cache = Cache::in_memory(1);
    for i in 0..10_000 {
        let key = format!("{i}");
        cache.put(CODES, &key, vec![1], MINUTE).await.unwrap();
        if i % 2 == 0 {
            assert!(cache.take(CODES, &key).await.unwrap().is_some());
        } else {
            cache.forget(CODES, &key).await.unwrap();
        }
    }
    assert!(cache.is_empty());
}

#[tokio::test]
async fn keys_and_values_past_any_honest_size_are_refused() {
    let cache = Cache::in_memory(10);
    let refusal = cache.put(CODES, &"k".repeat(1025), vec![], MINUTE).await.unwrap_err();
    assert!(matches!(refusal, CacheError::TooLarge { what: "key", .. }));
    let refusal = cache.put(CODES, "k", vec![0; 256 * 1024 + 1], MINUTE).await.unwrap_err();
    assert!(matches!(refusal, CacheError::TooLarge { what: "value", .. }));
    cache.put(CODES, &"k".repeat(1024), vec![0; 256 * 1024], Duration::MAX).await.unwrap();
}

#[derive(Debug, Clone)]
enum Call {
    Put(u8, u8, u64),
    PutNew(u8, u8, u64),
    Get(u8),
    Take(u8),
    Forget(u8),
    Wait(u64),
    Sweep,
}

fn a_call() -> impl Strategy<Value = Call> {
    let key = 0_u8..12;
    prop_oneof![
        (key.clone(), any::<u8>(), 1_u64..20).prop_map(|(k, v, t)| Call::Put(k, v, t)),
        (key.clone(), any::<u8>(), 1_u64..20).prop_map(|(k, v, t)| Call::PutNew(k, v, t)),
        key.clone().prop_map(Call::Get),
        key.clone().prop_map(Call::Take),
        key.prop_map(Call::Forget),
        (1_u64..10).prop_map(Call::Wait),
        Just(Call::Sweep),
    ]
}

/// A map of what lives, with the second in which it ends.
type Model = HashMap<u8, (u8, u64)>;

const CAPACITY: usize = 6;

async fn step(cache: &Cache, model: &mut Model, now: &mut u64, call: &Call) {
    let shelf_of = |key: u8| if key.is_multiple_of(2) { CODES } else { REFRESH };
    let (name, shelf) = (|key: u8| format!("{}", key / 2), shelf_of);
    match *call {
        Call::Put(key, value, ttl) | Call::PutNew(key, value, ttl) => {
            let only_new = matches!(call, Call::PutNew(..));
            let ttl_time = Duration::from_secs(ttl);
            let expected = match (model.contains_key(&key), only_new) {
                (true, true) => Some(false),
                (false, _) if model.len() == CAPACITY => None,
                _ => Some(true),
            };
            let got = if only_new {
                cache.put_new(shelf(key), &name(key), vec![value], ttl_time).await.ok()
            } else {
                cache.put(shelf(key), &name(key), vec![value], ttl_time).await.ok().map(|()| true)
            };
            assert_eq!(got, expected, "{call:?}");
            if got == Some(true) {
                model.insert(key, (value, *now + ttl));
            }
        }
        Call::Get(key) => {
            let expected = model.get(&key).map(|(value, _)| vec![*value]);
            assert_eq!(cache.get(shelf(key), &name(key)).await.unwrap(), expected);
        }
        Call::Take(key) => {
            let expected = model.remove(&key).map(|(value, _)| vec![value]);
            assert_eq!(cache.take(shelf(key), &name(key)).await.unwrap(), expected);
        }
        Call::Forget(key) => {
            model.remove(&key);
            cache.forget(shelf(key), &name(key)).await.unwrap();
        }
        Call::Wait(seconds) => {
            *now += seconds;
            advance(Duration::from_secs(seconds)).await;
            model.retain(|_, (_, ends)| *ends > *now);
        }
        Call::Sweep => {
            cache.sweep();
            assert_eq!(cache.len(), model.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_cache_is_a_map_that_forgets_in_time(calls in prop::collection::vec(a_call(), 0..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let cache = Cache::in_memory(CAPACITY);
            let (mut model, mut now) = (Model::new(), 0);
            for call in &calls {
                step(&cache, &mut model, &mut now, call).await;
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn large_values_fill_a_cache_before_its_entries_do_and_give_their_room_back() {
    const LARGE: usize = 200 * 1024;
    let cache = Cache::in_memory(1000);
    let mut kept = 0;
    while cache.put(CODES, &kept.to_string(), vec![0; LARGE], MINUTE).await.is_ok() {
        kept += 1;
    }
    assert!((5..=10).contains(&kept), "{kept} values of {LARGE} bytes for 1000 entries of 2 KiB on average");
    cache.put(CODES, "what is left", vec![0; 190 * 1024], MINUTE).await.unwrap();
    let growing = cache.put(CODES, "0", vec![0; LARGE + 50 * 1024], MINUTE).await;
    assert!(matches!(growing, Err(CacheError::Full { .. })), "nor may what is there grow past it");
    assert_eq!(read(&cache, CODES, "0").await.map(|value| value.len()), Some(LARGE), "it stays as it was");
    cache.put(CODES, "1", Vec::new(), MINUTE).await.unwrap();
    cache.put(CODES, "shrunk elsewhere", vec![0; LARGE], MINUTE).await.unwrap();
    cache.take(CODES, "2").await.unwrap();
    cache.put(CODES, "taken", vec![0; LARGE], MINUTE).await.unwrap();
    advance(MINUTE).await;
    for again in 0..kept {
        cache.put(REFRESH, &again.to_string(), vec![0; LARGE], MINUTE).await.unwrap();
    }
}
