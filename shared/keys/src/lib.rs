//! Signing keys, JWKS, tokens signed and verified; and the few things that only this room may touch: the clocks, the
//! random source, comparing secrets.
//!
//! Private keys live in aws-lc-rs and nowhere else. A [`KeyRing`] is what this node signs with and publishes,
//! [`ForeignKeys`] what somebody else published; both go by the table in [`algorithm`], and never by what a token says
//! about itself.

pub mod algorithm;
pub mod ambient;
mod compact;
pub mod error;
pub mod foreign;
mod jwk;
mod kept;
mod private;
pub mod ring;
pub mod seal;
pub mod secret;
mod signer;

pub use algorithm::Algorithm;
pub use error::{KeyError, VerifyError};
pub use foreign::{ForeignKey, ForeignKeys, Verified};
pub use ring::{KeyRing, KeySource};
pub use signer::Signer;
