//! The files that a configuration names, behind a small trait: a check must be able to look at another disk.

use std::{io, path::Path};

/// Reads files.
pub trait Files {
    /// The whole file, at most `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
    /// The permission bits, where the system has them.
    fn mode(&self, path: &Path) -> Option<u32>;
    /// Whether there is something.
    fn exists(&self, path: &Path) -> bool;
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        use io::Read as _;
        let file = std::fs::File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::other("is a directory"));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!("more than {limit} bytes")));
        }
        Ok(bytes)
    }

    #[cfg(unix)]
    fn mode(&self, path: &Path) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o7777)
    }

    #[cfg(not(unix))]
    fn mode(&self, _: &Path) -> Option<u32> {
        None
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// Why a file could not be read, as a person says it.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
