//! What applications were told of people, whoever answered: one person is one subject, and has one set of attributes. And what
//! identity providers were told that was meant for others: passwords.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ends::subjects::Subjects;
use super::judge::{Court, Finding};
use crate::history::{Event, PasswordRefused, What, Who};
use crate::language::Expectation;

/// The passwords that identity providers of the lab refused, as they came.
pub(super) fn refused(events: &[Event]) -> Vec<&PasswordRefused> {
    let refused = |event: &'_ Event| matches!(event.what, What::PasswordRefused(_));
    let all = events.iter().filter(|event| refused(event));
    all.filter_map(|event| if let What::PasswordRefused(it) = &event.what { Some(it) } else { None })
        .collect()
}

impl Court<'_, '_> {
    /// Everything that an application was told: its name, the person's, and whom it has.
    fn answers<'l>(
        &'l self,
        expected: &'l Expectation,
    ) -> impl Iterator<Item = (&'l str, &'l str, &'l Who)> + 'l {
        let here = |region: &str| expected.concerns(region);
        let logins = self.ends.logins.iter().map(|it| it.login).filter(move |it| here(&it.region));
        let logins = logins.filter_map(|it| Some((it.app.as_str(), it.person.as_str(), it.who.as_ref()?)));
        let visits = self.ends.visits.iter().map(|it| it.visit).filter(move |it| here(&it.region));
        let visits = visits.filter_map(|it| Some((it.app.as_str(), it.person.as_str(), it.who.as_ref()?)));
        logins.chain(visits)
    }

    /// One person is one subject at an application, and one subject one person.
    pub(super) fn one_subject(&self, expected: &Expectation) -> Finding {
        let mut subjects = Subjects::default();
        let mut trouble: Option<String> = None;
        let mut attempts = 0;
        for (app, person, who) in self.answers(expected) {
            attempts += 1;
            trouble = trouble.or(subjects.not_one_to_one(app, person, who));
        }
        let words = trouble.clone().unwrap_or_else(|| {
            format!("{} people at their applications, one to one over {attempts} answers", subjects.people())
        });
        Finding { number: Some(f64::from(u8::from(trouble.is_none()))), words, attempts }
    }

    /// Each of the attributes is there, and is the same for one person at one application in every answer.
    pub(super) fn same_attributes(&self, expected: &Expectation) -> Finding {
        let mut first: BTreeMap<(&str, &str, &str), &Value> = BTreeMap::new();
        let mut trouble: Option<String> = None;
        let mut attempts = 0;
        for (app, person, who) in self.answers(expected) {
            attempts += 1;
            for name in &expected.about {
                match who.claims.get(name) {
                    None => {
                        trouble.get_or_insert(format!("{app} was told no `{name}` of {person}"));
                    }
                    Some(value) => {
                        let before = *first.entry((app, person, name)).or_insert(value);
                        if before != value {
                            trouble.get_or_insert(format!(
                                "`{name}` of {person} is {before} and {value} at {app}"
                            ));
                        }
                    }
                }
            }
        }
        let words = trouble.clone().unwrap_or_else(|| {
            format!("{} of everybody always the same, over {attempts} answers", expected.about.join(", "))
        });
        Finding { number: Some(f64::from(u8::from(trouble.is_none()))), words, attempts }
    }

    /// Passwords that an identity provider refused, of all that people typed.
    pub(super) fn passwords_refused(&self, expected: &Expectation) -> Finding {
        let region =
            |person: &str| self.world.run.people.iter().find(|it| it.name == person).map(|it| &it.region);
        let here = |refused: &&&PasswordRefused| match (&expected.region, &refused.person) {
            (Some(wanted), Some(person)) => region(person).is_none_or(|region| region == wanted),
            _ => true,
        };
        let refused: Vec<_> = self.refused.iter().filter(here).collect();
        let typed: u32 = self.logins(expected).map(|login| login.login.acts.passwords).sum();
        let first = refused.first().map(|it| {
            let person = it.person.as_deref().unwrap_or("somebody");
            format!(", the first at {}, said to be that of {person}", it.server)
        });
        let words = format!("{} of {typed} passwords refused{}", refused.len(), first.unwrap_or_default());
        Finding { number: Some(refused.len() as f64), words, attempts: typed as usize }
    }
}
