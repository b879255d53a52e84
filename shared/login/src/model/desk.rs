//! A request under way, one wait at a time.
//!
//! The steps are async functions, and a half-finished future can be neither copied nor compared. So a request is kept as what
//! it was told so far, its [`Entry`]s: to take it one wait further, its steps are run again from the start, are told the same
//! again, and then one thing more. Whatever touches the mesh is an entry, so that nothing happens twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mangrove_cache::{CacheError, Records, Shelf};
use mangrove_connectors::Failure;
use mangrove_continuity::{Choice, Standing};

use super::Parts;
use super::mesh::{Key, Mesh};

/// One thing that the mesh told a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    Done,
    Yes(bool),
    Bytes(Option<Vec<u8>>),
    Name(Option<String>),
    Chosen(Choice),
    Standing(Option<Standing>),
    /// Whom a member vouched for.
    Person(Result<String, Failure>),
}

/// The mesh, as one request sees it.
#[derive(Debug)]
pub(crate) struct Desk<P> {
    inner: Arc<Mutex<Inner>>,
    parts: std::marker::PhantomData<fn() -> P>,
}

impl<P> Clone for Desk<P> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), parts: std::marker::PhantomData }
    }
}

#[derive(Debug)]
struct Inner {
    mesh: Mesh,
    told: Vec<Entry>,
    at: usize,
    /// Waits that may still end.
    may: u8,
    tokens: u32,
    /// What it waits for is that its answer is looked at.
    waits_for_a_look: bool,
}

impl<P: Parts> Desk<P> {
    /// A request that was told this so far, and may be told the end of one more wait.
    pub(crate) fn new(mesh: Mesh, told: Vec<Entry>) -> Self {
        let inner = Inner { mesh, told, at: 0, may: 1, tokens: 0, waits_for_a_look: false };
        Self { inner: Arc::new(Mutex::new(inner)), parts: std::marker::PhantomData }
    }

    /// The mesh afterwards, what the request was told, and whether it waits for its answer to be looked at.
    pub(crate) fn close(self) -> (Mesh, Vec<Entry>, bool) {
        let mut inner = self.inner();
        (std::mem::take(&mut inner.mesh), std::mem::take(&mut inner.told), inner.waits_for_a_look)
    }

    /// Whether members vouch by what the browser carries.
    pub(crate) fn vouched_by_hand(&self) -> bool {
        self.inner().mesh.vouched_by_hand
    }

    /// A look at an answer, for which there has to be time.
    pub(crate) async fn looks_at_an_answer(&self, does: impl FnOnce(&mut Mesh) -> Entry + Send) -> Entry {
        self.inner().waits_for_a_look = true;
        let entry = self.waits(does).await;
        self.inner().waits_for_a_look = false;
        entry
    }

    /// The number of the next one-time value of this request.
    pub(crate) fn next_token(&self) -> u32 {
        let mut inner = self.inner();
        inner.tokens += 1;
        inner.tokens
    }

    /// Something that happens at once.
    pub(crate) fn at_once(&self, does: impl FnOnce(&mut Mesh) -> Entry) -> Entry {
        let mut inner = self.inner();
        let at = inner.at;
        inner.at += 1;
        if let Some(told) = inner.told.get(at) {
            return told.clone();
        }
        let entry = does(&mut inner.mesh);
        inner.told.push(entry.clone());
        entry
    }

    /// The answer of a member: while none can die or come back any more, it might as well be there at once.
    pub(crate) async fn asks_a_member(&self, does: impl FnOnce(&mut Mesh) -> Entry + Send) -> Entry {
        if self.inner().mesh.left.faults == 0 { self.at_once(does) } else { self.waits(does).await }
    }

    /// Something that is waited for: meanwhile, anything else may happen.
    pub(crate) async fn waits(&self, does: impl FnOnce(&mut Mesh) -> Entry + Send) -> Entry {
        let goes_on = {
            let mut inner = self.inner();
            let known = inner.at < inner.told.len();
            let goes_on = known || inner.may > 0;
            if goes_on && !known {
                inner.may -= 1;
            }
            goes_on
        };
        if !goes_on {
            std::future::pending::<()>().await;
        }
        self.at_once(does)
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cache of the mesh. Nothing expires: what is too old is a smaller mesh.
impl<P: Parts> Records for Desk<P> {
    /// Nobody else knows of what is new, so that nobody can tell when it was stored.
    async fn put(&self, shelf: Shelf, key: &str, value: Vec<u8>, _: Duration) -> Result<(), CacheError> {
        self.at_once(|mesh| {
            mesh.cache.insert(name(shelf, key), value);
            Entry::Done
        });
        Ok(())
    }

    async fn put_new(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        _: Duration,
    ) -> Result<bool, CacheError> {
        let key = name(shelf, key);
        let entry = self.waits(move |mesh| {
            let new = !mesh.cache.contains_key(&key);
            mesh.cache.entry(key).or_insert(value);
            Entry::Yes(new)
        });
        Ok(entry.await == Entry::Yes(true))
    }

    async fn replace(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        _: Duration,
    ) -> Result<bool, CacheError> {
        let key = name(shelf, key);
        let entry = self.waits(move |mesh| Entry::Yes(P::replace(&mut mesh.cache, key, value)));
        Ok(entry.await == Entry::Yes(true))
    }

    async fn exchange(
        &self,
        shelf: Shelf,
        key: &str,
        was: &[u8],
        value: Vec<u8>,
        _: Duration,
    ) -> Result<bool, CacheError> {
        let key = name(shelf, key);
        let entry = self.waits(move |mesh| Entry::Yes(P::exchange(&mut mesh.cache, key, was, value)));
        Ok(entry.await == Entry::Yes(true))
    }

    async fn get(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let key = name(shelf, key);
        Ok(bytes(self.waits(move |mesh| Entry::Bytes(mesh.cache.get(&key).cloned())).await))
    }

    async fn take(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let key = name(shelf, key);
        Ok(bytes(self.waits(move |mesh| Entry::Bytes(P::take(&mut mesh.cache, &key))).await))
    }
}

fn name(shelf: Shelf, key: &str) -> Key {
    (shelf.0, key.to_owned())
}

fn bytes(entry: Entry) -> Option<Vec<u8>> {
    match entry {
        Entry::Bytes(bytes) => bytes,
        other => unreachable!("a request that is told the same does the same: {other:?}"),
    }
}
