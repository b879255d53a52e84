//! Browser sessions, in this node's memory.
//!
//! The cookie holds 256 random bits, good only beside the id of the browser that they were given to, and the table only
//! a hash of both; every login gives the browser a new value. A session
//! lives until it is idle too long, until the last identity in it is older than the maximum, until it is the oldest of too
//! many of one person, or the least recently used of a full table. It knows who vouched, over which hops, when, and which applications it served, so that
//! a logout or an operator can end what one upstream vouched for. Modes see a [`crate::SessionHandle`], never the cookie.
//!
//! The table is sharded: two logins share a lock only by chance. No two locks are ever held at once.

mod kept;
mod people;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mangrove_connectors::Identity;
use mangrove_continuity::Moment;
use serde_json::{Map, Value};

use crate::{SessionHandle, SignedIn};
pub(crate) use kept::{keep, trim};
pub(crate) use table::{Fresh, Sessions};

/// How long sessions live and how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Longest time without use; none where it is not limited.
    pub(crate) idle: Option<Duration>,
    /// Longest life of an identity in a session.
    pub(crate) maximum: Duration,
    /// Most sessions, large ones counted by their weight; the least recently used goes first.
    pub(crate) capacity: usize,
}

impl Limits {
    /// Most sessions of one person, by weight: a fiftieth of all.
    fn of_one_person(self) -> usize {
        self.capacity / 50
    }
}

/// Most applications that one session remembers having served.
const MOST_APPS: usize = 64;

/// One identity of a session: what an upstream vouched for, as applications see it.
#[derive(Debug, Clone)]
pub(crate) struct Vouched {
    /// The group or connector that the application named.
    pub(crate) via: String,
    /// Stable subject.
    pub(crate) sub: String,
    /// Attributes after schema abstraction, as far as an application may be told them.
    pub(crate) attributes: Map<String, Value>,
    /// Who vouched, over which hops, after [`trim`].
    pub(crate) identity: Identity,
    /// When this node heard it.
    pub(crate) since: Moment,
    /// The login that brought it.
    pub(crate) login_id: String,
}

/// A session as it is at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Id for tokens.
    pub(crate) sid: Arc<str>,
    /// Identities by [`Vouched::via`].
    pub(crate) identities: BTreeMap<String, Arc<Vouched>>,
    /// Applications it served, in order of their first login.
    pub(crate) apps: Vec<String>,
}

impl Session {
    /// The handles that modes know this session by.
    pub(crate) fn handles(&self) -> impl Iterator<Item = SessionHandle> + '_ {
        self.identities.keys().map(|via| SessionHandle { sid: self.sid.to_string(), via: via.clone() })
    }

    /// Whether any of its identities is such.
    pub(crate) fn any(&self, is_such: impl Fn(&Vouched) -> bool) -> bool {
        self.identities.values().any(|vouched| is_such(vouched))
    }

    /// What an application that named `via` is told.
    pub(crate) fn signed_in(&self, via: &str) -> Option<SignedIn> {
        let vouched = self.identities.get(via)?;
        Some(SignedIn {
            session: SessionHandle { sid: self.sid.to_string(), via: via.to_owned() },
            sub: vouched.sub.clone(),
            attributes: self.identities.iter().map(|(via, v)| (via.clone(), v.attributes.clone())).collect(),
            via: via.to_owned(),
            member: vouched.identity.connector.clone(),
            auth_time: vouched.identity.auth_time,
            acr: vouched.identity.acr.clone(),
            amr: vouched.identity.amr.clone(),
            path: vouched.identity.path.clone(),
            login_id: vouched.login_id.clone(),
        })
    }
}
