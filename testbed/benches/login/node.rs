//! A `mangrove-root` process under measurement: its configuration, its CPU time, its memory.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const CLIENT_ID: &str = "bench";
pub(crate) const CLIENT_SECRET: &str = "bench-client-secret-of-the-bench";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";
pub(crate) const USERNAME: &str = "bench";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Which key signs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// RS256, 2048 bits.
    Rsa,
    /// ES256.
    Ec,
}

/// A running node, ended when dropped.
pub(crate) struct Node {
    child: Child,
    address: SocketAddr,
    host: String,
    _directory: tempfile::TempDir,
}

impl Node {
    /// A node with a local user, one application and a key that exists already.
    pub(crate) fn start(key: Key) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let address = free_address();
        let host = format!("root.localhost:{}", address.port());
        let users = directory.path().join("users.yaml");
        add_user(&users);
        let key_file = directory.path().join("signing.key");
        let kind = make_key(key, &key_file);
        let text = format!(
            "http: {{ address: \"{address}\", publicURL: \"http://{host}\", accessLog: {{ disabled: true }} }}\n\
             logger: {{ jsonOutput: true }}\n\
             state: {{ directory: {dir} }}\n\
             connectors:\n  - {{ name: people, type: local, usersFile: {users} }}\n\
             oidcProvider:\n  discovery: {{ issuer: \"http://{host}\" }}\n  jwks: [{{ name: key, type: {kind}, file: {key} }}]\n\
             apps:\n  - name: bench\n    type: oidc\n    clientID: {CLIENT_ID}\n    clientSecret: {CLIENT_SECRET}\n    \
             redirectURLs: [\"{REDIRECT_URI}\"]\n    authentication: {{ idps: [people] }}\n",
            dir = directory.path().join("state").display(),
            users = users.display(),
            key = key_file.display(),
        );
        let configuration = directory.path().join("root.yaml");
        std::fs::write(&configuration, text).expect("the configuration can be written");
        let child = run(&configuration, &[], directory.path());
        wait_for_status(address, &host);
        Self { child, address, host, _directory: directory }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// CPU seconds that the process has used, in user and system mode.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the node runs");
        let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks: f64 = [11, 12].iter().filter_map(|&field| fields[field].parse::<f64>().ok()).sum();
        ticks / 100.0 // USER_HZ is 100 for every program on Linux
    }

    /// Proportional set size in bytes.
    pub(crate) fn pss(&self) -> Option<u64> {
        pss_of(&self.child)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds from starting the process to the first 200 at `/status`, several times.
pub(crate) fn starts(times: usize) -> Vec<f64> {
    (0..times)
        .map(|_| {
            let (directory, address) = (tempfile::tempdir().expect("a temporary directory"), free_address());
            let configuration = tier3_root(directory.path(), address);
            let begun = Instant::now();
            let mut child = run(&configuration, &secrets_of(directory.path()), directory.path());
            wait_for_status(address, "root-dc1.example.com");
            let took = begun.elapsed().as_secs_f64();
            let _ = child.kill();
            let _ = child.wait();
            took
        })
        .collect()
}

/// Memory of a node with the brief's tier 3 root file, ten seconds after it answered.
pub(crate) fn idle_memory() -> Result<u64, String> {
    let (directory, address) = (tempfile::tempdir().map_err(|e| e.to_string())?, free_address());
    let configuration = tier3_root(directory.path(), address);
    let mut child = run(&configuration, &secrets_of(directory.path()), directory.path());
    wait_for_status(address, "root-dc1.example.com");
    std::thread::park_timeout(Duration::from_secs(10)); // the probes have been made once
    let figure = pss_of(&child);
    let _ = child.kill();
    let _ = child.wait();
    figure.ok_or_else(|| "the kernel has no smaps_rollup".into())
}

fn pss_of(child: &Child) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id())).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The brief's tier 3 root, with the address, the state and the key of this run.
fn tier3_root(directory: &Path, address: SocketAddr) -> PathBuf {
    let key = directory.join("signing.key");
    make_key(Key::Rsa, &key);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/examples/tier3-root.yaml");
    let text = std::fs::read_to_string(&example).expect("the tier 3 example is there");
    let text = text.replace("/etc/maverics/keys/signing.key", &key.display().to_string());
    let text = format!(
        "http: {{ address: \"{address}\" }}\nstate: {{ directory: {} }}\n{text}",
        directory.join("state").display()
    );
    let file = directory.join("root.yaml");
    std::fs::write(&file, text).expect("the configuration can be written");
    let secrets = "secrets:\n  vault.okta-secret: one\n  vault.edge-client-secret: two\n";
    std::fs::write(directory.join("secrets.yaml"), secrets).expect("the secrets can be written");
    file
}

fn secrets_of(directory: &Path) -> Vec<String> {
    vec!["-secretProvider".into(), format!("secretfile://{}", directory.join("secrets.yaml").display())]
}

fn run(configuration: &Path, more: &[String], directory: &Path) -> Child {
    let log = std::fs::File::create(directory.join("node.log")).expect("the log can be written");
    Command::new(binary())
        .arg("-config")
        .arg(configuration)
        .args(more)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("mangrove-root starts")
}

fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("the bench knows itself");
    let folder = own.parent().and_then(Path::parent).expect("target/PROFILE/deps/bench");
    let binary = folder.join("mangrove-root");
    assert!(binary.exists(), "{} is missing: cargo build --release -p mangrove-root", binary.display());
    binary
}

fn add_user(users: &Path) {
    let mut child = Command::new(binary())
        .args(["user", "add"])
        .arg(users)
        .arg(USERNAME)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("mangrove-root starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    writeln!(stdin, "{PASSWORD}").expect("the password is read");
    drop(stdin);
    assert!(child.wait().expect("it ends").success(), "user add failed");
}

fn make_key(key: Key, file: &Path) -> &'static str {
    let (kind, algorithm, option) = match key {
        Key::Rsa => ("rsa", "RSA", "rsa_keygen_bits:2048"),
        Key::Ec => ("ec", "EC", "ec_paramgen_curve:P-256"),
    };
    let status = Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", algorithm, "-pkeyopt", option, "-out"])
        .arg(file)
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "openssl makes the key");
    kind
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

fn wait_for_status(address: SocketAddr, host: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if status_is_up(address, host) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("no answer at http://{address}/status within 10 s");
}

fn status_is_up(address: SocketAddr, host: &str) -> bool {
    use std::io::Read;
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}
