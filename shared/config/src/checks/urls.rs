//! URLs: what travels over a network travels encrypted, and what belongs to this node is on its origin.

use url::Url;

use super::Context;
use crate::{
    App, Connector,
    files::why,
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    resolved::origin,
    trail::{Trail, at},
};

/// Whether a URL leads to this machine only.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// What is wrong with a URL that a browser or this node opens; `None` where nothing is.
fn insecure(url: &Url) -> Option<&'static str> {
    match url.scheme() {
        "https" => None,
        "http" if is_loopback(url) => None,
        "http" => Some("plain HTTP is allowed only on loopback"),
        _ => Some("this is not an http or https URL"),
    }
}

fn judge(context: &Context<'_>, trail: &Trail, url: &Url, findings: &mut Findings) {
    if let Some(message) = insecure(url) {
        findings.at(Problem, context.tree, trail, message).hint("write an https URL");
    }
    if url.fragment().is_some() {
        findings
            .at(Problem, context.tree, trail, "a fragment (`#...`) never arrives")
            .hint("write it without `#`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message = "a user name or password in a URL shows in logs and address bars";
        findings.at(Problem, context.tree, trail, message).hint("write the URL without `user:password@`");
    }
}

/// The issuer and the public URL: https, nothing behind the path.
pub(super) fn the_nodes_own_urls_are_sound(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    if let Some(issuer) =
        config.oidc_provider.as_ref().and_then(|provider| provider.discovery.issuer.as_ref())
    {
        let trail = at!["oidcProvider", "discovery", "issuer"];
        judge(context, &trail, issuer, findings);
        if issuer.query().is_some() {
            findings
                .at(
                    Problem,
                    context.tree,
                    &trail,
                    "an issuer has no query (OpenID Connect Discovery 1.0 section 3)",
                )
                .hint("write it without `?...`");
        }
        let bare =
            context.tree.find(&trail).and_then(|node| node.as_str()).is_some_and(|text| text.ends_with('/'));
        if bare && issuer.path() == "/" {
            findings
                .at(Warning, context.tree, &trail, "the issuer in tokens has no slash at its end")
                .hint("write it without the slash, here and where applications are told the issuer");
        }
    }
    if let Some(url) = &config.http.public_url {
        let trail = at!["http", "publicURL"];
        judge(context, &trail, url, findings);
        if url.path() != "/" || url.query().is_some() {
            findings
                .at(Problem, context.tree, &trail, "the public URL is an origin: scheme, host and port")
                .hint(format!("write `publicURL: {}`", url.origin().ascii_serialization()));
        }
    }
}

/// Connectors' redirect URLs and consumer services.
pub(super) fn redirect_urls_of_connectors_are_sound(context: &Context<'_>, findings: &mut Findings) {
    for (trail, connector) in context.connectors() {
        match connector {
            Connector::Oidc(oidc) => {
                if let Some(url) = &oidc.redirect_url {
                    judge(context, &trail.then("oauthRedirectURL"), url, findings);
                }
                let older = oidc.oauth_login_redirect.iter().flat_map(|redirect| &redirect.urls).enumerate();
                for (i, url) in older {
                    judge(context, &trail.then("oauthLoginRedirect").then("urls").then(i), url, findings);
                }
                both_forms_agree(context, &trail, oidc, findings);
            }
            Connector::Saml(saml) => {
                judge(context, &trail.then("samlConsumerServiceURL"), &saml.consumer_service_url, findings);
                if let Some(url) = &saml.logout_callback_url {
                    judge(context, &trail.then("samlLogoutCallbackURL"), url, findings);
                }
            }
            _ => {}
        }
    }
}

fn both_forms_agree(
    context: &Context<'_>,
    trail: &Trail,
    oidc: &crate::connectors::Oidc,
    findings: &mut Findings,
) {
    let older = oidc.oauth_login_redirect.as_ref().and_then(|redirect| redirect.urls.first());
    if let (Some(url), Some(older)) = (&oidc.redirect_url, older)
        && url != older
    {
        findings
            .at(
                Problem,
                context.tree,
                &trail.then("oauthLoginRedirect"),
                "`oauthRedirectURL` and `oauthLoginRedirect` are two forms of one setting and differ",
            )
            .hint("keep `oauthRedirectURL`");
    }
}

/// Where connectors find their providers.
pub(super) fn provider_urls_are_sound(context: &Context<'_>, findings: &mut Findings) {
    for (trail, connector) in context.connectors() {
        match connector {
            Connector::Oidc(oidc) => {
                judge(context, &trail.then("oidcWellKnownURL"), &oidc.well_known_url, findings);
                proxy_is_sound(context, &trail, oidc.proxy.as_ref(), findings);
            }
            Connector::Saml(saml) => {
                metadata_is_there(context, &trail.then("samlMetadataURL"), &saml.metadata_url, findings);
                proxy_is_sound(context, &trail, saml.proxy.as_ref(), findings);
            }
            _ => {}
        }
    }
}

fn proxy_is_sound(context: &Context<'_>, trail: &Trail, proxy: Option<&Url>, findings: &mut Findings) {
    if let Some(proxy) = proxy.filter(|proxy| proxy.scheme() != "http") {
        let message = format!("`{}` is not a kind of proxy that is supported", proxy.scheme());
        findings.at(Problem, context.tree, &trail.then("proxy"), message).hint("write http://host:port");
    }
}

/// Metadata on the web travels encrypted; in a file it is there now.
fn metadata_is_there(context: &Context<'_>, trail: &Trail, url: &Url, findings: &mut Findings) {
    const LARGEST: u64 = 1 << 20;
    if url.scheme() != "file" {
        return judge(context, trail, url, findings);
    }
    let read = url.to_file_path().map_err(|()| "this is not the URL of a file here".to_owned());
    let read = read.and_then(|path| context.files.read(&path, LARGEST).map_err(|error| why(&error)));
    if let Err(why) = read {
        let message = format!("{}: {why}", context.tree.nearest(trail).shown());
        findings
            .at(Problem, context.tree, trail, message)
            .hint("write file:///path/to/metadata.xml; the service's user must be able to read it");
    }
}

/// Applications' redirect URLs: https, or loopback; applications of a phone or a desktop may have a scheme of their own.
pub(super) fn redirect_urls_of_apps_are_sound(context: &Context<'_>, findings: &mut Findings) {
    for (trail, app) in context.apps() {
        let App::Oidc(app) = app else { continue };
        if let Some(url) = &app.initiate_login_url {
            judge(context, &trail.then("initiateLoginURL"), url, findings);
        }
        for (key, urls) in
            [("redirectURLs", &app.redirect_urls), ("postLogoutRedirectURLs", &app.post_logout_redirect_urls)]
        {
            for (i, text) in urls.iter().enumerate() {
                app_url(context, &trail.then(key).then(i), text, app.public, findings);
            }
        }
    }
}

fn app_url(context: &Context<'_>, trail: &Trail, text: &str, public: bool, findings: &mut Findings) {
    let shown = context.tree.nearest(trail).shown();
    let Ok(url) = Url::parse(text) else {
        findings
            .at(Problem, context.tree, trail, format!("{shown} is not a whole URL"))
            .hint("write https://host/path, exactly as the application sends it");
        return;
    };
    if text.contains('*') {
        findings
            .at(Warning, context.tree, trail, format!("{shown}: URLs are matched exactly, `*` is a letter"))
            .hint("list each URL");
    }
    match url.scheme() {
        "http" | "https" => judge(context, trail, &url, findings),
        "javascript" | "data" | "vbscript" | "file" | "blob" | "about" => {
            let message = format!("{shown} would run or read something in the browser");
            findings.at(Problem, context.tree, trail, message).hint("write an https URL");
        }
        scheme if !public || !scheme.contains('.') => {
            findings
                .at(Problem, context.tree, trail, format!("{shown} is neither https nor loopback"))
                .hint("write an https URL; applications on phones (`public: true`) may use a scheme like com.example.app:");
        }
        _ if url.fragment().is_some() => judge(context, trail, &url, findings),
        _ => {}
    }
}

/// Single logout and the provider's endpoints are this node's own.
pub(super) fn endpoints_are_on_this_node(context: &Context<'_>, findings: &mut Findings) {
    let config = context.config();
    let own = origin(&config.public_url());
    let mut urls: Vec<(Trail, &Url)> = Vec::new();
    if let Some(logout) = &config.single_logout {
        urls.push((at!["singleLogout", "logoutURL"], &logout.logout_url));
    }
    if let Some(provider) = &config.oidc_provider {
        let e = &provider.discovery.endpoints;
        let all = [
            ("wellKnown", &e.well_known),
            ("jwks", &e.jwks),
            ("auth", &e.auth),
            ("token", &e.token),
            ("userinfo", &e.userinfo),
            ("introspect", &e.introspect),
            ("revoke", &e.revoke),
            ("endSession", &e.end_session),
            ("health", &e.health),
        ];
        let given = all.into_iter().filter_map(|(key, url)| Some((key, url.as_ref()?)));
        urls.extend(given.map(|(key, url)| (at!["oidcProvider", "discovery", "endpoints", key], url)));
    }
    for (trail, url) in urls {
        judge(context, &trail, url, findings);
        if own.is_some() && origin(url) != own {
            let message = format!(
                "this is not on the node's own origin {}",
                config.public_url().origin().ascii_serialization()
            );
            findings
                .at(Problem, context.tree, &trail, message)
                .hint("write it on that origin, or say the origin with `http.publicURL`");
        }
    }
}

/// Two providers that answer at one URL can be mixed up (RFC 9700 section 4.4), unless each says who it is. It is the path that
/// tells answers apart: a node has one origin.
pub(super) fn redirect_urls_are_not_shared(context: &Context<'_>, findings: &mut Findings) {
    let mut first: std::collections::HashMap<&str, &str> = std::collections::HashMap::new();
    for (trail, connector) in context.connectors() {
        let (Connector::Oidc(oidc), Some(url)) = (connector, connector.redirect_url()) else { continue };
        let Some(other) = first.get(url.path()) else {
            first.insert(url.path(), &oidc.name);
            continue;
        };
        let message = format!(
            "`{}` and `{other}` share one redirect URL: unless both send `iss` with their answers, one of them can be \
             mixed up with the other (RFC 9700 section 4.4)",
            oidc.name
        );
        findings
            .at(Warning, context.tree, &trail.then("oauthRedirectURL"), message)
            .hint(format!("give `{}` one of its own, for example {url}/{}", oidc.name, oidc.name));
    }
}
