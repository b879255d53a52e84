//! A real node as a process of its own, in a folder of its own.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A folder with a configuration and users, and the means to run the binary on it.
pub struct Lab {
    pub folder: tempfile::TempDir,
}

/// A running node.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    pub heard: Vec<String>,
    pub address: SocketAddr,
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mangrove-root"));
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// Runs a command that is expected to end by itself.
pub fn run(args: &[&str]) -> Output {
    let mut command = command(args);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            let _ = child.kill();
            panic!("{args:?} does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Lab {
    /// A root with a local connector on a port of the system's choice; `http` is what the test adds to that section.
    pub fn new(http: &str) -> Self {
        Self::with(http, "")
    }

    pub fn with(http: &str, more: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        let text = format!(
            "http:\n  address: 127.0.0.1:0\n  publicURL: http://root.localhost:9443\n{http}\
             state: {{ directory: {folder}/state }}\nlogger: {{ jsonOutput: true }}\n\
             connectors:\n  - name: people\n    type: local\n    usersFile: {folder}/users.yaml\n{more}",
            folder = lab.folder.path().display(),
        );
        std::fs::write(lab.path("users.yaml"), "users: []\n").unwrap();
        std::fs::write(lab.path("mangrove.yaml"), text).unwrap();
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> String {
        self.path("mangrove.yaml").to_str().unwrap().to_owned()
    }

    pub fn socket(&self) -> PathBuf {
        self.path("state/admin.sock")
    }

    /// Starts the node and waits until it is ready.
    pub fn start(&self) -> Running {
        self.start_with(Stdio::null())
    }

    pub fn start_with(&self, stdin: Stdio) -> Running {
        Running::spawn(command(&["-config", &self.config()]), stdin)
    }
}

impl Running {
    /// Starts a command that is a node, and waits until it is ready.
    fn spawn(mut command: Command, stdin: Stdio) -> Self {
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut running = Self { child, lines, heard: Vec::new(), address: ([127, 0, 0, 1], 0).into() };
        let ready = running.wait_for("ready");
        let (_, address) = ready.split_once("\"address\":\"").expect("the ready line has an address");
        running.address = address.split('"').next().unwrap().parse().unwrap();
        running
    }

    /// Waits for a line of the log.
    pub fn wait_for(&mut self, part: &str) -> String {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => {
                    let mut complaint = String::new();
                    let _ = self.child.kill();
                    let _ = self.child.stderr.take().unwrap().read_to_string(&mut complaint);
                    panic!("no line with {part}; heard {:#?}; standard error: {complaint}", self.heard);
                }
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end; its exit code.
    pub fn end(&mut self) -> i32 {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("an exit code and no signal");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the node does not end; heard {:#?}", self.heard);
    }

    /// One request on a connection of its own; the answer's status and all of its text.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        request(
            self.address,
            &format!("GET {path} HTTP/1.1\r\nHost: root.localhost\r\nConnection: close\r\n\r\n"),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends raw bytes and reads to the end; nothing if nobody listens or answers.
pub fn request(address: SocketAddr, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = text(&answer);
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}

pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
