//! OpenID Connect, as a relying party.

use mangrove_config::{Config, connectors::Oidc as Written};
use url::Url;

use crate::{Answer, Ask, Begin, Failure, Identity, Parts, Pending, ProbeResult, http::HttpBuildError};

/// An OpenID provider.
#[derive(Debug)]
pub struct Oidc {
    written: Written,
}

impl Oidc {
    pub(crate) fn build(written: &Written, _config: &Config, _parts: &Parts) -> Result<Self, HttpBuildError> {
        Ok(Self { written: written.clone() })
    }
    pub(crate) fn name(&self) -> &str {
        &self.written.name
    }
    pub(crate) fn is_root(&self) -> bool {
        self.written.root
    }
    pub(crate) fn able(&self) -> Result<(), String> {
        self.redirect_path().map(drop).ok_or_else(|| "it has no oauthRedirectURL".into())
    }
    pub(crate) fn redirect_path(&self) -> Option<&str> {
        self.written.redirect_url.as_ref().map(Url::path)
    }
    pub(crate) async fn begin(&self, _ask: &Ask) -> Result<Begin, Failure> {
        Err(Failure::unavailable("not built yet"))
    }
    pub(crate) async fn finish(&self, _pending: &Pending, _answer: &Answer) -> Result<Identity, Failure> {
        Err(Failure::unavailable("not built yet"))
    }
    pub(crate) async fn probe(&self) -> ProbeResult {
        ProbeResult::Failed { why: "not built yet".into(), no_answer: false }
    }
    pub(crate) fn logout(&self, _identity: &Identity, _back_to: &Url) -> Option<Url> {
        None
    }
}
