//! Foreign programs in the lab: Dex as an identity provider, an application on npm's `openid-client`. `scripts/foreign`
//! makes both, outside of the checkout; nothing here fetches anything.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::configs::Client;
use super::idp::Member;
use crate::language::{AppKind, DOMAIN, IdpKind, Topology, host};

/// Dex takes bcrypt only, at a cost that a lab feels; so where Dex is, everybody has this password ...
pub const DEX_PASSWORD: &str = "only-for-the-lab";
/// ... and this is its hash.
const DEX_HASH: &str = "$2b$10$XZtr41pmbPaS948zgo38JOpdS/8ox8131nN8vdyJR3VjB8.JULc3y";
/// The application.
const APPLICATION: &str = include_str!("../../foreign/openid-client/app.mjs");

/// Where `scripts/foreign` puts what it makes.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual =
        || Some(set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("mangrove"));
    set("MANGROVE_CACHE").or_else(usual)
}

/// The newest folder in the cache whose name begins so and that has `file` in it.
fn made(prefix: &str, file: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir(cache()?).ok()?.flatten().map(|entry| entry.path());
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    folders.filter(named).filter(|path| path.join(file).exists()).max()
}

/// The Dex binary.
pub fn dex() -> Option<PathBuf> {
    Some(made("dex-", "dex")?.join("dex"))
}

/// The folder with `node_modules`.
fn modules() -> Option<PathBuf> {
    made("openid-client-", "node_modules")
}

/// Node.js.
fn node() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("node")).find(|file| file.is_file())
}

/// What of the foreign programs that a topology needs is not there, and what to do.
///
/// # Errors
/// The words for a person.
pub fn ready(topology: &Topology) -> Result<(), String> {
    let needs_dex = topology.idps.iter().any(|idp| idp.kind == IdpKind::Dex);
    let needs_node = topology.apps.iter().any(|app| app.kind == AppKind::OpenidClient);
    let missing = match () {
        () if needs_dex && dex().is_none() => "Dex",
        () if needs_node && modules().is_none() => "openid-client",
        () if needs_node && node().is_none() => "Node.js (`node` in PATH)",
        () => return Ok(()),
    };
    Err(format!("this topology needs {missing}, which is not here: run `scripts/foreign` once"))
}

/// Dex's configuration as the IdP `name`. Its `name` claim carries who somebody really is: Dex has no other attributes.
pub fn dex_config(name: &str, address: &str, clients: &[Client], members: &[Member], files: &Path) -> Value {
    let file = |name: &str| files.join(name).display().to_string();
    let client = |client: &Client| json!({ "id": client.id, "name": client.id, "secret": client.secret, "redirectURIs": client.redirect_urls });
    let user = |(number, member): (usize, &Member)| {
        json!({
            "email": format!("{}@{DOMAIN}", member.name),
            "username": member.name,
            "name": member.name,
            "preferredUsername": member.name,
            "userID": format!("{name}-{number:04}"),
            "hash": DEX_HASH,
        })
    };
    json!({
        "issuer": format!("https://{}", host(name)),
        "storage": { "type": "memory" },
        "web": { "https": address, "tlsCert": file("cert.pem"), "tlsKey": file("key.pem") },
        "oauth2": { "skipApprovalScreen": true },
        "logger": { "level": "info", "format": "json" },
        "enablePasswordDB": true,
        "staticClients": clients.iter().map(client).collect::<Vec<_>>(),
        "staticPasswords": members.iter().enumerate().map(user).collect::<Vec<_>>(),
    })
}

/// How to start a foreign program.
pub struct Launch {
    /// The program.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment beyond the usual.
    pub environment: Vec<(String, String)>,
}

/// How to start the application whose script is to lie at `script`.
///
/// # Errors
/// When the script cannot be written.
pub fn openid_client(
    script: &Path,
    app: &crate::agent::spec::AppSpec,
    files: &Path,
    authority: &Path,
) -> std::io::Result<Launch> {
    std::fs::write(script, APPLICATION)?;
    let path = |path: &Path| path.display().to_string();
    let environment = [
        ("LISTEN", app.listen.to_string()),
        ("ORIGIN", format!("https://{}", app.host)),
        ("CERT", path(&files.join("cert.pem"))),
        ("KEY", path(&files.join("key.pem"))),
        ("ISSUER", app.issuer.clone()),
        ("CLIENT_ID", app.client_id.clone()),
        ("CLIENT_SECRET", app.client_secret.clone().unwrap_or_default()),
        ("NODE_EXTRA_CA_CERTS", path(authority)),
        ("MODULES", path(&modules().unwrap_or_default())),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Ok(Launch { command: node().unwrap_or_default(), arguments: vec![path(script)], environment })
}
