//! Public keys as JWK (RFC 7517, RFC 7518 section 6, RFC 8037), their thumbprints (RFC 7638), and verifying with them.

use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::algorithm::{Algorithm, Curve, Family};
use crate::secret::sha256_base64url;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

impl Public {
    /// Reads a JWK; the error says in words what is wrong with it. Private members are not looked at.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, String> {
        match text(jwk, "kty")? {
            "RSA" => Ok(Self::Rsa { n: number(jwk, "n")?, e: number(jwk, "e")? }),
            "EC" => {
                let crv = text(jwk, "crv")?;
                let curve = Curve::parse(crv).ok_or_else(|| format!("curve {crv:.20} is not supported"))?;
                Ok(Self::Ec { curve, x: sized(jwk, "x", curve.size())?, y: sized(jwk, "y", curve.size())? })
            }
            "OKP" if text(jwk, "crv")? == "Ed25519" => Ok(Self::Ed25519 { x: sized(jwk, "x", 32)? }),
            kty => Err(format!("key type {kty:.20} is not supported")),
        }
    }

    /// An elliptic curve's point as X9.62 writes it uncompressed, which is how aws-lc-rs gives it.
    pub(crate) fn from_point(curve: Curve, point: &[u8]) -> Option<Self> {
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(curve.size())?;
        (y.len() == curve.size()).then(|| Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// The members that RFC 7638 hashes, in the order in which it does: sorted by name.
    pub(crate) fn required_members(&self) -> Map<String, Value> {
        let members = match self {
            Self::Rsa { n, e } => json!({ "e": encode(e), "kty": "RSA", "n": encode(n) }),
            Self::Ec { curve, x, y } => {
                json!({ "crv": curve.name(), "kty": "EC", "x": encode(x), "y": encode(y) })
            }
            Self::Ed25519 { x } => json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(x) }),
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// SHA-256 thumbprint.
    pub(crate) fn thumbprint(&self) -> String {
        sha256_base64url(Value::Object(self.required_members()).to_string().as_bytes())
    }

    /// Whether a key of this kind can have made a signature of that algorithm.
    pub(crate) fn suits(&self, algorithm: Algorithm) -> bool {
        match (self, algorithm.family()) {
            (Self::Rsa { .. }, Family::Rsa { .. }) | (Self::Ed25519 { .. }, Family::Ed25519) => true,
            (Self::Ec { curve, .. }, Family::Ec(other)) => *curve == other,
            _ => false,
        }
    }

    /// The key, parsed and checked for that algorithm; the error says in words what is wrong with it.
    pub(crate) fn verifier(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, String> {
        match (self, algorithm.family()) {
            (Self::Rsa { n, e }, Family::Rsa { verification, .. }) => {
                check_rsa(n, e)?;
                RsaPublicKeyComponents { n, e }
                    .to_parsed_public_key(verification)
                    .map_err(|_| "not a usable RSA key".to_owned())
            }
            (Self::Ec { curve, x, y }, Family::Ec(other)) if *curve == other => {
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                ParsedPublicKey::new(curve.verification(), point)
                    .map_err(|_| format!("no point on {}", curve.name()))
            }
            (Self::Ed25519 { x }, Family::Ed25519) => {
                ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| "not an Ed25519 key".to_owned())
            }
            _ => Err(format!("{algorithm} needs another kind of key")),
        }
    }
}

/// At least 2048 bits (SAML2Int, NIST SP 800-131A); at most 8192, because verifying costs the square of the size.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), String> {
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(format!("an RSA key of {bits} bits (at least 2048, at most 8192)"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let more_than_one = e.len() > 1 || e.first().is_some_and(|e| *e > 1);
    if !odd(n) || !odd(e) || !more_than_one || e.len() > 4 {
        return Err("an RSA key with an impossible modulus or exponent".to_owned());
    }
    Ok(())
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    jwk.get(name).and_then(Value::as_str).ok_or_else(|| format!("`{name}` is missing"))
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = text(jwk, name)?.trim_end_matches('=');
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("`{name}` is not base64url"))
}

/// A number without leading zeros; some providers write one.
fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let bytes = bytes(jwk, name)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn sized(jwk: &Map<String, Value>, name: &str, size: usize) -> Result<Vec<u8>, String> {
    let bytes = bytes(jwk, name)?;
    if bytes.len() == size { Ok(bytes) } else { Err(format!("`{name}` is not {size} bytes long")) }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A key that is ready to verify one algorithm.
#[derive(Clone)]
pub(crate) struct Verifier {
    pub(crate) algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl Verifier {
    pub(crate) fn new(public: &Public, algorithm: Algorithm) -> Result<Self, String> {
        Ok(Self { algorithm, key: public.verifier(algorithm)? })
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({})", self.algorithm)
    }
}
