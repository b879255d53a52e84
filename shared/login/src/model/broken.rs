//! Nodes with one thing taken out: the checker must find what that leads to.

use mangrove_connectors::Failure;

use super::Parts;
use super::mesh::{Browsers, Jar, Key, Shelves};
use crate::What;

/// Reads what it should take.
#[derive(Debug, Clone)]
pub(crate) struct WithoutTakeOnce;

impl Parts for WithoutTakeOnce {
    fn take(cache: &mut Shelves, key: &Key) -> Option<Vec<u8>> {
        cache.get(key).cloned()
    }
}

/// Keeps a login that was closed meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct OpensAgain;

impl Parts for OpensAgain {
    fn replace(cache: &mut Shelves, key: Key, value: Vec<u8>) -> bool {
        cache.insert(key, value);
        true
    }
}

/// Writes a login down from what was read a while ago, whatever others made of it meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct WritesOverOthers;

impl Parts for WritesOverOthers {
    fn exchange(cache: &mut Shelves, key: Key, _was: &[u8], value: Vec<u8>) -> bool {
        Self::replace(cache, key, value)
    }
}

/// Opens an attempt with its `state` alone, whichever browser brings it.
#[derive(Debug, Clone)]
pub(crate) struct WithoutTheStateCheck;

impl Parts for WithoutTheStateCheck {
    fn secret(_own: &Jar, everybodys: &Browsers, state: &str) -> Option<String> {
        everybodys.values().find_map(|jar| jar.secret(state))
    }
}

/// Takes a code that was issued to another attempt.
#[derive(Debug, Clone)]
pub(crate) struct WithoutNonceAndPkce;

impl Parts for WithoutNonceAndPkce {
    fn binds_codes() -> bool {
        false
    }
}

/// Takes a browser's word for it that a member does not answer.
#[derive(Debug, Clone)]
pub(crate) struct BelievesBrowsers;

impl Parts for BelievesBrowsers {
    fn judged(judged: Result<&str, Failure>) -> Result<&str, Failure> {
        judged.map_err(|failure| Failure { no_answer: true, ..failure })
    }
}

/// Uses an attempt up before there is time to look at its answer.
#[derive(Debug, Clone)]
pub(crate) struct UsesUpFirst;

impl Parts for UsesUpFirst {
    fn looks_first() -> bool {
        false
    }
}

/// Ends logins without a word.
#[derive(Debug, Clone)]
pub(crate) struct KeepsSilent;

impl Parts for KeepsSilent {
    fn records(what: &What) -> bool {
        !matches!(what, What::Ended { .. })
    }
}
