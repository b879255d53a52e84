//! What a cache can do, as a trait: for the few sequences in which nodes must accept something once, so that the same code
//! can be led through every order of events over a cache that a model holds in its hand.

use std::time::Duration;

use crate::{Cache, CacheError, Shelf};

/// Put, get and take-once; what each call promises is said at the method of [`Cache`] of the same name.
#[allow(clippy::missing_errors_doc, reason = "as the methods of `Cache`")]
pub trait Records: Send + Sync {
    /// [`Cache::put`].
    fn put(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<(), CacheError>> + Send;

    /// [`Cache::put_new`].
    fn put_new(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, CacheError>> + Send;

    /// [`Cache::replace`].
    fn replace(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, CacheError>> + Send;

    /// [`Cache::get`].
    fn get(
        &self,
        shelf: Shelf,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;

    /// [`Cache::take`].
    fn take(
        &self,
        shelf: Shelf,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;
}

impl Records for Cache {
    async fn put(&self, shelf: Shelf, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        self.put(shelf, key, value, ttl).await
    }

    async fn put_new(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        self.put_new(shelf, key, value, ttl).await
    }

    async fn replace(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        self.replace(shelf, key, value, ttl).await
    }

    async fn get(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.get(shelf, key).await
    }

    async fn take(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.take(shelf, key).await
    }
}

/// What came of presenting something that is accepted once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Spent {
    /// It is accepted, now and never again.
    First(Vec<u8>),
    /// It was accepted before; with what was noted then.
    Again(Vec<u8>),
    /// It was never there, or too long ago.
    Unknown,
}

/// Accepts what lies under `key` of the shelf `live` once, and keeps `note` of it on the shelf `used` for `known`: whoever
/// puts the note there first has it. The note goes in before the thing goes away, so that a second use always finds one of
/// the two. What `note` cannot read counts as absent.
///
/// # Errors
/// The cache fails: nothing was accepted.
pub async fn spend<R: Records>(
    records: &R,
    (live, used): (Shelf, Shelf),
    key: &str,
    note: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    known: Duration,
) -> Result<Spent, CacheError> {
    let what = records.get(live, key).await?;
    if let Some((what, note)) = what.and_then(|what| note(&what).map(|note| (what, note)))
        && records.put_new(used, key, note, known).await?
    {
        records.take(live, key).await?;
        return Ok(Spent::First(what));
    }
    Ok(records.get(used, key).await?.map_or(Spent::Unknown, Spent::Again))
}
