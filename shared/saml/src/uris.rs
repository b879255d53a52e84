//! Bindings, status codes, formats of name ids: what SAML 2.0 calls by a URI.

/// A message in the query of a redirect (SAML Bindings 3.4).
pub const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// A message in a form (SAML Bindings 3.5).
pub const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// A person's proof by whoever brings the assertion (SAML Profiles 3.3).
pub const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// An issuer's name, where a format is said at all (SAML Core 8.3.6).
pub const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
/// A name that is another one at each login (SAML Core 8.3.8).
pub const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// A name that stays, and is this node's only (SAML Core 8.3.7).
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// An e-mail address (SAML Core 8.3.2).
pub const EMAIL_ADDRESS: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// What all status codes of the standard begin with (SAML Core 3.2.2.2).
pub const STATUS: &str = "urn:oasis:names:tc:SAML:2.0:status:";
/// All is well.
pub const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// Whoever asked is at fault.
pub const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";
/// Whoever answers could not do it.
pub const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
