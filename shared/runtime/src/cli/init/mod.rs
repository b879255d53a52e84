//! `init`: a small configuration that runs at once on this machine, with its keys and first user.
//!
//! It speaks plain HTTP on loopback under a host name of the node's own: a certificate that no browser trusts teaches
//! people to click warnings away, and browsers take `*.localhost` for a secure context. Files are 0600 and nothing is
//! ever overwritten. What the files say is in [`texts`].

mod texts;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use mangrove_keys::{Algorithm, KeyRing, ambient};
use url::Url;

use self::texts::{EDGE, EDGE_CONNECTOR, FOR_ROOTS, ROOT};
use super::args::Init;
use super::{Exit, ask, complain, say, users};
use crate::role::Role;

/// What `init` writes for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// A local connector with one user, an OIDC provider, one sample application.
    Root,
    /// A failover group of roots, an OIDC provider, one sample application.
    Edge,
}

/// One file to write.
struct Written {
    name: &'static str,
    text: String,
}

pub(super) fn init(role: &Role, asked: &Init) -> Exit {
    let dir = asked.dir.clone().unwrap_or_else(|| PathBuf::from(role.name));
    let written = Here::of(role, asked.url.as_ref()).and_then(|here| match role.template {
        Template::Root if !asked.root.is_empty() => Err("`-root` belongs to mangrove-edge".to_owned()),
        Template::Root => Plan::root(here, asked),
        Template::Edge if asked.users.is_some() => Err("`-users` belongs to mangrove-root".to_owned()),
        Template::Edge => roots(asked).and_then(|roots| Plan::edge(here, &roots)),
    });
    let plan = match written {
        Ok(plan) => plan,
        Err(why) => {
            complain(&why);
            return Exit::BadInput;
        }
    };
    match plan.write(&dir) {
        Ok(()) => say(&plan.next_steps(role, &dir)),
        Err(Refusal::Exists(path)) => {
            complain(&format!(
                "{} exists already: `init` overwrites nothing; give another folder",
                path.display()
            ));
            return Exit::BadInput;
        }
        Err(Refusal::Failed(why)) => {
            complain(&format!("cannot write into {}: {why}", dir.display()));
            return Exit::Failed;
        }
    }
    Exit::Clean
}

/// The roots that were given, or asked for.
fn roots(asked: &Init) -> Result<Vec<Url>, String> {
    if let Some(odd) = asked.root.iter().find(|url| !url.has_host()) {
        return Err(not_a_url(odd.as_str()));
    }
    if !asked.root.is_empty() {
        return Ok(asked.root.clone());
    }
    if !ask::is_a_person_there() {
        return Err("which roots? write `-root URL`, once for each, the preferred one first".to_owned());
    }
    let mut roots = Vec::new();
    loop {
        let question =
            if roots.is_empty() { "URL of the first root:" } else { "Another root (empty: no more):" };
        let line = ask::line(question).map_err(|error| error.to_string())?;
        match line.trim() {
            "" if roots.is_empty() => {}
            "" => return Ok(roots),
            text => match Url::parse(text) {
                Ok(url) if url.has_host() => roots.push(url),
                _ => complain(&not_a_url(text)),
            },
        }
    }
}

fn not_a_url(text: &str) -> String {
    format!("`{text}` is not a URL; write for example https://root-dc1.example.com")
}

/// Where the node will be: on this machine, under a host name of its own.
struct Here {
    origin: String,
    port: u16,
}

impl Here {
    fn of(role: &Role, url: Option<&Url>) -> Result<Self, String> {
        let Some(url) = url else {
            return Ok(Self { origin: format!("http://{}:{}", role.host_name, role.port), port: role.port });
        };
        let plain = url.scheme() == "http" && url.path() == "/" && url.query().is_none();
        match url.port() {
            Some(port) if plain && url.has_host() => {
                Ok(Self { origin: url.origin().ascii_serialization(), port })
            }
            _ => Err(format!(
                "`-url {url}`: write a URL with a port and no path, for example http://{}:{}",
                role.host_name, role.port
            )),
        }
    }
}

/// What will be written and said.
struct Plan {
    here: Here,
    files: Vec<Written>,
    user: Option<(String, String)>,
    secret_file: Option<&'static str>,
}

enum Refusal {
    Exists(PathBuf),
    Failed(String),
}

impl Plan {
    fn root(here: Here, asked: &Init) -> Result<Self, String> {
        let (users, user) = match &asked.users {
            None => (USERS.to_owned(), Some((asked.user.clone(), users::random_password()))),
            Some(file) => match fs::canonicalize(file) {
                Ok(file) => (serde_json::Value::from(file.to_string_lossy()).to_string(), None),
                Err(error) => return Err(format!("{}: {error}", file.display())),
            },
        };
        let text = here.fill(&ROOT.replace("{users}", &users));
        Ok(Self { here, files: vec![Written { name: CONFIGURATION, text }], user, secret_file: None })
    }

    fn edge(here: Here, roots: &[Url]) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        let mut connectors = String::new();
        for root in roots {
            let name = name_for(root, &names)?;
            let well_known = well_known(root);
            connectors += &EDGE_CONNECTOR.replace("{name}", &name).replace("{wellKnown}", &well_known);
            names.push(name);
        }
        let list = |form: fn(&String) -> String| names.iter().map(form).collect::<String>();
        let secret = ambient::token();
        let text = EDGE
            .replace("{connectors}", &connectors)
            .replace("{members}", &list(|name| format!("        - {name}\n")))
            .replace("{subjects}", &list(|name| format!("          {name}: sub\n")));
        let redirects = list(|name| format!("      - {{origin}}/oidc/callback/{name}\n"));
        let for_roots = FOR_ROOTS.replace("{secret}", &secret).replace("{redirects}", redirects.trim_end());
        let secrets = format!("# Shared with the roots; see {STANZA}.\nroots:\n  edge: {secret}\n");
        let files = vec![
            Written { name: CONFIGURATION, text: here.fill(&text) },
            Written { name: SECRETS, text: secrets },
            Written { name: STANZA, text: here.fill(&for_roots) },
        ];
        Ok(Self { here, files, user: None, secret_file: Some(SECRETS) })
    }

    fn write(&self, dir: &Path) -> Result<(), Refusal> {
        let failed = |error: &dyn std::fmt::Display| Refusal::Failed(error.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| failed(&error))?;
        let names = self.files.iter().map(|file| file.name).chain(self.user.as_ref().map(|_| USERS));
        if let Some(taken) = names.map(|name| dir.join(name)).find(|path| path.exists()) {
            return Err(Refusal::Exists(taken));
        }
        KeyRing::generate_kept(&dir.join(STATE), Algorithm::Rs256).map_err(|error| failed(&error))?;
        if let Some((name, password)) = &self.user {
            users::add_to(&dir.join(USERS), name, Some(&format!("{name}@example.com")), password).map_err(
                |refusal| match refusal {
                    users::Refusal::Input(why) => Refusal::Failed(why),
                    users::Refusal::Io(error) => failed(&error),
                },
            )?;
        }
        for file in &self.files {
            let path = dir.join(file.name);
            users::write_new(&path, &file.text).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Refusal::Exists(path.clone()),
                _ => failed(&error),
            })?;
        }
        Ok(())
    }

    fn next_steps(&self, role: &Role, dir: &Path) -> String {
        let file = |name: &str| dir.join(name).display().to_string();
        let configuration = file(CONFIGURATION);
        let mut out = format!("wrote {configuration}, with keys\n");
        if let Some((name, password)) = &self.user {
            out += &format!("first user: {name}   password: {password}   (shown once)\n");
        }
        let mut secrets = String::new();
        if let Some(name) = self.secret_file {
            // A secret file is named by URL, and a URL's path is whole.
            let whole = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
            secrets = format!(" -secretProvider secretfile://{}", whole.join(name).display());
            out += &format!(
                "\neach root has to know this edge: put {stanza} under `apps:` there and restart it; for a file that\n\
                 `mangrove-root init` wrote:  cat {stanza} >> ROOT/{CONFIGURATION}\n",
                stanza = file(STANZA),
            );
        }
        let name = role.name;
        out += &format!("\ncheck it:  {name} check -config {configuration}{secrets}");
        out += &format!("\nrun it:    {name} -config {configuration}{secrets}");
        out += &format!("\nlook at:   {}/.well-known/openid-configuration", self.here.origin);
        out
    }
}

impl Here {
    fn fill(&self, template: &str) -> String {
        template.replace("{origin}", &self.origin).replace("{port}", &self.port.to_string())
    }
}

/// A connector's name for a root: the first label of its host, with a number where that is taken.
fn name_for(root: &Url, taken: &[String]) -> Result<String, String> {
    let host = root.host_str().ok_or_else(|| format!("{root} has no host"))?;
    let whole = root.domain().is_none();
    let label = if whole { host } else { host.split('.').next().unwrap_or(host) };
    let label: String = label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let label = label.trim_matches('-');
    let plain = if label.starts_with("root") { label.to_owned() } else { format!("root-{label}") };
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name)).ok_or(plain)
}

fn well_known(root: &Url) -> String {
    let text = root.as_str().trim_end_matches('/');
    let is_document = text.contains("/.well-known/");
    if is_document { text.to_owned() } else { format!("{text}/.well-known/openid-configuration") }
}

const CONFIGURATION: &str = "mangrove.yaml";
const USERS: &str = "users.yaml";
const SECRETS: &str = "secrets.yaml";
const STATE: &str = "state";
const STANZA: &str = "for-roots.yaml";

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use mangrove_config::{Environment, Loader, Report, Severity};

    use super::*;

    pub(crate) static ROLE: Role = Role {
        name: "mangrove-root",
        about: "A root, for tests.",
        host_name: "root.localhost",
        port: 9443,
        rules: |_| Vec::new(),
        template: Template::Root,
    };

    static EDGE_ROLE: Role = Role {
        name: "mangrove-edge",
        about: "An edge, for tests.",
        host_name: "edge.localhost",
        port: 9444,
        rules: |_| Vec::new(),
        template: Template::Edge,
    };

    fn asked(dir: &Path, roots: &[&str]) -> Init {
        let root = roots.iter().map(|url| Url::parse(url).unwrap()).collect();
        Init { dir: Some(dir.to_owned()), root, user: "admin".into(), users: None, url: None }
    }

    fn check(dir: &Path) -> Report {
        let environment = Environment::default();
        let secrets = format!("secretfile://{}", dir.join(SECRETS).display());
        let loader = Loader::new(&environment);
        let loader = if dir.join(SECRETS).exists() { loader.secret_provider(&secrets) } else { loader };
        loader.load(&dir.join(CONFIGURATION))
    }

    #[test]
    fn what_init_writes_for_a_root_is_private_and_starts() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("root");
        assert_eq!(init(&ROLE, &asked(&dir, &[])), Exit::Clean);
        for name in [CONFIGURATION, USERS] {
            let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let report = check(&dir);
        assert!(!report.has(Severity::Problem) && !report.has(Severity::RefusedAtStart), "{report}");
        assert_eq!(report.start().unwrap().connectors.len(), 1);
    }

    #[test]
    fn what_init_writes_for_an_edge_starts_and_names_each_root_once() {
        let folder = tempfile::tempdir().unwrap();
        let roots =
            ["https://root-dc1.example.com", "https://dc2.example.com/", "https://root-dc1.example.org"];
        assert_eq!(init(&EDGE_ROLE, &asked(folder.path(), &roots)), Exit::Clean);
        let report = check(folder.path());
        assert!(!report.has(Severity::Problem) && !report.has(Severity::RefusedAtStart), "{report}");
        let config = report.start().unwrap();
        let names: Vec<_> = config.connectors.iter().map(mangrove_config::Connector::name).collect();
        assert_eq!(names, ["root-dc1", "root-dc2", "root-dc1-2", "roots"]);
    }

    #[test]
    fn two_roots_on_one_machine_have_their_own_names_and_ports_and_may_share_people() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("dc1"), folder.path().join("dc2"));
        assert_eq!(init(&ROLE, &asked(&first, &[])), Exit::Clean);
        let url = Some(Url::parse("http://root-dc2.localhost:9543").unwrap());
        let users = Some(first.join(USERS));
        assert_eq!(init(&ROLE, &Init { url, users, ..asked(&second, &[]) }), Exit::Clean);
        assert!(!second.join(USERS).exists());
        let report = check(&second);
        assert!(!report.has(Severity::Problem) && !report.has(Severity::RefusedAtStart), "{report}");
        let config = report.start().unwrap();
        assert_eq!(config.http.address, "127.0.0.1:9543");
        assert_eq!(config.public_url().as_str(), "http://root-dc2.localhost:9543/");
    }

    #[test]
    fn a_url_of_the_node_that_cannot_be_served_as_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for url in ["http://root.localhost", "https://root.localhost:9443", "http://root.localhost:9443/x"] {
            let url = Some(Url::parse(url).unwrap());
            assert_eq!(init(&ROLE, &Init { url, ..asked(folder.path(), &[]) }), Exit::BadInput);
        }
        assert!(!folder.path().join(CONFIGURATION).exists());
    }

    #[test]
    fn what_the_roots_need_to_know_of_an_edge_fits_what_init_wrote_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let (root, edge) = (folder.path().join("root"), folder.path().join("edge"));
        assert_eq!(init(&ROLE, &asked(&root, &[])), Exit::Clean);
        assert_eq!(init(&EDGE_ROLE, &asked(&edge, &["http://root.localhost:9443"])), Exit::Clean);
        let stanza = fs::read_to_string(edge.join(STANZA)).unwrap();
        let before = fs::read_to_string(root.join(CONFIGURATION)).unwrap();
        fs::write(root.join(CONFIGURATION), before + &stanza).unwrap();
        let report = check(&root);
        assert!(!report.has(Severity::Problem) && !report.has(Severity::RefusedAtStart), "{report}");
        assert_eq!(report.start().unwrap().apps.len(), 2);
    }

    #[test]
    fn init_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CONFIGURATION), "precious").unwrap();
        assert_eq!(init(&ROLE, &asked(folder.path(), &[])), Exit::BadInput);
        assert_eq!(fs::read_to_string(folder.path().join(CONFIGURATION)).unwrap(), "precious");
        assert!(!folder.path().join(USERS).exists());
    }

    #[test]
    fn an_edge_without_roots_asks_only_a_person() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(init(&EDGE_ROLE, &asked(folder.path(), &[])), Exit::BadInput);
    }
}
