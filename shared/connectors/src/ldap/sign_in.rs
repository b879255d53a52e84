//! One sign-in at one server: the entry that a typed name belongs to, the person's own bind, their groups.

use ldap3::{Scope, dn_escape, ldap_escape};
use mangrove_keys::ambient;

use super::Ldap;
use super::dn;
use super::entry::{MOST_VALUES, Person};
use super::judge::{self, No};
use super::link::{Act, Bound, Link, Said, Trouble, Who};
use super::search::{Found, Query};
use super::servers::Server;
use super::settings::{By, Groups};

/// Most groups of one person that are searched: as many as are read of `memberOf`.
const MOST_GROUPS: u16 = 2_000;
/// Most parts of an attribute that are fetched beside the first.
const MOST_PARTS: usize = 8;

/// What a directory said about a name and a password.
pub(super) enum Outcome {
    Vouched(Person, Vec<String>),
    Not(No, Said),
    /// Nobody has that name.
    Unknown {
        /// The directory pointed at other servers.
        referred: bool,
    },
    /// More than one entry has it.
    Several,
    /// The entry does not show the attribute that was searched by.
    Hidden(String),
    /// The directory does not tell all groups, or more than are read: one that is missing may be the one that counts.
    SomeGroups {
        /// Where they were looked for, what is wrong there, and what to do.
        why: String,
    },
}

/// A name under an attribute.
struct Name<'a> {
    key: &'a str,
    text: &'a str,
}

const UNKNOWN: Outcome = Outcome::Unknown { referred: false };

impl Ldap {
    pub(super) async fn sign_in_at(
        &self,
        server: &Server,
        username: &str,
        password: &str,
    ) -> Result<Outcome, Trouble> {
        let (mut person, mut link) = match &self.settings.by {
            By::Rdn(key) => {
                let dn = format!("{key}={},{}", dn_escape(username), self.settings.base);
                if self.settings.account.as_ref().is_some_and(|account| dn::same(&dn, &account.dn)) {
                    return Ok(UNKNOWN);
                }
                let mut link = server.connect().await?;
                let bound = link.bind(&dn, password).await?;
                if let Err(no) = judge::judge(&bound) {
                    return not(no, bound);
                }
                let query = self.query(dn, Scope::Base, "(objectClass=*)".into(), 1);
                let found = self.as_anybody(server, &mut link, &query).await?;
                match one(found, self.search_by(self.who()))? {
                    Ok(person) if person.is_called(key, username) => (person, link),
                    Ok(_) => return Ok(UNKNOWN),
                    Err(none_or_several) => return Ok(none_or_several),
                }
            }
            By::Key(_) | By::ActiveDirectory => {
                let (found, link) = tokio::join!(self.find(server, username), server.connect());
                let (found, mut link) = (found?, link?);
                let person = match found {
                    Ok(person) => person,
                    Err(instead) => {
                        nobody_in_particular(&mut link, &self.settings.base).await;
                        return Ok(instead);
                    }
                };
                let bound = link.bind(person.dn(), password).await?;
                if let Err(no) = judge::judge(&bound) {
                    return not(no, bound);
                }
                (person, link)
            }
        };
        self.complete(server, &mut link, &mut person).await?;
        Ok(match self.groups(server, &mut link, &person).await? {
            Ok(groups) => Outcome::Vouched(person, groups),
            Err(why) => Outcome::SomeGroups { why },
        })
    }

    /// Fetches what is missing of attributes that the directory sends in parts.
    async fn complete(&self, server: &Server, link: &mut Link, person: &mut Person) -> Result<(), Trouble> {
        for _ in 0..MOST_PARTS {
            let attributes = person.rest();
            if attributes.is_empty() {
                break;
            }
            let all = self.query(person.dn().to_owned(), Scope::Base, "(objectClass=*)".into(), 1);
            let found = self.as_anybody(server, link, &Query { attributes, ..all }).await?;
            let found = refused_or(found, self.search_by(self.who()))?.entries.pop();
            if !found.is_some_and(|entry| person.goes_on(entry)) {
                break;
            }
        }
        Ok(())
    }

    /// The entry that a typed name belongs to, or what comes of it instead.
    async fn find(&self, server: &Server, username: &str) -> Result<Result<Person, Outcome>, Trouble> {
        let mut found = Err(UNKNOWN);
        for name in self.names(username) {
            let entries = server.search(&self.query_of(&name, 2)).await?;
            found = one(entries, self.search_by(Who::Account))?.and_then(|person| self.known(person, &name));
            if !matches!(found, Err(Outcome::Unknown { .. })) {
                break;
            }
        }
        Ok(found)
    }

    /// The person, if the entry has that name and is not the service account's.
    fn known(&self, person: Person, name: &Name<'_>) -> Result<Person, Outcome> {
        if self.settings.account.as_ref().is_some_and(|account| person.is_known_as(&account.dn)) {
            return Err(UNKNOWN);
        }
        if person.is_called(name.key, name.text) {
            return Ok(person);
        }
        let hidden = person.text(name.key).is_none();
        Err(if hidden { Outcome::Hidden(name.key.into()) } else { UNKNOWN })
    }

    /// Asks as a login does, for somebody who is not there: whether the service account may search people, and their groups.
    pub(super) async fn rehearse_at(&self, server: &Server) -> Result<(), Trouble> {
        let nobody = ambient::token();
        let mut people = match (&self.settings.by, self.names(&nobody).first()) {
            (By::Key(_) | By::ActiveDirectory, Some(name)) => self.query_of(name, 1),
            _ => self.query(self.settings.base.clone(), Scope::Base, "(objectClass=*)".into(), 1),
        };
        people.attributes = vec!["1.1".into()];
        refused_or(server.search(&people).await?, self.search_by(Who::Account))?;
        if let Some(groups) = &self.settings.groups {
            let query = groups_of(groups, &format!("cn={nobody},{}", self.settings.base));
            refused_or(server.search(&query).await?, group_search(groups, Who::Account))?;
        }
        Ok(())
    }

    /// What a typed name may be, in the order in which it is looked for. In Active Directory everybody also has the principal name
    /// `sAMAccountName@domain`, which stands in no attribute; somebody else's that does stand in one goes before it.
    fn names<'a>(&'a self, username: &'a str) -> Vec<Name<'a>> {
        let name = |key, text| Name { key, text };
        match (&self.settings.by, username.rsplit_once('@')) {
            (By::Key(key) | By::Rdn(key), _) => vec![name(key, username)],
            (By::ActiveDirectory, None) => vec![name("sAMAccountName", username)],
            (By::ActiveDirectory, Some((local, domain))) => {
                let mut names = vec![name("userPrincipalName", username)];
                if !local.is_empty() && domain.eq_ignore_ascii_case(&dn::domain(&self.settings.base)) {
                    names.push(name("sAMAccountName", local));
                }
                names
            }
        }
    }

    /// The search of the entry that has a name.
    fn query_of(&self, name: &Name<'_>, most: u16) -> Query {
        let is_it = format!("({}={})", name.key, ldap_escape(name.text));
        let filter = if self.settings.active_directory {
            format!("(&(objectClass=user)(!(objectClass=computer)){is_it})")
        } else {
            is_it
        };
        self.query(self.settings.base.clone(), self.settings.scope, filter, most)
    }

    fn query(&self, base: String, scope: Scope, filter: String, most: u16) -> Query {
        Query { base, scope, filter, attributes: self.wanted.clone(), most }
    }

    /// Names of the person's groups: searched where that is configured, else those that the entry names. All of them, or why some
    /// are missing.
    async fn groups(
        &self,
        server: &Server,
        link: &mut Link,
        person: &Person,
    ) -> Result<Result<Vec<String>, String>, Trouble> {
        let Some(groups) = &self.settings.groups else {
            let mapped = self.settings.mapping.iter().find(|(ours, _)| ours == "groups");
            let from = mapped.map_or("memberOf", |(_, theirs)| theirs);
            return Ok(if person.has_all_of(from) {
                Ok(person.groups())
            } else {
                Err(format!(
                    "{from} does not tell all groups of a person, or tells more than {MOST_VALUES}, the most that are read: \
                     write `groupBaseDN` to have them searched, or map `groups`"
                ))
            });
        };
        let found = self.as_anybody(server, link, &groups_of(groups, person.dn())).await?;
        let found = refused_or(found, group_search(groups, self.who()))?;
        let (base, shown) = (&groups.base, found.entries.len());
        if shown > usize::from(MOST_GROUPS) {
            return Ok(Err(format!(
                "a search at {base} finds more than {MOST_GROUPS} groups of a person, the most that are read: write a narrower \
                 `groupBaseDN`, or map `groups`"
            )));
        }
        if found.said.code != 0 {
            return Ok(Err(format!(
                "a search at {base} does not tell all groups of a person: it ends after {shown} with {}: let the directory show \
                 the service account more by pages or at once, write a narrower `groupBaseDN`, or map `groups`",
                found.said
            )));
        }
        let found = found.entries.into_iter().map(Person::read);
        Ok(Ok(found.filter_map(|group| group.text(&groups.name).map(str::to_owned)).collect()))
    }

    /// Searches as the service account if there is one, else as the person.
    async fn as_anybody(&self, server: &Server, link: &mut Link, query: &Query) -> Result<Found, Trouble> {
        match &self.settings.account {
            Some(_) => server.search(query).await,
            None => link.search(query).await,
        }
    }

    /// As whom [`Self::as_anybody`] searches.
    fn who(&self) -> Who {
        if self.settings.account.is_some() { Who::Account } else { Who::Person }
    }

    /// A search of people, for the log.
    fn search_by(&self, who: Who) -> Act {
        Act::Search { base: self.settings.base.clone(), who }
    }
}

/// A search of groups, for the log.
fn group_search(groups: &Groups, who: Who) -> Act {
    Act::Search { base: groups.base.clone(), who }
}

fn groups_of(groups: &Groups, dn: &str) -> Query {
    Query {
        base: groups.base.clone(),
        scope: Scope::Subtree,
        filter: format!("({}={})", groups.member, ldap_escape(dn)),
        attributes: vec![groups.name.clone()],
        // One more tells that there are more.
        most: MOST_GROUPS + 1,
    }
}

fn not(no: No, bound: Bound) -> Result<Outcome, Trouble> {
    match no {
        No::Trouble => Err(Trouble::Refused { act: Act::Bind(Who::Person), said: bound.said }),
        no => Ok(Outcome::Not(no, bound.said)),
    }
}

/// What a search found, unless the server refused it. With a code it is not all that there is.
fn refused_or(found: Found, act: Act) -> Result<Found, Trouble> {
    const SIZE_LIMIT: u32 = 4;
    match found.said.code {
        0 | SIZE_LIMIT => Ok(found),
        _ => Err(Trouble::Refused { act, said: found.said }),
    }
}

/// The one entry that was found.
fn one(found: Found, act: Act) -> Result<Result<Person, Outcome>, Trouble> {
    let mut found = refused_or(found, act)?;
    let code = found.said.code;
    match (found.entries.pop(), found.entries.is_empty()) {
        (Some(entry), true) if code == 0 => {
            if entry.dn.is_empty() {
                return Err(Trouble::Malformed("an entry without a name: nobody can be bound as it".into()));
            }
            Ok(Ok(Person::read(entry)))
        }
        (None, _) => Ok(Err(Outcome::Unknown { referred: found.referred })),
        _ => Ok(Err(Outcome::Several)),
    }
}

/// Binds as nobody in particular, so that an unknown name takes about as long as a wrong password.
async fn nobody_in_particular(link: &mut Link, base: &str) {
    let dn = format!("cn={},{base}", ambient::token());
    let _ = link.bind(&dn, &ambient::token()).await;
}
