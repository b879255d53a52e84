//! Runs whose nodes are stand-ins that only accept connections: this test binary again, started by a script under the
//! product's name.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use mangrove_testbed::history::{self, Event};

/// A run that does nothing for a minute.
pub(super) const TOPOLOGY: &str = "# Nothing happens.
regions: { cloud: {}, branch: {} }
links: [{ between: [cloud, branch], delay: 1ms }]
idps: { corp: { region: cloud, kind: local } }
nodes: { edge: { region: branch, role: edge, config: edge.yaml } }
apps: { app: { region: branch, at: edge, client: app } }
people: [{ in: branch, count: 2, app: app, sign-in: every 1s }]
settings: { duration: 60s, patience: 1s }
expect: [{ logins lost: 0 }]
";

/// Configuration of its edge.
pub(super) const EDGE: &str = r#"
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
fn stands_in() {
    if std::env::var_os("STAND_IN").is_none() {
        return;
    }
    let listener = TcpListener::bind(std::env::var("NODE_ADDRESS").unwrap()).unwrap();
    for stream in listener.incoming() {
        drop(stream);
    }
}

/// A run under way.
pub(super) struct Run {
    /// Everything of it is below this folder; its name stands in the arguments or environment of its processes.
    pub(super) folder: tempfile::TempDir,
    /// The process that a user would have started.
    pub(super) child: Child,
    /// Where results would go.
    pub(super) out: PathBuf,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Run {
    /// Starts a run of this topology.
    pub(super) fn start(topology: &str) -> Self {
        Self::start_as("run", topology, &[])
    }

    /// Starts a run of this topology, with these files beside it.
    pub(super) fn start_beside(topology: &str, files: &[(&str, &str)]) -> Self {
        Self::start_as("run", topology, files)
    }

    /// Starts `run` or `up` of this topology, with these files beside it.
    pub(super) fn start_as(verb: &str, topology: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in files {
            fs::write(path(name), text).unwrap();
        }
        fs::write(path("topology.yaml"), topology).unwrap();
        fs::write(path("edge.yaml"), EDGE).unwrap();
        let me = std::env::current_exe().unwrap();
        for name in ["mangrove-root", "mangrove-edge"] {
            let (here, me) = (folder.path().display(), me.display());
            let script = format!(
                "#!/bin/sh\nSTAND_IN={here} exec {me} stand_in::stands_in --exact --nocapture # {here}\n"
            );
            fs::write(path(name), script).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let out = path("out");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mangrove-testbed"));
        command.arg(verb).arg(path("topology.yaml")).arg("--bin").arg(folder.path());
        if verb == "run" {
            command.arg("--out").arg(&out);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { folder, child, out, lines }
    }

    /// Reads what the run says until a line has these words; false when it ends without.
    pub(super) fn line_with(&mut self, words: &str) -> bool {
        self.said(words).is_some()
    }

    /// Reads what the run says until a line has these words, and answers that line.
    pub(super) fn said(&mut self, words: &str) -> Option<String> {
        self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(words))
    }

    /// Waits for the end; answers the exit code and the history.
    pub(super) fn finish(mut self) -> (Option<i32>, Vec<Event>) {
        self.lines.by_ref().for_each(drop);
        let code = self.child.wait().unwrap().code();
        let results = fs::read_dir(&self.out).unwrap().next().unwrap().unwrap().path();
        assert!(results.join("report.html").is_file() && results.join("junit.xml").is_file());
        let file = fs::File::open(results.join("history.jsonl")).unwrap();
        (code, history::read(BufReader::new(file)).unwrap())
    }
}
