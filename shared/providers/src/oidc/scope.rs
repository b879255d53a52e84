//! Scopes: which there are, what an application gets of those it asks for, and which claims they stand for.

use serde::{Deserialize, Serialize};

pub(super) const OPENID: &str = "openid";
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// A scope of OpenID Connect Core section 5.4 (and `groups`, which everybody has) with the claims it asks for.
pub(super) struct Standard {
    pub(super) name: &'static str,
    pub(super) claims: &'static [&'static str],
}

/// The table of standard scopes.
pub(super) const STANDARD: &[Standard] = &[
    Standard { name: OPENID, claims: &[] },
    Standard {
        name: "profile",
        claims: &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    },
    Standard { name: "email", claims: &["email", "email_verified"] },
    Standard { name: "address", claims: &["address"] },
    Standard { name: "phone", claims: &["phone_number", "phone_number_verified"] },
    Standard { name: "groups", claims: &["groups"] },
    Standard { name: OFFLINE_ACCESS, claims: &[] },
];

/// What a token may be used for: scope names, each once, in the order asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Scopes(String);

impl Scopes {
    /// What is granted of `asked`: the scopes that `knows` knows. Others are left out (OpenID Connect Core section
    /// 3.1.2.1), which the token response then says.
    pub(super) fn granted(asked: &str, knows: impl Fn(&str) -> bool) -> Self {
        let mut granted = Self::default();
        for name in asked.split(' ').filter(|name| !name.is_empty()) {
            if knows(name) && !granted.has(name) {
                granted.push(name);
            }
        }
        granted
    }

    /// A narrower set for a refresh (RFC 6749 section 6); nothing if `asked` names a scope that is not in this one.
    pub(super) fn narrowed(&self, asked: &str) -> Option<Self> {
        let mut narrowed = Self::default();
        for name in asked.split(' ').filter(|name| !name.is_empty()) {
            if !self.has(name) {
                return None;
            }
            if !narrowed.has(name) {
                narrowed.push(name);
            }
        }
        (!narrowed.0.is_empty()).then_some(narrowed)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.split(' ').any(|granted| granted == name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The claims that these scopes ask for, each with its scope.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        let granted = STANDARD.iter().filter(|scope| self.has(scope.name));
        granted.flat_map(|scope| scope.claims.iter().map(|claim| (scope.name, *claim)))
    }

    /// The claims that these scopes ask for.
    pub(super) fn claims(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.asked().map(|(_, claim)| claim)
    }

    fn push(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(name: &str) -> bool {
        STANDARD.iter().any(|scope| scope.name == name)
    }

    #[test]
    fn unknown_and_repeated_scopes_are_left_out() {
        assert_eq!(Scopes::granted("openid root email  openid", standard).as_str(), "openid email");
    }

    #[test]
    fn a_refresh_may_narrow_the_scope_and_never_widen_it() {
        let scopes = Scopes::granted("openid email offline_access", standard);
        assert_eq!(scopes.narrowed("openid").unwrap().as_str(), "openid");
        assert_eq!(scopes.narrowed("openid profile"), None);
        assert_eq!(scopes.narrowed(" "), None);
    }
}
