//! The node itself: addresses, limits, sessions, the admin interface.

use std::net::{IpAddr, SocketAddr};

use super::Context;
use crate::{
    finding::{
        Findings,
        Severity::{Problem, Warning},
    },
    node::Level,
    trail::at,
};

/// The listener's address and limits.
pub(super) fn the_listener_is_sound(context: &Context<'_>, findings: &mut Findings) {
    let http = &context.config().http;
    let at = at!["http", "address"];
    if port(&http.address).is_none() {
        let shown = context.tree.nearest(&at).shown();
        findings
            .at(Problem, context.tree, &at, format!("{shown} is not an address to listen on"))
            .hint("write address:port, for example 0.0.0.0:9443 or [::]:9443");
    }
    for (i, network) in http.trusted_proxies.iter().enumerate() {
        let at = at!["http", "trustedProxies", i];
        let shown = context.tree.nearest(&at).shown();
        match prefix(network) {
            None => {
                findings
                    .at(Problem, context.tree, &at, format!("{shown} is neither an address nor a network"))
                    .hint("write for example 10.0.0.5 or 10.0.0.0/24");
            }
            Some(0) => {
                findings
                    .at(Problem, context.tree, &at, format!("{shown} believes everybody's forwarded headers"))
                    .hint("list the addresses of your load balancers");
            }
            Some(_) => {}
        }
    }
    for (key, limit) in [
        ("maxConnections", http.max_connections),
        ("maxConnectionsPerAddress", http.max_connections_per_address),
    ] {
        if limit == 0 {
            findings
                .at(Problem, context.tree, &at!["http", key], "nobody could connect")
                .hint("write 1 or more");
        }
    }
}

/// The port of `host:port`, `:port` or `[v6]:port`.
fn port(address: &str) -> Option<u16> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Some(address.port());
    }
    let (host, port) = address.rsplit_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.chars().all(plain).then(|| port.parse().ok())?
}

/// The length of a network's prefix; all bits for an address.
fn prefix(network: &str) -> Option<u8> {
    let (address, length) = network.split_once('/').map_or((network, None), |(a, l)| (a, Some(l)));
    let most = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    length.map_or(Some(most), |length| length.parse().ok().filter(|length| *length <= most))
}

/// The admin interface is on loopback, and with a token.
pub(super) fn the_admin_is_closed_to_others(context: &Context<'_>, findings: &mut Findings) {
    let admin = &context.config().admin;
    if let Some(address) = &admin.address {
        let at = at!["admin", "address"];
        let shown = context.tree.nearest(&at).shown();
        let local = address.parse::<SocketAddr>().map(|address| address.ip().is_loopback());
        match local {
            Ok(true) => {}
            Ok(false) => {
                findings
                    .at(Problem, context.tree, &at, format!("{shown} is reachable from outside"))
                    .hint("write 127.0.0.1:PORT or [::1]:PORT");
            }
            Err(_) => {
                findings
                    .at(Problem, context.tree, &at, format!("{shown} is not an address and port"))
                    .hint("write 127.0.0.1:PORT");
            }
        }
        if admin.token.is_none() && context.unwritten(&at!["admin", "token"]) {
            findings.at(Problem, context.tree, &at, "the admin interface on an address needs a token").hint(
                "add `token: <vault.admin-token>` under `admin`; without `address`, the socket needs none",
            );
        }
    }
    if admin.token.as_ref().is_some_and(|token| token.expose().len() < 16) {
        findings
            .at(Problem, context.tree, &at!["admin", "token"], "the token is shorter than 16 characters")
            .hint("make one: openssl rand -base64 32");
    }
}

/// Sessions end, and their cookie has a name.
pub(super) fn sessions_are_sound(context: &Context<'_>, findings: &mut Findings) {
    let session = &context.config().session;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if session.cookie.name.is_empty() || !session.cookie.name.chars().all(token) {
        let at = at!["session", "cookie", "name"];
        let shown = context.tree.nearest(&at).shown();
        findings
            .at(
                Problem,
                context.tree,
                &at,
                format!("{shown} is not a name that a cookie may have (RFC 6265)"),
            )
            .hint("use letters, digits, `_` and `-`");
    }
    let (max, idle) = (session.lifetime.max_timeout.0, session.lifetime.idle_timeout.0);
    if max.is_zero() {
        findings
            .at(
                Problem,
                context.tree,
                &at!["session", "lifetime", "maxTimeout"],
                "a session needs a longest life",
            )
            .hint("write for example `maxTimeout: 24h`");
    } else if idle > max {
        let at = at!["session", "lifetime", "idleTimeout"];
        findings
            .at(Warning, context.tree, &at, "longer than `maxTimeout`: it never takes effect")
            .hint("make it shorter, or 0 for none");
    }
    if session.store.capacity == 0 {
        findings
            .at(Problem, context.tree, &at!["session", "store", "capacity"], "no session could be kept")
            .hint("write 1 or more");
    }
}

/// The status endpoint and the heartbeat.
pub(super) fn health_is_sound(context: &Context<'_>, findings: &mut Findings) {
    let health = &context.config().health;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '{' | '}' | '*');
    if !health.location.starts_with('/') || health.location == "/" || !health.location.chars().all(plain) {
        findings
            .at(Problem, context.tree, &at!["health", "location"], "this is not the path of an endpoint")
            .hint("write for example `location: /status`");
    }
    if !matches!(health.heartbeat.log_level, Level::Info | Level::Debug) {
        findings
            .at(
                Problem,
                context.tree,
                &at!["health", "heartbeat", "logLevel"],
                "a heartbeat is `info` or `debug`",
            )
            .hint("write info or debug");
    }
    if health.heartbeat.interval.0 < std::time::Duration::from_secs(1) {
        findings
            .at(Problem, context.tree, &at!["health", "heartbeat", "interval"], "shorter than a second")
            .hint("write `disabled: true` to have none");
    }
}
