//! Why an upstream did not vouch, and who has to act.

use mangrove_continuity::Blame;

use crate::{Ask, Prompt};

/// What a person reads whose user name or password is wrong, whichever it is: which names exist is nobody's business.
pub const WRONG_PASSWORD: &str = "This user name and password do not belong together. Try again.";

/// A login that an upstream did not finish. Carries two messages: `outside` may be shown to a person, `log` may not.
/// Neither holds secrets, tokens or bodies of answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{log}")]
pub struct Failure {
    /// Who is to blame.
    pub blame: Blame,
    /// The back channel was refused or timed out: the only failure that is a sample of health.
    pub no_answer: bool,
    /// This node has too much to do and has not asked anybody: the same again, a little later, may work.
    pub busy: bool,
    /// `Misconfigured` until somebody acts: the provider does not know this node, or is not who it should be. Without it a
    /// `Misconfigured` is that login's only, such as a token whose times are wrong.
    pub keeps_out: bool,
    /// What the answer lacks may be had for the asking: the same member may be asked once more, in this way.
    pub again: Option<Again>,
    /// The OAuth error code the upstream gave, if it gave one.
    pub oauth_error: Option<String>,
    /// One sentence for the person.
    pub outside: String,
    /// One sentence for the operator.
    pub log: String,
}

/// How a member is asked once more in the same login. Each time something more is given up, so that this ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Again {
    /// The person has to prove who they are anew.
    pub forced: bool,
    /// Any class of proof will do.
    pub any_class: bool,
}

impl Again {
    /// What the application asked, changed so.
    pub fn ask(self, ask: &Ask) -> Ask {
        let mut ask = ask.clone();
        if self.forced {
            ask.prompt = Some(Prompt::Login);
        }
        if self.any_class {
            ask.acr_values = None;
        }
        ask
    }
}

impl Failure {
    /// The upstream gave no usable answer now; another one may. `no_answer` stays false.
    pub fn unavailable(log: impl Into<String>) -> Self {
        Self::new(Blame::Unavailable, "The sign-in service cannot be used right now.", log)
    }

    /// The upstream was refused or timed out on the back channel.
    pub fn no_answer(log: impl Into<String>) -> Self {
        Self { no_answer: true, ..Self::new(Blame::Unavailable, "The sign-in service does not answer.", log) }
    }

    /// The upstream is alive and said no to the person.
    pub fn rejected(outside: impl Into<String>, log: impl Into<String>) -> Self {
        Self::new(Blame::Rejected, outside, log)
    }

    /// An operator has to act.
    pub fn misconfigured(log: impl Into<String>) -> Self {
        Self::new(Blame::Misconfigured, "This way to sign in is not set up correctly.", log)
    }

    /// Malformed, forged or replayed.
    pub fn protocol(log: impl Into<String>) -> Self {
        Self::new(Blame::Protocol, "The answer of the sign-in service could not be accepted.", log)
    }

    /// The same failure, with the upstream's OAuth error code.
    #[must_use]
    pub fn with_oauth_error(mut self, code: &str) -> Self {
        self.oauth_error = Some(printable(code));
        self
    }

    fn new(blame: Blame, outside: impl Into<String>, log: impl Into<String>) -> Self {
        Self {
            blame,
            no_answer: false,
            busy: false,
            keeps_out: false,
            again: None,
            oauth_error: None,
            outside: outside.into(),
            log: log.into(),
        }
    }
}

/// Text from outside, fit for a log line: printable ASCII, at most 200 characters.
pub(crate) fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars().take(LONGEST).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_start_a_line_of_its_own_in_the_log() {
        let failure = Failure::rejected("no", "no").with_oauth_error("access_denied\nlevel=info");
        assert_eq!(failure.oauth_error.as_deref(), Some("access_denied?level=info"));
        assert_eq!(printable(&"x".repeat(1000)).len(), 200);
    }

    #[test]
    fn only_a_silent_back_channel_is_a_sample() {
        assert!(Failure::no_answer("refused").no_answer);
        assert!(!Failure::unavailable("503").no_answer);
        assert_eq!(Failure::no_answer("refused").blame, Blame::Unavailable);
    }
}
