//! The four sentences that nobody may break, as an observer sees them who sees everything, what else has to hold, and what should
//! be possible.

use stateright::{Model, Property};

use super::Parts;
use super::actions::{self, Action};
use super::mesh::{Mesh, Possible};
use crate::book;

/// Accepted once.
pub(crate) const ONCE: &str = "a code is accepted once, and a login ends once";
/// Vouched for.
pub(crate) const VOUCHED: &str = "nobody is let in for whom no member vouches, for a login of that browser";
/// Oneself.
pub(crate) const ONESELF: &str = "whoever is signed in in a browser typed their password into it";
/// Apart.
pub(crate) const APART: &str = "what does not depend on a fault, or on an attacker, does not change";
/// Blamed.
pub(crate) const BLAMED: &str = "every refused login says who was to blame";
/// Kept.
pub(crate) const KEPT: &str =
    "whose answer was not looked at can bring it again, whether they were told to or went meanwhile";

/// Listed.
pub(crate) const LISTED: &str =
    "every attempt of an open login stands in its list, by which it is counted and dropped";

/// The mesh, from one beginning on.
#[derive(Debug, Clone)]
pub(crate) struct Checked<P> {
    pub(crate) begins: Mesh,
    /// What should be possible from there.
    pub(crate) possible: &'static [Possible],
    pub(crate) parts: std::marker::PhantomData<fn() -> P>,
}

impl<P: Parts> Model for Checked<P> {
    type State = Mesh;
    type Action = Action;

    fn init_states(&self) -> Vec<Mesh> {
        vec![self.begins.clone()]
    }

    fn actions(&self, mesh: &Mesh, actions: &mut Vec<Action>) {
        actions.extend(actions::possible(mesh));
    }

    fn next_state(&self, mesh: &Mesh, action: Action) -> Option<Mesh> {
        Some(actions::after::<P>(mesh, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(ONCE, |_, mesh: &Mesh| {
                let seen = [&mesh.seen.traded, &mesh.seen.accepted, &mesh.seen.ended];
                seen.iter().all(|seen| seen.values().all(|times| *times <= 1))
            }),
            Property::always(VOUCHED, |_, mesh| everybody_is_vouched_for(mesh)),
            Property::always(ONESELF, |_, mesh: &Mesh| {
                let mut all = mesh.browsers.iter();
                all.all(|(who, jar)| {
                    jar.signed_in.as_ref().is_none_or(|as_whom| as_whom.person == who.name())
                })
            }),
            Property::always(APART, |_, mesh: &Mesh| {
                mesh.seen.false_sample.is_none() && !mesh.seen.sent_astray
            }),
            Property::always(BLAMED, |_, mesh: &Mesh| mesh.seen.blame.is_none()),
            Property::always(KEPT, |_, mesh| every_answer_is_good_for_something(mesh)),
            Property::always(LISTED, |_, mesh: &Mesh| {
                !mesh.runs.is_empty() || book::all_are_listed(&mesh.cache)
            }),
        ];
        all.extend(self.possible.iter().map(|possible| example_of(*possible)));
        all
    }
}

/// Whoever is signed in in a browser signed in at the member that vouches, for a login that this browser began.
fn everybody_is_vouched_for(mesh: &Mesh) -> bool {
    mesh.browsers.iter().all(|(who, jar)| {
        jar.signed_in.as_ref().is_none_or(|session| {
            mesh.idps[&session.member].codes.values().any(|code| {
                let request = &code.request;
                code.person.name() == session.person
                    && request.made_for == *who
                    && request.state == session.state
            })
        })
    })
}

/// While a login is open and nothing is under way, each answer that a browser has finds its attempt. Asked where members vouch by
/// what browsers carry, and nothing else befalls anybody.
fn every_answer_is_good_for_something(mesh: &Mesh) -> bool {
    let rests = mesh.vouched_by_hand && mesh.runs.is_empty() && mesh.seen.ended.is_empty();
    !rests
        || mesh.answers.keys().all(|(who, answer)| {
            let secret = mesh.browsers[who].secret(&answer.state);
            secret.is_some_and(|secret| {
                mesh.cache.contains_key(&book::place_of_an_attempt(&answer.state, &secret))
            })
        })
}

fn example_of<P: Parts>(possible: Possible) -> Property<Checked<P>> {
    macro_rules! seen {
        ($name:ident, $words:literal) => {
            Property::sometimes($words, |_, mesh: &Mesh| mesh.seen.just_now == Some(Possible::$name))
        };
    }
    match possible {
        Possible::SignedIn => seen!(SignedIn, "somebody is signed in"),
        Possible::SignedInAfterFailover => {
            seen!(SignedInAfterFailover, "somebody is signed in by the second member after the first failed")
        }
        Possible::Waits => seen!(Waits, "nobody is left, and the login waits"),
        Possible::BringsAgain => seen!(BringsAgain, "an answer is not looked at, and is brought again"),
        Possible::TurnedAway => seen!(TurnedAway, "something is turned away"),
        Possible::RefusedWithBlame => seen!(RefusedWithBlame, "a login is refused"),
        Possible::CodeRedeemed => seen!(CodeRedeemed, "a code of this node is accepted"),
    }
}
