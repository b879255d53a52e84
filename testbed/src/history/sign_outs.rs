//! What people saw who signed out. What it was worth is the verdict's to say, from what came after.

use serde::{Deserialize, Serialize};

use super::{Hop, Micros, Trouble};

/// Somebody with a session signed out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignOut {
    /// Name of the person.
    pub person: String,
    /// Name of the application's server.
    pub app: String,
    /// The person's region.
    pub region: String,
    /// Name of the identity provider at whose own page it began; `None`: at the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<String>,
    /// When it began; the event's own time is the end.
    pub start: Micros,
    /// How it ended for the person's eyes.
    pub outcome: SignOutOutcome,
    /// What pages said that the person had to read and go on from, in order, each at most 200 characters: whom nobody could tell.
    #[serde(default)]
    pub notices: Vec<String>,
    /// What answered afterwards as if nobody had signed out.
    #[serde(default)]
    pub still: Vec<Remains>,
    /// Every answer or failure that the browser saw, in order; what it asked to see what is left is among them.
    pub hops: Vec<Hop>,
}

/// How a sign-out ended for the person's eyes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signed-out", rename_all = "kebab-case")]
pub enum SignOutOutcome {
    /// Back at the application, which says that nobody is signed in any more.
    Back,
    /// At a page from which nothing led back.
    Stayed {
        /// Its status, host and first words, at most 200 characters.
        says: String,
    },
    /// No page came.
    NoAnswer {
        /// What happened.
        trouble: Trouble,
    },
}

/// What may be left of a session that a person has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remains {
    /// The application's page greets the person.
    Page,
    /// The application's tokens work at its node.
    Tokens,
}

impl Remains {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Page => "the application's page",
            Self::Tokens => "the application's tokens",
        }
    }
}
