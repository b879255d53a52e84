//! What logins cost without a fault, and who answered them: that of a login under a fault is held against it.

use std::collections::BTreeMap;

use crate::history::{Event, Hop, Login, Micros, SECOND, Seen, ServerKind, What};
use crate::verdict::stats;
use crate::verdict::world::World;

/// A login's window lasts at least so long.
pub(super) const LEAST_WINDOW: Micros = 2 * SECOND;

/// What logins in one region cost without a fault.
#[derive(Debug, Clone, Default)]
pub struct Usual {
    /// Times of those signed in, by who answered; `""` for all.
    pub times: BTreeMap<String, Vec<Micros>>,
    /// Choices of the median login.
    pub(super) choices: u32,
    /// Passwords of the median login.
    pub(super) passwords: u32,
}

impl Usual {
    /// The median over the member that answered; over all if it never did.
    pub fn median(&self, by: &str) -> Option<Micros> {
        let times = self.times.get(by).or_else(|| self.times.get(""))?;
        stats::median(times)
    }

    /// How long the window of a login is.
    pub fn window(&self) -> Micros {
        LEAST_WINDOW.max(self.median("").unwrap_or_default().saturating_mul(3))
    }
}

/// What logins cost that ended before the first fault.
pub(super) fn usual<'a>(world: &World<'a>, events: &'a [Event]) -> BTreeMap<&'a str, Usual> {
    let first_fault = world.first_fault();
    let mut by_region: BTreeMap<&str, (Usual, Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for event in events.iter().filter(|event| event.at < first_fault) {
        let What::Login(login) = &event.what else { continue };
        if login.seen != Seen::SignedIn {
            continue;
        }
        let (usual, choices, passwords) = by_region.entry(&login.region).or_default();
        let took = event.at.saturating_sub(login.start);
        for by in [answered(world, login).join(" › "), String::new()] {
            usual.times.entry(by).or_default().push(took);
        }
        choices.push(u64::from(login.acts.choices));
        passwords.push(u64::from(login.acts.passwords));
    }
    let number = |counts: &[u64], otherwise| {
        stats::median(counts).and_then(|n| u32::try_from(n).ok()).unwrap_or(otherwise)
    };
    by_region
        .into_iter()
        .map(|(region, (usual, choices, passwords))| {
            (region, Usual { choices: number(&choices, 0), passwords: number(&passwords, 1), ..usual })
        })
        .collect()
}

/// The servers behind the edge that the browser saw in its last start, in order.
pub(super) fn answered<'a>(world: &World<'a>, login: &'a Login) -> Vec<&'a str> {
    let mut by: Vec<&str> = Vec::new();
    for server in last_start(world, login)
        .iter()
        .filter(|hop| hop.status.is_some())
        .filter_map(|hop| world.server_at(hop.host()))
    {
        let behind = matches!(server.kind, ServerKind::Root | ServerKind::Idp) || server.vouches;
        if behind && !by.contains(&server.name.as_str()) {
            by.push(&server.name);
        }
    }
    by
}

/// What the browser did since it last began: at the application, or in its first start at a provider.
pub(in crate::verdict) fn last_start<'h>(world: &World<'_>, login: &'h Login) -> &'h [Hop] {
    if login.acts.restarts == 0 {
        return &login.hops;
    }
    let at_app = |hop: &Hop| world.server_at(hop.host()).is_some_and(|server| server.name == login.app);
    let is_start = |hop: &Hop| hop.path() == "/" && at_app(hop);
    let start = login.hops.iter().rposition(is_start).unwrap_or(0);
    &login.hops[start..]
}
