//! What an upstream vouched for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A person, as one upstream said it. Nothing here is mapped or renamed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the connector that vouched.
    pub connector: String,
    /// The upstream's issuer identifier, where the protocol has one.
    pub issuer: Option<String>,
    /// Who it is, in the upstream's own words; never empty.
    pub subject: String,
    /// Everything the upstream said about the person.
    pub claims: Map<String, Value>,
    /// When the person last proved who they are, in seconds since 1970, if the upstream says so.
    pub auth_time: Option<u64>,
    /// The class of that proof, if the upstream says so.
    pub acr: Option<String>,
    /// The methods of that proof.
    pub amr: Vec<String>,
    /// Ids of the nodes this identity came through, farthest first; read from verified ID tokens only.
    pub path: Vec<String>,
    /// An operator said that this upstream's e-mail addresses are to be believed.
    pub email_trusted: bool,
    /// The ID token, kept for a logout upstream and nothing else.
    pub id_token_hint: Option<String>,
    /// The upstream's session, for a logout that comes from there.
    pub upstream_sid: Option<String>,
}

/// Shows who and whence; claims and tokens stay out of logs.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("connector", &self.connector)
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("claims", &self.claims.keys().collect::<Vec<_>>())
            .field("auth_time", &self.auth_time)
            .field("acr", &self.acr)
            .field("amr", &self.amr)
            .field("path", &self.path)
            .field("email_trusted", &self.email_trusted)
            .finish_non_exhaustive()
    }
}
