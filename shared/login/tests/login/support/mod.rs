//! What the tests stand on: providers on loopback, a node without a listener, people with cookies.

use std::time::Duration;

pub(crate) mod idp;
pub(crate) mod node;
pub(crate) mod person;

/// The connector's tests have it; it is the same directory that lies.
#[path = "../../../../connectors/tests/ldap/liar.rs"]
#[allow(dead_code, reason = "the connector's tests use more of it")]
pub(crate) mod liar;

/// The connector's tests have it; it is the same server.
#[path = "../../../../connectors/tests/ldap/slapd.rs"]
#[allow(dead_code, reason = "the connector's tests use more of it")]
pub(crate) mod slapd;

/// Likewise.
#[path = "../../../../connectors/tests/saml/lying_idp/mod.rs"]
pub(crate) mod saml_idp;

/// Waits until it has come to `what`, and fails the test if it never does.
pub(crate) async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    eventually(what, async || reached().then_some(())).await;
}

/// The same where it has to be asked for: what there was, when there was something.
pub(crate) async fn eventually<T>(what: &str, mut asks: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            match asks().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), asking).await;
    found.unwrap_or_else(|_| panic!("it never came to this: {what}"))
}
