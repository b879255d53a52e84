//! The process that the user started: it puts the run into a PID name space of its own, passes signals on, and waits.
//!
//! Should it die of a signal that nobody can catch, the kernel kills the run for it (`PR_SET_PDEATHSIG`).

use std::ffi::OsStr;
use std::io::{Stdin, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getegid, geteuid};

use super::Options;

/// The run itself failed, or cannot judge.
const FAILED: u8 = 2;

/// Runs a topology; answers its exit code.
pub fn run(options: &Options) -> ExitCode {
    let mut arguments: Vec<&OsStr> =
        vec!["inside".as_ref(), options.file.as_ref(), "--out".as_ref(), options.out.as_ref()];
    if let Some(bin) = &options.bin {
        arguments.extend([OsStr::new("--bin"), bin.as_ref()]);
    }
    if options.plain {
        arguments.push("--plain".as_ref());
    }
    within(&arguments, false)
}

/// Keeps a topology up until told to end; what is typed goes to it.
pub fn up(options: &super::up::Options) -> ExitCode {
    let mut arguments: Vec<&OsStr> = vec!["inside-up".as_ref(), options.file.as_ref()];
    if let Some(bin) = &options.bin {
        arguments.extend([OsStr::new("--bin"), bin.as_ref()]);
    }
    if let Some(region) = &options.region {
        arguments.extend([OsStr::new("--in"), region.as_ref()]);
    }
    for (wanted, flag) in [(options.people, "--people"), (options.timeline, "--timeline")] {
        arguments.extend(wanted.then_some(OsStr::new(flag)));
    }
    within(&arguments, true)
}

/// Starts this program again with other arguments, privately; `typed` says whether it hears what is typed here.
fn within(arguments: &[&OsStr], typed: bool) -> ExitCode {
    match start(arguments).and_then(|child| wait(child, typed).map_err(|error| error.to_string())) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("mangrove-testbed: {problem}");
            ExitCode::from(FAILED)
        }
    }
}

fn start(arguments: &[&OsStr]) -> Result<Child, String> {
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Err("there is no /dev/net/tun. Load the module (`modprobe tun`), or make the device \
                    (`mkdir -p /dev/net && mknod /dev/net/tun c 10 200`); in a container give it the device: \
                    `--device /dev/net/tun --cap-add NET_ADMIN --cap-add SYS_ADMIN`"
            .to_owned());
    }
    if !geteuid().is_root() {
        become_root_of_nothing()?;
    }
    unshare(CloneFlags::CLONE_NEWPID).map_err(|error| {
        format!(
            "name spaces are not allowed here ({error}). Run as root (`sudo mangrove-testbed run ...`); in a container \
             add `--cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun --security-opt seccomp=unconfined`"
        )
    })?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(arguments);
    // A process group of its own: Ctrl-C reaches this process alone, and the nodes are not asked to end by the terminal.
    command.stdin(Stdio::piped()).process_group(0).spawn().map_err(|error| error.to_string())
}

/// Without root: a user name space in which this process may do what the lab needs, and nothing outside of it.
fn become_root_of_nothing() -> Result<(), String> {
    let (user, group) = (geteuid(), getegid());
    let maps = || -> std::io::Result<()> {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))
    };
    maps().map_err(|error| {
        format!(
            "user name spaces are not allowed here ({error}). Run as root (`sudo mangrove-testbed run ...`), or allow \
             them: `sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
        )
    })
}

/// Waits for the run, and passes on what is typed if it wants that. The first signal asks it to end, the second ends it.
fn wait(mut child: Child, typed: bool) -> std::io::Result<u8> {
    let wanted: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGCHLD]
        .into_iter()
        .collect();
    wanted.thread_block()?;
    let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut typing = typed.then(std::io::stdin);
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED));
        }
        let said = something_happens(&signals, typing.as_ref())?;
        if said && !pass_on(&mut child) {
            // Nobody types any more. The pipe stays open: the run ends when this process does, not before.
            typing = None;
        }
        while let Some(signal) = signals.read_signal()? {
            if signal.ssi_signo == Signal::SIGCHLD as u32 {
                continue;
            }
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
            let _ = kill(pid, if asked { Signal::SIGKILL } else { Signal::SIGTERM });
            asked = true;
        }
    }
}

/// Waits for a signal or for typing; whether it was typing. One thread does both: after it has left its PID name space, a
/// process may start no second one.
fn something_happens(signals: &SignalFd, typing: Option<&Stdin>) -> std::io::Result<bool> {
    let watched = [Some(signals.as_fd()), typing.map(AsFd::as_fd)];
    let mut watched: Vec<_> =
        watched.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut watched, PollTimeout::NONE) {
        Ok(_) => Ok(watched.get(1).is_some_and(|typing| typing.any() == Some(true))),
        Err(nix::Error::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Passes on what is there; whether more may come.
fn pass_on(child: &mut Child) -> bool {
    let mut typed = [0; 4096];
    // Not through the buffer of standard input: what lay in it would not be seen by the next wait.
    let length = nix::unistd::read(std::io::stdin(), &mut typed).unwrap_or(0);
    let pipe = child.stdin.as_mut();
    length > 0 && pipe.is_some_and(|pipe| pipe.write_all(&typed[..length]).is_ok())
}
