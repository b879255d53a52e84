//! What a cache can do, as a trait: the one way into it. So whoever accepts something once can be led through every order of
//! events over a cache that a model holds in its hand.

use std::time::Duration;

use crate::memory::Over;
use crate::{Cache, CacheError, Shelf};

/// Put, get and take-once.
pub trait Records: Send + Sync {
    /// Stores a value for `ttl`, in place of what was there.
    ///
    /// # Errors
    /// [`CacheError::Full`] if the key is new, or the value larger than the one before, and there is no room; [`CacheError::TooLarge`].
    fn put(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<(), CacheError>> + Send;

    /// Stores a value for `ttl` unless something is there. Returns whether it was stored; of several callers at once
    /// exactly one gets `true`.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn put_new(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, CacheError>> + Send;

    /// Stores a value for `ttl` in place of one that is there. Returns whether there was one: what was taken meanwhile stays
    /// gone.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn replace(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, CacheError>> + Send;

    /// Stores a value for `ttl` in place of `was`. Returns whether that was there: who read it, changed it and gets `true` has undone
    /// nobody else's change.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn exchange(
        &self,
        shelf: Shelf,
        key: &str,
        was: &[u8],
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, CacheError>> + Send;

    /// The value, if it is there and has not expired.
    ///
    /// # Errors
    /// None in memory.
    fn get(
        &self,
        shelf: Shelf,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;

    /// The value, which is gone afterwards. Of several callers at once exactly one gets it.
    ///
    /// # Errors
    /// None in memory.
    fn take(
        &self,
        shelf: Shelf,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CacheError>> + Send;

    /// Drops a value, if it is there.
    ///
    /// # Errors
    /// As [`Self::take`].
    fn forget(&self, shelf: Shelf, key: &str) -> impl Future<Output = Result<(), CacheError>> + Send {
        async move { self.take(shelf, key).await.map(drop) }
    }
}

impl Records for Cache {
    async fn put(&self, shelf: Shelf, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        self.memory.put(shelf, key, value, ttl, Over::Anything).map(|_| ())
    }

    async fn put_new(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        self.memory.put(shelf, key, value, ttl, Over::Nothing)
    }

    async fn replace(
        &self,
        shelf: Shelf,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        self.memory.put(shelf, key, value, ttl, Over::Something)
    }

    async fn exchange(
        &self,
        shelf: Shelf,
        key: &str,
        was: &[u8],
        value: Vec<u8>,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        self.memory.put(shelf, key, value, ttl, Over::This(was))
    }

    async fn get(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        Ok(self.memory.get(shelf, key))
    }

    async fn take(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        Ok(self.memory.take(shelf, key))
    }
}

/// What came of presenting something that is accepted once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Spent<T> {
    /// It is accepted, now and never again.
    First(T),
    /// It was accepted before; with what was noted then.
    Again(Vec<u8>),
    /// It was never there, or too long ago.
    Unknown,
}

/// Accepts what lies under `key` of the shelf `live` once, as `read` reads it, and keeps the note that `read` makes of it on the
/// shelf `used` for `known`: whoever puts the note there first has it. The note goes in before the thing goes away, so that a
/// second use always finds one of the two. What cannot be read counts as absent.
///
/// # Errors
/// The cache fails: nothing was accepted.
pub async fn spend<R: Records, T>(
    records: &R,
    (live, used): (Shelf, Shelf),
    key: &str,
    read: impl FnOnce(&[u8]) -> Option<(T, Vec<u8>)>,
    known: Duration,
) -> Result<Spent<T>, CacheError> {
    let found = records.get(live, key).await?;
    if let Some((what, note)) = found.and_then(|found| read(&found))
        && records.put_new(used, key, note, known).await?
    {
        records.take(live, key).await?;
        return Ok(Spent::First(what));
    }
    Ok(records.get(used, key).await?.map_or(Spent::Unknown, Spent::Again))
}
