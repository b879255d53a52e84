//! SAML 2.0 messages as far as their text goes: what is let in, who signed it, what was encrypted, how bindings carry it.
//!
//! Pure: no network, no clock, no tasks. What a message *says* (issuer, audience, times, status) is judged by whoever
//! reads it, from [`Verified`] alone.
//!
//! The way of a message: a binding ([`post`], [`redirect`]) takes it out of its wrapping; the gate ([`Opened::open`])
//! lets it become a document; [`Opened::verify`] verifies every signature by the issuer's pinned [`Certificates`], opens
//! an encrypted assertion, and returns [`Verified`]: the canonical text of exactly what was signed, parsed again.
//! [`Opened::untrusted`] is for finding the issuer and for comparing, never for believing.
//!
//! Our own messages are written by [`mod@write`] and signed by [`sign`]; [`redirect::encode`] signs beside the message.
//!
//! All of it is bounded by the size of what comes in, and none of it should panic; a caller runs it by `spawn_blocking`
//! and looks at the `JoinError` all the same, so that a bug costs one login and not the process.

mod c14n;
mod der;
pub mod encryption;
mod gate;
pub mod logout;
pub mod metadata;
pub mod names;
pub mod post;
pub mod redirect;
mod refused;
pub mod request;
pub mod response;
mod signature;
pub mod time;
pub mod uris;
pub mod write;

pub use encryption::DecryptionKeys;
pub use gate::{Opened, Root};
pub use refused::Refused;
pub use signature::{Certificates, Signed, SigningKey, Skipped, Verified, certificate, sign};

/// The parser of everything here, for those who read documents.
pub use roxmltree;
