//! XML signatures: verifying those of others, making our own.
//!
//! One form only, the one that SAML prescribes (core, section 5.4): a `ds:Signature` directly in the element that it signs,
//! one reference to that element's ID, the transforms `enveloped-signature` and exclusive canonicalisation. What is read
//! afterwards is the canonical text whose digest was compared, and nothing else of the message.

mod algorithm;
mod certificates;
mod form;
mod key;
mod sign;
mod verify;

pub use certificates::{Certificates, Skipped, certificate};
pub use key::SigningKey;
pub use sign::sign;
pub use verify::{Signed, Verified};

pub(crate) use algorithm::{Digest, Method};
pub(crate) use certificates::PublicKey;
pub(crate) use form::Form;
