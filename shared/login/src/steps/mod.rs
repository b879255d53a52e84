//! The steps of a login, in the order in which they have to be taken: out to a member, back with an answer, on to the next,
//! to an end. Which attempt an answer belongs to, what is used up before what, who closes a login, what counts as a sample
//! and who is to blame are decided here and nowhere else.
//!
//! Knows no page, no clock, no network and no randomness: whatever it needs it asks of a [`World`]. A node's is
//! [`crate::at_node`]; the model has another, and leads these same steps through every order of events it can think of.
//! What a login says of a member's health is in [`lessons`], which attempt an answer finds in [`mod@claim`], what it
//! waits for in [`waiting`].

mod claim;
mod lessons;
mod waiting;
mod world;

use mangrove_cache::CacheError;
use mangrove_connectors::{Again, Answer, Ask, Begin, Failure, Identity};
use mangrove_continuity::{Blame, Sample};
use url::Url;

pub(crate) use self::waiting::Lack;
use self::waiting::{nobody_left, not_begun, not_looked_at};
pub(crate) use self::world::World;
use crate::book::{Flow, How, Ticket};
use crate::decisions::{self, Fault, What};
use crate::ending::{Ending, Failed, Why};
use crate::plan::Person;
use crate::returned::{Away, Onward};
use crate::{Refusal, leaving};

/// Where a login stands after its steps: what the browser is to be told.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one is made per request and moved once")]
pub(crate) enum Step {
    /// Off to a member, or its password is asked for. The login and the attempt are kept.
    Sent(Sent),
    /// The login is kept, and tried again after so many seconds.
    Waits(Flow, u64, Lack),
    /// This node had no time to look at the answer. The login and the attempt are kept; the browser brings the answer again.
    BringsAgain(Flow, Answer),
    /// Somebody vouched, and this answer closed the login.
    Vouched(Flow, Identity, Person),
    /// The login ended with nobody signed in; that is written down, with who is to blame.
    Ended(Flow, Ending),
    /// What came belongs to no attempt of this browser that is open; no login was touched.
    Astray(Astray),
}

/// An attempt that was begun.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The login.
    pub(crate) flow: Flow,
    /// Its one-time `state`.
    pub(crate) state: String,
    /// What opens it together with the `state`: for this browser's login cookie.
    pub(crate) secret: String,
    /// Where the person goes on.
    pub(crate) to: To,
}

/// Where the person goes on.
#[derive(Debug)]
pub(crate) enum To {
    /// At the member's page.
    Member(Url),
    /// There as well, with fields that the browser posts.
    MemberByForm(Url, Vec<(&'static str, String)>),
    /// At this node's, which asks for the password of this title.
    Password(String),
}

/// Why something that a browser brought is not an answer to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum Astray {
    /// No `state`, or several, or one that cannot be ours.
    #[error("it has no usable state")]
    NoState,
    /// The browser has no login cookie for that `state`: another browser began it, or nobody did.
    #[error("this browser did not begin it, or too long ago")]
    OtherBrowser,
    /// Used already, expired, or never issued.
    #[error("its state was used already, is too old, or was never issued")]
    Spent,
    /// The attempt belongs to a connector that does not own this path.
    #[error("it came to a path that is not that of the connector it was asked from")]
    OtherPath,
    /// The login is over.
    #[error("the login it belongs to has ended or is too old")]
    Closed,
}

/// Asks the next member, until one can be asked or none is left.
///
/// # Errors
/// The cache fails.
pub(crate) async fn advance<W: World>(world: &W, mut flow: Flow) -> Result<Step, CacheError> {
    loop {
        let Some(member) = leaving::pick(world, &flow).await else { return nobody_left(world, flow).await };
        flow.tried.push(member.clone());
        let elsewhere = leaving::has_another(world, &flow, &member);
        let ask = Ask { elsewhere, ..flow.request.ask.clone() };
        match world.begin(&flow, &member, &ask).await {
            Ok(begin) => return send_off(world, flow, member, begin).await,
            Err(failure) if failure.busy => return not_begun(world, flow, Failed { member, failure }).await,
            Err(failure) => {
                if let Some(sample) = lessons::of_a_beginning(&failure, world.has_a_judge(&member)) {
                    world.observe(&member, &sample);
                }
                let failed = Failed { member, failure };
                if !goes_on(world, &flow, &failed) {
                    return ended_by(world, flow, failed).await;
                }
            }
        }
    }
}

/// Begins a new round of an open login, as its browser asks.
///
/// # Errors
/// The cache fails.
pub(crate) async fn again<W: World>(world: &W, login: &str, way: Onward) -> Result<Step, CacheError> {
    let Some(mut flow) = world.book().flow(login).await? else { return Ok(Step::Astray(Astray::Closed)) };
    flow.tried.clear();
    world.decided(&mut flow, way).await;
    advance(world, flow).await
}

/// Takes an upstream's answer to its end.
///
/// # Errors
/// The cache fails, and nothing is known about the login. Where the answer can be looked at again, nothing was done to it before the
/// attempt was used up; that it was used is noted in the room which the attempt gave back.
pub(crate) async fn answered<W: World>(world: &W, answer: &Answer) -> Result<Step, CacheError> {
    let (mut flow, attempt) = match claim::find(world, answer).await? {
        Ok(found) => found,
        Err(astray) => return Ok(Step::Astray(astray)),
    };
    // Where the member is asked, its code is used up by that, and the attempt first. Where nobody is, nothing comes of an answer
    // until it was looked at: a browser that goes meanwhile, or has to come again, has lost nothing.
    let looked_at_first = world.can_look_again(&attempt.member);
    if !looked_at_first && !attempt.use_up(world).await? {
        return Ok(Step::Astray(Astray::Spent));
    }
    flow.away.take_if(|away| away.member == attempt.member);
    world.answered_by(&flow, &attempt.member).await;
    let outcome = match world.finish(&flow, &attempt.member, &attempt.pending, answer).await {
        Err(failure) if failure.busy && looked_at_first && !flow.silent() => {
            return not_looked_at(world, flow, attempt, failure, answer).await;
        }
        outcome => outcome,
    };
    if looked_at_first && !attempt.use_up(world).await? {
        return Ok(Step::Astray(Astray::Spent));
    }
    came_of(world, flow, attempt.member, outcome).await
}

/// What came of a member on the back channel, an attempt being used up: somebody vouched, or the login goes on or ends.
///
/// # Errors
/// The cache fails.
pub(crate) async fn came_of<W: World>(
    world: &W,
    flow: Flow,
    member: String,
    outcome: Result<Identity, Failure>,
) -> Result<Step, CacheError> {
    match outcome {
        // A browser carried it here: no sample, and good once.
        Ok(Identity { once: Some(once), issuer, .. })
            if !world.book().first_use(issuer.as_deref(), &once, world.unix_now()).await? =>
        {
            let failure = Failure::protocol(format!("{member}: what the browser brought was used before"));
            failed(world, flow, Failed { member, failure }).await
        }
        Ok(identity) => {
            if identity.once.is_none() {
                world.observe(&member, &Sample::LoginAnswered);
            }
            vouched(world, flow, &member, identity).await
        }
        Err(failure) => {
            if let Some(sample) = lessons::of_a_login(&flow, &failure) {
                world.observe(&member, &sample);
            }
            failed(world, flow, Failed { member, failure }).await
        }
    }
}

/// Somebody vouched: whoever closes the login is signed in by it.
///
/// # Errors
/// The cache fails.
async fn vouched<W: World>(
    world: &W,
    mut flow: Flow,
    member: &str,
    identity: Identity,
) -> Result<Step, CacheError> {
    let person = match world.person(&flow, member, &identity) {
        Ok(person) => person,
        Err(refusal) => return ended(world, flow, Ending::uncertain(member, refusal.to_string())).await,
    };
    let closed = world.book().close(&mut flow).await?;
    Ok(if closed { Step::Vouched(flow, identity, person) } else { Step::Astray(Astray::Closed) })
}

/// Asks the member once more, goes on with the next one, or ends the login, by blame. A silent login was asked of one member only.
///
/// # Errors
/// The cache fails.
async fn failed<W: World>(world: &W, flow: Flow, failed: Failed) -> Result<Step, CacheError> {
    match failed.failure.again {
        // Nobody may be asked to prove anything where no page may be shown.
        Some(again) if !(again.forced && flow.silent()) => once_more(world, flow, failed, again).await,
        _ => leaves(world, flow, failed).await,
    }
}

/// Asks the same member once more, for what its answer lacked.
///
/// # Errors
/// The cache fails.
async fn once_more<W: World>(
    world: &W,
    flow: Flow,
    Failed { member, failure }: Failed,
    again: Again,
) -> Result<Step, CacheError> {
    let what = What::Failed { member: member.clone(), blame: failure.blame, why: failure.log };
    world.record(&flow, what);
    let elsewhere = leaving::has_another(world, &flow, &member);
    let ask = Ask { elsewhere, ..again.ask(&flow.request.ask) };
    match world.begin(&flow, &member, &ask).await {
        Ok(begin) => send_off(world, flow, member, begin).await,
        Err(failure) if failure.busy => not_begun(world, flow, Failed { member, failure }).await,
        Err(failure) => leaves(world, flow, Failed { member, failure }).await,
    }
}

/// Goes on with the next member, or ends the login.
///
/// # Errors
/// The cache fails.
async fn leaves<W: World>(world: &W, mut flow: Flow, failed: Failed) -> Result<Step, CacheError> {
    if flow.silent() || !goes_on(world, &flow, &failed) {
        return ended_by(world, flow, failed).await;
    }
    if !flow.tried.contains(&failed.member) {
        flow.tried.push(failed.member);
    }
    advance(world, flow).await
}

/// Closes a login with nobody signed in, and writes down who is to blame. Whoever closes it ends it: another attempt may have
/// been quicker.
///
/// # Errors
/// The cache fails: whether a login that was kept is closed is unknown, and nobody is told that it ended.
pub(crate) async fn ended<W: World>(world: &W, mut flow: Flow, ending: Ending) -> Result<Step, CacheError> {
    let ending = ending.for_a_login_that_is(flow.silent());
    if !world.book().close(&mut flow).await? {
        return Ok(Step::Astray(Astray::Closed));
    }
    world.record(&flow, decisions::ended(ending.end(), world.now().since(flow.began)));
    Ok(Step::Ended(flow, ending))
}

/// Ends a login at a member that said no, or whose answer cannot be believed.
async fn ended_by<W: World>(world: &W, flow: Flow, failed: Failed) -> Result<Step, CacheError> {
    if failed.failure.blame == Blame::Protocol {
        let (login, app) = (flow.login_id.as_str(), flow.request.app.as_str());
        let (connector, why) = (failed.member.as_str(), failed.failure.log.as_str());
        tracing::warn!(target: "security", login, app, connector, why, "an answer was refused");
    }
    let ending = Ending::by(failed, flow.silent());
    ended(world, flow, ending).await
}

/// Writes down that a member failed; whether the login goes on with another.
fn goes_on<W: World>(world: &W, flow: &Flow, Failed { member, failure }: &Failed) -> bool {
    let on = matches!(failure.blame, Blame::Unavailable | Blame::Misconfigured);
    if on {
        let what = What::Failed { member: member.clone(), blame: failure.blame, why: failure.log.clone() };
        world.record(flow, what);
    }
    on
}

/// Keeps the login and the attempt, and only then lets the browser go.
async fn send_off<W: World>(
    world: &W,
    mut flow: Flow,
    member: String,
    begin: Begin,
) -> Result<Step, CacheError> {
    let leaves = !matches!(begin, Begin::Password { .. });
    flow.away = leaves.then(|| Away::now(&member, world.unix_now()));
    let (state, how, to) = match begin {
        Begin::Redirect { url, pending } => {
            (pending.state().to_owned(), How::Redirect(Box::new(pending)), To::Member(url))
        }
        Begin::Post { url, fields, pending } => {
            let to = To::MemberByForm(url, fields);
            (pending.state().to_owned(), How::Redirect(Box::new(pending)), to)
        }
        Begin::Password { .. } if flow.silent() => {
            let why = "a password would have to be asked for".to_owned();
            let why = Why { member: Some(member), fault: Fault::Nobody, why };
            let ending = Ending::refused(Refusal::LoginRequired, "Nobody is signed in.".to_owned(), why);
            return ended(world, flow, ending).await;
        }
        Begin::Password { title } => {
            (world.token(), How::Password { title: title.clone() }, To::Password(title))
        }
    };
    let secret = world.token();
    let ticket = Ticket { flow: flow.id.clone(), member, how };
    let flow = match kept(world, flow, Some((&state, &secret, &ticket))).await? {
        Ok(flow) => flow,
        Err(step) => return Ok(step),
    };
    let member = ticket.member;
    let what = match &to {
        To::Member(_) | To::MemberByForm(..) => What::Sent { member, to_ref: decisions::reference(&state) },
        To::Password(_) => What::PasswordAsked { member },
    };
    world.record(&flow, what);
    Ok(Step::Sent(Sent { flow, state, secret, to }))
}

/// Keeps a login for another while, with an attempt by its `state` and secret; where it cannot be kept, the step that it stands
/// at instead.
///
/// # Errors
/// The cache fails, and so does closing a login for which it has no room.
pub(crate) async fn kept<W: World>(
    world: &W,
    mut flow: Flow,
    attempt: Option<(&str, &str, &Ticket)>,
) -> Result<Result<Flow, Step>, CacheError> {
    world.makes_room_for(&flow, usize::from(attempt.is_some())).await;
    let kept = match attempt {
        Some((state, secret, ticket)) => world.book().issue(&mut flow, state, secret, ticket).await,
        None => world.book().keep(&mut flow).await,
    };
    match kept {
        Ok(true) => Ok(Ok(flow)),
        Ok(false) => {
            world.takes_room_back(&flow);
            Ok(Err(Step::Astray(Astray::Closed)))
        }
        Err(why) => {
            let (ending, counted) = (Ending::no_room(&flow, why.to_string()), flow.clone());
            let step = ended(world, flow, ending).await?;
            if let Step::Astray(_) = step {
                world.takes_room_back(&counted);
            }
            Ok(Err(step))
        }
    }
}
