//! The wait for an upstream to answer to a code. Its deadline is generous, because a code can be redeemed once; but where nobody
//! is there any more, a person who could be signed in elsewhere need not wait for it.
//!
//! When the answer takes longer than a look may, one look is made beside it. If that fails and somebody else can be asked, the
//! wait ends: whatever still comes of the code is nobody's, as after the deadline itself. If the look is answered, or nobody else
//! is left, the wait goes on. The look is a sample as any other is; that the wait ended early is none.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mangrove_connectors::{Failure, Identity, Look};
use mangrove_keys::ambient;
use tokio::time::sleep;

use crate::watch::Member;

/// Waits for `finishing`, a login at `member`, unless nobody is there any more and there is `another` to ask.
pub(crate) async fn unless_it_is_gone(
    member: &Arc<Member>,
    finishing: impl Future<Output = Result<Identity, Failure>>,
    another: impl FnOnce() -> bool,
) -> Result<Identity, Failure> {
    let mut finishing = pin!(finishing);
    let began = ambient::now();
    tokio::select! {
        biased;
        finished = &mut finishing => return finished,
        () = sleep(unsuspicious(member)) => {}
    }
    if !another() {
        return finishing.await;
    }
    let looking = member.look_at_last(member.patience());
    let look = tokio::select! {
        biased;
        finished = &mut finishing => return finished,
        look = looking => look,
    };
    match look {
        Look::Failed { why, .. } => {
            let waited = ambient::now().since(began).as_secs_f64();
            let log = format!("no answer to the code for {waited:.1} s, and none to a look meanwhile: {why}");
            Err(Failure::unavailable(log))
        }
        _ => finishing.await,
    }
}

/// How long an answer may take before anybody looks: as long as a look may, and no time where there is doubt already.
fn unsuspicious(member: &Member) -> Duration {
    let standing = member.health().standing(ambient::now());
    if standing.doubted || !standing.state.usable() { Duration::ZERO } else { member.patience() }
}
