//! What applications would see of somebody whom a member vouches for: the answer of a login's own mappings, without a login.
//!
//! For an operator who writes mappings. Asks nobody: claims come from a sample, or none are there and the rules are told.

use std::sync::Arc;

use mangrove_config::Config;
use mangrove_connectors::{Connector, Identity};
use mangrove_continuity::schema::{AttributeRule, Seen};
use mangrove_continuity::subject::SubjectRefusal;
use serde_json::{Map, Value};

use crate::plan::{Members, Person, Plan, Seat};

/// The mappings of a configuration.
#[derive(Debug)]
pub struct Explainer {
    plan: Plan,
}

/// What the mappings of one group make of a member's claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The group.
    pub group: String,
    /// The member's name in it.
    pub member: String,
    /// Its attributes, and whence each came.
    pub seen: Vec<Seen>,
}

/// What applications would see of somebody.
#[derive(Debug)]
pub struct Explained {
    /// Groups from the innermost outwards, as far as it came.
    pub levels: Vec<Level>,
    /// Subject and attributes at the end, or why nobody is signed in.
    pub person: Result<(String, Map<String, Value>), SubjectRefusal>,
}

/// The rules of one group for one of its members.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The group.
    pub group: &'a str,
    /// The member's name in it.
    pub member: &'a str,
    /// What it says of attributes.
    pub rules: &'a [AttributeRule],
}

/// The way from a connector to an application that asks it.
#[derive(Debug)]
pub struct Way(Arc<Seat>);

impl Explainer {
    /// Reads the mappings. Roots that are found by name are not looked for.
    pub fn new(config: &Config, connectors: &[Arc<Connector>]) -> Self {
        Self { plan: Plan::new(config, connectors, &Members::new()) }
    }

    /// How an application that names `idps` would get somebody from `connector`; none if it does not ask it.
    pub fn way(&self, idps: &[String], connector: &str) -> Option<Way> {
        self.plan.seat(idps, connector).map(Way)
    }
}

impl Way {
    /// The group or connector that the application names.
    pub fn via(&self) -> &str {
        &self.0.via
    }

    /// The rules on the way, from the innermost group outwards.
    ///
    /// # Errors
    /// Nobody could sign in there: a mapping cannot be read, or the connector cannot be used.
    pub fn rules(&self) -> Result<Vec<Rules<'_>>, String> {
        self.0.able().map(|()| self.0.rules().collect())
    }

    /// What the application would see of `identity`.
    pub fn person(&self, identity: &Identity) -> Explained {
        let mut levels = Vec::new();
        let person = self.0.walk(identity, |group, member, seen| {
            levels.push(Level { group: group.to_owned(), member: member.to_owned(), seen: seen.to_vec() });
        });
        let person = person.map(|Person { sub, attributes, .. }| (sub, attributes));
        Explained { levels, person }
    }
}
