//! Full disks: the state directory of a server on a small memory file system of its own, and a file that takes all of it.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use nix::mount::{MsFlags, mount};

/// What fills a disk.
const BALLAST: &str = "ballast";

/// Gives a directory a disk of 1 MiB, for as long as the run's mounts live.
///
/// # Errors
/// When the kernel refuses.
pub fn give(directory: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), directory, Some("tmpfs"), flags, Some("mode=0700,size=1m")).map_err(io::Error::from)
}

/// Fills the disk of a directory to its last byte.
///
/// # Errors
/// When the file cannot be made, or writing fails of another cause.
pub fn fill(directory: &Path) -> io::Result<()> {
    let mut file = fs::File::create(directory.join(BALLAST))?;
    loop {
        match file.write(&[0; 4096]) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Takes away what filled it.
///
/// # Errors
/// When the disk refuses.
pub fn empty(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(BALLAST)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    #[test]
    fn a_full_disk_takes_nothing_until_it_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().to_owned();
        // The mounts of one thread, gone with it.
        let work = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNS).expect("needs root");
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            give(&state).unwrap();
            fs::write(state.join("key"), [1; 2000]).unwrap();
            fill(&state).unwrap();
            assert_eq!(fs::write(state.join("more"), [1; 2000]).unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(fs::read(state.join("key")).unwrap().len(), 2000, "what is there stays");
            empty(&state).unwrap();
            empty(&state).expect("an empty disk is empty");
            fs::write(state.join("more"), [1; 2000]).unwrap();
        });
        work.join().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing of it is the machine's");
    }
}
