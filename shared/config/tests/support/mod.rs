//! What the tests share: files that need not lie where a configuration says, secrets, a key.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; these are tests")]

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use mangrove_config::{
    Environment, Loader, Report, Severity,
    files::{Disk, Files},
};

/// The `vault.*` secrets of the brief's files.
pub(crate) const SECRETS: &str = "\
secrets:
  vault.primary-secret: one
  vault.backup-secret: two
  vault.okta-secret: three
  vault.ldap-password: four
  vault.edge-client-secret: five
  vault.edge-dc1-secret: six
  vault.edge-dc2-secret: seven
  vault.cloud-secret: eight
  vault.keycloak-secret: nine
";

/// The brief's files, and the guide's examples of the same names that hold the same.
pub(crate) const EXAMPLES: [&str; 6] = [
    "tier1-basic.yaml",
    "tier2-diversified.yaml",
    "tier3-root.yaml",
    "tier3-edge.yaml",
    "tier4-tactical.yaml",
    "custom-health-check.yaml",
];

/// Where the guide is.
pub(crate) fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide")
}

/// Where the brief's own configurations lie: where `MANGROVE_BRIEF` says, or beside the checkout; none in a clone elsewhere.
pub(crate) fn brief() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("MANGROVE_BRIEF").map(PathBuf::from) {
        assert!(folder.is_dir(), "MANGROVE_BRIEF says {}, and there is no such folder", folder.display());
        return Some(folder);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/brief/configs");
    beside.is_dir().then_some(beside)
}

/// Files in memory before those of the disk; each has mode 0600 unless said otherwise.
#[derive(Default)]
pub(crate) struct Mapped {
    files: BTreeMap<PathBuf, (Vec<u8>, u32)>,
}

impl Mapped {
    /// No files.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One file more.
    pub(crate) fn with(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.with_mode(path, content, 0o600)
    }

    /// One file more, with a mode; nobody may read it where that is 0.
    pub(crate) fn with_mode(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.files.insert(path.into(), (content.as_ref().to_vec(), mode));
        self
    }
}

impl Files for Mapped {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some((_, 0)) => Err(io::ErrorKind::PermissionDenied.into()),
            Some((content, _)) => Ok(content.clone()),
            None => Disk.read(path, limit),
        }
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.files.get(path).map(|(_, mode)| *mode).or_else(|| Disk.mode(path))
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.contains_key(path) || Disk.exists(path)
    }
}

/// A fresh RSA key of 2048 bits, as PEM.
pub(crate) fn signing_key() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem()
}

/// A fresh P-256 key, as PEM.
pub(crate) fn ec_key() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem()
}

/// A fresh certificate, as PEM.
pub(crate) fn certificate() -> String {
    rcgen::generate_simple_self_signed(["test.example".to_owned()]).unwrap().cert.pem()
}

/// Loads a text as `node.yaml`, with the secrets above.
pub(crate) fn check(yaml: &str) -> Report {
    check_with(yaml, &Mapped::new(), &Environment::default())
}

/// Loads a text as `/etc/mangrove/node.yaml`, with the secrets above, these files and this environment.
pub(crate) fn check_with(yaml: &str, files: &Mapped, env: &Environment) -> Report {
    let files = Mapped { files: files.files.clone() }.with("/run/secrets.yaml", SECRETS);
    Loader::new(env)
        .secret_provider("secretfile:///run/secrets.yaml")
        .files(&files)
        .load_text(Path::new("/etc/mangrove/node.yaml"), yaml)
}

/// Asserts that exactly one finding of this severity has this line and path, and says all of these words.
#[track_caller]
pub(crate) fn says(report: &Report, severity: Severity, line: usize, path: &str, words: &[&str]) {
    let hits: Vec<_> =
        report.of(severity).filter(|finding| finding.line == line && finding.path == path).collect();
    let text: Vec<_> = hits.iter().map(ToString::to_string).collect();
    let all = text.iter().any(|text| words.iter().all(|word| text.contains(word)));
    assert!(all, "no {severity} in line {line} at {path} that says {words:?}; there are:\n{report}");
}

/// Asserts that a problem has this line and path, and says all of these words.
#[track_caller]
pub(crate) fn problem(yaml: &str, line: usize, path: &str, words: &[&str]) {
    let report = check(yaml);
    says(&report, Severity::Problem, line, path, words);
    assert!(report.start().is_err(), "a problem, and it starts");
}

/// Asserts that a warning has this line and path, and says all of these words; and that there is no problem.
#[track_caller]
pub(crate) fn warning(yaml: &str, line: usize, path: &str, words: &[&str]) {
    let report = check(yaml);
    says(&report, Severity::Warning, line, path, words);
    assert!(!report.has(Severity::Problem), "problems:\n{report}");
}

/// An edge that is whole: two watched roots, a group with a subject, one application.
pub(crate) const EDGE: &str = "\
http: {address: \"127.0.0.1:9443\", publicURL: https://edge.example.com}
connectors:
  - name: root-a
    type: oidc
    oidcWellKnownURL: https://root-a.example.org/.well-known/openid-configuration
    oauthClientID: edge
    oauthClientSecret: <vault.edge-dc1-secret>
    oauthRedirectURL: https://edge.example.com/oidc/a
    healthCheck: {enabled: true, interval: 30s, timeout: 10s}
  - name: root-b
    type: oidc
    oidcWellKnownURL: https://root-b.example.net/.well-known/openid-configuration
    oauthClientID: edge
    oauthClientSecret: <vault.edge-dc2-secret>
    oauthRedirectURL: https://edge.example.com/oidc/b
    healthCheck: {enabled: true, interval: 30s, timeout: 10s}
  - name: roots
    type: continuity
    strategy: failover
    failover: {idps: [root-a, root-b]}
    attributes:
      - name: sub
        mapping: {root-a: sub, root-b: sub}
apps:
  - name: branch-app
    type: oidc
    clientID: branch-app
    clientSecret: <vault.edge-client-secret>
    redirectURLs: [https://app.example.com/callback]
    authentication: {idps: [roots]}
    claimsMapping: {email: roots.email}
";

/// [`EDGE`] with one text replaced by another.
#[track_caller]
pub(crate) fn edge(from: &str, to: &str) -> String {
    assert!(EDGE.contains(from), "the edge has no {from:?}");
    EDGE.replacen(from, to, 1)
}
