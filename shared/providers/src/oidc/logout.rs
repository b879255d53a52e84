//! `/oauth2/logout`: an application asks to end a person's session (OpenID Connect RP-Initiated Logout 1.0).
//!
//! An ID token of ours as hint, over or not, proves that the application knew the person; without one the person is asked.
//! The browser goes back only to a URI that is registered for the application, character by character; where the hint
//! proves who asks, another URI costs the way back and not the logout. What ends, and who could not be told, is the
//! login's business.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use mangrove_login::layout::Frame;
use mangrove_login::{Browser, EndAsk, SessionHandle};
use url::Url;

use super::client::Client;
use super::id_hint::{self, Hint};
use super::params::{Duplicate, Params, Unreadable};
use super::respond::private_headers;
use super::response_mode::with_query;
use super::{OidcProvider, pages};

/// Longest `state` that is echoed.
const MAX_STATE: usize = 4096;

/// Why nothing ends: a page says it, the browser goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum LogoutError {
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("a parameter is there more than once")]
    Duplicate,
    #[error("client_id and id_token_hint speak of different applications")]
    Contradiction,
    #[error("unknown client_id")]
    UnknownClient,
    #[error("post_logout_redirect_uri is not one of this application's")]
    WrongRedirectUri,
    #[error("state is too long")]
    State,
}

impl LogoutError {
    fn response(self, frame: Frame<'_>) -> Response {
        tracing::warn!(why = %self, blame = "application", "logout request refused");
        pages::wrong_logout(frame, &self.to_string())
    }
}

impl From<Duplicate> for LogoutError {
    fn from(_: Duplicate) -> Self {
        Self::Duplicate
    }
}

/// `GET`: parameters in the query.
pub(super) async fn get(
    State(provider): State<Arc<OidcProvider>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    provider.logout(&browser, Params::parse(query.unwrap_or_default().as_bytes())).await
}

/// `POST`: parameters in the form.
pub(super) async fn post(
    State(provider): State<Arc<OidcProvider>>,
    browser: Browser,
    headers: HeaderMap,
    body: Body,
) -> Response {
    provider.logout(&browser, Params::from_form(&headers, body).await).await
}

impl OidcProvider {
    async fn logout(&self, browser: &Browser, params: Result<Params, Unreadable>) -> Response {
        let ask = match params {
            Ok(params) => self.end_ask(&params).await,
            Err(why) => Err(why.into()),
        };
        match ask {
            Ok(ask) => {
                let mut response = self.login.end(browser, ask).await;
                private_headers(response.headers_mut());
                response
            }
            Err(why) => why.response(self.login.frame(browser.reference())),
        }
    }

    async fn end_ask(&self, params: &Params) -> Result<EndAsk, LogoutError> {
        params.refuse_duplicates(&[])?;
        let hint = params.one("id_token_hint")?.and_then(|token| id_hint::read(self, token));
        let client = self.asking(params, hint.as_ref())?;
        let session = match (&hint, client) {
            (Some(hint), Some(client)) => Some(self.session_of(client, hint).await),
            _ => None,
        };
        let back_to = match back_to(client, params) {
            // Who asks is certain: the session ends, and the browser stays here rather than the person signed in.
            Err(why @ LogoutError::WrongRedirectUri) if session.is_some() => {
                let client = client.map_or("", |client| client.id.as_str());
                tracing::warn!(client_id = client, %why, blame = "application", "logout without a way back");
                None
            }
            back_to => back_to?,
        };
        Ok(EndAsk { proven: session.is_some(), session, back_to })
    }

    /// The application that asks, by its hint or by its name; both must agree.
    fn asking(&self, params: &Params, hint: Option<&Hint>) -> Result<Option<&Arc<Client>>, LogoutError> {
        let named = params.one("client_id")?;
        let id = match (named, hint) {
            (Some(named), Some(hint)) if named != hint.aud => return Err(LogoutError::Contradiction),
            (Some(named), _) => named,
            (None, Some(hint)) => &hint.aud,
            (None, None) => return Ok(None),
        };
        self.clients.find(id).map(Some).ok_or(LogoutError::UnknownClient)
    }

    async fn session_of(&self, client: &Client, hint: &Hint) -> SessionHandle {
        match self.person_behind(client, &hint.sid, &hint.sub).await {
            Some(person) => person.session,
            None => SessionHandle::new(&hint.sid, client.idps.first().map_or("", String::as_str)),
        }
    }
}

fn back_to(client: Option<&Arc<Client>>, params: &Params) -> Result<Option<Url>, LogoutError> {
    let Some(uri) = params.one("post_logout_redirect_uri")? else { return Ok(None) };
    if !client.is_some_and(|client| client.returns_after_logout_to(uri)) {
        return Err(LogoutError::WrongRedirectUri);
    }
    let text = match params.one("state")? {
        Some(state) if state.len() > MAX_STATE => return Err(LogoutError::State),
        Some(state) => with_query(uri, &[("state", state)]),
        None => uri.to_owned(),
    };
    Url::parse(&text).map(Some).map_err(|_| LogoutError::WrongRedirectUri)
}
