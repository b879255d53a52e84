//! Access tokens: what they say, and the forms they take. A form is a row of [`Format`]; everything else reads
//! [`Access`] and does not know which it was.

use std::sync::Arc;

use mangrove_cache::CacheError;
use mangrove_keys::{KeyError, ambient};
use mangrove_login::{SessionHandle, SignedIn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Client;
use super::grant::Grant;
use super::scope::Scopes;
use super::{OidcProvider, encode};

/// `typ` of an access token (RFC 9068): an ID token never passes for one.
const TYP: &str = "at+jwt";

/// What an access token says: the claims of RFC 9068 section 2.2, and the session it ends with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Access {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: Vec<String>,
    pub(super) client_id: String,
    pub(super) scope: Scopes,
    pub(super) iat: u64,
    pub(super) exp: u64,
    /// `grant.random`: names the grant, so that a whole grant can be revoked.
    pub(super) jti: String,
    pub(super) sid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) auth_time: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) amr: Vec<String>,
}

/// The form of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A signed JWT (RFC 9068); this node keeps nothing.
    Jwt,
    /// A random handle; what it says stays here.
    Opaque,
}

/// Why no access token could be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MintError {
    #[error("the cache fails: {0}")]
    Cache(#[from] CacheError),
    #[error("signing failed: {0}")]
    Keys(#[from] KeyError),
}

impl Access {
    fn new(issuer: &str, grant: &Grant, scopes: &Scopes, audiences: &[String], now: u64, life: u64) -> Self {
        // A resource server is not userinfo, and userinfo is not a resource server: each is addressed by name.
        let own = audiences.is_empty() || scopes.has(super::scope::OPENID);
        let aud = audiences.iter().cloned().chain(own.then(|| issuer.to_owned())).collect();
        Self {
            iss: issuer.to_owned(),
            sub: grant.sub.clone(),
            aud,
            client_id: grant.client_id.clone(),
            scope: scopes.clone(),
            iat: now,
            exp: now + life,
            jti: format!("{}.{}", grant.id, encode(&ambient::random::<8>())),
            sid: grant.session.sid().to_owned(),
            auth_time: grant.auth_time,
            acr: grant.acr.clone(),
            amr: grant.amr.clone(),
        }
    }

    /// The grant that it grew from.
    pub(super) fn grant(&self) -> &str {
        self.jti.split_once('.').map_or(self.jti.as_str(), |(grant, _)| grant)
    }
}

impl OidcProvider {
    /// Makes an access token for `client` in the form that its configuration says.
    pub(super) async fn mint_access(
        &self,
        client: &Client,
        grant: &Grant,
        scopes: &Scopes,
        audiences: &[String],
        now: u64,
    ) -> Result<String, MintError> {
        let life = client.access_token_lifetime.as_secs();
        let access = Access::new(&self.issuer, grant, scopes, audiences, now, life);
        match client.access_tokens {
            Format::Jwt => Ok(self.keys.sign(client.algorithm, TYP, &access)?),
            Format::Opaque => {
                let token = ambient::token();
                self.store.put_access(&token, &access).await?;
                Ok(token)
            }
        }
    }

    /// What an access token says that was issued here, is not over and not revoked, and whose session lives (where
    /// tokens correlate with sessions). Nothing otherwise.
    pub(super) async fn read_access(&self, token: &str) -> Result<Option<ReadAccess>, CacheError> {
        let Some(access) = self.decode_access(token).await? else { return Ok(None) };
        if access.iss != self.issuer
            || access.exp <= ambient::unix_now()
            || self.store.is_revoked(&access).await?
        {
            return Ok(None);
        }
        let Some(client) = self.clients.find(&access.client_id) else { return Ok(None) };
        let person = self.person_behind(client, &access.sid, &access.sub).await;
        if self.correlate && person.is_none() {
            return Ok(None);
        }
        Ok(Some(ReadAccess { access, client: Arc::clone(client), person }))
    }

    /// What an access token says that was issued here, over or not.
    pub(super) async fn decode_access(&self, token: &str) -> Result<Option<Access>, CacheError> {
        if !token.contains('.') {
            return self.store.access(token).await;
        }
        let verified = self.keys.verify(token, TYP).ok();
        Ok(verified.and_then(|claims| serde_json::from_value(Value::Object(claims)).ok()))
    }

    /// Whether the session that a grant came from is there and still this person's; always, where tokens do not correlate
    /// with sessions. A session can outlive one of its people: another may have signed in to it since.
    pub(super) async fn lives(&self, grant: &Grant) -> bool {
        !self.correlate
            || self.login.session(&grant.session).await.is_some_and(|person| person.sub == grant.sub)
    }

    /// The session that a token names, as the application's connectors know it, if it is still this person's.
    pub(super) async fn person_behind(&self, client: &Client, sid: &str, sub: &str) -> Option<SignedIn> {
        for via in &client.idps {
            let handle = SessionHandle::new(sid, via);
            if let Some(person) = self.login.session(&handle).await
                && person.sub == sub
            {
                return Some(person);
            }
        }
        None
    }
}

/// A good access token, whose it is and, while the session lives, who is behind it.
pub(super) struct ReadAccess {
    pub(super) access: Access,
    pub(super) client: Arc<Client>,
    pub(super) person: Option<SignedIn>,
}
