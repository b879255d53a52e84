//! An application signs somebody out: ends its own session, sends the browser to its provider's logout (OpenID Connect
//! RP-Initiated Logout 1.0) with the ID token as hint, and says at its return whether the tokens still work there.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::relying_party::{Refusal, RelyingParty, Tokens, random_token, refuse};
use super::token::equal;
use super::{LOGIN_LIFE, MOST_KEPT, SESSION, Shop, cookie, data, lock, redirect};
use crate::history::{self, Micros};

const LEAVING: &str = "__Host-app-leaving";
/// Where the provider sends the browser back to.
pub const BACK: &str = "/signed-out";

/// Who is on the way to the provider's logout, by state.
#[derive(Default)]
pub struct Leaving(Mutex<HashMap<String, Left>>);

struct Left {
    tokens: Tokens,
    browser: String,
    at: Micros,
}

impl RelyingParty {
    /// Where to send the browser.
    async fn logout(&self, tokens: &Tokens, state: &str) -> Result<Url, Refusal> {
        let provider = self.provider().await?;
        let Some(mut url) = provider.metadata.end_session_endpoint.clone() else {
            return refuse(502, "you are signed out here; the provider has no logout");
        };
        url.query_pairs_mut().extend_pairs([
            ("id_token_hint", tokens.id_token.as_str()),
            ("client_id", &self.spec.client_id),
            ("post_logout_redirect_uri", &self.address(BACK)),
            ("state", state),
        ]);
        Ok(url)
    }

    /// Whether the tokens still work at the provider; `None` where it does not say.
    async fn works(&self, tokens: &Tokens) -> Option<bool> {
        let provider = self.provider().await.ok()?;
        let userinfo = provider.metadata.userinfo_endpoint.as_ref()?;
        match self.ask_with(userinfo, &tokens.access).await.ok()? {
            StatusCode::OK => Some(true),
            StatusCode::UNAUTHORIZED => Some(false),
            _ => None,
        }
    }
}

impl Shop {
    /// The person wants to leave. The application's own session ends whatever the provider does.
    pub(super) async fn sign_out(&self, request: &Parts) -> Result<Response<Full<Bytes>>, Refusal> {
        let (session, tokens) = self.session(&request.headers)?;
        lock(&self.sessions).remove(&session);
        let (state, browser, at) = (random_token(), random_token(), history::now());
        let url = self.party.logout(&tokens, &state).await?;
        let cookies = [
            format!("{SESSION}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"),
            format!("{LEAVING}={browser}; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ];
        let mut leaving = lock(&self.leaving.0);
        if leaving.len() >= MOST_KEPT {
            leaving.retain(|_, left| at.saturating_sub(left.at) < LOGIN_LIFE);
        }
        leaving.insert(state, Left { tokens, browser, at });
        Ok(redirect(url.as_str(), &cookies))
    }

    /// The browser is back from the provider's logout.
    pub(super) async fn signed_out(&self, request: &Parts) -> Result<Response<Full<Bytes>>, Refusal> {
        let query = request.uri.query().unwrap_or_default();
        let state = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "state");
        let left = state.and_then(|(_, state)| lock(&self.leaving.0).remove(&*state));
        let browser = cookie(&request.headers, LEAVING).unwrap_or_default();
        match left.filter(|left| equal(&left.browser, &browser)) {
            Some(left) => {
                let works = self.party.works(&left.tokens).await;
                Ok(data(&json!({ "signed_out": true, "tokens_work": works })))
            }
            None => refuse(400, "This answer belongs to no sign-out of this browser"),
        }
    }

    /// Whether the tokens of a session still work at the provider.
    pub(super) async fn tokens(&self, request: &Parts) -> Result<Response<Full<Bytes>>, Refusal> {
        let (_, tokens) = self.session(&request.headers)?;
        match self.party.works(&tokens).await {
            Some(true) => Ok(data(&json!({ "tokens_work": true }))),
            Some(false) => refuse(401, "The provider takes the tokens no more"),
            None => refuse(502, "The provider does not say whether it takes the tokens"),
        }
    }
}
