//! Foreign programs in the lab: Dex as an identity provider, an application on npm's `openid-client`. `scripts/foreign`
//! makes both, outside of the checkout; nothing here fetches anything.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::configs::Client;
use super::idp::Member;
use crate::language::{AppKind, DOMAIN, IdpKind, Topology, host};

/// The least that Dex takes; a hash costs some 50 ms, as does each sign-in at Dex.
const DEX_COST: u32 = 10;
/// Which Dex `scripts/foreign` builds stands behind `tag v` in here.
const DEX_MODULE: &str = include_str!("../../foreign/dex/go.mod");
/// What `scripts/foreign` installs.
const APPLICATION_LOCK: &[u8] = include_bytes!("../../foreign/openid-client/package-lock.json");
/// The application.
const APPLICATION: &str = include_str!("../../foreign/openid-client/app.mjs");

/// Where `scripts/foreign` puts what it makes.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual =
        || Some(set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("mangrove"));
    set("MANGROVE_CACHE").or_else(usual)
}

/// What lies in the cache at this place, if it is there: exactly the version that this checkout asks for.
fn made(folder: &str, file: &str) -> Option<PathBuf> {
    Some(cache()?.join(folder)).filter(|folder| folder.join(file).exists())
}

fn dex_folder() -> String {
    let tag = DEX_MODULE.lines().find_map(|line| line.split_once("// tag v"));
    format!("dex-{}", tag.map_or("", |(_, version)| version.trim()))
}

fn modules_folder() -> String {
    let digest = digest::digest(&digest::SHA256, APPLICATION_LOCK);
    let start: String = digest.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("openid-client-{start}")
}

/// The Dex binary.
pub fn dex() -> Option<PathBuf> {
    Some(made(&dex_folder(), "dex")?.join("dex"))
}

/// The folder with `node_modules`.
fn modules() -> Option<PathBuf> {
    made(&modules_folder(), "node_modules")
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

/// The issuer that Dex is as the IdP `name`; below a path, as it usually is.
pub fn dex_issuer(name: &str) -> String {
    format!("https://{}/dex", host(name))
}

/// Dex's configuration as the IdP `name`. Its `preferred_username` carries who somebody really is: Dex's own users have
/// no attributes of one's choosing.
///
/// # Errors
/// When passwords cannot be hashed.
pub fn dex_config(
    name: &str,
    address: &str,
    clients: &[Client],
    members: &[Member],
    files: &Path,
) -> Result<Value, String> {
    let file = |name: &str| files.join(name).display().to_string();
    let users: Result<Vec<_>, _> =
        members.iter().enumerate().map(|(number, member)| dex_user(name, number, member)).collect();
    Ok(json!({
        "issuer": dex_issuer(name),
        "storage": { "type": "memory" },
        "web": { "https": address, "tlsCert": file("cert.pem"), "tlsKey": file("key.pem") },
        "oauth2": { "skipApprovalScreen": true },
        "logger": { "level": "info", "format": "json" },
        "enablePasswordDB": true,
        "staticClients": clients.iter().map(dex_client).collect::<Vec<_>>(),
        "staticPasswords": users?,
    }))
}

fn dex_client(client: &Client) -> Value {
    let mut made = json!({ "id": client.id, "name": client.id, "redirectURIs": client.redirect_urls });
    match &client.secret {
        Some(secret) => made["secret"] = json!(secret),
        None => made["public"] = json!(true),
    }
    made
}

fn dex_user(idp: &str, number: usize, member: &Member) -> Result<Value, String> {
    let hash =
        bcrypt::hash_with_salt(&member.password, DEX_COST, member.salt).map_err(|error| error.to_string())?;
    Ok(json!({
        "email": format!("{}@{DOMAIN}", member.name),
        "username": member.name,
        "preferredUsername": member.name,
        "name": format!("{} of the lab", member.name),
        "userID": format!("{idp}-{number:04}"),
        "hash": hash.format_for_version(bcrypt::Version::TwoB),
    }))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, password: &str, salt: u8) -> Member {
        let (username, hash) = (format!("{name}@{DOMAIN}"), String::new());
        Member { name: name.into(), username, password: password.into(), salt: [salt; 16], hash }
    }

    fn client(secret: Option<&str>) -> Client {
        Client {
            id: "root-dc1".into(),
            secret: secret.map(str::to_owned),
            redirect_urls: vec!["https://root-dc1.mesh.test/oidc/corp".into()],
        }
    }

    #[test]
    fn dex_knows_each_person_by_a_password_of_their_own() {
        let people = [member("a-01", "first", 1), member("a-02", "second", 2)];
        let config = dex_config("corp", "10.64.1.10:443", &[], &people, Path::new("/lab")).unwrap();
        let user = |index: usize, field: &str| config["staticPasswords"][index][field].as_str().unwrap();
        for (index, own, other) in [(0, "first", "second"), (1, "second", "first")] {
            let hash = user(index, "hash");
            assert!(hash.starts_with("$2b$10$"), "dex refuses less than cost 10: {hash}");
            assert!(bcrypt::verify(own, hash).unwrap() && !bcrypt::verify(other, hash).unwrap());
            assert_eq!(user(index, "email"), people[index].username, "what is typed");
            assert_eq!(user(index, "preferredUsername"), people[index].name, "who it really is");
        }
        assert_ne!(user(0, "userID"), user(1, "userID"));
    }

    #[test]
    fn dex_has_the_roots_as_clients_with_their_exact_redirect_urls() {
        let made = dex_client(&client(Some("s3cret")));
        assert_eq!(made["redirectURIs"], json!(["https://root-dc1.mesh.test/oidc/corp"]));
        assert_eq!((&made["secret"], made.get("public")), (&json!("s3cret"), None));
        let open = dex_client(&client(None));
        assert_eq!((open.get("secret"), &open["public"]), (None, &json!(true)));
    }

    #[test]
    fn the_versions_of_this_checkout_name_the_folders_in_the_cache() {
        let version = dex_folder().strip_prefix("dex-").unwrap().to_owned();
        assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{version}");
        let start = modules_folder().strip_prefix("openid-client-").unwrap().to_owned();
        assert!(start.len() == 12 && start.bytes().all(|b| b.is_ascii_hexdigit()), "{start}");
    }
}
