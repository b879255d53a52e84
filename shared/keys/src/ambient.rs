//! The one place that reads the clocks and the random source. Everything else is told the time.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mangrove_continuity::Moment;

/// The wall clock, in whole seconds since 1970. A clock before 1970 reads 0.
pub fn unix_now() -> u64 {
    unix_millis() / 1000
}

/// The wall clock, in milliseconds since 1970. A clock before 1970 reads 0.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The monotonic clock, counted from its first reading in this process.
pub fn now() -> Moment {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    Moment::default() + ORIGIN.get_or_init(Instant::now).elapsed()
}

/// Random bytes, good enough for keys.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system's random source works, or nothing may go on");
    bytes
}

/// A random number in [0, 1), for jitter.
pub fn chance() -> f64 {
    f64::from(u32::from_be_bytes(random())) / (f64::from(u32::MAX) + 1.0)
}

/// 256 random bits as base64url: what nobody can guess, 43 characters.
pub fn token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random::<32>())
}

/// 80 random bits as lower-case base32: 16 characters that a person can read out.
pub fn short_id() -> String {
    let bits = random::<10>().iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    (0..16).rev().map(|at| char::from(BASE32[(bits >> (5 * at)) as usize & 31])).collect()
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_from_the_first_reading() {
        let first = now();
        let second = now();
        assert!(second >= first);
        assert!(unix_now() > 1_700_000_000);
    }

    #[test]
    fn ids_and_tokens_have_their_length_and_alphabet_and_differ() {
        let ids: std::collections::BTreeSet<String> = (0..1000).map(|_| short_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|b| BASE32.contains(&b))));
        assert_eq!(token().len(), 43);
        assert_ne!(token(), token());
    }

    #[test]
    fn a_chance_stays_below_one() {
        assert!((0..1000).map(|_| chance()).all(|chance| (0.0..1.0).contains(&chance)));
    }
}
