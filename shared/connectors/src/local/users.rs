//! The users file, read. `user add` of the command line writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::hash;

/// Largest users file that is read, in bytes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// One person in the file.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// What the person types; exact, case included.
    pub username: String,
    /// argon2id, in PHC form.
    pub password_hash: String,
    /// What applications may learn; `sub`, if given, identifies the person instead of the user name.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

impl User {
    /// What identifies the person.
    pub fn subject(&self) -> &str {
        self.attributes.get("sub").and_then(Value::as_str).unwrap_or(&self.username)
    }
}

/// Shows who, never the hash.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Everybody in a file.
#[derive(Debug, Default)]
pub struct Users(BTreeMap<String, User>);

/// Why a users file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct UsersError {
    file: PathBuf,
    why: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    users: Vec<User>,
}

impl Users {
    /// Reads and checks a users file.
    ///
    /// # Errors
    /// It cannot be read, is too large, is not YAML of this form, names somebody twice, or holds a hash of another kind.
    pub fn read(file: &Path) -> Result<Self, UsersError> {
        let users = checked(
            &document(&text(file).map_err(|why| refuse(file, why))?).map_err(|why| refuse(file, why))?,
        )
        .map_err(|why| refuse(file, why))?;
        Ok(users)
    }

    /// The person with exactly that name.
    pub fn get(&self, username: &str) -> Option<&User> {
        self.0.get(username)
    }

    /// Somebody, if there is anybody.
    pub(super) fn anybody(&self) -> Option<&User> {
        self.0.values().next()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn refuse(file: &Path, why: String) -> UsersError {
    UsersError { file: file.into(), why }
}

fn text(file: &Path) -> Result<String, String> {
    let open = || -> io::Result<String> {
        let mut text = String::new();
        fs::File::open(file)?.take(LARGEST + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = open().map_err(|why| why.to_string())?;
    if text.len() as u64 > LARGEST { Err(format!("larger than {LARGEST} bytes")) } else { Ok(text) }
}

fn document(text: &str) -> Result<Document, String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Document::default());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|why| why.to_string())
}

fn checked(document: &Document) -> Result<Users, String> {
    let mut users = BTreeMap::new();
    let mut subjects = BTreeSet::new();
    for user in &document.users {
        let name = &user.username;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err("a user name is empty or holds control characters".into());
        }
        if user.attributes.get("sub").is_some_and(|sub| sub.as_str().is_none_or(str::is_empty)) {
            return Err(format!("user {name}: `sub` must be text and not empty"));
        }
        if !subjects.insert(user.subject().to_owned()) {
            return Err(format!("user {name}: somebody else has the same `sub`"));
        }
        hash::check(&user.password_hash).map_err(|why| format!("user {name}: passwordHash: {why}"))?;
        if users.insert(name.clone(), user.clone()).is_some() {
            return Err(format!("user {name} is there twice"));
        }
    }
    Ok(Users(users))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(users: &str) -> Result<Users, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users.yaml");
        std::fs::write(&file, users).unwrap();
        Users::read(&file).map_err(|why| why.to_string())
    }

    fn user(name: &str, attributes: &str) -> String {
        let hash = hash::hash_password("secret").unwrap();
        format!("  - username: {name}\n    passwordHash: {hash}\n    attributes: {{ {attributes} }}\n")
    }

    #[test]
    fn users_are_read_with_what_they_have() {
        let text =
            format!("# Branch 12\nusers:\n{}{}", user("alice", "groups: [a, b]"), user("'bob: #1'", ""));
        let users = read(&text).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(users.get("alice").unwrap().attributes["groups"][1], "b");
        assert_eq!(users.get("bob: #1").unwrap().subject(), "bob: #1");
        assert!(read("# nobody yet\n").unwrap().is_empty());
    }

    #[test]
    fn a_file_with_a_hash_of_another_kind_is_refused_without_showing_it() {
        let why = read("users:\n  - username: alice\n    passwordHash: plain\n").unwrap_err();
        assert!(why.contains("alice") && why.contains("argon2id") && !why.contains("plain"), "{why}");
    }

    #[test]
    fn two_people_never_share_a_subject() {
        let why = read(&format!("users:\n{}{}", user("alice", ""), user("bob", "sub: alice"))).unwrap_err();
        assert!(why.contains("same `sub`"), "{why}");
    }
}
