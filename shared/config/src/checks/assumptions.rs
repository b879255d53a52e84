//! What was left out, what is assumed instead, and the line that says it.

use super::Context;
use crate::{
    App, Connector,
    apps::OidcApp,
    finding::{
        Findings,
        Severity::{Assumption, Warning},
    },
    resolved::issuer_text,
    trail::{Trail, at},
};

/// Without a TLS profile the node speaks plain HTTP.
pub(super) fn plain_http(context: &Context<'_>, findings: &mut Findings) {
    let http = &context.config().http;
    let written = !context.unwritten(&at!["http", "tls"]) || !context.unwritten(&at!["http", "hosts"]);
    if written {
        return;
    }
    let local = http.address.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
    let severity = if local || !http.trusted_proxies.is_empty() { Assumption } else { Warning };
    let reach = if local {
        "nobody but this machine reaches it"
    } else {
        "passwords, codes and cookies pass readable"
    };
    findings
        .at(severity, context.tree, &at!["http"], format!(
            "NO TLS: this node speaks PLAIN HTTP on {}; {reach} unless a load balancer stands before it, which then has \
             to speak TLS",
            http.address
        ))
        .hint(
            "for TLS here, write\nhttp:\n  tls: server\ntls:\n  server:\n    certFile: /path/cert.pem\n    keyFile: \
             /path/key.pem",
        );
}

/// The issuer, where it is not written.
pub(super) fn issuer(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    let written = config.oidc_provider.as_ref().is_some_and(|provider| provider.discovery.issuer.is_some())
        || !context.unwritten(&at!["oidcProvider", "discovery", "issuer"]);
    let speaks = config.oidc_provider.is_some() || config.apps.iter().any(|app| matches!(app, App::Oidc(_)));
    if written || !speaks {
        return;
    }
    let trail = at!["oidcProvider", "discovery", "issuer"];
    let (issuer, whence) = match (&config.http.public_url, config.first_redirect_origin()) {
        (Some(_), _) => (config.issuer(), "the origin of `http.publicURL`"),
        (None, Some(_)) => (config.issuer(), "the origin of the first redirect URL"),
        (None, None) => (None, ""),
    };
    let Some(issuer) = issuer else {
        findings
            .at(Warning, context.tree, &trail, format!(
                "no issuer is written and none follows from a redirect URL: {} is used, which no other machine can reach",
                issuer_text(&config.public_url())
            ))
            .hint("write\noidcProvider:\n  discovery:\n    issuer: https://this-node.example.com");
        return;
    };
    let issuer = issuer_text(&issuer);
    findings
        .at(Assumption, context.tree, &trail, format!("the issuer is assumed to be {issuer}, {whence}"))
        .hint(format!("to say it, write\noidcProvider:\n  discovery:\n    issuer: {issuer}"));
}

/// Signing keys, where none is written.
pub(super) fn signing_keys(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    let speaks = config.oidc_provider.is_some() || config.apps.iter().any(|app| matches!(app, App::Oidc(_)));
    let trail = at!["oidcProvider", "jwks"];
    let written = !context.unwritten(&trail) && !context.tree.nearest(&trail).items().is_empty();
    if speaks && !written {
        findings
            .at(Assumption, context.tree, &trail, "no signing key is named: one is generated once, and kept in the state directory")
            .hint("nodes behind one balancer need the same key: write\noidcProvider:\n  jwks:\n    - name: signing-key\n      type: rsa\n      file: /path/signing.key");
    }
}

/// A connector without a redirect URL loads and cannot be chosen.
pub(super) fn redirect_urls_of_connectors(context: &Context<'_>, findings: &mut Findings) {
    let origin = context.config().public_url();
    for (trail, connector) in context.connectors() {
        let Connector::Oidc(oidc) = connector else { continue };
        let written = ["oauthRedirectURL", "oauthLoginRedirect"]
            .iter()
            .any(|key| !context.unwritten(&trail.then(*key)));
        if connector.redirect_url().is_none() && !written {
            let message = format!(
                "`{}` has no redirect URL: it is watched, and cannot be chosen for a login",
                oidc.name
            );
            findings
                .at(Assumption, context.tree, &trail, message)
                .hint(format!("add to it\noauthRedirectURL: {origin}oidc/callback"));
        }
    }
}

/// Applications that nobody can sign in to yet.
pub(super) fn applications(context: &Context<'_>, findings: &mut Findings) {
    if context.unwritten(&at!["apps"]) {
        findings
            .at(Assumption, context.tree, &at!["apps"], "there are no applications: nobody can sign in anywhere yet")
            .hint(
                "add\napps:\n  - name: my-app\n    type: oidc\n    clientID: my-app\n    clientSecret: <vault.my-app>\n    \
                 redirectURLs: [https://my-app.example.com/callback]\n    authentication:\n      idps: [NAME-OF-A-CONNECTOR]",
            );
    }
    for (trail, app) in context.apps() {
        if let App::Oidc(app) = app {
            application(context, &trail, app, findings);
        }
    }
}

fn application(context: &Context<'_>, trail: &Trail, app: &OidcApp, findings: &mut Findings) {
    let redirect = trail.then("redirectURLs");
    let listed = context.tree.find(&redirect).is_some_and(|node| node.spoilt || !node.items().is_empty());
    if app.redirect_urls.is_empty() && !listed {
        findings
            .at(
                Assumption,
                context.tree,
                trail,
                format!("{} has no redirectURLs: nobody can sign in to it yet", app.name),
            )
            .hint("add to it\nredirectURLs: [https://application.example.com/callback]");
    }
    let proves = ["clientSecret", "credentials", "jwks", "jwksFile"]
        .iter()
        .any(|key| !context.unwritten(&trail.then(*key)));
    if !proves && !app.public {
        let message = format!(
            "{} has no clientSecret and is not public: it cannot authenticate, so no code is redeemed for it",
            app.name
        );
        findings.at(Assumption, context.tree, trail, message).hint(format!(
            "add to it\nclientSecret: <vault.{}-secret>\nor, for an application in the browser or on a phone\npublic: true",
            app.name
        ));
    }
}
