//! SAML 2.0, as a service provider: web browser single sign-on, and single logout.
//!
//! Read in the order of a login: [`begin`] sends the browser away with a request, [`finish`] judges the response that it brings
//! back, [`claims`] is what is said of the person. [`provider`] keeps what the provider publishes; [`probe`] and [`look`] ask
//! whether it would answer; [`work`] is where XML is read, off the async threads. What a message is made of, who signed it and
//! what is compared is the room below's, `mangrove_saml`. Nothing of an assertion outlives the login, except the name id and
//! the session index, for a logout.

mod begin;
mod claims;
mod finish;
mod logout;
mod look;
mod probe;
mod provider;
mod settings;
mod work;

use std::sync::Arc;

use mangrove_config::{Config, connectors::Saml as Written};
use mangrove_continuity::HealthPolicy;
use mangrove_saml::metadata::ServiceProvider;

use self::provider::{Metadata, Provider};
use self::settings::Settings;
pub(crate) use self::work::Benches;
use crate::endpoint::Endpoint;
use crate::{HttpClient, Parts, http::HttpBuildError};

/// What is appended to the path of `samlConsumerServiceURL`: there this node publishes its own metadata.
pub const METADATA_SUFFIX: &str = "/metadata";

/// A SAML identity provider.
#[derive(Debug)]
pub struct Saml {
    settings: Arc<Settings>,
    http: HttpClient,
    provider: Arc<Provider>,
    benches: Arc<Benches>,
    /// What is asked instead of the provider.
    endpoint: Option<Endpoint>,
}

impl Saml {
    pub(crate) fn build(
        written: &Written,
        config: &Config,
        parts: &Parts,
        benches: &Arc<Benches>,
    ) -> Result<Self, HttpBuildError> {
        let settings = Arc::new(Settings::read(written)?);
        let absent = |name: &String| HttpBuildError(format!("there is no TLS profile called {name}"));
        let profile = written.tls.as_ref().map(|name| config.tls.get(name).ok_or_else(|| absent(name)));
        let http = parts.http.share(profile.transpose()?, written.proxy.as_ref())?;
        let provider = Metadata::kept(&settings, http.clone(), Arc::clone(benches))?;
        let judge = written.health_check.as_ref().filter(|check| check.enabled);
        let judge = judge.and_then(|check| check.custom_endpoint.as_ref());
        let endpoint = judge.map(|judge| Endpoint::build(judge, http.clone())).transpose()?;
        Ok(Self { settings, http, provider, benches: Arc::clone(benches), endpoint })
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn health_policy(&self) -> HealthPolicy {
        self.settings.health.clone()
    }

    pub(crate) fn redirect_path(&self) -> &str {
        self.settings.consumer.path()
    }

    /// Where this node publishes its own metadata, and the document.
    pub(crate) fn published(&self) -> (String, String) {
        let certificates: Vec<_> =
            self.settings.key.iter().map(|key| key.signing.certificate().to_vec()).collect();
        let document = ServiceProvider {
            entity_id: &self.settings.entity_id,
            consumer: self.settings.consumer.as_str(),
            logout: self.settings.logout.as_ref().map(url::Url::as_str),
            name_id_format: self.settings.name_id_format.as_deref(),
            certificates: &certificates,
            decrypts: self.settings.key.as_ref().is_some_and(|key| key.decrypts),
        };
        let path = format!("{}{METADATA_SUFFIX}", self.redirect_path().trim_end_matches('/'));
        (path, document.write())
    }

    /// What every message to the log begins with.
    fn said(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.settings.name)
    }
}
