//! What the provider publishes: its metadata and keys, and for how long they are believed.
//!
//! A good fetch replaces everything at once, so a key that the provider took back is gone with it. A failed fetch changes
//! nothing: the last good answer is used until it is `keysMaxAge` old. One fetch runs at a time; who waited for it takes
//! its result. A token with an unknown `kid` may cause a fetch, at most one every [`KID_PAUSE`], because anybody can invent
//! a `kid`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use mangrove_continuity::Moment;
use mangrove_keys::{ForeignKeys, ambient};
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::Url;

use super::metadata::{Metadata, MetadataError};
use super::settings::Settings;
use crate::Failure;
use crate::http::{HttpClient, HttpError, Limits, NoAnswer};

/// Age at which metadata and keys are fetched again although they may still be used.
const REFRESH: Duration = Duration::from_secs(3600);
/// Pause after a failed refresh while the last good answer serves.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// How long a login waits for a fetch that is under way, such as a patient probe's.
const PATIENCE: Duration = Duration::from_secs(4);
/// Pause between two fetches because of an unknown `kid`.
const KID_PAUSE: Duration = Duration::from_secs(10);

/// The provider's own word, cached.
#[derive(Debug)]
pub(super) struct Provider {
    name: String,
    well_known: Url,
    issuer: String,
    max_age: Duration,
    http: HttpClient,
    good: ArcSwapOption<Published>,
    flight: Mutex<Flight>,
}

/// One good fetch.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) metadata: Metadata,
    pub(super) keys: ForeignKeys,
    at: Moment,
}

/// The last fetch that ended.
#[derive(Debug, Default)]
struct Flight {
    ended: Option<(Moment, Result<(), FetchError>)>,
    for_kid: Option<Moment>,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{what}: {why}")]
    Http { what: &'static str, why: HttpError },
    #[error("{0}")]
    Metadata(MetadataError),
    #[error("the keys are of no use: {0}")]
    Keys(String),
}

impl FetchError {
    const UNANSWERED: Self = Self::Http { what: "discovery", why: HttpError::NoAnswer(NoAnswer::Timeout) };

    pub(super) fn is_no_answer(&self) -> bool {
        matches!(self, Self::Http { why, .. } if why.is_no_answer())
    }

    /// The same as the end of a login: a wrong issuer is for an operator, all else is the provider's outage.
    pub(super) fn into_failure(self, connector: &str) -> Failure {
        let log = format!("{connector}: {self}");
        match self {
            Self::Metadata(MetadataError::Issuer { .. } | MetadataError::PlainHttp) => {
                Failure { keeps_out: true, ..Failure::misconfigured(log) }
            }
            _ if self.is_no_answer() => Failure::no_answer(log),
            _ => Failure::unavailable(log),
        }
    }
}

impl Provider {
    pub(super) fn new(settings: &Settings, http: HttpClient) -> Self {
        Self {
            name: settings.name.clone(),
            well_known: settings.well_known.clone(),
            issuer: settings.issuer.clone(),
            max_age: settings.keys_max_age,
            http,
            good: ArcSwapOption::empty(),
            flight: Mutex::default(),
        }
    }

    /// The last good answer, however old; for what does no harm when it is stale.
    pub(super) fn last_good(&self) -> Option<Arc<Published>> {
        self.good.load_full()
    }

    /// What the provider publishes, for a login.
    pub(super) async fn published(&self) -> Result<Arc<Published>, FetchError> {
        let asked = ambient::now();
        if let Some(fresh) = self.usable(asked).filter(|good| !self.is_old(good, asked)) {
            return Ok(fresh);
        }
        let Ok(mut flight) = timeout(PATIENCE, self.flight.lock()).await else {
            return self.usable(ambient::now()).ok_or(FetchError::UNANSWERED);
        };
        let now = ambient::now();
        if let Some(fresh) = self.usable(now).filter(|good| !self.is_old(good, now)) {
            return Ok(fresh);
        }
        if let Some((ended, Err(why))) = &flight.ended {
            match self.usable(now) {
                Some(good) if now.since(*ended) < REFRESH_PAUSE => return Ok(good),
                None if *ended >= asked => return Err(why.clone()),
                _ => {}
            }
        }
        match self.fetch(&mut flight, &Limits::DOCUMENT).await {
            Ok(fresh) => Ok(fresh),
            Err(why) => match self.usable(ambient::now()) {
                Some(good) => {
                    tracing::warn!(connector = self.name, %why, "metadata and keys of the last good fetch are used");
                    Ok(good)
                }
                None => Err(why),
            },
        }
    }

    /// Fetches everything now; for probes.
    pub(super) async fn look(&self, limits: &Limits) -> Result<Arc<Published>, FetchError> {
        let mut flight = self.flight.lock().await;
        self.fetch(&mut flight, limits).await
    }

    /// Whether the provider answers now, past any fetch that is under way; keeps nothing unless nothing is known yet.
    pub(super) async fn glance(&self, limits: &Limits) -> Result<(), FetchError> {
        if self.usable(ambient::now()).is_some() {
            return self.metadata(limits).await.map(drop);
        }
        let first = Arc::new(self.fetch_both(limits).await?);
        self.good.store(Some(first));
        Ok(())
    }

    /// Whether the provider can meet one of the wanted `acr` values, as far as it says so.
    pub(super) fn may_meet(&self, wanted: &str) -> bool {
        self.last_good().is_none_or(|good| good.metadata.may_meet(wanted))
    }

    /// A token names a key that is not known: fetches again unless that happened just now. `None`: nothing new is known.
    pub(super) async fn for_unknown_key(
        &self,
        known: &Arc<Published>,
    ) -> Result<Option<Arc<Published>>, FetchError> {
        let newer = || self.good.load_full().filter(|good| !Arc::ptr_eq(good, known));
        if let Some(newer) = newer() {
            return Ok(Some(newer));
        }
        let mut flight = timeout(PATIENCE, self.flight.lock()).await.map_err(|_| FetchError::UNANSWERED)?;
        if let Some(newer) = newer() {
            return Ok(Some(newer));
        }
        let now = ambient::now();
        if flight.for_kid.is_some_and(|last| now.since(last) < KID_PAUSE) {
            return Ok(None);
        }
        flight.for_kid = Some(now);
        self.fetch(&mut flight, &Limits::DOCUMENT).await.map(Some)
    }

    async fn fetch(&self, flight: &mut Flight, limits: &Limits) -> Result<Arc<Published>, FetchError> {
        let fetched = self.fetch_both(limits).await.map(Arc::new);
        if let Ok(good) = &fetched {
            self.good.store(Some(good.clone()));
        }
        flight.ended = Some((ambient::now(), fetched.as_ref().map(drop).map_err(Clone::clone)));
        fetched
    }

    /// Both documents, at once if it is known where the keys are.
    async fn fetch_both(&self, limits: &Limits) -> Result<Published, FetchError> {
        let known = self.last_good().map(|good| good.metadata.jwks_uri.clone());
        let guess = async {
            match &known {
                Some(url) => Some(self.keys(url, limits).await),
                None => None,
            }
        };
        let (metadata, guessed) = futures::join!(self.metadata(limits), guess);
        let metadata = metadata?;
        let keys = match guessed.filter(|_| known.as_ref() == Some(&metadata.jwks_uri)) {
            Some(keys) => keys?,
            None => self.keys(&metadata.jwks_uri, limits).await?,
        };
        Ok(Published { metadata, keys, at: ambient::now() })
    }

    async fn metadata(&self, limits: &Limits) -> Result<Metadata, FetchError> {
        let fetched = self.http.fetch(&self.well_known, limits).await;
        let document = fetched.map_err(|why| FetchError::Http { what: "discovery", why })?;
        Metadata::parse(&document, &self.issuer).map_err(FetchError::Metadata)
    }

    async fn keys(&self, url: &Url, limits: &Limits) -> Result<ForeignKeys, FetchError> {
        let fetched = self.http.fetch(url, limits).await;
        let document = fetched.map_err(|why| FetchError::Http { what: "keys", why })?;
        let keys = ForeignKeys::parse(&document).map_err(|why| FetchError::Keys(why.to_string()))?;
        for why in keys.skipped() {
            tracing::debug!(connector = self.name, why, "a key of the provider is not used");
        }
        Ok(keys)
    }

    fn usable(&self, now: Moment) -> Option<Arc<Published>> {
        self.good.load_full().filter(|good| now.since(good.at) < self.max_age)
    }

    fn is_old(&self, good: &Published, now: Moment) -> bool {
        now.since(good.at) >= REFRESH.min(self.max_age / 2)
    }
}
