//! The answer of the browser, and the rest of the login on the back channel.

use std::sync::Arc;

use mangrove_keys::ambient;
use serde_json::{Map, Value};

use super::Oidc;
use super::provider::Published;
use super::verify::{Expected, IdToken, VerifyError, verify_id_token};
use crate::{Answer, Door, Failure, Identity, Pending};

/// Claims about the token and not about the person.
const OF_THE_TOKEN: [&str; 15] = [
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "acr",
    "amr",
    "auth_time",
    "sid",
];

impl Oidc {
    pub(crate) async fn finish(&self, pending: &Pending, answer: &Answer) -> Result<Identity, Failure> {
        let known = self.provider.published().await.map_err(|why| why.into_failure(&self.settings.name))?;
        let door = Door {
            connector: &self.settings.name,
            path: self.redirect_path(),
            issuer: &known.metadata.issuer,
            promises_iss: known.metadata.promises_iss(),
        };
        let code = pending.code(answer, door)?;
        let tokens = self.exchange(&known.metadata, pending, code).await?;
        let Some(token) = &tokens.id_token else {
            return Err(Failure::misconfigured(self.said("the token endpoint gave no ID token")));
        };
        let access_token = tokens.access_token.as_deref();
        let id_token = self.verified(known.clone(), pending, token, access_token).await?;
        let mut claims = id_token.claims.clone();
        if let Some(more) = self.userinfo(&known.metadata, &id_token, access_token).await? {
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(self.identity(id_token, claims, token))
    }

    /// Verifies the ID token; an unknown key is asked for once.
    async fn verified(
        &self,
        known: Arc<Published>,
        pending: &Pending,
        token: &str,
        access_token: Option<&str>,
    ) -> Result<IdToken, Failure> {
        let known = if known.keys.has_key_for(token) { known } else { self.with_newer_keys(known).await? };
        let algorithms = known.metadata.algorithms(&self.settings.algorithms);
        if algorithms.is_empty() {
            let log = self.said("the provider signs with no algorithm that is allowed");
            return Err(Failure { keeps_out: true, ..Failure::misconfigured(log) });
        }
        let expected = Expected {
            issuer: &known.metadata.issuer,
            client_id: &self.settings.client_id,
            nonce: &pending.nonce,
            max_age: pending.max_age,
            access_token,
            algorithms: &algorithms,
        };
        verify_id_token(token, &known.keys, &expected, ambient::unix_now()).map_err(|why| {
            let log = self.said(format_args!("ID token: {why}"));
            match why {
                VerifyError::Clock(_) => Failure::misconfigured(log),
                _ => Failure::protocol(log),
            }
        })
    }

    async fn with_newer_keys(&self, known: Arc<Published>) -> Result<Arc<Published>, Failure> {
        let newer = self.provider.for_unknown_key(&known).await;
        Ok(newer.map_err(|why| why.into_failure(&self.settings.name))?.unwrap_or(known))
    }

    fn identity(&self, id_token: IdToken, mut claims: Map<String, Value>, token: &str) -> Identity {
        let text = |name: &str| id_token.claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let (upstream_sid, issuer) = (text("sid"), text("iss"));
        claims.retain(|name, _| !OF_THE_TOKEN.contains(&name.as_str()) && name != super::verify::PATH_CLAIM);
        Identity {
            connector: self.settings.name.clone(),
            issuer,
            subject: id_token.subject,
            claims,
            auth_time: id_token.auth_time,
            acr: id_token.acr,
            amr: id_token.amr,
            path: id_token.path,
            email_trusted: self.settings.trust_email,
            logout_hint: Some(token.to_owned()),
            upstream_sid,
            subject_passes: false,
            once: None,
        }
    }
}
