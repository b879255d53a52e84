//! ID tokens that come back as hints (`id_token_hint`): ours by signature, issuer and type; over or not.

use serde::Deserialize;
use serde_json::Value;

use super::OidcProvider;
use super::mint::ID_TOKEN_TYP;

/// What a hint says.
#[derive(Debug, Deserialize)]
pub(super) struct Hint {
    iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) sid: String,
}

/// Reads a hint; nothing if it is not an ID token of this provider.
pub(super) fn read(provider: &OidcProvider, token: &str) -> Option<Hint> {
    let claims = provider.keys.verify(token, ID_TOKEN_TYP).ok()?;
    let hint: Hint = serde_json::from_value(Value::Object(claims)).ok()?;
    (hint.iss == provider.issuer).then_some(hint)
}
