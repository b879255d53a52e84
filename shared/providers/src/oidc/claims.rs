//! Claims about a person: by scope from the attributes that the login ended in, and by `claimsMapping`.
//!
//! They go into the ID token and userinfo and never into an access token, which other parties read.

use std::collections::{BTreeMap, HashMap, HashSet};

use mangrove_config::Config;
use mangrove_config::apps::OidcApp;
use mangrove_continuity::schema::{Path, listed};
use serde_json::{Map, Value};

use super::scope::{STANDARD, Scopes};

/// Attributes of a person, by the name of the connector or group that they came through.
pub type Attributes = BTreeMap<String, Map<String, Value>>;

/// Claims that the provider itself makes: a mapping must not forge them.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "events",
    "cnf",
    "act",
    "client_id",
    "scope",
    PATH_CLAIM,
];

/// The nodes and providers that a login came through; only for applications whose configuration asks.
pub(super) const PATH_CLAIM: &str = "mangrove_path";

/// An application's `claimsMapping`, parsed once.
#[derive(Debug, Default)]
pub(super) struct Mapping(Vec<Mapped>);

#[derive(Debug)]
struct Mapped {
    claim: String,
    source: String,
    path: Path,
}

impl Mapping {
    /// Parses `claim: connector.attribute` for each claim. Names may hold dots, so the longest known one is meant.
    ///
    /// # Errors
    /// All that is wrong with which claim, for the operator.
    pub(super) fn parse(written: &BTreeMap<String, String>, known: &[&str]) -> Result<Self, Vec<String>> {
        let mut mapped = Vec::new();
        let mut problems = Vec::new();
        for (claim, reference) in written {
            match Mapped::parse(claim, reference, known) {
                Ok(one) => mapped.push(one),
                Err(why) => problems.push(format!("claimsMapping: `{claim}: {reference}`: {why}")),
            }
        }
        if problems.is_empty() { Ok(Self(mapped)) } else { Err(problems) }
    }

    /// The names of the claims, for the discovery document.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|mapped| mapped.claim.as_str())
    }

    /// The claims about a person: what `scopes` ask for, from what came through `via`, then the mapped ones.
    pub(super) fn claims(&self, scopes: &Scopes, attributes: &Attributes, via: &str) -> Map<String, Value> {
        let told = self.told(scopes, attributes, via).into_iter();
        told.filter_map(|told| Some((told.claim, told.value?))).collect()
    }

    /// The same, each with whence it came; also those that a mapping names and nobody sends.
    pub(super) fn told(&self, scopes: &Scopes, attributes: &Attributes, via: &str) -> Vec<Told> {
        let own = attributes.get(via);
        let asked = scopes.asked().filter_map(|(scope, claim)| {
            let value = own?.get(claim).filter(|value| says_something(value))?.clone();
            Some(Told { claim: claim.to_owned(), value: Some(value), whence: format!("scope {scope}") })
        });
        let mut told: Vec<Told> = asked.collect();
        let asserted = address(&told);
        for Mapped { claim, source, path } in &self.0 {
            let found = attributes.get(source).and_then(|own| path.find(own));
            let value = found.filter(|value| says_something(value)).map(|value| listed(claim, value.clone()));
            // Where nobody sends what is mapped, what the scope asks for stays.
            if value.is_some() || told.iter().all(|told| told.claim != *claim) {
                told.retain(|told| told.claim != *claim);
                told.push(Told { claim: claim.clone(), value, whence: format!("{source}.{path}") });
            }
        }
        // `email_verified` speaks of the address it came with, not of another one that a mapping put in its place.
        if address(&told) != asserted && !self.names().any(|name| name == "email_verified") {
            told.retain(|told| told.claim != "email_verified");
        }
        told
    }

    /// What of [`Mapping::claims`] is left where fewer scopes ask: mapped claims need no scope.
    pub(super) fn narrowed(&self, mut claims: Map<String, Value>, scopes: &Scopes) -> Map<String, Value> {
        claims.retain(|name, _| {
            let by_scope = STANDARD.iter().any(|scope| scope.claims.contains(&name.as_str()));
            !by_scope
                || self.names().any(|mapped| mapped == name)
                || scopes.claims().any(|asked| asked == name)
        });
        claims
    }
}

/// Which attributes applications may be told, gathered once: it is asked for each attribute of each login.
#[derive(Debug)]
pub(super) struct Readable {
    /// By scope, of whomever.
    standard: HashSet<&'static str>,
    /// By mapping, of those who came through a connector or group.
    mapped: HashMap<String, HashSet<String>>,
}

impl Readable {
    /// What the scopes stand for, and what these mappings read.
    pub(super) fn by<'a>(mappings: impl Iterator<Item = &'a Mapping>) -> Self {
        let standard = STANDARD.iter().flat_map(|scope| scope.claims).copied().collect();
        let mut mapped: HashMap<String, HashSet<String>> = HashMap::new();
        for Mapped { source, path, .. } in mappings.flat_map(|mapping| &mapping.0) {
            mapped.entry(source.clone()).or_default().extend(path.entrances().map(str::to_owned));
        }
        Self { standard, mapped }
    }

    /// Whether an application may be told the attribute `name` of those who came through `via`, or what lies within it.
    pub(super) fn has(&self, via: &str, name: &str) -> bool {
        self.standard.contains(name) || self.mapped.get(via).is_some_and(|names| names.contains(name))
    }
}

/// A claim that an application gets, or would get if somebody sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its name.
    pub claim: String,
    /// Its value, if there is one.
    pub value: Option<Value>,
    /// Whence: the scope that asks for it, or what `claimsMapping` names.
    pub whence: String,
}

fn address(told: &[Told]) -> Option<Value> {
    told.iter().find(|told| told.claim == "email").and_then(|told| told.value.clone())
}

/// Which claims each scope asks for.
pub fn claims_by_scope() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    STANDARD.iter().filter(|scope| !scope.claims.is_empty()).map(|scope| (scope.name, scope.claims))
}

/// What an application could get of a person with these attributes, who came through `via`, if it asks for every scope.
///
/// # Errors
/// What is wrong with its `claimsMapping`.
pub fn could_get(
    config: &Config,
    app: &OidcApp,
    attributes: &Attributes,
    via: &str,
) -> Result<Vec<Told>, Vec<String>> {
    let sources: Vec<&str> = config.connectors.iter().map(mangrove_config::Connector::name).collect();
    let mapping = Mapping::parse(&app.claims_mapping, &sources)?;
    let all: Vec<&str> = STANDARD.iter().map(|scope| scope.name).collect();
    Ok(mapping.told(&Scopes::granted(&all.join(" "), |_| true), attributes, via))
}

impl Mapped {
    fn parse(claim: &str, reference: &str, known: &[&str]) -> Result<Self, String> {
        if RESERVED.contains(&claim) {
            return Err("the provider itself says this claim; choose another name".to_owned());
        }
        let (source, attribute) = split(reference, known)
            .ok_or_else(|| "there is no such connector; write `connector.attribute`".to_owned())?;
        let path = Path::parse(attribute).map_err(|why| why.to_string())?;
        Ok(Self { claim: claim.to_owned(), source: source.to_owned(), path })
    }
}

fn split<'a>(reference: &'a str, known: &[&str]) -> Option<(&'a str, &'a str)> {
    let name = known
        .iter()
        .filter(|name| reference.strip_prefix(**name).is_some_and(|rest| rest.starts_with('.')))
        .max_by_key(|name| name.len())?;
    let (source, rest) = reference.split_at(name.len());
    Some((source, &rest[1..]))
}

fn says_something(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attributes() -> Attributes {
        let own = json!({
            "email": "alice@example.com", "email_verified": true, "name": "Alice", "upn": "a@corp.example",
            "realm_access": { "roles": ["admin"] }, "phone_number": null,
        });
        BTreeMap::from([("group.a".to_owned(), own.as_object().unwrap().clone())])
    }

    fn mapping(pairs: &[(&str, &str)]) -> Result<Mapping, Vec<String>> {
        let written = pairs.iter().map(|(claim, from)| ((*claim).to_owned(), (*from).to_owned())).collect();
        Mapping::parse(&written, &["group", "group.a"])
    }

    fn scopes(text: &str) -> Scopes {
        Scopes::granted(text, |_| true)
    }

    #[test]
    fn a_scope_that_was_not_asked_for_gives_no_claim() {
        let claims = Mapping::default().claims(&scopes("openid profile phone"), &attributes(), "group.a");
        assert_eq!(Value::Object(claims), json!({ "name": "Alice" }));
    }

    #[test]
    fn a_mapped_claim_comes_from_the_attribute_it_names() {
        let mapping =
            mapping(&[("roles", "group.a.realm_access.roles"), ("none", "group.a.absent")]).unwrap();
        let claims = mapping.claims(&scopes("openid"), &attributes(), "group.a");
        assert_eq!(Value::Object(claims), json!({ "roles": ["admin"] }));
    }

    #[test]
    fn a_single_group_is_a_list_of_one() {
        let mapping =
            mapping(&[("groups", "group.a.name"), ("roles", "group.a.realm_access.roles")]).unwrap();
        let claims = mapping.claims(&scopes("openid"), &attributes(), "group.a");
        assert_eq!(Value::Object(claims), json!({ "groups": ["Alice"], "roles": ["admin"] }));
    }

    #[test]
    fn what_an_application_gets_is_told_with_whence() {
        let mapping = mapping(&[("email", "group.a.upn"), ("phone", "group.a.absent")]).unwrap();
        let told = mapping.told(&scopes("openid email profile"), &attributes(), "group.a");
        let told: Vec<_> = told
            .iter()
            .map(|told| (told.claim.as_str(), told.value.is_some(), told.whence.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("name", true, "scope profile"),
                ("email", true, "group.a.upn"),
                ("phone", false, "group.a.absent")
            ]
        );
    }

    #[test]
    fn applications_read_each_attribute_that_a_path_of_any_of_them_may_begin_with_and_no_other() {
        let one = mapping(&[("roles", "group.a.urn:x.1.roles[0]"), ("tel", "group.tel")]).unwrap();
        let other = mapping(&[("office", "group.a.office")]).unwrap();
        let readable = Readable::by([one, other].iter());
        for name in ["urn:x", "urn:x.1", "urn:x.1.roles", "urn:x.1.roles[0]", "office"] {
            assert!(readable.has("group.a", name), "{name}");
            assert!(!readable.has("group", name), "{name}");
        }
        for name in ["urn", "urn:x.1.role", "urn:x.1.roles[0].more", "tel", ""] {
            assert!(!readable.has("group.a", name), "{name}");
        }
        assert!(readable.has("group", "tel") && readable.has("another", "email"));
    }

    #[test]
    fn a_verified_mark_never_moves_to_another_address() {
        let mapping = mapping(&[("email", "group.a.upn")]).unwrap();
        let claims = mapping.claims(&scopes("openid email"), &attributes(), "group.a");
        assert_eq!(Value::Object(claims), json!({ "email": "a@corp.example" }));
    }

    #[test]
    fn a_mapping_cannot_forge_what_the_provider_itself_says() {
        for claim in ["sub", "aud", "sid", "mangrove_path"] {
            assert!(mapping(&[(claim, "group.a.email")]).is_err(), "{claim}");
        }
        assert!(mapping(&[("email", "nobody.email")]).is_err());
        assert!(mapping(&[("email", "groupemail")]).is_err());
    }
}
