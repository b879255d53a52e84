//! `type: local`: users in a file on this node.
//!
//! The file is looked at on every login and read again when it changed; one that cannot be read leaves the last good one
//! in force and says so. Checking a password is slow on purpose, so it happens behind a short [`queue`] at which networks take turns; an unknown name
//! takes as long as a wrong password: somebody else's hash is checked for it, which costs what hashes in this file cost.

pub mod hash;
mod queue;
mod store;
pub mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mangrove_config::connectors::Local as Written;
use mangrove_keys::ambient;
use serde_json::{Map, Value};

pub use self::hash::hash_password;
pub(crate) use self::queue::Queue;
use self::store::Store;
use self::users::User;
use crate::failure::WRONG_PASSWORD;
use crate::{Begin, Failure, Identity, Network, ProbeResult};

/// Longest user name and password that are looked at; nobody has longer ones in the file.
const LONGEST_NAME: usize = 256;
const LONGEST_PASSWORD: usize = 1_024;

/// A file of users.
#[derive(Debug)]
pub struct Local {
    name: String,
    title: String,
    store: Store,
    queue: Arc<Queue>,
}

impl Local {
    pub(crate) fn build(written: &Written, queue: &Arc<Queue>) -> Self {
        Self {
            name: written.name.clone(),
            title: written.title.clone().unwrap_or_else(|| written.name.clone()),
            store: Store::new(written.name.clone(), PathBuf::from(&written.users_file)),
            queue: queue.clone(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn able(&self) -> Result<(), String> {
        self.store.current().map(drop)
    }

    pub(crate) fn begin(&self) -> Begin {
        Begin::Password { title: self.title.clone() }
    }

    pub(crate) async fn verify_password(
        &self,
        username: &str,
        password: &str,
        from: Network,
    ) -> Result<Identity, Failure> {
        if password.is_empty() || username.is_empty() {
            return Err(wrong("an empty user name or password"));
        }
        if username.len() > LONGEST_NAME || password.len() > LONGEST_PASSWORD {
            return Err(wrong("a user name or password longer than anybody has"));
        }
        let users = self.store.current().map_err(Failure::unavailable)?;
        let user = users.get(username);
        let Some(expected) = user.or_else(|| users.anybody()).map(|user| user.password_hash.clone()) else {
            return Err(wrong("nobody is in the users file"));
        };
        let matches = self.queue.verify(from, expected, password).await.map_err(|busy| Failure {
            busy: true,
            outside: "Too many people are signing in at this moment. Please try again.".into(),
            ..Failure::unavailable(busy.to_string())
        })?;
        match user {
            Some(user) if matches => Ok(self.identity(user)),
            Some(_) => Err(wrong("a wrong password")),
            None => Err(wrong("an unknown user name")),
        }
    }

    pub(crate) fn probe(&self) -> ProbeResult {
        match self.store.current() {
            Ok(_) => ProbeResult::Answered { took: Duration::ZERO, knows_this_node: false },
            Err(why) => ProbeResult::Failed { why, no_answer: false },
        }
    }

    /// All attributes of the file become claims; the user name is there as `preferred_username`.
    fn identity(&self, user: &User) -> Identity {
        let mut claims: Map<String, Value> = user.attributes.clone();
        let subject = user.subject().to_owned();
        claims.insert("sub".into(), subject.clone().into());
        claims.entry("preferred_username").or_insert_with(|| user.username.clone().into());
        Identity {
            connector: self.name.clone(),
            issuer: None,
            subject,
            claims,
            auth_time: Some(ambient::unix_now()),
            acr: None,
            amr: vec!["pwd".into()],
            path: Vec::new(),
            email_trusted: false,
            logout_hint: None,
            upstream_sid: None,
            subject_passes: false,
            once: None,
        }
    }
}

/// One answer to the person for all of them: which names exist is nobody's business.
fn wrong(log: &str) -> Failure {
    Failure::rejected(WRONG_PASSWORD, log)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mangrove_continuity::Blame;

    use super::*;

    fn local(text: &str) -> (tempfile::TempDir, Local) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users.yaml");
        fs::write(&file, text).unwrap();
        let written =
            Written { name: "staff".into(), users_file: file.to_str().unwrap().into(), title: None };
        (dir, Local::build(&written, &Arc::new(Queue::new(1, 1))))
    }

    fn alice() -> String {
        let hash = hash_password("correct horse").unwrap();
        format!(
            "users:\n  - username: alice\n    passwordHash: \"{hash}\"\n    attributes: {{ email: a@example.com, groups: [x] }}\n"
        )
    }

    #[tokio::test]
    async fn the_right_password_vouches_and_all_attributes_are_claims() {
        let (_dir, local) = local(&alice());
        let identity = local.verify_password("alice", "correct horse", Network::default()).await.unwrap();
        assert_eq!(identity.subject, "alice");
        assert_eq!(identity.claims["email"], "a@example.com");
        assert_eq!(identity.claims["groups"][0], "x");
        assert_eq!(identity.amr, ["pwd"]);
    }

    #[tokio::test]
    async fn wrong_unknown_and_empty_look_the_same_from_outside() {
        let (_dir, local) = local(&alice());
        let mut said = Vec::new();
        for (name, password) in [("alice", "wrong"), ("bob", "correct horse"), ("alice", ""), ("", "x")] {
            let failure = local.verify_password(name, password, Network::default()).await.unwrap_err();
            assert_eq!(failure.blame, Blame::Rejected);
            said.push(failure.outside);
        }
        said.dedup();
        assert_eq!(said.len(), 1);
    }

    #[tokio::test]
    async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
        let (_dir, local) = local(&alice());
        same_time(&local).await;
    }

    #[tokio::test]
    async fn an_unknown_name_takes_as_long_where_hashes_cost_more_than_ours() {
        let text = alice().replace("m=19456,t=2,", "m=19456,t=10,");
        let (_dir, local) = local(&text);
        same_time(&local).await;
    }

    #[tokio::test]
    async fn into_an_empty_file_nobody_signs_in() {
        let (_dir, local) = local("users: []");
        let failure = local.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Rejected);
    }

    async fn same_time(local: &Local) {
        let time = async |name: &str| {
            let started = std::time::Instant::now();
            local.verify_password(name, "wrong", Network::default()).await.unwrap_err();
            started.elapsed()
        };
        time("alice").await;
        let (known, unknown) = (time("alice").await, time("bob").await);
        assert!(unknown > known / 3, "{unknown:?} against {known:?}");
    }

    #[tokio::test]
    async fn a_changed_file_counts_at_the_next_login_and_a_broken_one_does_not() {
        let (dir, local) = local(&alice());
        let file = dir.path().join("users.yaml");
        assert!(local.verify_password("alice", "correct horse", Network::default()).await.is_ok());
        fs::write(&file, "users: [ this is not").unwrap();
        assert!(
            local.verify_password("alice", "correct horse", Network::default()).await.is_ok(),
            "the last good file counts"
        );
        fs::write(&file, alice().replace("alice", "carol")).unwrap();
        assert!(local.verify_password("alice", "correct horse", Network::default()).await.is_err());
        assert!(local.verify_password("carol", "correct horse", Network::default()).await.is_ok());
    }

    #[tokio::test]
    async fn without_a_file_nobody_can_sign_in_and_the_operator_reads_why() {
        let written = Written { name: "staff".into(), users_file: "/nonexistent/users".into(), title: None };
        let local = Local::build(&written, &Arc::new(Queue::new(1, 1)));
        assert!(local.able().unwrap_err().contains("/nonexistent/users"));
        let failure = local.verify_password("alice", "x", Network::default()).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Unavailable);
        assert!(!failure.no_answer);
    }
}
