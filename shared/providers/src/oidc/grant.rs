//! What a person gave an application by signing in to it: the root from which all its tokens grow.

use mangrove_keys::ambient;
use mangrove_login::{SessionHandle, SignedIn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::PATH_CLAIM;
use super::client::Client;
use super::encode;
use super::scope::Scopes;

/// One sign-in of one person to one application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    /// Its id: every token that came from it can be revoked by it.
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) session: SessionHandle,
    pub(super) sub: String,
    pub(super) scopes: Scopes,
    /// Audiences of access tokens that were asked for and allowed (RFC 8707); none means this provider alone.
    pub(super) audiences: Vec<String>,
    pub(super) auth_time: Option<u64>,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    /// What the ID token and userinfo say about the person.
    pub(super) claims: Map<String, Value>,
}

impl Grant {
    /// What `person` gives `client`.
    pub(super) fn new(
        client: &Client,
        person: &SignedIn,
        scopes: Scopes,
        audiences: Vec<String>,
        node: &str,
    ) -> Self {
        Self {
            id: encode(&ambient::random::<16>()),
            client_id: client.id.clone(),
            session: person.session.clone(),
            sub: person.sub.clone(),
            claims: person_claims(client, person, &scopes, node),
            scopes,
            audiences,
            auth_time: person.auth_time,
            acr: person.acr.clone(),
            amr: person.amr.clone(),
        }
    }
}

/// The claims that `client` gets about `person`; with the path of the login where its configuration asks.
pub(super) fn person_claims(
    client: &Client,
    person: &SignedIn,
    scopes: &Scopes,
    node: &str,
) -> Map<String, Value> {
    let mut claims = client.mapping.claims(scopes, &person.attributes, &person.via);
    if client.path_claim {
        let path = person.path.iter().map(String::as_str).chain([node]);
        claims.insert(PATH_CLAIM.to_owned(), path.map(Value::from).collect());
    }
    claims
}
