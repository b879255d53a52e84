//! The certificates that one issuer signs with, pinned by its metadata, and verifying by them.
//!
//! A certificate is a box around a public key: who issued it and until when it is good play no part (SAML V2.0 Metadata
//! Interoperability Profile, section 2.6.1); an issuer takes a key back by taking it out of its metadata. What a message
//! carries in its own `KeyInfo` is never looked at.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::der::{self, BIT_STRING, INTEGER, OID, Reader, SEQUENCE};
use crate::refused::Refused;
use crate::signature::Method;
use crate::signature::algorithm::Curve;

/// The signing certificates of one issuer. Each is tried on a signature, so that keys can be rolled over; RSA of at least
/// 2048 bits and EC on P-256, P-384 and P-521 may be mixed.
#[derive(Clone)]
pub struct Certificates {
    keys: Vec<PublicKey>,
    skipped: Vec<Skipped>,
}

/// A certificate that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing certificate {place} (SHA-256 fingerprint {fingerprint}): {why}")]
pub struct Skipped {
    /// Its place among the different ones of the issuer, counted from 1.
    pub place: usize,
    /// SHA-256 of its octets, in pairs of hexadecimal digits, as certificate tools write it.
    pub fingerprint: String,
    /// The reason.
    pub why: Refused,
}

impl Certificates {
    /// Takes the public keys out of certificates in DER. Those that cannot be used are skipped, with the reason.
    ///
    /// # Errors
    /// The reason of the first one if none can be used; [`Refused::NoCertificate`] if there is none: without a key
    /// nothing can be believed, so nothing may start.
    pub fn new<C: AsRef<[u8]>>(certificates: impl IntoIterator<Item = C>) -> Result<Self, Refused> {
        let mut keys = Vec::new();
        let mut skipped = Vec::new();
        for (at, certificate) in certificates.into_iter().enumerate() {
            let skip = |why| Skipped { place: at + 1, fingerprint: fingerprint(certificate.as_ref()), why };
            match PublicKey::of(certificate.as_ref()) {
                _ if at >= MOST_CERTIFICATES => {
                    skipped.push(skip(Refused::Certificate("there are too many of them")));
                }
                Ok(key) if keys.contains(&key) => {}
                Ok(key) => keys.push(key),
                Err(refused) => skipped.push(skip(refused)),
            }
        }
        if keys.is_empty() {
            return Err(skipped.into_iter().next().map_or(Refused::NoCertificate, |first| first.why));
        }
        Ok(Self { keys, skipped })
    }

    /// The certificates that are not used, for the log.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// How many different keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a set without usable certificates is not made.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one of the keys made this signature. An ECDSA signature of exactly two halves is taken as such, any other
    /// as ASN.1; `halves` says whether ASN.1 is out of the question.
    pub(crate) fn verify(&self, method: Method, message: &[u8], signature: &[u8], halves: bool) -> bool {
        self.keys.iter().any(|key| key.verifies(method, message, signature, halves))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| key.kind)).finish()
    }
}

/// The DER of a certificate as metadata writes it: base64 with white space anywhere.
///
/// # Errors
/// It is not base64.
pub fn certificate(text: &str) -> Result<Vec<u8>, Refused> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(packed).map_err(|_| Refused::Base64("a certificate"))
}

/// A public key, as `SubjectPublicKeyInfo`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    kind: Kind,
    pub(crate) info: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    Ec(Curve),
}

impl PublicKey {
    /// The key of a certificate (RFC 5280, section 4.1).
    pub(crate) fn of(certificate: &[u8]) -> Result<Self, Refused> {
        let info =
            subject_public_key(certificate).ok_or(Refused::Certificate("it is not an X.509 certificate"))?;
        Ok(Self { kind: kind(info)?, info: info.to_vec() })
    }

    pub(crate) fn is_rsa(&self) -> bool {
        self.kind == Kind::Rsa
    }

    fn verifies(&self, method: Method, message: &[u8], signature: &[u8], halves: bool) -> bool {
        match self.kind {
            Kind::Rsa => method.rsa().is_some_and(|how| {
                UnparsedPublicKey::new(how, &self.info).verify(message, signature).is_ok()
            }),
            Kind::Ec(curve) => method.ecdsa(curve).is_some_and(|how| {
                let key = UnparsedPublicKey::new(how, &self.info);
                let in_halves = signature.len() == 2 * curve.half();
                (in_halves && key.verify(message, &der::ecdsa_from_halves(signature)).is_ok())
                    || (!halves && key.verify(message, signature).is_ok())
            }),
        }
    }
}

fn fingerprint(certificate: &[u8]) -> String {
    let digest = digest(&SHA256, certificate);
    digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}

fn subject_public_key(certificate: &[u8]) -> Option<&[u8]> {
    let mut outside = Reader::new(certificate);
    let mut signed = Reader::new(Reader::new(outside.expect(SEQUENCE)?).expect(SEQUENCE)?);
    if !outside.is_empty() {
        return None;
    }
    let (tag, ..) = signed.next()?;
    if tag == VERSION {
        signed.expect(INTEGER)?; // the serial number, which version 1 begins with
    }
    for _ in ["signature algorithm", "issuer", "validity", "subject"] {
        signed.expect(SEQUENCE)?;
    }
    signed.next().filter(|(tag, ..)| *tag == SEQUENCE).map(|(.., whole)| whole)
}

fn kind(info: &[u8]) -> Result<Kind, Refused> {
    let broken = Refused::Certificate("its public key cannot be read");
    let parts = || {
        let mut info = Reader::new(Reader::new(info).expect(SEQUENCE)?);
        let mut algorithm = Reader::new(info.expect(SEQUENCE)?);
        let name = algorithm.expect(OID)?;
        let curve = algorithm.next().map_or(&[][..], |(_, content, _)| content);
        Some((name, curve, info.expect(BIT_STRING)?.split_first()?.1))
    };
    let Some((name, curve, key)) = parts() else { return Err(broken) };
    match (name, curve) {
        (RSA_ENCRYPTION, _) => {
            let modulus = Reader::new(key).expect(SEQUENCE).and_then(|key| Reader::new(key).expect(INTEGER));
            let modulus = modulus.ok_or(broken)?;
            let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
            let bits =
                modulus[zeros..].len() * 8 - modulus.get(zeros).map_or(0, |o| o.leading_zeros() as usize);
            match bits {
                ..2048 => Err(Refused::Certificate("its RSA key has less than 2048 bits")),
                8193.. => Err(Refused::Certificate("its RSA key has more than 8192 bits")),
                _ => Ok(Kind::Rsa),
            }
        }
        (EC_PUBLIC_KEY, P256) => Ok(Kind::Ec(Curve::P256)),
        (EC_PUBLIC_KEY, P384) => Ok(Kind::Ec(Curve::P384)),
        (EC_PUBLIC_KEY, P521) => Ok(Kind::Ec(Curve::P521)),
        _ => Err(Refused::Certificate("its key is neither RSA nor EC on P-256, P-384 or P-521")),
    }
}

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const VERSION: u8 = 0xa0;

/// Keys that are tried on one signature.
const MOST_CERTIFICATES: usize = 16;
