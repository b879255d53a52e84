//! The one place where an ID token is believed (OpenID Connect Core 3.1.3.7).
//!
//! `openidconnect` checks signature, `iss`, that we are in `aud`, and `nonce`, refuses `alg: none`, encrypted and nested
//! tokens. Everything else is checked here: `sub`, `azp` and further audiences, `at_hash`, `auth_time` against `max_age`,
//! the path, and all times, last: a token good except for its times is a clock's fault and not an attack. The verifier is
//! never given the client secret, so no token signed with a shared key can pass. Key sizes are refused where keys are read.

use mangrove_keys::{Algorithm, ForeignKey, ForeignKeys};
use openidconnect::core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm};
use openidconnect::{
    ClientId, EmptyAdditionalClaims, IdToken as Unverified, IdTokenVerifier, IssuerUrl, Nonce,
};
use serde_json::{Map, Value};

/// Claim with the ids of the Mangrove nodes an identity came through.
pub(super) const PATH_CLAIM: &str = "mangrove_path";
/// How far clocks may be apart, in seconds.
const SKEW: u64 = 60;
/// Nodes a path may name, and the longest name.
const LONGEST_PATH: usize = 32;
const LONGEST_ID: usize = 128;

/// What the token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) max_age: Option<u64>,
    pub(super) access_token: Option<&'a str>,
    pub(super) algorithms: &'a [Algorithm],
}

/// A token that may be believed.
#[derive(Debug)]
pub(super) struct IdToken {
    pub(super) subject: String,
    pub(super) auth_time: Option<u64>,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    pub(super) path: Vec<String>,
    pub(super) claims: Map<String, Value>,
}

/// Why a token is not believed. Words never quote the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum VerifyError {
    /// Malformed or forged.
    #[error("{0}")]
    Refused(String),
    /// Good except for its times: a clock is wrong, here or there.
    #[error("good except for its times: {0}")]
    Clock(&'static str),
}

type Parsed = Unverified<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// Verifies an ID token that came from the token endpoint.
pub(super) fn verify_id_token(
    token: &str,
    keys: &ForeignKeys,
    expected: &Expected<'_>,
    now: u64,
) -> Result<IdToken, VerifyError> {
    let algorithm = verify_with_library(token, keys, expected)?;
    let claims = payload(token)?;
    let subject = match claims.get("sub").and_then(Value::as_str) {
        Some(subject) if !subject.is_empty() => subject.to_owned(),
        _ => return Err(refused("sub is missing or empty")),
    };
    check_audience(&claims, expected.client_id)?;
    check_access_token(&claims, algorithm, expected.access_token)?;
    let path = path(&claims)?;
    let auth_time = seconds(&claims, "auth_time")?;
    if let Some(max_age) = expected.max_age {
        // The browser carried max_age and may have dropped it: not the provider's fault, so not for an operator.
        let recent = auth_time.is_some_and(|at| now <= at.saturating_add(max_age).saturating_add(SKEW));
        if !recent {
            return Err(refused("auth_time does not keep the max_age that was asked for"));
        }
    }
    check_times(&claims, auth_time, now)?;
    let acr = match claims.get("acr") {
        None | Some(Value::Null) => None,
        Some(acr) => Some(acr.as_str().ok_or_else(|| refused("acr is not text"))?.to_owned()),
    };
    let amr = strings(claims.get("amr"));
    Ok(IdToken { subject, auth_time, acr, amr, path, claims })
}

/// Signature, issuer, audience, nonce. Its clock stands at 1970, so that times are left to us.
fn verify_with_library(
    token: &str,
    keys: &ForeignKeys,
    expected: &Expected<'_>,
) -> Result<Algorithm, VerifyError> {
    let parsed: Parsed =
        token.parse().map_err(|_| refused("it is not a token, or lacks what every ID token has"))?;
    let issuer =
        IssuerUrl::new(expected.issuer.to_owned()).map_err(|_| refused("the issuer is not a URL"))?;
    let client_id = ClientId::new(expected.client_id.to_owned());
    let verifier = IdTokenVerifier::<ForeignKey>::new_public_client(client_id, issuer, keys.for_token(token))
        .set_allowed_algs(expected.algorithms.iter().map(|algorithm| algorithm.to_core()))
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(Default::default);
    parsed.claims(&verifier, &Nonce::new(expected.nonce.to_owned())).map_err(|why| refused(&reason(&why)))?;
    let signed_with = parsed.signing_alg().ok().and_then(Algorithm::from_core);
    signed_with.ok_or_else(|| refused("its algorithm is not one that is accepted"))
}

/// The library's reason without what it quotes.
fn reason(why: &openidconnect::ClaimsVerificationError) -> String {
    use openidconnect::ClaimsVerificationError as Error;
    use openidconnect::SignatureVerificationError as Signature;
    match why {
        Error::InvalidAudience(_) => "aud does not name this client".into(),
        Error::InvalidIssuer(_) => "iss is another issuer's".into(),
        Error::InvalidNonce(_) => "nonce is missing or another login's".into(),
        Error::Unsupported(_) => "it is of a kind that is not accepted".into(),
        Error::SignatureVerification(Signature::NoSignature) => "it is not signed".into(),
        Error::SignatureVerification(Signature::DisallowedAlg(_)) => "its algorithm is not allowed".into(),
        Error::SignatureVerification(Signature::NoMatchingKey) => {
            "it is signed with a key that is not published".into()
        }
        Error::SignatureVerification(_) => "its signature does not hold".into(),
        _ => "its claims do not hold".into(),
    }
}

/// The claims themselves, read once the signature holds.
fn payload(token: &str) -> Result<Map<String, Value>, VerifyError> {
    use base64::Engine;
    let part = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| refused("its payload is not base64url"))?;
    serde_json::from_slice(&bytes).map_err(|_| refused("its payload is not an object"))
}

/// Several audiences need an `azp`, and an `azp` must be us.
fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), VerifyError> {
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp") {
        Some(azp) if azp == client_id => Ok(()),
        Some(_) => Err(refused("azp is another client")),
        None if several => Err(refused("it has several audiences and no azp")),
        None => Ok(()),
    }
}

/// `at_hash` is optional in the code flow; where it is, it must hold.
fn check_access_token(
    claims: &Map<String, Value>,
    algorithm: Algorithm,
    access_token: Option<&str>,
) -> Result<(), VerifyError> {
    let Some(said) = claims.get("at_hash") else { return Ok(()) };
    let holds = access_token.is_some_and(|token| *said == algorithm.half_hash(token));
    if holds { Ok(()) } else { Err(refused("at_hash is another access token's")) }
}

fn check_times(claims: &Map<String, Value>, auth_time: Option<u64>, now: u64) -> Result<(), VerifyError> {
    let exp = seconds(claims, "exp")?.ok_or_else(|| refused("exp is missing"))?;
    let iat = seconds(claims, "iat")?.ok_or_else(|| refused("iat is missing"))?;
    let ahead = |time: u64| time > now.saturating_add(SKEW);
    if now >= exp.saturating_add(SKEW) {
        return Err(VerifyError::Clock("it has expired"));
    }
    if ahead(iat) {
        return Err(VerifyError::Clock("it was issued in the future"));
    }
    if seconds(claims, "nbf")?.is_some_and(ahead) {
        return Err(VerifyError::Clock("it is not valid yet"));
    }
    if auth_time.is_some_and(ahead) {
        return Err(VerifyError::Clock("the person signed in in the future"));
    }
    Ok(())
}

/// A time: seconds since 1970, fractions dropped.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, VerifyError> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded on both sides")]
    let float = value.as_f64().filter(|time| (0.0..1e12).contains(time)).map(|time| time as u64);
    float.map(Some).ok_or_else(|| refused(&format!("{name} is not a time")))
}

fn path(claims: &Map<String, Value>) -> Result<Vec<String>, VerifyError> {
    let Some(said) = claims.get(PATH_CLAIM) else { return Ok(Vec::new()) };
    let ids = strings(Some(said));
    let whole = said.as_array().is_some_and(|list| list.len() == ids.len() && list.len() <= LONGEST_PATH);
    if whole && ids.iter().all(|id| id.len() <= LONGEST_ID) {
        Ok(ids)
    } else {
        Err(refused("its path is malformed"))
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn refused(why: &str) -> VerifyError {
    VerifyError::Refused(why.to_owned())
}
