//! What the tests share: files that need not lie where a configuration says, secrets, a key.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use mangrove_config::files::{Disk, Files};

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

    /// One file more, with a mode.
    pub(crate) fn with_mode(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.files.insert(path.into(), (content.as_ref().to_vec(), mode));
        self
    }
}

impl Files for Mapped {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
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
