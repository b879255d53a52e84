//! What goes into a login at an upstream and what comes back: [`Ask`], [`Begin`], [`Pending`], [`Answer`].

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Network;

/// What the application asked about the login itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Whether and what to ask the person.
    pub prompt: Option<Prompt>,
    /// Longest time since the person last proved who they are, in seconds.
    pub max_age: Option<u64>,
    /// Who the application thinks it is.
    pub login_hint: Option<String>,
    /// Classes of proof, in order of preference, separated by spaces.
    pub acr_values: Option<String>,
    /// Languages, in order of preference, separated by spaces.
    pub ui_locales: Option<String>,
    /// Opaque ids of the nodes this login came through so far; told to Mangrove roots only.
    pub hops: Vec<String>,
    /// Whoever asks could ask somebody else: better no answer now than a person kept waiting. Told to Mangrove roots only.
    #[serde(default)]
    pub elsewhere: bool,
    /// The network of the browser that is to be sent on: whose turn it is where requests wait to be written. Told to nobody.
    #[serde(skip)]
    pub from: Network,
}

/// `prompt` of OpenID Connect Core 3.1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// No page may be shown.
    None,
    /// The person must prove who they are again.
    Login,
    /// The person must consent.
    Consent,
    /// The person must choose an account.
    SelectAccount,
}

/// Why a `prompt` parameter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// A value that OpenID Connect does not know.
    #[error("prompt holds a value that is not known")]
    Unknown,
    /// `none` beside another value.
    #[error("prompt=none stands alone")]
    NoneWithOthers,
}

impl Prompt {
    /// Reads the parameter: values separated by spaces. Of several the strictest counts (`login`, then `select_account`,
    /// then `consent`); an empty parameter asks nothing.
    ///
    /// # Errors
    /// An unknown value, or `none` beside others.
    pub fn parse(parameter: &str) -> Result<Option<Self>, PromptError> {
        let mut values = Vec::new();
        for word in parameter.split_ascii_whitespace() {
            let known = [Self::None, Self::Login, Self::SelectAccount, Self::Consent];
            values.push(known.into_iter().find(|p| p.as_str() == word).ok_or(PromptError::Unknown)?);
        }
        if values.contains(&Self::None) && values.iter().any(|p| *p != Self::None) {
            return Err(PromptError::NoneWithOthers);
        }
        Ok([Self::None, Self::Login, Self::SelectAccount, Self::Consent]
            .into_iter()
            .find(|p| values.contains(p)))
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }
}

/// How a login at a connector starts.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "one is made per login and moved once")]
pub enum Begin {
    /// The browser goes to `url`; `pending` comes back with the answer.
    Redirect {
        /// Where the browser goes.
        url: Url,
        /// What finishing this login needs.
        pending: Pending,
    },
    /// The browser posts `fields` to `url`; `pending` comes back with the answer.
    Post {
        /// Where the browser goes.
        url: Url,
        /// What it carries there.
        fields: Vec<(&'static str, String)>,
        /// What finishing this login needs.
        pending: Pending,
    },
    /// The node asks for a user name and a password itself.
    Password {
        /// Whose password is asked for.
        title: String,
    },
}

/// What finishing a login at an upstream needs. Opaque to others; kept with the login, on this side only.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// What the browser has to bring back: `state`, or `RelayState`.
    pub(crate) state: String,
    /// What the provider has to say: an ID token's `nonce`, or a response's `InResponseTo`.
    pub(crate) nonce: String,
    pub(crate) pkce_verifier: Option<String>,
    pub(crate) issuer: String,
    pub(crate) redirect_url: Url,
    /// Seconds since 1970.
    pub(crate) began: u64,
    pub(crate) max_age: Option<u64>,
    /// The provider was told to make the person prove who they are again.
    #[serde(default)]
    pub(crate) forced: bool,
    /// The provider was told which classes of proof are wanted.
    #[serde(default)]
    pub(crate) classes: bool,
}

impl Pending {
    /// The one-time `state` that the answer must carry (SAML: `RelayState`).
    pub fn state(&self) -> &str {
        &self.state
    }
}

/// Shows where to, never the one-time values.
impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("issuer", &self.issuer)
            .field("redirect_url", &self.redirect_url.as_str())
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}

/// What a browser brought back: the path it came to and the query or form, in order, duplicates kept.
#[derive(Clone, Default)]
pub struct Answer {
    /// Path of the request.
    pub path: String,
    /// Parameters, decoded.
    pub params: Vec<(String, String)>,
    /// From where the browser came.
    pub from: Network,
}

impl Answer {
    /// The first parameter of that name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Shows which parameters came, never their values: there is a code among them.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.params.iter().map(|(name, _)| name).collect();
        f.debug_struct("Answer").field("path", &self.path).field("params", &names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_none_stands_alone() {
        assert_eq!(Prompt::parse("none"), Ok(Some(Prompt::None)));
        assert_eq!(Prompt::parse("none login"), Err(PromptError::NoneWithOthers));
        assert_eq!(Prompt::parse("consent login"), Ok(Some(Prompt::Login)));
        assert_eq!(Prompt::parse("  "), Ok(None));
        assert_eq!(Prompt::parse("create"), Err(PromptError::Unknown));
    }

    #[test]
    fn debug_shows_no_one_time_values() {
        let answer = Answer {
            path: "/cb".into(),
            params: vec![("code".into(), "s3cret".into())],
            ..Answer::default()
        };
        assert!(!format!("{answer:?}").contains("s3cret"));
        let pending = Pending {
            state: "s3cret".into(),
            nonce: "s3cret".into(),
            pkce_verifier: Some("s3cret".into()),
            issuer: "https://idp.example".into(),
            redirect_url: Url::parse("https://node.example/cb").unwrap(),
            began: 0,
            max_age: None,
            forced: false,
            classes: false,
        };
        assert!(!format!("{pending:?}").contains("s3cret"));
    }
}
