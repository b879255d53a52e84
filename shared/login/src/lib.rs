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
//! | room | owns |
//! |---|---|
//! | [`steps`], [`ending`] | the steps of a login and how it ends; over a [`steps::World`], which is a node ([`at_node`]) or the model |
//! | [`book`], [`crowds`] | logins in progress, in the cache, and how much room each address takes there |
//! | [`plan`], [`watch`], [`simulation`] | who may vouch; their health; rehearsed outages |
//! | [`finding`], [`roster`] | roots that DNS names, while the node runs, and which of them are members |
//! | [`leaving`], [`looks`], [`redeeming`] | the last look before leaving, and the wait for an upstream's answer to a code |
//! | [`returned`], [`loops`] | the browser that comes back unanswered; the one that is sent in a circle |
//! | [`dispatch`], [`callback`], [`password`], [`pages`] | what a browser is shown, and what it brings |
//! | [`brought`] | what it brings again, because there was no time to look at it |
//! | [`guessing`], [`device`] | wrong passwords, and the device that knows the right one |
//! | [`sessions`], [`logout`], [`trip`], [`door`] | who is signed in, and the way out; what upstreams say of it |
//! | [`decisions`], [`story`], [`word`] | what this node decided, in words, and what it says of itself |
//! | [`explain`] | what applications would see of somebody, for who writes mappings |

mod at_node;
mod book;
mod brought;
mod browser;
mod callback;
mod cookies;
mod crowds;
mod decisions;
mod device;
mod digest;
mod dispatch;
mod door;
mod ending;
pub mod explain;
mod finding;
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
mod roster;
mod sessions;
mod simulation;
mod steps;
pub mod story;
mod trip;
mod unasked;
mod watch;
mod word;

pub use browser::{Browser, Peer, RequestId, Site};
pub use decisions::{Decision, DecisionLog, End, Fault, KEPT, Kind, Line, What, reference};
pub use finding::Finds;
pub use login::{Login, LoginParts, Whose};
pub use logout::EndAsk;
pub use request::{Mode, Outcome, Refusal, Refused, Request, Resume, SessionHandle, SignedIn};
pub use simulation::SimulationStatus;
pub use watch::{MemberStatus, OrderStatus, UnknownConnector, Watch};
pub use word::{Word, WordBlame};
