//! A decision as a line of the log: the same fields at the tracing target `decision`, over the admin socket, and read back
//! from a file. Its message is the sentence of the story.

use serde::{Deserialize, Serialize};

use super::{Decision, End, Fault, What};
use crate::Refusal;

/// What kind of decision a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Whom to ask.
    Chosen,
    /// The browser was sent to a member.
    Sent,
    /// A password was asked for.
    PasswordAsked,
    /// A password was wrong.
    WrongPassword,
    /// A password was not looked at.
    MadeToWait,
    /// The browser came back unanswered.
    CameBack,
    /// A look before leaving failed.
    LookedInVain,
    /// A member did not vouch, and the login went on.
    Failed,
    /// A member was not asked for lack of time; it is tried again.
    NotAsked,
    /// An answer was not looked at, and comes again.
    NotLookedAt,
    /// Something was turned away.
    TurnedAway,
    /// A member said more of a person than a session holds.
    LeftOut,
    /// The end: somebody vouched.
    SignedIn,
    /// The end: the application was told no.
    Refused,
    /// The end: a page.
    Page,
    /// Written by another version of this software.
    #[serde(other)]
    Other,
}

/// One line of the decision log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The node that wrote it, by the host of its public URL; empty where that is not known.
    #[serde(default)]
    pub node: String,
    /// Milliseconds since the Unix epoch, by that node's clock.
    pub at: u64,
    /// The login.
    pub login: String,
    /// The application.
    pub app: String,
    /// What kind of decision.
    pub decision: Kind,
    /// What happened, in words.
    pub message: String,
    /// The member it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Who is to blame, where something did not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Fault>,
    /// What the application was told, if it was told no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// Status of the page that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Hash of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// The hop with which the browser came here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ref: Option<String>,
    /// The hop on which it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ref: Option<String>,
}

impl From<&Decision> for Line {
    fn from(decision: &Decision) -> Self {
        let Decision { login, at, app, from_ref, what } = decision;
        let mut line = Self {
            node: String::new(),
            at: *at,
            login: login.clone(),
            app: app.clone(),
            decision: Kind::Other,
            message: what.sentence(*at),
            member: None,
            blame: None,
            told: None,
            status: None,
            subject: None,
            milliseconds: None,
            from_ref: from_ref.clone(),
            to_ref: None,
        };
        line.about(what);
        line
    }
}

impl Line {
    /// Whether a login ends with it.
    pub fn is_end(&self) -> bool {
        matches!(self.decision, Kind::SignedIn | Kind::Refused | Kind::Page)
    }

    fn about(&mut self, what: &What) {
        let mut member = |kind, member: &String| (self.decision, self.member) = (kind, Some(member.clone()));
        match what {
            What::Chosen { member: chosen, .. } => {
                (self.decision, self.member) = (Kind::Chosen, chosen.clone());
                self.blame = chosen.is_none().then_some(Fault::Upstream);
            }
            What::Sent { member: sent, to_ref } => {
                member(Kind::Sent, sent);
                self.to_ref = Some(to_ref.clone());
            }
            What::PasswordAsked { member: asked } => member(Kind::PasswordAsked, asked),
            What::WrongPassword { member: judge, .. } => {
                member(Kind::WrongPassword, judge);
                self.blame = Some(Fault::Person);
            }
            What::MadeToWait { member: judge, .. } => {
                member(Kind::MadeToWait, judge);
                self.blame = Some(Fault::Person);
            }
            What::CameBack { member: from, .. } => member(Kind::CameBack, from),
            What::LookedInVain { member: looked, milliseconds, .. } => {
                member(Kind::LookedInVain, looked);
                (self.blame, self.milliseconds) = (Some(Fault::Upstream), Some(*milliseconds));
            }
            What::Failed { member: failed, blame, .. } => {
                member(Kind::Failed, failed);
                self.blame = Some((*blame).into());
            }
            What::NotAsked { member: asked, .. } => {
                member(Kind::NotAsked, asked);
                self.blame = Some(Fault::Node);
            }
            What::NotLookedAt { member: answered, .. } => {
                member(Kind::NotLookedAt, answered);
                self.blame = Some(Fault::Node);
            }
            What::TurnedAway { .. } => self.decision = Kind::TurnedAway,
            What::LeftOut { member: said, .. } => member(Kind::LeftOut, said),
            What::Ended { end, milliseconds } => {
                self.milliseconds = Some(*milliseconds);
                self.about_end(end);
            }
        }
    }

    fn about_end(&mut self, end: &End) {
        match end {
            End::SignedIn { member, subject, .. } => {
                (self.decision, self.member) = (Kind::SignedIn, Some(member.clone()));
                self.subject = Some(subject.clone());
            }
            End::Refused { refusal, member, fault, .. } => {
                (self.decision, self.member) = (Kind::Refused, member.clone());
                (self.blame, self.told) = (Some(*fault), Some(refusal.to_string()));
            }
            End::Page { status, member, fault, .. } => {
                (self.decision, self.member) = (Kind::Page, member.clone());
                (self.blame, self.status) = (Some(*fault), Some(*status));
            }
        }
    }

    /// Writes it at target `decision`. What goes well is `info`, what sends a login elsewhere or ends it is `warn`, and what
    /// an operator must act on is `error`. The node's name is on every line of a node's log already.
    pub(super) fn write(&self) {
        macro_rules! write_at {
            ($level:expr) => {{
                let Self { at, login, app, member, blame, told, status, subject, milliseconds, from_ref, to_ref, .. } = self;
                tracing::event!(
                    target: "decision", $level, login, app, decision = self.decision.word(), at,
                    member = member.as_deref(), blame = blame.map(Fault::word), told = told.as_deref(),
                    status = *status, subject = subject.as_deref(), milliseconds = *milliseconds,
                    from_ref = from_ref.as_deref(), to_ref = to_ref.as_deref(), "{}", self.message
                );
            }};
        }
        let silent =
            [Refusal::LoginRequired, Refusal::InteractionRequired].map(|refusal| refusal.to_string());
        match (self.decision, self.blame) {
            (_, Some(Fault::Settings)) => write_at!(tracing::Level::ERROR),
            (Kind::Refused, _) if self.told.as_ref().is_some_and(|told| silent.contains(told)) => {
                write_at!(tracing::Level::INFO);
            }
            (Kind::WrongPassword | Kind::Chosen, _) => write_at!(tracing::Level::INFO),
            (Kind::CameBack | Kind::TurnedAway | Kind::LeftOut, _) | (_, Some(_)) => {
                write_at!(tracing::Level::WARN);
            }
            (_, None) => write_at!(tracing::Level::INFO),
        }
    }
}

impl Kind {
    /// The word of the log's field `decision`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Sent => "sent",
            Self::PasswordAsked => "password_asked",
            Self::WrongPassword => "wrong_password",
            Self::MadeToWait => "made_to_wait",
            Self::CameBack => "came_back",
            Self::LookedInVain => "looked_in_vain",
            Self::Failed => "failed",
            Self::NotAsked => "not_asked",
            Self::NotLookedAt => "not_looked_at",
            Self::TurnedAway => "turned_away",
            Self::LeftOut => "left_out",
            Self::SignedIn => "signed_in",
            Self::Refused => "refused",
            Self::Page => "page",
            Self::Other => "other",
        }
    }
}
