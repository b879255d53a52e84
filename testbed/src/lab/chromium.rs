//! A throw-away home for Chromium that trusts the lab's authority and nothing else new: an NSS database as `certutil` makes
//! it. The first copy lies where the run's files lie and ends with them; nobody's own profile is touched, and nobody imports
//! anything.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::agent::spec::{ChromiumSpec, Spec};
use crate::language::Topology;

/// What Chromium is called by those who package it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What keeps Chromium to the lab: no services of its maker, no questions on the first start.
const QUIET: [&str; 8] = [
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-quic",
    "--password-store=basic",
];

/// A Chromium that nobody looks at, told what to do over a pipe.
const UNSEEN: [&str; 6] = [
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-extensions",
    "--no-service-autorun",
    "about:blank",
];

/// Whether a topology that wants a real browser has one here.
///
/// # Errors
/// What is missing, and what to do.
pub fn ready(topology: &Topology) -> Result<(), String> {
    if !topology.people.iter().any(|people| people.chromium) {
        return Ok(());
    }
    find()
        .and(certutil())
        .map(|_| ())
        .map_err(|missing| format!("people with `browser: chromium`: {missing}"))
}

/// Prepares a Chromium for each region that has people who want one, each with a home of its own below `folder`.
///
/// # Errors
/// As [`find`] and [`home`].
pub fn prepare(specs: &mut [Spec], folder: &Path) -> Result<(), String> {
    for spec in specs.iter_mut().filter(|spec| spec.people.iter().any(|person| person.chromium)) {
        let home = home(&folder.join("browsers").join(&spec.region), &folder.join("ca.pem"))?;
        let profile = format!("--user-data-dir={}", home.join("profile").display());
        let flags = QUIET.iter().chain(&UNSEEN).map(|flag| (*flag).to_owned());
        let root = nix::unistd::geteuid().is_root().then(|| "--no-sandbox".to_owned());
        let flags = root.into_iter().chain([profile]).chain(flags).collect();
        spec.chromium = Some(ChromiumSpec { program: find()?, flags, home });
    }
    Ok(())
}

/// Where Chromium is on this machine.
///
/// # Errors
/// When it is not there: the package that has it.
pub fn find() -> Result<PathBuf, String> {
    in_path(&NAMES).ok_or_else(|| {
        "Chromium is not on this machine: install the package `chromium` (`scripts/tools browser`)".to_owned()
    })
}

/// Makes a home below `folder` whose Chromium trusts the certificate in `authority`.
///
/// # Errors
/// When `certutil` is not there or refuses, or the disk does.
pub fn home(folder: &Path, authority: &Path) -> Result<PathBuf, String> {
    let certutil = certutil()?;
    let home = folder.join("home");
    // Newer versions look in the second place, unless the first is there.
    let database = home.join(".pki/nssdb");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&database)
        .map_err(|error| format!("{}: {error}", database.display()))?;
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(&certutil);
        command.arg("-d").arg(format!("sql:{}", database.display())).args(arguments);
        match command.output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("certutil: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(format!("certutil cannot be started: {error}")),
        }
    };
    ask(&["-N", "--empty-password"])?;
    let file = authority.display().to_string();
    ask(&["-A", "-n", "Mangrove testbed, this run only", "-t", "C,,", "-i", &file])?;
    Ok(home)
}

/// Where a Chromium goes, and as whom.
#[derive(Debug, Clone)]
pub struct Way<'w> {
    /// The lab's folder as the machine sees it; the [`home`] is in it.
    pub lab: &'w Path,
    /// The SOCKS door.
    pub door: SocketAddr,
    /// Whether Chromium runs as root of the machine, which its sandbox does not do.
    pub root: bool,
    /// What it opens unless told something else.
    pub url: &'w str,
}

/// A shell script that starts `program` with a copy of the home, and throws the copy away when the browser is closed or the
/// lab ends. The browser cannot live in the lab's own folder: it looks for the real name of its folder, which nobody else sees.
pub fn script(program: &Path, way: &Way<'_>) -> String {
    let (lab, program, url, door) = (way.lab.display(), program.display(), way.url, way.door);
    let flags = QUIET.iter().copied().chain(way.root.then_some("--no-sandbox")).collect::<Vec<_>>().join(" ");
    format!(
        r#"[ $# -gt 0 ] || set -- {url}
home=$(mktemp -d) || exit 1
trap 'kill $browser 2>/dev/null; wait; rm -rf "$home"' EXIT
trap 'exit 1' HUP INT TERM
cp -R {lab}/home/. "$home" || exit 1
unset XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME
HOME="$home" {program} --user-data-dir="$home/profile" --proxy-server=socks5://{door}   --proxy-bypass-list='<-loopback>' --host-resolver-rules='MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'   {flags} "$@" &
browser=$!
while kill -0 $browser 2>/dev/null; do
  [ -e {lab}/home ] || kill $browser 2>/dev/null
  sleep 1
done
"#
    )
}

fn certutil() -> Result<PathBuf, String> {
    in_path(&["certutil"]).ok_or_else(|| {
        "certutil is not on this machine: install the package `libnss3-tools` (`scripts/tools browser`)"
            .to_owned()
    })
}

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|it| it.is_file())
}
