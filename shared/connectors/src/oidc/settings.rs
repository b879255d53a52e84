//! A connector's settings, read once: what follows trusts them.

use std::path::Path;
use std::time::Duration;

use mangrove_config::connectors::Oidc as Written;
use mangrove_config::health_check::Probe;
use mangrove_continuity::HealthPolicy;
use mangrove_keys::Algorithm;
use url::Url;

use super::proof::Proof;
use crate::health;
use crate::http::{HttpBuildError, is_acceptable};

/// How long keys and metadata are used after the last good fetch, unless configured.
const KEYS_MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// Parameters of the authorization request that are the protocol's own.
const RESERVED: [&str; 12] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_type",
    "scope",
    "state",
    super::HOPS_PARAMETER,
    super::ELSEWHERE_PARAMETER,
];

/// What one OIDC connector was told.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) well_known: Url,
    /// The issuer that this discovery URL belongs to, without a trailing slash.
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) proof: Proof,
    pub(super) redirect_url: Option<Url>,
    pub(super) logout_redirect: Option<Url>,
    pub(super) scopes: Vec<String>,
    pub(super) pkce: bool,
    pub(super) extra: Vec<(String, String)>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) root: bool,
    pub(super) trust_email: bool,
    pub(super) keys_max_age: Duration,
    pub(super) health: HealthPolicy,
    pub(super) probe: Probe,
}

impl Settings {
    pub(super) fn read(written: &Written, state_dir: &Path) -> Result<Self, HttpBuildError> {
        let well_known = written.well_known_url.clone();
        if !is_acceptable(&well_known) {
            return Err(HttpBuildError(
                "oidcWellKnownURL: https:// is needed to reach another machine".into(),
            ));
        }
        if let Some(name) = written.oauth_extra_params.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(HttpBuildError(format!("oauthExtraParams: {name} is set by the protocol itself")));
        }
        let first =
            |urls: &Option<mangrove_config::connectors::RedirectUrls>| urls.as_ref()?.urls.first().cloned();
        let check = written.health_check.as_ref();
        Ok(Self {
            name: written.name.clone(),
            issuer: issuer_of(&well_known)?,
            well_known,
            client_id: written.client_id.clone(),
            proof: Proof::read(written, state_dir)?,
            redirect_url: written.redirect_url.clone().or_else(|| first(&written.oauth_login_redirect)),
            logout_redirect: first(&written.oauth_logout_redirect),
            scopes: scopes(&written.scopes),
            pkce: !written.disable_pkce,
            extra: written.oauth_extra_params.clone().into_iter().collect(),
            algorithms: algorithms(&written.allowed_algorithms)?,
            root: written.root,
            trust_email: written.trust_email,
            keys_max_age: written.keys_max_age.map_or(KEYS_MAX_AGE, |age| age.0),
            probe: check.map(|check| check.probe).unwrap_or_default(),
            health: health::policy(check),
        })
    }
}

/// `ISSUER/.well-known/openid-configuration` (OpenID Connect Discovery 4), or `ORIGIN/.well-known/NAME/PATH` (RFC 8414
/// section 3.1).
fn issuer_of(well_known: &Url) -> Result<String, HttpBuildError> {
    const MARK: &str = "/.well-known/";
    let refuse = || HttpBuildError("oidcWellKnownURL: it holds no /.well-known/".into());
    let (before, after) = well_known.as_str().split_once(MARK).ok_or_else(refuse)?;
    let after = after.split(['?', '#']).next().unwrap_or_default();
    let path = after.split_once('/').map(|(_, path)| path).unwrap_or_default().trim_end_matches('/');
    Ok(if path.is_empty() { before.to_owned() } else { format!("{before}/{path}") })
}

fn scopes(written: &str) -> Vec<String> {
    let mut scopes: Vec<String> = written.split_ascii_whitespace().map(str::to_owned).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".into());
    }
    scopes
}

/// Names to algorithms; `none` and the symmetric ones are in no table and cannot be configured.
fn algorithms(written: &[String]) -> Result<Vec<Algorithm>, HttpBuildError> {
    if written.is_empty() {
        return Ok(Algorithm::ALL.to_vec());
    }
    let parse = |name: &String| {
        Algorithm::parse(name)
            .ok_or_else(|| HttpBuildError(format!("allowedAlgorithms: {name} is not one that is accepted")))
    };
    written.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(url: &str) -> String {
        issuer_of(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn the_discovery_url_says_whose_issuer_it_may_be() {
        assert_eq!(issuer("https://a.example/.well-known/openid-configuration"), "https://a.example");
        assert_eq!(
            issuer("https://a.example/realms/x/.well-known/openid-configuration"),
            "https://a.example/realms/x"
        );
        assert_eq!(
            issuer("https://a.example/.well-known/oauth-authorization-server/x"),
            "https://a.example/x"
        );
        assert!(issuer_of(&Url::parse("https://a.example/openid").unwrap()).is_err());
    }

    #[test]
    fn symmetric_algorithms_cannot_be_configured() {
        assert!(algorithms(&["HS256".into()]).is_err());
        assert!(algorithms(&["none".into()]).is_err());
        assert_eq!(algorithms(&["ES256".into()]).unwrap(), [Algorithm::Es256]);
    }

    #[test]
    fn the_scope_openid_is_always_asked_for() {
        assert_eq!(scopes("profile email"), ["openid", "profile", "email"]);
    }
}
