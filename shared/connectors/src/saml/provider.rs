//! What the provider publishes: its metadata. For how long it is believed is said by [`Kept`], and by the metadata itself.
//!
//! A certificate is taken as a box around a key: who issued it and until when plays no part, only that it stands in the metadata.
//! Metadata that names another provider than the last is not taken: whoever answers at that address now is somebody else until an
//! operator, who can start the node again, says otherwise.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, header};
use mangrove_keys::ambient;
use mangrove_saml::metadata::{Binding, Endpoint, IdentityProvider, MetadataError};
use mangrove_saml::{Certificates, Refused, Skipped};
use url::Url;

use super::settings::{Settings, Source as From};
use super::work::{self, Benches};
use crate::Failure;
use crate::bench::Undone;
use crate::failure::printable;
use crate::http::{HttpBuildError, HttpClient, HttpError, Limits, NoAnswer, is_acceptable};
use crate::kept::{Kept, REFRESH, Source};

/// Shortest age at which metadata is fetched again, whatever it says.
const SHORTEST: Duration = Duration::from_secs(60);
/// Largest metadata file.
const LARGEST: u64 = 1024 * 1024;

/// The provider's own word, kept.
pub(super) type Provider = Kept<Metadata>;

/// Where the provider publishes.
#[derive(Debug)]
pub(super) struct Metadata {
    connector: String,
    from: From,
    signs: bool,
    http: HttpClient,
    benches: Arc<Benches>,
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
    #[error(
        "the metadata was {was}'s and is {is}'s now: that of {was} is kept; if the provider has a new entityID, start this node again"
    )]
    SomebodyElse { was: String, is: String },
    #[error("metadata: {0}")]
    Undone(Undone),
}

impl FetchError {
    pub(super) fn is_no_answer(&self) -> bool {
        matches!(self, Self::Http(why) if why.is_no_answer())
    }

    /// An operator has to act, there or here: the document came whole and says what cannot be used.
    pub(super) fn is_for_an_operator(&self) -> bool {
        match self {
            Self::Metadata(why) => !matches!(why, MetadataError::Refused(_)),
            Self::Certificates(_)
            | Self::PlainHttp
            | Self::WantsSigned
            | Self::File(_)
            | Self::SomebodyElse { .. } => true,
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
        Ok(Self { entity_id, sign_on, logout, certificates, metadata })
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
}

impl Source for Metadata {
    type Answer = Published;
    type Why = FetchError;

    async fn fetch(
        &self,
        last: Option<&Published>,
        limits: &Limits,
        now: u64,
    ) -> Result<Published, FetchError> {
        let signs = self.signs;
        let read = match &self.from {
            From::Web(url) => {
                let document = self.download(url, limits).await.map_err(FetchError::Http)?;
                self.benches.watch.run(move || Published::read(&document, signs, now)).await
            }
            From::File(path) => {
                let path = path.clone();
                self.benches.watch.run(move || Published::read(&read_file(&path)?, signs, now)).await
            }
        };
        let new = read.map_err(FetchError::Undone)??;
        match last {
            Some(last) if last.entity_id != new.entity_id => Err(FetchError::SomebodyElse {
                was: printable(&last.entity_id),
                is: printable(&new.entity_id),
            }),
            _ => Ok(new),
        }
    }

    fn unanswered() -> FetchError {
        FetchError::Http(HttpError::NoAnswer(NoAnswer::Timeout))
    }

    /// An operator hears once of a certificate that cannot be used: what it signs is refused.
    fn news(&self, last: Option<&Published>, new: &Published) {
        let (connector, now) = (self.connector.as_str(), ambient::unix_now());
        let ends_soon = |published: &Published| published.metadata.ends_soon(now);
        if !ends_soon(new) && last.is_none_or(ends_soon) {
            tracing::warn!(
                connector,
                "the provider's metadata names no end (validUntil) within 90 days: an old copy of it would be believed"
            );
        }
        let chained = new.metadata.chained;
        if chained > 0 && last.is_none_or(|last| last.metadata.chained != chained) {
            tracing::info!(
                connector,
                chained,
                "certificates behind the first of their X509Data are no signing keys of the provider"
            );
        }
        let known = |one: &Skipped| {
            let before = last.map_or(&[][..], |last| last.certificates.skipped());
            before.iter().any(|old| old.fingerprint == one.fingerprint && old.why == one.why)
        };
        for skipped in new.certificates.skipped().iter().filter(|one| !known(one)) {
            tracing::warn!(connector, %skipped, "a certificate in the provider's metadata is not used");
        }
    }

    fn refresh(&self, published: &Published) -> Duration {
        published.metadata.cache_duration.map_or(REFRESH, |said| said.clamp(SHORTEST, REFRESH))
    }

    fn end(&self, published: &Published) -> Option<u64> {
        published.metadata.valid_until
    }
}

impl Metadata {
    /// Reads metadata in a file at once: what cannot be used there is found at the start.
    pub(super) fn kept(
        settings: &Settings,
        http: HttpClient,
        benches: Arc<Benches>,
    ) -> Result<Arc<Provider>, HttpBuildError> {
        let (from, signs) = (settings.metadata.clone(), settings.key.is_some());
        let first = match &from {
            From::Web(_) => None,
            From::File(path) => {
                let read =
                    read_file(path).and_then(|file| Published::read(&file, signs, ambient::unix_now()));
                let refuse = |why| HttpBuildError(format!("samlMetadataURL: {}: {why}", path.display()));
                Some(read.map_err(refuse)?)
            }
        };
        let metadata = Self { connector: settings.name.clone(), from, signs, http, benches };
        Ok(Kept::new(&settings.name, metadata, settings.keys_max_age, first))
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
}

fn read_file(path: &Path) -> Result<Vec<u8>, FetchError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::tests::Ahead;

    /// Metadata in a file, and what is kept of it.
    struct Shelf {
        file: tempfile::NamedTempFile,
        kept: Arc<Kept<Ahead<Metadata>>>,
    }

    fn shelf() -> Shelf {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = Metadata {
            connector: "idp".into(),
            from: From::File(file.path().to_owned()),
            signs: false,
            http: HttpClient::new().unwrap(),
            benches: Arc::default(),
        };
        let kept = Kept::new("idp", Ahead::of(metadata), Duration::from_secs(24 * 3600), None);
        Shelf { file, kept }
    }

    impl Shelf {
        /// Publishes metadata whose provider says this of its times.
        fn publishes(&self, times: &str) {
            let certificate = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert;
            let pem = certificate.pem();
            let lines = pem.lines().filter(|line| !line.starts_with("---"));
            let xml = format!(
                "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://idp.example\" {times}>\
                 <md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor>\
                 <ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}\
                 </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService \
                 Location=\"https://idp.example/sso\" Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"/>\
                 </md:IDPSSODescriptor></md:EntityDescriptor>",
                lines.collect::<String>()
            );
            std::fs::write(self.file.path(), xml).unwrap();
        }

        async fn fetches_after(&self, seconds: u64) -> u64 {
            self.kept.source().passes(seconds);
            self.kept.published().await.unwrap();
            self.kept.source().fetches()
        }
    }

    #[tokio::test]
    async fn metadata_is_fetched_again_when_it_says_within_a_minute_and_an_hour() {
        let says = [
            ("cacheDuration=\"PT5M\"", 300),
            ("cacheDuration=\"PT1S\"", 60),
            ("cacheDuration=\"P7D\"", 3600),
            ("", 3600),
        ];
        for (times, after) in says {
            let shelf = shelf();
            shelf.publishes(times);
            assert_eq!(shelf.fetches_after(0).await, 1);
            assert_eq!(shelf.fetches_after(after - 2).await, 1, "{times}: too early");
            assert_eq!(shelf.fetches_after(2).await, 2, "{times}: too late");
        }
    }

    #[tokio::test]
    async fn metadata_is_fetched_again_when_its_time_is_over_and_refused_if_it_is_the_same() {
        let shelf = shelf();
        let times = |until| format!("validUntil=\"{}\"", mangrove_saml::time::written(until));
        let end = ambient::unix_now() + 600;
        shelf.publishes(&times(end));
        assert_eq!(shelf.fetches_after(0).await, 1);
        assert_eq!(shelf.fetches_after(595).await, 1);
        shelf.kept.source().passes(10);
        let refused = shelf.kept.published().await.unwrap_err();
        assert_eq!(refused, FetchError::Metadata(MetadataError::Expired(end)));
        assert!(refused.is_for_an_operator() && shelf.kept.known().is_none());
        shelf.publishes(&times(end + 3600));
        assert_eq!(shelf.fetches_after(0).await, 3, "new metadata heals it");
    }
}
