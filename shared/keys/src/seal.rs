//! Values that this node gives away and recognises when they come back: signed with HMAC-SHA-256, not hidden.
//!
//! The key is made once and kept in the state directory. A purpose goes into the signature, so that a value sealed for one
//! thing is never taken for another. What a value says about time is the caller's.

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::ambient;
use crate::error::KeyError;
use crate::kept::kept;

/// Seals values, and opens what it sealed.
pub struct Sealer(hmac::Key);

impl Sealer {
    /// The sealer of this node, with its key in `dir`.
    ///
    /// # Errors
    /// The key file cannot be read or written, others may read it, or it is damaged.
    pub fn from_state(dir: &Path) -> Result<Self, KeyError> {
        let key = kept(dir, FILE, || Ok(Zeroizing::new(ambient::random::<KEY_SIZE>().to_vec())))?;
        if key.len() != KEY_SIZE {
            let why = format!(
                "a key of {} bytes instead of {KEY_SIZE}; delete it to have a new one made",
                key.len()
            );
            return Err(KeyError::Unusable { name: dir.join(FILE).display().to_string(), why });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// `value` and its signature as one text that can stand in a cookie.
    pub fn seal(&self, purpose: &str, value: &[u8]) -> String {
        let mac = hmac::sign(&self.0, &signed(purpose, value));
        format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(value), BASE64_URL_SAFE_NO_PAD.encode(mac))
    }

    /// The value, if this node sealed it for this purpose.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > MAX_SEALED {
            return None;
        }
        let (value, mac) = sealed.split_once('.')?;
        let value = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.0, &signed(purpose, &value), &mac).ok()?;
        Some(value)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

/// Purpose and value, such that no two pairs give the same bytes.
fn signed(purpose: &str, value: &[u8]) -> Vec<u8> {
    [&(purpose.len() as u64).to_be_bytes(), purpose.as_bytes(), value].concat()
}

const FILE: &str = "seal.key";

const KEY_SIZE: usize = 32;

/// Bytes of a sealed value: what fits into a cookie.
const MAX_SEALED: usize = 4096;
