//! Proof with a key (`private_key_jwt`): what applications register is public and usable, and connectors prove who this node
//! is in one way.

use serde_json::{Map, Value};

use super::Context;
use super::provider::ACCEPTED;
use crate::{
    App, Connector,
    files::why,
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    structure::FileUse,
};

/// Most bytes of a file of public keys.
const MOST: u64 = 1 << 20;

/// Members of a JWK that only the owner of the key may have (RFC 7518 section 6), and `k` of a shared secret.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const HINT: &str = "write a JWK Set of public keys, as `mangrove-edge client-keys` prints it";

/// Inline keys of applications.
pub(super) fn applications_prove_with_public_keys(context: &Context<'_>, findings: &mut Findings) {
    for (trail, app) in context.apps() {
        let App::Oidc(app) = app else { continue };
        if let Some(set) = &app.jwks {
            let at = trail.then("jwks");
            for (key, problem) in problems(set) {
                let at = key.map_or_else(|| at.clone(), |key| at.then("keys").then(key));
                findings.at(Problem, context.tree, &at, problem).hint(HINT);
            }
        }
        if (app.jwks.is_some() || app.jwks_file.is_some()) && app.secrets().next().is_some() {
            let message = format!(
                "`{}` may prove who it is with a key or with a secret: the secret is the weaker one",
                app.name
            );
            findings
                .at(Warning, context.tree, &trail, message)
                .hint("once it uses the key, remove `clientSecret` and `credentials`");
        }
    }
}

/// A file of keys.
pub(super) fn file(context: &Context<'_>, used: &FileUse, findings: &mut Findings) {
    let shown = context.tree.nearest(&used.trail).shown();
    let found = match context.files.read(&used.path, MOST) {
        Err(error) => vec![(None, why(&error))],
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(set) => problems(&set),
            Err(error) => vec![(None, format!("line {}, column {}: not JSON", error.line(), error.column()))],
        },
    };
    for (key, problem) in found {
        let key = key.map(|key| format!("key {key}: ")).unwrap_or_default();
        findings.at(Problem, context.tree, &used.trail, format!("{shown}: {key}{problem}")).hint(HINT);
    }
}

/// What is wrong with a set of an application's keys, and with which of them. Nothing of a key is shown.
fn problems(set: &Value) -> Vec<(Option<usize>, String)> {
    match set.get("keys").and_then(Value::as_array) {
        None => vec![(None, "not a JWK Set: an object with a list `keys`".to_owned())],
        Some(keys) if keys.is_empty() => vec![(None, "there is no key in it".to_owned())],
        Some(keys) => {
            keys.iter().enumerate().filter_map(|(at, key)| Some((Some(at), problem(key)?))).collect()
        }
    }
}

fn problem(key: &Value) -> Option<String> {
    let Some(key) = key.as_object() else { return Some("not an object".into()) };
    if PRIVATE.iter().any(|member| key.contains_key(*member)) {
        return Some("a PRIVATE key or a shared secret: it is not to be here, and is to be replaced if others could read it".into());
    }
    if key.get("use").is_some_and(|purpose| purpose != "sig") {
        return Some("not for signatures (`use` is not `sig`)".into());
    }
    let is = |name: &str, value: &str| text(key, name) == value;
    let there = |names: &[&str]| {
        names.iter().find(|name| text(key, name).is_empty()).map(|name| format!("`{name}` is missing"))
    };
    match text(key, "kty") {
        // 2048 bits are 342 letters of base64url.
        "RSA" => there(&["n", "e"])
            .or_else(|| (text(key, "n").len() < 342).then(|| "an RSA key of less than 2048 bits".into())),
        "EC" if is("crv", "P-256") || is("crv", "P-384") => there(&["x", "y"]),
        "OKP" if is("crv", "Ed25519") => there(&["x"]),
        _ => Some("neither RSA, nor EC on P-256 or P-384, nor Ed25519".into()),
    }
}

fn text<'k>(key: &'k Map<String, Value>, name: &str) -> &'k str {
    key.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A connector has a secret or a key.
pub(super) fn connectors_prove_in_one_way(context: &Context<'_>, findings: &mut Findings) {
    for (trail, connector) in context.connectors() {
        let Connector::Oidc(oidc) = connector else { continue };
        let Some(proof) = &oidc.client_proof else { continue };
        let at = trail.then("oauthClientAuth");
        if oidc.client_secret.is_some() {
            findings
                .at(
                    Problem,
                    context.tree,
                    &at,
                    format!("`{}` has a secret and a key: which of them is it?", oidc.name),
                )
                .hint("remove `oauthClientSecret`, or `oauthClientAuth`");
        }
        if proof.cert_path.is_some() && proof.key_path.is_none() {
            let message = format!("`{}` has a certificate and no key of its own: whose is it?", oidc.name);
            findings
                .at(Problem, context.tree, &at.then("certPath"), message)
                .hint("add `keyPath`, the key in that certificate");
        }
        if let Some(algorithm) = proof.algorithm.as_ref().filter(|known| !ACCEPTED.contains(&known.as_str()))
        {
            findings
                .at(
                    Problem,
                    context.tree,
                    &at.then("algorithm"),
                    format!("this node does not sign with `{algorithm}`"),
                )
                .hint(format!("known: {}; without it, the key decides", ACCEPTED.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words_of(set: &Value) -> String {
        problems(set).into_iter().map(|(_, problem)| problem).collect::<Vec<_>>().join("; ")
    }

    fn words(key: &Value) -> String {
        words_of(&json!({ "keys": [key] }))
    }

    #[test]
    fn a_private_key_or_a_shared_secret_is_not_registered() {
        let public = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
        assert_eq!(words(&public), "");
        let mut private = public;
        private["d"] = "AA".into();
        assert!(words(&private).contains("PRIVATE"));
        assert!(words(&json!({ "kty": "oct", "k": "c2VjcmV0" })).contains("shared secret"));
    }

    #[test]
    fn what_verifies_nothing_is_said() {
        assert!(words_of(&json!([])).contains("not a JWK Set"));
        assert!(words_of(&json!({ "keys": [] })).contains("no key"));
        assert!(words(&json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" })).contains("2048"));
        assert!(words(&json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" })).contains("neither"));
        assert!(words(&json!({ "kty": "EC", "crv": "P-256", "x": "AA" })).contains("`y` is missing"));
        assert!(
            words(&json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA", "use": "enc" }))
                .contains("not for signatures")
        );
    }
}
