//! What can be wrong with one thing, and with which: identity providers, clocks, disks.

use std::collections::BTreeMap;

use super::super::read::{Reader, nearest};
use super::super::{Healed, IdpKind, Step, Topology, Verb};
use super::{at, processes};
use crate::history::IdpState;

/// The verdict follows one state of an identity provider: what its front shows, or whose secret has expired.
pub(super) fn one_at_a_time(topology: &Topology, reader: &mut Reader<'_>) {
    let mut ordered: Vec<_> = topology.timeline.iter().collect();
    ordered.sort_by_key(|step| step.after);
    let mut broken: BTreeMap<&str, &Verb> = BTreeMap::new();
    for step in ordered {
        match &step.verb {
            Verb::Break { how, .. } if how.is_of_keys() => {}
            Verb::Break { idp, how, .. } => {
                let before = broken.insert(idp, &step.verb);
                let expired = |how: IdpState| how == IdpState::SecretExpired;
                let was = |verb: &Verb| matches!(verb, Verb::Break { how, .. } if expired(*how));
                if before.is_some_and(|before| expired(*how) || was(before)) {
                    let hint = format!("write `heal: {{ idp: {idp} }}` before");
                    let what = format!("`{idp}` is broken already, and a secret expires at one that is not");
                    reader.problem(at(step.line), "timeline.break", &what, &hint);
                }
            }
            Verb::HealOne { what: Healed::Idp(idp) } => drop(broken.remove(idp.as_str())),
            Verb::Heal { cuts } if cuts.is_empty() => broken.clear(),
            _ => {}
        }
    }
}

/// Who misbehaves in the way of identity providers is one.
pub(super) fn check(topology: &Topology, step: &Step, reader: &mut Reader<'_>) {
    if let Verb::Skew { node, .. } | Verb::Fill { node } = &step.verb
        && !topology.is_our_own(node)
        && processes(topology).contains(&node.as_str())
    {
        let what = format!("`{node}` has neither clock nor disk of its own");
        let hint = "only programs of Mangrove's own: nodes, and IdPs of kind `local`";
        reader.problem(at(step.line), "timeline", &what, hint);
    }
    if let Verb::Break { of: Some(node), .. } = &step.verb
        && !topology.nodes.iter().any(|it| it.name == *node)
    {
        let hint = nearest(node, topology.nodes.iter().map(|it| it.name.as_str()));
        reader.problem(at(step.line), "timeline.break.of", &format!("there is no node `{node}`"), &hint);
    }
    let (Verb::Break { idp, .. } | Verb::HealOne { what: Healed::Idp(idp) }) = &step.verb else { return };
    let kind = topology.idps.iter().find(|it| it.name == *idp).map(|it| it.kind);
    if let Verb::Break { how: IdpState::SecretExpired, .. } = &step.verb
        && kind == Some(IdpKind::Simplesamlphp)
    {
        let what = format!("`{idp}` speaks SAML: its service providers have no secrets");
        reader.problem(at(step.line), "timeline.break", &what, "write `how: keys rolled`, or kill it");
    }
    if let Verb::Break { how: IdpState::KeysAnnounced | IdpState::OldKeysGone, .. } = &step.verb
        && kind.is_some_and(|kind| kind != IdpKind::Simplesamlphp)
    {
        let what = format!("`{idp}` rolls its keys at once only");
        reader.problem(at(step.line), "timeline.break", &what, "write `how: keys rolled`");
    }
    if let Verb::Break { how: IdpState::Errors | IdpState::KeysRolled, .. } = &step.verb
        && kind == Some(IdpKind::Slapd)
    {
        let what = format!("`{idp}` is a directory: it has neither pages nor keys");
        let hint =
            "write `how: garbage`, `expired certificate`, `slow pages` or `secret expired`, or kill it";
        reader.problem(at(step.line), "timeline.break", &what, hint);
    }
    let known = processes(topology).contains(&idp.as_str());
    if known && !topology.idps.iter().any(|it| it.name == *idp) {
        let hint = nearest(idp, topology.idps.iter().map(|it| it.name.as_str()));
        reader.problem(at(step.line), "timeline.break", &format!("`{idp}` is no identity provider"), &hint);
    }
}
