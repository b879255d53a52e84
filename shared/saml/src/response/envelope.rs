//! The response around the assertion: whose it is, what it answers, and whether it says yes.

use roxmltree::Node;

use super::{Expected, Refusal, children, head, refuse, text, timely};
use crate::names::{SAMLP, only};
use crate::uris::{ENTITY, STATUS, SUCCESS};

/// What a response says of the request as a whole (SAML Core 3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The assertion follows.
    Success,
    /// There is none, and why: the first code, and those nested in it.
    No {
        /// `Requester`, `Responder` or another first-level code, in full.
        first: String,
        /// Codes below it, without the standard's prefix: `AuthnFailed`, `NoPassive`.
        nested: Vec<String>,
    },
}

impl Status {
    /// The most telling code, without the standard's prefix.
    pub fn code(&self) -> &str {
        match self {
            Self::Success => "Success",
            Self::No { first, nested } => {
                nested.last().map_or(first.strip_prefix(STATUS).unwrap_or(first), String::as_str)
            }
        }
    }
}

/// Judges everything of a response but its assertion. `signed`: somebody vouches for it, and then it must say who it is and
/// where it goes; an unsigned one is compared where it says so.
///
/// # Errors
/// See [`Refusal`].
pub fn envelope(
    response: Node<'_, '_>,
    signed: bool,
    expected: &Expected<'_>,
    now: u64,
) -> Result<Status, Refusal> {
    if !response.has_tag_name((SAMLP, "Response")) {
        return refuse("it is not a Response");
    }
    let (_, issued) = head(response, "the response")?;
    match response.attribute("Destination") {
        Some(destination) if destination != expected.consumer => {
            return refuse("the response's Destination is another place");
        }
        None if signed => return refuse("the response is signed and has no Destination"),
        _ => {}
    }
    match (response.attribute("InResponseTo"), expected.request) {
        (Some(answered), Some(asked)) if answered == asked => {}
        (None, None) => {}
        (Some(_), None) => return refuse("the response answers a request, and none was made"),
        (None, Some(_)) => return refuse("the response answers no request (InResponseTo is missing)"),
        (Some(_), Some(_)) => return refuse("the response answers another request (InResponseTo)"),
    }
    let mut issuers = children(response, "Issuer");
    match (issuers.next(), issuers.next()) {
        (Some(issuer), None) => {
            let entity = issuer.attribute("Format").is_none_or(|format| format == ENTITY);
            if !entity || text(issuer).trim() != expected.provider {
                return refuse("the response's issuer is another provider");
            }
        }
        (None, _) if signed => return refuse("the response is signed and has no Issuer"),
        (None, _) => {}
        (Some(_), Some(_)) => return refuse("the response has more than one Issuer"),
    }
    let status = status(response)?;
    timely(issued, expected, now)?;
    Ok(status)
}

fn status(response: Node<'_, '_>) -> Result<Status, Refusal> {
    let Some(status) = only(response, SAMLP, "Status") else {
        return refuse("the response does not have exactly one Status");
    };
    let Some(top) = only(status, SAMLP, "StatusCode") else {
        return refuse("the response's Status does not have exactly one StatusCode");
    };
    let Some(first) = top.attribute("Value").filter(|value| !value.is_empty()) else {
        return refuse("the response's StatusCode has no Value");
    };
    if first == SUCCESS {
        return Ok(Status::Success);
    }
    let below = top.descendants().skip(1).filter(|node| node.has_tag_name((SAMLP, "StatusCode")));
    let nested = below.filter_map(|node| node.attribute("Value")).take(4);
    let nested = nested.map(|value| value.strip_prefix(STATUS).unwrap_or(value).to_owned()).collect();
    Ok(Status::No { first: first.to_owned(), nested })
}
