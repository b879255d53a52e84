//! The token response (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3): access token, ID token, refresh token.
//!
//! Signing happens on the runtime's threads: handing a signature to another thread costs more CPU than it frees, by
//! measurement (`docs/design/signing.md`).

use mangrove_keys::KeyError;
use serde::Serialize;
use serde_json::{Map, Value};

use super::OidcProvider;
use super::access::MintError;
use super::client::Client;
use super::grant::Grant;
use super::scope::{OPENID, Scopes};

/// `typ` of an ID token.
pub(super) const ID_TOKEN_TYP: &str = "JWT";

/// What an application gets.
#[derive(Serialize)]
pub(super) struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: Scopes,
}

#[derive(Serialize)]
struct IdToken<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    at_hash: String,
    sid: &'a str,
    #[serde(flatten)]
    person: &'a Map<String, Value>,
}

impl OidcProvider {
    /// Makes an access token for `audiences`, and an ID token where `openid` is among the scopes.
    pub(super) async fn mint(
        &self,
        client: &Client,
        grant: &Grant,
        scopes: Scopes,
        audiences: &[String],
        nonce: Option<&str>,
        now: u64,
    ) -> Result<Tokens, MintError> {
        let access_token = self.mint_access(client, grant, &scopes, audiences, now).await?;
        if !self.correlate {
            self.store.put_claims(grant, client.access_token_lifetime).await?;
        }
        let id_token = match scopes.has(OPENID) {
            true => Some(self.mint_id(client, grant, &access_token, nonce, now)?),
            false => None,
        };
        Ok(Tokens {
            access_token,
            token_type: "Bearer",
            expires_in: client.access_token_lifetime.as_secs(),
            refresh_token: None,
            id_token,
            scope: scopes,
        })
    }

    fn mint_id(
        &self,
        client: &Client,
        grant: &Grant,
        access_token: &str,
        nonce: Option<&str>,
        now: u64,
    ) -> Result<String, KeyError> {
        let algorithm = self.keys.algorithm(client.algorithm)?;
        let claims = IdToken {
            iss: &self.issuer,
            sub: &grant.sub,
            aud: &client.id,
            exp: now + self.id_token_lifetime.as_secs(),
            iat: now,
            auth_time: grant.auth_time,
            nonce,
            acr: grant.acr.as_deref(),
            amr: &grant.amr,
            at_hash: algorithm.half_hash(access_token),
            sid: grant.session.sid(),
            person: &grant.claims,
        };
        self.keys.sign(Some(algorithm), ID_TOKEN_TYP, &claims)
    }
}
