//! Roots that DNS finds: where from, and what they have to prove.

use std::time::Duration;

use super::Context;
use crate::{
    Connector,
    continuity::{Continuity, RootDiscovery},
    finding::{
        Findings,
        Severity::{Note, Problem},
    },
    trail::Trail,
};

/// Longest that a root may stay which no answer names.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Each group that finds roots can: the records have a name, the suffix is somebody's own, and the pattern asks for proof.
pub(super) fn roots_are_found_safely(context: &Context<'_>, findings: &mut Findings) {
    for (trail, connector) in context.connectors() {
        if let Connector::Continuity(group) = connector
            && let Some(discovery) = &group.discovery
        {
            let at = trail.then("discovery");
            names(context, &at, discovery, findings);
            bounds(context, &at, discovery, findings);
            pattern(context, &at.then("like"), group, discovery, findings);
        }
    }
}

fn names(context: &Context<'_>, at: &Trail, discovery: &RootDiscovery, findings: &mut Findings) {
    let labels: Vec<&str> = discovery.srv.trim_end_matches('.').split('.').collect();
    let begins =
        matches!(labels[..], [service, "_tcp", _, ..] if service.len() > 1 && service.starts_with('_'));
    if !begins || !labels.iter().all(|label| is_label(label.trim_start_matches('_'))) {
        let shown = context.tree.nearest(&at.then("srv")).shown();
        findings
            .at(
                Problem,
                context.tree,
                &at.then("srv"),
                format!("{shown} is not the name of a service (RFC 2782)"),
            )
            .hint("write `_mangrove-root._tcp.example.com`, with your domain");
    }
    let suffix: Vec<&str> = discovery.suffix.trim_matches('.').split('.').collect();
    if suffix.len() < 2 || !suffix.iter().all(|label| is_label(label)) {
        let shown = context.tree.nearest(&at.then("suffix")).shown();
        findings
            .at(Problem, context.tree, &at.then("suffix"), format!("{shown} is not a domain of your own"))
            .hint("write the domain below which roots have their names, and best nothing else, such as `roots.example.com`");
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn bounds(context: &Context<'_>, at: &Trail, discovery: &RootDiscovery, findings: &mut Findings) {
    if !(1..=16).contains(&discovery.most) {
        findings
            .at(Problem, context.tree, &at.then("most"), "an answer may add 1 to 16 roots")
            .hint("write `most: 4`");
    }
    if let Some(keep) = discovery.keep.filter(|keep| keep.0.is_zero() || keep.0 > LONGEST) {
        findings
            .at(Problem, context.tree, &at.then("keep"), format!("{keep} is not a time from 1s to 168h"))
            .hint("write `keep: 24h`");
    }
}

/// The member whose settings found roots take has to ask them for proof, and may send them no secret.
fn pattern(
    context: &Context<'_>,
    at: &Trail,
    group: &Continuity,
    discovery: &RootDiscovery,
    findings: &mut Findings,
) {
    let like = &discovery.like;
    let member =
        context.connectors().map(|(_, connector)| connector).find(|connector| connector.name() == like);
    let Some(Connector::Oidc(oidc)) = member.filter(|_| group.failover.idps.contains(like)) else {
        findings
            .at(
                Problem,
                context.tree,
                at,
                format!("`{like}` is no `oidc` connector among the members of `{}`", group.name),
            )
            .hint("name the member whose settings are right for any root that is found");
        return;
    };
    let ca = oidc.tls.as_ref().and_then(|tls| context.config().tls.get(tls)?.ca_file.as_ref());
    let lacks = [
        (!oidc.root, "is not marked as a root", "root: true"),
        (
            oidc.client_proof.is_none(),
            "proves who this node is with a secret, which is never sent to a host that DNS named",
            "oauthClientAuth: { method: private_key_jwt }",
        ),
        (
            ca.is_none(),
            "names no authority of its own: a root that is found must show a certificate of it",
            "tls: mesh        # a profile with `caFile`",
        ),
        (oidc.proxy.is_some(), "uses a proxy, behind which names mean what the proxy thinks", "no `proxy`"),
    ];
    if !lacks.iter().any(|(lacking, ..)| *lacking) {
        say_what_dns_may_do(context, at, group, discovery, findings);
    }
    for (_, lack, line) in lacks.into_iter().filter(|(lacking, ..)| *lacking) {
        findings
            .at(Problem, context.tree, at, format!("`{like}` {lack}"))
            .hint(format!("write at `{like}`\n{line}"));
    }
}

fn say_what_dns_may_do(
    context: &Context<'_>,
    at: &Trail,
    group: &Continuity,
    discovery: &RootDiscovery,
    findings: &mut Findings,
) {
    let message = format!(
        "DNS may add up to {} roots below `{}` to `{}`: each has to show a certificate of the authority and that it knows this \
         node's key",
        discovery.most,
        discovery.suffix.trim_matches('.'),
        group.name
    );
    findings.at(Note, context.tree, at, message);
}
