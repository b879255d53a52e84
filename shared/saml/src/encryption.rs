//! Encrypted assertions (XML Encryption 1.1): opening those that were encrypted for us, encrypting for others.
//!
//! AES-GCM with a key wrapped by RSA-OAEP. CBC has no seal and RSA 1.5 answers whoever asks often enough, so both are off,
//! whatever a peer's default is. What comes out is a stranger's text like any other and passes the gate again.

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mangrove_keys::ambient::random;
use roxmltree::Node;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::gate::{Opened, Root};
use crate::names::{DS, SAML, XENC, XENC11, is, only, text};
use crate::refused::Refused;
use crate::signature::PublicKey;
use crate::write::Element;

/// Our private keys for what is encrypted to us. Each is tried, so that what is encrypted to an older one opens.
#[derive(Default)]
pub struct DecryptionKeys(Vec<OaepPrivateDecryptingKey>);

/// How to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// AES-128-GCM, OAEP with SHA-1: what every peer can open.
    Aes128,
    /// AES-256-GCM, OAEP with SHA-256.
    Aes256,
}

impl DecryptionKeys {
    /// No keys: whatever is encrypted is refused.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the private keys of a PEM text: RSA, as PKCS#8 or PKCS#1.
    ///
    /// # Errors
    /// There is none, one is not RSA of 2048 to 8192 bits, or there are too many keys.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, Refused> {
        let no_rsa = || Refused::DecryptionKey("it is not an RSA key of 2048 to 8192 bits");
        let before = self.0.len();
        for key in PrivateKeyDer::pem_slice_iter(pem) {
            let pair = match key {
                Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
                Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
                _ => return Err(no_rsa()),
            };
            if self.0.len() >= MOST_KEYS {
                return Err(Refused::DecryptionKey("there are too many of them"));
            }
            let der = pair.ok().and_then(|pair| pair.as_der().ok()).ok_or_else(no_rsa)?;
            let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).map_err(|_| no_rsa())?;
            self.0.push(OaepPrivateDecryptingKey::new(key).map_err(|_| no_rsa())?);
        }
        if self.0.len() > before { Ok(self) } else { Err(no_rsa()) }
    }

    /// Opens an `EncryptedAssertion` and lets what comes out through the gate.
    pub(crate) fn open(&self, encrypted: Node<'_, '_>) -> Result<Opened, Refused> {
        if self.0.is_empty() {
            return Err(Refused::NoDecryptionKey);
        }
        let data =
            only(encrypted, XENC, "EncryptedData").ok_or(Refused::EncryptionForm("not one EncryptedData"))?;
        let method = only(data, XENC, "EncryptionMethod").and_then(|method| method.attribute("Algorithm"));
        let algorithm = content_algorithm(method.unwrap_or_default())?;
        let cipher = cipher_value(data)?;
        let mut wrapped = Vec::new();
        for key in encrypted.descendants().filter(|node| is(*node, XENC, "EncryptedKey")) {
            wrapped.push((key_algorithm(key)?, cipher_value(key)?));
        }
        if wrapped.is_empty() || wrapped.len() > MOST_KEYS {
            return Err(Refused::EncryptionForm("no EncryptedKey, or too many"));
        }
        let tries = wrapped.iter().flat_map(|wrapped| self.0.iter().map(move |key| (key, wrapped)));
        let plain = tries
            .filter_map(|(key, (how, wrapped))| unwrapped(key, how, wrapped))
            .find_map(|key| unsealed(algorithm, &key, &cipher))
            .ok_or(Refused::Decryption)?;
        Opened::open(&plain, Root::Assertion)
    }
}

impl fmt::Debug for DecryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKeys({})", self.0.len())
    }
}

/// Encrypts an assertion, which has to be a document of its own, for the holder of that certificate (DER): the text of an
/// `EncryptedAssertion`.
///
/// # Errors
/// The text is no assertion that would pass our own gate, or the certificate holds no RSA key of at least 2048 bits.
pub fn encrypt(assertion: &str, certificate: &[u8], cipher: Cipher) -> Result<String, Refused> {
    Opened::open(assertion.as_bytes(), Root::Assertion)?;
    let failed = Refused::Certificate("nothing can be encrypted for its key");
    let public = PublicKey::of(certificate)?;
    if !public.is_rsa() {
        return Err(failed);
    }
    let public =
        PublicEncryptingKey::from_der(&public.info).and_then(|key| Ok(OaepPublicEncryptingKey::new(key)?));
    let public = public.map_err(|_| failed.clone())?;
    let (algorithm, name, key, oaep) = match cipher {
        Cipher::Aes128 => (&AES_128_GCM, AES_128, &random::<32>()[..16], &OAEP_SHA1_MGF1SHA1),
        Cipher::Aes256 => (&AES_256_GCM, AES_256, &random::<32>()[..], &OAEP_SHA256_MGF1SHA256),
    };
    let nonce = random::<NONCE>();
    let mut sealed = assertion.as_bytes().to_vec();
    let sealer = UnboundKey::new(algorithm, key).map(LessSafeKey::new).map_err(|_| failed.clone())?;
    sealer
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .map_err(|_| failed.clone())?;
    let mut wrapped = vec![0; public.ciphertext_size()];
    let wrapped = public.encrypt(oaep, key, &mut wrapped, None).map_err(|_| failed)?;
    let value = |octets: &[u8]| {
        Element::new("xenc:CipherData")
            .child(&Element::new("xenc:CipherValue").text(&BASE64_STANDARD.encode(octets)))
    };
    let encrypted_key = Element::new("xenc:EncryptedKey")
        .child(&key_method("xenc:EncryptionMethod", cipher))
        .child(&value(wrapped));
    let data = Element::new("xenc:EncryptedData")
        .namespace("xenc", XENC)
        .attribute("Type", "http://www.w3.org/2001/04/xmlenc#Element")
        .child(&Element::new("xenc:EncryptionMethod").attribute("Algorithm", name))
        .child(&Element::new("ds:KeyInfo").namespace("ds", DS).child(&encrypted_key))
        .child(&value(&[&nonce, &sealed[..]].concat()));
    Ok(Element::new("saml:EncryptedAssertion").namespace("saml", SAML).child(&data).to_xml())
}

/// How an assertion may be encrypted for us, best first, as elements of this name.
pub(crate) fn methods(name: &'static str) -> [Element; 4] {
    let content = |uri| Element::new(name).attribute("Algorithm", uri);
    [content(AES_256), content(AES_128), key_method(name, Cipher::Aes256), key_method(name, Cipher::Aes128)]
}

fn key_method(name: &'static str, cipher: Cipher) -> Element {
    let digest = |uri| Element::new("ds:DigestMethod").attribute("Algorithm", uri);
    let method = Element::new(name);
    match cipher {
        Cipher::Aes128 => method.attribute("Algorithm", OAEP_MGF1P).child(&digest(SHA1)),
        Cipher::Aes256 => method.attribute("Algorithm", OAEP).child(&digest(SHA256)).child(
            &Element::new("xenc11:MGF").namespace("xenc11", XENC11).attribute("Algorithm", MGF1_SHA256),
        ),
    }
}

fn content_algorithm(uri: &str) -> Result<&'static Algorithm, Refused> {
    match uri {
        AES_128 => Ok(&AES_128_GCM),
        AES_256 => Ok(&AES_256_GCM),
        _ => Err(Refused::EncryptionForm("its method is not AES-128 or AES-256 in GCM mode")),
    }
}

/// How a key is wrapped. The hash of OAEP and that of its mask generation have to be the same one: `aws-lc-rs` opens no other.
fn key_algorithm(key: Node<'_, '_>) -> Result<&'static OaepAlgorithm, Refused> {
    let method =
        only(key, XENC, "EncryptionMethod").ok_or(Refused::EncryptionForm("a key without its method"))?;
    if method.children().any(|child| is(child, XENC, "OAEPparams")) {
        return Err(Refused::EncryptionForm("OAEP with a label"));
    }
    let parameter =
        |namespace, name| only(method, namespace, name).and_then(|node| node.attribute("Algorithm"));
    let digest = parameter(DS, "DigestMethod").unwrap_or(SHA1);
    let mask = match method.attribute("Algorithm").unwrap_or_default() {
        OAEP_MGF1P => MGF1_SHA1,
        OAEP => parameter(XENC11, "MGF").unwrap_or(MGF1_SHA1),
        _ => return Err(Refused::EncryptionForm("its key is not wrapped by RSA-OAEP")),
    };
    match (digest, mask) {
        (SHA1, MGF1_SHA1) => Ok(&OAEP_SHA1_MGF1SHA1),
        (SHA256, MGF1_SHA256) => Ok(&OAEP_SHA256_MGF1SHA256),
        (SHA384, MGF1_SHA384) => Ok(&OAEP_SHA384_MGF1SHA384),
        (SHA512, MGF1_SHA512) => Ok(&OAEP_SHA512_MGF1SHA512),
        _ => Err(Refused::EncryptionForm("OAEP with two different hashes, or an unknown one")),
    }
}

/// The octets themselves. A reference to somewhere else is not followed.
fn cipher_value(parent: Node<'_, '_>) -> Result<Vec<u8>, Refused> {
    let value = only(parent, XENC, "CipherData").and_then(|data| only(data, XENC, "CipherValue"));
    let mut packed = text(value.ok_or(Refused::EncryptionForm("no CipherValue"))?);
    packed.retain(|c| !c.is_ascii_whitespace());
    BASE64_STANDARD.decode(packed).map_err(|_| Refused::Base64("CipherValue"))
}

fn unwrapped(
    key: &OaepPrivateDecryptingKey,
    how: &'static OaepAlgorithm,
    wrapped: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(vec![0; key.min_output_size()]);
    let length = key.decrypt(how, wrapped, &mut plain, None).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

/// Nonce, text and seal, in that order (XML Encryption 1.1, section 5.2.4).
fn unsealed(algorithm: &'static Algorithm, key: &[u8], cipher: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = cipher.split_first_chunk::<NONCE>()?;
    let opener = UnboundKey::new(algorithm, key).map(LessSafeKey::new).ok()?;
    let mut plain = sealed.to_vec();
    let length =
        opener.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

const AES_128: &str = "http://www.w3.org/2009/xmlenc11#aes128-gcm";
const AES_256: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
const OAEP_MGF1P: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const OAEP: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";
const MGF1_SHA1: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha1";
const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";
const MGF1_SHA384: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha384";
const MGF1_SHA512: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha512";

/// Octets of a nonce.
const NONCE: usize = 12;

/// Our keys, and wrapped keys in one message: each pair costs one operation with a private key.
const MOST_KEYS: usize = 4;
