//! One key of an upstream, as `openidconnect` wants it, on aws-lc-rs.

use std::sync::Arc;

use openidconnect::core::{
    CoreJsonWebKeyType as KeyType, CoreJsonWebKeyUse as KeyUse, CoreJwsSigningAlgorithm as Core,
};
use openidconnect::{JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, SignatureVerificationError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::jwk::{Public, Verifier};

/// A public key of somebody else, parsed once. Clones share it.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    kid: Option<JsonWebKeyId>,
    material: Arc<Material>,
}

#[derive(Debug)]
struct Material {
    kind: KeyType,
    /// The one algorithm that the key says it is for.
    only: Option<Core>,
    verifiers: Vec<Verifier>,
    jwk: Map<String, Value>,
}

impl ForeignKey {
    /// Reads a JWK; the error says in words why it cannot be used.
    pub(super) fn parse(jwk: &Value) -> Result<Self, String> {
        let jwk = jwk.as_object().ok_or("not an object")?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Err("not for signatures".to_owned());
        }
        if let Some(operations) = jwk.get("key_ops").and_then(Value::as_array)
            && !operations.iter().any(|operation| operation == "verify")
        {
            return Err("not for verifying signatures".to_owned());
        }
        let public = Public::from_jwk(jwk)?;
        let only = match text("alg") {
            None => None,
            Some(name) => {
                Some(Algorithm::parse(name).ok_or_else(|| format!("algorithm {name:.20} is not supported"))?)
            }
        };
        let algorithms =
            Algorithm::ALL.into_iter().filter(|a| public.suits(*a) && only.is_none_or(|only| only == *a));
        let verifiers = algorithms.map(|a| Verifier::new(&public, a)).collect::<Result<Vec<_>, _>>()?;
        if verifiers.is_empty() {
            return Err("its algorithm needs another kind of key".to_owned());
        }
        let kind = match public {
            Public::Rsa { .. } => KeyType::RSA,
            Public::Ec { .. } => KeyType::EllipticCurve,
            Public::Ed25519 { .. } => KeyType::OctetKeyPair,
        };
        let kid = text("kid").map(|kid| JsonWebKeyId::new(kid.to_owned()));
        let material =
            Material { kind, only: only.map(Algorithm::to_core), verifiers, jwk: public.required_members() };
        Ok(Self { kid, material: Arc::new(material) })
    }

    /// Its name in the set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_ref().map(|kid| kid.as_str())
    }

    /// Whether it can have made a signature of that algorithm.
    pub(super) fn suits(&self, algorithm: Algorithm) -> bool {
        self.verifier(algorithm).is_some()
    }

    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifier(algorithm).is_some_and(|verifier| verifier.verifies(message, signature))
    }

    /// The same key under the name by which a token calls it.
    pub(super) fn named(&self, kid: Option<&str>) -> Self {
        let kid = kid.map(|kid| JsonWebKeyId::new(kid.to_owned())).or_else(|| self.kid.clone());
        Self { kid, material: Arc::clone(&self.material) }
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.material.verifiers.iter().find(|verifier| verifier.algorithm == algorithm)
    }
}

impl JsonWebKey for ForeignKey {
    type KeyUse = KeyUse;
    type SigningAlgorithm = Core;

    fn key_id(&self) -> Option<&JsonWebKeyId> {
        self.kid.as_ref()
    }

    fn key_type(&self) -> &KeyType {
        &self.material.kind
    }

    fn key_use(&self) -> Option<&KeyUse> {
        Some(&KeyUse::Signature)
    }

    fn signing_alg(&self) -> JsonWebKeyAlgorithm<&Core> {
        self.material.only.as_ref().map_or(JsonWebKeyAlgorithm::Unspecified, JsonWebKeyAlgorithm::Algorithm)
    }

    /// Nothing verifies with it: a client secret is no signing key here, and an HMAC with a public key is an attack.
    fn new_symmetric(_key: Vec<u8>) -> Self {
        let material =
            Material { kind: KeyType::Symmetric, only: None, verifiers: Vec::new(), jwk: Map::new() };
        Self { kid: None, material: Arc::new(material) }
    }

    fn verify_signature(
        &self,
        algorithm: &Core,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureVerificationError> {
        let verifier = Algorithm::from_core(algorithm).and_then(|algorithm| self.verifier(algorithm));
        let verifier = verifier.ok_or_else(|| {
            SignatureVerificationError::InvalidKey(
                "the key does not go with the token's algorithm".to_owned(),
            )
        })?;
        if verifier.verifies(message, signature) {
            Ok(())
        } else {
            Err(SignatureVerificationError::CryptoError("the signature does not match".to_owned()))
        }
    }

    fn hash_bytes(&self, bytes: &[u8], algorithm: &Core) -> Result<Vec<u8>, String> {
        Algorithm::from_core(algorithm)
            .filter(|algorithm| self.suits(*algorithm))
            .map(|algorithm| algorithm.hash(bytes))
            .ok_or_else(|| "the key does not go with the algorithm".to_owned())
    }
}

impl Serialize for ForeignKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut jwk = self.material.jwk.clone();
        if let Some(kid) = self.kid() {
            jwk.insert("kid".to_owned(), kid.into());
        }
        if let Some(algorithm) = self.material.only.as_ref().and_then(Algorithm::from_core) {
            jwk.insert("alg".to_owned(), algorithm.name().into());
        }
        jwk.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ForeignKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
