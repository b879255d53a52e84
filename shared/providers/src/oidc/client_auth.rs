//! Client authentication (RFC 6749 section 2.3): which application is calling, and does it prove it.
//!
//! A method is a row of [`METHODS`]: it looks whether a request uses it and says who presents what. More than one at
//! once is refused. Secrets are compared in constant time, as often for an unknown client as for a known one. What a key
//! proves is judged in [`client_assertion`].

use std::sync::Arc;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mangrove_cache::CacheError;
use mangrove_keys::{ForeignKeys, ambient, secret};

use super::OidcProvider;
use super::client::{Client, Clients};
use super::client_assertion::{self, AssertionError};
use super::params::{Duplicate, Params};
use super::respond::{cache_error, oauth_error};

/// A way to authenticate.
pub(super) struct Method {
    /// As the discovery document names it.
    pub(super) name: &'static str,
    /// Who presents what, if the request uses this method.
    present: fn(&HeaderMap, &Params) -> Result<Option<Presented>, ClientAuthError>,
}

/// The methods there are.
pub(super) const METHODS: &[Method] = &[
    Method { name: "client_secret_basic", present: basic },
    Method { name: "client_secret_post", present: post },
    Method { name: "private_key_jwt", present: assertion },
    Method { name: "none", present: none },
];

/// Who calls, as they say, and what they prove it with.
struct Presented {
    client_id: String,
    proof: Proof,
}

enum Proof {
    Nothing,
    Secret(String),
    Assertion(String),
}

/// Why a caller is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClientAuthError {
    #[error("no client authentication")]
    Missing,
    #[error("more than one client authentication")]
    Several,
    #[error("the client authentication cannot be read")]
    Malformed,
    #[error("a parameter is there more than once")]
    Duplicate,
    #[error("unknown client, wrong secret, or wrong method")]
    Refused,
    #[error("{0}")]
    Assertion(#[from] AssertionError),
    #[error("assertion: it was used before")]
    Replayed,
    #[error("{0}")]
    Cache(#[from] CacheError),
}

impl ClientAuthError {
    /// RFC 6749 section 5.2: 401 names the scheme to use; a request that contradicts itself is 400.
    pub(super) fn response(&self) -> Response {
        match self {
            Self::Several | Self::Duplicate => {
                oauth_error(StatusCode::BAD_REQUEST, "invalid_request", self.to_string())
            }
            Self::Cache(why) => cache_error(why),
            Self::Missing | Self::Malformed | Self::Refused | Self::Assertion(_) | Self::Replayed => {
                let words = "client authentication failed";
                let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", words);
                let challenge = HeaderValue::from_static(r#"Basic realm="token endpoint", charset="UTF-8""#);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
        }
    }
}

impl From<Duplicate> for ClientAuthError {
    fn from(_: Duplicate) -> Self {
        Self::Duplicate
    }
}

impl OidcProvider {
    /// Which application is calling, proven as its configuration demands. Public clients only say who they are.
    ///
    /// # Errors
    /// [`ClientAuthError`]; [`ClientAuthError::Cache`] where it cannot be told whether an assertion was used before.
    pub(super) async fn authenticate_client(
        &self,
        headers: &HeaderMap,
        params: &Params,
    ) -> Result<Arc<Client>, ClientAuthError> {
        let presented = presented(headers, params).inspect_err(|why| {
            tracing::warn!(target: "security", %why, blame = "application", "client authentication refused");
        })?;
        let judged = match &presented.proof {
            Proof::Assertion(token) => self.believe(&presented.client_id, token).await,
            Proof::Secret(secret) => self.clients.authenticate(&presented.client_id, Some(secret)),
            Proof::Nothing => self.clients.authenticate(&presented.client_id, None),
        };
        judged.inspect_err(|why| {
            if !matches!(why, ClientAuthError::Cache(_)) {
                tracing::warn!(target: "security", client_id = loggable(&presented.client_id), %why, blame = "application", "client authentication refused");
            }
        })
    }

    /// The application whose key signed an assertion, which nobody can use again.
    async fn believe(&self, client_id: &str, token: &str) -> Result<Arc<Client>, ClientAuthError> {
        let client = self.clients.find(client_id).ok_or(ClientAuthError::Refused)?;
        let keys = client.keys.as_ref().ok_or(ClientAuthError::Refused)?;
        let audiences = [self.issuer.as_str(), self.endpoints.token.url.as_str()];
        let good = client_assertion::verify(token, &client.id, keys, audiences, ambient::unix_now())?;
        if self.store.is_first_assertion(&client.id, &good.jti, good.remember).await? {
            Ok(Arc::clone(client))
        } else {
            Err(ClientAuthError::Replayed)
        }
    }
}

impl Clients {
    fn authenticate(&self, client_id: &str, presented: Option<&str>) -> Result<Arc<Client>, ClientAuthError> {
        let client = self.find(client_id);
        let secrets = client.map_or(&[][..], |client| &client.secrets);
        let secret = presented.unwrap_or_default();
        let mut right = false;
        for index in 0..self.most_secrets {
            let known = secrets.get(index);
            let same = secret::equal(known.map_or(b"", |known| known.expose().as_bytes()), secret.as_bytes());
            right |= same & known.is_some();
        }
        let client = client.ok_or(ClientAuthError::Refused)?;
        let believed = if presented.is_some() { right } else { client.public };
        if believed { Ok(Arc::clone(client)) } else { Err(ClientAuthError::Refused) }
    }
}

fn presented(headers: &HeaderMap, params: &Params) -> Result<Presented, ClientAuthError> {
    let mut found = None;
    for method in METHODS {
        if let Some(presented) = (method.present)(headers, params)?
            && found.replace(presented).is_some()
        {
            return Err(ClientAuthError::Several);
        }
    }
    found.ok_or(ClientAuthError::Missing)
}

/// `Authorization: Basic`, identifier and secret form-encoded first (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap, params: &Params) -> Result<Option<Presented>, ClientAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ClientAuthError::Several);
    }
    let text = value.to_str().map_err(|_| ClientAuthError::Malformed)?;
    let (scheme, credentials) = text.split_once(' ').ok_or(ClientAuthError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(ClientAuthError::Malformed);
    }
    let decoded = STANDARD.decode(credentials.trim()).map_err(|_| ClientAuthError::Malformed)?;
    let decoded = String::from_utf8(decoded).map_err(|_| ClientAuthError::Malformed)?;
    let (id, secret) = decoded.split_once(':').ok_or(ClientAuthError::Malformed)?;
    let client_id = form_decode(id)?;
    // Saying the same name again in the body is not a second authentication; another name is a contradiction.
    if params.one("client_id")?.is_some_and(|other| other != client_id) {
        return Err(ClientAuthError::Several);
    }
    Ok(Some(Presented { client_id, proof: Proof::Secret(form_decode(secret)?) }))
}

/// `client_id` and `client_secret` in the body.
fn post(_: &HeaderMap, params: &Params) -> Result<Option<Presented>, ClientAuthError> {
    let Some(secret) = params.one("client_secret")? else { return Ok(None) };
    let client_id = params.one("client_id")?.ok_or(ClientAuthError::Missing)?;
    Ok(Some(Presented { client_id: client_id.to_owned(), proof: Proof::Secret(secret.to_owned()) }))
}

/// `client_assertion`, and of which type it is (RFC 7521 section 4.2). `client_id` is optional there, and must not contradict.
fn assertion(_: &HeaderMap, params: &Params) -> Result<Option<Presented>, ClientAuthError> {
    let (token, kind) = (params.one("client_assertion")?, params.one("client_assertion_type")?);
    let Some(token) = token else {
        return if kind.is_some() { Err(ClientAuthError::Malformed) } else { Ok(None) };
    };
    if kind != Some(client_assertion::TYPE) {
        return Err(ClientAuthError::Malformed);
    }
    let client_id = ForeignKeys::claimed_subject(token).ok_or(ClientAuthError::Malformed)?;
    if params.one("client_id")?.is_some_and(|other| other != client_id) {
        return Err(ClientAuthError::Refused);
    }
    Ok(Some(Presented { client_id, proof: Proof::Assertion(token.to_owned()) }))
}

/// `client_id` alone: a public client.
fn none(headers: &HeaderMap, params: &Params) -> Result<Option<Presented>, ClientAuthError> {
    let others = ["client_secret", "client_assertion", "client_assertion_type"];
    for other in others {
        if params.one(other)?.is_some() {
            return Ok(None);
        }
    }
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    Ok(params.one("client_id")?.map(|id| Presented { client_id: id.to_owned(), proof: Proof::Nothing }))
}

fn form_decode(text: &str) -> Result<String, ClientAuthError> {
    // As a form with one value: `+` is a space, and `&` or `=` cannot occur in what was encoded.
    let spaced = text.replace('+', " ");
    let bytes: Vec<u8> = percent_decode(spaced.as_bytes()).ok_or(ClientAuthError::Malformed)?;
    String::from_utf8(bytes).map_err(|_| ClientAuthError::Malformed)
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'%' => hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?,
            other => *other,
        };
        out.push(decoded);
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A client id as a log may carry it: bounded, printable.
pub(super) fn loggable(id: &str) -> String {
    id.chars().take(64).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
