//! `private_key_jwt` (RFC 7523, OpenID Connect Core 1.0 section 9): an application proves who it is with a short-lived token
//! that it signed itself.
//!
//! The token says whose it is, and only that application's registered keys verify it; nothing in its header chooses a key
//! from elsewhere. It is for this provider alone (the issuer, or the URL of the token endpoint, as the only audience), ends soon, and
//! is taken once: its `jti` is remembered until it has ended. When the application's clock began it is not asked: the end
//! bounds it, and an edge whose clock is a little off is let in.

use mangrove_keys::{Algorithm, ForeignKeys, VerifyError};
use serde_json::{Map, Value};

/// Name of the only kind of assertion (RFC 7523 section 2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What assertions may be signed with: all that is in the table of algorithms, which holds neither `none` nor shared secrets.
pub(super) const ALGORITHMS: &[Algorithm] = &Algorithm::ALL;

/// `typ` of an assertion, where it has one: the second is what newer clients write. Any other is another kind of token.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// Seconds that clocks may differ.
const SKEW: u64 = 60;
/// Longest that an assertion may still live, in seconds: so long its `jti` has to be remembered.
const LONGEST: u64 = 600;
/// Longest `jti`, in bytes.
const LONGEST_JTI: usize = 256;

/// Why an assertion is not believed; for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AssertionError {
    #[error("assertion: {0}")]
    Token(#[from] VerifyError),
    #[error("assertion: its type is not that of an assertion")]
    Type,
    #[error("assertion: `iss` and `sub` are not both the client")]
    Client,
    #[error("assertion: it is for somebody else, or for others too (`aud`)")]
    Audience,
    #[error("assertion: it has ended, or does not say when it ends")]
    Expired,
    #[error("assertion: it is not good yet")]
    NotYet,
    #[error("assertion: it lives longer than {LONGEST} s")]
    TooLong,
    #[error("assertion: it has no usable `jti`")]
    NoId,
}

/// A proof that holds, if it is the first with its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Good {
    pub(super) jti: String,
    /// For how many seconds nobody may use the id again.
    pub(super) remember: u64,
}

/// Verifies an assertion of `client` by its keys, for one of `audiences`.
pub(super) fn verify(
    token: &str,
    client: &str,
    keys: &ForeignKeys,
    audiences: [&str; 2],
    now: u64,
) -> Result<Good, AssertionError> {
    let verified = keys.verify_jws(token, ALGORITHMS)?;
    if verified.typ.is_some_and(|typ| !TYPES.iter().any(|known| known.eq_ignore_ascii_case(&typ))) {
        return Err(AssertionError::Type);
    }
    let claims = &verified.claims;
    if text(claims, "iss") != Some(client) || text(claims, "sub") != Some(client) {
        return Err(AssertionError::Client);
    }
    let audience = match claims.get("aud") {
        Some(Value::Array(list)) if list.len() == 1 => list[0].as_str(),
        Some(one) => one.as_str(),
        None => None,
    };
    if !audience.is_some_and(|audience| audiences.contains(&audience)) {
        return Err(AssertionError::Audience);
    }
    let ends = seconds(claims, "exp").filter(|ends| ends + SKEW > now).ok_or(AssertionError::Expired)?;
    if ends > now + LONGEST + SKEW {
        return Err(AssertionError::TooLong);
    }
    match claims.get("nbf") {
        Some(_) if seconds(claims, "nbf").is_none_or(|begins| begins > now + SKEW) => {
            return Err(AssertionError::NotYet);
        }
        _ => {}
    }
    let jti = text(claims, "jti").filter(|jti| (1..=LONGEST_JTI).contains(&jti.len()));
    let jti = jti.ok_or(AssertionError::NoId)?.to_owned();
    Ok(Good { jti, remember: ends + SKEW - now })
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str()
}

/// A `NumericDate` (RFC 7519 section 2), which may have a fraction; far from the end of the range of numbers.
fn seconds(claims: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = claims.get(name)?;
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| (0.0..1e12).contains(number))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range")]
        Some(number as u64)
    })?;
    (whole < 1_000_000_000_000).then_some(whole)
}
