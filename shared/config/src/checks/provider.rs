//! The OIDC provider and its applications.

use std::time::Duration;

use super::Context;
use crate::{
    App, Connector,
    apps::OidcApp,
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    provider::SigningKey,
    references::nearest,
    trail::{Trail, at},
};

/// Grants that are spoken here.
const GRANTS: &[&str] = &["authorization_code", "refresh_token"];
/// Grants that the language knows and that are not.
const OTHER_GRANTS: &[&str] = &[
    "client_credentials",
    "password",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "implicit_id",
    "implicit_token",
    "implicit",
];
/// Signature algorithms that this node signs with.
const SIGNING: &[&str] = &["RS256", "ES256"];
/// Signature algorithms that are accepted from providers.
pub(super) const ACCEPTED: &[&str] =
    &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
/// Longest life of an authorization code (RFC 6749 section 4.1.2).
const LONGEST_CODE: Duration = Duration::from_secs(600);

/// Each signing key is one key: a file, or a private key by reference.
pub(super) fn signing_keys_are_sound(context: &Context<'_>, findings: &mut Findings) {
    let Some(provider) = &context.config().oidc_provider else { return };
    for (i, key) in provider.jwks.iter().enumerate() {
        let trail = at!["oidcProvider", "jwks", i];
        match (&key.file, &key.private_key) {
            (Some(_), Some(_)) => {
                findings
                    .at(Problem, context.tree, &trail, "`file` and `privateKey` are two places for one key")
                    .hint("keep one of them");
            }
            (None, None)
                if context.unwritten(&trail.then("file")) && context.unwritten(&trail.then("privateKey")) =>
            {
                findings
                    .at(Problem, context.tree, &trail, "the key has no private key")
                    .hint("add `file: /path/to/key.pem`, or `privateKey: <vault.signing-key>`");
            }
            _ => {}
        }
        algorithm_is_known(context, &trail, key, findings);
        if let Some(pem) = key.private_key.as_ref().filter(|_| key.file.is_none())
            && let Err(why) = super::files::private_key(pem.expose().as_bytes(), key.kind())
        {
            findings
                .at(Problem, context.tree, &trail.then("privateKey"), format!("this is not a key to sign with: {why}"))
                .hint("give the PEM of a private key: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048");
        }
    }
}

fn algorithm_is_known(context: &Context<'_>, trail: &Trail, key: &SigningKey, findings: &mut Findings) {
    let Some(algorithm) = &key.algorithm else { return };
    let at = trail.then("algorithm");
    let Some(kind) = key.kind_of_algorithm() else {
        let shown = context.tree.nearest(&at).shown();
        findings
            .at(Problem, context.tree, &at, format!("{shown} is not an algorithm that this node signs with"))
            .hint("write RS256 (or RSA256), or ES256");
        return;
    };
    if key.kind.is_some_and(|given| given != kind) {
        findings
            .at(
                Problem,
                context.tree,
                &at,
                format!("`type` and `algorithm` ({algorithm}) say different things"),
            )
            .hint("keep one of them");
    }
}

/// Lives of codes and tokens.
pub(super) fn lifetimes_are_bounded(context: &Context<'_>, findings: &mut Findings) {
    let zero = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
    if let Some(provider) = &context.config().oidc_provider {
        let code = provider.code_lifetime.map(|time| time.0);
        if zero(code) || code.is_some_and(|time| time > LONGEST_CODE) {
            findings
                .at(
                    Problem,
                    context.tree,
                    &at!["oidcProvider", "codeLifetime"],
                    "from 1s to 10m (RFC 6749 4.1.2)",
                )
                .hint("write `codeLifetime: 60s`");
        }
        for (key, time) in [
            ("idTokenLifetime", provider.id_token_lifetime),
            ("refreshTokenLifetime", provider.refresh_token_lifetime),
        ] {
            if zero(time.map(|time| time.0)) {
                findings
                    .at(
                        Problem,
                        context.tree,
                        &at!["oidcProvider", key],
                        "a token without a life is of no use",
                    )
                    .hint(format!("write `{key}: 10m`"));
            }
        }
    }
    for (trail, app) in context.apps() {
        if let App::Oidc(app) = app
            && app.access_token.lifetime.0.is_zero()
        {
            findings
                .at(
                    Problem,
                    context.tree,
                    &trail.then("accessToken").then("lifetime"),
                    "a token without a life is of no use",
                )
                .hint("write `lifetime: 10m`");
        }
    }
}

/// Applications ask for what this node can do.
pub(super) fn apps_ask_for_what_there_is(context: &Context<'_>, findings: &mut Findings) {
    for (trail, app) in context.apps() {
        let App::Oidc(app) = app else { continue };
        for (i, grant) in app.grant_types.iter().enumerate().filter(|(_, g)| !GRANTS.contains(&g.as_str())) {
            let at = trail.then("grantTypes").then(i);
            let shown = context.tree.nearest(&at).shown();
            if OTHER_GRANTS.contains(&grant.as_str()) {
                findings
                    .at(Problem, context.tree, &at, format!("the grant {shown} is not supported yet"))
                    .hint(format!("known: {}", GRANTS.join(", ")));
            } else {
                let near = nearest(grant, GRANTS.iter().copied()).unwrap_or(GRANTS[0]);
                findings
                    .at(Problem, context.tree, &at, format!("{shown} is not a grant"))
                    .hint(format!("did you mean `{near}`?"));
            }
        }
        if let Some(algorithm) =
            app.id_token_signed_response_alg.as_ref().filter(|a| !SIGNING.contains(&a.as_str()))
        {
            let at = trail.then("idTokenSignedResponseAlg");
            findings
                .at(Problem, context.tree, &at, format!("this node does not sign with `{algorithm}`"))
                .hint(format!("write {}", SIGNING.join(" or ")));
        }
        if app.authorization.allow_all == Some(false) {
            findings
                .at(
                    Problem,
                    context.tree,
                    &trail.then("authorization").then("allowAll"),
                    "rules are not built yet: \
                     `allowAll: false` would let nobody in",
                )
                .hint("write `allowAll: true`, and decide in the application");
        }
        secrets_fit(context, &trail, app, findings);
    }
}

fn secrets_fit(context: &Context<'_>, trail: &Trail, app: &OidcApp, findings: &mut Findings) {
    if app.public && (app.secrets().next().is_some() || app.jwks.is_some() || app.jwks_file.is_some()) {
        findings
            .at(Problem, context.tree, &trail.then("public"), "a public client has no secret and no keys")
            .hint("remove `public: true`, or the secret and the keys");
    }
    if app.secrets().any(|secret| secret.expose().is_empty()) {
        findings.at(Problem, context.tree, trail, "a secret is empty").hint("give it a value, or remove it");
    }
}

/// Connectors ask for what makes a login.
pub(super) fn oidc_connectors_are_sound(context: &Context<'_>, findings: &mut Findings) {
    for (trail, connector) in context.connectors() {
        let Connector::Oidc(oidc) = connector else { continue };
        if !oidc.scopes.split_whitespace().any(|scope| scope == "openid") {
            findings
                .at(
                    Problem,
                    context.tree,
                    &trail.then("scopes"),
                    "without `openid` the provider says nobody's name",
                )
                .hint("write `scopes: openid profile email`");
        }
        for (i, algorithm) in oidc.allowed_algorithms.iter().enumerate() {
            if !ACCEPTED.contains(&algorithm.as_str()) {
                let at = trail.then("allowedAlgorithms").then(i);
                let shown = context.tree.nearest(&at).shown();
                findings
                    .at(Problem, context.tree, &at, format!("{shown} is not accepted on ID tokens"))
                    .hint(format!("known: {}", ACCEPTED.join(", ")));
            }
        }
        if oidc.disable_pkce {
            findings
                .at(
                    Warning,
                    context.tree,
                    &trail.then("disablePKCE"),
                    "without PKCE a stolen code can be redeemed",
                )
                .hint("remove it, unless the provider fails with PKCE");
        }
        let proves =
            ["oauthClientSecret", "oauthClientAuth"].iter().any(|key| !context.unwritten(&trail.then(*key)));
        if !proves {
            findings
                .at(
                    Warning,
                    context.tree,
                    &trail,
                    format!("`{}` signs in as a public client, without a secret", oidc.name),
                )
                .hint("if the provider gave one, add `oauthClientSecret: <vault.name>`");
        }
    }
}
