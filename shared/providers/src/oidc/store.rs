//! What the provider remembers: codes, refresh tokens, opaque access tokens, and what was revoked.
//!
//! Each kind has a shelf of its own, so that a code can never be read as another single-use object. What is accepted
//! once is taken by one atomic operation of the cache. A failing cache refuses; it never lets through and never says
//! "revoked" when it is not.

use std::time::Duration;

use aws_lc_rs::hmac;
use mangrove_cache::{Cache, CacheError, Records, Shelf, Spent, spend};
use mangrove_keys::{ambient, secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::access::Access;
use super::encode;
use super::grant::Grant;

const CODES: Shelf = Shelf::new("oidc-code");
const USED_CODES: Shelf = Shelf::new("oidc-code-used");
const FAMILIES: Shelf = Shelf::new("oidc-refresh-family");
const TURNS: Shelf = Shelf::new("oidc-refresh-turn");
const TURNING: Shelf = Shelf::new("oidc-refresh-turning");
const ACCESS: Shelf = Shelf::new("oidc-access");
const CLAIMS: Shelf = Shelf::new("oidc-claims");
const ASSERTIONS: Shelf = Shelf::new("oidc-client-assertion");
const REVOKED: Shelf = Shelf::new("oidc-revoked");

/// Two uses of one refresh token this close together, its successor not used yet, are a client that asked twice and not a
/// thief: the second gets nothing, and the first keeps what it got.
const TURNING_LIFE: Duration = Duration::from_secs(3);

/// What a code stands for.
#[derive(Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
}

/// All refresh tokens that grow from one grant: one is good at a time.
#[derive(Serialize, Deserialize)]
pub(super) struct Family {
    pub(super) grant: Grant,
    /// When the last of them ends, seconds since the epoch.
    pub(super) ends: u64,
    key: String,
}

/// A code was presented.
pub(super) enum Redeemed {
    First(Box<Code>),
    /// It was used before, for the grant of this id.
    Again(String),
    Unknown,
}

/// A refresh token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// It was good, and is no more.
    Good,
    /// It was used a moment ago.
    Twice,
    /// It was used before.
    Again,
}

/// A refresh token taken apart: `grant.generation.mac`. The MAC's key lives with the family, so that an old token can
/// be told from an invented one without keeping every token there ever was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    grant: String,
    generation: u64,
}

/// The provider's shelves.
#[derive(Clone)]
pub(super) struct Store {
    cache: Cache,
    /// Life of a code; twice as long it is known that it was used, and that its second use revokes what the first got.
    code_life: Duration,
    /// Longest life of anything that grows from a grant.
    longest: Duration,
}

impl Store {
    pub(super) fn new(cache: Cache, code_life: Duration, longest: Duration) -> Self {
        Self { cache, code_life, longest }
    }

    /// Keeps what a new code stands for.
    pub(super) async fn put_code(&self, code: &str, what: &Code) -> Result<(), CacheError> {
        self.cache.put(CODES, code, bytes(what), self.code_life).await
    }

    /// Takes a code, once: whoever marks it used first has it.
    pub(super) async fn redeem(&self, code: &str) -> Result<Redeemed, CacheError> {
        let read = |found: &[u8]| {
            let what = parsed::<Code>(CODES, found)?;
            let note = what.grant.id.clone().into_bytes();
            Some((what, note))
        };
        Ok(match spend(&self.cache, (CODES, USED_CODES), code, read, self.code_life * 2).await? {
            Spent::First(what) => Redeemed::First(Box::new(what)),
            Spent::Again(grant) => String::from_utf8(grant).map_or(Redeemed::Unknown, Redeemed::Again),
            Spent::Unknown => Redeemed::Unknown,
        })
    }

    /// Whether a client's assertion of this id is the first; nobody may use the id again for so many seconds.
    pub(super) async fn is_first_assertion(
        &self,
        client: &str,
        jti: &str,
        seconds: u64,
    ) -> Result<bool, CacheError> {
        // A client id has no line break, so that no two pairs are one key.
        let key = secret::sha256_base64url(format!("{client}\n{jti}").as_bytes());
        self.cache.put_new(ASSERTIONS, &key, Vec::new(), Duration::from_secs(seconds)).await
    }

    /// Begins a family of refresh tokens and gives the first.
    pub(super) async fn begin_family(
        &self,
        grant: Grant,
        ends: u64,
        idle: Duration,
    ) -> Result<String, CacheError> {
        let turn = Turn { grant: grant.id.clone(), generation: 0 };
        let family = Family { grant, ends, key: encode(&ambient::random::<32>()) };
        self.cache.put(FAMILIES, &turn.grant, bytes(&family), left(ends)).await?;
        self.put_turn(&family, turn, idle).await
    }

    /// The successor of a token that [`Store::take_turn`] took.
    pub(super) async fn succeed(
        &self,
        family: &Family,
        turn: &Turn,
        idle: Duration,
    ) -> Result<String, CacheError> {
        let next = Turn { grant: turn.grant.clone(), generation: turn.generation + 1 };
        self.put_turn(family, next, idle).await
    }

    async fn put_turn(&self, family: &Family, turn: Turn, idle: Duration) -> Result<String, CacheError> {
        self.cache.put(TURNS, &turn.key(), Vec::new(), idle.min(left(family.ends))).await?;
        Ok(turn.token(&family.key))
    }

    /// Gives a token back that was taken and could not be used.
    pub(super) async fn restore(&self, family: &Family, turn: &Turn, idle: Duration) {
        if self.put_turn(family, turn.clone(), idle).await.is_err() {
            tracing::warn!(grant = turn.grant, "a refresh token could not be given back: the cache fails");
        }
    }

    /// The family of a refresh token, and which of the family it is; takes nothing.
    pub(super) async fn family(&self, token: &str) -> Result<Option<(Family, Turn)>, CacheError> {
        let Some(turn) = Turn::parse(token) else { return Ok(None) };
        let Some(family) = self.read::<Family>(FAMILIES, &turn.grant).await? else { return Ok(None) };
        let genuine = secret::equal(turn.token(&family.key).as_bytes(), token.as_bytes());
        Ok(genuine.then_some((family, turn)))
    }

    /// Whether this is the one token of its family that is good now.
    pub(super) async fn is_turn(&self, turn: &Turn) -> Result<bool, CacheError> {
        Ok(self.cache.get(TURNS, &turn.key()).await?.is_some())
    }

    /// Takes a refresh token, once.
    pub(super) async fn take_turn(&self, turn: &Turn) -> Result<Turned, CacheError> {
        let key = turn.key();
        if self.is_turn(turn).await? {
            // Said before the token goes, so that whoever comes second at the same time finds it.
            self.cache.put(TURNING, &key, Vec::new(), TURNING_LIFE).await?;
            if self.cache.take(TURNS, &key).await?.is_some() {
                if let Some(before) = turn.before() {
                    self.cache.forget(TURNING, &before.key()).await?;
                }
                return Ok(Turned::Good);
            }
        }
        let just_now = self.cache.get(TURNING, &key).await?.is_some();
        Ok(if just_now { Turned::Twice } else { Turned::Again })
    }

    /// Ends all that grew from a grant: refresh tokens now, access tokens wherever they are shown. The family goes first:
    /// that needs no room, and makes some.
    pub(super) async fn revoke_grant(&self, id: &str) -> Result<(), CacheError> {
        self.cache.forget(FAMILIES, id).await?;
        self.cache.put(REVOKED, id, Vec::new(), self.longest).await
    }

    /// Ends one access token.
    pub(super) async fn revoke_access(&self, access: &Access) -> Result<(), CacheError> {
        self.cache.put(REVOKED, &access.jti, Vec::new(), left(access.exp)).await
    }

    /// Whether the grant or this very token was revoked.
    pub(super) async fn is_revoked(&self, access: &Access) -> Result<bool, CacheError> {
        Ok(self.is_grant_revoked(access.grant()).await?
            || self.cache.get(REVOKED, &access.jti).await?.is_some())
    }

    /// Whether a grant was revoked.
    pub(super) async fn is_grant_revoked(&self, id: &str) -> Result<bool, CacheError> {
        Ok(self.cache.get(REVOKED, id).await?.is_some())
    }

    /// Keeps what an opaque access token stands for.
    pub(super) async fn put_access(&self, token: &str, access: &Access) -> Result<(), CacheError> {
        self.cache.put(ACCESS, token, bytes(access), left(access.exp)).await
    }

    pub(super) async fn access(&self, token: &str) -> Result<Option<Access>, CacheError> {
        self.read(ACCESS, token).await
    }

    /// Keeps what userinfo says for a grant, where tokens outlive their session.
    pub(super) async fn put_claims(&self, grant: &Grant, life: Duration) -> Result<(), CacheError> {
        self.cache.put(CLAIMS, &grant.id, bytes(&grant.claims), life).await
    }

    pub(super) async fn claims(&self, grant: &str) -> Result<Option<Map<String, Value>>, CacheError> {
        self.read(CLAIMS, grant).await
    }

    async fn read<T: DeserializeOwned>(&self, shelf: Shelf, key: &str) -> Result<Option<T>, CacheError> {
        let Some(found) = self.cache.get(shelf, key).await? else { return Ok(None) };
        Ok(parsed(shelf, &found))
    }
}

impl Turn {
    /// Reads a token's name; whether it is genuine, only its family can say.
    fn parse(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (grant, generation, _mac) = (parts.next()?, parts.next()?, parts.next()?);
        (parts.next().is_none() && !grant.is_empty())
            .then_some(Self { grant: grant.to_owned(), generation: generation.parse().ok()? })
    }

    fn before(&self) -> Option<Self> {
        Some(Self { grant: self.grant.clone(), generation: self.generation.checked_sub(1)? })
    }

    fn key(&self) -> String {
        format!("{}.{}", self.grant, self.generation)
    }

    fn token(&self, key: &str) -> String {
        let body = self.key();
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body.as_bytes());
        format!("{body}.{}", encode(mac.as_ref()))
    }
}

fn parsed<T: DeserializeOwned>(shelf: Shelf, found: &[u8]) -> Option<T> {
    let parsed = serde_json::from_slice(found);
    if let Err(why) = &parsed {
        tracing::error!(?shelf, %why, "an entry of the cache cannot be read; it counts as absent");
    }
    parsed.ok()
}

/// The time until `end`, at least a second.
fn left(end: u64) -> Duration {
    Duration::from_secs(end.saturating_sub(ambient::unix_now()).max(1))
}

fn bytes(what: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(what).expect("plain data with text keys always serialises")
}
