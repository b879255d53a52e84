//! Why no node could have said that there is no way: application or edge were out of reach, the browser stood on a dead page, or
//! only the person's own path was cut. And which passwords went down with the page that they were typed into.

use crate::history::{Hop, Login, MILLISECOND, Micros, ServerKind};
use crate::verdict::world::{Span, World};

/// What somebody's browser did, for a login or for a sign-out.
pub(super) struct Walk<'w> {
    /// Whose.
    pub(super) person: &'w str,
    /// Where they sit.
    pub(super) region: &'w str,
    /// Name of the application's server.
    pub(super) app: &'w str,
    /// When it began.
    pub(super) start: Micros,
    /// Every answer or failure, in order.
    pub(super) hops: &'w [Hop],
}

impl<'w> From<&'w Login> for Walk<'w> {
    fn from(login: &'w Login) -> Self {
        let Login { person, region, app, start, hops, .. } = login;
        Self { person, region, app, start: *start, hops }
    }
}

/// Why no node could have said that there is no way, if that is so.
pub(super) fn cut_off(world: &World<'_>, walk: &Walk<'_>, ended: Micros, window: Span) -> Option<String> {
    let app = world.server(walk.app)?;
    if !world.used_by(walk.person, walk.region, app, window) {
        return Some("the application was out of reach".to_owned());
    }
    let edge = app.upstreams.first().and_then(|name| world.server(name));
    if let Some(edge) = edge
        && !(world.used_by(walk.person, walk.region, edge, window)
            && world.in_reach(&app.region, edge, window))
    {
        return Some(format!("{} was out of reach", edge.name));
    }
    dead_page(world, walk, ended).or_else(|| only_the_persons_path(world, walk))
}

/// The browser stood on a page, or waited for one, whose server the fault took away.
fn dead_page(world: &World<'_>, walk: &Walk<'_>, ended: Micros) -> Option<String> {
    let during = Span { from: walk.start, until: ended };
    for change in world.changes.iter().filter(|change| change.meets(during)) {
        let Some(hop) = walk.hops.iter().rfind(|hop| hop.start <= change.until) else { continue };
        let Some(server) = world.server_at(hop.host()) else { continue };
        let just_before = Span { from: hop.start.min(change.from), until: change.from.saturating_sub(1) };
        let just_after = Span { from: change.until, until: change.until + MILLISECOND };
        if world.answers_in(walk.region, server, just_before)
            && !world.answers_in(walk.region, server, just_after)
        {
            return Some(format!("the browser stood at {} when the fault came", server.name));
        }
    }
    None
}

/// Passwords that were on their way to an identity provider's own page when it went, and were never answered. Whoever begins again
/// has to type one, wherever that is, so the one that was swallowed is no act more. What is typed at a node's page counts.
pub(super) fn swallowed(world: &World<'_>, login: &Login) -> u32 {
    let mut count = 0;
    let mut before: Option<&Hop> = None;
    for hop in &login.hops {
        let again = before.is_some_and(|before| (&before.method, &before.url) == (&hop.method, &hop.url));
        before = Some(hop);
        if again || hop.method != "POST" || hop.status.is_some() {
            continue;
        }
        let during = Span { from: hop.start, until: hop.start + hop.took };
        let provider = world.server_at(hop.host()).filter(|server| server.kind == ServerKind::Idp);
        count += u32::from(provider.is_some_and(|it| !world.in_reach(&login.region, it, during)));
    }
    count
}

/// The node that sent the browser on could itself reach where it sent it.
fn only_the_persons_path(world: &World<'_>, walk: &Walk<'_>) -> Option<String> {
    let (index, failed) = walk.hops.iter().enumerate().rfind(|(_, hop)| hop.error.is_some())?;
    let to = world.server_at(failed.host())?;
    let sender = walk.hops[..index].iter().rev().filter(|hop| hop.status.is_some());
    let sender =
        sender.filter_map(|hop| world.server_at(hop.host())).find(|server| server.name != to.name)?;
    let during = Span { from: failed.start, until: failed.start + failed.took };
    let only =
        world.in_reach(&sender.region, to, during) && !world.used_by(walk.person, walk.region, to, during);
    only.then(|| format!("{} reached {}, and the person did not", sender.name, to.name))
}
