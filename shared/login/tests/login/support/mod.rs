//! What the tests stand on: providers on loopback, a node without a listener, people with cookies.

pub(crate) mod idp;
pub(crate) mod node;
pub(crate) mod person;

/// The connector's tests have it; it is the same server.
#[path = "../../../../connectors/tests/ldap/slapd.rs"]
#[allow(dead_code, reason = "the connector's tests use more of it")]
pub(crate) mod slapd;
