//! Whose fault the end of a login is: one word in the log, a sentence for a person. No end is without.

use std::fmt;

use mangrove_continuity::Blame;
use serde::{Deserialize, Serialize};

/// Who is to blame when a person was not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nobody: the application asked without a page, and a page would have been needed.
    Nobody,
    /// The person, or a rule about the person: wrong password, access denied.
    Person,
    /// The application's request.
    Application,
    /// The member could not be used then, or no member could.
    Upstream,
    /// The member's settings or this node's: an operator has to act.
    Settings,
    /// What came as the member's answer: malformed, forged or replayed.
    Answer,
    /// This node: it is full, or something in it failed.
    Node,
}

impl From<Blame> for Fault {
    fn from(blame: Blame) -> Self {
        match blame {
            Blame::Unavailable => Self::Upstream,
            Blame::Rejected => Self::Person,
            Blame::Misconfigured => Self::Settings,
            Blame::Protocol => Self::Answer,
        }
    }
}

impl Fault {
    /// The word of the log's field `blame`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Person => "person",
            Self::Application => "application",
            Self::Upstream => "upstream",
            Self::Settings => "settings",
            Self::Answer => "answer",
            Self::Node => "node",
        }
    }

    /// Whose fault it is and who has to act, as a sentence.
    pub(super) fn sentence(self, member: Option<&str>) -> String {
        let them = member.unwrap_or("an upstream");
        match self {
            Self::Nobody => "Nobody is at fault: the person has to sign in on a page.".into(),
            Self::Person => format!("{them} said no to the person; nothing is broken."),
            Self::Application => "The application is at fault: its request must change.".into(),
            Self::Upstream => match member {
                Some(member) => format!("{member} is at fault: it could not be used then. Look at it, or at the way there."),
                None => "The upstreams are at fault: none of them could be used. Look at them, or at the way there.".into(),
            },
            Self::Settings => match member {
                Some(member) => format!("The settings are at fault, those at {member} or this node's: an operator has to act."),
                None => "The settings are at fault, this node's or a neighbour's: an operator has to act.".into(),
            },
            Self::Answer => format!(
                "The answer in the name of {them} is at fault: malformed, forged or replayed. Look at the log's target `security`, \
                 and at both clocks."
            ),
            Self::Node => "This node is at fault. Look at its log at this time.".into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
