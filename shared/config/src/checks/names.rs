//! Names: each once, and of letters that a subject or a log can hold.

use std::collections::HashMap;

use super::Context;
use crate::{
    finding::{Findings, Severity::Problem},
    trail::{Trail, at},
    tree::Node,
};

/// Connectors, applications, client ids, caches and signing keys: each name once.
pub(super) fn names_are_unique(context: &Context<'_>, findings: &mut Findings) {
    let mut keys = Vec::new();
    let jwks = context.tree.get("oidcProvider").and_then(|provider| provider.get("jwks"));
    for (i, key) in jwks.into_iter().flat_map(Node::items).enumerate() {
        if let Some(name) = key.get("name").and_then(|name| name.as_str()) {
            keys.push((at!["oidcProvider", "jwks", i, "name"], name));
        }
    }
    let lists = [
        ("connector", context.names("connectors")),
        ("application", context.names("apps")),
        ("client id", context.names_by("apps", "clientID")),
        ("cache", context.names("caches")),
        ("signing key", keys),
    ];
    for (what, names) in lists {
        once(context, what, &names, findings);
    }
}

fn once(context: &Context<'_>, what: &str, names: &[(Trail, &str)], findings: &mut Findings) {
    let mut seen: HashMap<&str, &Trail> = HashMap::new();
    for (trail, name) in names {
        let Some(first) = seen.get(name) else {
            seen.insert(name, trail);
            continue;
        };
        let line = context.tree.nearest(first).place.line;
        let shown = context.tree.nearest(trail).shown();
        findings
            .at(
                Problem,
                context.tree,
                trail,
                format!("another {what} is called {shown} already, in line {line}"),
            )
            .hint("give each a name of its own");
    }
}

/// Connector names become part of subjects (`connector|value`).
pub(super) fn connector_names_are_plain(context: &Context<'_>, findings: &mut Findings) {
    for (trail, name) in context.names("connectors") {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name == "sha256" {
            findings
                .at(
                    Problem,
                    context.tree,
                    &trail,
                    "`sha256` is reserved: subjects of long values begin with it",
                )
                .hint("choose another name");
        } else if name.is_empty() || !name.chars().all(plain) {
            let shown = context.tree.nearest(&trail).shown();
            findings
                .at(Problem, context.tree, &trail, format!("{shown} is not a name that a connector may have"))
                .hint("use letters, digits, `.`, `_` and `-`");
        }
    }
}

/// Applications, client ids and caches have names at all; the name of the cache that every node has stays free.
pub(super) fn names_say_something(context: &Context<'_>, findings: &mut Findings) {
    let apps = context.names("apps").into_iter().chain(context.names_by("apps", "clientID"));
    for (trail, name) in apps.chain(context.names("caches")) {
        if name.trim().is_empty() {
            findings.at(Problem, context.tree, &trail, "the name is empty").hint("give it one");
        }
    }
    for (trail, _) in context.names("caches").into_iter().filter(|(_, name)| *name == "local_default") {
        findings
            .at(
                Problem,
                context.tree,
                &trail,
                "`local_default` is reserved: it is the cache in each node's memory",
            )
            .hint("choose another name");
    }
}
