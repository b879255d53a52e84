//! The provider's discovery document (OpenID Connect Discovery 1.0, RFC 8414), parsed and checked.

use mangrove_keys::Algorithm;
use serde::Deserialize;
use url::Url;

use crate::http::is_acceptable;

/// What a provider says about itself; only what is used is kept.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) jwks_uri: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) end_session_endpoint: Option<Url>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    acr_values_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    /// A Mangrove node's; any type is taken, so that what nobody needs cannot spoil the document.
    mangrove_health_endpoint: Option<serde_json::Value>,
}

/// How a secret is sent to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    Basic,
    Post,
}

/// Why a discovery document is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("the discovery document is not one: {0}")]
    Malformed(String),
    #[error("the discovery document is another issuer's: {found} instead of {expected}")]
    Issuer { found: String, expected: String },
    #[error("the discovery document names an endpoint without TLS")]
    PlainHttp,
}

impl Metadata {
    /// Reads a document that was fetched for `expected`, an issuer without trailing slash.
    pub(super) fn parse(document: &[u8], expected: &str) -> Result<Self, MetadataError> {
        // serde's words may quote the document; place and kind are enough.
        let malformed = |why: serde_json::Error| {
            MetadataError::Malformed(format!("{:?} error at line {}", why.classify(), why.line()))
        };
        let metadata: Self = serde_json::from_slice(document).map_err(malformed)?;
        let exact = metadata.issuer == expected || metadata.issuer.strip_suffix('/') == Some(expected);
        if !exact {
            let found = crate::failure::printable(&metadata.issuer);
            return Err(MetadataError::Issuer { found, expected: expected.into() });
        }
        let needed = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        let optional = [&metadata.userinfo_endpoint, &metadata.end_session_endpoint].into_iter().flatten();
        if !needed.into_iter().chain(optional).all(is_acceptable) {
            return Err(MetadataError::PlainHttp);
        }
        Ok(metadata)
    }

    /// Whether answers carry `iss` (RFC 9207 section 3).
    pub(super) fn promises_iss(&self) -> bool {
        self.authorization_response_iss_parameter_supported
    }

    /// Whether one of the `acr` values that an application wants, separated by spaces, is among those that the provider
    /// lists; a provider that lists none may meet any.
    pub(super) fn may_meet(&self, wanted: &str) -> bool {
        let listed = &self.acr_values_supported;
        let mut wanted = wanted.split(' ').filter(|class| !class.is_empty()).peekable();
        listed.is_empty()
            || wanted.peek().is_none()
            || wanted.any(|class| listed.iter().any(|known| known == class))
    }

    /// Where the provider says whether it can sign people in, if it is such a provider and that is a URL.
    pub(super) fn health_endpoint(&self) -> Option<Url> {
        let announced = self.mangrove_health_endpoint.as_ref()?.as_str()?;
        Url::parse(announced).ok().filter(is_acceptable)
    }

    /// Of the allowed algorithms those that the provider uses; all of them where it does not say.
    pub(super) fn algorithms(&self, allowed: &[Algorithm]) -> Vec<Algorithm> {
        let listed = &self.id_token_signing_alg_values_supported;
        let uses =
            |algorithm: &&Algorithm| listed.is_empty() || listed.iter().any(|name| name == algorithm.name());
        allowed.iter().filter(uses).copied().collect()
    }

    /// Whether a proof with a key is taken, as far as it says.
    pub(super) fn takes_keys(&self) -> bool {
        let listed = self.token_endpoint_auth_methods_supported.as_ref();
        listed.is_none_or(|listed| listed.iter().any(|method| method == "private_key_jwt"))
    }

    /// `client_secret_basic` unless the provider takes only `client_secret_post` (Discovery 1.0 section 3: basic if it
    /// does not say). None if it takes neither.
    pub(super) fn client_auth(&self) -> Option<ClientAuth> {
        let Some(listed) = &self.token_endpoint_auth_methods_supported else {
            return Some(ClientAuth::Basic);
        };
        let methods = [("client_secret_basic", ClientAuth::Basic), ("client_secret_post", ClientAuth::Post)];
        methods.into_iter().find(|(name, _)| listed.iter().any(|method| method == name)).map(|(_, auth)| auth)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(change: impl FnOnce(&mut Value)) -> Result<Metadata, MetadataError> {
        let mut document = json!({
            "issuer": "https://a.example", "authorization_endpoint": "https://a.example/auth",
            "token_endpoint": "https://a.example/token", "jwks_uri": "https://a.example/jwks",
        });
        change(&mut document);
        Metadata::parse(document.to_string().as_bytes(), "https://a.example")
    }

    #[test]
    fn the_issuer_must_be_the_one_of_the_url() {
        assert!(parse(|_| ()).is_ok());
        assert!(
            parse(|doc| doc["issuer"] = "https://a.example/".into()).is_ok(),
            "some providers end with a slash"
        );
        for other in
            ["https://b.example", "https://a.example//", "https://a.example.evil.example", "http://a.example"]
        {
            assert!(
                matches!(parse(|doc| doc["issuer"] = other.into()), Err(MetadataError::Issuer { .. })),
                "{other}"
            );
        }
    }

    #[test]
    fn endpoints_without_tls_are_refused() {
        assert_eq!(
            parse(|doc| doc["token_endpoint"] = "http://a.example/token".into()).unwrap_err(),
            MetadataError::PlainHttp
        );
        assert!(parse(|doc| doc["userinfo_endpoint"] = "http://10.0.0.1/".into()).is_err());
        assert!(parse(|doc| doc["userinfo_endpoint"] = "http://127.0.0.1/".into()).is_ok());
    }

    #[test]
    fn a_provider_that_lists_its_classes_meets_no_other() {
        let meets = |listed: Value, wanted: &str| {
            parse(|doc| doc["acr_values_supported"] = listed).unwrap().may_meet(wanted)
        };
        assert!(meets(json!([]), "gold") && meets(json!(["silver"]), ""));
        assert!(meets(json!(["silver", "gold"]), "platinum gold"));
        assert!(!meets(json!(["silver"]), "platinum gold"));
    }

    #[test]
    fn symmetric_algorithms_are_never_taken_from_a_provider() {
        let metadata =
            parse(|doc| doc["id_token_signing_alg_values_supported"] = json!(["HS256", "none", "ES256"]))
                .unwrap();
        assert_eq!(metadata.algorithms(&Algorithm::ALL), [Algorithm::Es256]);
    }

    #[test]
    fn the_secret_goes_into_the_header_unless_only_the_body_is_taken() {
        let auth = |methods: Value| {
            parse(|doc| doc["token_endpoint_auth_methods_supported"] = methods).unwrap().client_auth()
        };
        assert_eq!(auth(Value::Null), Some(ClientAuth::Basic));
        assert_eq!(auth(json!(["client_secret_post", "client_secret_basic"])), Some(ClientAuth::Basic));
        assert_eq!(auth(json!(["client_secret_post"])), Some(ClientAuth::Post));
        assert_eq!(auth(json!(["private_key_jwt"])), None);
    }
}
