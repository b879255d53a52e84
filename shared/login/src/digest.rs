//! SHA-256 with a purpose in front, so that a hash made for one table never opens another.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// SHA-256 over a purpose and parts; each part is preceded by its length, so that no two lists of parts meet.
pub(crate) fn hash(purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The same as text, fit for cookies, keys and URLs.
pub(crate) fn text(purpose: &str, parts: &[&[u8]]) -> String {
    URL_SAFE_NO_PAD.encode(hash(purpose, parts))
}

/// The first 64 bits, for numbers that only have to differ.
pub(crate) fn number(purpose: &str, parts: &[&[u8]]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash(purpose, parts)[..8]);
    u64::from_be_bytes(first)
}

/// The first 80 bits as lower-case base32: 16 characters, as an id that a person reads out.
pub(crate) fn short(purpose: &str, parts: &[&[u8]]) -> String {
    const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = hash(purpose, parts);
    let bits = hash[..10].iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    (0..16).rev().map(|at| char::from(BASE32[(bits >> (5 * at)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_parts_do_not_run_into_each_other() {
        assert_ne!(hash("a", &[b"bc"]), hash("ab", &[b"c"]));
        assert_ne!(hash("a", &[b"b", b"c"]), hash("a", &[b"bc"]));
        assert_eq!(number("a", &[b"b"]), number("a", &[b"b"]));
    }
}
