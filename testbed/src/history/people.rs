//! What people saw: their logins, hop by hop, and their visits with a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Micros;

/// One try of one person to sign in, from typing the application's address to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// Name of the person.
    pub person: String,
    /// Name of the application's server.
    pub app: String,
    /// The person's region.
    pub region: String,
    /// When the address was typed; the event's own time is the end.
    pub start: Micros,
    /// Every answer or failure that the browser saw, in order.
    pub hops: Vec<Hop>,
    /// What the person had to do.
    pub acts: Acts,
    /// How it ended for the person's eyes.
    pub seen: Seen,
    /// Whom the application says it has, if it says so.
    #[serde(default)]
    pub who: Option<Who>,
    /// The login id that a page showed, for the nodes' logs.
    #[serde(default)]
    pub login_id: Option<String>,
}

/// One request of a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// When it was sent.
    pub start: Micros,
    /// How long until the answer was read or the browser gave up, in microseconds.
    pub took: Micros,
    /// `GET` or `POST`.
    pub method: String,
    /// Host and path of the URL, never its query.
    pub url: String,
    /// Status of the answer; `None` if none came.
    #[serde(default)]
    pub status: Option<u16>,
    /// Why none came.
    #[serde(default)]
    pub error: Option<Trouble>,
    /// What nodes write down of its `state`, if it had one; finds the login in their logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Hop {
    /// Host name of the URL, without its port.
    pub fn host(&self) -> &str {
        self.url.split(['/', ':']).next().unwrap_or_default()
    }

    /// Path of the URL, with its first slash.
    pub fn path(&self) -> &str {
        self.url.find('/').map_or("", |start| &self.url[start..])
    }
}

/// Why a browser got no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The name could not be resolved.
    Dns,
    /// Nobody listens, or the path refuses.
    Refused,
    /// No answer within the person's patience.
    Timeout,
    /// The connection broke.
    Reset,
    /// The certificate is not good.
    Tls,
    /// Not HTTP, or more of it than a browser takes.
    Garbage,
    /// More than 20 redirects.
    Redirects,
}

/// What a person had to do in one login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acts {
    /// Loaded the page that failed once more.
    pub reloads: u32,
    /// Went back to the application and started again.
    pub restarts: u32,
    /// Chose between ways to sign in.
    pub choices: u32,
    /// Typed a password.
    pub passwords: u32,
}

/// How a login ended for the person's eyes. What it was worth is the verdict's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum Seen {
    /// The application greets somebody.
    SignedIn,
    /// A page that says no, and nothing more to do on it.
    Refused {
        /// Its status.
        status: u16,
        /// Its heading or first words, at most 200 characters.
        says: String,
        /// How long the person waited for the first such page, in microseconds.
        waited: Micros,
    },
    /// No page in all the tries that a patient person makes.
    GaveUp {
        /// The last trouble.
        trouble: Trouble,
    },
    /// A page that this person cannot use: no form, no button, the password asked again and again.
    Stuck {
        /// Its status.
        status: u16,
        /// Its heading or first words, at most 200 characters.
        says: String,
    },
    /// The run ended first.
    Unfinished,
}

/// Whom an application believes it has signed in, from a verified ID token and the userinfo endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Issuer.
    pub iss: String,
    /// Subject.
    pub sub: String,
    /// E-mail address, if one came.
    #[serde(default)]
    pub email: Option<String>,
    /// The hidden attribute: who it really is.
    #[serde(default)]
    pub lab_person: Option<String>,
    /// The nodes that the login went through, if the provider says so.
    #[serde(default)]
    pub path: Vec<String>,
    /// Whatever else it was told of the person, by name.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
}

/// A person with a session came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Name of the person.
    pub person: String,
    /// Name of the application's server.
    pub app: String,
    /// The person's region.
    pub region: String,
    /// When the visit began; the event's own time is the end.
    pub start: Micros,
    /// What the person came for.
    pub kind: VisitKind,
    /// How it went.
    pub outcome: VisitOutcome,
    /// Every answer or failure that the browser saw, in order.
    pub hops: Vec<Hop>,
    /// Whom the application says it has, if it says so.
    #[serde(default)]
    pub who: Option<Who>,
}

/// What a person with a session came for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VisitKind {
    /// A page of the application: its own session.
    Page,
    /// The application renews its tokens at its provider.
    Refresh,
    /// A new login that the provider's session should answer without asking.
    SingleSignOn,
}

/// How a visit went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "visit", rename_all = "kebab-case")]
pub enum VisitOutcome {
    /// The session went on.
    Kept,
    /// The session was gone: signed out, or a password was asked for.
    Lost {
        /// What was seen instead, at most 200 characters.
        says: String,
    },
    /// No answer that would tell.
    NoAnswer {
        /// What happened.
        trouble: Trouble,
    },
}
