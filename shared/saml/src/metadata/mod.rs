//! Metadata (SAML Metadata 2.0): what an identity provider publishes, read; what this node publishes, written.
//!
//! Does not own where it comes from, or for how long it is believed. A signature in it is not looked at: what vouches for
//! metadata is the TLS connection or the file that it came by.

mod read;
mod write;

pub use read::{Binding, Endpoint, IdentityProvider, MetadataError, pick};
pub use write::ServiceProvider;
