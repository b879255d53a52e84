//! The users file as it is now, or as it last was good.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::users::Users;

/// Reads the file when it changed.
#[derive(Debug)]
pub(super) struct Store {
    connector: String,
    file: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    stamp: Option<Stamp>,
    good: Option<Arc<Users>>,
    why: String,
}

/// What tells one state of a file from another: inode, size, modification time.
type Stamp = (u64, u64, i64, i64);

impl Store {
    pub(super) fn new(connector: String, file: PathBuf) -> Self {
        Self { connector, file, seen: Mutex::default() }
    }

    /// The users. A file of a few hundred kilobytes is read in a millisecond, and only when it changed.
    ///
    /// # Errors
    /// No good file was ever read; in words.
    pub(super) fn current(&self) -> Result<Arc<Users>, String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = fs::metadata(&self.file).ok().as_ref().map(stamp);
        if stamp.is_none() || stamp != seen.stamp {
            self.read(&mut seen, stamp);
        }
        seen.good.clone().ok_or_else(|| seen.why.clone())
    }

    fn read(&self, seen: &mut Seen, stamp: Option<Stamp>) {
        match Users::read(&self.file) {
            Ok(users) => seen.good = Some(Arc::new(users)),
            Err(why) => {
                let why = why.to_string();
                if seen.why != why || seen.stamp != stamp {
                    let kept =
                        if seen.good.is_some() { "the users read before stay" } else { "nobody can sign in" };
                    tracing::error!(connector = self.connector, why, "the users file cannot be used; {kept}");
                }
                seen.why = why;
            }
        }
        seen.stamp = stamp;
    }
}

fn stamp(meta: &Metadata) -> Stamp {
    (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec())
}
