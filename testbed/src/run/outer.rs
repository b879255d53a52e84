//! The process that the user started: it puts the run into a PID name space of its own, passes signals on, and waits.
//!
//! Should it die of a signal that nobody can catch, the kernel kills the run for it (`PR_SET_PDEATHSIG`).

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getegid, geteuid};

use super::Options;

/// The run itself failed, or cannot judge.
const FAILED: u8 = 2;

/// Runs a topology; answers its exit code.
pub fn run(options: &Options) -> ExitCode {
    match start(options).and_then(|child| wait(child).map_err(|error| error.to_string())) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("mangrove-testbed: {problem}");
            ExitCode::from(FAILED)
        }
    }
}

fn start(options: &Options) -> Result<Child, String> {
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
    command.arg("inside").arg(&options.file).arg("--out").arg(&options.out);
    if let Some(bin) = &options.bin {
        command.arg("--bin").arg(bin);
    }
    if options.plain {
        command.arg("--plain");
    }
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

/// Waits for the run. The first signal asks it to end, the second ends it.
fn wait(mut child: Child) -> std::io::Result<u8> {
    let wanted: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGCHLD]
        .into_iter()
        .collect();
    wanted.thread_block()?;
    let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC)?;
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED));
        }
        let Some(signal) = signals.read_signal()? else { continue };
        if signal.ssi_signo == Signal::SIGCHLD as u32 {
            continue;
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
        let _ = kill(pid, if asked { Signal::SIGKILL } else { Signal::SIGTERM });
        asked = true;
    }
}
