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
    /// What the upstream knows the person by, kept for a logout and nothing else: the ID token, or a name id as JSON.
    pub logout_hint: Option<String>,
    /// The upstream's session, for a logout that comes from there.
    pub upstream_sid: Option<String>,
    /// `subject` is another one at each login, so that it cannot say who the person is.
    #[serde(default)]
    pub subject_passes: bool,
    /// What the browser brought is good once, on whichever node: spent before anybody is signed in by it.
    #[serde(default)]
    pub once: Option<Once>,
}

/// Something signed that a browser carried here, and could carry again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// Its id; the issuer's own, never used twice there.
    pub id: String,
    /// When it stops being good anyway, in seconds since 1970.
    pub until: u64,
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
