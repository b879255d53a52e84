//! Comparing and hashing secrets.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Whether two secrets are the same, in a time that tells nothing about either, not even their lengths: what is compared
/// is their SHA-256.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(&sha256(a), &sha256(b)).is_ok()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// SHA-256 as base64url: a PKCE challenge (`S256`, RFC 7636 section 4.2), or a key under which to keep a secret.
pub fn sha256_base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_is_equal() {
        assert!(equal(b"correct horse", b"correct horse"));
        assert!(equal(b"", b""));
        assert!(!equal(b"correct horse", b"correct hors"));
        assert!(!equal(b"correct horse", b""));
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        let verifier = b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(sha256_base64url(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
