//! Why no node could have said that there is no way: application or edge were out of reach, the browser stood on a dead page, or
//! only the person's own path was cut.

use crate::history::{Login, MILLISECOND, Micros};
use crate::verdict::world::{Span, World};

/// Why no node could have said that there is no way, if that is so.
pub(super) fn cut_off(world: &World<'_>, login: &Login, ended: Micros, window: Span) -> Option<String> {
    let app = world.server(&login.app)?;
    if !world.used_by(&login.person, &login.region, app, window) {
        return Some("the application was out of reach".to_owned());
    }
    let edge = app.upstreams.first().and_then(|name| world.server(name));
    if let Some(edge) = edge
        && !(world.used_by(&login.person, &login.region, edge, window)
            && world.in_reach(&app.region, edge, window))
    {
        return Some(format!("{} was out of reach", edge.name));
    }
    dead_page(world, login, ended).or_else(|| only_the_persons_path(world, login))
}

/// The browser stood on a page, or waited for one, whose server the fault took away.
fn dead_page(world: &World<'_>, login: &Login, ended: Micros) -> Option<String> {
    let during = Span { from: login.start, until: ended };
    for change in world.changes.iter().filter(|change| change.meets(during)) {
        let Some(hop) = login.hops.iter().rfind(|hop| hop.start <= change.until) else { continue };
        let Some(server) = world.server_at(hop.host()) else { continue };
        let just_before = Span { from: hop.start.min(change.from), until: change.from.saturating_sub(1) };
        let just_after = Span { from: change.until, until: change.until + MILLISECOND };
        if world.answers_in(&login.region, server, just_before)
            && !world.answers_in(&login.region, server, just_after)
        {
            return Some(format!("the browser stood at {} when the fault came", server.name));
        }
    }
    None
}

/// The node that sent the browser on could itself reach where it sent it.
fn only_the_persons_path(world: &World<'_>, login: &Login) -> Option<String> {
    let (index, failed) = login.hops.iter().enumerate().rfind(|(_, hop)| hop.error.is_some())?;
    let to = world.server_at(failed.host())?;
    let sender = login.hops[..index].iter().rev().filter(|hop| hop.status.is_some());
    let sender =
        sender.filter_map(|hop| world.server_at(hop.host())).find(|server| server.name != to.name)?;
    let during = Span { from: failed.start, until: failed.start + failed.took };
    let only = world.in_reach(&sender.region, to, during)
        && !world.used_by(&login.person, &login.region, to, during);
    only.then(|| format!("{} reached {}, and the person did not", sender.name, to.name))
}
