//! What the tests stand on: providers on loopback, a node without a listener, people with cookies.

pub(crate) mod idp;
pub(crate) mod node;
pub(crate) mod person;
