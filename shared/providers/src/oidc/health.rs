//! `/oauth2/health` (deep health): an application asks whether this node can sign *its* people in now, and learns yes or no,
//! the class of blame, and how old that knowledge is. Which connectors there are, how many, and whom other applications
//! may ask, nobody learns here. The request is a form, authenticated as at the token endpoint; a public client cannot prove
//! who it is and is refused like an outsider. Announced as `mangrove_health_endpoint`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use mangrove_login::{Word, WordBlame};
use serde::Serialize;

use super::OidcProvider;
use super::client::Clients;
use super::client_auth::ClientAuthError;
use super::params::{Duplicate, Params, Unreadable};
use super::respond::{oauth_error, private_json};

/// Questions that one client may ask a second, on average, and at once.
const PER_SECOND: f64 = 20.0;
const AT_ONCE: f64 = 60.0;

/// What is said.
#[derive(Serialize)]
struct Said {
    can_sign_in: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    in_doubt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<WordBlame>,
    /// Seconds; absent where the answer stands on no sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
}

/// Why nothing is said.
#[derive(Debug, thiserror::Error)]
enum HealthError {
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    #[error("{0}")]
    Client(#[from] ClientAuthError),
    #[error("a parameter is there more than once")]
    Duplicate,
    #[error("asked too often")]
    TooOften,
}

impl HealthError {
    fn response(&self) -> Response {
        match self {
            Self::Unreadable(_) | Self::Duplicate => {
                oauth_error(StatusCode::BAD_REQUEST, "invalid_request", self.to_string())
            }
            Self::Client(why) => why.response(),
            Self::TooOften => {
                let words = self.to_string();
                let mut response = oauth_error(StatusCode::TOO_MANY_REQUESTS, "slow_down", words);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
        }
    }
}

impl From<Duplicate> for HealthError {
    fn from(_: Duplicate) -> Self {
        Self::Duplicate
    }
}

/// `POST`: the only method; a URL with credentials or an answer in a cache would be a leak.
pub(super) async fn post(
    State(provider): State<Arc<OidcProvider>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match provider.health(&headers, body).await {
        Ok(said) => private_json(&said),
        Err(why) => why.response(),
    }
}

impl OidcProvider {
    async fn health(&self, headers: &HeaderMap, body: Body) -> Result<Said, HealthError> {
        let params = Params::from_form(headers, body).await?;
        params.refuse_duplicates(&[])?;
        let client = self.authenticate_client(headers, &params).await?;
        if client.public {
            return Err(ClientAuthError::Refused.into());
        }
        if !self.questions.may_ask(&client.id, ambient::now()) {
            return Err(HealthError::TooOften);
        }
        Ok(Said::from(&self.login.can_sign_in(&client.idps).await))
    }
}

impl From<&Word> for Said {
    fn from(word: &Word) -> Self {
        Self {
            can_sign_in: word.can_sign_in.is_ok(),
            in_doubt: word.in_doubt,
            blame: word.can_sign_in.err(),
            age: word.age.map(|age| age.as_secs()),
        }
    }
}

/// How often each client asks. One bucket for each client of the configuration, filled only by who proved to be it: nobody
/// can use up what another may ask.
pub(super) struct Questions(HashMap<String, Mutex<Bucket>>);

struct Bucket {
    left: f64,
    at: Moment,
}

impl Questions {
    pub(super) fn of(clients: &Clients, now: Moment) -> Self {
        let full = || Mutex::new(Bucket { left: AT_ONCE, at: now });
        Self(clients.iter().map(|client| (client.id.clone(), full())).collect())
    }

    fn may_ask(&self, client: &str, now: Moment) -> bool {
        let Some(bucket) = self.0.get(client) else { return false };
        bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }
}

impl Bucket {
    fn take(&mut self, now: Moment) -> bool {
        self.left = (self.left + now.since(self.at).as_secs_f64() * PER_SECOND).min(AT_ONCE);
        self.at = now;
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_asks_without_end_is_answered_twenty_times_a_second() {
        let start = Moment::default();
        let mut bucket = Bucket { left: AT_ONCE, at: start };
        let answered = |bucket: &mut Bucket, now| (0..500).filter(|_| bucket.take(now)).count();
        assert_eq!(answered(&mut bucket, start), 60);
        assert_eq!(answered(&mut bucket, start + Duration::from_secs(1)), 20);
        assert_eq!(answered(&mut bucket, start + Duration::from_secs(3600)), 60);
    }
}
