//! The users file: reading it, and `user add`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mangrove_keys::ambient;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hash::{self, HashError};

/// Largest users file that is read, in bytes.
const LARGEST: u64 = 8 * 1024 * 1024;

/// One person in the file.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
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

/// What [`add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The user is new.
    New,
    /// A user of that name was replaced.
    Replaced,
}

#[derive(Default, Deserialize, Serialize)]
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

/// Adds a user to a file, or replaces the one of that name; all others stay as they are. The file is made if it does not
/// exist, is readable by its owner only, and is replaced in one step. Comments are kept at the top of the file only.
///
/// # Errors
/// The file is not a good users file now, or cannot be written; it is then as it was.
pub fn add(file: &Path, user: User) -> Result<Added, UsersError> {
    let refuse = |why: String| refuse(file, why);
    let old = match text(file) {
        Err(_) if !file.exists() => String::new(),
        other => other.map_err(refuse)?,
    };
    let mut document = document(&old).map_err(refuse)?;
    let added = match document.users.iter_mut().find(|known| known.username == user.username) {
        Some(known) => {
            *known = user;
            Added::Replaced
        }
        None => {
            document.users.push(user);
            Added::New
        }
    };
    checked(&document).map_err(refuse)?;
    let yaml = serde_saphyr::to_string(&document).map_err(|why| refuse(why.to_string()))?;
    let head: String =
        old.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    write(file, &format!("{head}{yaml}")).map_err(|why| refuse(why.to_string()))?;
    Ok(added)
}

/// A password to hand to a new user: 80 random bits that can be read out and typed.
pub fn random_password() -> String {
    let id = ambient::short_id();
    let groups: Vec<&str> = [0, 4, 8, 12].iter().filter_map(|at| id.get(*at..at + 4)).collect();
    groups.join("-")
}

/// A user with a password, ready to be added.
///
/// # Errors
/// The password is empty.
pub fn with_password(
    username: &str,
    password: &str,
    attributes: Map<String, Value>,
) -> Result<User, HashError> {
    Ok(User { username: username.into(), password_hash: hash::hash_password(password)?, attributes })
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

/// Writes beside the file and renames over it, so that a reader sees the old one or the new one.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}", ambient::short_id()));
    let beside = file.with_file_name(name);
    let written = (|| {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        fs::rename(&beside, file)
    })();
    written.inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn user(name: &str, email: &str) -> User {
        let attributes = Map::from_iter([
            ("email".to_owned(), email.into()),
            ("groups".to_owned(), vec!["a", "b"].into()),
        ]);
        with_password(name, "secret", attributes).unwrap()
    }

    #[test]
    fn a_user_is_added_and_replaced_and_the_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users.yaml");
        let alice = user("alice", "alice@example.com");
        assert_eq!(add(&file, alice.clone()).unwrap(), Added::New);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(add(&file, user("bob: #1", "true")).unwrap(), Added::New);
        assert_eq!(add(&file, user("bob: #1", "123")).unwrap(), Added::Replaced);

        let users = Users::read(&file).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(users.get("alice"), Some(&alice));
        assert_eq!(users.get("bob: #1").unwrap().attributes["email"], "123", "text stays text");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside the file");
    }

    #[test]
    fn a_file_that_is_not_good_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users.yaml");
        fs::write(&file, "users:\n  - username: alice\n    passwordHash: plain\n").unwrap();
        let why = add(&file, user("bob", "b@example.com")).unwrap_err().to_string();
        assert!(why.contains("alice") && why.contains("argon2id") && !why.contains("plain"), "{why}");
        assert!(fs::read_to_string(&file).unwrap().contains("plain"));
    }

    #[test]
    fn two_people_never_share_a_subject() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users.yaml");
        add(&file, user("alice", "a@example.com")).unwrap();
        let mut thief = user("bob", "b@example.com");
        thief.attributes.insert("sub".into(), "alice".into());
        assert!(add(&file, thief).unwrap_err().to_string().contains("same `sub`"));
    }

    #[test]
    fn comments_at_the_top_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users.yaml");
        fs::write(&file, "# Branch 12\n").unwrap();
        add(&file, user("alice", "a@example.com")).unwrap();
        assert!(fs::read_to_string(&file).unwrap().starts_with("# Branch 12\nusers:"));
    }

    #[test]
    fn a_random_password_can_be_read_out() {
        let password = random_password();
        assert_eq!(password.len(), 19);
        assert_ne!(password, random_password());
    }
}
