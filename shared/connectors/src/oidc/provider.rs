//! What the provider publishes: its discovery document and its keys. For how long they are believed is said by [`Kept`].

use std::sync::Arc;

use mangrove_keys::ForeignKeys;
use url::Url;

use super::metadata::{Metadata, MetadataError};
use super::settings::Settings;
use crate::Failure;
use crate::http::{HttpClient, HttpError, Limits, NoAnswer};
use crate::kept::{Kept, Source};

/// The provider's own word, kept.
pub(super) type Provider = Kept<Discovery>;

/// Where the provider publishes.
#[derive(Debug)]
pub(super) struct Discovery {
    connector: String,
    well_known: Url,
    issuer: String,
    http: HttpClient,
}

/// One good fetch.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) metadata: Metadata,
    pub(super) keys: ForeignKeys,
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

impl Source for Discovery {
    type Answer = Published;
    type Why = FetchError;

    /// Both documents, at once if it is known where the keys are.
    async fn fetch(
        &self,
        last: Option<&Published>,
        limits: &Limits,
        _: u64,
    ) -> Result<Published, FetchError> {
        let known = last.map(|good| &good.metadata.jwks_uri);
        let guess = async {
            match known {
                Some(url) => Some(self.keys(url, limits).await),
                None => None,
            }
        };
        let (metadata, guessed) = futures::join!(self.metadata(limits), guess);
        let metadata = metadata?;
        let keys = match guessed.filter(|_| known == Some(&metadata.jwks_uri)) {
            Some(keys) => keys?,
            None => self.keys(&metadata.jwks_uri, limits).await?,
        };
        Ok(Published { metadata, keys })
    }

    fn unanswered() -> FetchError {
        FetchError::Http { what: "discovery", why: HttpError::NoAnswer(NoAnswer::Timeout) }
    }
}

impl Discovery {
    pub(super) fn kept(settings: &Settings, http: HttpClient) -> Arc<Provider> {
        let discovery = Self {
            connector: settings.name.clone(),
            well_known: settings.well_known.clone(),
            issuer: settings.issuer.clone(),
            http,
        };
        Kept::new(&settings.name, discovery, settings.keys_max_age, None)
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
            tracing::debug!(connector = self.connector, why, "a key of the provider is not used");
        }
        Ok(keys)
    }
}

impl Provider {
    /// Whether the provider answers now, past any fetch that is under way; keeps nothing unless nothing is known yet.
    pub(super) async fn glance(&self, limits: &Limits) -> Result<(), FetchError> {
        match self.known() {
            Some(_) => self.source().metadata(limits).await.map(drop),
            None => self.first(limits).await,
        }
    }

    /// Whether the provider can meet one of the wanted `acr` values, as far as it says so.
    pub(super) fn may_meet(&self, wanted: &str) -> bool {
        self.last_good().is_none_or(|good| good.metadata.may_meet(wanted))
    }
}
