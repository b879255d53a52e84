//! The userinfo endpoint (OpenID Connect Core 5.3), asked only for what the ID token lacks.

use http::{Request, StatusCode, header};
use serde_json::{Map, Value};

use super::Oidc;
use super::metadata::Metadata;
use super::verify::{IdToken, PATH_CLAIM};
use crate::Failure;
use crate::http::Limits;

/// Which claim shows that a scope was answered; other scopes are known by a claim of their own name.
const SHOWN_BY: [(&str, &str); 3] =
    [("profile", "name"), ("phone", "phone_number"), ("roles", "realm_access")];
/// Scopes that ask for no claim.
const WITHOUT_CLAIMS: [&str; 2] = ["openid", "offline_access"];

impl Oidc {
    /// More claims, if the scopes asked for some that the ID token lacks and there is an endpoint. Those of the ID token
    /// win over them, and a path is never taken from here.
    pub(super) async fn userinfo(
        &self,
        metadata: &Metadata,
        id_token: &IdToken,
        access_token: Option<&str>,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let (Some(endpoint), Some(token)) = (&metadata.userinfo_endpoint, access_token) else {
            return Ok(None);
        };
        if !self.lacks_claims(&id_token.claims) {
            return Ok(None);
        }
        let request = Request::get(endpoint.as_str())
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| Failure::protocol(self.said("the access token does not fit into a header")))?;
        let answer = self.http.send(request, &Limits::default()).await;
        let response = answer.map_err(|why| self.unanswered("userinfo", &why))?;
        if response.status() != StatusCode::OK {
            let log = self.said(format_args!("userinfo answered {}", response.status().as_u16()));
            return Err(Failure::unavailable(log));
        }
        let kind = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if kind.starts_with(b"application/jwt") {
            return Err(Failure::misconfigured(
                self.said("userinfo is signed; this client must be given plain JSON"),
            ));
        }
        let mut claims: Map<String, Value> = serde_json::from_slice(response.body()).map_err(|_| {
            Failure::unavailable(self.said("userinfo answered something that is not an object"))
        })?;
        if claims.get("sub").and_then(Value::as_str) != Some(&id_token.subject) {
            return Err(Failure::protocol(
                self.said("userinfo speaks of another person, or does not say of whom"),
            ));
        }
        claims.remove(PATH_CLAIM);
        Ok(Some(claims))
    }

    fn lacks_claims(&self, claims: &Map<String, Value>) -> bool {
        let shown_by = |scope: &str| {
            SHOWN_BY.iter().find(|(known, _)| *known == scope).map_or(scope.to_owned(), |row| row.1.into())
        };
        let wanted = self.settings.scopes.iter().filter(|scope| !WITHOUT_CLAIMS.contains(&scope.as_str()));
        wanted.into_iter().any(|scope| !claims.contains_key(&shown_by(scope)))
    }
}
