//! Names that refer to something: connectors, TLS profiles, caches, attributes.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::{
    App, Connector,
    apps::Authentication,
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    references::nearest,
    trail::{Trail, at},
    tree::Node,
};

/// Applications and groups name connectors that exist.
pub(super) fn connectors_exist(context: &Context<'_>, findings: &mut Findings) {
    let known: Vec<&str> = context.names("connectors").into_iter().map(|(_, name)| name).collect();
    let mut named: Vec<(Trail, &String)> = Vec::new();
    for (trail, connector) in context.connectors() {
        if let Connector::Continuity(group) = connector {
            let at = trail.then("failover").then("idps");
            named.extend(group.failover.idps.iter().enumerate().map(|(i, name)| (at.then(i), name)));
        }
    }
    for (trail, app) in context.apps() {
        let at = trail.then("authentication").then("idps");
        named.extend(authentication(app).idps.iter().enumerate().map(|(i, name)| (at.then(i), name)));
    }
    for (trail, name) in named.into_iter().filter(|(_, name)| !known.contains(&name.as_str())) {
        missing(context, &trail, "connector", name, &known, findings);
    }
}

/// Applications ask at least one connector.
pub(super) fn apps_ask_somebody(context: &Context<'_>, findings: &mut Findings) {
    for (trail, app) in context.apps().filter(|(_, app)| authentication(app).idps.is_empty()) {
        let trail = trail.then("authentication").then("idps");
        findings
            .at(Problem, context.tree, &trail, format!("nobody vouches for the people of `{}`", app.name()))
            .hint("name at least one connector or group");
    }
}

/// TLS profiles that are named exist.
pub(super) fn tls_profiles_exist(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    let mut named: Vec<(Trail, Option<&String>)> = vec![(at!["http", "tls"], config.http.tls.as_ref())];
    for (i, host) in config.http.hosts.iter().enumerate() {
        named.push((at!["http", "hosts", i, "tls"], host.tls.as_ref()));
    }
    for (trail, connector) in context.connectors() {
        let tls = match connector {
            Connector::Oidc(c) => c.tls.as_ref(),
            Connector::Saml(c) => c.tls.as_ref(),
            Connector::Ldap(c) | Connector::ActiveDirectory(c) => c.tls.as_ref(),
            Connector::Local(_) | Connector::Continuity(_) => None,
        };
        named.push((trail.then("tls"), tls));
    }
    for (i, cache) in config.caches.iter().enumerate() {
        named.push((
            at!["caches", i, "redis", "tls"],
            cache.redis.as_ref().and_then(|redis| redis.tls.as_ref()),
        ));
    }
    let known: Vec<&str> = context
        .tree
        .get("tls")
        .into_iter()
        .flat_map(Node::entries)
        .map(|(key, _)| key.text.as_str())
        .collect();
    for (trail, name) in named {
        if let Some(name) = name.filter(|name| !known.contains(&name.as_str())) {
            missing(context, &trail, "TLS profile", name, &known, findings);
        }
    }
}

/// Caches that are named exist.
pub(super) fn caches_exist(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    let known: Vec<&str> =
        context.names("caches").into_iter().map(|(_, name)| name).chain(["local_default"]).collect();
    let oidc = config.oidc_provider.as_ref().and_then(|provider| provider.cache.as_ref());
    let saml = config.saml_provider.as_ref().and_then(|provider| provider.cache.as_ref());
    for (trail, name) in [(at!["oidcProvider", "cache"], oidc), (at!["samlProvider", "cache"], saml)] {
        if let Some(name) = name.filter(|name| !known.contains(&name.as_str())) {
            missing(context, &trail, "cache", name, &known, findings);
        }
    }
}

fn missing(
    context: &Context<'_>,
    trail: &Trail,
    what: &str,
    name: &str,
    known: &[&str],
    findings: &mut Findings,
) {
    let shown = context.tree.nearest(trail).shown();
    let finding = findings.at(Problem, context.tree, trail, format!("there is no {what} {shown}"));
    match nearest(name, known.iter().copied()) {
        Some(near) => finding.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => finding.hint(format!("define a {what} of that name")),
        None => finding.hint(format!("there are: {}", known.join(", "))),
    };
}

/// `claimsMapping` leads to a connector that the application asks, and to an attribute that somebody provides.
pub(super) fn claims_lead_somewhere(context: &Context<'_>, findings: &mut Findings) {
    let groups: BTreeMap<&str, &Connector> = context.connectors().map(|(_, c)| (c.name(), c)).collect();
    for (trail, app) in context.apps() {
        let mapping = match app {
            App::Oidc(app) => &app.claims_mapping,
            App::Saml(app) => &app.claims_mapping,
        };
        let asked = within_reach(&authentication(app).idps, &groups);
        for (claim, from) in mapping {
            claim_leads_somewhere(context, &trail.then("claimsMapping").then(claim), from, &asked, findings);
        }
    }
}

fn claim_leads_somewhere(
    context: &Context<'_>,
    trail: &Trail,
    from: &str,
    asked: &BTreeSet<String>,
    findings: &mut Findings,
) {
    let known = context.names("connectors");
    let whose = |name: &str| from.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
    let hit =
        known.iter().filter_map(|(_, name)| Some((*name, whose(name)?))).max_by_key(|(name, _)| name.len());
    let shown = context.tree.nearest(trail).shown();
    let Some((connector, attribute)) = hit else {
        let name = from.split('.').next().unwrap_or_default();
        let near = nearest(name, known.iter().map(|(_, name)| *name));
        let hint = near.map_or_else(
            || "write `connector.attribute` with the name of a connector or group".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        findings
            .at(Problem, context.tree, trail, format!("{shown} does not begin with the name of a connector"))
            .hint(hint);
        return;
    };
    if attribute.is_empty() {
        findings
            .at(Problem, context.tree, trail, format!("{shown} names no attribute"))
            .hint(format!("write for example `{connector}.email`"));
    } else if !asked.contains(connector) {
        let message = format!("this application does not ask `{connector}`: the claim never has a value");
        findings.at(Warning, context.tree, trail, message).hint(format!(
            "add `{connector}` to the application's `authentication.idps`, or map from one that is there"
        ));
    } else if let Some(group) = context.connectors().find(|(_, c)| c.name() == connector).map(|(_, c)| c) {
        attribute_is_provided(context, trail, group, attribute, findings);
    }
}

/// Claims that OpenID providers commonly send; everything else that nobody maps is more likely a slip.
const COMMON: &[&str] = &[
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
    "groups",
    "roles",
    "role",
    "acr",
    "amr",
    "auth_time",
];

fn attribute_is_provided(
    context: &Context<'_>,
    trail: &Trail,
    group: &Connector,
    attribute: &str,
    findings: &mut Findings,
) {
    let Connector::Continuity(group) = group else { return };
    let first = attribute.split(['.', '[']).next().unwrap_or(attribute);
    if let Some(rule) = group.attributes.iter().find(|rule| rule.name == attribute || rule.name == first) {
        if rule.mapping.is_empty() && rule.default.is_none() {
            let message = format!("no member of `{}` provides `{attribute}`", group.name);
            findings.at(Warning, context.tree, trail, message).hint("map it in the group's `attributes`");
        }
        return;
    }
    if COMMON.contains(&first) {
        return;
    }
    let near = nearest(first, group.attributes.iter().map(|rule| rule.name.as_str()));
    let hint = near.map_or_else(
        || {
            format!(
                "map it in the attributes of `{}`; unmapped, it exists only where a provider sends it so",
                group.name
            )
        },
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("no member of `{}` is known to provide `{attribute}`", group.name);
    findings.at(Warning, context.tree, trail, message).hint(hint);
}

pub(super) fn authentication(app: &App) -> &Authentication {
    match app {
        App::Oidc(app) => &app.authentication,
        App::Saml(app) => &app.authentication,
    }
}

/// The names, and those of all members of groups among them.
fn within_reach(names: &[String], connectors: &BTreeMap<&str, &Connector>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = names.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if reached.insert(name.to_owned())
            && let Some(Connector::Continuity(group)) = connectors.get(name)
        {
            open.extend(group.failover.idps.iter().map(String::as_str));
        }
    }
    reached
}
