//! The checks: the node as it ships holds, and each broken one is found out.

use std::marker::PhantomData;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path};

use super::actions::Action;
use super::broken::{
    BelievesBrowsers, KeepsSilent, OpensAgain, UsesUpFirst, WithoutNonceAndPkce, WithoutTakeOnce,
    WithoutTheStateCheck, WritesOverOthers,
};
use super::mesh::{Left, Mesh, Possible};
use super::properties::{APART, BLAMED, Checked, KEPT, LISTED, ONCE, ONESELF, VOUCHED};
use super::{Parts, Whole, actions};

/// An attacker with a login of their own, beside a person's.
fn attacked() -> Mesh {
    let one_each = Left { starts_of_alice: 1, starts_of_mallory: 1, ..Left::default() };
    Mesh::new(Left { forgeries: 1, repeats: 1, ..one_each })
}

/// A person's login in reach of an attacker, while members die and come back.
fn attacked_and_faulty() -> Mesh {
    Mesh::new(Left { starts_of_alice: 1, forgeries: 1, faults: 2, ..Left::default() })
}

/// A person's login with all that may befall it, a node that loses its memory included.
fn faulty() -> Mesh {
    Mesh::new(Left { starts_of_alice: 1, faults: 2, probes: 1, repeats: 1, crashes: 1, ..Left::default() })
}

/// A person who begins twice.
fn undecided() -> Mesh {
    Mesh::new(Left { starts_of_alice: 2, faults: 2, ..Left::default() })
}

/// A person who has one login tried again twice at once.
fn hurried() -> Mesh {
    Mesh::new(Left { starts_of_alice: 1, agains: 2, ..Left::default() })
}

/// A person with two attempts of one login open at once, of which one may fail.
fn impatient() -> Mesh {
    Mesh::new(Left { starts_of_alice: 1, agains: 1, faults: 1, ..Left::default() })
}

/// The same over another node, which is told where nobody is left: the login ends while its other attempt may sign in.
fn impatient_over_a_node() -> Mesh {
    let left = Left { starts_of_alice: 1, agains: 1, faults: 2, ..Left::default() };
    Mesh { over_a_node: true, ..Mesh::new(left) }
}

/// A person whose browser another node sent here.
fn over_a_node() -> Mesh {
    Mesh { over_a_node: true, ..faulty() }
}

/// A node that has no time to look at answers for a while, while a person has two attempts of one login open.
fn flooded() -> Mesh {
    let left = Left { starts_of_alice: 1, agains: 1, floods: 2, ..Left::default() };
    Mesh { vouched_by_hand: true, ..Mesh::new(left) }
}

/// The same node, while a person brings an answer twice at once, and goes while it waits to be looked at.
fn flooded_and_stopped() -> Mesh {
    let left = Left { starts_of_alice: 1, floods: 2, repeats: 1, goes: 1, ..Left::default() };
    Mesh { vouched_by_hand: true, ..Mesh::new(left) }
}

/// A code of this node lies ready, and is shown again and again.
fn redeeming() -> Mesh {
    let mut mesh = Mesh::new(Left { redeems: 4, crashes: 1, ..Left::default() });
    actions::issue_own_code(&mut mesh, "code");
    mesh
}

/// Looks at every state that can be reached, and at no fewer than `least`.
fn holds(begins: Mesh, possible: &'static [Possible], least: usize) {
    let began = Instant::now();
    let checked = Checked { begins, possible, parts: PhantomData::<fn() -> Whole> };
    let properties = checked.properties();
    let checker = checked.checker().threads(2).spawn_bfs().join();
    let (all, different) = (checker.state_count(), checker.unique_state_count());
    let (deep, took) = (checker.max_depth(), began.elapsed().as_secs_f64());
    println!("{all} states, {different} of them different, {deep} deep, {took:.1} s");
    for property in &properties {
        let found = checker.discovery(property.name);
        match (property.expectation.discovery_is_failure(), found) {
            (true, Some(path)) => panic!("not so: {}\n{path}", property.name),
            (false, None) => panic!("never happened: {}", property.name),
            _ => {}
        }
    }
    assert!(different >= least, "only {different} states: the model has become too small");
}

/// The way to the first state that was found in which `property` is broken.
fn breaks<P: Parts>(begins: Mesh, property: &'static str) -> Path<Mesh, Action> {
    let found = HasDiscoveries::AllOf([property].into());
    let checker = Checked { begins, possible: &[], parts: PhantomData::<fn() -> P> }
        .checker()
        .finish_when(found)
        .spawn_bfs()
        .join();
    let path = checker.discovery(property).unwrap_or_else(|| panic!("nothing breaks: {property}"));
    println!("{} different states until: not so: {property}\n{path}", checker.unique_state_count());
    path
}

#[test]
fn with_an_attacker_nothing_breaks() {
    holds(attacked(), &[Possible::SignedIn, Possible::TurnedAway, Possible::RefusedWithBlame], 15_000);
}

#[test]
fn with_an_attacker_and_a_fault_nothing_breaks() {
    let possible = &[Possible::SignedInAfterFailover, Possible::TurnedAway, Possible::RefusedWithBlame];
    holds(attacked_and_faulty(), possible, 3_000);
}

#[test]
fn with_faults_nothing_breaks() {
    let possible =
        &[Possible::SignedIn, Possible::SignedInAfterFailover, Possible::Waits, Possible::TurnedAway];
    holds(faulty(), possible, 8_000);
}

#[test]
fn with_two_logins_of_one_browser_nothing_breaks() {
    holds(undecided(), &[Possible::SignedIn, Possible::SignedInAfterFailover], 4_000);
}

#[test]
fn with_two_attempts_of_one_login_nothing_breaks() {
    holds(impatient(), &[Possible::SignedIn, Possible::SignedInAfterFailover, Possible::TurnedAway], 1_000);
}

#[test]
fn with_a_login_that_is_tried_again_twice_at_once_nothing_breaks() {
    holds(hurried(), &[Possible::SignedIn, Possible::TurnedAway], 1_000);
}

#[test]
fn a_login_that_came_over_a_node_ends_once_however_many_of_its_attempts_are_open() {
    let possible = &[Possible::SignedInAfterFailover, Possible::TurnedAway, Possible::RefusedWithBlame];
    holds(impatient_over_a_node(), possible, 1_000);
}

#[test]
fn a_login_that_came_over_a_node_and_finds_nobody_is_refused_and_blamed() {
    holds(
        over_a_node(),
        &[Possible::SignedIn, Possible::SignedInAfterFailover, Possible::RefusedWithBlame],
        1,
    );
}

#[test]
fn an_answer_for_which_the_node_had_no_time_is_brought_again_and_accepted_once() {
    let possible = &[Possible::SignedIn, Possible::BringsAgain, Possible::TurnedAway];
    holds(flooded(), possible, 500);
}

#[test]
fn whose_browser_goes_while_an_answer_waits_or_brings_it_twice_loses_nothing() {
    let possible = &[Possible::SignedIn, Possible::BringsAgain, Possible::TurnedAway];
    holds(flooded_and_stopped(), possible, 500);
}

#[test]
fn a_code_of_this_node_is_accepted_once() {
    holds(redeeming(), &[Possible::CodeRedeemed], 400);
}

/// More at once than every build has time for.
#[test]
#[ignore = "takes minutes: `make nightly`"]
fn in_wider_meshes_nothing_breaks() {
    let one_each = Left { starts_of_alice: 1, starts_of_mallory: 1, ..Left::default() };
    holds(Mesh::new(Left { forgeries: 2, ..one_each }), &[Possible::SignedIn], 80_000);
    holds(
        Mesh::new(Left { forgeries: 1, faults: 1, ..one_each }),
        &[Possible::SignedInAfterFailover],
        40_000,
    );
    holds(Mesh::new(Left { forgeries: 1, agains: 1, ..one_each }), &[Possible::SignedIn], 100_000);
    let alone = Left { starts_of_alice: 1, ..Left::default() };
    holds(Mesh::new(Left { forgeries: 1, faults: 2, repeats: 1, ..alone }), &[Possible::TurnedAway], 20_000);
    let impatient = Left { agains: 1, faults: 2, repeats: 1, ..alone };
    holds(Mesh::new(impatient), &[Possible::SignedInAfterFailover, Possible::Waits], 100_000);
    let mut flooded = flooded_and_stopped();
    flooded.left.agains = 1;
    holds(flooded, &[Possible::SignedIn, Possible::BringsAgain, Possible::TurnedAway], 100_000);
}

#[test]
fn without_take_once_an_answer_is_accepted_twice() {
    breaks::<WithoutTakeOnce>(faulty(), ONCE);
}

#[test]
fn a_login_that_an_attempt_opens_again_is_accepted_twice() {
    breaks::<OpensAgain>(impatient(), ONCE);
}

#[test]
fn a_node_that_writes_a_login_down_over_what_others_made_of_it_loses_sight_of_an_attempt() {
    breaks::<WritesOverOthers>(hurried(), LISTED);
}

#[test]
fn without_the_state_check_the_attacker_signs_a_person_in_as_themselves() {
    breaks::<WithoutTheStateCheck>(attacked(), VOUCHED);
    breaks::<WithoutTheStateCheck>(attacked(), ONESELF);
}

#[test]
fn without_nonce_and_pkce_a_stolen_code_signs_the_attacker_in() {
    breaks::<WithoutNonceAndPkce>(attacked(), VOUCHED);
}

#[test]
fn a_node_that_believes_browsers_can_be_made_to_doubt_a_member() {
    breaks::<BelievesBrowsers>(attacked(), APART);
}

#[test]
fn a_node_that_uses_an_attempt_up_before_it_looks_at_the_answer_loses_the_login_of_whoever_goes() {
    breaks::<UsesUpFirst>(flooded_and_stopped(), KEPT);
}

#[test]
fn a_login_that_is_ended_without_a_word_is_noticed() {
    breaks::<KeepsSilent>(attacked(), BLAMED);
}

/// A limit of the protocol, said in `docs/design/model.md`; if this fails one day, that page must change.
#[test]
fn who_reads_a_request_before_the_person_signs_in_can_swap_the_session() {
    let mut begins = attacked();
    begins.left.swaps = 1;
    begins.left.starts_of_mallory = 0;
    breaks::<Whole>(begins, ONESELF);
}
