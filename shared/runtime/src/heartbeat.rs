//! The heartbeat: one line now and then that says the node lives, and what it weighs.

use std::fs;
use std::sync::Arc;

use mangrove_config::node::{Heartbeat, Level};
use tokio_util::sync::CancellationToken;

use crate::admin::Api;

/// Beats until `stop`.
pub(crate) async fn beat(settings: Heartbeat, api: Arc<Api>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(settings.interval.0.max(SHORTEST));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    // The first tick comes at once; the ready line has just said the same.
    ticks.tick().await;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let sessions = api.login.sessions();
        let connections: usize = api.listeners.iter().map(|listener| listener.gauge.open()).sum();
        let memory_mb = resident().map_or(0, |bytes| bytes / (1024 * 1024));
        let (node_id, version) = (api.node_id.as_str(), env!("CARGO_PKG_VERSION"));
        match settings.log_level {
            Level::Debug => tracing::debug!(node_id, version, sessions, connections, memory_mb, "heartbeat"),
            _ => tracing::info!(node_id, version, sessions, connections, memory_mb, "heartbeat"),
        }
    }
}

/// Resident memory, as the kernel says.
fn resident() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

const SHORTEST: std::time::Duration = std::time::Duration::from_millis(100);
