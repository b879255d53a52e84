//! Who may vouch for an application's people, in order, and what the application sees of whoever does.
//!
//! Read from the configuration once: groups are flattened, nested ones in place, and each seat remembers the groups it
//! stands in, because their mappings apply from the innermost outwards. Does not know who is healthy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mangrove_config::continuity::{Attribute, Continuity, OnUnanswered};
use mangrove_config::{Config, Connector as Written};
use mangrove_connectors::{Connector, Identity};
use mangrove_continuity::schema::{self, AttributeRule, Seen, Whence, listed};
use mangrove_continuity::subject::{self, SubjectRefusal};
use serde_json::{Map, Value};

use crate::explain::Rules;

/// Groups within groups, at most; configuration refuses cycles before this does.
const DEEPEST: usize = 8;

/// A connector as seen by one name an application may use.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// The connector.
    pub(crate) connector: Arc<Connector>,
    /// The group or connector that the application named.
    pub(crate) via: Arc<str>,
    /// Groups it stands in, innermost first, each with the name of the member it is there.
    chain: Vec<(Arc<Group>, Arc<str>)>,
}

/// What a group says about its members' attributes.
#[derive(Debug)]
struct Group {
    name: String,
    rules: Vec<AttributeRule>,
    /// What happens when a browser comes back unanswered from one of its members.
    on_unanswered: OnUnanswered,
    /// Why nobody may sign in through it: a mapping that cannot be read must not silently vanish.
    broken: Option<String>,
}

/// A person as applications see them.
#[derive(Debug, PartialEq)]
pub(crate) struct Person {
    /// Stable subject.
    pub(crate) sub: String,
    /// Attributes after schema abstraction.
    pub(crate) attributes: Map<String, Value>,
    /// Names of those that a default stands for.
    pub(crate) by_default: Vec<String>,
}

/// Seats by the name an application may use.
#[derive(Debug)]
pub(crate) struct Plan {
    seats: BTreeMap<String, Vec<Arc<Seat>>>,
}

/// A member of a group, other than as the configuration lists it.
#[derive(Debug, Clone)]
pub(crate) enum Member {
    /// One that is listed.
    Listed(String),
    /// A root that was found.
    Found(Arc<Connector>),
}

/// For each group that finds roots, its members as they stand now.
pub(crate) type Members = BTreeMap<String, Vec<Member>>;

impl Plan {
    /// Flattens the configuration's groups; those of `members` have these instead of the listed ones.
    pub(crate) fn new(config: &Config, connectors: &[Arc<Connector>], members: &Members) -> Self {
        let connectors: BTreeMap<&str, &Arc<Connector>> = connectors.iter().map(|c| (c.name(), c)).collect();
        let groups: BTreeMap<&str, (&Continuity, Arc<Group>)> = config
            .connectors
            .iter()
            .filter_map(|written| match written {
                Written::Continuity(group) => {
                    let roots = are_roots(&group.name, config, &connectors, 0);
                    Some((group.name.as_str(), (group, Arc::new(Group::read(group, roots)))))
                }
                _ => None,
            })
            .collect();
        let flattener = Flattener { connectors, groups, members };
        let seats = config.connectors.iter().map(|c| (c.name().to_owned(), flattener.seats(c.name())));
        Self { seats: seats.collect() }
    }

    /// Whom an application that names `idps` may ask, in order; each connector once, by the first name that leads to it.
    pub(crate) fn seats(&self, idps: &[String]) -> Vec<Arc<Seat>> {
        let mut seen = BTreeSet::new();
        idps.iter()
            .filter_map(|name| self.seats.get(name))
            .flatten()
            .filter(|seat| seen.insert(seat.connector.name()))
            .cloned()
            .collect()
    }

    /// The seat of one of them.
    pub(crate) fn seat(&self, idps: &[String], member: &str) -> Option<Arc<Seat>> {
        let mut seats = idps.iter().filter_map(|name| self.seats.get(name)).flatten();
        seats.find(|seat| seat.connector.name() == member).cloned()
    }
}

impl Seat {
    /// Whether anybody could sign in here at all.
    pub(crate) fn able(&self) -> Result<(), String> {
        match self.chain.iter().find_map(|(group, _)| group.broken.clone()) {
            Some(why) => Err(why),
            None => self.connector.able(),
        }
    }

    /// What its groups say of attributes, from the innermost outwards.
    pub(crate) fn rules(&self) -> impl Iterator<Item = Rules<'_>> {
        self.chain.iter().map(|(group, member)| Rules { group: &group.name, member, rules: &group.rules })
    }

    /// What happens to a browser that came back from here unanswered and might go to `next`: the innermost group in which
    /// both stand decides. Without one, only roots are exchanged unasked.
    pub(crate) fn on_unanswered(&self, next: &Self) -> OnUnanswered {
        let stands = |group: &Arc<Group>| next.chain.iter().any(|(other, _)| Arc::ptr_eq(group, other));
        let common = self.chain.iter().find(|(group, _)| stands(group));
        match common {
            Some((group, _)) => group.on_unanswered,
            None if self.connector.is_root() && next.connector.is_root() => OnUnanswered::Switch,
            None => OnUnanswered::Ask,
        }
    }

    /// What applications see of an identity: mappings from the innermost group outwards. In a group, `sub` is the stable
    /// subject at every level, so that an outer mapping can never make one person of two.
    ///
    /// # Errors
    /// Nothing says reliably who the person is.
    pub(crate) fn person(&self, identity: &Identity) -> Result<Person, SubjectRefusal> {
        self.walk(identity, |_, _, _| {})
    }

    /// The same, telling what each group made of it: its name, the member's there, and the attributes.
    pub(crate) fn walk(
        &self,
        identity: &Identity,
        mut tell: impl FnMut(&str, &str, &[Seen]),
    ) -> Result<Person, SubjectRefusal> {
        let said = identity.claims.clone().into_iter();
        let mut attributes: Map<String, Value> =
            said.map(|(name, value)| (name.clone(), listed(&name, value))).collect();
        let mut by_default = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        let mut sub = None;
        for (group, member) in &self.chain {
            if let Some(rule) = group.rules.iter().find(|rule| rule.name == "sub") {
                sub = Some(subject::mapped(rule, member, &attributes, identity.email_trusted, &addresses)?);
            }
            let known = match &sub {
                Some(known) => known.clone(),
                None => self.unmapped(identity)?,
            };
            addresses = subject::addresses(&group.rules, member, &addresses);
            let seen = schema::see(&group.rules, member, &attributes);
            tell(&group.name, member, &seen);
            for Seen { name, whence, .. } in &seen {
                match whence {
                    Whence::Default => drop(by_default.insert(name.clone())),
                    Whence::PassedOn => {}
                    _ => drop(by_default.remove(name)),
                }
            }
            attributes = schema::values(seen);
            attributes.insert("sub".to_owned(), Value::String(known));
        }
        let sub = match sub {
            Some(sub) => sub,
            None => self.unmapped(identity)?,
        };
        Ok(Person { sub, attributes, by_default: by_default.into_iter().collect() })
    }

    fn unmapped(&self, identity: &Identity) -> Result<String, SubjectRefusal> {
        let member = self.connector.name();
        match identity.subject_passes {
            true => Err(SubjectRefusal::Passes { member: member.to_owned() }),
            false => subject::unmapped(member, &identity.subject),
        }
    }
}

struct Flattener<'a> {
    connectors: BTreeMap<&'a str, &'a Arc<Connector>>,
    groups: BTreeMap<&'a str, (&'a Continuity, Arc<Group>)>,
    members: &'a Members,
}

impl Flattener<'_> {
    fn seats(&self, name: &str) -> Vec<Arc<Seat>> {
        let mut seats = Vec::new();
        self.descend(&Arc::from(name), name, &[], &mut seats);
        seats
    }

    /// Adds the seats of `name`, which stands in the groups of `outer`, outermost first.
    fn descend(
        &self,
        via: &Arc<str>,
        name: &str,
        outer: &[(Arc<Group>, Arc<str>)],
        seats: &mut Vec<Arc<Seat>>,
    ) {
        let seat = |connector: &Arc<Connector>, outer: &[(Arc<Group>, Arc<str>)]| {
            let chain = outer.iter().rev().cloned().collect();
            Arc::new(Seat { connector: Arc::clone(connector), via: Arc::clone(via), chain })
        };
        if let Some(connector) = self.connectors.get(name) {
            seats.push(seat(connector, outer));
        } else if let Some((written, group)) = self.groups.get(name)
            && outer.len() < DEEPEST
        {
            let inner = |member: &str| {
                let mut inner = outer.to_vec();
                inner.push((Arc::clone(group), Arc::from(member)));
                inner
            };
            let Some(members) = self.members.get(name) else {
                for member in &written.failover.idps {
                    self.descend(via, member, &inner(member), seats);
                }
                return;
            };
            for member in members {
                match member {
                    Member::Listed(member) => self.descend(via, member, &inner(member), seats),
                    // Mappings for the one whose settings it has are its own, too.
                    Member::Found(connector) => seats.push(seat(connector, &inner(connector.like()))),
                }
            }
        }
    }
}

impl Group {
    fn read(written: &Continuity, all_roots: bool) -> Self {
        let default = if all_roots { OnUnanswered::Switch } else { OnUnanswered::Ask };
        let on_unanswered = written.on_unanswered.unwrap_or(default);
        match rules(written) {
            Ok(rules) => Self { name: written.name.clone(), rules, on_unanswered, broken: None },
            Err(why) => {
                Self { name: written.name.clone(), rules: Vec::new(), on_unanswered, broken: Some(why) }
            }
        }
    }
}

/// Whether every connector under a name is marked as a Mangrove root.
fn are_roots(
    name: &str,
    config: &Config,
    connectors: &BTreeMap<&str, &Arc<Connector>>,
    depth: usize,
) -> bool {
    if let Some(connector) = connectors.get(name) {
        return connector.is_root();
    }
    let group = config.connectors.iter().find_map(|written| match written {
        Written::Continuity(group) if group.name == name => Some(group),
        _ => None,
    });
    depth < DEEPEST
        && group.is_some_and(|group| {
            group.failover.idps.iter().all(|member| are_roots(member, config, connectors, depth + 1))
        })
}

/// The rules of a group, if all of them can be read and meant.
fn rules(written: &Continuity) -> Result<Vec<AttributeRule>, String> {
    let read = |attribute: &Attribute| {
        let said = |why: &dyn std::fmt::Display| format!("attribute {}: {why}", attribute.name);
        let rule = attribute.rule().map_err(|wrong| said(&wrong[0].1))?;
        match rule.unsound().first() {
            Some((_, why)) => Err(said(why)),
            None => Ok(rule),
        }
    };
    written.attributes.iter().map(read).collect()
}
