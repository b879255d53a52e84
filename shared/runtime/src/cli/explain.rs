//! `check -explain MEMBER`: what applications would see of somebody from there, attribute by attribute, by the same code that
//! signs people in. With a file of sample claims it shows values; without, the rules in words. Asks no provider.

use std::fmt::Write as _;
use std::path::Path;

use mangrove_config::apps::OidcApp;
use mangrove_config::{App, Config, Connector as Written};
use mangrove_connectors::Identity;
use mangrove_continuity::schema::{AttributeRule, Seen, Whence};
use mangrove_login::explain::{Explained, Explainer, Level, Rules};
use mangrove_providers::oidc;
use serde_json::{Map, Value};

use super::{Exit, complain, say};
use crate::rooms;

/// Largest file of sample claims, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What says who somebody is in a sample, as the connectors have it.
const IDENTIFIERS: [&str; 5] = ["sub", "nameID", "entryUUID", "objectGUID", "nsUniqueId"];

/// Tells what applications would see of somebody from `member`.
pub(super) fn explain(config: &Config, member: &str, claims: Option<&Path>) -> Exit {
    match told(config, member, claims) {
        Ok((text, exit)) => {
            say(&text.trim_end());
            exit
        }
        Err(why) => {
            complain(&why);
            Exit::BadInput
        }
    }
}

fn told(config: &Config, member: &str, claims: Option<&Path>) -> Result<(String, Exit), String> {
    let Some(written) = connector(config, member) else {
        let known =
            config.connectors.iter().filter(|c| !matches!(c, Written::Continuity(_))).map(Written::name);
        let near = mangrove_config::nearest(member, known).map(|near| format!("; did you mean `{near}`?"));
        return Err(format!("there is no connector `{member}`{}", near.unwrap_or_default()));
    };
    let (connectors, _) = rooms::upstream(config, Path::new("/nonexistent"), "")?;
    let explainer = Explainer::new(config, &connectors);
    let sample = claims.map(read).transpose()?;
    let mut text = String::new();
    let mut exit = Exit::Clean;
    let mut ways: Vec<String> = Vec::new();
    for app in config.apps.iter().filter_map(|app| if let App::Oidc(app) = app { Some(app) } else { None }) {
        let Some(way) = explainer.way(&app.authentication.idps, member) else { continue };
        let (via, rules) = (way.via(), way.rules()?);
        let is_new = !ways.iter().any(|told| told == via);
        match &sample {
            None => {
                if is_new {
                    in_words(&mut text, member, via, &rules);
                }
                asks(&mut text, app);
            }
            Some(claims) => {
                let explained = way.person(&identity(written, claims));
                if is_new {
                    with_values(&mut text, member, claims, via, &rules, &explained);
                }
                match &explained.person {
                    Ok((sub, attributes)) => gets(&mut text, config, app, via, sub, attributes)?,
                    Err(_) => exit = Exit::Failed,
                }
            }
        }
        ways.push(via.to_owned());
    }
    if ways.is_empty() {
        return Err(format!(
            "no application asks `{member}`, by itself or in a group; see `authentication.idps`"
        ));
    }
    Ok((text, exit))
}

fn connector<'a>(config: &'a Config, name: &str) -> Option<&'a Written> {
    config.connectors.iter().find(|c| c.name() == name && !matches!(c, Written::Continuity(_)))
}

/// Reads sample claims: one JSON object.
fn read(file: &Path) -> Result<Map<String, Value>, String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let size = std::fs::metadata(file).map_err(|why| said(&why))?.len();
    if size > LARGEST {
        return Err(said(&format!("is larger than {LARGEST} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|why| said(&why))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) => Err(said(&"write one object of claims, like { \"email\": \"alice@example.com\" }")),
        Err(why) => {
            let words = why.to_string();
            let words = words.split(" at line ").next().unwrap_or_default();
            Err(format!("{}:{}:{}: {words}", file.display(), why.line(), why.column()))
        }
    }
}

/// Somebody for whom the connector vouches with these claims.
fn identity(written: &Written, claims: &Map<String, Value>) -> Identity {
    let subject = IDENTIFIERS.iter().find_map(|name| claims.get(*name)?.as_str());
    Identity {
        connector: written.name().to_owned(),
        issuer: None,
        subject: subject.unwrap_or("...").to_owned(),
        claims: claims.clone(),
        auth_time: None,
        acr: None,
        amr: Vec::new(),
        path: Vec::new(),
        email_trusted: written.trusts_email(),
        logout_hint: None,
        upstream_sid: None,
        subject_passes: false,
        once: None,
    }
}

/// The rules on the way to an application, in words.
fn in_words(text: &mut String, member: &str, via: &str, rules: &[Rules<'_>]) {
    if rules.is_empty() {
        let _ = writeln!(
            text,
            "{member}, which no group maps: `sub` is `{member}|` and who it says it is; all else as it is sent"
        );
    }
    for Rules { group, member, rules } in rules {
        let _ = writeln!(text, "{member} in {group}");
        let mut rows: Vec<(&str, String)> = Vec::new();
        if !rules.iter().any(|rule| rule.name == "sub") {
            rows.push(("sub", format!("not mapped: `{member}|` and who it says it is")));
        }
        rows.extend(rules.iter().map(|rule| (rule.name.as_str(), rule_in_words(rule, member))));
        rows.push(("all else", "as it is sent".to_owned()));
        table(text, &rows);
    }
    let _ = writeln!(text, "\nSeen by those who ask {via}:");
}

fn rule_in_words(rule: &AttributeRule, member: &str) -> String {
    let letters = if rule.lower_case { ", in small letters" } else { "" };
    let default = rule.default.as_ref().map(|value| format!("else {value}, by default"));
    match (rule.mapping.get(member), default) {
        (Some(source), _) if rule.name == "sub" => {
            format!("{source}{letters}; without it nobody is signed in")
        }
        (Some(source), Some(default)) => format!("{source}{letters}; {default}"),
        (Some(source), None) => format!("{source}{letters}; else absent"),
        (None, _) if rule.name == "sub" => format!("not mapped for {member}: nobody from there is signed in"),
        (None, Some(_)) => format!("{}, by default: not mapped for {member}", shown(rule.default.as_ref())),
        (None, None) => format!("absent: not mapped for {member}"),
    }
}

/// What an application would get, in words.
fn asks(text: &mut String, app: &OidcApp) {
    let _ = writeln!(text, "{}", app.name);
    let mut rows = vec![("sub", "always".to_owned())];
    rows.extend(app.claims_mapping.iter().map(|(claim, from)| (claim.as_str(), format!("always: {from}"))));
    let scopes = oidc::claims_by_scope();
    rows.extend(scopes.map(|(scope, claims)| (scope, format!("by this scope: {}", claims.join(", ")))));
    table(text, &rows);
}

/// What became of sample claims on the way to an application.
fn with_values(
    text: &mut String,
    member: &str,
    claims: &Map<String, Value>,
    via: &str,
    rules: &[Rules<'_>],
    explained: &Explained,
) {
    let is_mapped = rules.iter().any(|level| level.rules.iter().any(|rule| rule.name == "sub"));
    if !is_mapped && !IDENTIFIERS.iter().any(|name| claims.contains_key(*name)) {
        let _ = writeln!(text, "The sample has no `sub`; `...` stands for who {member} says it is.");
    }
    for (Level { group, member, seen }, Rules { rules, .. }) in explained.levels.iter().zip(rules) {
        let _ = writeln!(text, "{member} in {group}");
        let rule_of = |seen: &Seen| rules.iter().find(|rule| rule.name == seen.name);
        let in_words = |seen| seen_in_words(seen, member, rule_of(seen));
        let (passed_on, ruled): (Vec<_>, Vec<_>) =
            seen.iter().partition(|seen| seen.whence == Whence::PassedOn);
        let rows: Vec<_> =
            ruled.into_iter().chain(passed_on).map(|seen| (seen.name.as_str(), in_words(seen))).collect();
        table(text, &rows);
    }
    let _ = match &explained.person {
        Ok(_) => writeln!(text, "\nSeen by those who ask {via}, in the ID token and from userinfo:"),
        Err(why) => writeln!(text, "Nobody is signed in: {why}."),
    };
}

fn seen_in_words(seen: &Seen, member: &str, rule: Option<&AttributeRule>) -> String {
    let value = shown(seen.value.as_ref());
    let letters = if rule.is_some_and(|rule| rule.lower_case) { ", in small letters" } else { "" };
    let source = rule.and_then(|rule| rule.mapping.get(member));
    let none =
        source.map_or(format!("not mapped for {member}"), |source| format!("{member} sent no {source}"));
    match seen.whence {
        Whence::Mapped => {
            format!("{value}, from {}{letters}", source.map(ToString::to_string).unwrap_or_default())
        }
        Whence::Default => format!("{value}, by default: {none}"),
        Whence::NotSent | Whence::NotMapped => format!("absent: {none}, and there is no default"),
        Whence::PassedOn => format!("{value}, as it was sent"),
        Whence::HeldBack => "held back: it speaks of another address".to_owned(),
    }
}

/// What an application gets of somebody.
fn gets(
    text: &mut String,
    config: &Config,
    app: &OidcApp,
    via: &str,
    sub: &str,
    attributes: &Map<String, Value>,
) -> Result<(), String> {
    let attributes = [(via.to_owned(), attributes.clone())].into();
    let told = oidc::could_get(config, app, &attributes, via).map_err(|why| why.join("\n"))?;
    let _ = writeln!(text, "{}", app.name);
    let sub = ("sub", format!("{}, always", shown(Some(&Value::from(sub)))));
    let rows = told
        .iter()
        .map(|told| (told.claim.as_str(), format!("{}, {}", shown(told.value.as_ref()), told.whence)));
    table(text, &std::iter::once(sub).chain(rows).collect::<Vec<_>>());
    Ok(())
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}

/// Two columns, indented.
fn table(text: &mut String, rows: &[(&str, String)]) {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, words) in rows {
        let _ = writeln!(text, "  {name:width$}  {words}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Config {
        let staff = json!({
            "type": "ldap", "name": "staff", "url": "ldaps://ldap.example.com", "baseDN": "dc=example,dc=com",
            "bindDN": "cn=mangrove", "bindPassword": "secret", "usernameSearchKey": "uid", "trustEmail": true,
        });
        let okta = json!({
            "type": "oidc", "name": "okta", "oauthClientID": "node", "oauthClientSecret": "secret",
            "oidcWellKnownURL": "https://okta.example.com/.well-known/openid-configuration",
            "oauthRedirectURL": "https://node.example.com/okta",
        });
        let attributes = json!([
            { "name": "sub", "mapping": { "okta": "employee", "staff": "employeeNumber" } },
            { "name": "email", "mapping": { "okta": "email", "staff": { "path": "mail", "pick": "first" } }, "case": "lower" },
            { "name": "displayName", "mapping": { "okta": "name", "staff": { "path": ["givenName", "sn"], "join": " " } } },
            { "name": "role", "mapping": { "okta": "role", "staff": "employeeType" }, "default": "user" },
            { "name": "office", "mapping": { "okta": "office" } },
        ]);
        let group = json!({ "type": "continuity", "name": "corp", "failover": { "idps": ["okta", "staff"] }, "attributes": attributes });
        let app = json!({
            "type": "oidc", "name": "payroll", "clientID": "payroll", "clientSecret": "secret",
            "redirectURLs": ["https://payroll.example.com/cb"], "authentication": { "idps": ["corp"] },
            "claimsMapping": { "displayName": "corp.displayName", "role": "corp.role", "office": "corp.office" },
        });
        serde_json::from_value(json!({ "connectors": [okta, staff, group], "apps": [app] })).unwrap()
    }

    fn with(claims: &Value) -> Result<(String, Exit), String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("claims.json");
        std::fs::write(&file, claims.to_string()).unwrap();
        told(&config(), "staff", Some(&file))
    }

    /// Whether a line says so, however wide its first column is.
    fn says(text: &str, line: &str) -> bool {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().any(|said| words(said) == words(line))
    }

    #[test]
    fn sample_claims_become_what_the_application_would_see_each_with_whence() {
        let (text, exit) = with(&json!({
            "entryUUID": "u-1", "employeeNumber": "17", "mail": ["Alice@Example.com", "al@example.com"],
            "givenName": "Alice", "sn": "Liddell", "memberOf": ["cn=staff"], "groups": "staff",
        }))
        .unwrap();
        assert_eq!(exit, Exit::Clean, "{text}");
        for line in [
            "staff in corp",
            "sub \"17\", from employeeNumber",
            "email \"alice@example.com\", from mail, the first, in small letters",
            "displayName \"Alice Liddell\", from givenName and sn, joined by \" \"",
            "role \"user\", by default: staff sent no employeeType",
            "office absent: not mapped for staff, and there is no default",
            "groups [\"staff\"], as it was sent",
            "payroll",
            "sub \"17\", always",
            "email \"alice@example.com\", scope email",
            "role \"user\", corp.role",
            "office absent, corp.office",
        ] {
            assert!(says(&text, line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn somebody_whom_nothing_identifies_is_not_signed_in_and_the_reason_is_told() {
        let (text, exit) = with(&json!({ "mail": "alice@example.com" })).unwrap();
        assert_eq!(exit, Exit::Failed);
        assert!(text.contains("Nobody is signed in: `staff` sent no `employeeNumber`"), "{text}");
        assert!(!text.contains("payroll"), "{text}");
    }

    #[test]
    fn without_claims_the_rules_are_told_in_words() {
        let (text, _) = told(&config(), "staff", None).unwrap();
        for line in [
            "sub employeeNumber; without it nobody is signed in",
            "email mail, the first, in small letters; else absent",
            "role employeeType; else \"user\", by default",
            "office absent: not mapped for staff",
            "all else as it is sent",
            "payroll",
            "role always: corp.role",
        ] {
            assert!(says(&text, line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_says_why_and_where() {
        let unknown = told(&config(), "stuff", None).unwrap_err();
        assert_eq!(unknown, "there is no connector `stuff`; did you mean `staff`?");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("claims.json");
        let of = |text: &str| {
            std::fs::write(&file, text).unwrap();
            told(&config(), "staff", Some(&file)).unwrap_err()
        };
        assert!(
            of("{\n  \"mail\": }\n").ends_with("claims.json:2:11: expected value"),
            "{}",
            of("{\n  \"mail\": }\n")
        );
        assert!(of("[]").ends_with("write one object of claims, like { \"email\": \"alice@example.com\" }"));
        let mut alone = config();
        alone.apps.clear();
        assert!(told(&alone, "staff", None).unwrap_err().starts_with("no application asks `staff`"));
    }
}
