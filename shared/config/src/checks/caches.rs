//! Caches: what each type needs. Only the one in memory is built yet; the others are validated all the same.

use super::Context;
use crate::{
    Secret,
    finding::{Findings, Severity::Problem},
    node::{Cache, CacheKind},
    trail::{Trail, at},
};

/// Hexadecimal digits of a key: 32 bytes.
const KEY_DIGITS: usize = 64;

/// Each cache has what its type needs, and keys that are keys.
pub(super) fn caches_are_whole(context: &Context<'_>, findings: &mut Findings) {
    for (i, cache) in context.config().caches.iter().enumerate() {
        let trail = at!["caches", i];
        let (key, there) = match cache.kind {
            CacheKind::Memory => continue,
            CacheKind::Redis => ("redis", cache.redis.is_some()),
            CacheKind::Cluster => ("cluster", cache.cluster.is_some()),
        };
        if !there && context.unwritten(&trail.then(key)) {
            findings
                .at(Problem, context.tree, &trail, format!("`type: {key}` without `{key}`"))
                .hint(format!("add `{key}:` with what it needs"));
        }
        servers_are_addresses(context, &trail, cache, findings);
        keys_are_keys(context, &trail, cache, findings);
    }
}

fn servers_are_addresses(context: &Context<'_>, trail: &Trail, cache: &Cache, findings: &mut Findings) {
    let Some(redis) = &cache.redis else { return };
    let at = trail.then("redis").then("addresses");
    if redis.addresses.is_empty() && context.tree.find(&at).is_none_or(|node| node.items().is_empty()) {
        findings.at(Problem, context.tree, &at, "no server is listed").hint("write `addresses: [host:6379]`");
    }
    for (i, address) in redis.addresses.iter().enumerate() {
        let port = address
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            let at = at.then(i);
            let shown = context.tree.nearest(&at).shown();
            findings
                .at(Problem, context.tree, &at, format!("{shown} is not host:port"))
                .hint("write for example redis:6379");
        }
    }
}

fn keys_are_keys(context: &Context<'_>, trail: &Trail, cache: &Cache, findings: &mut Findings) {
    let at = trail.then("encryption").then("keys");
    let keys = &cache.encryption.keys;
    if !cache.encryption.disabled && keys.current.is_none() && context.unwritten(&at.then("current")) {
        findings
            .at(Problem, context.tree, trail, "values are sealed, and there is no key to seal them with")
            .hint("add\nencryption:\n  keys:\n    current: <vault.cache-key>\nand make the key with: openssl rand -hex 32");
    }
    let old = keys.old.iter().enumerate().map(|(i, key)| (at.then("old").then(i), key));
    for (at, key) in keys.current.iter().map(|key| (at.then("current"), key)).chain(old) {
        if !is_key(key) {
            findings
                .at(Problem, context.tree, &at, format!("a key has {KEY_DIGITS} hexadecimal digits"))
                .hint("make one with: openssl rand -hex 32");
        }
    }
}

fn is_key(key: &Secret) -> bool {
    key.expose().len() == KEY_DIGITS && key.expose().bytes().all(|byte| byte.is_ascii_hexdigit())
}
