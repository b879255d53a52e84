//! The brief's configurations, as they stand, start. They lie beside the repository or where `MANGROVE_BRIEF` says; where
//! they do not, this says so and passes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod lab;

use std::path::{Path, PathBuf};

use lab::Running;

const SECRETS: &[&str] = &[
    "okta-secret",
    "primary-secret",
    "backup-secret",
    "ldap-password",
    "edge-dc1-secret",
    "edge-dc2-secret",
    "edge-client-secret",
    "cloud-secret",
    "keycloak-secret",
];

fn brief() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/brief/configs");
    let folder = std::env::var_os("MANGROVE_BRIEF").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn each_of_the_briefs_configurations_starts_although_no_identity_provider_is_there() {
    let Some(brief) = brief() else {
        eprintln!("NOT TESTED: the brief's configurations are not here; set MANGROVE_BRIEF");
        return;
    };
    let mut started = 0;
    for entry in std::fs::read_dir(brief).unwrap() {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // The one thing that a test may not do is to put a key into /etc.
        let key = folder.path().join("signing.key");
        let text = text.replace("/etc/maverics/keys/signing.key", key.to_str().unwrap());
        let params = std::process::Command::new("openssl")
            .args([
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
                "-out",
                key.to_str().unwrap(),
            ])
            .stderr(std::process::Stdio::null())
            .status();
        if text.contains("signing.key") && !params.is_ok_and(|status| status.success()) {
            eprintln!("NOT TESTED: no openssl to make a key with");
            continue;
        }
        let config = folder.path().join("maverics.yaml");
        std::fs::write(&config, text).unwrap();
        let secrets: String =
            SECRETS.iter().map(|name| format!("  {name}: a-secret-of-some-length-{name}\n")).collect();
        write_private(&folder.path().join("secrets.yaml"), &format!("vault:\n{secrets}"));
        let mut command = lab::command(&["-config", config.to_str().unwrap()]);
        command
            .env(
                "MAVERICS_SECRET_PROVIDER",
                format!("secretfile://{}", folder.path().join("secrets.yaml").display()),
            )
            .env("MAVERICS_HTTP_ADDRESS", "127.0.0.1:0")
            .env("STATE_DIRECTORY", folder.path().join("state"));
        let node = Running::spawn(command, std::process::Stdio::null());
        assert_eq!(node.get("/status").unwrap().0, 200);
        started += 1;
    }
    assert_eq!(started, 6);
}
