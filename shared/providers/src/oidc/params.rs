//! Parameters of a request, from a query or a form: decoded once, bounded, duplicates visible.
//!
//! RFC 6749 section 3.1: parameters sent without a value are as good as absent, and none may come twice. Which of the
//! two a library happens to read must never decide anything, so whoever asks for a parameter learns of a duplicate.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, header};

/// Longest name or value, in bytes after decoding.
const MAX_LENGTH: usize = 8 * 1024;
/// Longest query or form as sent, in bytes.
pub(super) const MAX_ENCODED: usize = 32 * 1024;
/// Most parameters of a request.
const MAX_COUNT: usize = 64;

/// What a client sent, decoded, in order.
#[derive(Default)]
pub(super) struct Params(Vec<(String, String)>);

/// Shows which parameters came, never their values: secrets, codes and tokens are among them.
impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why a query or form cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the request is too large")]
    TooLarge,
    #[error("the request has too many parameters")]
    TooMany,
    #[error("the request is not valid UTF-8")]
    NotText,
    #[error("the body must be application/x-www-form-urlencoded")]
    NotAForm,
}

/// A parameter came more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a parameter is there more than once")]
pub(super) struct Duplicate;

impl Params {
    /// Reads a query string or the body of a form.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, Unreadable> {
        if encoded.len() > MAX_ENCODED {
            return Err(Unreadable::TooLarge);
        }
        let mut params = Vec::new();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if params.len() == MAX_COUNT {
                return Err(Unreadable::TooMany);
            }
            if name.len() > MAX_LENGTH || value.len() > MAX_LENGTH {
                return Err(Unreadable::TooLarge);
            }
            // The decoder replaces what is not UTF-8; two different requests must not become one.
            if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Unreadable::NotText);
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    /// Reads the body of a POST, which must say that it is a form.
    pub(super) async fn from_form(headers: &HeaderMap, body: Body) -> Result<Self, Unreadable> {
        if !is_form(headers) {
            return Err(Unreadable::NotAForm);
        }
        let bytes = to_bytes(body, MAX_ENCODED).await.map_err(|_| Unreadable::TooLarge)?;
        Self::parse(&bytes)
    }

    /// The value of a parameter that may come once; an empty one is absent.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Duplicate> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(Duplicate);
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// All values of a parameter that may come several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, value)| n == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Refuses a request in which any parameter but those in `repeatable` comes twice, known or not.
    pub(super) fn refuse_duplicates(&self, repeatable: &[&str]) -> Result<(), Duplicate> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !repeatable.contains(&name.as_str())
                && self.0[..index].iter().any(|(earlier, _)| earlier == name)
            {
                return Err(Duplicate);
            }
        }
        Ok(())
    }
}

/// The request says that its body is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_an_absent_one() {
        let params = Params::parse(b"state=&nonce=n").unwrap();
        assert_eq!(params.one("state"), Ok(None));
        assert_eq!(params.one("nonce"), Ok(Some("n")));
    }

    #[test]
    fn a_parameter_that_comes_twice_is_refused_even_with_one_value() {
        let params = Params::parse(b"state=a&state=a").unwrap();
        assert_eq!(params.one("state"), Err(Duplicate));
        assert_eq!(Params::parse(b"x=1&x=2").unwrap().refuse_duplicates(&[]), Err(Duplicate));
        assert_eq!(Params::parse(b"resource=1&resource=2").unwrap().refuse_duplicates(&["resource"]), Ok(()));
    }

    #[test]
    fn debug_shows_which_parameters_came_and_no_value() {
        let params = Params::parse(b"client_secret=s3cret&code=s3cret").unwrap();
        let shown = format!("{params:?}");
        assert!(shown.contains("client_secret") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_too_long_too_many_or_not_text_is_refused() {
        let long = format!("state={}", "a".repeat(MAX_LENGTH + 1));
        assert_eq!(Params::parse(long.as_bytes()).unwrap_err(), Unreadable::TooLarge);
        let many = "a=1&".repeat(MAX_COUNT + 1);
        assert_eq!(Params::parse(many.as_bytes()).unwrap_err(), Unreadable::TooMany);
        assert_eq!(Params::parse(b"state=%ff").unwrap_err(), Unreadable::NotText);
    }
}
