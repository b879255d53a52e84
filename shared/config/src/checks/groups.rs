//! Continuity groups: members, cycles, attributes, and who could vouch for whom.

use std::collections::{BTreeMap, BTreeSet};

use mangrove_continuity::schema::{PathError, SourceError, Unsound};
use mangrove_continuity::subject::is_email;

use super::Context;
use crate::{
    Connector,
    continuity::{Attribute, Case, Continuity},
    finding::{
        Findings,
        Severity::{Assumption, Note, Problem, Warning},
    },
    references::nearest,
    trail::Trail,
};

fn groups<'a>(context: &Context<'a>) -> Vec<(Trail, &'a Continuity)> {
    let groups = context.connectors().filter_map(|(trail, connector)| match connector {
        Connector::Continuity(group) => Some((trail, group)),
        _ => None,
    });
    groups.collect()
}

/// A group has members, each once.
pub(super) fn groups_have_members(context: &Context<'_>, findings: &mut Findings) {
    for (trail, group) in groups(context) {
        let at = trail.then("failover").then("idps");
        let written = context.tree.find(&at).map(|node| node.items().len()).unwrap_or_default();
        if group.failover.idps.is_empty() && written == 0 {
            findings
                .at(Problem, context.tree, &at, format!("`{}` has no members", group.name))
                .hint("list connectors, the preferred one first");
        }
        if group.failover.idps.len() == 1 && group.discovery.is_none() {
            findings
                .at(Warning, context.tree, &at, format!("`{}` has one member: nobody takes over", group.name))
                .hint("add a second connector of another vendor");
        }
        let mut seen = BTreeSet::new();
        for (i, name) in group.failover.idps.iter().enumerate().filter(|(_, name)| !seen.insert(*name)) {
            findings
                .at(Problem, context.tree, &at.then(i), format!("`{name}` is a member already"))
                .hint("list each member once");
        }
    }
}

/// No group contains itself, by whichever way.
pub(super) fn groups_have_no_cycles(context: &Context<'_>, findings: &mut Findings) {
    let groups = groups(context);
    let members: BTreeMap<&str, &Continuity> =
        groups.iter().map(|(_, group)| (group.name.as_str(), *group)).collect();
    let mut told = BTreeSet::new();
    for (trail, group) in &groups {
        let Some(way) = cycle(&group.name, &members) else { continue };
        let mut key: Vec<&str> = way.clone();
        key.sort_unstable();
        if !told.insert(key) {
            continue;
        }
        let next = way.get(1).unwrap_or(&way[0]);
        let i = group.failover.idps.iter().position(|name| name == next).unwrap_or_default();
        let shown: Vec<String> = way.iter().chain(way.first()).map(|name| format!("`{name}`")).collect();
        let message = format!("the groups run in a circle: {}", shown.join(" -> "));
        let at = trail.then("failover").then("idps").then(i);
        findings.at(Problem, context.tree, &at, message).hint("take one of them out");
    }
}

/// The shortest way from a group back to itself.
fn cycle<'a>(start: &'a str, groups: &BTreeMap<&'a str, &'a Continuity>) -> Option<Vec<&'a str>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let group = way.last().and_then(|name| groups.get(name));
        for member in group.into_iter().flat_map(|group| &group.failover.idps) {
            if member == start {
                return Some(way);
            }
            if groups.contains_key(member.as_str()) && seen.insert(member.as_str()) {
                let mut longer = way.clone();
                longer.push(member);
                ways.push_back(longer);
            }
        }
    }
    None
}

/// Attributes: each once, mapped for members only, with a readable path, and `sub` without a default.
pub(super) fn attributes_are_mapped_for_members(context: &Context<'_>, findings: &mut Findings) {
    for (trail, group) in groups(context) {
        let mut seen = BTreeSet::new();
        for (i, attribute) in group.attributes.iter().enumerate() {
            let at = trail.then("attributes").then(i);
            if !seen.insert(&attribute.name) {
                let message = format!("attribute `{}` is defined above already", attribute.name);
                findings
                    .at(Problem, context.tree, &at.then("name"), message)
                    .hint("define each attribute once");
            }
            attribute_is_sound(context, &at, group, attribute, findings);
        }
    }
}

fn attribute_is_sound(
    context: &Context<'_>,
    at: &Trail,
    group: &Continuity,
    attribute: &Attribute,
    findings: &mut Findings,
) {
    match attribute.rule() {
        Ok(rule) => {
            for (member, why) in rule.unsound() {
                let at = member.map_or_else(|| at.then("default"), |member| at.then("mapping").then(member));
                findings.at(Problem, context.tree, &at, why.to_string()).hint(match why {
                    Unsound::SubDefault => "remove `default`, and map `sub` for each member",
                    Unsound::SubShaped => "write the path alone",
                    Unsound::JoinedList => "remove `join`",
                });
            }
        }
        Err(wrong) => {
            for (member, why) in wrong {
                let at = at.then("mapping").then(member);
                let finding = findings.at(Problem, context.tree, &at, why.to_string());
                if matches!(why, SourceError::NoPath | SourceError::Path(PathError::EmptyName(_))) {
                    finding.hint(format!("write the name of an attribute of `{member}`, or remove the line"));
                }
            }
        }
    }
    for member in attribute.mapping.keys() {
        let at = at.then("mapping").then(member);
        if !group.failover.idps.contains(member) {
            let near = nearest(member, group.failover.idps.iter().map(String::as_str));
            let hint = near.map_or_else(
                || format!("add `{member}` to `failover.idps`, or remove the mapping"),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("`{member}` is not a member of `{}`", group.name);
            findings.at(Problem, context.tree, &at, message).hint(hint);
        }
    }
}

/// What it means where nothing says who is the same person.
pub(super) fn subjects_are_said(context: &Context<'_>, findings: &mut Findings) {
    for (trail, group) in groups(context) {
        let at = trail.then("attributes");
        let sub = group.attributes.iter().enumerate().find(|(_, attribute)| attribute.name == "sub");
        let Some((i, sub)) = sub else {
            if context.tree.find(&at).is_some_and(|node| node.spoilt) {
                continue;
            }
            let hint = "to have one subject for one person, map what identifies people:\n".to_owned()
                + &sub_lines(group);
            findings
                .at(Assumption, context.tree, &trail, format!(
                    "`{}` maps no `sub`: applications see `connector|value`, so a person whom another member vouches \
                     for is another person to them",
                    group.name
                ))
                .hint(hint);
            continue;
        };
        let left_out: Vec<_> =
            group.failover.idps.iter().filter(|member| !sub.mapping.contains_key(*member)).collect();
        for member in &left_out {
            findings
                .at(
                    Warning,
                    context.tree,
                    &at.then(i).then("mapping"),
                    format!("`sub` is not mapped for `{member}`: logins through it are refused"),
                )
                .hint(format!("add `{member}:` with the attribute that identifies people there"));
        }
        who_could_vouch(context, &at.then(i), group, sub, findings);
    }
}

fn sub_lines(group: &Continuity) -> String {
    let mut lines = String::from("attributes:\n  - name: sub\n    mapping:");
    for member in &group.failover.idps {
        lines.push_str(&format!("\n      {member}: ..."));
    }
    lines
}

/// Who may say that somebody is a given person: the weakest of them is the strength of the group.
fn who_could_vouch(
    context: &Context<'_>,
    at: &Trail,
    group: &Continuity,
    sub: &Attribute,
    findings: &mut Findings,
) {
    let mapped: Vec<_> =
        group.failover.idps.iter().filter_map(|member| Some((member, sub.mapping.get(member)?))).collect();
    if mapped.len() > 1 {
        let sources: Vec<_> =
            mapped.iter().map(|(member, source)| format!("{member}.{}", source.paths().join(","))).collect();
        let message = format!(
            "each of {} can vouch for any person of `{}`: the weakest member is the strength of the group",
            sources.join(", "),
            group.name
        );
        findings.at(Note, context.tree, at, message);
    }
    addresses_are_one_person(context, at, group, sub, findings);
    for (member, source) in mapped {
        let Some((_, connector)) = context.connectors().find(|(_, connector)| connector.name() == member)
        else {
            continue;
        };
        if !source.paths().into_iter().any(is_email) || connector.trusts_email() {
            continue;
        }
        let at = at.then("mapping").then(member);
        match connector {
            Connector::Oidc(_) | Connector::Local(_) => {
                let message = format!(
                    "`{member}` can vouch only for e-mail addresses that it marks `email_verified: true`"
                );
                findings.at(Note, context.tree, &at, message);
            }
            Connector::Saml(_) | Connector::Ldap(_) | Connector::ActiveDirectory(_) => {
                let message = format!(
                    "`{member}` cannot mark an e-mail address as verified: logins through it are refused"
                );
                findings
                    .at(Warning, context.tree, &at, message)
                    .hint(format!("if its addresses are verified, write `trustEmail: true` on `{member}`"));
            }
            Connector::Continuity(_) => {}
        }
    }
}

/// An address that two members write in different letters would be two people.
fn addresses_are_one_person(
    context: &Context<'_>,
    at: &Trail,
    group: &Continuity,
    sub: &Attribute,
    findings: &mut Findings,
) {
    let by_address = sub.mapping.values().filter(|source| source.paths().into_iter().any(is_email)).count();
    if by_address > 1 && sub.case != Some(Case::Lower) {
        let message = format!(
            "an e-mail address is who somebody of `{}` is, letter by letter: `Alice@` from one member and `alice@` \
             from another would be two people",
            group.name
        );
        findings.at(Warning, context.tree, at, message).hint("write `case: lower` beside `name: sub`");
    }
}
