//! OpenID Connect, as a relying party: code flow with PKCE.
//!
//! Read in the order of a login: [`begin`] sends the browser away, [`finish`] takes its answer, [`exchange`] trades the
//! code, [`verify`] checks the ID token, [`userinfo`] asks for what is missing. [`provider`] keeps what the provider
//! publishes; [`probe`] asks whether it would answer, [`look`] asks it in a hurry, and both ask a Mangrove node for its own
//! [`word`]. No token of the provider outlives the login, except the ID token as a hint for its logout page.

mod begin;
mod exchange;
mod finish;
mod look;
mod metadata;
mod probe;
mod proof;
mod provider;
mod settings;
mod userinfo;
mod verify;
mod word;

use std::sync::Arc;

use mangrove_config::health_check::HealthCheck;
use mangrove_config::{Config, connectors::Oidc as Written, http::TlsProfile};
use mangrove_continuity::HealthPolicy;
use mangrove_keys::{KeyError, KeyRing};
use url::Url;

pub use self::begin::{ELSEWHERE_PARAMETER, HOPS_PARAMETER};
use self::proof::Proof;
use self::provider::{Discovery, Provider};
use self::settings::Settings;
use crate::endpoint::Endpoint;
use crate::finder::{Found, NOT_PROVEN};
use crate::{Failure, HttpClient, Identity, Parts, http::HttpBuildError};

/// An OpenID provider.
#[derive(Debug)]
pub struct Oidc {
    settings: Settings,
    http: HttpClient,
    provider: Arc<Provider>,
    /// What is asked instead of the provider.
    endpoint: Option<Endpoint>,
    /// How DNS found it, if it did.
    found: Option<Found>,
}

impl Oidc {
    pub(crate) fn build(written: &Written, config: &Config, parts: &Parts) -> Result<Self, HttpBuildError> {
        let settings = Settings::read(written, &parts.state_dir)?;
        let profile = config.tls_profile(written.tls.as_deref())?;
        let http = parts.http.share(profile, written.proxy.as_ref())?;
        Self::made(written, settings, http, None)
    }

    /// A root that DNS found: `written` is made of the settings of a configured one, and only `profile`'s authority is trusted.
    pub(crate) fn found_root(
        written: &Written,
        profile: &TlsProfile,
        parts: &Parts,
        found: Found,
    ) -> Result<Self, HttpBuildError> {
        let settings = Settings::read(written, &parts.state_dir)?;
        let http = parts.http.share_within(profile, written.proxy.as_ref())?;
        Self::made(written, settings, http, Some(found))
    }

    fn made(
        written: &Written,
        settings: Settings,
        http: HttpClient,
        found: Option<Found>,
    ) -> Result<Self, HttpBuildError> {
        let provider = Discovery::kept(&settings, http.clone());
        let judge = written.health_check.as_ref().and_then(HealthCheck::judge);
        let endpoint = judge.map(|judge| Endpoint::build(judge, http.clone())).transpose()?;
        Ok(Self { settings, http, provider, endpoint, found })
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn is_root(&self) -> bool {
        self.settings.root
    }

    pub(crate) fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    pub(crate) fn able(&self) -> Result<(), String> {
        match (&self.settings.redirect_url, &self.found) {
            (None, _) => Err("it has no redirect URL: add oauthRedirectURL".into()),
            (Some(_), Some(found)) if !found.is_proven() => Err(NOT_PROVEN.into()),
            (Some(_), _) => Ok(()),
        }
    }

    pub(crate) fn health_policy(&self) -> HealthPolicy {
        self.settings.health.clone()
    }

    pub(crate) fn may_meet(&self, wanted: &str) -> bool {
        self.provider.may_meet(wanted)
    }

    /// The key by which it proves who this node is, where it is a key.
    pub(crate) fn client_key(&self) -> Result<Option<&KeyRing>, KeyError> {
        match &self.settings.proof {
            Proof::Key(key) => key.ring().map(Some),
            Proof::Nothing | Proof::Secret(_) => Ok(None),
        }
    }

    pub(crate) fn redirect_path(&self) -> Option<&str> {
        self.settings.redirect_url.as_ref().map(Url::path)
    }

    pub(crate) fn has_logout(&self) -> bool {
        self.logout_page().is_some()
    }

    fn logout_page(&self) -> Option<Url> {
        self.provider.last_good()?.metadata.end_session_endpoint.clone()
    }

    /// RP-initiated logout, from what is known of the provider; nothing is fetched for it.
    pub(crate) fn logout(&self, identity: &Identity, back_to: &Url) -> Option<Url> {
        let mut url = self.logout_page()?;
        let back_to = self.settings.logout_redirect.as_ref().unwrap_or(back_to);
        {
            let mut query = url.query_pairs_mut();
            if let Some(hint) = &identity.logout_hint {
                query.append_pair("id_token_hint", hint);
            }
            query.append_pair("client_id", &self.settings.client_id);
            query.append_pair("post_logout_redirect_uri", back_to.as_str());
        }
        Some(url)
    }

    /// What every message to the log begins with.
    fn said(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.settings.name)
    }

    fn redirect_url(&self) -> Result<&Url, Failure> {
        self.settings
            .redirect_url
            .as_ref()
            .ok_or_else(|| Failure::misconfigured(self.said("it has no redirect URL")))
    }
}
