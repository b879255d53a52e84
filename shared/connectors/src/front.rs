//! What a browser brought back, held against the attempt that it claims to answer: all that can be judged before anybody is
//! asked. Pure, so that it stands in one place for the connector and for whoever tries every order of events.

use std::collections::BTreeSet;

use crate::failure::printable;
use crate::{Answer, Failure, Pending};

/// Longest code that is passed on.
const LONGEST_CODE: usize = 4_096;

/// The connector at whose door an answer arrives, as it is known now.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// The connector's name, for the log.
    pub connector: &'a str,
    /// Path of its redirect URL.
    pub path: Option<&'a str>,
    /// The provider's issuer identifier.
    pub issuer: &'a str,
    /// The provider's metadata promises `iss` in answers (RFC 9207).
    pub promises_iss: bool,
}

impl Pending {
    /// The code that an answer brings to this attempt.
    ///
    /// # Errors
    /// `Protocol` where the answer is not this attempt's: another path, `state`, or issuer; a parameter twice; neither a code
    /// nor an error. Else what the provider's error means, as far as it is believed.
    pub fn code<'a>(&self, answer: &'a Answer, door: Door<'_>) -> Result<&'a str, Failure> {
        let said = |what: &str| format!("{}: {what}", door.connector);
        let refuse = |what: &str| Err(Failure::protocol(said(what)));
        if answer.path != self.redirect_url.path() || door.path != Some(answer.path.as_str()) {
            return refuse("the answer came to a path that is not this connector's");
        }
        let mut names = BTreeSet::new();
        if !answer.params.iter().all(|(name, _)| names.insert(name)) {
            return refuse("the answer carries a parameter twice");
        }
        let state = answer.param("state").unwrap_or_default();
        if !mangrove_keys::secret::equal(state.as_bytes(), self.state.as_bytes()) {
            return refuse("the answer's state is another login's");
        }
        if door.issuer != self.issuer {
            return refuse("the provider's issuer is not the one this login began with");
        }
        match answer.param("iss") {
            Some(iss) if iss != self.issuer => return refuse("the answer's iss is another provider's"),
            None if door.promises_iss => {
                return refuse("the answer has no iss, which the provider promises");
            }
            _ => {}
        }
        if let Some(error) = answer.param("error") {
            let log = said(&format!("the browser came back with {}", printable(error)));
            return Err(of_a_browser(error, log));
        }
        match answer.param("code") {
            Some(code) if !code.is_empty() && code.len() <= LONGEST_CODE => Ok(code),
            _ => refuse("the answer has neither a code nor an error"),
        }
    }
}

/// An error that a browser carried: never a sample, never the operator's, whatever it says.
fn of_a_browser(error: &str, log: String) -> Failure {
    let failure = match error {
        "temporarily_unavailable" | "server_error" => Failure::unavailable(log),
        "access_denied" => Failure::rejected("The sign-in was cancelled or denied.", log),
        _ => Failure::rejected("The sign-in service refused.", log),
    };
    failure.with_oauth_error(error)
}
