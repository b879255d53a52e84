//! Directories: how they are reached, who searches them, and what becomes part of a filter or a name.

use std::collections::BTreeSet;

use url::Url;

use super::{Context, urls::is_loopback};
use crate::{
    Connector,
    connectors::{IN_CHAIN, Ldap, OneOrMany, is_attribute},
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    trail::Trail,
};

fn directories<'a>(context: &Context<'a>) -> impl Iterator<Item = (Trail, &'a Ldap)> {
    context.connectors().filter_map(|(trail, connector)| match connector {
        Connector::Ldap(ldap) | Connector::ActiveDirectory(ldap) => Some((trail, ldap)),
        _ => None,
    })
}

/// Servers are listed once each, by URLs that say how passwords travel.
pub(super) fn servers_are_sound(context: &Context<'_>, findings: &mut Findings) {
    for (trail, ldap) in directories(context) {
        let one = matches!(ldap.url, OneOrMany::One(_));
        if ldap.url.iter().next().is_none() {
            let at = trail.then("url");
            findings
                .at(Problem, context.tree, &at, "no server is listed")
                .hint("write `url: ldaps://host:636`");
        }
        let mut seen = BTreeSet::new();
        for (i, text) in ldap.url.iter().enumerate() {
            let at = if one { trail.then("url") } else { trail.then("url").then(i) };
            server_is_sound(context, &at, ldap, text, findings);
            if !seen.insert(text) {
                findings.at(Warning, context.tree, &at, "this server is listed twice").hint("remove one");
            }
        }
        if ldap.allow_plaintext
            && (ldap.tls.is_some() || ldap.url.iter().all(|url| url.starts_with("ldaps:")))
        {
            let at = trail.then("allowPlaintext");
            let message = "nothing is sent in the clear here: it has no effect";
            findings.at(Warning, context.tree, &at, message).hint("remove it");
        }
    }
}

fn server_is_sound(context: &Context<'_>, at: &Trail, ldap: &Ldap, text: &str, findings: &mut Findings) {
    let shown = context.tree.nearest(at).shown();
    let url = Url::parse(text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
    let Some(url) = url.filter(|url| matches!(url.scheme(), "ldap" | "ldaps")) else {
        findings
            .at(Problem, context.tree, at, format!("{shown} is not the URL of a directory"))
            .hint("write `ldaps://host:636`");
        return;
    };
    let clear = url.scheme() == "ldap" && ldap.tls.is_none();
    if clear && !ldap.allow_plaintext {
        findings
            .at(Problem, context.tree, at, format!("{shown} would carry passwords in the clear"))
            .hint("write ldaps://, or name a `tls` profile for StartTLS, or say `allowPlaintext: true`");
    } else if clear && !is_here(text) {
        let message = "passwords travel in the clear: whoever is on the way reads them";
        findings
            .at(Warning, context.tree, at, message)
            .hint("write ldaps://, or name a `tls` profile for StartTLS");
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message = "a user name or password in a URL shows in logs";
        findings.at(Problem, context.tree, at, message).hint("use `bindDN` and `bindPassword`");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        let message = "only scheme, host and port of this URL count";
        findings
            .at(Warning, context.tree, at, message)
            .hint("write the base as `baseDN`, the rest as `scope` and keys");
    }
}

/// Hosts in URLs of unknown schemes are not parsed as addresses.
fn is_here(text: &str) -> bool {
    Url::parse(&text.replacen("ldap://", "http://", 1)).is_ok_and(|url| is_loopback(&url))
}

/// Somebody searches users, or nobody needs to.
pub(super) fn users_are_found(context: &Context<'_>, findings: &mut Findings) {
    for (trail, ldap) in directories(context) {
        let unwritten = |keys: [&'static str; 2]| keys.iter().all(|key| context.unwritten(&trail.then(*key)));
        let by_name = ldap.user_rdn_key.is_some() && ldap.username_search_key.is_none();
        if !by_name
            && unwritten(["bindDN", "serviceAccountUsername"])
            && unwritten(["bindPassword", "serviceAccountPassword"])
        {
            let message =
                format!("nobody may search the users of `{}`: it has no service account", ldap.name);
            findings.at(Problem, context.tree, &trail, message).hint(
                "add `bindDN:` and `bindPassword:`, or `userRDNKey:` if names stand right below `baseDN`",
            );
        }
        if ldap.user_rdn_key.is_some() && ldap.username_search_key.is_some() {
            let message = "users are searched by `usernameSearchKey`: this has no effect";
            findings
                .at(Warning, context.tree, &trail.then("userRDNKey"), message)
                .hint("keep one of the two");
        }
        if ldap.bind_password.as_ref().is_some_and(|password| password.expose().is_empty()) {
            let message = "an empty password binds as nobody";
            findings
                .at(Problem, context.tree, &trail.then("bindPassword"), message)
                .hint("write the account's password");
        }
        if !ldap.base_dn.contains('=') {
            let at = trail.then("baseDN");
            let message = format!("{} is not a distinguished name", context.tree.nearest(&at).shown());
            findings.at(Problem, context.tree, &at, message).hint("write for example `dc=example,dc=com`");
        }
    }
}

/// What becomes part of a filter or a name is the name of an attribute and nothing else.
pub(super) fn attributes_are_names(context: &Context<'_>, findings: &mut Findings) {
    for (trail, ldap) in directories(context) {
        let chain = |key: &Option<String>| {
            key.as_ref().map(|key| key.strip_suffix(IN_CHAIN).unwrap_or(key).to_owned())
        };
        let mut named = vec![
            (trail.then("usernameSearchKey"), ldap.username_search_key.clone()),
            (trail.then("userRDNKey"), ldap.user_rdn_key.clone()),
            (trail.then("groupSearchKey"), chain(&ldap.group_search_key)),
            (trail.then("groupNameKey"), ldap.group_name_key.clone()),
        ];
        let mapping = trail.then("attributeMapping");
        named.extend(
            ldap.attribute_mapping.iter().map(|(ours, theirs)| (mapping.then(ours), Some(theirs.clone()))),
        );
        for (at, name) in
            named.into_iter().filter(|(_, name)| name.as_ref().is_some_and(|name| !is_attribute(name)))
        {
            let shown = context.tree.nearest(&at).shown();
            let message = format!("{shown} is not the name of an attribute");
            let hint = if name.is_some_and(|name| name.is_empty()) {
                "remove the key"
            } else {
                "write for example `uid`"
            };
            findings.at(Problem, context.tree, &at, message).hint(hint);
        }
        let idle = [("groupSearchKey", &ldap.group_search_key), ("groupNameKey", &ldap.group_name_key)];
        for (key, _) in idle.into_iter().filter(|(_, value)| value.is_some() && ldap.group_base_dn.is_none())
        {
            let message = "groups are not searched: it has no effect";
            findings.at(Warning, context.tree, &trail.then(key), message).hint("add `groupBaseDN:`");
        }
        if ldap.group_base_dn.is_some() && ldap.attribute_mapping.contains_key("groups") {
            let message = "`attributeMapping` says what `groups` is: it has no effect";
            findings
                .at(Warning, context.tree, &trail.then("groupBaseDN"), message)
                .hint("keep one of the two");
        }
        if ldap.login_url.is_some() {
            let message = "the sign-in page is the node's own: it has no effect";
            findings.at(Warning, context.tree, &trail.then("loginURL"), message).hint("remove it");
        }
    }
}
