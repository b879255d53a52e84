//! When nodes noticed that a server is gone which they ask. The one place that reads what nodes say of their connectors,
//! because the question is when they said it; that the server was gone comes from the faults.

use super::judge::{Court, Finding, in_words};
use super::world::{Span, World};
use crate::history::{MILLISECOND, Micros, Server, StepKind, micros};
use crate::language::{Bound, Expectation, Limit};

/// A node that lost a server which it probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss<'a> {
    /// The node.
    pub node: &'a str,
    /// Its connector to that server.
    pub connector: &'a str,
    /// The step that took it away, in words.
    pub fault: &'a str,
    /// How long the node had not said that the connector is Down, from the fault's begin; `None`: until the server was
    /// back.
    pub noticed: Option<Micros>,
    /// How long the server was away.
    pub lasted: Micros,
}

/// Every loss of a node of this region, or of any: one for each fault, node and connector. Not counted: a node that did not
/// run meanwhile, and a connector that was Down before.
pub fn losses<'a>(world: &World<'a>, region: Option<&str>) -> Vec<Loss<'a>> {
    let mut losses = Vec::new();
    for fault in world.steps.iter().filter(|step| step.kind == StepKind::Fault) {
        let nodes = world.run.servers.iter().filter(|node| region.is_none_or(|region| node.region == region));
        for (node, (connector, server)) in
            nodes.flat_map(|node| node.connectors.iter().map(move |connector| (node, connector)))
        {
            let Some(server) = world.server(server) else { continue };
            if !world.lost_by(&node.region, server, fault.span) {
                continue;
            }
            let began = fault.span.from;
            let back = world.back(&node.region, server, fault.span.until);
            let opinions = world.opinions(&node.name, connector);
            let known = opinions.iter().rfind(|(at, _)| *at < began);
            let down = opinions.iter().find(|(at, state)| (began..back).contains(at) && *state == "down");
            let until = down.map_or(back, |(at, _)| *at);
            let lived = world.running(&node.name, Span { from: began, until });
            if lived && !known.is_some_and(|(_, state)| ["down", "probing"].contains(state)) {
                losses.push(Loss {
                    node: &node.name,
                    connector,
                    fault: fault.words,
                    noticed: down.map(|(at, _)| at - began),
                    lasted: back - began,
                });
            }
        }
    }
    losses
}

impl Court<'_, '_> {
    /// The longest that a node needed to say that a member is Down.
    pub(super) fn noticed(&self, expected: &Expectation) -> Finding {
        let (Bound::AtMost(Limit::Time(limit))
        | Bound::AtLeast(Limit::Time(limit))
        | Bound::Exactly(Limit::Time(limit))) = expected.bound
        else {
            return Finding { number: None, words: "no time to compare with".to_owned(), attempts: 0 };
        };
        let mut worst: Option<(f64, String)> = None;
        let mut attempts = 0;
        for lost in losses(self.world, expected.region.as_deref()) {
            let whom = format!("{} about {} after “{}”", lost.node, lost.connector, lost.fault);
            let (time, words) = match lost.noticed {
                Some(time) => (time as f64, format!("at most {} by {whom}", in_words(time))),
                // It was back before anybody had to know.
                None if lost.lasted < micros(limit) => continue,
                None => (f64::INFINITY, format!("not in {} by {whom}", in_words(lost.lasted))),
            };
            attempts += 1;
            if worst.as_ref().is_none_or(|(most, _)| time > *most) {
                worst = Some((time, words));
            }
        }
        let words = match &worst {
            None => "no node lost a member for so long".to_owned(),
            Some((_, words)) => {
                format!("{words}; {attempts} {}", if attempts == 1 { "loss" } else { "losses" })
            }
        };
        Finding { number: worst.map(|(most, _)| most), words, attempts }
    }
}

impl World<'_> {
    /// When somebody in a region had a server in reach again after `since`; the end of the run if never.
    fn back(&self, region: &str, server: &Server, since: Micros) -> Micros {
        let reached = |at: Micros| self.in_reach(region, server, Span { from: at, until: at + MILLISECOND });
        let later = self.changes.iter().map(|change| change.until).filter(|at| *at > since);
        later.filter(|at| reached(*at)).min().unwrap_or(self.end)
    }
}
