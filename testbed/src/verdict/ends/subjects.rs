//! Who is who: somebody else's session, another subject than before, two people with one, and somebody whom nobody who was asked
//! knows. Also for the expectation that one person is one subject.

use std::collections::BTreeMap;

use super::usual::last_start;
use crate::history::{Login, Seen, Server, Who};
use crate::verdict::world::World;

/// Who is who at each application, as the first time said.
#[derive(Default)]
pub(in crate::verdict) struct Subjects<'a> {
    of_person: BTreeMap<(&'a str, &'a str), (&'a str, &'a str)>,
    of_subject: BTreeMap<(&'a str, &'a str, &'a str), &'a str>,
}

impl<'a> Subjects<'a> {
    /// Why this login is wrong, if it is.
    pub(super) fn wrong(&mut self, world: &World<'a>, login: &'a Login) -> Option<String> {
        if login.seen != Seen::SignedIn {
            return None;
        }
        let Some(who) = &login.who else { return Some("the application greets nobody".to_owned()) };
        self.mixed_up(&login.app, &login.person, who).or_else(|| unknown_there(world, login))
    }

    /// Whether this person is anybody else at this application, now or compared with before.
    pub(super) fn mixed_up(&mut self, app: &'a str, person: &'a str, who: &'a Who) -> Option<String> {
        if let Some(really) = who.lab_person.as_deref().filter(|really| *really != person) {
            return Some(format!("{person} got the session of {really}"));
        }
        self.not_one_to_one(app, person, who)
    }

    /// Whether this person has another subject than before at this application, or somebody else's.
    pub(in crate::verdict) fn not_one_to_one(
        &mut self,
        app: &'a str,
        person: &'a str,
        who: &'a Who,
    ) -> Option<String> {
        let subject = (who.iss.as_str(), who.sub.as_str());
        let first = *self.of_person.entry((app, person)).or_insert(subject);
        if first != subject {
            return Some(format!(
                "{person} was {} at {}, and is now {} at {}",
                first.1, first.0, subject.1, subject.0
            ));
        }
        let owner = *self.of_subject.entry((app, subject.0, subject.1)).or_insert(person);
        (owner != person).then(|| format!("{person} and {owner} are both {} at {}", subject.1, subject.0))
    }

    /// How many people have a subject, once for each application.
    pub(in crate::verdict) fn people(&self) -> usize {
        self.of_person.len()
    }
}

/// Whether everybody who could have vouched in this login does not know the person.
fn unknown_there(world: &World<'_>, login: &Login) -> Option<String> {
    let knows = |server: &Server| server.knows.as_ref().is_none_or(|known| known.contains(&login.person));
    let asked: Vec<&Server> = last_start(world, login)
        .iter()
        .filter_map(|hop| world.server_at(hop.host()))
        .filter(|server| server.vouches)
        .collect();
    let nobody = !asked.is_empty() && !asked.iter().any(|server| knows(server));
    nobody.then(|| format!("{} does not know {} and let them in", asked[0].name, login.person))
}
