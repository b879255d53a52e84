//! The algorithms that are allowed, as tables. SHA-1, MD5, HMAC and DSA are not in them.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, VerificationAlgorithm};

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

/// A signature algorithm: the kind of key and the hash (RFC 6931, section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Rsa(Digest),
    Ecdsa(Digest),
}

/// A curve for ECDSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Digest {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Sha256, "http://www.w3.org/2001/04/xmlenc#sha256"),
        (Self::Sha384, "http://www.w3.org/2001/04/xmldsig-more#sha384"),
        (Self::Sha512, "http://www.w3.org/2001/04/xmlenc#sha512"),
    ];

    pub(crate) fn parse(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == uri).map(|(digest, _)| digest)
    }

    pub(crate) fn uri(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub(crate) fn of(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

impl Method {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Rsa(Digest::Sha256), "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
        (Self::Rsa(Digest::Sha384), "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"),
        (Self::Rsa(Digest::Sha512), "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"),
        (Self::Ecdsa(Digest::Sha256), "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
        (Self::Ecdsa(Digest::Sha384), "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"),
        (Self::Ecdsa(Digest::Sha512), "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"),
    ];

    pub(crate) fn parse(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == uri).map(|(method, _)| method)
    }

    pub(crate) fn uri(self) -> &'static str {
        Self::ALL.into_iter().find(|(method, _)| *method == self).map_or("", |(_, uri)| uri)
    }

    /// How an RSA key verifies it.
    pub(crate) fn rsa(self) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match self {
            Self::Rsa(Digest::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rsa(Digest::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rsa(Digest::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ecdsa(_) => return None,
        })
    }

    /// How a key on that curve verifies it, when the signature is in ASN.1.
    pub(crate) fn ecdsa(self, curve: Curve) -> Option<&'static dyn VerificationAlgorithm> {
        let Self::Ecdsa(digest) = self else { return None };
        Some(match (curve, digest) {
            (Curve::P256, Digest::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Curve::P256, Digest::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Curve::P256, Digest::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
            (Curve::P384, Digest::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Curve::P384, Digest::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Curve::P384, Digest::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
            (Curve::P521, Digest::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
            (Curve::P521, Digest::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
            (Curve::P521, Digest::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        })
    }
}

impl Curve {
    /// Bytes of one half of a signature.
    pub(crate) fn half(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}
