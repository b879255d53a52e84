//! What follows from a configuration without being written in it: the issuer, the node's public URL, and one spelling
//! where the language knows two.

use url::Url;

use crate::{
    App, Config, Connector, Secret,
    apps::OidcApp,
    connectors::{Oidc, RedirectUrls},
    provider::{KeyKind, SigningKey},
};

impl Config {
    /// The issuer of this node's tokens: as configured, else the origin of `http.publicURL`, else the origin of the
    /// first connector's redirect URL. A configured issuer is exact text: see [`issuer_text`].
    pub fn issuer(&self) -> Option<Url> {
        let written = self.oidc_provider.as_ref().and_then(|provider| provider.discovery.issuer.clone());
        written.or_else(|| self.http.public_url.clone()).or_else(|| self.first_redirect_origin())
    }

    /// Origin under which browsers reach this node: `http.publicURL`, else the issuer's origin, else that of the first
    /// connector's redirect URL, else `localhost` at the listener's port.
    pub fn public_url(&self) -> Url {
        let known = self.http.public_url.clone().or_else(|| self.issuer());
        known.as_ref().and_then(origin).unwrap_or_else(|| self.localhost())
    }

    /// The origin of the first redirect URL that a connector has.
    pub fn first_redirect_origin(&self) -> Option<Url> {
        self.connectors.iter().find_map(|connector| origin(connector.redirect_url()?))
    }

    /// The connector of this name.
    pub fn connector(&self, name: &str) -> Option<&Connector> {
        self.connectors.iter().find(|connector| connector.name() == name)
    }

    /// Whether a feature flag is on: `true` or `enabled`, in any case.
    pub fn feature(&self, name: &str) -> bool {
        let on = |value: &String| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("enabled");
        self.features.get(name).is_some_and(on)
    }

    fn localhost(&self) -> Url {
        let port =
            self.http.address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(9443);
        let scheme = if self.http.tls.is_some() { "https" } else { "http" };
        Url::parse(&format!("{scheme}://localhost:{port}/")).expect("a literal with a port is a URL")
    }

    /// One spelling where the language knows two: older forms are moved to where the others stand.
    pub(crate) fn normalise(&mut self) {
        if let ([host], None) = (self.http.hosts.as_slice(), &self.http.tls) {
            self.http.tls.clone_from(&host.tls);
        }
        if let Some(logout) = &mut self.single_logout {
            let older = logout.post_logout_redirect_url.clone();
            logout.post_logout.redirect_url = logout.post_logout.redirect_url.take().or(older);
        }
        for connector in &mut self.connectors {
            if let Connector::Oidc(oidc) = connector {
                oidc.normalise();
            }
        }
        for app in &mut self.apps {
            if let App::Oidc(app) = app
                && let Some(secret) = app.client_secret.clone()
                && !app.credentials.secrets.contains(&secret)
            {
                app.credentials.secrets.insert(0, secret);
            }
        }
    }
}

impl Oidc {
    fn normalise(&mut self) {
        let first = self.oauth_login_redirect.as_ref().and_then(|redirect| redirect.urls.first().cloned());
        self.redirect_url = self.redirect_url.take().or(first);
        if self.oauth_logout_redirect.is_none() {
            self.oauth_logout_redirect =
                self.logout_callback_url.clone().map(|url| RedirectUrls { urls: vec![url] });
        }
    }
}

impl OidcApp {
    /// Every secret that this application may authenticate with, `clientSecret` first.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let listed = self.credentials.secrets.iter();
        self.client_secret.iter().chain(listed.filter(|secret| Some(*secret) != self.client_secret.as_ref()))
    }
}

impl SigningKey {
    /// The kind of the key, by `type` or by `algorithm`; none where neither is known.
    pub fn kind(&self) -> Option<KeyKind> {
        self.kind.or_else(|| self.kind_of_algorithm())
    }

    pub(crate) fn kind_of_algorithm(&self) -> Option<KeyKind> {
        match self.algorithm.as_deref()? {
            "RSA256" | "RS256" => Some(KeyKind::Rsa),
            "ES256" => Some(KeyKind::Ec),
            _ => None,
        }
    }
}

impl Connector {
    /// Where the provider sends the browser back to: the redirect URL, or the assertion consumer service.
    pub fn redirect_url(&self) -> Option<&Url> {
        match self {
            Self::Oidc(oidc) => {
                let older = oidc.oauth_login_redirect.as_ref().and_then(|redirect| redirect.urls.first());
                oidc.redirect_url.as_ref().or(older)
            }
            Self::Saml(saml) => Some(&saml.consumer_service_url),
            _ => None,
        }
    }

    /// Whether its e-mail addresses are believed although nothing marks them verified.
    pub fn trusts_email(&self) -> bool {
        match self {
            Self::Oidc(oidc) => oidc.trust_email,
            Self::Saml(saml) => saml.trust_email,
            Self::Ldap(ldap) | Self::ActiveDirectory(ldap) => ldap.trust_email,
            Self::Local(_) | Self::Continuity(_) => false,
        }
    }

    /// The connector's type, as written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "oidc",
            Self::Saml(_) => "saml",
            Self::Ldap(_) => "ldap",
            Self::ActiveDirectory(_) => "activedirectory",
            Self::Local(_) => "local",
            Self::Continuity(_) => "continuity",
        }
    }
}

/// An issuer as it stands in tokens: the URL's text without the slash that a bare origin gets when it is parsed.
pub fn issuer_text(issuer: &Url) -> String {
    let text = issuer.as_str();
    if issuer.path() == "/" { text.trim_end_matches('/').to_owned() } else { text.to_owned() }
}

/// Scheme, host and port of a URL, as a URL.
pub fn origin(url: &Url) -> Option<Url> {
    matches!(url.scheme(), "http" | "https").then(|| Url::parse(&url.origin().ascii_serialization()).ok())?
}
