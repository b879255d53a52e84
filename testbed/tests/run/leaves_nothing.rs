//! Whatever ends a run, nothing of it stays: no process, no device, no mount, no file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stand_in::{Run, TOPOLOGY};

/// What of the machine a run could leave something in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    devices: BTreeSet<String>,
    mounts: usize,
    places: Vec<BTreeSet<String>>,
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder)
        .map(|dir| dir.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect());
    entries.unwrap_or_default()
}

pub(super) fn look() -> Seen {
    Seen {
        devices: names("/sys/class/net"),
        mounts: fs::read_to_string("/proc/self/mounts").unwrap().lines().count(),
        places: ["/mnt", "/media", "/srv", "/run/netns"].map(names).to_vec(),
    }
}

/// Processes of a run: its folder is in their arguments or in their environment.
fn processes(folder: &Path) -> Vec<String> {
    let needle = folder.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) || name == std::process::id().to_string() {
            continue;
        }
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let text = [read("cmdline"), read("environ")].concat();
        if String::from_utf8_lossy(&text).contains(&needle) {
            found.push(format!("{name}: {}", String::from_utf8_lossy(&read("cmdline"))));
        }
    }
    found
}

/// Waits until nothing of a run is there any more.
pub(super) fn nothing_stays(run: &Run, before: &Seen) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = processes(run.folder.path());
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "left: {left:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(look(), *before);
    assert!(!run.out.exists() || fs::read_dir(&run.out).unwrap().next().is_none());
}

fn started() -> Run {
    let mut run = Run::start(TOPOLOGY);
    assert!(run.line_with("people begin to sign in"), "the run did not begin");
    run
}

/// Sends a signal to what a user would have started.
pub(super) fn signal(run: &Run, signal: Signal) {
    kill(Pid::from_raw(run.child.id() as i32), signal).unwrap();
}

#[test]
fn a_killed_supervisor_takes_everything_with_it() {
    let before = look();
    let mut run = started();
    assert!(processes(run.folder.path()).len() >= 4, "{:?}", processes(run.folder.path()));
    signal(&run, Signal::SIGKILL);
    run.child.wait().unwrap();
    nothing_stays(&run, &before);
}

#[test]
fn an_interrupted_run_ends_with_code_two_and_leaves_nothing() {
    let before = look();
    let mut run = started();
    signal(&run, Signal::SIGINT);
    assert_eq!(run.child.wait().unwrap().code(), Some(2));
    nothing_stays(&run, &before);
}

#[test]
fn two_runs_at_once_do_not_collide() {
    let before = look();
    let (mut first, mut second) = (started(), started());
    for run in [&first, &second] {
        signal(run, Signal::SIGTERM);
    }
    for run in [&mut first, &mut second] {
        assert_eq!(run.child.wait().unwrap().code(), Some(2));
    }
    nothing_stays(&second, &before);
    assert!(processes(first.folder.path()).is_empty());
}
