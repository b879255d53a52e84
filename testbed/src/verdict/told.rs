//! What applications were told of people, whoever answered: one person is one subject, and has one set of attributes of their own. And
//! what identity providers were told that was meant for others: passwords.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ends::subjects::Subjects;
use super::judge::{Court, Finding};
use super::vouched::PASSWORD_PAGE;
use crate::history::{Event, Hop, Login, PasswordRefused, Server, ServerKind, What, Who, role_of};
use crate::language::Expectation;

/// The software with a sign-in page of its own that says which passwords it refuses; all directories do.
const SAYS_WHAT_IT_REFUSES: &str = "SimpleSAMLphp";

/// What an application was told, by its name, the person's, and the attribute's.
type Told<'l> = BTreeMap<(&'l str, &'l str, &'l str), &'l Value>;

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

    /// Each of the attributes is there, is the same for one person at one application in every answer, and is not everybody's there.
    pub(super) fn same_attributes(&self, expected: &Expectation) -> Finding {
        let mut first = Told::new();
        let mut trouble: Option<String> = None;
        let mut attempts = 0;
        for (app, person, who) in self.answers(expected) {
            attempts += 1;
            for name in &expected.about {
                match who.claims.get(name).filter(|value| says_something(value)) {
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
        let trouble = trouble.or_else(|| everybodys(&first));
        let words = trouble.clone().unwrap_or_else(|| {
            format!("{} of everybody always the same, over {attempts} answers", expected.about.join(", "))
        });
        Finding { number: Some(f64::from(u8::from(trouble.is_none()))), words, attempts }
    }

    /// Passwords that an identity provider refused, of all that were typed where a refusal is heard.
    pub(super) fn passwords_refused(&self, expected: &Expectation) -> Finding {
        let region =
            |person: &str| self.world.run.people.iter().find(|it| it.name == person).map(|it| &it.region);
        let here = |refused: &&&PasswordRefused| match (&expected.region, &refused.person) {
            (Some(wanted), Some(person)) => region(person).is_none_or(|region| region == wanted),
            _ => true,
        };
        let refused: Vec<_> = self.refused.iter().filter(here).collect();
        let typed: u32 = self.logins(expected).map(|login| self.passwords_heard(login.login)).sum();
        let first = refused.first().map(|it| {
            let person = it.person.as_deref().unwrap_or("somebody");
            format!(", the first at {}, said to be that of {person}", it.server)
        });
        let words = format!("{} of {typed} passwords refused{}", refused.len(), first.unwrap_or_default());
        Finding { number: Some(refused.len() as f64), words, attempts: typed as usize }
    }

    /// Passwords of a login that went where a refusal is heard: to such a server's own page, or to a node that asks a directory.
    fn passwords_heard(&self, login: &Login) -> u32 {
        let directory = |name: &String| self.world.server(name).is_some_and(|it| !it.by_browser);
        let hears = |server: &Server, hop: &Hop| match server.kind {
            ServerKind::Idp => server.foreign.as_ref().is_some_and(|it| it.product == SAYS_WHAT_IT_REFUSES),
            _ => hop.path() == PASSWORD_PAGE && server.upstreams.iter().any(directory),
        };
        let heard = |hop: &&Hop| {
            hop.method == "POST" && self.world.server_at(hop.host()).is_some_and(|server| hears(server, hop))
        };
        let sent = login.hops.iter().filter(heard).count();
        login.acts.passwords.min(u32::try_from(sent).unwrap_or(u32::MAX))
    }
}

/// Whether an attribute says anything of a person.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// An attribute that everybody at an application shares, clerks with engineers: what the lab's providers say of a person is another
/// thing for each, or for these two. Whether something is so may be everybody's (`email_verified`).
fn everybodys(told: &Told<'_>) -> Option<String> {
    let mut at: BTreeMap<(&str, &str), Vec<(&str, &Value)>> = BTreeMap::new();
    for ((app, person, name), value) in told {
        at.entry((app, name)).or_default().push((person, value));
    }
    at.into_iter().find_map(|((app, name), answers)| {
        let (&(first, value), others) = answers.split_first()?;
        let shared = others.iter().all(|(_, other)| *other == value);
        let by_both = others.iter().any(|(person, _)| role_of(person) != role_of(first));
        let nobodys = shared && by_both && !value.is_boolean();
        nobodys.then(|| format!("`{name}` is {value} for everybody at {app}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::history::Run;
    use crate::language::{Bound, Limit, Measure};
    use crate::verdict::judge;
    use crate::verdict::judge::Ruling;
    use crate::verdict::synthetic::Story;

    fn ruling(events: &[Event], measure: Measure, about: &[&str], bound: Limit) -> (Ruling, String) {
        let expected = Expectation {
            text: String::new(),
            region: None,
            after_change: None,
            meanwhile: None,
            attempts: None,
            measure,
            about: about.iter().map(|&name| name.to_owned()).collect(),
            bound: Bound::Exactly(bound),
            line: 1,
        };
        let outcome = judge(events, &[expected], 30).unwrap().outcomes.remove(0);
        (outcome.ruling, outcome.found)
    }

    /// Where applications are told this role of whoever has that name; of whom there is none they are told nothing at all.
    fn of_roles(role: impl Fn(&str) -> Option<Value>) -> (Ruling, String) {
        let mut events = Story::one_root_cut().tell();
        for event in &mut events {
            let (person, told) = match &mut event.what {
                What::Login(login) => (&login.person, &mut login.who),
                What::Visit(visit) => (&visit.person, &mut visit.who),
                _ => continue,
            };
            let Some(role) = role(person) else {
                *told = None;
                continue;
            };
            if let Some(who) = told {
                who.claims.insert("role".to_owned(), role);
            }
        }
        ruling(&events, Measure::SameAttributes, &["role"], Limit::Yes(true))
    }

    #[test]
    fn an_attribute_that_is_everybodys_is_nobodys_and_one_without_a_value_is_none() {
        let (held, found) = of_roles(|name| Some(role_of(name).into()));
        assert_eq!(held, Ruling::Holds, "{found}");
        let (held, found) = of_roles(|_| Some("user".into()));
        assert_eq!(held, Ruling::Fails, "{found}");
        assert!(found.starts_with("`role` is \"user\" for everybody at app-"), "{found}");
        for nothing in [Value::Null, json!(""), json!([]), json!({})] {
            let (held, found) = of_roles(|_| Some(nothing.clone()));
            assert_eq!(held, Ruling::Fails, "{nothing}: {found}");
            assert!(found.contains(" was told no `role` of branch-"), "{found}");
        }
    }

    #[test]
    fn what_the_lab_says_of_everybody_alike_may_be_the_same() {
        let (held, found) = of_roles(|name| (role_of(name) == "clerk").then(|| "clerk".into()));
        assert_eq!(held, Ruling::Holds, "no engineer is there: {found}");
        let (held, found) = of_roles(|_| Some(true.into()));
        assert_eq!(held, Ruling::Holds, "of everybody it is true: {found}");
    }

    /// What is found of the passwords refused where `corp` is this, and its passwords are typed there.
    fn of_passwords(corp: impl FnOnce(&mut Run), page: &str) -> (Ruling, String) {
        let mut events = Story::one_root_cut().tell();
        for event in &mut events {
            let What::Login(login) = &mut event.what else { continue };
            for hop in login.hops.iter_mut().filter(|hop| hop.method == "POST") {
                page.clone_into(&mut hop.url);
            }
        }
        if let What::Run(run) = &mut events[0].what {
            corp(run);
        }
        ruling(&events, Measure::PasswordsRefused, &[], Limit::Count(0.0))
    }

    #[test]
    fn passwords_count_as_tried_where_a_refusal_is_heard() {
        let own_page = "corp.mesh.test/sign-in";
        let (held, found) = of_passwords(|_| {}, own_page);
        assert_eq!(held, Ruling::Holds, "{found}");
        let (held, found) = of_passwords(|run| run.servers[0].foreign = None, own_page);
        assert_eq!(held, Ruling::CannotJudge, "it says nothing: {found}");
        assert!(found.starts_with("0 of 0 passwords refused"), "{found}");

        let node = "root-dc1.mesh.test/login/password";
        let (held, found) = of_passwords(|run| run.servers[0].by_browser = false, node);
        assert_eq!(held, Ruling::Holds, "the node asks a directory: {found}");
        let (held, found) = of_passwords(|_| {}, node);
        assert_eq!(held, Ruling::CannotJudge, "the node asks none: {found}");
    }
}
