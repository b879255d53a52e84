//! What the language knows elsewhere and this product does not, by name: whoever writes it learns what to write
//! instead, or that it is not supported yet.

use crate::trail::Trail;

/// Top-level keys of modes and forms that are not supported, with what to do.
const TOP: &[(&str, &str)] = &[
    ("mcpProvider", ""),
    ("ldapProvider", ""),
    ("apis", ""),
    ("serviceExtensions", ""),
    ("clusters", ""),
    ("include", "put everything into one file"),
    ("appgateways", "this is the older form of `apps` of `type: proxy`, which are not supported yet either"),
    ("authProvider", "write a connector, and name it in the application's `authentication.idps`"),
    ("attrProviders", ""),
    ("listenAddress", "write `http.address`"),
    ("secretProvider", "name it outside of the file: -secretProvider, or MAVERICS_SECRET_PROVIDER"),
    ("license", "remove it: none is needed"),
];

/// Keys below the top level.
const BELOW: &[(&str, &str)] = &[
    ("routing", ""),
    ("tokenMinting", "remove it; `authorization.allowAll: true` is what applications have"),
    ("rules", "remove it; `authorization.allowAll: true` is what applications have"),
    ("rulesAggregationMethod", "remove it"),
    ("policies", ""),
    ("upstream", ""),
    ("backchannel", ""),
];

/// Connector types that are products, with what to write instead.
const PRODUCTS: &[(&str, &str)] = &[
    (
        "azure",
        "`type: oidc` with `oidcWellKnownURL: https://login.microsoftonline.com/TENANT/v2.0/.well-known/openid-configuration`; where `authType: saml` stood, `type: saml`",
    ),
    (
        "entra",
        "`type: oidc` with `oidcWellKnownURL: https://login.microsoftonline.com/TENANT/v2.0/.well-known/openid-configuration`, or `type: saml`",
    ),
    (
        "auth0",
        "`type: oidc` with `oidcWellKnownURL: https://TENANT.auth0.com/.well-known/openid-configuration`",
    ),
    (
        "cognito",
        "`type: oidc` with `oidcWellKnownURL: https://cognito-idp.REGION.amazonaws.com/POOL/.well-known/openid-configuration`",
    ),
    (
        "okta",
        "`type: oidc` with `oidcWellKnownURL: https://ORG.okta.com/.well-known/openid-configuration`, or `type: saml`",
    ),
    (
        "adfs",
        "`type: oidc` with `oidcWellKnownURL: https://HOST/adfs/.well-known/openid-configuration`, or `type: saml`",
    ),
    (
        "keycloak",
        "`type: oidc` with `oidcWellKnownURL: https://HOST/realms/REALM/.well-known/openid-configuration`, or `type: saml`",
    ),
    (
        "pingfederate",
        "`type: oidc` with `oidcWellKnownURL: https://HOST/.well-known/openid-configuration`, or `type: saml`",
    ),
    (
        "ping",
        "`type: oidc` with `oidcWellKnownURL: https://HOST/.well-known/openid-configuration`, or `type: saml`",
    ),
    (
        "google",
        "`type: oidc` with `oidcWellKnownURL: https://accounts.google.com/.well-known/openid-configuration`",
    ),
    (
        "oauth",
        "`type: oidc` with `oidcWellKnownURL`; plain OAuth says who nobody is, so a provider without OpenID Connect is not supported",
    ),
    ("openid", "`type: oidc`"),
    ("oidc-generic", "`type: oidc`"),
    ("ad", "`type: activedirectory`"),
    ("duo", "`type: oidc` with `oidcWellKnownURL`, or `type: saml`"),
    ("cyberark", "`type: oidc` with `oidcWellKnownURL`, or `type: saml`"),
    ("hypr", "`type: oidc` with `oidcWellKnownURL`"),
    ("1kosmos", "`type: oidc` with `oidcWellKnownURL`, or `type: saml`"),
    ("onelogin", "`type: oidc` with `oidcWellKnownURL`, or `type: saml`"),
    ("oracle", "`type: oidc` with `oidcWellKnownURL`, `type: saml`, or `type: ldap` for a directory"),
    ("oud", "`type: ldap`"),
    ("trusona", "`type: oidc` with `oidcWellKnownURL`"),
    ("wso2", "`type: oidc` with `oidcWellKnownURL`, or `type: saml`"),
    ("dex", "`type: oidc` with `oidcWellKnownURL`"),
    ("hydra", "`type: oidc` with `oidcWellKnownURL`"),
];

/// Application types that are not supported.
const APPS: &[&str] = &["proxy", "mcpProxy", "mcpBridge", "ldap", "wsfed"];

/// Why a key that is not known is refused by name, and what to do.
pub(crate) fn key(parent: &Trail, key: &str) -> Option<(String, String)> {
    let table = if parent.is_root() { TOP } else { BELOW };
    if let Some((_, hint)) = table.iter().find(|(name, _)| *name == key) {
        let hint = if hint.is_empty() { "remove it" } else { hint };
        return Some((format!("`{key}` is not supported yet"), hint.to_owned()));
    }
    let extension = key.len() > 2 && key.ends_with("SE");
    extension.then(|| {
        (format!("`{key}` is not supported yet: there are no service extensions"), "remove it".to_owned())
    })
}

/// Why a `type` that is not known is refused by name, and what to do. `list` is where it stands: `connectors`, `apps`.
pub(crate) fn kind(list: &str, kind: &str) -> Option<(String, String)> {
    let is = |name: &str| name.eq_ignore_ascii_case(kind);
    match list {
        "connectors" => {
            let (_, instead) = PRODUCTS.iter().find(|(name, _)| is(name))?;
            Some((
                format!("`{kind}` is not a type of connector here: types are protocols"),
                format!("write {instead}"),
            ))
        }
        "apps" if APPS.iter().any(|name| is(name)) => {
            let hint = "remove the application; `oidc` is what applications speak today";
            Some((format!("applications of `type: {kind}` are not supported yet"), hint.to_owned()))
        }
        _ => None,
    }
}
