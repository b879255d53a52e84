//! argon2id, as OWASP advises: 19 MiB, two passes, one lane.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use mangrove_keys::ambient;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// What a hash in the file may cost at most: whoever writes the file must not be able to stop the node by accident.
const MOST_MEMORY_KIB: u32 = 262_144;
const MOST_PASSES: u32 = 10;

/// A password could not be hashed, or a hash not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Empty passwords are never accepted.
    #[error("the password is empty")]
    Empty,
    /// Not an argon2id hash.
    #[error("not an argon2id hash in PHC form ($argon2id$v=19$...)")]
    Unknown,
    /// An argon2id hash that would cost too much to check.
    #[error("the hash asks for more than {MOST_MEMORY_KIB} KiB or {MOST_PASSES} passes")]
    TooCostly,
}

/// Hashes a password, with a salt of its own, for a users file.
///
/// # Errors
/// The password is empty.
pub fn hash_password(password: &str) -> Result<String, HashError> {
    if password.is_empty() {
        return Err(HashError::Empty);
    }
    let salt = ambient::random::<16>();
    let hash: PasswordHash =
        ours().hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| HashError::Unknown)?;
    Ok(hash.to_string())
}

/// Whether a hash from a file can be checked, and at a bearable cost.
pub(super) fn check(hash: &str) -> Result<(), HashError> {
    let parsed = PasswordHash::new(hash).map_err(|_| HashError::Unknown)?;
    if parsed.algorithm.as_str() != "argon2id" || parsed.hash.is_none() || parsed.salt.is_none() {
        return Err(HashError::Unknown);
    }
    let params = Params::try_from(&parsed).map_err(|_| HashError::Unknown)?;
    if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > MOST_PASSES {
        return Err(HashError::TooCostly);
    }
    Ok(())
}

/// Whether the password is the one that was hashed. Slow on purpose.
pub(super) fn matches(hash: &str, password: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    ours().verify_password(password.as_bytes(), &parsed).is_ok()
}

fn ours() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).expect("these parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_password_only_and_two_hashes_differ() {
        let (one, two) = (hash_password("secret").unwrap(), hash_password("secret").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(one, two);
        assert!(matches(&one, "secret") && !matches(&one, "Secret"));
        assert_eq!(check(&one), Ok(()));
    }

    #[test]
    fn hashes_of_other_kinds_and_of_ruinous_cost_are_refused() {
        assert_eq!(hash_password(""), Err(HashError::Empty));
        assert_eq!(check("$2b$12$abcdefghijklmnopqrstuv"), Err(HashError::Unknown));
        assert_eq!(check("secret"), Err(HashError::Unknown));
        let costly = hash_password("x").unwrap().replace("m=19456", "m=4000000");
        assert_eq!(check(&costly), Err(HashError::TooCostly));
        let argon2i = hash_password("x").unwrap().replace("argon2id", "argon2i");
        assert_eq!(check(&argon2i), Err(HashError::Unknown));
    }
}
