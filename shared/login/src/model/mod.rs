//! The steps of a login, led by a model checker through every order of events in a small mesh: one node, two members, two
//! browsers, of which one is an attacker's, who holds everything that browsers carry.
//!
//! What is driven is what ships: [`crate::steps`], [`crate::leaving`], [`crate::book`] with its bytes, [`crate::cookies`],
//! `Pending::code`, `Health::observe`, `choose`, and `spend` of the cache. What is modelled is what stands around them: the
//! cache ([`desk`]), the members, the browsers and the attacker ([`mesh`], [`actions`]). A request is taken one wait at a time:
//! at each call of the cache, each look and each back channel request, anything else may happen first.
//!
//! `docs/design/model.md` says what follows from it, and what does not.

mod actions;
mod at_mesh;
mod broken;
mod checks;
mod desk;
mod mesh;
mod properties;

/// Names of the members, in the application's order.
pub(crate) const MEMBERS: [&str; 2] = ["first", "second"];

/// What the model takes from the node in one piece, so that a test can put in a broken one.
pub(crate) trait Parts: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Takes something out of the cache, once.
    fn take(cache: &mut mesh::Shelves, key: &mesh::Key) -> Option<Vec<u8>> {
        cache.remove(key)
    }

    /// Replaces what is in the cache, and what is not there stays away.
    fn replace(cache: &mut mesh::Shelves, key: mesh::Key, value: Vec<u8>) -> bool {
        cache.get_mut(&key).map(|there| *there = value).is_some()
    }

    /// Replaces what is in the cache if it is still `was`.
    fn exchange(cache: &mut mesh::Shelves, key: mesh::Key, was: &[u8], value: Vec<u8>) -> bool {
        let other = cache.get(&key).is_some_and(|there| there != was);
        !other && Self::replace(cache, key, value)
    }

    /// The secret with which `own` opens the attempt of a `state`.
    fn secret(own: &mesh::Jar, _everybodys: &mesh::Browsers, state: &str) -> Option<String> {
        own.secret(state)
    }

    /// What binds a code to its attempt at the member: the PKCE challenge and the nonce.
    fn binds_codes() -> bool {
        true
    }

    /// What the node makes of an answer before it asks the member.
    fn judged(
        judged: Result<&str, mangrove_connectors::Failure>,
    ) -> Result<&str, mangrove_connectors::Failure> {
        judged
    }

    /// Whether an answer is looked at before its attempt is used up, where it can be looked at again.
    fn looks_first() -> bool {
        true
    }

    /// Whether the decision is written down.
    fn records(_what: &crate::What) -> bool {
        true
    }
}

/// The node as it ships.
#[derive(Debug, Clone)]
pub(crate) struct Whole;

impl Parts for Whole {}
