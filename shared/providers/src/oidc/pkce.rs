//! Proof Key for Code Exchange (RFC 7636), S256 only.

use mangrove_keys::secret;

/// The methods that the discovery document names; `plain` is not one.
pub(super) const METHODS: &[&str] = &["S256"];

/// A challenge is a SHA-256 in base64url.
pub(super) fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether `verifier` is what `challenge` was made from. A verifier without a challenge is a downgrade (RFC 9700
/// section 4.8.2), and so is the other way round.
pub(super) fn matches(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) if is_verifier(verifier) => {
            secret::equal(challenge.as_bytes(), secret::sha256_base64url(verifier.as_bytes()).as_bytes())
        }
        _ => false,
    }
}

fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_rfc_7636_matches() {
        assert!(is_challenge(CHALLENGE));
        assert!(matches(Some(CHALLENGE), Some(VERIFIER)));
        assert!(matches(None, None));
    }

    #[test]
    fn a_missing_wrong_or_plain_verifier_is_refused() {
        assert!(!matches(Some(CHALLENGE), None));
        assert!(!matches(Some(CHALLENGE), Some(CHALLENGE)));
        assert!(!matches(Some(CHALLENGE), Some("short")));
    }

    #[test]
    fn a_verifier_without_a_challenge_is_refused() {
        assert!(!matches(None, Some(VERIFIER)));
    }
}
