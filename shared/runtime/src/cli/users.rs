//! `user add`: one more user in a local connector's file. Passwords become argon2id hashes here and go nowhere else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mangrove_config::tree;
use mangrove_connectors::local::hash_password;
use mangrove_keys::ambient;

use super::args::UserAdd;
use super::{Exit, ask, complain, say};

pub(super) fn add(asked: &UserAdd) -> Exit {
    let shown = asked.random.then(random_password);
    let password = match &shown {
        Some(password) => Ok(password.clone()),
        None => ask::new_password(&asked.name),
    };
    let password = match password {
        Ok(password) if password.chars().count() < SHORTEST => {
            complain(&format!("a password has at least {SHORTEST} characters; `-random` makes one up"));
            return Exit::BadInput;
        }
        Ok(password) => password,
        Err(error) => {
            complain(&format!("cannot read a password: {error}"));
            return Exit::BadInput;
        }
    };
    match add_to(&asked.file, &asked.name, asked.email.as_deref(), &password) {
        Ok(()) => {}
        Err(Refusal::Input(why)) => {
            complain(&why);
            return Exit::BadInput;
        }
        Err(Refusal::Io(error)) => {
            complain(&format!("cannot write {}: {error}", asked.file.display()));
            return Exit::Failed;
        }
    }
    say(&format!("{} added to {}", asked.name, asked.file.display()));
    if let Some(password) = shown {
        say(&format!("password: {password}   (shown once)"));
    }
    Exit::Clean
}

/// Why a user was not added.
#[derive(Debug)]
pub(super) enum Refusal {
    Input(String),
    Io(io::Error),
}

/// Adds a user, as text at the file's end, so that comments and order stay; makes the file if it is missing.
pub(super) fn add_to(file: &Path, name: &str, email: Option<&str>, password: &str) -> Result<(), Refusal> {
    let fits = !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control);
    if !fits || name.trim() != name {
        return Err(Refusal::Input(
            "a user's name has 1 to 255 bytes, no control characters, and no blanks around it: the sign-in page takes \
             those away"
                .into(),
        ));
    }
    let before = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => "users:\n".to_owned(),
        Err(error) => return Err(Refusal::Io(error)),
    };
    let indent = place_for(&before, file, name)?;
    let before = if indent.is_none() { "users:\n".to_owned() } else { before };
    let hash = hash_password(password).map_err(|why| Refusal::Input(why.to_string()))?;
    let entry = entry(name, email, &hash, indent.unwrap_or(2));
    let gap = if before.ends_with('\n') { "" } else { "\n" };
    let text = format!("{before}{gap}{entry}");
    let wrong = || {
        Refusal::Input(format!("{}: cannot add to this form of YAML; add by hand:\n{entry}", file.display()))
    };
    let after = tree::parse(&text).map_err(|_| wrong())?;
    let last = after.get("users").and_then(|users| users.items().last()?.get("username")?.as_str());
    if last != Some(name) {
        return Err(wrong());
    }
    replace(file, &text).map_err(Refusal::Io)
}

/// Columns before the dash of the list's entries; none if the list is empty.
fn place_for(text: &str, file: &Path, name: &str) -> Result<Option<usize>, Refusal> {
    let broken = |why: &dyn std::fmt::Display| Refusal::Input(format!("{}: {why}", file.display()));
    let document = tree::parse(text).map_err(|error| broken(&error.message))?;
    let users = document.get("users").ok_or_else(|| broken(&"has no list `users`"))?;
    let taken = |user: &tree::Node| user.get("username").and_then(tree::Node::as_str) == Some(name);
    if users.items().iter().any(taken) {
        return Err(broken(&format!("there is a user `{name}` already")));
    }
    Ok(users.items().first().map(|first| first.place.column.saturating_sub(3)))
}

fn entry(name: &str, email: Option<&str>, hash: &str, indent: usize) -> String {
    // A JSON string is a YAML string.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let pad = " ".repeat(indent);
    let mut attributes = vec![format!("name: {}", quoted(name))];
    if let Some(email) = email {
        attributes.push(format!("email: {}", quoted(email)));
        attributes.push("email_verified: true".to_owned());
    }
    format!(
        "{pad}- username: {}\n{pad}  passwordHash: {}\n{pad}  attributes: {{ {} }}\n",
        quoted(name),
        quoted(hash),
        attributes.join(", ")
    )
}

/// Writes beside and renames: a reader sees the old file or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension(format!("new-{}", ambient::short_id()));
    let written = write_new(&beside, text).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Writes a file of mode 0600 that was not there.
pub(super) fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// 80 bits that a person can type.
pub(super) fn random_password() -> String {
    let id = ambient::short_id();
    let parts: Vec<&str> = (0..id.len()).step_by(4).map(|at| &id[at..(at + 4).min(id.len())]).collect();
    parts.join("-")
}

const SHORTEST: usize = 8;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use argon2::{Argon2, PasswordHash, PasswordVerifier};

    use super::*;

    fn names(file: &Path) -> Vec<String> {
        let text = fs::read_to_string(file).unwrap();
        let document = tree::parse(&text).unwrap();
        let users = document.get("users").unwrap().items().iter();
        users.map(|user| user.get("username").unwrap().as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn users_are_added_one_after_the_other_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.yaml");
        add_to(&file, "alice", Some("alice@example.com"), "correct horse").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("# who may sign in\n{text}")).unwrap();
        add_to(&file, "\"bob\": x", None, "battery staple").unwrap();
        assert_eq!(names(&file), ["alice", "\"bob\": x"]);
        assert!(fs::read_to_string(&file).unwrap().starts_with("# who may sign in\n"));
        assert!(
            matches!(add_to(&file, "alice", None, "another one"), Err(Refusal::Input(why)) if why.contains("already"))
        );
    }

    #[test]
    fn a_name_that_nobody_could_type_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.yaml");
        for name in ["", " alice", "alice ", "a\nb", &"x".repeat(256)] {
            assert!(matches!(add_to(&file, name, None, "correct horse"), Err(Refusal::Input(_))), "{name:?}");
        }
        assert!(!file.exists());
    }

    #[test]
    fn the_file_holds_an_argon2id_hash_of_the_password_and_not_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.yaml");
        add_to(&file, "alice", None, "correct horse").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("correct horse"));
        let document = tree::parse(&text).unwrap();
        let hash = document.get("users").unwrap().items()[0]
            .get("passwordHash")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let hash = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &hash).is_ok());
        assert!(Argon2::default().verify_password(b"wrong horse", &hash).is_err());
    }

    #[test]
    fn lists_without_indent_and_empty_lists_are_understood() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.yaml");
        for before in ["users:\n- username: zed\n  passwordHash: x\n", "users: []\n", "users:\n"] {
            fs::write(&file, before).unwrap();
            add_to(&file, "alice", None, "correct horse").unwrap();
            assert_eq!(names(&file).last().map(String::as_str), Some("alice"), "{before:?}");
        }
    }

    #[test]
    fn what_cannot_be_added_to_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.yaml");
        for before in [
            "people: []\n",
            "users: [{username: zed, passwordHash: x}]\n",
            "users:\n - username: z\nlater: 1\n",
        ] {
            fs::write(&file, before).unwrap();
            assert!(
                matches!(add_to(&file, "alice", None, "correct horse"), Err(Refusal::Input(_))),
                "{before:?}"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), before);
        }
    }
}
