//! A browser's session, and a login in progress: from an application's request to somebody who vouches, and back, however
//! many members have to be asked on the way.
//!
//! Knows no downstream protocol (a [`Mode`] hands over a [`Request`] and gets it back with its outcome) and no upstream one
//! (a connector begins and finishes). One dispatcher over persisted state leads every login:
//!
//! ```text
//!  authenticate ─► session good enough? ─► signed in
//!        │ no
//!        ▼
//!     advance ◄──────────────────┬──────────────┐
//!        │ choose, look, begin       │ unavailable, │ again
//!        ▼                       │ misconfigured│
//!   redirect / sign-in page ─► answer      nobody left: 503, by itself again
//!                                │ vouched ─► session ─► Mode::resume
//!                                │ rejected ─► the application is told
//!                                └ protocol ─► a page, the security log
//! ```
//!
//! Sessions are in [`sessions`], logins in progress in the cache ([`book`]), who may vouch in [`plan`], their health in
//! [`watch`] (rehearsed outages in [`simulation`]), the last look before leaving in [`looks`] and [`leaving`], what this
//! node says of itself in [`word`], the steps of a login in [`steps`] and what is shown after them in [`dispatch`], the wait
//! for an upstream in [`redeeming`], what it decided in [`decisions`] and [`story`], what comes back in [`callback`] and [`password`], the way out in [`logout`].

mod at_node;
mod book;
mod browser;
mod callback;
mod cookies;
mod crowds;
mod decisions;
mod device;
mod digest;
mod dispatch;
mod ending;
mod guessing;
pub mod layout;
mod leaving;
mod login;
mod logout;
mod looks;
mod loops;
#[cfg(test)]
mod model;
mod pages;
mod password;
mod plan;
mod redeeming;
mod request;
mod returned;
mod sessions;
mod simulation;
mod steps;
pub mod story;
mod watch;
mod word;

pub use browser::{Browser, Peer, RequestId, Site};
pub use decisions::{Decision, DecisionLog, End, Fault, KEPT, Kind, Line, What, reference};
pub use login::{Login, LoginParts, Whose};
pub use logout::{EndAsk, Ended};
pub use request::{Mode, Outcome, Refusal, Refused, Request, Resume, SessionHandle, SignedIn};
pub use simulation::SimulationStatus;
pub use watch::{MemberStatus, OrderStatus, UnknownConnector, Watch};
pub use word::{Word, WordBlame};
