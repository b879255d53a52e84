//! Foreign programs in the lab: identity providers and applications that are not Mangrove's. One file is one kind: what it
//! needs, how its configuration is made from the topology's people and clients, how it is started, where it answers.
//! `scripts/foreign KIND` makes each, from `testbed/foreign/KIND` and outside of the checkout; nothing here fetches
//! anything.
//!
//! A new kind is a folder there, a file and a line of [`provider`] or [`application`] here, and a line of
//! [`IdpKind::ALL`] or [`AppKind::ALL`].

mod dex;
mod keycloak;
mod node_oidc_provider;
mod oauth2_proxy;
mod openid_client;
mod simplesamlphp;
mod slapd;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mangrove_config::Connector;
use url::form_urlencoded;

use super::configs::{Client, Protocol};
use super::idp::Member;
use crate::agent::spec::AppSpec;
use crate::history::{IdpState, Particular};
use crate::language::{AppKind, IdpKind, Topology, host};

/// What `scripts/foreign` makes: one version of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Software {
    /// Its kind in a topology, and its folder below `testbed/foreign`.
    pub kind: &'static str,
    /// What its makers call it.
    pub product: &'static str,
    /// The `version` file of the folder.
    version: &'static str,
}

impl Software {
    /// The version that this checkout asks for.
    pub fn version(&self) -> &'static str {
        self.version.trim()
    }

    /// The folder with what was made of exactly this version, if it was.
    pub fn made(&self) -> Option<PathBuf> {
        let folder = cache()?.join(format!("{}-{}", self.kind, self.version()));
        folder.join("made").exists().then_some(folder)
    }

    /// What to say when it was not.
    fn missing(&self) -> Option<String> {
        self.made().is_none().then(|| format!("{} {}", self.product, self.version()))
    }
}

/// Where an IdP stands and whom it knows.
pub struct Site<'a> {
    /// Its name: it is `https://NAME.mesh.test`.
    pub name: &'a str,
    /// Name of the directory that it is a server of: its own, but for a replica.
    pub directory: &'a str,
    /// A folder of its own, with `cert.pem`, `key.pem` and an empty `state`.
    pub home: &'a Path,
    /// Where it is to listen.
    pub address: SocketAddr,
    /// The lab's certificate authority, PEM.
    pub authority: &'a Path,
    /// Everybody who signs in.
    pub members: &'a [Member],
}

impl Site<'_> {
    /// Path of a file in its folder, as configurations want it.
    pub fn file(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }
}

/// A kind of identity provider.
pub trait Provider: Sync {
    /// What it is.
    fn software(&self) -> Software;

    /// What is not on this machine and has to be, in words; none when it can be started.
    fn missing(&self) -> Option<String> {
        self.software().missing()
    }

    /// Where the IdP `name` answers connectors, by protocol: discovery, SAML metadata, a directory's URL. Who asks it elsewhere
    /// is told.
    fn urls(&self, name: &str) -> Vec<(Protocol, String)>;

    /// Where a person begins a login at the IdP `name` that ends at an application of this client, which is told its name
    /// (`RelayState`); none where logins begin at applications only.
    fn begins(&self, _name: &str, _client: &Client, _application: &str) -> Option<String> {
        None
    }

    /// What it demands of this client, or does for it, that it does not of each.
    fn particular(&self, _client: &Client) -> BTreeSet<Particular> {
        BTreeSet::new()
    }

    /// What is wrong with a connector that asks it, and what to write instead; none where it will be answered.
    fn misasked(&self, _connector: &Connector) -> Option<String> {
        None
    }

    /// The port that connectors and browsers reach.
    fn port(&self) -> u16 {
        super::addresses::PORT
    }

    /// Whether it speaks TLS by itself; else its front does, always.
    fn speaks_tls(&self) -> bool {
        true
    }

    /// Whether people's browsers have to reach it in a login; not so for a directory.
    fn by_browser(&self) -> bool {
        true
    }

    /// Whether people type their e-mail address there, and it takes nothing else.
    fn by_email(&self) -> bool {
        false
    }

    /// Whether it ends its session with a browser that these clients send there to sign out.
    fn signs_out(&self, _clients: &[Client]) -> bool {
        true
    }

    /// The file, below its folder, that [`Provider::config`] is written to; secrets expire by writing it again.
    fn config_file(&self) -> &'static str {
        "config.yaml"
    }

    /// Its configuration for these clients.
    ///
    /// # Errors
    /// When it cannot be made, in words.
    fn config(&self, site: &Site<'_>, clients: &[Client]) -> Result<String, String>;

    /// Writes whatever else it needs and says how to start it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn launch(&self, site: &Site<'_>) -> std::io::Result<Launch>;
}

/// A kind of application: a relying party that people use at a node.
pub trait Application: Sync {
    /// What it is.
    fn software(&self) -> Software;

    /// What is not on this machine and has to be, in words; none when it can be started.
    fn missing(&self) -> Option<String> {
        self.software().missing()
    }

    /// Writes whatever it needs below `home`, where `cert.pem` and `key.pem` lie, and says how to start it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn launch(&self, app: &AppSpec, home: &Path, authority: &Path) -> std::io::Result<Launch>;
}

/// Makes a program's folder ready for a start, whatever was done to its configuration or its keys since the last one.
pub type Before = fn(&Path) -> std::io::Result<()>;

/// Does a step of exchanging the keys in a program's folder while it goes on; false where a restart has to do it.
pub type Exchange = fn(&Path, IdpState) -> std::io::Result<bool>;

/// How to start a foreign program. It runs in a process group of its own, which is killed and paused as a whole.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The program.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment beyond the usual.
    pub environment: Vec<(String, String)>,
    /// What is done in its folder before each start.
    pub before: Option<Before>,
    /// Files that it makes again at its next start if they are gone: its keys. None where it has them in memory.
    pub keys: Vec<PathBuf>,
    /// How it gets other keys while it goes on; none where it cannot.
    pub exchange: Option<Exchange>,
    /// A path that it answers with status 200 once it is ready, where it accepts connections before it is.
    pub ready: Option<String>,
}

/// How identity providers of a kind are made; none for Mangrove's own.
pub fn provider(kind: IdpKind) -> Option<&'static dyn Provider> {
    match kind {
        IdpKind::Local => None,
        IdpKind::Dex => Some(&dex::Dex),
        IdpKind::Keycloak => Some(&keycloak::Keycloak),
        IdpKind::NodeOidcProvider => Some(&node_oidc_provider::NodeOidcProvider),
        IdpKind::Simplesamlphp => Some(&simplesamlphp::Simplesamlphp),
        IdpKind::Slapd => Some(&slapd::Slapd),
    }
}

/// How applications of a kind are made; none for the lab's own.
pub fn application(kind: AppKind) -> Option<&'static dyn Application> {
    match kind {
        AppKind::Lab => None,
        AppKind::OpenidClient => Some(&openid_client::OpenidClient),
        AppKind::Oauth2Proxy => Some(&oauth2_proxy::Oauth2Proxy),
    }
}

/// The page of the SimpleSAMLphp `idp` at which people sign out of it and of everybody whom it vouched to, and then go on.
pub fn sign_out_page(idp: &str, then: &str) -> String {
    let then: String = form_urlencoded::byte_serialize(then.as_bytes()).collect();
    format!("https://{}/saml2/idp/initSLO.php?RelayState={then}", host(idp))
}

/// The foreign programs that a topology needs are there.
///
/// # Errors
/// All that is missing, and what to do, for a person.
pub fn ready(topology: &Topology) -> Result<(), String> {
    let providers = topology.idps.iter().filter_map(|idp| provider(idp.kind));
    let apps = topology.apps.iter().filter_map(|app| application(app.kind));
    let missing: BTreeSet<_> = providers
        .filter_map(|it| Some((it.software().kind, it.missing()?)))
        .chain(apps.filter_map(|it| Some((it.software().kind, it.missing()?))))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (kinds, what): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    let (kinds, what) = (kinds.join(" "), what.join(", "));
    Err(format!("this topology needs {what}: not on this machine. Run `scripts/foreign {kinds}` once"))
}

/// Where `scripts/foreign` puts what it makes.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual =
        || Some(set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("mangrove"));
    set("MANGROVE_CACHE").or_else(usual)
}

/// What a program needs besides what was made of it.
fn node_missing() -> Option<String> {
    in_path("node").is_none().then(|| "Node.js (`node` in PATH)".to_owned())
}

/// An identifier of its own for each person of each directory, the same on all of its servers.
fn uuid(directory: &str, number: usize) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, directory.as_bytes());
    let hex: String = digest.as_ref()[..10].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{number:012}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20])
}

/// A program in `PATH`.
fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_folder_with_a_version_and_a_way_to_make_it() {
        let providers =
            IdpKind::ALL.iter().filter_map(|(name, kind)| Some((*name, provider(*kind)?.software())));
        let apps =
            AppKind::ALL.iter().filter_map(|(name, kind)| Some((*name, application(*kind)?.software())));
        for (name, software) in providers.chain(apps) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name);
            assert_eq!(software.kind, name);
            assert!(folder.join("make").is_file(), "{name} cannot be made");
            let version = software.version();
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{name}: {version}");
            let lock = ["go.mod", "package-lock.json"].map(|file| std::fs::read_to_string(folder.join(file)));
            let locks: Vec<_> = lock.into_iter().flatten().collect();
            assert!(locks.is_empty() || locks.iter().any(|it| it.contains(version)), "{name}: not {version}");
        }
    }
}
