//! Upstream: every way in which somebody else vouches for a person, and all of them end in one [`Identity`].
//!
//! A [`Connector`] can start a login, finish it, be probed and name a logout page. Which connector is asked, and whom to
//! ask next, is decided elsewhere. `oidc` speaks OpenID Connect, `saml` SAML 2.0, `ldap` asks a directory, `local` reads a file
//! of users, `http` is the one outgoing HTTP client of the process, `dns` the names it resolves, `kept` what a provider
//! publishes for as long as it is believed, and `bench` where work is done that would keep a thread.

mod bench;
pub mod connector;
pub mod dns;
mod endpoint;
pub mod failure;
pub mod farewell;
pub mod finder;
mod front;
mod health;
pub mod http;
pub mod identity;
mod kept;
pub mod ldap;
pub mod local;
pub mod look;
mod network;
pub mod oidc;
pub mod saml;
pub mod step;
mod turns;

pub use connector::{BuildError, Connector, Parts};
pub use dns::services::{Host, Services};
pub use failure::{Again, Failure};
pub use farewell::{Carried, Farewell, Heard, Sending, Wish};
pub use finder::Finder;
pub use front::Door;
pub use http::HttpClient;
pub use identity::{Identity, Once};
pub use look::{Knock, Look, ProbeResult};
pub use mangrove_continuity::Blame;
pub use network::Network;
pub use step::{Answer, Ask, Begin, Pending, Prompt, PromptError};
