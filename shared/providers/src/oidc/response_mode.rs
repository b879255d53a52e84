//! How an authorization response travels to the application: in the redirect's query, or as a form that the browser
//! posts (OAuth 2.0 Form Post Response Mode). Each response names its issuer (RFC 9207), errors included.

use axum::response::Response;
use mangrove_login::layout::{self, Frame};
use serde::{Deserialize, Serialize};

use super::authorize::ReturnTo;
use super::respond;

/// How a response travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResponseMode {
    #[default]
    Query,
    FormPost,
}

/// The modes and their names.
pub(super) const MODES: &[(&str, ResponseMode)] =
    &[("query", ResponseMode::Query), ("form_post", ResponseMode::FormPost)];

impl ResponseMode {
    pub(super) fn parse(name: &str) -> Option<Self> {
        MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }
}

/// Sends `params`, `state` and `iss` to the application.
pub(super) fn deliver(frame: Frame<'_>, to: &ReturnTo, issuer: &str, params: &[(&str, &str)]) -> Response {
    let state = to.state.as_deref().map(|state| ("state", state));
    let all: Vec<(&str, &str)> = params.iter().copied().chain(state).chain([("iss", issuer)]).collect();
    match to.mode {
        ResponseMode::Query => respond::see_other(&with_query(&to.redirect_uri, &all)),
        ResponseMode::FormPost => layout::form_post(frame, "Back to the application", &to.redirect_uri, &all),
    }
}

/// Appends to a URI's query; the URI itself stays the string that was registered.
pub(super) fn with_query(uri: &str, params: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_the_redirect_uri_stays_as_it_is() {
        let params = [("code", "a b"), ("iss", "https://x")];
        assert_eq!(with_query("https://app/cb", &params), "https://app/cb?code=a+b&iss=https%3A%2F%2Fx");
        assert_eq!(with_query("https://app/cb?t=%7E", &params[..1]), "https://app/cb?t=%7E&code=a+b");
        assert_eq!(with_query("https://app/cb?", &params[..1]), "https://app/cb?code=a+b");
    }
}
