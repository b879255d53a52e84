//! Where a login waits: for somebody who can vouch, or for this node's time. It is kept meanwhile, and nobody else is asked for want
//! of time: that would cost the person a second sign-in, and blame a member for what is this node's.

use mangrove_cache::CacheError;
use mangrove_connectors::{Answer, Failure};

use super::claim::Attempt;
use super::{Astray, Step, World, ended, kept};
use crate::book::Flow;
use crate::decisions::What;
use crate::ending::{Ending, Failed};

/// Seconds until the page that nobody could vouch tries again, by round.
const AGAIN_AFTER: [u64; 4] = [5, 5, 10, 15];

/// What a login waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Somebody who can vouch.
    Members,
    /// This node's time.
    Time,
}

/// This node had no time to ask a member. Nobody else is asked for that: the login waits here, and who asked over another node is told.
///
/// # Errors
/// The cache fails.
pub(super) async fn not_begun<W: World>(
    world: &W,
    flow: Flow,
    Failed { member, failure }: Failed,
) -> Result<Step, CacheError> {
    if flow.silent() || flow.came_over_a_node() {
        let ending = Ending::no_room(&flow, failure.log);
        return ended(world, flow, ending).await;
    }
    world.record(&flow, What::NotAsked { member, why: failure.log });
    waits(world, flow, Lack::Time).await
}

/// This node had no time for an answer: it is as if it had not come yet. To send the person on would cost them a second sign-in,
/// and to end the login the first.
///
/// # Errors
/// The cache fails.
pub(super) async fn not_looked_at<W: World>(
    world: &W,
    flow: Flow,
    attempt: Attempt,
    failure: Failure,
    answer: &Answer,
) -> Result<Step, CacheError> {
    world.record(&flow, What::NotLookedAt { member: attempt.member.clone(), why: failure.log });
    world.makes_room_for(&flow, 0).await;
    if !world.book().has_answered(&flow, &attempt.member).await? {
        world.takes_room_back(&flow);
        return Ok(Step::Astray(Astray::Closed));
    }
    let is_open = attempt.renew(world, &flow).await?;
    Ok(if is_open { Step::BringsAgain(flow, answer.clone()) } else { Step::Astray(Astray::Spent) })
}

/// Nobody can vouch now: the application's request is kept, and the page tries again by itself. A node that sent the
/// browser here is told instead: it may know somebody else, and if not it has such a page nearer to the person.
pub(super) async fn nobody_left<W: World>(world: &W, flow: Flow) -> Result<Step, CacheError> {
    if flow.silent() || flow.came_over_a_node() {
        return ended(world, flow, Ending::nobody_left()).await;
    }
    waits(world, flow, Lack::Members).await
}

/// Keeps a login that begins anew by itself, a little later.
async fn waits<W: World>(world: &W, mut flow: Flow, lack: Lack) -> Result<Step, CacheError> {
    let round = usize::try_from(flow.rounds).unwrap_or(usize::MAX);
    let seconds = AGAIN_AFTER[round.min(AGAIN_AFTER.len() - 1)];
    flow.rounds += 1;
    flow.tried.clear();
    Ok(kept(world, flow, None).await?.map_or_else(|step| step, |flow| Step::Waits(flow, seconds, lack)))
}
