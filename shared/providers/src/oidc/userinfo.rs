//! `/oauth2/userinfo` (OpenID Connect Core section 5.3): who the bearer of an access token speaks for.
//!
//! The token comes in the `Authorization` header or in a form (RFC 6750 sections 2.1 and 2.2), never in the query.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mangrove_cache::CacheError;
use serde_json::{Map, Value};

use super::OidcProvider;
use super::access::ReadAccess;
use super::grant::person_claims;
use super::params::{Params, is_form};
use super::respond::{cache_error, oauth_error, private_empty, private_json};
use super::scope::OPENID;

/// Why nothing is said (RFC 6750 section 3.1).
#[derive(Debug, thiserror::Error)]
enum UserinfoError {
    #[error("no access token")]
    Missing,
    #[error("the request is malformed, or brings its token in two ways")]
    Malformed,
    #[error("the access token is not valid, or not any more")]
    Invalid,
    #[error("the access token was not issued for openid")]
    Scope,
    #[error("{0}")]
    Cache(#[from] CacheError),
}

impl UserinfoError {
    fn response(&self) -> Response {
        let (status, error) = match self {
            // Who brings nothing learns the scheme and nothing else.
            Self::Missing => {
                let mut response = private_empty(StatusCode::UNAUTHORIZED);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                return response;
            }
            Self::Malformed => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Invalid => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::Scope => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::Cache(why) => return cache_error(why),
        };
        let mut response = oauth_error(status, error, self.to_string());
        let challenge = format!(r#"Bearer error="{error}", error_description="{self}""#);
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// `GET`: the token in the header.
pub(super) async fn get(State(provider): State<Arc<OidcProvider>>, headers: HeaderMap) -> Response {
    provider.userinfo(&headers, None).await
}

/// `POST`: the token in the header or in the form.
pub(super) async fn post(
    State(provider): State<Arc<OidcProvider>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let params = match is_form(&headers) {
        true => Params::from_form(&headers, body).await.map(Some),
        false => Ok(None),
    };
    match params {
        Ok(params) => provider.userinfo(&headers, params.as_ref()).await,
        Err(_) => UserinfoError::Malformed.response(),
    }
}

impl OidcProvider {
    async fn userinfo(&self, headers: &HeaderMap, form: Option<&Params>) -> Response {
        match self.claims_for(headers, form).await {
            Ok(claims) => private_json(&claims),
            Err(why) => {
                tracing::info!(%why, blame = "application", "userinfo refused");
                why.response()
            }
        }
    }

    async fn claims_for(
        &self,
        headers: &HeaderMap,
        form: Option<&Params>,
    ) -> Result<Map<String, Value>, UserinfoError> {
        let token = presented(headers, form)?;
        let read = self.read_access(token).await?.ok_or(UserinfoError::Invalid)?;
        if !read.access.scope.has(OPENID) {
            return Err(UserinfoError::Scope);
        }
        if !read.access.aud.contains(&self.issuer) {
            return Err(UserinfoError::Invalid);
        }
        let mut claims = Map::from_iter([("sub".to_owned(), Value::from(read.access.sub.as_str()))]);
        claims.extend(self.person(&read).await?);
        Ok(claims)
    }

    /// The session says it as it is now; a token that outlived its session says it as it was.
    async fn person(&self, read: &ReadAccess) -> Result<Map<String, Value>, UserinfoError> {
        let ReadAccess { access, client, person } = read;
        match person {
            Some(person) => Ok(person_claims(client, person, &access.scope, &self.node)),
            None => {
                let claims = self.store.claims(access.grant()).await?.ok_or(UserinfoError::Invalid)?;
                Ok(client.mapping.narrowed(claims, &access.scope))
            }
        }
    }
}

fn presented<'a>(headers: &'a HeaderMap, form: Option<&'a Params>) -> Result<&'a str, UserinfoError> {
    let mut in_header = headers.get_all(header::AUTHORIZATION).iter();
    let header = in_header.next();
    let in_form = form
        .map(|form| form.one("access_token"))
        .transpose()
        .map_err(|_| UserinfoError::Malformed)?
        .flatten();
    match (header, in_header.next(), in_form) {
        (None, None, None) => Err(UserinfoError::Missing),
        (None, None, Some(token)) => Ok(token),
        (Some(value), None, None) => {
            let text = value.to_str().map_err(|_| UserinfoError::Malformed)?;
            let (scheme, token) = text.split_once(' ').ok_or(UserinfoError::Malformed)?;
            let bearer = scheme.eq_ignore_ascii_case("bearer");
            if bearer { Ok(token.trim()) } else { Err(UserinfoError::Malformed) }
        }
        _ => Err(UserinfoError::Malformed),
    }
}
