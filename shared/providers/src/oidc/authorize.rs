//! `/oauth2/auth`: an application sends a browser to have somebody signed in (RFC 6749 section 4.1.1, OpenID Connect
//! Core section 3.1.2).
//!
//! Two kinds of errors. While the application and its redirect URI are not certain, a person sees a page and the browser
//! goes nowhere (RFC 9700 section 4.11.2). Afterwards the application is told at its redirect URI. No CORS here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use mangrove_connectors::oidc::{ELSEWHERE_PARAMETER, HOPS_PARAMETER};
use mangrove_connectors::{Ask, Prompt};
use mangrove_keys::ambient;
use mangrove_login::layout::{Frame, Reference};
use mangrove_login::{Browser, Outcome, Refusal, Refused, Request, Resume, SignedIn};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::client_auth::loggable;
use super::grant::Grant;
use super::params::{Duplicate, Params, Unreadable};
use super::response_mode::{self, ResponseMode};
use super::scope::{OPENID, Scopes};
use super::store::Code;
use super::{MODE, OidcProvider, id_hint, pages, pkce};

/// The response types there are (OAuth 2.1: no implicit, no hybrid).
pub(super) const RESPONSE_TYPES: &[&str] = &["code"];

/// Parameters that may come more than once (RFC 8707 section 2).
const REPEATABLE: &[&str] = &["resource"];
/// Most audiences of one request.
const MAX_RESOURCES: usize = 8;
/// Longest `state` and `nonce`, which are kept or echoed.
const MAX_ECHOED: usize = 4096;
/// Longest hint to the login (`login_hint`, `acr_values`, `ui_locales`): kept for everybody who asks, and passed on.
const MAX_HINT: usize = 1024;
/// Hops are short opaque ids; the login counts them and ends loops, this only bounds what is read.
const MAX_HOPS: usize = 16;
const MAX_HOP: usize = 64;

/// Parameters of which this provider says that it does not support them (OpenID Connect Core section 3.1.2.6).
const NOT_SUPPORTED: &[(&str, &str)] = &[
    ("request", "request_not_supported"),
    ("request_uri", "request_uri_not_supported"),
    ("registration", "registration_not_supported"),
];

/// Where the answer goes: settled before anything else is looked at, and kept while the login is in progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReturnTo {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<String>,
}

/// What this protocol keeps while a login is in progress.
#[derive(Debug, Serialize, Deserialize)]
struct InProgress {
    to: ReturnTo,
    scopes: Scopes,
    audiences: Vec<String>,
    nonce: Option<String>,
    challenge: Option<String>,
    /// Who the ID token hint named: nobody else will do.
    wanted: Option<String>,
}

/// The application or its redirect URI is not certain: a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Uncertain {
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("client_id or redirect_uri is there more than once")]
    Duplicate,
    #[error("client_id is missing")]
    NoClient,
    #[error("unknown client_id")]
    UnknownClient,
    #[error("redirect_uri is missing")]
    NoRedirectUri,
    #[error("redirect_uri is not one of this application's")]
    WrongRedirectUri,
}

/// What the application is told at its redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

impl Uncertain {
    fn response(self, frame: Frame<'_>, client_id: &str) -> Response {
        tracing::warn!(client_id = loggable(client_id), why = %self, blame = "application", "authorization request refused");
        let status = match self {
            Self::Unreadable(Unreadable::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        pages::wrong_request(frame, status, &self.to_string())
    }
}

impl From<Duplicate> for Told {
    fn from(_: Duplicate) -> Self {
        invalid("a parameter is there more than once")
    }
}

/// `GET`: parameters in the query.
pub(super) async fn get(
    State(provider): State<Arc<OidcProvider>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    match Params::parse(query.unwrap_or_default().as_bytes()) {
        Ok(params) => provider.authorize(&browser, &params).await,
        Err(why) => Uncertain::from(why).response(provider.login.frame(browser.reference()), ""),
    }
}

/// `POST`: parameters in the form (OpenID Connect Core section 3.1.2.1).
pub(super) async fn post(
    State(provider): State<Arc<OidcProvider>>,
    browser: Browser,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match Params::from_form(&headers, body).await {
        Ok(params) => provider.authorize(&browser, &params).await,
        Err(why) => Uncertain::from(why).response(provider.login.frame(browser.reference()), ""),
    }
}

impl OidcProvider {
    async fn authorize(&self, browser: &Browser, params: &Params) -> Response {
        let (client, to) = match self.return_to(params) {
            Ok(certain) => certain,
            Err(why) => {
                let client_id = params.one("client_id").ok().flatten().unwrap_or_default();
                return why.response(self.login.frame(browser.reference()), client_id);
            }
        };
        let (ask, progress) = match self.parse(&client, to.clone(), params) {
            Ok(parsed) => parsed,
            Err(told) => {
                tracing::warn!(
                    app = client.app,
                    error = told.error,
                    why = told.description,
                    blame = "application",
                    "authorization request refused"
                );
                return self.tell(&to, told.error, told.description);
            }
        };
        let request = Request {
            app: client.app.clone(),
            idps: client.idps.clone(),
            ask,
            from_ref: progress.to.state.as_deref().map(mangrove_login::reference),
            resume: Resume { mode: MODE.to_owned(), data: progress.to_bytes() },
        };
        match self.login.authenticate(browser, request).await {
            Outcome::SignedIn(person) => self.answer(&client, progress, &person).await,
            Outcome::Respond(response) => response,
        }
    }

    /// Settles the application and its redirect URI.
    fn return_to(&self, params: &Params) -> Result<(Arc<Client>, ReturnTo), Uncertain> {
        let one = |name| params.one(name).map_err(|Duplicate| Uncertain::Duplicate);
        let client_id = one("client_id")?.ok_or(Uncertain::NoClient)?;
        let client = self.clients.find(client_id).ok_or(Uncertain::UnknownClient)?;
        let redirect_uri = one("redirect_uri")?.ok_or(Uncertain::NoRedirectUri)?;
        if !client.redirects_to(redirect_uri) {
            return Err(Uncertain::WrongRedirectUri);
        }
        let mode =
            params.one("response_mode").ok().flatten().and_then(ResponseMode::parse).unwrap_or_default();
        let state = params.one("state").ok().flatten().filter(|state| state.len() <= MAX_ECHOED);
        let to = ReturnTo {
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            mode,
            state: state.map(str::to_owned),
        };
        Ok((Arc::clone(client), to))
    }

    /// Reads the rest of the request.
    fn parse(&self, client: &Client, to: ReturnTo, params: &Params) -> Result<(Ask, InProgress), Told> {
        params.refuse_duplicates(REPEATABLE)?;
        for (name, error) in NOT_SUPPORTED {
            if params.one(name)?.is_some() {
                return Err(Told { error, description: "this parameter is not supported" });
            }
        }
        let response_type = params.one("response_type")?.ok_or(invalid("response_type is missing"))?;
        if !RESPONSE_TYPES.contains(&response_type) {
            return Err(Told {
                error: "unsupported_response_type",
                description: "only response_type=code is supported",
            });
        }
        if client.grant(super::token::AUTHORIZATION_CODE).is_none() {
            return Err(Told {
                error: "unauthorized_client",
                description: "this application has no such grant",
            });
        }
        if params.one("response_mode")?.is_some_and(|mode| ResponseMode::parse(mode).is_none()) {
            return Err(invalid("only response_mode query and form_post are supported"));
        }
        if params.one("state")?.is_some_and(|state| state.len() > MAX_ECHOED) {
            return Err(invalid("state is too long"));
        }
        let scopes =
            Scopes::granted(params.one("scope")?.unwrap_or_default(), |name| client.knows_scope(name));
        if scopes.is_empty() {
            return Err(Told {
                error: "invalid_scope",
                description: "scope names nothing that is known here",
            });
        }
        let nonce = params.one("nonce")?;
        if nonce.is_some_and(|nonce| nonce.len() > MAX_ECHOED) {
            return Err(invalid("nonce is too long"));
        }
        let progress = InProgress {
            to,
            challenge: challenge(client, params)?,
            nonce: nonce.filter(|_| scopes.has(OPENID)).map(str::to_owned),
            audiences: audiences(client, params)?,
            wanted: self.wanted(client, params)?,
            scopes,
        };
        Ok((ask(params)?, progress))
    }

    /// Who the ID token hint names. Over or not, it must be one of ours, for this application.
    fn wanted(&self, client: &Client, params: &Params) -> Result<Option<String>, Told> {
        let Some(hint) = params.one("id_token_hint")? else { return Ok(None) };
        match id_hint::read(self, hint) {
            Some(hint) if hint.aud == client.id => Ok(Some(hint.sub)),
            _ => Err(invalid("id_token_hint is not an ID token of this provider for this application")),
        }
    }

    /// Gives the application a code for `person`.
    async fn answer(&self, client: &Client, progress: InProgress, person: &SignedIn) -> Response {
        if progress.wanted.as_ref().is_some_and(|wanted| *wanted != person.sub) {
            let why = "somebody else is signed in";
            tracing::warn!(
                app = client.app,
                login = person.login_id,
                why,
                blame = "person",
                "login_required"
            );
            return self.tell(&progress.to, "login_required", why);
        }
        let grant = Grant::new(client, person, progress.scopes, progress.audiences, &self.node);
        let code = ambient::token();
        let what = Code {
            grant,
            redirect_uri: progress.to.redirect_uri.clone(),
            challenge: progress.challenge,
            nonce: progress.nonce,
        };
        if let Err(why) = self.store.put_code(&code, &what).await {
            tracing::error!(app = client.app, login = person.login_id, %why, blame = "node", "no code: the cache fails");
            return self.tell(&progress.to, "temporarily_unavailable", "try again in a moment");
        }
        response_mode::deliver(self.login.frame(None), &progress.to, &self.issuer, &[("code", &code)])
    }

    fn tell(&self, to: &ReturnTo, error: &str, description: &str) -> Response {
        response_mode::deliver(
            self.login.frame(None),
            to,
            &self.issuer,
            &[("error", error), ("error_description", description)],
        )
    }

    /// The login ended, here or at an upstream, after pages or without.
    pub(super) async fn resume_authorization(
        &self,
        data: &[u8],
        outcome: Result<SignedIn, Refused>,
    ) -> Response {
        let login_id = match &outcome {
            Ok(person) => person.login_id.clone(),
            Err(refused) => refused.login_id.clone(),
        };
        let frame = self.login.frame(Some(Reference::Login(&login_id)));
        let progress: InProgress = match serde_json::from_slice(data) {
            Ok(progress) => progress,
            Err(why) => {
                tracing::error!(%why, blame = "node", "a login in progress cannot be read");
                return pages::wrong_request(
                    frame,
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "this login cannot be continued",
                );
            }
        };
        // The configuration may have changed meanwhile: what is not registered any more gets nothing.
        let client = self.clients.find(&progress.to.client_id).map(Arc::clone);
        let Some(client) = client.filter(|client| client.redirects_to(&progress.to.redirect_uri)) else {
            return Uncertain::UnknownClient.response(frame, &progress.to.client_id);
        };
        match outcome {
            Ok(person) => self.answer(&client, progress, &person).await,
            Err(refused) => self.tell(&progress.to, error_of(refused.why), &refused.description),
        }
    }
}

impl InProgress {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data with text keys always serialises")
    }
}

/// The PKCE challenge: S256, and never missing where the application has no secret.
fn challenge(client: &Client, params: &Params) -> Result<Option<String>, Told> {
    let method = params.one("code_challenge_method")?;
    match params.one("code_challenge")? {
        None if method.is_some() => Err(invalid("code_challenge is missing")),
        None if client.public => Err(invalid("code_challenge is required for this application")),
        None => Ok(None),
        // Without a method, RFC 7636 means `plain`.
        Some(_) if !method.is_some_and(|method| pkce::METHODS.contains(&method)) => {
            Err(invalid("code_challenge_method must be S256"))
        }
        Some(challenge) if pkce::is_challenge(challenge) => Ok(Some(challenge.to_owned())),
        Some(_) => Err(invalid("code_challenge is not a SHA-256 in base64url")),
    }
}

fn audiences(client: &Client, params: &Params) -> Result<Vec<String>, Told> {
    let asked: Vec<&str> = params.all("resource").take(MAX_RESOURCES + 1).collect();
    if asked.len() > MAX_RESOURCES || !asked.iter().all(|resource| client.may_address(resource)) {
        return Err(Told {
            error: "invalid_target",
            description: "resource is not allowed for this application",
        });
    }
    Ok(asked.into_iter().map(str::to_owned).collect())
}

/// What the application asks of the login itself.
fn ask(params: &Params) -> Result<Ask, Told> {
    let prompt = params.one("prompt")?.map_or(Ok(None), Prompt::parse);
    let max_age = params.one("max_age")?.map(str::parse).transpose();
    let text = |name| match params.one(name)? {
        Some(hint) if hint.len() > MAX_HINT => {
            Err(invalid("login_hint, acr_values or ui_locales is too long"))
        }
        hint => Ok(hint.map(str::to_owned)),
    };
    Ok(Ask {
        prompt: prompt.map_err(|_| invalid("prompt is not understood"))?,
        max_age: max_age.map_err(|_| invalid("max_age is not a number of seconds"))?,
        login_hint: text("login_hint")?,
        acr_values: text("acr_values")?,
        ui_locales: text("ui_locales")?,
        hops: hops(params)?,
        elsewhere: params.one(ELSEWHERE_PARAMETER)? == Some("1"),
        ..Ask::default()
    })
}

/// The nodes that this login came through, said by the browser: they stop accidents and authorise nothing.
fn hops(params: &Params) -> Result<Vec<String>, Told> {
    let hops: Vec<&str> = params.one(HOPS_PARAMETER)?.unwrap_or_default().split_ascii_whitespace().collect();
    let is_hop = |hop: &&str| hop.len() <= MAX_HOP && hop.bytes().all(|b| b.is_ascii_graphic());
    if hops.len() > MAX_HOPS || !hops.iter().all(is_hop) {
        return Err(invalid("mangrove_hops is not a list of node ids"));
    }
    Ok(hops.into_iter().map(str::to_owned).collect())
}

fn invalid(description: &'static str) -> Told {
    Told { error: "invalid_request", description }
}

fn error_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::LoginRequired => "login_required",
        Refusal::InteractionRequired => "interaction_required",
        Refusal::AccessDenied => "access_denied",
        Refusal::TemporarilyUnavailable => "temporarily_unavailable",
        Refusal::ServerError => "server_error",
    }
}
