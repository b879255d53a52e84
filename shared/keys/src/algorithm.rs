//! Signature algorithms of JWS (RFC 7518 section 3, RFC 8037), as a table. Symmetric ones and `none` are not in it.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, EcdsaSigningAlgorithm, RsaEncoding, RsaParameters, VerificationAlgorithm};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openidconnect::core::CoreJwsSigningAlgorithm as Core;
use serde::{Deserialize, Serialize};

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is what RFC 7518 calls it")]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The algorithm of that name, as `alg` writes it. `none`, symmetric and unknown ones are `None`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its name, as `alg` writes it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The first half of the hash of an access token or a code, as base64url: `at_hash`, `c_hash` (OpenID Connect Core
    /// 1.0, section 3.1.3.6).
    pub fn half_hash(self, value: &str) -> String {
        let hash = self.hash(value.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
    }

    /// The hash that goes with it.
    pub fn hash(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.row().digest, bytes).as_ref().to_vec()
    }

    /// The same algorithm in the terms of `openidconnect`.
    pub fn to_core(self) -> Core {
        self.row().core.clone()
    }

    /// What `openidconnect` means by it; symmetric ones, `none` and what is not in the table are `None`.
    pub fn from_core(core: &Core) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.row().core == *core)
    }

    pub(crate) fn family(self) -> Family {
        self.row().family
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What kind of key an algorithm needs, and how that key signs.
#[derive(Clone, Copy)]
pub(crate) enum Family {
    Rsa { signing: &'static dyn RsaEncoding, verification: &'static RsaParameters },
    Ec(Curve),
    Ed25519,
}

/// An elliptic curve for signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// The curve by its name in a JWK.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::P256, Self::P384].into_iter().find(|curve| curve.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// Bytes of a coordinate.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    pub(crate) fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        }
    }

    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        }
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
        }
    }
}

struct Row {
    name: &'static str,
    core: Core,
    family: Family,
    digest: &'static digest::Algorithm,
}

/// In the order of [`Algorithm`].
static TABLE: [Row; 9] = [
    Row {
        name: "RS256",
        core: Core::RsaSsaPkcs1V15Sha256,
        family: Family::Rsa {
            signing: &signature::RSA_PKCS1_SHA256,
            verification: &signature::RSA_PKCS1_2048_8192_SHA256,
        },
        digest: &digest::SHA256,
    },
    Row {
        name: "RS384",
        core: Core::RsaSsaPkcs1V15Sha384,
        family: Family::Rsa {
            signing: &signature::RSA_PKCS1_SHA384,
            verification: &signature::RSA_PKCS1_2048_8192_SHA384,
        },
        digest: &digest::SHA384,
    },
    Row {
        name: "RS512",
        core: Core::RsaSsaPkcs1V15Sha512,
        family: Family::Rsa {
            signing: &signature::RSA_PKCS1_SHA512,
            verification: &signature::RSA_PKCS1_2048_8192_SHA512,
        },
        digest: &digest::SHA512,
    },
    Row {
        name: "PS256",
        core: Core::RsaSsaPssSha256,
        family: Family::Rsa {
            signing: &signature::RSA_PSS_SHA256,
            verification: &signature::RSA_PSS_2048_8192_SHA256,
        },
        digest: &digest::SHA256,
    },
    Row {
        name: "PS384",
        core: Core::RsaSsaPssSha384,
        family: Family::Rsa {
            signing: &signature::RSA_PSS_SHA384,
            verification: &signature::RSA_PSS_2048_8192_SHA384,
        },
        digest: &digest::SHA384,
    },
    Row {
        name: "PS512",
        core: Core::RsaSsaPssSha512,
        family: Family::Rsa {
            signing: &signature::RSA_PSS_SHA512,
            verification: &signature::RSA_PSS_2048_8192_SHA512,
        },
        digest: &digest::SHA512,
    },
    Row {
        name: "ES256",
        core: Core::EcdsaP256Sha256,
        family: Family::Ec(Curve::P256),
        digest: &digest::SHA256,
    },
    Row {
        name: "ES384",
        core: Core::EcdsaP384Sha384,
        family: Family::Ec(Curve::P384),
        digest: &digest::SHA384,
    },
    Row { name: "EdDSA", core: Core::EdDsa, family: Family::Ed25519, digest: &digest::SHA512 },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_serde_writes_the_same_names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
            assert_eq!(Algorithm::from_core(&algorithm.to_core()), Some(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.name());
            let core = serde_json::to_value(algorithm.to_core()).unwrap();
            assert_eq!(core, algorithm.name());
        }
    }

    #[test]
    fn none_and_symmetric_algorithms_do_not_exist() {
        for name in ["none", "None", "HS256", "HS384", "HS512", "rs256", "RS256 ", ""] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
