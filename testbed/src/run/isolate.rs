//! What makes a run private: its death with its parent's, mounts that nobody else sees, DNS that is the lab's, and a
//! memory file system for everything that must not stay.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::lab::addresses;

/// Directories that every Linux has and that nobody needs during a run; the memory file system covers one of them.
const PLACES: [&str; 3] = ["/mnt", "/media", "/srv"];

/// Dies with the parent, whatever it dies of; `hear` gets the lines that the parent passes on. Called first.
///
/// # Errors
/// When the kernel refuses.
pub fn die_with_parent(hear: impl Fn(String) + Send + 'static) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died before: then its end of the pipe is closed, and so is this process's reason to be.
    std::thread::Builder::new().name("lifeline".to_owned()).spawn(move || {
        for line in io::stdin().lock().split(b'\n').map_while(Result::ok) {
            hear(String::from_utf8_lossy(&line).into_owned());
        }
        std::process::exit(2);
    })?;
    Ok(())
}

/// Leaves the machine's networks and mounts, and answers the directory whose content ends with the run. `needed` are
/// paths that must stay visible.
///
/// # Errors
/// What the kernel refused, in words.
pub fn isolate(needed: &[&Path]) -> Result<PathBuf, String> {
    let told = |what: &'static str| move |error: nix::Error| format!("{what} is not allowed here: {error}");
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .map_err(told("a private view of mounts and networks"))?;
    bind(None, Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE)
        .map_err(told("making mounts private"))?;
    // Without its own /proc the run works too (some containers forbid it); nodes then see foreign process ids.
    let _ = mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        None::<&str>,
    );
    let free =
        |place: &&&str| Path::new(place).is_dir() && !needed.iter().any(|path| path.starts_with(place));
    let place =
        PLACES.iter().find(free).ok_or_else(|| format!("none of {} can be used", PLACES.join(", ")))?;
    mount(
        Some("tmpfs"),
        *place,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=0700,size=2g"),
    )
    .map_err(told("a memory file system"))?;
    // What libfaketime leaves there goes by numbers of processes, which two runs have both. Chromium keeps its pictures there;
    // the size is a limit. Not everybody has the place.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    if free(&&"/dev/shm") {
        let _ = mount(Some("tmpfs"), "/dev/shm", Some("tmpfs"), flags, Some("mode=1777,size=1g"));
    }
    let folder = PathBuf::from(place);
    names(&folder.join("etc")).map_err(|error| format!("DNS of the lab: {error}"))?;
    Ok(folder)
}

/// Puts the lab's DNS where programs look for theirs.
fn names(etc: &Path) -> io::Result<()> {
    fs::create_dir_all(etc)?;
    let files = [
        ("resolv.conf", format!("nameserver {}\noptions timeout:1 attempts:2\n", addresses::DNS)),
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n".to_owned()),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
    ];
    for (name, text) in files {
        let file = etc.join(name);
        fs::write(&file, text)?;
        let usual = Path::new("/etc").join(name);
        match usual.canonicalize() {
            Ok(real) => bind(Some(&file), &real, MsFlags::MS_BIND)?,
            Err(_) if name == "resolv.conf" => {
                let hint = "/etc/resolv.conf is missing or a dangling link; make an empty file there";
                return Err(io::Error::new(io::ErrorKind::NotFound, hint));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

fn bind(from: Option<&Path>, to: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(from, to, None::<&str>, flags, None::<&str>)
}
