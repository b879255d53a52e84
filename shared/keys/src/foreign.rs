//! What somebody else published: the JWK Set of an upstream, and verifying by it.
//!
//! Keys that cannot be used are skipped, with the reason: providers publish kinds we do not know next to the one we need,
//! and an encryption key is not for signatures. `openidconnect` verifies ID tokens with these keys through
//! [`ForeignKeys::for_token`]; [`ForeignKeys::verify_jws`] is for tokens of which that crate knows nothing.

use std::sync::Arc;

use openidconnect::JsonWebKeySet;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::compact::Compact;
use crate::error::VerifyError;

mod key;

pub use key::ForeignKey;

/// The usable keys of a JWK Set.
#[derive(Debug, Clone)]
pub struct ForeignKeys {
    keys: Arc<[ForeignKey]>,
    skipped: Arc<[String]>,
}

/// A token whose signature holds. Issuer, audience, times and type are the caller's to check.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// `typ` of the header, as it was written.
    pub typ: Option<String>,
    /// By which algorithm it was signed.
    pub algorithm: Algorithm,
    /// The payload.
    pub claims: Map<String, Value>,
}

impl ForeignKeys {
    /// Reads a JWK Set.
    ///
    /// # Errors
    /// [`VerifyError::KeySet`] if it is none, or if no key in it can be used; with what was wrong with each.
    pub fn parse(document: &[u8]) -> Result<Self, VerifyError> {
        let not_a_set = || VerifyError::KeySet("not a JSON object with a list `keys`".to_owned());
        let document: Value = serde_json::from_slice(document).map_err(|_| not_a_set())?;
        let list = document.get("keys").and_then(Value::as_array).ok_or_else(not_a_set)?;
        let mut keys = Vec::new();
        let mut skipped = Vec::new();
        for (at, jwk) in list.iter().take(MAX_KEYS).enumerate() {
            match ForeignKey::parse(jwk) {
                Ok(key) => keys.push(key),
                Err(why) => skipped.push(format!("key {at}: {why}")),
            }
        }
        if list.len() > MAX_KEYS {
            skipped.push(format!("all after the first {MAX_KEYS} keys"));
        }
        if keys.is_empty() {
            let why = if skipped.is_empty() { "it is empty".to_owned() } else { skipped.join("; ") };
            return Err(VerifyError::KeySet(why));
        }
        Ok(Self { keys: keys.into(), skipped: skipped.into() })
    }

    /// What was skipped and why, for the log.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a set without usable keys is not parsed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether any key could have signed this token, by its `kid` and `alg`. If none could, it is time to fetch the set
    /// again. A malformed token is nobody's.
    pub fn has_key_for(&self, token: &str) -> bool {
        Compact::parse(token)
            .and_then(|compact| ForeignHeader::parse(&compact.header))
            .is_ok_and(|header| header.algorithm().is_ok_and(|alg| !self.candidates(&header, alg).is_empty()))
    }

    /// The keys with which `openidconnect` should verify this token: exactly one wherever one can be told, so that
    /// several keys without `kid`, or several under one `kid`, do not make it give up. None if no key fits.
    pub fn for_token(&self, token: &str) -> JsonWebKeySet<ForeignKey> {
        JsonWebKeySet::new(self.telling_keys(token).unwrap_or_default())
    }

    /// Verifies a token's signature by these keys, with one of the `allowed` algorithms.
    ///
    /// # Errors
    /// See [`VerifyError`]; `crit`, `zip`, `b64` and nested tokens are refused.
    pub fn verify_jws(&self, token: &str, allowed: &[Algorithm]) -> Result<Verified, VerifyError> {
        let compact = Compact::parse(token)?;
        let header = ForeignHeader::parse(&compact.header)?;
        let algorithm = header.algorithm()?;
        if !allowed.contains(&algorithm) {
            return Err(VerifyError::Algorithm);
        }
        let candidates = self.candidates(&header, algorithm);
        if candidates.is_empty() {
            return Err(VerifyError::NoKey);
        }
        let holds = |key: &&ForeignKey| key.verifies(algorithm, compact.signed, &compact.signature);
        if !candidates.into_iter().take(MAX_TRIES).any(|key| holds(&key)) {
            return Err(VerifyError::Signature);
        }
        Ok(Verified { claims: compact.claims()?, algorithm, typ: header.typ })
    }

    /// Of whom a token says it speaks. Nothing of it is verified: only good to find the keys that verify it.
    pub fn claimed_subject(token: &str) -> Option<String> {
        let claims = Compact::parse(token).ok()?.claims().ok()?;
        claims.get("sub")?.as_str().map(str::to_owned)
    }

    fn telling_keys(&self, token: &str) -> Result<Vec<ForeignKey>, VerifyError> {
        let compact = Compact::parse(token)?;
        let header = ForeignHeader::parse(&compact.header)?;
        let algorithm = header.algorithm()?;
        let mut candidates = self.candidates(&header, algorithm);
        if candidates.len() > 1 {
            candidates.truncate(MAX_TRIES);
            candidates.retain(|key| key.verifies(algorithm, compact.signed, &compact.signature));
            candidates.truncate(1);
        }
        Ok(candidates.into_iter().map(|key| key.named(header.kid.as_deref())).collect())
    }

    /// The keys of the right kind under the token's `kid`; without `kid` in the token, all of the right kind; if the
    /// keys have none, those.
    fn candidates(&self, header: &ForeignHeader, algorithm: Algorithm) -> Vec<&ForeignKey> {
        let suiting = || self.keys.iter().filter(move |key| key.suits(algorithm));
        let Some(kid) = header.kid.as_deref() else { return suiting().collect() };
        let named: Vec<_> = suiting().filter(|key| key.kid() == Some(kid)).collect();
        if named.is_empty() { suiting().filter(|key| key.kid().is_none()).collect() } else { named }
    }
}

/// The members of a token's header that matter.
struct ForeignHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

impl ForeignHeader {
    fn parse(header: &[u8]) -> Result<Self, VerifyError> {
        let malformed = VerifyError::Malformed("its header is not a JSON object with `alg`");
        let Ok(header) = serde_json::from_slice::<Map<String, Value>>(header) else { return Err(malformed) };
        if let Some(member) = REFUSED.into_iter().find(|member| header.contains_key(*member)) {
            return Err(VerifyError::Header(member));
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(alg) = text("alg") else { return Err(malformed) };
        Ok(Self { alg, kid: text("kid"), typ: text("typ") })
    }

    fn algorithm(&self) -> Result<Algorithm, VerifyError> {
        Algorithm::parse(&self.alg).ok_or(VerifyError::Algorithm)
    }
}

/// Header members that change what the token or its signature means: extensions, compression, another encoding, nesting.
const REFUSED: [&str; 4] = ["crit", "zip", "b64", "cty"];

/// Keys that are read from a set.
const MAX_KEYS: usize = 100;

/// Keys that are tried on one token.
const MAX_TRIES: usize = 8;
