//! What an application says to its provider behind the browser's back: discovery, keys, the code, the refresh token,
//! userinfo. Strict: whatever does not fit ends the login with words.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use super::super::browser::authority;
use super::super::spec::AppSpec;
use super::super::wire::{Answer, Connections, Wire};
use super::token::{Flaw, Keys, Wanted, equal};
use crate::history::{self, Who};

/// An application's patience with one answer of its provider.
const PATIENCE: Duration = Duration::from_secs(5);

/// Claims that are about a token or a login, not about the person.
const OF_THE_PROTOCOL: &[&str] = &[
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "exp",
    "iat",
    "iss",
    "jti",
    "mangrove_path",
    "nbf",
    "nonce",
    "sid",
];

/// An application's view of its provider.
pub struct RelyingParty {
    pub(super) spec: AppSpec,
    wire: Wire,
    known: Mutex<Option<Arc<Provider>>>,
}

pub(super) struct Provider {
    pub(super) metadata: Metadata,
    keys: Keys,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) end_session_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What has to be remembered between sending a browser away and its coming back.
pub struct Pending {
    /// One-time value in the redirect.
    pub state: String,
    nonce: String,
    verifier: String,
    issuer: String,
}

/// Whom the provider vouched for, and with which tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The person.
    pub who: Who,
    /// For renewal, if one came.
    pub refresh: Option<String>,
    /// For the provider's userinfo endpoint.
    pub access: String,
    /// For the provider's logout, as a hint of whose session it is.
    pub id_token: String,
}

/// Why a login ended at the application.
#[derive(Debug)]
pub struct Refusal {
    /// Status of the application's page.
    pub status: u16,
    /// What it says.
    pub says: String,
}

pub(super) fn refuse<T>(status: u16, says: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { status, says: says.into() })
}

/// 256 bits, base64url.
pub fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).expect("the system's random source is there");
    URL_SAFE_NO_PAD.encode(bytes)
}

impl RelyingParty {
    /// Knows nothing of its provider yet.
    pub fn new(spec: AppSpec, wire: Wire) -> Self {
        Self { spec, wire, known: Mutex::new(None) }
    }

    /// The URL of a page of the application.
    pub(super) fn address(&self, path: &str) -> String {
        let port = self.spec.listen.port();
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        format!("https://{}{port}{path}", self.spec.host)
    }

    fn redirect_uri(&self) -> String {
        self.address("/callback")
    }

    /// Where to send the browser.
    pub async fn begin(&self) -> Result<(Url, Pending), Refusal> {
        let provider = self.provider().await?;
        let pending = Pending {
            state: random_token(),
            nonce: random_token(),
            verifier: random_token(),
            issuer: provider.metadata.issuer.clone(),
        };
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, pending.verifier.as_bytes()));
        let mut url = provider.metadata.authorization_endpoint.clone();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.spec.client_id),
            ("redirect_uri", &self.redirect_uri()),
            ("scope", &self.spec.scope),
            ("state", &pending.state),
            ("nonce", &pending.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok((url, pending))
    }

    /// The browser is back with these parameters.
    pub async fn finish(&self, pending: &Pending, params: &[(String, String)]) -> Result<Tokens, Refusal> {
        let param = |name: &str| -> Result<Option<&str>, Refusal> {
            let mut all = params.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            match (all.next(), all.next()) {
                (one, None) => Ok(one),
                _ => refuse(400, format!("the answer has several `{name}`")),
            }
        };
        let provider = self.provider().await?;
        match param("iss")? {
            Some(iss) if iss != pending.issuer => return refuse(400, "the answer is from another provider"),
            None if provider.metadata.authorization_response_iss_parameter_supported => {
                return refuse(400, "the answer does not say which provider it is from");
            }
            _ => {}
        }
        if let Some(error) = param("error")? {
            let description = param("error_description")?.unwrap_or_default();
            let status = match error {
                "temporarily_unavailable" => 503,
                "access_denied" => 403,
                _ => 502,
            };
            return refuse(status, format!("the provider says {error} {description}"));
        }
        let Some(code) = param("code")? else { return refuse(400, "the answer has no code") };
        let redirect_uri = self.redirect_uri();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", &pending.verifier),
        ];
        self.tokens(&provider, &form, Some(&pending.nonce)).await
    }

    /// Renews tokens; the person must stay the same, and the tokens must not.
    pub async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, Refusal> {
        let Some(refresh) = &tokens.refresh else { return refuse(400, "there is no refresh token") };
        let provider = self.provider().await?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let mut renewed = self.tokens(&provider, &form, None).await?;
        if renewed.who.sub != tokens.who.sub {
            return refuse(500, "the refreshed token is somebody else's");
        }
        if renewed.access == tokens.access {
            return refuse(502, "the renewed access token is the old one");
        }
        renewed.refresh = renewed.refresh.or_else(|| tokens.refresh.clone());
        Ok(renewed)
    }

    async fn tokens(
        &self,
        provider: &Provider,
        form: &[(&str, &str)],
        nonce: Option<&str>,
    ) -> Result<Tokens, Refusal> {
        let mut connections = self.wire.connections();
        let answer = self.post(&mut connections, &provider.metadata.token_endpoint, form).await?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let Some(access) = text("access_token") else { return refuse(502, "no access token came") };
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return refuse(502, "the access token is of a kind that we do not know");
        }
        let Some(id_token) = text("id_token") else { return refuse(502, "no ID token came") };
        let wanted = Wanted {
            issuer: &provider.metadata.issuer,
            client_id: &self.spec.client_id,
            nonce,
            access_token: access,
            now: history::unix_now(),
        };
        let claims = match provider.keys.check(id_token, &wanted) {
            Err(Flaw::UnknownKey(_)) => self.fetch_provider().await?.keys.check(id_token, &wanted),
            result => result,
        };
        let claims = match claims {
            Ok(claims) => claims,
            Err(flaw) => return refuse(500, format!("the ID token is not good: {flaw}")),
        };
        let info = match &provider.metadata.userinfo_endpoint {
            Some(url) => self.fetch(&mut connections, url, Some(access)).await?,
            None => Map::new(),
        };
        let who = who(&claims, &info)?;
        let (access, id_token) = (access.to_owned(), id_token.to_owned());
        Ok(Tokens { who, refresh: text("refresh_token").map(str::to_owned), access, id_token })
    }

    pub(super) async fn provider(&self) -> Result<Arc<Provider>, Refusal> {
        let known = self.known.lock().await.clone();
        match known {
            Some(provider) => Ok(provider),
            None => self.fetch_provider().await,
        }
    }

    async fn fetch_provider(&self) -> Result<Arc<Provider>, Refusal> {
        let issuer = self.spec.issuer.trim_end_matches('/');
        let Ok(url) = Url::parse(&format!("{issuer}/.well-known/openid-configuration")) else {
            return refuse(500, "the provider's address is no URL");
        };
        let mut connections = self.wire.connections();
        let document = self.fetch(&mut connections, &url, None).await?;
        let metadata: Metadata = match serde_json::from_value(Value::Object(document)) {
            Ok(metadata) => metadata,
            Err(error) => return refuse(502, format!("the provider's metadata is not good: {error}")),
        };
        if metadata.issuer != self.spec.issuer {
            return refuse(502, format!("the provider calls itself `{}`", metadata.issuer));
        }
        let keys = self.fetch(&mut connections, &metadata.jwks_uri, None).await?;
        let Ok(keys) = serde_json::from_value(Value::Object(keys)) else {
            return refuse(502, "the provider's keys are not a key set");
        };
        let provider = Arc::new(Provider { metadata, keys });
        *self.known.lock().await = Some(provider.clone());
        Ok(provider)
    }

    async fn fetch(
        &self,
        connections: &mut Connections,
        url: &Url,
        bearer: Option<&str>,
    ) -> Result<Map<String, Value>, Refusal> {
        exchange(connections, url, get(url, bearer)).await
    }

    /// Only whether this access token is taken there.
    pub(super) async fn ask_with(&self, url: &Url, access: &str) -> Result<StatusCode, Refusal> {
        Ok(ask(&mut self.wire.connections(), url, get(url, Some(access))).await?.status)
    }

    async fn post(
        &self,
        connections: &mut Connections,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<Map<String, Value>, Refusal> {
        let mut form = form.to_vec();
        let mut request = Request::post(path(url))
            .header(header::HOST, authority(url))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(secret) = &self.spec.client_secret {
            let quote = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", quote(&self.spec.client_id), quote(secret));
            request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
        } else {
            form.push(("client_id", &self.spec.client_id));
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        exchange(connections, url, request.body(Full::new(Bytes::from(body)))).await
    }
}

fn get(url: &Url, bearer: Option<&str>) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::get(path(url)).header(header::HOST, authority(url));
    if let Some(token) = bearer {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::default())
}

async fn ask(
    connections: &mut Connections,
    url: &Url,
    request: Result<Request<Full<Bytes>>, http::Error>,
) -> Result<Answer, Refusal> {
    let place = place(url);
    let Ok(request) = request else { return refuse(500, format!("{place}: the request cannot be sent")) };
    match timeout(PATIENCE, connections.send(url, &request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(trouble)) => refuse(502, format!("{place}: {trouble:?}")),
        Err(_) => refuse(502, format!("{place}: no answer")),
    }
}

async fn exchange(
    connections: &mut Connections,
    url: &Url,
    request: Result<Request<Full<Bytes>>, http::Error>,
) -> Result<Map<String, Value>, Refusal> {
    let answer = ask(connections, url, request).await?;
    let place = place(url);
    let body: Option<Map<String, Value>> = serde_json::from_slice(&answer.body).ok();
    if !answer.status.is_success() {
        let error =
            body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str).unwrap_or_default();
        let status = if error == "invalid_grant" { 400 } else { 502 };
        return refuse(status, format!("{place}: {} {error}", answer.status.as_u16()));
    }
    body.map_or_else(|| refuse(502, format!("{place}: not a JSON object")), Ok)
}

fn place(url: &Url) -> String {
    format!("{}{}", authority(url), url.path())
}

fn path(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// The person, as ID token and userinfo together say; where they differ, nobody is signed in.
fn who(claims: &Map<String, Value>, info: &Map<String, Value>) -> Result<Who, Refusal> {
    let text =
        |from: &Map<String, Value>, name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
    let sub = text(claims, "sub").unwrap_or_default();
    if !info.is_empty() && !text(info, "sub").is_some_and(|other| equal(&other, &sub)) {
        return refuse(500, "userinfo is about somebody else");
    }
    let both = |name: &str| match (text(claims, name), text(info, name)) {
        (Some(a), Some(b)) if a != b => refuse(500, format!("ID token and userinfo differ in `{name}`")),
        (a, b) => Ok(a.or(b)),
    };
    let told = info.iter().chain(claims).filter(|(name, _)| !OF_THE_PROTOCOL.contains(&name.as_str()));
    let path = claims.get("mangrove_path").or_else(|| info.get("mangrove_path")).and_then(Value::as_array);
    Ok(Who {
        iss: text(claims, "iss").unwrap_or_default(),
        sub,
        email: both("email")?,
        lab_person: both("lab_person")?,
        path: path.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        claims: told.map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("an object") };
        map
    }

    #[test]
    fn the_hidden_attribute_comes_from_either_and_must_not_differ() {
        let token = map(json!({"iss": "i", "sub": "s", "lab_person": "a-1"}));
        let found = who(&token, &map(json!({"sub": "s", "email": "a@x"}))).unwrap();
        assert_eq!((found.lab_person.as_deref(), found.email.as_deref()), (Some("a-1"), Some("a@x")));
        assert_eq!(found.claims.keys().collect::<Vec<_>>(), ["email", "lab_person", "sub"]);
        assert!(who(&token, &map(json!({"sub": "s", "lab_person": "a-2"}))).is_err());
        assert!(who(&token, &map(json!({"sub": "t"}))).is_err());
    }
}
