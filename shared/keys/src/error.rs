//! What can be wrong with keys and tokens. Never holds key material, and of a token only what its header says.

use std::io;
use std::path::PathBuf;

use crate::Algorithm;

/// Why a key cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A key file of this node that others may read.
    #[error(
        "{path}: others may read this key (mode {mode:03o}); run `chmod 600` on it, and replace it if they did"
    )]
    Readable {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not PEM, or no private key in it.
    #[error(
        "{name}: no private key in PEM found (`PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`, not encrypted)"
    )]
    NoPrivateKey {
        /// Name or file of the key.
        name: String,
    },
    /// The key is of a kind or size that is not signed with.
    #[error("{name}: {why}")]
    Unusable {
        /// Name or file of the key.
        name: String,
        /// Why, and what is.
        why: String,
    },
    /// The same key twice.
    #[error("{name}: the same key is listed twice (kid {kid})")]
    Twice {
        /// Name or file of the second.
        name: String,
        /// Its thumbprint.
        kid: String,
    },
    /// A ring needs a key.
    #[error("no signing key")]
    Empty,
    /// Nothing in the ring signs with that algorithm.
    #[error("no key signs with {0}")]
    NoKeyFor(Algorithm),
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as JSON: {0}")]
    Claims(#[from] serde_json::Error),
    /// The library refused to sign.
    #[error("the signature could not be computed")]
    Signing,
}

/// Why a token is not believed, or a document holds no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not three parts of base64url with JSON in the first two, or too long.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// A header member that changes what the token means.
    #[error("the token's header says `{0}`, which is not accepted")]
    Header(&'static str),
    /// A token of another kind.
    #[error("the token is of another type than `{0}`")]
    Type(String),
    /// `none`, a symmetric algorithm, an unknown one, or one that this key or caller does not allow.
    #[error("the token's algorithm is not allowed here")]
    Algorithm,
    /// No key by that `kid`, or none of the right kind.
    #[error("no key for this token")]
    NoKey,
    /// The signature is not by that key over these bytes.
    #[error("the signature does not match")]
    Signature,
    /// Not a JWKS, or no key in it that can be used.
    #[error("no usable key in the key set: {0}")]
    KeySet(String),
}
