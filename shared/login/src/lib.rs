//! A browser's session, and a login in progress: from an application's request to somebody who vouches, and back.
//!
//! Knows no downstream protocol (a [`Mode`] gives it a [`Request`] and gets it back with the outcome) and no upstream one
//! (a connector begins and finishes).

mod browser;
mod login;
mod request;

pub use browser::{Browser, Peer, Site};
pub use login::{EndAsk, Ended, Login, LoginParts};
pub use request::{Mode, Outcome, Refusal, Refused, Request, Resume, SessionHandle, SignedIn};
