//! The answer to a request for a login (SAML Core 3.3.3, SAML Profiles 4.1.4): whether it may be believed, and what it says.
//!
//! Pure: what is compared with comes as [`Expected`], the time as an argument. Whose signature covers what is known before
//! anything here is asked; an envelope that nobody signed is compared all the same. One assertion, one person, one proof:
//! whatever there is more of is refused, because readers have disagreed about which of two counts.

mod attributes;
mod conditions;
mod envelope;
mod subject;

use roxmltree::Node;

pub use self::attributes::Attribute;
pub use self::envelope::{Status, envelope};
pub use self::subject::NameId;
use crate::names::SAML;
use crate::time;

/// How far two clocks may be apart, in seconds.
pub const SKEW: u64 = 60;

/// How long an assertion may say that it is good, in seconds. Nobody keeps a login waiting for a day; what claims more could
/// be used again after it was forgotten.
pub const LONGEST_LIFE: u64 = 24 * 3600;

/// What an answer is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Name of the identity provider that was asked.
    pub provider: &'a str,
    /// This node's name there.
    pub audience: &'a str,
    /// Where the answer came to.
    pub consumer: &'a str,
    /// The request that it must answer; none for an answer that nobody asked for, which must then say so.
    pub request: Option<&'a str>,
    /// When it was asked for: nothing in it may be older, in seconds since 1970.
    pub asked: u64,
    /// The person had to prove who they are again.
    pub forced: bool,
    /// Longest time since the person last proved who they are, in seconds.
    pub max_age: Option<u64>,
}

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Malformed, or not an answer to what was asked.
    #[error("{0}")]
    Refused(String),
    /// Good but for its times: a clock is wrong, there or here.
    #[error("{0}: the clocks there and here differ by more than 60 s")]
    Clock(&'static str),
    /// The person proved who they are longer ago than was asked for.
    #[error("the person proved who they are too long ago for what was asked")]
    TooOld,
}

/// What an assertion says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The assertion's own id: it is good once.
    pub id: String,
    /// When it stops being good, skew included, in seconds since 1970: it must be remembered until then.
    pub until: u64,
    /// Who it is.
    pub name_id: NameId,
    /// When the person proved it, in seconds since 1970.
    pub authenticated: u64,
    /// How.
    pub class: Option<String>,
    /// The provider's session.
    pub session: Option<String>,
    /// Everything else it says of the person.
    pub attributes: Vec<Attribute>,
}

/// Reads and judges an assertion that is signed, or stands in a signed response, at `now` in seconds since 1970.
///
/// # Errors
/// See [`Refusal`].
pub fn assertion(assertion: Node<'_, '_>, expected: &Expected<'_>, now: u64) -> Result<Vouched, Refusal> {
    if !assertion.has_tag_name((SAML, "Assertion")) {
        return refuse("it holds no assertion");
    }
    let (id, issued) = head(assertion, "the assertion")?;
    let issuer = one(assertion, "Issuer", "the assertion")?;
    if text(issuer).trim() != expected.provider {
        return refuse("the assertion's issuer is another provider");
    }
    let name_id = subject::name_id(assertion, expected)?;
    let confirmed = subject::confirmed_until(assertion, expected, now)?;
    let good = conditions::good_until(assertion, expected, now)?;
    let statement = one(assertion, "AuthnStatement", "the assertion")?;
    let authenticated = instant(statement, "AuthnInstant", "the assertion")?;
    judge_authentication(authenticated, expected, now)?;
    if let Some(over) = optional_instant(statement, "SessionNotOnOrAfter")?
        && over.saturating_add(SKEW) <= now
    {
        return refuse("the provider's session is over already");
    }
    let context = one(statement, "AuthnContext", "the assertion's AuthnStatement")?;
    let class = children(context, "AuthnContextClassRef").next().map(|node| text(node).trim().to_owned());
    timely(issued, expected, now)?;
    Ok(Vouched {
        id,
        until: confirmed.min(good.unwrap_or(u64::MAX)).saturating_add(SKEW),
        name_id,
        authenticated,
        class: class.filter(|class| !class.is_empty()),
        session: statement.attribute("SessionIndex").map(str::to_owned),
        attributes: attributes::read(assertion),
    })
}

fn judge_authentication(at: u64, expected: &Expected<'_>, now: u64) -> Result<(), Refusal> {
    if at > now.saturating_add(SKEW) {
        return Err(Refusal::Clock("the person signed in in the future"));
    }
    if expected.forced && at.saturating_add(SKEW) < expected.asked {
        return Err(Refusal::TooOld);
    }
    match expected.max_age {
        Some(most) if now > at.saturating_add(most).saturating_add(SKEW) => Err(Refusal::TooOld),
        _ => Ok(()),
    }
}

/// What a message and an assertion begin with alike: version, id, and when it was written.
fn head(node: Node<'_, '_>, what: &str) -> Result<(String, u64), Refusal> {
    if node.attribute("Version") != Some("2.0") {
        return refuse(format!("{what} is not of version 2.0"));
    }
    let id = node.attribute("ID").filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
    let Some(id) = id else { return refuse(format!("{what} has no usable ID")) };
    Ok((id.to_owned(), instant(node, "IssueInstant", what)?))
}

/// Whether it was written after it was asked for, and not in the future. Looked at last: what is for somebody else, or was
/// an answer once, is forged or replayed, and no clock's fault.
fn timely(issued: u64, expected: &Expected<'_>, now: u64) -> Result<(), Refusal> {
    if issued > now.saturating_add(SKEW) {
        return Err(Refusal::Clock("it was issued in the future"));
    }
    if issued.saturating_add(SKEW) < expected.asked {
        return Err(Refusal::Clock("it was issued before it was asked for"));
    }
    Ok(())
}

/// Longest id that is looked at, in bytes.
const LONGEST_ID: usize = 1024;

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Refused(why.into()))
}

fn children<'a, 'input: 'a>(
    of: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> + 'a {
    of.children().filter(move |node| node.has_tag_name((SAML, name)))
}

/// The only child of that name.
fn one<'a, 'input>(
    of: Node<'a, 'input>,
    name: &'static str,
    what: &str,
) -> Result<Node<'a, 'input>, Refusal> {
    let mut all = children(of, name);
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => refuse(format!("{what} has no {name}")),
        (Some(_), Some(_)) => refuse(format!("{what} has more than one {name}")),
    }
}

/// All text of an element, whatever stands between.
fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

fn instant(node: Node<'_, '_>, name: &str, what: &str) -> Result<u64, Refusal> {
    match optional_instant(node, name)? {
        Some(at) => Ok(at),
        None => refuse(format!("{what} has no {name}")),
    }
}

fn optional_instant(node: Node<'_, '_>, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(written) = node.attribute(name) else { return Ok(None) };
    match time::read(written) {
        Some(at) => Ok(Some(at)),
        None => refuse(format!("{name} is not a time")),
    }
}
