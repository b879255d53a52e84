//! Logouts between this node and an upstream, in either direction, as the browser carries them.

use bytes::Bytes;
use url::Url;

use crate::Once;

/// How a browser takes something on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// By this URL.
    Redirect(Url),
    /// As these fields of a form, to this URL.
    Post(Url, Vec<(&'static str, String)>),
}

/// A logout on its way to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Where the browser goes.
    pub to: Sending,
    /// What an answer must name, where the protocol has answers.
    pub asked: Option<String>,
}

/// What a browser brought to a logout door, as it came.
#[derive(Debug, Clone)]
pub enum Carried {
    /// A query, nothing decoded: a signature covers its octets.
    Query(String),
    /// A form. Whoever takes it in bounds how many fields it has.
    Form(Bytes),
}

/// What was said there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An answer to a farewell of this node's.
    Answer {
        /// The farewell.
        to: String,
        /// The upstream ended its session, and told everybody else.
        well: bool,
    },
    /// The upstream wishes that sessions end here.
    Wish(Wish),
}

/// Whose sessions an upstream wishes to end; its signature held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub(crate) once: Once,
    pub(crate) relay_state: Option<String>,
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) sp_qualifier: Option<String>,
    pub(crate) sessions: Vec<String>,
}

impl Wish {
    /// It is good once: a browser could bring it again, and end what the person began since.
    pub fn once(&self) -> &Once {
        &self.once
    }
}
