//! What the provider publishes: its metadata, and for how long it is believed.
//!
//! As with an OpenID provider's discovery: a good fetch replaces everything at once, so a certificate that the provider took
//! back is gone with it; a failed fetch changes nothing, and the last good one is used until it is `keysMaxAge` old, or past
//! its own `validUntil`. One fetch runs at a time; who waited for it takes its result. A signature by an unknown key may cause
//! a fetch, at most one every [`KEY_PAUSE`], because anybody can sign something. A certificate is taken as a box around a key:
//! who issued it and until when plays no part, only that it stands in the metadata.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{Request, header};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use mangrove_saml::metadata::{Binding, Endpoint, IdentityProvider, MetadataError};
use mangrove_saml::{Certificates, Refused};
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::Url;

use super::settings::{Settings, Source};
use super::work::{self, Benches};
use crate::Failure;
use crate::bench::Undone;
use crate::http::{HttpBuildError, HttpClient, HttpError, Limits, NoAnswer, is_acceptable};

/// Age at which metadata is fetched again although it may still be used, unless it says something shorter.
const REFRESH: Duration = Duration::from_secs(3600);
/// Shortest such age, whatever the metadata says.
const SHORTEST: Duration = Duration::from_secs(60);
/// Pause after a failed refresh while the last good answer serves.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// How long a login waits for a fetch that is under way, such as a patient probe's.
const PATIENCE: Duration = Duration::from_secs(4);
/// Pause between two fetches because of an unknown key.
const KEY_PAUSE: Duration = Duration::from_secs(10);
/// Largest metadata file.
const LARGEST: u64 = 1024 * 1024;

/// The provider's own word, cached.
#[derive(Debug)]
pub(super) struct Provider {
    name: String,
    source: Source,
    max_age: Duration,
    signs: bool,
    http: HttpClient,
    benches: Arc<Benches>,
    good: ArcSwapOption<Published>,
    flight: Mutex<Flight>,
}

/// One good fetch.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) entity_id: String,
    /// Where people sign in, in the provider's order.
    pub(super) sign_on: Vec<(Binding, Url)>,
    /// Where logouts are told, in the provider's order.
    logout: Vec<LogoutDoor>,
    pub(super) certificates: Certificates,
    metadata: IdentityProvider,
    at: Moment,
}

/// Where a logout is told.
#[derive(Debug, Clone)]
pub(super) struct LogoutDoor {
    binding: Binding,
    request: Url,
    response: Url,
}

impl LogoutDoor {
    /// How and where a request goes.
    pub(super) fn request(&self) -> (Binding, Url) {
        (self.binding, self.request.clone())
    }

    /// How and where an answer goes.
    pub(super) fn response(&self) -> (Binding, Url) {
        (self.binding, self.response.clone())
    }
}

/// The last fetch that ended.
#[derive(Debug, Default)]
struct Flight {
    ended: Option<(Moment, Result<(), FetchError>)>,
    for_key: Option<Moment>,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("metadata: {0}")]
    Http(HttpError),
    #[error("metadata: the file cannot be read: {0}")]
    File(String),
    #[error("{0}")]
    Metadata(MetadataError),
    #[error("the signing certificates in the metadata are of no use: {0}")]
    Certificates(Refused),
    #[error("the metadata names an endpoint without TLS, or one that is not a URL")]
    PlainHttp,
    #[error("the provider takes signed requests only: add samlSPCertPath and samlSPKeyPath")]
    WantsSigned,
    #[error("metadata: {0}")]
    Undone(Undone),
}

impl FetchError {
    const UNANSWERED: Self = Self::Http(HttpError::NoAnswer(NoAnswer::Timeout));

    pub(super) fn is_no_answer(&self) -> bool {
        matches!(self, Self::Http(why) if why.is_no_answer())
    }

    /// An operator has to act, there or here: the document came whole and says what cannot be used.
    pub(super) fn is_for_an_operator(&self) -> bool {
        match self {
            Self::Metadata(why) => !matches!(why, MetadataError::Refused(_)),
            Self::Certificates(_) | Self::PlainHttp | Self::WantsSigned | Self::File(_) => true,
            Self::Http(_) | Self::Undone(_) => false,
        }
    }

    /// The same as the end of a login.
    pub(super) fn into_failure(self, connector: &str) -> Failure {
        if let Self::Undone(undone) = self {
            return work::failure(undone, connector);
        }
        let log = format!("{connector}: {self}");
        match self {
            _ if self.is_for_an_operator() => Failure { keeps_out: true, ..Failure::misconfigured(log) },
            _ if self.is_no_answer() => Failure::no_answer(log),
            _ => Failure::unavailable(log),
        }
    }
}

impl Published {
    /// Reads a document; not on an async thread.
    fn read(document: &[u8], signs: bool, now: u64) -> Result<Self, FetchError> {
        let metadata = IdentityProvider::read(document, now).map_err(FetchError::Metadata)?;
        let certificates = Certificates::new(&metadata.certificates).map_err(FetchError::Certificates)?;
        let url =
            |location: &str| Url::parse(location).ok().filter(is_acceptable).ok_or(FetchError::PlainHttp);
        let to = |endpoint: &Endpoint| Ok((endpoint.binding, url(&endpoint.location)?));
        let sign_on = metadata.sign_on.iter().map(to).collect::<Result<_, _>>()?;
        let door = |endpoint: &Endpoint| {
            let (binding, request) = to(endpoint)?;
            let response = endpoint.response_location.as_deref().map_or(Ok(request.clone()), url)?;
            Ok(LogoutDoor { binding, request, response })
        };
        let logout = metadata.logout.iter().map(door).collect::<Result<_, _>>()?;
        if metadata.wants_signed_requests && !signs {
            return Err(FetchError::WantsSigned);
        }
        let entity_id = metadata.entity_id.clone();
        Ok(Self { entity_id, sign_on, logout, certificates, metadata, at: ambient::now() })
    }

    /// Where a request goes by the first of these bindings that is offered.
    pub(super) fn sign_on_by(&self, bindings: &[Binding]) -> Option<&(Binding, Url)> {
        bindings.iter().find_map(|wanted| self.sign_on.iter().find(|(binding, _)| binding == wanted))
    }

    /// Where logouts are told: by a redirect, if that is offered.
    pub(super) fn logout_by(&self) -> Option<&LogoutDoor> {
        let by = |wanted| self.logout.iter().find(|door| door.binding == wanted);
        by(Binding::Redirect).or_else(|| by(Binding::Post))
    }

    fn is_over(&self, unix: u64) -> bool {
        self.metadata.valid_until.is_some_and(|until| until <= unix)
    }
}

impl Provider {
    /// Reads metadata in a file at once: what cannot be used there is found at the start.
    pub(super) fn new(
        settings: &Settings,
        http: HttpClient,
        benches: Arc<Benches>,
    ) -> Result<Self, HttpBuildError> {
        let signs = settings.key.is_some();
        let good = match &settings.metadata {
            Source::Web(_) => None,
            Source::File(path) => {
                let refuse =
                    |why: FetchError| HttpBuildError(format!("samlMetadataURL: {}: {why}", path.display()));
                let document = read_file(path).map_err(refuse)?;
                Some(Arc::new(Published::read(&document, signs, ambient::unix_now()).map_err(refuse)?))
            }
        };
        Ok(Self {
            name: settings.name.clone(),
            source: settings.metadata.clone(),
            max_age: settings.keys_max_age,
            signs,
            http,
            benches,
            good: ArcSwapOption::from(good),
            flight: Mutex::default(),
        })
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
                    tracing::warn!(connector = self.name, %why, "metadata of the last good fetch is used");
                    Ok(good)
                }
                None => Err(why),
            },
        }
    }

    /// Fetches now; for probes.
    pub(super) async fn look(&self, limits: &Limits) -> Result<Arc<Published>, FetchError> {
        let mut flight = self.flight.lock().await;
        self.fetch(&mut flight, limits).await
    }

    /// What may be used now without asking anybody.
    pub(super) fn known(&self) -> Option<Arc<Published>> {
        self.usable(ambient::now())
    }

    /// A signature is by a key that is not known: fetches again unless that happened just now. `None`: nothing new is known.
    /// Anybody can sign something, so it is no news of the provider when it cannot be fetched.
    pub(super) async fn for_unknown_key(&self, known: &Arc<Published>) -> Option<Arc<Published>> {
        let newer = || self.good.load_full().filter(|good| !Arc::ptr_eq(good, known));
        if let Some(newer) = newer() {
            return Some(newer);
        }
        let mut flight = timeout(PATIENCE, self.flight.lock()).await.ok()?;
        if let Some(newer) = newer() {
            return Some(newer);
        }
        let now = ambient::now();
        if flight.for_key.is_some_and(|last| now.since(last) < KEY_PAUSE) {
            return None;
        }
        flight.for_key = Some(now);
        let fetched = self.fetch(&mut flight, &Limits::DOCUMENT).await;
        fetched
            .inspect_err(
                |why| tracing::warn!(connector = self.name, %why, "an unknown key cannot be looked up"),
            )
            .ok()
    }

    async fn fetch(&self, flight: &mut Flight, limits: &Limits) -> Result<Arc<Published>, FetchError> {
        let fetched = self.fetch_document(limits).await.map(Arc::new);
        if let Ok(good) = &fetched {
            for why in good.certificates.skipped() {
                tracing::debug!(connector = self.name, %why, "a certificate of the provider is not used");
            }
            self.good.store(Some(good.clone()));
        }
        flight.ended = Some((ambient::now(), fetched.as_ref().map(drop).map_err(Clone::clone)));
        fetched
    }

    async fn fetch_document(&self, limits: &Limits) -> Result<Published, FetchError> {
        let (signs, now) = (self.signs, ambient::unix_now());
        let read = match &self.source {
            Source::Web(url) => {
                let document = self.download(url, limits).await.map_err(FetchError::Http)?;
                self.benches.watch.run(move || Published::read(&document, signs, now)).await
            }
            Source::File(path) => {
                let path = path.clone();
                self.benches.watch.run(move || Published::read(&read_file(&path)?, signs, now)).await
            }
        };
        read.map_err(FetchError::Undone)?
    }

    async fn download(&self, url: &Url, limits: &Limits) -> Result<Vec<u8>, HttpError> {
        const ACCEPTED: &str = "application/samlmetadata+xml, application/xml;q=0.9, */*;q=0.8";
        let request = Request::get(url.as_str()).header(header::ACCEPT, ACCEPTED).body(Vec::new());
        let request = request.map_err(|_| HttpError::NotAllowed("not a URL for HTTP".into()))?;
        let response = self.http.send(request, limits).await?;
        match response.status().as_u16() {
            200 => Ok(response.into_body()),
            other => Err(HttpError::Status(other)),
        }
    }

    fn usable(&self, now: Moment) -> Option<Arc<Published>> {
        let good = self.good.load_full().filter(|good| now.since(good.at) < self.max_age)?;
        (!good.is_over(ambient::unix_now())).then_some(good)
    }

    fn is_old(&self, good: &Published, now: Moment) -> bool {
        let said = good.metadata.cache_duration.map_or(REFRESH, |said| said.clamp(SHORTEST, REFRESH));
        now.since(good.at) >= said.min(self.max_age / 2)
    }
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, FetchError> {
    use std::io::Read;
    let unread = |why: std::io::Error| FetchError::File(why.kind().to_string());
    let mut document = Vec::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(LARGEST + 1).read_to_end(&mut document).map_err(unread)?;
    match document.len() as u64 > LARGEST {
        true => Err(FetchError::File("it is larger than 1 MiB".into())),
        false => Ok(document),
    }
}
