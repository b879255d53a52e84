//! Files that this node makes once and keeps: mode 0600, written whole or not at all, never overwritten.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::ambient;
use crate::error::KeyError;

/// The contents of `dir/name`; made by `make` and kept if there is no such file. Of several processes that start at once
/// one makes it, and all get that one's.
pub(crate) fn kept(
    dir: &Path,
    name: &str,
    make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, KeyError>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let path = dir.join(name);
    match read(&path) {
        Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let contents = make()?;
    create(dir, &path, &contents).map_err(|source| KeyError::File { path: path.clone(), source })?;
    read(&path)
}

/// Reads a file that nobody but its owner may read.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Readable { path: path.to_owned(), mode });
    }
    fs::read(path).map(Zeroizing::new).map_err(failed)
}

/// Writes beside, then links into place: the link fails if the name is taken, and then somebody else's file counts.
fn create(dir: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let beside = Beside(dir.join(format!(".new-{}", ambient::short_id())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside.0)?;
    file.write_all(contents)?;
    file.sync_all()?;
    match fs::hard_link(&beside.0, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(dir)?.sync_all()
}

/// A file that goes away with the attempt to write it.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
