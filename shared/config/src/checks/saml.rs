//! SAML connectors: doors of their own, and words that mean something.

use std::collections::HashMap;

use super::Context;
use crate::{
    App, Connector,
    connectors::{Saml, name_id_format},
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    trail::Trail,
};

fn providers<'a>(context: &Context<'a>) -> impl Iterator<Item = (Trail, &'a Saml)> {
    context.connectors().filter_map(|(trail, connector)| match connector {
        Connector::Saml(saml) => Some((trail, saml)),
        _ => None,
    })
}

/// A format of name ids is one that exists.
pub(super) fn formats_are_known(context: &Context<'_>, findings: &mut Findings) {
    for (trail, saml) in providers(context) {
        if saml.name_id_format.as_ref().is_some_and(|format| name_id_format(format).is_none()) {
            let at = trail.then("samlNameIDFormat");
            let message = format!("{} is not a format of name ids", context.tree.nearest(&at).shown());
            findings
                .at(Problem, context.tree, &at, message)
                .hint("write `persistent`, `emailAddress`, `unspecified`, or a whole urn:");
        }
    }
}

/// A login that begins at a provider has somewhere to go.
pub(super) fn unasked_logins_lead_somewhere(context: &Context<'_>, findings: &mut Findings) {
    let starts =
        context.apps().any(|(_, app)| matches!(app, App::Oidc(app) if app.initiate_login_url.is_some()));
    for (trail, _) in providers(context).filter(|(_, saml)| saml.allow_idp_initiated) {
        let at = trail.then("allowIDPInitiated");
        let message = "a response that nobody asked for is bound to no browser: somebody may be signed in as somebody else";
        findings
            .at(Warning, context.tree, &at, message)
            .hint("leave it off where people can begin at the application");
        if !starts {
            let message = "no application has an `initiateLoginURL`: such a login leads nowhere";
            findings
                .at(Warning, context.tree, &at, message)
                .hint("add `initiateLoginURL:` to an application");
        }
    }
}

/// Where responses arrive tells which metadata is published below it; where logouts arrive, whose they are.
pub(super) fn doors_are_their_own(context: &Context<'_>, findings: &mut Findings) {
    let (mut consumers, mut logouts) = (HashMap::new(), HashMap::new());
    for (trail, saml) in providers(context) {
        let consumer = saml.consumer_service_url.path();
        if let Some(other) = consumers.insert(consumer, &saml.name) {
            let message =
                format!("`{}` and `{other}` share one: the metadata of only one is published", saml.name);
            findings
                .at(Warning, context.tree, &trail.then("samlConsumerServiceURL"), message)
                .hint(format!("give `{}` one of its own", saml.name));
        }
        let Some(logout) = saml.logout_callback_url.as_ref().map(url::Url::path) else { continue };
        let at = trail.then("samlLogoutCallbackURL");
        if logout == consumer {
            let message = "responses arrive here already";
            findings
                .at(Problem, context.tree, &at, message)
                .hint("write another path, for example .../logout");
        }
        if let Some(other) = logouts.insert(logout, &saml.name) {
            let message = format!("`{other}` has the same: nothing would tell whose logout arrives");
            findings.at(Problem, context.tree, &at, message).hint("give each one of its own");
        }
        if saml.sp_key_path.is_none() && context.unwritten(&trail.then("samlSPKeyPath")) {
            let message = "without a key the provider is not told of logouts: they have to be signed";
            findings
                .at(Warning, context.tree, &at, message)
                .hint("add `samlSPCertPath:` and `samlSPKeyPath:`");
        }
    }
}
