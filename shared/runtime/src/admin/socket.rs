//! The admin socket's file: mode 0600 from its first moment, and never in the way after a crash.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Why the admin socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody listens there.
    #[error("the admin socket {0} is in use by another node: give each its own with `admin.socket`")]
    InUse(PathBuf),
    /// Something else lies there.
    #[error("{0} exists and is no socket: give another path with `admin.socket`")]
    NotASocket(PathBuf),
    /// The kernel's limit.
    #[error(
        "the admin socket's path {0} is too long (at most 107 bytes): give a shorter one with `admin.socket`"
    )]
    TooLong(PathBuf),
    /// Anything else.
    #[error("cannot make the admin socket {0}: {1}")]
    Io(PathBuf, io::Error),
}

/// The bound socket; its file goes with it.
#[derive(Debug)]
pub struct AdminSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes the socket. One that a crashed node left behind is replaced; one that somebody answers is not.
///
/// # Errors
/// See [`SocketError`].
pub fn bind(path: &Path) -> Result<AdminSocket, SocketError> {
    let refuse = |error| SocketError::Io(path.to_owned(), error);
    if path.as_os_str().len() > LONGEST {
        return Err(SocketError::TooLong(path.to_owned()));
    }
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refuse(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(SocketError::InUse(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(refuse)?;
            }
            Err(error) => return Err(refuse(error)),
        },
    }
    // Bound under another name, closed to others, then moved to its place: nobody ever sees it open.
    let fresh = path.with_extension(format!("{}", std::process::id()));
    let named = if fresh.as_os_str().len() > LONGEST { path } else { &fresh };
    let _ = std::fs::remove_file(&fresh);
    let socket = std::os::unix::net::UnixListener::bind(named).map_err(refuse)?;
    std::fs::set_permissions(named, std::fs::Permissions::from_mode(0o600)).map_err(refuse)?;
    if named != path {
        std::fs::rename(named, path).map_err(refuse)?;
    }
    socket.set_nonblocking(true).map_err(refuse)?;
    let listener = UnixListener::from_std(socket).map_err(refuse)?;
    Ok(AdminSocket { listener, path: path.to_owned() })
}

/// `sun_path` without its end.
const LONGEST: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "what a crash leaves behind");
        let live = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(bind(&path), Err(SocketError::InUse(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        drop(live);
        assert!(!path.exists(), "it goes with its node");
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
