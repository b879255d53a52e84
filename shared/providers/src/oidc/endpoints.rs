//! Where the endpoints are: at the issuer, or where `discovery.endpoints` says.

use mangrove_config::provider::Discovery;
use url::Url;

/// An endpoint as the discovery document names it, and the path at which this node serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) path: String,
}

/// All endpoints.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: Endpoint,
    pub(super) token: Endpoint,
    pub(super) userinfo: Endpoint,
    pub(super) jwks: Endpoint,
    pub(super) introspection: Endpoint,
    pub(super) revocation: Endpoint,
    pub(super) end_session: Endpoint,
    pub(super) health: Endpoint,
    /// Paths of the discovery document.
    pub(super) well_known: Vec<String>,
}

impl Endpoints {
    /// # Errors
    /// What is wrong with which endpoint.
    pub(super) fn new(issuer: &str, discovery: &Discovery) -> Result<Self, Vec<String>> {
        let written = &discovery.endpoints;
        let mut problems = Vec::new();
        let mut at = |configured: &Option<Url>, usual: &str| {
            let url = configured.as_ref().map_or_else(|| under(issuer, usual), Url::to_string);
            let path = path_of(&url).map_err(|why| problems.push(why)).unwrap_or_default();
            Endpoint { url, path }
        };
        let endpoints = Self {
            authorization: at(&written.auth, "/oauth2/auth"),
            token: at(&written.token, "/oauth2/token"),
            userinfo: at(&written.userinfo, "/oauth2/userinfo"),
            jwks: at(&written.jwks, "/oauth2/jwks"),
            introspection: at(&written.introspect, "/oauth2/introspect"),
            revocation: at(&written.revoke, "/oauth2/revoke"),
            end_session: at(&written.end_session, "/oauth2/logout"),
            health: at(&written.health, "/oauth2/health"),
            well_known: well_known(issuer, at(&written.well_known, "/.well-known/openid-configuration").path),
        };
        problems.extend(endpoints.collisions());
        if problems.is_empty() { Ok(endpoints) } else { Err(problems) }
    }

    fn collisions(&self) -> Vec<String> {
        let mut paths: Vec<&str> = [
            &self.authorization,
            &self.token,
            &self.userinfo,
            &self.jwks,
            &self.introspection,
            &self.revocation,
            &self.end_session,
            &self.health,
        ]
        .map(|endpoint| endpoint.path.as_str())
        .into_iter()
        .chain(self.well_known.iter().map(String::as_str))
        .collect();
        paths.sort_unstable();
        let twice = paths.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        twice.map(|path| format!("oidcProvider.discovery.endpoints: two endpoints are at `{path}`")).collect()
    }
}

/// OpenID Connect Discovery appends to the issuer, RFC 8414 section 3.1 puts its name before the issuer's path; and
/// where the configuration says.
fn well_known(issuer: &str, configured: String) -> Vec<String> {
    let path = path_of(issuer).unwrap_or_default();
    let path = path.trim_end_matches('/');
    let mut paths = vec![
        format!("{path}/.well-known/openid-configuration"),
        format!("/.well-known/oauth-authorization-server{path}"),
    ];
    if !configured.is_empty() && !paths.contains(&configured) {
        paths.push(configured);
    }
    paths
}

fn under(issuer: &str, path: &str) -> String {
    format!("{}{path}", issuer.trim_end_matches('/'))
}

fn path_of(url: &str) -> Result<String, String> {
    let parsed = Url::parse(url).map_err(|why| format!("`{url}`: {why}"))?;
    if parsed.path().contains(['{', '}', '*']) || parsed.path().contains("/:") || parsed.query().is_some() {
        return Err(format!("oidcProvider.discovery.endpoints: `{url}` must be a plain path"));
    }
    Ok(parsed.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_two_documents_stand_on_either_side_of_the_issuers_path() {
        let endpoints = Endpoints::new("https://id.example/tenant", &Discovery::default()).unwrap();
        assert_eq!(
            endpoints.well_known,
            ["/tenant/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/tenant"]
        );
        assert_eq!(endpoints.token.url, "https://id.example/tenant/oauth2/token");
        assert_eq!(endpoints.token.path, "/tenant/oauth2/token");
    }

    #[test]
    fn configured_endpoints_win_and_must_not_collide() {
        let mut discovery = Discovery::default();
        discovery.endpoints.auth = Some(url("https://id.example/authorize"));
        discovery.endpoints.well_known =
            Some(url("https://id.example/.well-known/oauth-authorization-server"));
        let endpoints = Endpoints::new("https://id.example", &discovery).unwrap();
        assert_eq!(endpoints.authorization.path, "/authorize");
        assert_eq!(endpoints.well_known.len(), 2);
        for unusable in ["https://id.example/authorize", "https://id.example/:token", "https://id.example/*"]
        {
            discovery.endpoints.token = Some(url(unusable));
            assert!(Endpoints::new("https://id.example", &discovery).is_err(), "{unusable}");
        }
    }
}
