//! How a login ends with nobody signed in: what the person or the application is told, and who is to blame. Pure; that it is
//! written down is [`crate::steps`]'s, what it looks like [`crate::dispatch`]'s.

use http::StatusCode;
use mangrove_connectors::Failure;
use mangrove_continuity::Blame;

use crate::book::Flow;
use crate::decisions::{End, Fault};
use crate::{Refusal, loops};

/// A member that did not vouch.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The member.
    pub(crate) member: String,
    /// What it said.
    pub(crate) failure: Failure,
}

/// Who had a part in an end, and why, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Why {
    /// The member at which it ended.
    pub(crate) member: Option<String>,
    /// Who is to blame.
    pub(crate) fault: Fault,
    /// In words.
    pub(crate) why: String,
}

/// An end with nobody signed in.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// Who is told, and what.
    pub(crate) told: Told,
    /// More words, for the person or the application's developer.
    pub(crate) words: Vec<String>,
    /// For the log.
    pub(crate) why: Why,
}

/// Who is told that a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The application.
    Application(Refusal),
    /// The person, by a page.
    Person {
        /// Its status.
        status: StatusCode,
        /// What happened.
        heading: &'static str,
    },
}

impl Ending {
    /// The application is told no.
    pub(crate) fn refused(refusal: Refusal, words: String, why: Why) -> Self {
        Self { told: Told::Application(refusal), words: vec![words], why }
    }

    fn page(status: StatusCode, heading: &'static str, words: &[&str], why: Why) -> Self {
        let words = words.iter().map(|&line| line.to_owned()).collect();
        Self { told: Told::Person { status, heading }, words, why }
    }

    /// A member said no, or its answer cannot be believed. For `prompt=none` the application is told in every case; else a
    /// person sees a page where the application could only guess.
    pub(crate) fn by(Failed { member, failure }: Failed, silent: bool) -> Self {
        let refusal = match (failure.blame, silent) {
            (Blame::Rejected, silent) => Some(rejection(failure.oauth_error.as_deref(), silent)),
            (Blame::Unavailable | Blame::Misconfigured, true) => Some(Refusal::TemporarilyUnavailable),
            (Blame::Protocol, true) => Some(Refusal::ServerError),
            (_, false) => None,
        };
        let fault = if failure.busy { Fault::Node } else { failure.blame.into() };
        let why = Why { member: Some(member), fault, why: failure.log };
        if let Some(refusal) = refusal {
            return Self::refused(refusal, failure.outside, why);
        }
        let words = [failure.outside.as_str(), "It was stopped to protect your account."];
        Self::page(StatusCode::BAD_REQUEST, "This sign-in was stopped", &words, why)
    }

    /// Nobody could vouch, and whoever asked is told.
    pub(crate) fn nobody_left() -> Self {
        let why = Why { member: None, fault: Fault::Upstream, why: "nobody left to ask".to_owned() };
        let words = "Nobody who could vouch can be reached.".to_owned();
        Self::refused(Refusal::TemporarilyUnavailable, words, why)
    }

    /// This node cannot keep one more login in progress; who can ask somebody else is told so.
    pub(crate) fn no_room(flow: &Flow, why: String) -> Self {
        let why = Why { member: None, fault: Fault::Node, why };
        let heading = "Too many people are signing in right now";
        if flow.silent() || flow.came_over_a_node() {
            return Self::refused(Refusal::TemporarilyUnavailable, heading.to_owned(), why);
        }
        Self::page(StatusCode::SERVICE_UNAVAILABLE, heading, &["Wait a moment, then try again."], why)
    }

    /// The application's request is larger than any honest one.
    pub(crate) fn too_large() -> Self {
        let why = Why { member: None, fault: Fault::Application, why: "the request is too large".to_owned() };
        let words = ["Its request to sign you in is larger than any honest one."];
        Self::page(StatusCode::BAD_REQUEST, "The application asks too much", &words, why)
    }

    /// Nodes send it round in a circle.
    pub(crate) fn looped(found: &loops::Loop) -> Self {
        let why = Why { member: None, fault: Fault::Settings, why: found.to_string() };
        let words = [
            "The services that sign you in send you back and forth without an end, so it was stopped here.",
            "Wait a minute before you try again. If it happens again, tell whoever runs the application.",
        ];
        Self::page(StatusCode::LOOP_DETECTED, "This sign-in goes round in circles", &words, why)
    }

    /// An upstream vouched, and nothing says reliably for whom.
    pub(crate) fn uncertain(member: &str, why: String) -> Self {
        let why = Why { member: Some(member.to_owned()), fault: Fault::Settings, why };
        let words = [
            "The service you signed in to did not say reliably who you are, so nobody was signed in.",
            "Tell whoever runs the application; the code below says which login it was.",
        ];
        Self::page(StatusCode::FORBIDDEN, "You are known there, but not here", &words, why)
    }

    /// Where no page may be shown, the application is told instead.
    pub(crate) fn for_a_login_that_is(self, silent: bool) -> Self {
        match self.told {
            Told::Person { heading, .. } if silent => {
                Self::refused(Refusal::ServerError, heading.to_owned(), self.why)
            }
            _ => self,
        }
    }

    /// The same for the decision log.
    pub(crate) fn end(&self) -> End {
        let Why { member, fault, why } = self.why.clone();
        match self.told {
            Told::Application(refusal) => End::Refused { refusal, member, fault, why },
            Told::Person { status, .. } => End::Page { status: status.as_u16(), member, fault, why },
        }
    }
}

/// What an application is told when a member said no to the person.
fn rejection(oauth_error: Option<&str>, silent: bool) -> Refusal {
    match (silent, oauth_error) {
        (true, Some("interaction_required" | "consent_required" | "account_selection_required")) => {
            Refusal::InteractionRequired
        }
        (true, _) => Refusal::LoginRequired,
        (false, _) => Refusal::AccessDenied,
    }
}
