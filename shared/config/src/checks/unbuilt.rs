//! What the language knows and this version does not do yet: refused at start where ignoring it would be unsafe,
//! otherwise said.

use super::Context;
use crate::{
    App, Connector,
    environment::IGNORED_VARIABLES,
    finding::{
        Findings,
        Severity::{RefusedAtStart, Warning},
    },
    node::{CacheKind, SessionStoreKind},
    trail::at,
};

/// Unsafe to ignore: no node starts with these.
pub(super) fn unsafe_to_ignore(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    if config.saml_provider.is_some() {
        findings
            .at(RefusedAtStart, context.tree, &at!["samlProvider"], "`samlProvider` is not built yet")
            .hint("remove it; `oidcProvider` is what applications speak today");
    }
    for (trail, app) in context.apps().filter(|(_, app)| matches!(app, App::Saml(_))) {
        let message = format!("`{}`: applications of `type: saml` are not built yet", app.name());
        findings
            .at(RefusedAtStart, context.tree, &trail.then("type"), message)
            .hint("remove the application for now");
    }
    for (i, cache) in config.caches.iter().enumerate().filter(|(_, cache)| cache.kind != CacheKind::Memory) {
        let message = format!("cache `{}`: only `type: memory` is built yet", cache.name);
        findings
            .at(RefusedAtStart, context.tree, &at!["caches", i, "type"], message)
            .hint("run one node, write `type: memory`, and let a balancer's sticky sessions wait");
        if config.oidc_provider.as_ref().and_then(|provider| provider.cache.as_ref()) == Some(&cache.name) {
            let message =
                format!("codes and tokens would be kept in `{}`, which is not built yet", cache.name);
            findings
                .at(RefusedAtStart, context.tree, &at!["oidcProvider", "cache"], message)
                .hint("remove it: this node's memory is used");
        }
    }
    if config.session.store.kind == SessionStoreKind::Cluster {
        findings
            .at(
                RefusedAtStart,
                context.tree,
                &at!["session", "store", "type"],
                "sessions in a cluster are not built yet",
            )
            .hint("write `type: local`");
    }
}

/// Harmless, but without effect.
pub(super) fn without_effect(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    if config.telemetry.is_some() {
        findings.at(
            Warning,
            context.tree,
            &at!["telemetry"],
            "telemetry is not built yet: nothing is exported",
        );
    }
    for name in config.features.keys() {
        let at = at!["features", name];
        findings.at(Warning, context.tree, &at, format!("feature `{name}` is not known: it has no effect"));
    }
    for (trail, connector) in context.connectors() {
        if let Connector::Oidc(oidc) = connector
            && oidc.offline_access.enabled
        {
            let at = trail.then("offlineAccess");
            findings.at(Warning, context.tree, &at, "no upstream tokens are kept yet: it has no effect");
        }
    }
    for name in IGNORED_VARIABLES.iter().filter(|name| context.env.set(name).is_some()) {
        let message = format!("{name} is set and has no effect: not supported yet");
        findings.elsewhere(Warning, "environment", message);
    }
}
