//! Single logout (SAML Core 3.7, SAML Profiles 4.4): what is said to a provider, and what a provider says.

use roxmltree::Node;

use crate::names::{SAML, SAMLP};
use crate::response::{NameId, SKEW};
use crate::time;
use crate::uris::{STATUS, SUCCESS};
use crate::write::{Element, message};

/// How long a request for a logout may be on its way, in seconds, where it does not say so itself.
const ON_ITS_WAY: u64 = 300;

/// A request to end sessions, to be written.
#[derive(Debug, Clone, Copy)]
pub struct LogoutRequest<'a> {
    /// At least 128 random bits; begins with a letter or `_`.
    pub id: &'a str,
    /// Seconds since 1970.
    pub issued: u64,
    /// Where it goes.
    pub destination: &'a str,
    /// Who asks.
    pub issuer: &'a str,
    /// Whose sessions.
    pub name_id: &'a NameId,
    /// Which of them; all if none is said.
    pub session: Option<&'a str>,
}

impl LogoutRequest<'_> {
    /// The document; its elements in the schema's order.
    pub fn write(&self) -> String {
        message("samlp:LogoutRequest", self.id, self.issued, self.destination, self.issuer)
            .attribute("NotOnOrAfter", &time::written(self.issued + ON_ITS_WAY))
            .child(&self.name_id.element())
            .children(&self.session.map(|session| Element::new("samlp:SessionIndex").text(session)))
            .to_xml()
    }
}

/// An answer to such a request, to be written.
#[derive(Debug, Clone, Copy)]
pub struct LogoutResponse<'a> {
    /// At least 128 random bits; begins with a letter or `_`.
    pub id: &'a str,
    /// Seconds since 1970.
    pub issued: u64,
    /// Where it goes.
    pub destination: &'a str,
    /// Who answers.
    pub issuer: &'a str,
    /// What it answers.
    pub in_response_to: &'a str,
    /// The status code, and one below it.
    pub status: (&'a str, Option<&'a str>),
}

impl LogoutResponse<'_> {
    /// The document; its elements in the schema's order.
    pub fn write(&self) -> String {
        let (first, second) = self.status;
        let code = |value: &str| Element::new("samlp:StatusCode").attribute("Value", value);
        let code = code(first).children(&second.map(code));
        message("samlp:LogoutResponse", self.id, self.issued, self.destination, self.issuer)
            .attribute("InResponseTo", self.in_response_to)
            .child(&Element::new("samlp:Status").child(&code))
            .to_xml()
    }
}

/// What a message of a provider about a logout is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// Where the message came to.
    pub here: &'a str,
}

/// A provider's request to end sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id, for the answer; it is good once.
    pub id: String,
    /// When it stops being good, skew included, in seconds since 1970.
    pub until: u64,
    /// Whose sessions.
    pub name_id: NameId,
    /// Which of them; all if none is said.
    pub sessions: Vec<String>,
}

/// Why a message about a logout is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub &'static str);

impl Wanted {
    /// Reads and judges a request whose signature holds, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn read(node: Node<'_, '_>, expected: &Expected<'_>, now: u64) -> Result<Self, Refusal> {
        if !node.has_tag_name((SAMLP, "LogoutRequest")) {
            return Err(Refusal("it is not a LogoutRequest"));
        }
        let (id, issued) = head(node, expected, now)?;
        if node.attribute("Destination").is_none() {
            // A signed message has to say where it goes (SAML Bindings 3.4.5.2 and 3.5.5.2): else whoever was told could tell others.
            return Err(Refusal("it is signed and has no Destination"));
        }
        if let Some(until) = node.attribute("NotOnOrAfter") {
            let until = time::read(until).ok_or(Refusal("NotOnOrAfter is not a time"))?;
            if until.saturating_add(SKEW) <= now {
                return Err(Refusal("its time is over"));
            }
        }
        let mut names = node.children().filter(|child| child.has_tag_name((SAML, "NameID")));
        let (Some(name), None) = (names.next(), names.next()) else {
            return Err(Refusal("it does not have exactly one NameID"));
        };
        let sessions = node.children().filter(|child| child.has_tag_name((SAMLP, "SessionIndex")));
        let sessions = sessions.filter_map(|session| session.text().map(str::to_owned)).collect();
        let until = issued.saturating_add(ON_ITS_WAY + SKEW);
        Ok(Self { id, until, name_id: NameId::read(name), sessions })
    }
}

/// A provider's answer to a request of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The request.
    pub to: String,
    /// All is well: its session ended, and everybody else was told.
    pub well: bool,
}

impl Answered {
    /// Reads and judges an answer, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn read(node: Node<'_, '_>, expected: &Expected<'_>, now: u64) -> Result<Self, Refusal> {
        if !node.has_tag_name((SAMLP, "LogoutResponse")) {
            return Err(Refusal("it is not a LogoutResponse"));
        }
        head(node, expected, now)?;
        let to = node.attribute("InResponseTo").ok_or(Refusal("it answers no request"))?.to_owned();
        let codes = node.descendants().filter(|child| child.has_tag_name((SAMLP, "StatusCode")));
        let mut codes = codes.filter_map(|code| code.attribute("Value"));
        let well = codes.next() == Some(SUCCESS)
            && codes.all(|code| code.strip_prefix(STATUS) != Some("PartialLogout"));
        Ok(Self { to, well })
    }
}

/// Version, id, time, place and sender.
fn head(node: Node<'_, '_>, expected: &Expected<'_>, now: u64) -> Result<(String, u64), Refusal> {
    if node.attribute("Version") != Some("2.0") {
        return Err(Refusal("it is not of version 2.0"));
    }
    let id = node.attribute("ID").filter(|id| !id.is_empty()).ok_or(Refusal("it has no ID"))?;
    let issued =
        node.attribute("IssueInstant").and_then(time::read).ok_or(Refusal("IssueInstant is not a time"))?;
    if issued > now.saturating_add(SKEW) {
        return Err(Refusal("it was issued in the future"));
    }
    if issued.saturating_add(ON_ITS_WAY + SKEW) < now {
        return Err(Refusal("it is too old"));
    }
    if node.attribute("Destination").is_some_and(|to| to != expected.here) {
        return Err(Refusal("its Destination is another place"));
    }
    let mut issuers = node.children().filter(|child| child.has_tag_name((SAML, "Issuer")));
    match (issuers.next(), issuers.next()) {
        (Some(issuer), None) if issuer.text().unwrap_or_default().trim() == expected.provider => {
            Ok((id.to_owned(), issued))
        }
        _ => Err(Refusal("its issuer is another provider, or nobody")),
    }
}
