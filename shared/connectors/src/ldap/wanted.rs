//! Which attributes of a person's entry are asked for: each by its name, never all.
//!
//! Entries hold passwords, keys and pictures beside what applications want, under names that each maker invents anew, so a list of
//! what to hide is never whole. What can reach an application is named somewhere in the configuration, or is among [`USUAL`]: that is
//! asked for, and nothing else comes over the wire, into a session or into a token. A name too many costs nothing (directories pass
//! over those that they do not know), so every mapping counts, whoever it is about.

use mangrove_config::apps::App;
use mangrove_config::connectors::is_attribute;
use mangrove_config::continuity::Source;
use mangrove_config::{Config, Connector};

use super::entry::{IDENTIFIERS, is_secret};
use super::settings::{By, Settings};

/// What is asked for although nobody names it.
const USUAL: &[&str] = &[
    // Names and addresses of people (RFC 4519, RFC 2798).
    "c",
    "cn",
    "departmentNumber",
    "displayName",
    "employeeNumber",
    "employeeType",
    "givenName",
    "initials",
    "l",
    "mail",
    "manager",
    "mobile",
    "o",
    "ou",
    "physicalDeliveryOfficeName",
    "postalAddress",
    "postalCode",
    "preferredLanguage",
    "sn",
    "st",
    "street",
    "telephoneNumber",
    "title",
    "uid",
    // Active Directory's.
    "co",
    "company",
    "department",
    "employeeID",
    "objectSid",
    "proxyAddresses",
    "sAMAccountName",
    "streetAddress",
    "userPrincipalName",
    // Groups; operational in most directories.
    "memberOf",
    // Claims of the standard scopes that can be attributes' names.
    "address",
    "birthdate",
    "email",
    "gender",
    "groups",
    "locale",
    "name",
    "nickname",
    "picture",
    "profile",
    "roles",
    "website",
    "zoneinfo",
];

/// The names to ask a directory for, each once, whatever its case, as an operator writes it where one does.
pub(super) fn attributes(settings: &Settings, config: &Config) -> Vec<String> {
    let mapped = settings.mapping.iter().map(|(_, theirs)| theirs.as_str());
    let key = match &settings.by {
        By::Key(key) | By::Rdn(key) => Some(key.as_str()),
        By::ActiveDirectory => None,
    };
    let named = mapped.chain(key).chain(named_in(config));
    let mut wanted: Vec<String> = Vec::new();
    for name in named.chain(IDENTIFIERS.iter().copied()).chain(USUAL.iter().copied()) {
        if !is_secret(name) && wanted.iter().all(|known| !known.eq_ignore_ascii_case(name)) {
            wanted.push(name.to_owned());
        }
    }
    wanted
}

/// All names in mappings of groups and applications that may be attributes'.
fn named_in(config: &Config) -> impl Iterator<Item = &str> {
    let groups = config.connectors.iter().filter_map(|connector| match connector {
        Connector::Continuity(group) => Some(group),
        _ => None,
    });
    let rules = groups.flat_map(|group| &group.attributes);
    let mapped = rules.flat_map(|rule| rule.mapping.values()).flat_map(Source::paths);
    let claims = config.apps.iter().flat_map(|app| match app {
        App::Oidc(app) => app.claims_mapping.values(),
        App::Saml(app) => app.claims_mapping.values(),
    });
    // Behind the connector's name, which may hold dots itself.
    let claimed = claims.flat_map(|from| from.match_indices('.').map(|(dot, _)| &from[dot + 1..]));
    mapped.chain(claimed).flat_map(begins_with).filter(|name| is_keyword_or_oid(name))
}

/// The names that a path may begin with: it is `name`, `name[0]`, or goes into an object by `name.other`.
fn begins_with(path: &str) -> impl Iterator<Item = &str> {
    let name = path.split('[').next().unwrap_or_default();
    name.match_indices('.').map(|(dot, _)| &name[..dot]).chain([name])
}

/// RFC 4512 section 1.4: dots are in object identifiers and nowhere else.
fn is_keyword_or_oid(name: &str) -> bool {
    is_attribute(name) && name.contains('.') == name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(directory: &serde_json::Value) -> Vec<String> {
        let group = json!({
            "type": "continuity", "name": "all.people", "strategy": "failover", "failover": { "idps": ["d", "other"] },
            "attributes": [
                { "name": "sub", "mapping": { "d": "badgeID", "other": "sub" } },
                { "name": "color", "mapping": { "d": { "path": ["favouriteColor[0]", "MAIL"], "pick": "first" } } },
                { "name": "x", "mapping": { "other": "http://schemas.example/claims/x", "d": "1.2.840.1" } },
                { "name": "secret", "mapping": { "d": "userPassword" } },
            ],
        });
        let app = json!({
            "type": "oidc", "name": "a", "clientID": "a", "redirectURLs": [], "authentication": { "idps": ["all.people"] },
            "claimsMapping": { "office": "all.people.roomNumber", "lab": "all.people.lab_person" },
        });
        let config = Config {
            connectors: [directory.clone(), group].map(|it| serde_json::from_value(it).unwrap()).into(),
            apps: vec![serde_json::from_value(app).unwrap()],
            ..Config::default()
        };
        let Connector::Ldap(written) = &config.connectors[0] else { panic!("a directory") };
        attributes(&Settings::read(written, false).unwrap(), &config)
    }

    #[test]
    fn what_the_configuration_names_is_asked_for_and_what_is_usual_and_no_more() {
        let asked = asked(&json!({
            "type": "ldap", "name": "d", "url": "ldaps://a", "baseDN": "dc=x", "bindDN": "cn=s", "bindPassword": "p",
            "usernameSearchKey": "login", "attributeMapping": { "name": "gecos" },
        }));
        let is_asked = |name: &str| asked.iter().any(|asked| asked == name);
        for name in [
            "badgeID",
            "favouriteColor",
            "1.2.840.1",
            "roomNumber",
            "login",
            "gecos",
            "entryUUID",
            "memberOf",
            "cn",
        ] {
            assert!(is_asked(name), "{name}: {asked:?}");
        }
        assert!(is_asked("MAIL") && !is_asked("mail"), "once, as the operator writes it");
        for name in ["*", "+", "userPassword", "lab_person", "people.roomNumber", "1"] {
            assert!(!is_asked(name), "{name}: {asked:?}");
        }
    }
}
