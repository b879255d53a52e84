//! A private key that signs octets which are not a token: messages of SAML.

use std::fmt;

use crate::algorithm::Algorithm;
use crate::error::KeyError;
use crate::private::Private;

/// A private key, with the algorithm that it usually signs with.
pub struct Signer(Private);

impl Signer {
    /// Reads the first private key in a PEM text: PKCS#8, PKCS#1 or SEC 1. `name` is what errors call it.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn from_pem(name: &str, pem: &[u8]) -> Result<Self, KeyError> {
        Private::from_pem(name, pem).map(Self)
    }

    /// What [`Self::sign`] signs with: RS256, ES256, ES384 or EdDSA, by the kind of key.
    pub fn algorithm(&self) -> Algorithm {
        self.0.usual_algorithm()
    }

    /// Signs. An ECDSA signature is its two halves, as in JWS and XML Signature.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.sign(self.algorithm(), message)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.algorithm())
    }
}
