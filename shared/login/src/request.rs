//! What passes between this room and the downstream protocols: an application's request without its protocol, and how
//! it ends. A login does not know which protocol asked for it.

use std::collections::BTreeMap;

use axum::response::Response;
use futures::future::BoxFuture;
use mangrove_connectors::Ask;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an application asked, without its protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Name of the application.
    pub app: String,
    /// Names of connectors or continuity groups that may vouch for its people, in order.
    pub idps: Vec<String>,
    /// What it asked of the login.
    pub ask: Ask,
    /// [`crate::reference()`] of what the application gave its request to be known again by, the OAuth `state`: a node that
    /// sent the browser here wrote the same in its own decision log. It correlates lines and decides nothing.
    #[serde(default)]
    pub from_ref: Option<String>,
    /// What the mode needs to answer the application, given back as it was.
    pub resume: Resume,
}

/// What a mode needs to answer the application; kept with the login in progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resume {
    /// [`Mode::name`] of the mode that asked.
    pub mode: String,
    /// Opaque to this room; at most [`Resume::MOST_BYTES`].
    pub data: Vec<u8>,
}

impl Resume {
    /// Most bytes of [`Resume::data`].
    pub const MOST_BYTES: usize = 32 * 1024;
}

/// How [`crate::Login::authenticate`] goes on.
#[derive(Debug)]
pub enum Outcome {
    /// The browser's session is good enough: answer the application.
    SignedIn(SignedIn),
    /// Send this to the browser as it is (a redirect upstream, a page, or the mode's own refusal); cookies are set.
    Respond(Response),
}

/// A person whom someone vouched for.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedIn {
    /// The session, for tokens that end with it.
    pub session: SessionHandle,
    /// Who it is, stable whichever member answered.
    pub sub: String,
    /// Attributes by name of the group or connector the application named, all that the session holds.
    pub attributes: BTreeMap<String, Map<String, Value>>,
    /// The group or connector of the application that vouched.
    pub via: String,
    /// The connector that answered.
    pub member: String,
    /// When the person was authenticated, seconds since the Unix epoch; none where the upstream does not say.
    pub auth_time: Option<u64>,
    /// How, as the upstream said it.
    pub acr: Option<String>,
    /// By which means, as the upstream said it.
    pub amr: Vec<String>,
    /// Nodes the login came through, from verified ID tokens only; this node is not among them.
    pub path: Vec<String>,
    /// Id of this login in the decision log.
    pub login_id: String,
}

/// A session as seen by modes: which one, and which of its identities. Says nothing about the cookie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionHandle {
    pub(crate) sid: String,
    pub(crate) via: String,
}

impl SessionHandle {
    /// The handle of the session that a token names, as one of an application's `idps`.
    pub fn new(sid: impl Into<String>, via: impl Into<String>) -> Self {
        Self { sid: sid.into(), via: via.into() }
    }

    /// The session's id for tokens (`sid`); the same for all applications of one session.
    pub fn sid(&self) -> &str {
        &self.sid
    }
}

impl std::fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sid)
    }
}

/// Why an application does not get its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// `prompt=none`, and there is no session good enough.
    LoginRequired,
    /// `prompt=none`, and the upstream wants to talk to the person.
    InteractionRequired,
    /// The upstream, or this node's rules, said no to the person.
    AccessDenied,
    /// Nobody is left who could vouch, now.
    TemporarilyUnavailable,
    /// This node failed.
    ServerError,
}

/// A refusal, with words for the application's developer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// In words; safe to show outside.
    pub description: String,
    /// Id of this login in the decision log.
    pub login_id: String,
}

/// A downstream protocol.
pub trait Mode: Send + Sync {
    /// Its name, as in [`Resume::mode`].
    fn name(&self) -> &'static str;

    /// Whether an application may be told the attribute `name` of a person who came through `via`, the group or connector
    /// that applications name. What no mode tells, a session does not keep.
    fn tells(&self, via: &str, name: &str) -> bool;

    /// Answers the application whose request was `data`; the session's cookie is added to the response by the caller.
    fn resume<'a>(&'a self, data: &'a [u8], outcome: Result<SignedIn, Refused>) -> BoxFuture<'a, Response>;

    /// A session ended, by logout, by expiry or by eviction; called once for each identity it held.
    fn session_ended<'a>(&'a self, session: &'a SessionHandle) -> BoxFuture<'a, ()>;
}
