//! Whatever ends a run, nothing of it stays: no process, no device, no mount, no file.
//!
//! The nodes are stand-ins that only accept connections: this binary again, started by a script under the product's name.

#![allow(
    clippy::unwrap_used,
    reason = "a test of its own crate; the exemption of unit tests does not reach it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const TOPOLOGY: &str = "# Nothing happens.
regions: { cloud: {}, branch: {} }
links: [{ between: [cloud, branch], delay: 1ms }]
idps: { corp: { region: cloud, kind: local } }
nodes: { edge: { region: branch, role: edge, config: edge.yaml } }
apps: { app: { region: branch, at: edge, client: app } }
people: [{ in: branch, count: 2, app: app, sign-in: every 1s }]
settings: { duration: 60s, patience: 1s }
expect: [{ logins lost: 0 }]
";

const EDGE: &str = r#"
http: { address: "{{ env.NODE_ADDRESS }}", tls: server, publicURL: https://edge.mesh.test }
tls:
  server: { certFile: "{{ env.NODE_CERT }}", keyFile: "{{ env.NODE_KEY }}" }
  lab: { caFile: "{{ env.LAB_CA }}" }
state: { directory: "{{ env.NODE_STATE }}" }
connectors:
  - name: corp
    type: oidc
    oidcWellKnownURL: https://corp.mesh.test/.well-known/openid-configuration
    oauthClientID: edge
    oauthClientSecret: <vault.edge>
    oauthRedirectURL: https://edge.mesh.test/oidc/callback
    tls: lab
oidcProvider: { discovery: { issuer: https://edge.mesh.test } }
apps:
  - name: app
    type: oidc
    clientID: app
    clientSecret: <vault.app>
    redirectURLs: [https://app.mesh.test/callback]
    authentication: { idps: [corp] }
"#;

/// Not a test: what the scripts run.
#[test]
fn stand_in() {
    if std::env::var_os("STAND_IN").is_none() {
        return;
    }
    let listener = TcpListener::bind(std::env::var("NODE_ADDRESS").unwrap()).unwrap();
    for stream in listener.incoming() {
        drop(stream);
    }
}

struct Run {
    folder: tempfile::TempDir,
    child: Child,
    out: PathBuf,
    before: Seen,
}

/// What of the machine a run could leave something in.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    devices: BTreeSet<String>,
    mounts: usize,
    places: Vec<BTreeSet<String>>,
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder)
        .map(|dir| dir.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect());
    entries.unwrap_or_default()
}

fn look() -> Seen {
    Seen {
        devices: names("/sys/class/net"),
        mounts: fs::read_to_string("/proc/self/mounts").unwrap().lines().count(),
        places: ["/mnt", "/media", "/srv", "/run/netns"].map(names).to_vec(),
    }
}

fn start() -> Run {
    let before = look();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("topology.yaml"), TOPOLOGY).unwrap();
    fs::write(path("edge.yaml"), EDGE).unwrap();
    let me = std::env::current_exe().unwrap();
    for name in ["mangrove-root", "mangrove-edge"] {
        let script = format!(
            "#!/bin/sh\nSTAND_IN={0} exec {1} stand_in --exact --nocapture # {0}\n",
            folder.path().display(),
            me.display()
        );
        fs::write(path(name), script).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let out = path("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_mangrove-testbed"))
        .arg("run")
        .arg(path("topology.yaml"))
        .arg("--bin")
        .arg(folder.path())
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = lines.any(|line| line.unwrap().contains("people begin to sign in"));
    assert!(begun, "the run did not begin: {:?}", child.wait());
    std::thread::spawn(move || lines.for_each(drop));
    Run { folder, child, out, before }
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

fn nothing_stays(run: &Run) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = processes(run.folder.path());
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "left: {left:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(look(), run.before);
    assert!(!run.out.exists() || fs::read_dir(&run.out).unwrap().next().is_none());
}

fn signal(run: &Run, signal: Signal) {
    kill(Pid::from_raw(run.child.id() as i32), signal).unwrap();
}

#[test]
fn a_killed_supervisor_takes_everything_with_it() {
    let mut run = start();
    assert!(processes(run.folder.path()).len() >= 4, "{:?}", processes(run.folder.path()));
    signal(&run, Signal::SIGKILL);
    run.child.wait().unwrap();
    nothing_stays(&run);
}

#[test]
fn an_interrupted_run_ends_with_code_two_and_leaves_nothing() {
    let mut run = start();
    signal(&run, Signal::SIGINT);
    assert_eq!(run.child.wait().unwrap().code(), Some(2));
    nothing_stays(&run);
}

#[test]
fn two_runs_at_once_do_not_collide() {
    let (mut first, mut second) = (start(), start());
    for run in [&first, &second] {
        signal(run, Signal::SIGTERM);
    }
    for run in [&mut first, &mut second] {
        assert_eq!(run.child.wait().unwrap().code(), Some(2));
    }
    nothing_stays(&second);
    assert!(processes(first.folder.path()).is_empty());
}
