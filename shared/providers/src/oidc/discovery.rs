//! Discovery documents: OpenID Connect Discovery 1.0 at the issuer's path, RFC 8414 in front of it. Built once; they say
//! what this provider does and nothing more.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use mangrove_keys::KeyRing;
use serde_json::{Value, json};

use super::client::Clients;
use super::client_auth::METHODS;
use super::endpoints::Endpoints;
use super::respond::public_json;
use super::scope::STANDARD;
use super::token::GRANTS;
use super::{OidcProvider, authorize, client_assertion, pkce, response_mode};

/// What is served to everybody, serialised once.
pub(super) struct Documents {
    metadata: Bytes,
    pub(super) jwks: Bytes,
}

/// `GET`: the metadata, the same at both well-known places.
pub(super) async fn get(State(provider): State<Arc<OidcProvider>>) -> Response {
    public_json(&provider.documents.metadata)
}

impl Documents {
    pub(super) fn new(issuer: &str, endpoints: &Endpoints, clients: &Clients, keys: &KeyRing) -> Self {
        let metadata = metadata(issuer, endpoints, clients, keys);
        Self {
            metadata: Bytes::from(metadata.to_string()),
            jwks: Bytes::copy_from_slice(keys.jwks_text().as_bytes()),
        }
    }
}

fn metadata(issuer: &str, endpoints: &Endpoints, clients: &Clients, keys: &KeyRing) -> Value {
    let methods: Vec<_> = METHODS.iter().map(|method| method.name).collect();
    let with_secret: Vec<_> = methods.iter().filter(|name| **name != "none").collect();
    let algorithms: Vec<_> = keys.algorithms().iter().map(|algorithm| algorithm.name()).collect();
    let proofs: Vec<_> = client_assertion::ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect();
    json!({
        "issuer": issuer,
        "authorization_endpoint": endpoints.authorization.url,
        "token_endpoint": endpoints.token.url,
        "userinfo_endpoint": endpoints.userinfo.url,
        "jwks_uri": endpoints.jwks.url,
        "introspection_endpoint": endpoints.introspection.url,
        "revocation_endpoint": endpoints.revocation.url,
        "end_session_endpoint": endpoints.end_session.url,
        "mangrove_health_endpoint": endpoints.health.url,
        "response_types_supported": authorize::RESPONSE_TYPES,
        "response_modes_supported": response_mode::MODES.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "grant_types_supported": GRANTS.iter().map(|grant| grant.name).collect::<Vec<_>>(),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "scopes_supported": scopes(clients),
        "claims_supported": claims(clients),
        "claim_types_supported": ["normal"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": with_secret,
        "revocation_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": proofs,
        "introspection_endpoint_auth_signing_alg_values_supported": proofs,
        "revocation_endpoint_auth_signing_alg_values_supported": proofs,
        "code_challenge_methods_supported": pkce::METHODS,
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}

fn scopes(clients: &Clients) -> Vec<&str> {
    let custom: BTreeSet<&str> =
        clients.iter().flat_map(|client| client.custom_scopes()).map(String::as_str).collect();
    STANDARD.iter().map(|scope| scope.name).chain(custom).collect()
}

fn claims(clients: &Clients) -> BTreeSet<&str> {
    let protocol = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"];
    let standard = STANDARD.iter().flat_map(|scope| scope.claims.iter().copied());
    let mapped = clients.iter().flat_map(|client| client.mapping.names());
    protocol.into_iter().chain(standard).chain(mapped).collect()
}
