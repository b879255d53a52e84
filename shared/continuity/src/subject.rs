//! The same person stays the same person: one `sub` for one person whichever provider answered, and never one `sub` for
//! two people.
//!
//! A group maps an attribute named `sub`; its value *is* the subject (at most 255 printable ASCII characters without
//! `|`), or its SHA-256 where it cannot be. Without such a mapping the subject is `connector|value`. The forms cannot meet:
//!
//! | subject | comes from |
//! |---|---|
//! | `value` (no `\|`) | mapped, as it is |
//! | `sha256\|…` | mapped, hashed; `sha256` is no connector's name |
//! | `connector\|value` | unmapped, as it is; never begins with `sha256\|` after the first bar |
//! | `connector\|sha256\|…` | unmapped, hashed |
//!
//! No node's name goes in, so that two roots agree. Bytes are compared as they are; only where a rule says `case: lower` are
//! `A` to `Z` the same as `a` to `z`, and no other letters: some that fold to one are different people's addresses.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::schema::{AttributeRule, Source};

/// Why a person has no subject here. Said to the person and in the log: the login ends, there is no fallback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectRefusal {
    /// `default` on `sub` would make many people one.
    #[error("`sub` has a default: it would be one account for everybody without a value of their own")]
    HasDefault,
    /// The group's `sub` does not name this member.
    #[error("the group's `sub` has no mapping for `{member}`: nothing says who somebody from there is")]
    NotMapped {
        /// The member.
        member: String,
    },
    /// The member calls the person by another name at each login.
    #[error(
        "`{member}` gives the person another name at each login (a transient NameID): map `sub` to an attribute that \
         stays, or set samlNameIDFormat: persistent"
    )]
    Passes {
        /// The member.
        member: String,
    },
    /// The group's `sub` makes one value of several.
    #[error(
        "the group's `sub` for `{member}` is made of several values: what identifies a person is one, as it is"
    )]
    Shaped {
        /// The member.
        member: String,
    },
    /// The member did not send the attribute.
    #[error("`{member}` sent no `{path}`, which identifies the person")]
    Absent {
        /// The member.
        member: String,
        /// The attribute.
        path: String,
    },
    /// The member sent an empty value.
    #[error("`{path}` from `{member}`, which identifies the person, is empty")]
    Empty {
        /// The member.
        member: String,
        /// The attribute.
        path: String,
    },
    /// The member sent several values.
    #[error("`{path}` from `{member}`, which identifies the person, has several values")]
    Several {
        /// The member.
        member: String,
        /// The attribute.
        path: String,
    },
    /// The value is neither text nor a whole number.
    #[error("`{path}` from `{member}`, which identifies the person, is neither text nor a whole number")]
    NotText {
        /// The member.
        member: String,
        /// The attribute.
        path: String,
    },
    /// It is an e-mail address for which nobody vouches.
    #[error(
        "`{path}` from `{member}` is an e-mail address, and `{member}` does not say that it is verified \
         (`email_verified: true`; or mark the connector `trustEmail: true` if all its addresses are)"
    )]
    EmailNotVerified {
        /// The member.
        member: String,
        /// The attribute.
        path: String,
    },
    /// A connector's name that cannot stand in a subject.
    #[error(
        "`{0}` cannot be a connector's name: letters, digits, `.`, `_`, `-`; at most {MAX_NAME}; not `sha256`"
    )]
    ConnectorName(String),
}

/// The subject of a person for whom `member` vouched with `claims`, by the group's rule for `sub`. `addresses` are names under
/// which a group within this one passes e-mail addresses on: by another name an address is no less one.
///
/// # Errors
/// Nothing says reliably who the person is.
pub fn mapped(
    rule: &AttributeRule,
    member: &str,
    claims: &Map<String, Value>,
    email_is_trusted: bool,
    addresses: &BTreeSet<String>,
) -> Result<String, SubjectRefusal> {
    if rule.default.is_some() {
        return Err(SubjectRefusal::HasDefault);
    }
    let source =
        rule.mapping.get(member).ok_or_else(|| SubjectRefusal::NotMapped { member: member.to_owned() })?;
    let path = source.as_path().ok_or_else(|| SubjectRefusal::Shaped { member: member.to_owned() })?;
    let (member, name) = (member.to_owned(), path.as_str().to_owned());
    let mut value = match path.find(claims) {
        None => return Err(SubjectRefusal::Absent { member, path: name }),
        Some(value) => match one_value(value) {
            Ok(value) => value,
            Err(Not::Empty) => return Err(SubjectRefusal::Empty { member, path: name }),
            Err(Not::One) => return Err(SubjectRefusal::Several { member, path: name }),
            Err(Not::Text) => return Err(SubjectRefusal::NotText { member, path: name }),
        },
    };
    let is_address = is_email(path.as_str()) || addresses.contains(path.as_str());
    if is_address && !email_is_trusted && !email_is_verified(&value, claims) {
        return Err(SubjectRefusal::EmailNotVerified { member, path: name });
    }
    if rule.lower_case {
        value.make_ascii_lowercase();
    }
    Ok(if stands_as_it_is(&value, MAX_SUBJECT) && !value.contains('|') { value } else { hashed(&value) })
}

/// The subject of a person in a connector that no group maps: `connector|value`.
pub fn unmapped(connector: &str, value: &str) -> Result<String, SubjectRefusal> {
    if !is_connector_name(connector) {
        return Err(SubjectRefusal::ConnectorName(connector.to_owned()));
    }
    if value.is_empty() {
        return Err(SubjectRefusal::Empty { member: connector.to_owned(), path: "sub".to_owned() });
    }
    let room = MAX_SUBJECT - connector.len() - 1;
    let as_it_is = stands_as_it_is(value, room) && !value.starts_with(HASHED);
    Ok(if as_it_is { format!("{connector}|{value}") } else { format!("{connector}|{}", hashed(value)) })
}

/// Whether a connector may have this name: `[A-Za-z0-9._-]+`, short enough to stand in a subject, not `sha256`.
pub fn is_connector_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) && name != "sha256"
}

/// Whether a path names an e-mail address, by the last name in it: `email`, `mail`, `emails[0]`, `contact.email`, or a
/// SAML name that ends in `/emailaddress` or in the object identifier of `mail`.
pub fn is_email(path: &str) -> bool {
    let text = path.to_ascii_lowercase();
    let text = text.split_once('[').map_or(text.as_str(), |(before, _)| before);
    if text == MAIL_OID {
        return true;
    }
    let last = text.rsplit(['.', '/', ':']).next().unwrap_or_default().replace(['-', '_'], "");
    EMAIL_NAMES.contains(&last.as_str())
}

/// Names under which a group with these rules passes e-mail addresses of `member` on, given those under which `member` itself
/// does; names that say so themselves are left out.
pub fn addresses(rules: &[AttributeRule], member: &str, before: &BTreeSet<String>) -> BTreeSet<String> {
    let mut after = before.clone();
    for rule in rules {
        let paths = rule.mapping.get(member).into_iter().flat_map(Source::paths);
        if paths.into_iter().any(|path| is_email(path.as_str()) || before.contains(path.as_str())) {
            after.insert(rule.name.clone());
        } else {
            after.remove(&rule.name);
        }
    }
    after
}

enum Not {
    Empty,
    One,
    Text,
}

/// The one value there is: text, a whole number, or a list of exactly one of these.
fn one_value(value: &Value) -> Result<String, Not> {
    match value {
        Value::String(text) if text.is_empty() => Err(Not::Empty),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
        Value::Array(list) => match list.as_slice() {
            [] => Err(Not::Empty),
            [Value::Array(_)] => Err(Not::Text),
            [one] => one_value(one),
            _ => Err(Not::One),
        },
        _ => Err(Not::Text),
    }
}

/// `email_verified` speaks about the claim `email` and about no other address.
fn email_is_verified(value: &str, claims: &Map<String, Value>) -> bool {
    let verified = match claims.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    verified && claims.get("email").and_then(Value::as_str) == Some(value)
}

fn stands_as_it_is(value: &str, room: usize) -> bool {
    value.len() <= room && value.bytes().all(|b| matches!(b, b' '..=b'~'))
}

fn hashed(value: &str) -> String {
    let digest = digest::digest(&digest::SHA256, value.as_bytes());
    format!("{HASHED}{}", BASE64_URL_SAFE_NO_PAD.encode(digest))
}

const HASHED: &str = "sha256|";

/// OpenID Connect Core 1.0, section 2: a subject has at most 255 ASCII characters.
const MAX_SUBJECT: usize = 255;

/// Leaves room for the bar and a hash.
const MAX_NAME: usize = 200;

const EMAIL_NAMES: &[&str] = &["email", "mail", "emails", "mails", "emailaddress", "emailaddresses"];

const MAIL_OID: &str = "urn:oid:0.9.2342.19200300.100.1.3";
