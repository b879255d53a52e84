//! The compact form of a JWS (RFC 7515 section 7.1), taken apart. Nothing here is believed yet.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::error::VerifyError;

/// A token taken apart; the payload is not decoded before the signature holds.
pub(crate) struct Compact<'a> {
    pub(crate) header: Vec<u8>,
    /// Header and payload as they were signed.
    pub(crate) signed: &'a [u8],
    payload: &'a str,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN {
            return Err(VerifyError::Malformed("it is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(NOT_THREE)?;
        let (header, payload) = signed.split_once('.').ok_or(NOT_THREE)?;
        if payload.contains('.') {
            return Err(NOT_THREE);
        }
        Ok(Self {
            header: decode(header)?,
            signed: signed.as_bytes(),
            payload,
            signature: decode(signature)?,
        })
    }

    /// The payload as a JSON object. Believe it after the signature was verified.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, VerifyError> {
        serde_json::from_slice(&decode(self.payload)?)
            .map_err(|_| VerifyError::Malformed("its payload is not a JSON object"))
    }
}

/// Base64url without padding, in its one canonical form.
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed("a part of it is not base64url"))
}

const NOT_THREE: VerifyError = VerifyError::Malformed("it does not have three parts");

/// Bytes of a token: many times any honest one.
const MAX_TOKEN: usize = 64 * 1024;
