//! Our own signing key with its certificate.

use std::fmt;

use mangrove_keys::Signer;

use crate::der;
use crate::refused::Refused;
use crate::signature::certificates::{Certificates, PublicKey};
use crate::signature::{Digest, Method};

/// A private key that signs our messages, and the certificate under which metadata publishes it.
pub struct SigningKey {
    signer: Signer,
    certificate: Vec<u8>,
    method: Method,
}

impl SigningKey {
    /// Puts a key and its certificate (DER) together. RSA signs with SHA-256, P-256 with SHA-256, P-384 with SHA-384.
    ///
    /// # Errors
    /// The certificate cannot be used, or is that of another key; the key is none for SAML (Ed25519).
    pub fn new(signer: Signer, certificate: Vec<u8>) -> Result<Self, Refused> {
        use mangrove_keys::Algorithm as A;
        let method = match signer.algorithm() {
            A::Rs256 => Method::Rsa(Digest::Sha256),
            A::Es256 => Method::Ecdsa(Digest::Sha256),
            A::Es384 => Method::Ecdsa(Digest::Sha384),
            other => return Err(Refused::Signing(format!("no peer of SAML knows {other}"))),
        };
        PublicKey::of(&certificate)?;
        let key = Self { signer, certificate, method };
        let probe = key.octets(b"probe")?;
        if !Certificates::new([&key.certificate])?.verify(method, b"probe", &probe, true) {
            return Err(Refused::Certificate("it belongs to another key"));
        }
        Ok(key)
    }

    /// Its certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(crate) fn method(&self) -> Method {
        self.method
    }

    /// A signature as XML has it: of ECDSA the two halves.
    pub(crate) fn octets(&self, message: &[u8]) -> Result<Vec<u8>, Refused> {
        self.signer.sign(message).map_err(|error| Refused::Signing(error.to_string()))
    }

    /// A signature as the redirect binding has it: of ECDSA in ASN.1, as peers write and expect it.
    pub(crate) fn asn1(&self, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let octets = self.octets(message)?;
        Ok(if matches!(self.method, Method::Ecdsa(_)) { der::ecdsa_from_halves(&octets) } else { octets })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.method)
    }
}
