//! What the steps of a login need of whatever they are taken in: a node, or a model of one.

use mangrove_cache::Records;
use mangrove_connectors::{Answer, Ask, Begin, Failure, Identity, Pending};
use mangrove_continuity::subject::SubjectRefusal;
use mangrove_continuity::{Choice, Moment, Sample, Standing};

use crate::book::{Book, Flow};
use crate::decisions::What;
use crate::looks::Looked;
use crate::plan::Person;
use crate::returned::Onward;

/// What the steps of one request need: the node, and the browser that asks.
pub(crate) trait World {
    /// Where logins in progress are kept.
    type Records: Records;

    /// Logins in progress.
    fn book(&self) -> &Book<Self::Records>;
    /// The login is about to be kept for another while, with so many attempts more: others may have to go for it.
    async fn makes_room_for(&self, _flow: &Flow, _more: usize) {}
    /// It was not kept after all.
    fn takes_room_back(&self, _flow: &Flow) {}
    /// The monotonic clock.
    fn now(&self) -> Moment;
    /// The wall clock, in seconds.
    fn unix_now(&self) -> u64;
    /// What nobody can guess.
    fn token(&self) -> String;
    /// The secret with which this browser opens the attempt of a `state`, if it began it.
    fn secret(&self, state: &str) -> Option<String>;
    /// Writes down a decision about a login.
    fn record(&self, flow: &Flow, what: What);
    /// Takes in a sample of a member's health.
    fn observe(&self, member: &str, sample: &Sample);

    /// Who may vouch for this login's person, in order.
    fn members(&self, flow: &Flow) -> Vec<String>;
    /// Whom to ask, if this login had asked those that are `tried`.
    fn choose(&self, flow: &Flow, tried: &[String]) -> Choice;
    /// What is known of a member.
    fn standing(&self, member: &str) -> Option<Standing>;
    /// Whether a look could find it alive, and it might then be used.
    fn could_be_alive(&self, flow: &Flow, member: &str) -> bool;
    /// Whether an operator named an endpoint that judges it.
    fn has_a_judge(&self, member: &str) -> bool;
    /// Whether it is looked at, or knocked at, before somebody is sent there.
    fn wants_a_look(&self, member: &str) -> bool;
    /// Whether it may be slow rather than gone.
    fn may_be_slow(&self, member: &str) -> bool;
    /// Looks at a member, and after a moment at `next`; what is seen is taken in as a sample.
    async fn look(&self, member: &str, next: Option<&str>) -> Looked;
    /// Looks at all of them at once: the first in order that answers.
    async fn look_at_all(&self, members: &[String]) -> Option<String>;

    /// Starts an attempt at a member.
    async fn begin(&self, flow: &Flow, member: &str, ask: &Ask) -> Result<Begin, Failure>;
    /// Whether an answer of this member comes to this path.
    fn owns(&self, flow: &Flow, member: &str, path: &str) -> bool;
    /// Whether this node judges the member's answers by itself: nobody is asked by whom an answer is taken once, so that it can be
    /// looked at again.
    fn can_look_again(&self, member: &str) -> bool;
    /// The person was asked which way to go on, and chose; or was not asked.
    async fn decided(&self, flow: &mut Flow, way: Onward);
    /// A member answered this browser.
    async fn answered_by(&self, flow: &Flow, member: &str);
    /// Finishes an attempt at a member: the back channel.
    async fn finish(
        &self,
        flow: &Flow,
        member: &str,
        pending: &Pending,
        answer: &Answer,
    ) -> Result<Identity, Failure>;
    /// Whom applications see.
    fn person(&self, flow: &Flow, member: &str, identity: &Identity) -> Result<Person, SubjectRefusal>;
}
