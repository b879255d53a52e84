//! The token request (RFC 6749 section 4.1.3), and who is to blame for what comes of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::Oidc;
use super::metadata::{ClientAuth, Metadata};
use super::proof::{ASSERTION_TYPE, Proof};
use crate::failure::printable;
use crate::http::{HttpError, Limits};
use crate::{Failure, Pending};

/// Longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 64 * 1024;

/// What the token endpoint gave.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: Option<String>,
    pub(super) access_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Oidc {
    /// Trades the code for tokens at the endpoint of this login's own provider.
    pub(super) async fn exchange(
        &self,
        metadata: &Metadata,
        pending: &Pending,
        code: &str,
    ) -> Result<Tokens, Failure> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", pending.redirect_url.as_str()),
        ];
        form.extend(pending.pkce_verifier.as_deref().map(|verifier| ("code_verifier", verifier)));
        let (status, body) = self.ask_for_tokens(metadata, form).await?;
        if status != StatusCode::OK {
            return Err(self.not_the_codes_doing(self.refused(status, &body)).await);
        }
        // A page of a maintenance server is no answer of the provider; what is in a token is judged elsewhere.
        let tokens: Tokens = serde_json::from_slice(&body).map_err(|_| {
            Failure::unavailable(self.said("the token endpoint answered something that holds no tokens"))
        })?;
        match tokens.id_token.iter().chain(&tokens.access_token).any(|token| token.len() > LONGEST_TOKEN) {
            false => Ok(tokens),
            true => Err(Failure::protocol(self.said("the token endpoint answered with an oversized token"))),
        }
    }

    /// A refusal to a browser's code, believed as far as that goes: some providers say `unauthorized_client` to a code of
    /// another client, and nobody's code may keep a connector out for everybody. So this node asks again with a code of its
    /// own making, and only what that is told counts as what the provider says about this node.
    async fn not_the_codes_doing(&self, failure: Failure) -> Failure {
        if !failure.keeps_out {
            return failure;
        }
        match self.rehearse().await {
            Ok(()) => Failure { oauth_error: failure.oauth_error, ..Failure::protocol(failure.log) },
            Err(without_the_code) => without_the_code,
        }
    }

    /// Whether this node's credentials are accepted: a code that nobody issued must be answered `invalid_grant`.
    ///
    /// # Errors
    /// What a login would meet: `Misconfigured` while the provider does not know this node.
    pub(crate) async fn rehearse(&self) -> Result<(), Failure> {
        let redirect_url = self.redirect_url()?.clone();
        let known = self.provider.published().await.map_err(|why| why.into_failure(&self.settings.name))?;
        let code = mangrove_keys::ambient::token();
        let verifier = mangrove_keys::ambient::token();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", redirect_url.as_str()),
        ];
        form.extend(self.settings.pkce.then_some(("code_verifier", &*verifier)));
        let (status, body) = self.ask_for_tokens(&known.metadata, form).await?;
        let failure = self.refused(status, &body);
        if failure.oauth_error.as_deref() == Some("invalid_grant") { Ok(()) } else { Err(failure) }
    }

    async fn ask_for_tokens(
        &self,
        metadata: &Metadata,
        form: Vec<(&str, &str)>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let request = self.client_request(&metadata.token_endpoint, metadata, form)?;
        let answer = self.http.send(request, &Limits::default()).await;
        let response = answer.map_err(|why| self.unanswered("token endpoint", &why))?;
        Ok((response.status(), response.into_body()))
    }

    /// A form with this client's authentication, as the token endpoint wants it. Apart from the sending, because the form's
    /// writer cannot cross an await.
    pub(super) fn client_request(
        &self,
        endpoint: &Url,
        metadata: &Metadata,
        form: Vec<(&str, &str)>,
    ) -> Result<Request<Vec<u8>>, Failure> {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(form);
        let mut request = Request::post(endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        let keeps_out = |why: &str| Failure { keeps_out: true, ..Failure::misconfigured(self.said(why)) };
        match (&self.settings.proof, metadata.client_auth()) {
            (Proof::Nothing, _) => drop(body.append_pair("client_id", &self.settings.client_id)),
            (Proof::Key(_), _) if !metadata.takes_keys() => {
                return Err(keeps_out("the token endpoint does not take private_key_jwt"));
            }
            (Proof::Key(key), _) => {
                let assertion = key.assertion(&self.settings.client_id, metadata);
                let assertion = assertion.map_err(|why| Failure::misconfigured(self.said(why)))?;
                body.append_pair("client_id", &self.settings.client_id)
                    .append_pair("client_assertion_type", ASSERTION_TYPE)
                    .append_pair("client_assertion", &assertion);
            }
            (Proof::Secret(secret), Some(ClientAuth::Basic)) => {
                request =
                    request.header(header::AUTHORIZATION, basic(&self.settings.client_id, secret.expose()));
            }
            (Proof::Secret(secret), Some(ClientAuth::Post)) => {
                body.append_pair("client_id", &self.settings.client_id)
                    .append_pair("client_secret", secret.expose());
            }
            (Proof::Secret(_), None) => {
                return Err(keeps_out(
                    "the token endpoint takes neither client_secret_basic nor client_secret_post",
                ));
            }
        }
        request.body(body.finish().into_bytes()).map_err(|_| {
            Failure::misconfigured(self.said("the client id or secret does not fit into a header"))
        })
    }

    /// The back channel gave nothing that can be used.
    pub(super) fn unanswered(&self, what: &str, why: &HttpError) -> Failure {
        let log = self.said(format_args!("{what}: {why}"));
        if why.is_no_answer() { Failure::no_answer(log) } else { Failure::unavailable(log) }
    }

    /// An answer that is not 200. Only what the provider says about *this node* is the operator's; what it says about the
    /// code came from a browser, and must neither move a verdict nor steer the person elsewhere. Where it is not certain of
    /// which of the two it speaks, see [`Self::not_the_codes_doing`].
    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let error = serde_json::from_slice::<Refusal>(body).ok().map(|refusal| printable(&refusal.error));
        let log = self.said(format_args!(
            "the token endpoint answered {}{}",
            status.as_u16(),
            error.as_ref().map(|error| format!(" {error}")).unwrap_or_default()
        ));
        let failure = match (error.as_deref(), status) {
            (Some("invalid_client" | "unauthorized_client"), _) | (None, StatusCode::UNAUTHORIZED) => {
                Failure { keeps_out: true, ..Failure::misconfigured(log) }
            }
            (_, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            | (Some("temporarily_unavailable" | "server_error" | "slow_down"), _) => {
                Failure::unavailable(log)
            }
            (Some(_), status) if status.is_client_error() => Failure::protocol(log),
            _ => Failure::unavailable(log),
        };
        match error {
            Some(error) => failure.with_oauth_error(&error),
            None => failure,
        }
    }
}

/// RFC 6749 section 2.3.1: both are form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_and_secrets_are_encoded_before_they_are_joined() {
        let header = basic("a:b", "c d&e");
        let decoded = BASE64_STANDARD.decode(header.trim_start_matches("Basic ")).unwrap();
        assert_eq!(decoded, b"a%3Ab:c+d%26e");
    }
}
