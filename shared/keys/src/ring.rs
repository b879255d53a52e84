//! What this node signs with and publishes.
//!
//! The first key signs, all are published, so a new key is put behind the old one until everybody has fetched it. `kid` is
//! the key's own thumbprint (RFC 7638): the same on every node that has the key, and never two keys under one name.
//! A key belongs to one algorithm, and a token is verified by the key table: its header only says which row to use.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::compact::Compact;
use crate::error::{KeyError, VerifyError};
use crate::jwk::{Public, Verifier};
use crate::kept::kept;
use crate::private::Private;
use crate::secret::sha256_base64url;

/// Where a signing key comes from: PEM, as PKCS#8, PKCS#1 or SEC 1.
#[derive(Clone)]
pub enum KeySource {
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// What it signs with; without one RS256, ES256, ES384 or EdDSA, by the kind of key.
        algorithm: Option<Algorithm>,
    },
    /// The text itself, from a secret.
    Pem {
        /// What errors call it.
        name: String,
        /// The PEM text.
        pem: Zeroizing<String>,
        /// As for a file.
        algorithm: Option<Algorithm>,
    },
}

/// Signing keys, and the document that publishes them.
pub struct KeyRing {
    keys: Vec<SigningKey>,
    document: Value,
    text: String,
}

impl KeyRing {
    /// Reads keys; the first one signs unless a caller asks for an algorithm.
    ///
    /// # Errors
    /// The first key that cannot be used, with what to do about it; an empty list; the same key twice.
    pub fn load(sources: &[KeySource]) -> Result<Self, KeyError> {
        Self::of(sources.iter().map(SigningKey::load).collect::<Result<_, _>>()?)
    }

    /// The key that this node made for itself: made once, kept in `dir` with mode 0600, and read at every later start.
    ///
    /// # Errors
    /// The file cannot be read or written, others may read it, or it is not a key for that algorithm.
    pub fn generate_kept(dir: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::kept_as("signing", dir, algorithm)
    }

    /// The same by which this node proves to others who it is: another key, because each has one purpose.
    ///
    /// # Errors
    /// As [`Self::generate_kept`].
    pub fn client_kept(dir: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::kept_as("client", dir, algorithm)
    }

    fn kept_as(purpose: &str, dir: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        let file = format!("{purpose}-{}.pem", algorithm.name().to_ascii_lowercase());
        let pem = kept(dir, &file, || Private::generate_pem(algorithm))?;
        let name = dir.join(&file).display().to_string();
        Self::of(vec![SigningKey::from_pem(&name, &pem, Some(algorithm))?])
    }

    /// This ring's keys, and after them those of another.
    ///
    /// # Errors
    /// The same key twice.
    pub fn and(self, other: Self) -> Result<Self, KeyError> {
        Self::of(self.keys.into_iter().chain(other.keys).collect())
    }

    /// The public keys as a JWK Set (RFC 7517 section 5).
    pub fn jwks(&self) -> &Value {
        &self.document
    }

    /// The same as text, ready to be sent.
    pub fn jwks_text(&self) -> &str {
        &self.text
    }

    /// What the keys sign with, each once, in order.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for key in &self.keys {
            if !algorithms.contains(&key.verifier.algorithm) {
                algorithms.push(key.verifier.algorithm);
            }
        }
        algorithms
    }

    /// What [`Self::sign`] signs with when it is asked for `algorithm`; to compute `at_hash` before it does.
    ///
    /// # Errors
    /// [`KeyError::NoKeyFor`].
    pub fn algorithm(&self, algorithm: Option<Algorithm>) -> Result<Algorithm, KeyError> {
        self.signer(algorithm).map(|key| key.verifier.algorithm)
    }

    /// A signed token with header `typ`, by the first key, or by the first one of that algorithm.
    ///
    /// # Errors
    /// No such key; claims that are not JSON.
    pub fn sign(
        &self,
        algorithm: Option<Algorithm>,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, KeyError> {
        let key = self.signer(algorithm)?;
        key.sign(&format!("{}{}}}", key.header, Value::from(typ)), claims)
    }

    /// The same by the first key, for a reader who finds it by a certificate around it: in place of the `kid`, which such a reader
    /// does not know, the header has the thumbprints of that certificate (in DER), `x5t` and `x5t#S256` (RFC 7515 sections 4.1.7
    /// and 4.1.8). That it belongs to the key is the caller's to see to.
    ///
    /// # Errors
    /// Claims that are not JSON.
    pub fn sign_certified(
        &self,
        certificate: &[u8],
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, KeyError> {
        let key = self.signer(None)?;
        let sha1 = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate));
        let header = json!({
            "alg": key.verifier.algorithm.name(), "typ": typ, "x5t": sha1, "x5t#S256": sha256_base64url(certificate),
        });
        key.sign(&header.to_string(), claims)
    }

    /// The claims of a token that this ring signed as `typ`. Issuer, audience and times are the caller's to check.
    ///
    /// # Errors
    /// Anything that [`Self::sign`] would not have written: another key, algorithm, type or header, another signature.
    pub fn verify(&self, token: &str, typ: &str) -> Result<Map<String, Value>, VerifyError> {
        let compact = Compact::parse(token)?;
        let header: OwnHeader<'_> = serde_json::from_slice(&compact.header)
            .map_err(|_| VerifyError::Malformed("its header is not one that this node writes"))?;
        let key = self.keys.iter().find(|key| key.kid == header.kid).ok_or(VerifyError::NoKey)?;
        if header.alg != key.verifier.algorithm.name() {
            return Err(VerifyError::Algorithm);
        }
        if header.typ != typ {
            return Err(VerifyError::Type(typ.to_owned()));
        }
        if !key.verifier.verifies(compact.signed, &compact.signature) {
            return Err(VerifyError::Signature);
        }
        compact.claims()
    }

    fn of(keys: Vec<SigningKey>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|earlier| earlier.kid == key.kid) {
                return Err(KeyError::Twice { name: key.name.clone(), kid: key.kid.clone() });
            }
        }
        let document = json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() });
        let text = document.to_string();
        Ok(Self { keys, document, text })
    }

    fn signer(&self, algorithm: Option<Algorithm>) -> Result<&SigningKey, KeyError> {
        let Some(wanted) = algorithm else { return self.keys.first().ok_or(KeyError::Empty) };
        self.keys.iter().find(|key| key.verifier.algorithm == wanted).ok_or(KeyError::NoKeyFor(wanted))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| (&key.name, key.verifier.algorithm, &key.kid)))
            .finish()
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, algorithm } => write!(f, "KeySource({}, {algorithm:?})", path.display()),
            Self::Pem { name, algorithm, .. } => write!(f, "KeySource({name}, {algorithm:?})"),
        }
    }
}

struct SigningKey {
    name: String,
    kid: String,
    private: Private,
    public: Public,
    verifier: Verifier,
    /// The header up to the value of `typ`.
    header: String,
}

impl SigningKey {
    fn load(source: &KeySource) -> Result<Self, KeyError> {
        match source {
            KeySource::File { path, algorithm } => {
                let pem = fs::read(path).map_err(|source| KeyError::File { path: path.clone(), source })?;
                Self::from_pem(&path.display().to_string(), &Zeroizing::new(pem), *algorithm)
            }
            KeySource::Pem { name, pem, algorithm } => Self::from_pem(name, pem.as_bytes(), *algorithm),
        }
    }

    fn from_pem(name: &str, pem: &[u8], algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        let unusable = |why: String| KeyError::Unusable { name: name.to_owned(), why };
        let private = Private::from_pem(name, pem)?;
        let algorithm = algorithm.unwrap_or_else(|| private.usual_algorithm());
        let public = private.public().ok_or_else(|| unusable("its public half cannot be read".to_owned()))?;
        let verifier = Verifier::new(&public, algorithm).map_err(unusable)?;
        let kid = public.thumbprint();
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"#);
        Ok(Self { name: name.to_owned(), kid, private, public, verifier, header })
    }

    fn sign(&self, header: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let claims = serde_json::to_vec(claims)?;
        let mut token = String::with_capacity((header.len() + claims.len() + 512) * 4 / 3 + 4);
        BASE64_URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.private.sign(self.verifier.algorithm, token.as_bytes())?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn jwk(&self) -> Value {
        let mut jwk = self.public.required_members();
        jwk.insert("use".to_owned(), "sig".into());
        jwk.insert("alg".to_owned(), self.verifier.algorithm.name().into());
        jwk.insert("kid".to_owned(), self.kid.as_str().into());
        Value::Object(jwk)
    }
}

/// Every header that this node writes has exactly these members; `zip`, `crit` and all others are refused unread.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnHeader<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}
