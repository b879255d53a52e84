//! One private key: read from PEM or made, and signing. It belongs to exactly one algorithm.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, Curve, Family};
use crate::error::KeyError;
use crate::jwk::Public;

/// A private key.
pub(crate) enum Private {
    Rsa(RsaKeyPair),
    Ec(Curve, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Private {
    /// Reads the first private key in a PEM text: PKCS#8, PKCS#1 or SEC 1. `name` is what errors call it.
    pub(crate) fn from_pem(name: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let no_key = |_| KeyError::NoPrivateKey { name: name.to_owned() };
        match PrivateKeyDer::from_pem_slice(pem).map_err(no_key)? {
            PrivateKeyDer::Pkcs1(der) => {
                let pair = RsaKeyPair::from_der(der.secret_pkcs1_der());
                pair.map(Self::Rsa).map_err(|_| unusable(name, NOT_RSA))
            }
            PrivateKeyDer::Sec1(der) => Self::ec(der.secret_sec1_der()).ok_or_else(|| unusable(name, NOT_EC)),
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(name, der.secret_pkcs8_der()),
            _ => Err(KeyError::NoPrivateKey { name: name.to_owned() }),
        }
    }

    /// A new key for that algorithm, as PEM (PKCS#8). RSA keys have 2048 bits.
    pub(crate) fn generate_pem(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let failed = |_| KeyError::Signing;
        let der = match algorithm.family() {
            Family::Rsa { .. } => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                Zeroizing::new(pair.as_der().map_err(failed)?.as_ref().to_vec())
            }
            Family::Ec(curve) => {
                let document = EcdsaKeyPair::generate_pkcs8(curve.signing(), &SystemRandom::new());
                Zeroizing::new(document.map_err(failed)?.as_ref().to_vec())
            }
            Family::Ed25519 => {
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
                Zeroizing::new(document.map_err(failed)?.as_ref().to_vec())
            }
        };
        Ok(to_pem(&der))
    }

    /// The algorithm that a key signs with when nothing else is said.
    pub(crate) fn usual_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::Rs256,
            Self::Ec(curve, _) => curve.algorithm(),
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Its public half.
    pub(crate) fn public(&self) -> Option<Public> {
        match self {
            Self::Rsa(pair) => {
                let components = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                Some(Public::Rsa { n: components.n, e: components.e })
            }
            Self::Ec(curve, pair) => Public::from_point(*curve, pair.public_key().as_ref()),
            Self::Ed25519(pair) => Some(Public::Ed25519 { x: pair.public_key().as_ref().to_vec() }),
        }
    }

    /// Signs as `algorithm` says, which has to suit the key.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Signing;
        match (self, algorithm.family()) {
            (Self::Rsa(pair), Family::Rsa { signing, .. }) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(signing, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            (Self::Ec(curve, pair), Family::Ec(other)) if *curve == other => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            (Self::Ed25519(pair), Family::Ed25519) => Ok(pair.sign(message).as_ref().to_vec()),
            _ => Err(KeyError::NoKeyFor(algorithm)),
        }
    }

    fn from_pkcs8(name: &str, der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Ok(Self::Rsa(pair));
        }
        if let Some(key) = Self::ec(der) {
            return Ok(key);
        }
        Ed25519KeyPair::from_pkcs8(der).map(Self::Ed25519).map_err(|_| unusable(name, NEITHER))
    }

    fn ec(der: &[u8]) -> Option<Self> {
        [Curve::P256, Curve::P384].into_iter().find_map(|curve| {
            EcdsaKeyPair::from_private_key_der(curve.signing(), der).ok().map(|pair| Self::Ec(curve, pair))
        })
    }
}

fn unusable(name: &str, why: &str) -> KeyError {
    KeyError::Unusable { name: name.to_owned(), why: why.to_owned() }
}

fn to_pem(der: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = Zeroizing::new(BASE64_STANDARD.encode(der));
    let mut pem = Zeroizing::new(Vec::with_capacity(text.len() + text.len() / 64 + 64));
    pem.extend_from_slice(b"-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END PRIVATE KEY-----\n");
    pem
}

const NOT_RSA: &str = "not an RSA key of 2048 to 8192 bits";
const NOT_EC: &str = "not an EC key on P-256 or P-384";
const NEITHER: &str = "not a key to sign with: RSA of 2048 to 8192 bits, EC on P-256 or P-384, or Ed25519";
