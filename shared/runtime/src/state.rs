//! The state directory: what a node makes and keeps. Mode 0700, one node at a time.
//!
//! Owns the directory, its lock and the node's id. What else lies in it (keys, the admin socket) belongs to the rooms
//! that put it there.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mangrove_config::{Config, Environment};
use mangrove_keys::ambient;

/// An open state directory; its lock is held as long as this lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    node_id: String,
    _lock: File,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another node uses it.
    #[error(
        "another node (process {pid}) uses the state directory {path}: give each its own with `state.directory`"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other's process id, as far as it is known.
        pid: String,
    },
    /// It cannot be made, read or written.
    #[error("cannot use the state directory {path}: {error}; write `state.directory` to choose another")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Where the state directory is: as configured, else what systemd gives, else the usual place.
pub fn path(config: &Config, environment: &Environment) -> PathBuf {
    if let Some(written) = &config.state.directory {
        return PathBuf::from(written);
    }
    // systemd lists several with colons; the first is ours.
    let given =
        environment.get("STATE_DIRECTORY").and_then(|list| list.split(':').next()).filter(|p| !p.is_empty());
    PathBuf::from(given.unwrap_or(USUAL))
}

impl StateDir {
    /// Opens the directory, makes it if it is missing, and locks it.
    ///
    /// # Errors
    /// When it cannot be used, or another node uses it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let refuse = |error| StateError::Io { path: path.to_owned(), error };
        make_private(path).map_err(refuse)?;
        let lock = lock(path)?;
        let node_id = node_id(&path.join("node-id")).map_err(refuse)?;
        Ok(Self { path: path.to_owned(), node_id, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The node's id: made once, kept, tells nothing.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }
}

/// Makes the directory, or takes away what others may do with it.
fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    if metadata.permissions().mode() & STICKY != 0 {
        return Err(io::Error::other("it is one that everybody shares, like /tmp"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, StateError> {
    let file_path = path.join("lock");
    let refuse = |error| StateError::Io { path: path.to_owned(), error };
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file_path)
        .map_err(refuse)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&file_path).unwrap_or_default().trim().to_owned();
            let pid = if pid.is_empty() { "?".to_owned() } else { pid };
            return Err(StateError::InUse { path: path.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(refuse(error)),
    }
    // For a person who wonders which process that is; the lock itself is the kernel's and ends with the process.
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(refuse)?;
    Ok(file)
}

fn node_id(path: &Path) -> io::Result<String> {
    if let Ok(kept) = fs::read_to_string(path) {
        let kept = kept.trim();
        if (8..=64).contains(&kept.len()) && kept.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(kept.to_owned());
        }
    }
    let made = ambient::short_id();
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(made.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    Ok(made)
}

/// The bit that marks directories such as `/tmp`, which a node run by root must not close to everybody else.
const STICKY: u32 = 0o1000;

const USUAL: &str = "/var/lib/mangrove";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_id_and_its_directory_to_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let first = StateDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let second = StateDir::open(&path).unwrap_err();
        assert!(
            matches!(&second, StateError::InUse { pid, .. } if *pid == std::process::id().to_string()),
            "{second}"
        );
        let id = first.node_id().to_owned();
        drop(first);
        assert_eq!(StateDir::open(&path).unwrap().node_id(), id);
    }

    #[test]
    fn what_others_could_read_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        StateDir::open(folder.path()).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_everybody_shares_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(matches!(StateDir::open(folder.path()), Err(StateError::Io { .. })));
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o7777, 0o1777);
    }

    #[test]
    fn systemd_says_where_unless_the_configuration_does() {
        let environment = Environment::new([("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")]);
        let mut config = Config::default();
        assert_eq!(path(&config, &environment), Path::new("/var/lib/one"));
        config.state.directory = Some("/srv/node".into());
        assert_eq!(path(&config, &environment), Path::new("/srv/node"));
        assert_eq!(path(&Config::default(), &Environment::default()), Path::new("/var/lib/mangrove"));
    }
}
