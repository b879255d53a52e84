//! `init`: a small configuration that runs at once on this machine, with its keys and first user.
//!
//! It speaks plain HTTP on loopback under a host name of the node's own: a certificate that no browser trusts teaches
//! people to click warnings away, and browsers take `*.localhost` for a secure context. Files are 0600 and nothing is
//! ever overwritten.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use mangrove_keys::{Algorithm, KeyRing, ambient};
use url::Url;

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
    let written = match role.template {
        Template::Root if !asked.root.is_empty() => Err("`-root` belongs to mangrove-edge".to_owned()),
        Template::Root => Ok(Plan::root(role, &asked.user)),
        Template::Edge => roots(asked).and_then(|roots| Plan::edge(role, &roots)),
    };
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
                _ => complain(&format!(
                    "`{text}` is not a URL; write for example https://root-dc1.example.com"
                )),
            },
        }
    }
}

/// What will be written and said.
struct Plan {
    files: Vec<Written>,
    user: Option<(String, String)>,
    /// What the roots need to know of this edge.
    for_roots: Option<String>,
    secret_file: Option<&'static str>,
}

enum Refusal {
    Exists(PathBuf),
    Failed(String),
}

impl Plan {
    fn root(role: &Role, user: &str) -> Self {
        let text = ROOT.replace("{origin}", &origin(role)).replace("{port}", &role.port.to_string());
        let files = vec![Written { name: CONFIGURATION, text }];
        let user = Some((user.to_owned(), users::random_password()));
        Self { files, user, for_roots: None, secret_file: None }
    }

    fn edge(role: &Role, roots: &[Url]) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        let mut connectors = String::new();
        for root in roots {
            let name = name_for(root, &names)?;
            let well_known = well_known(root);
            let connector = EDGE_CONNECTOR.replace("{name}", &name).replace("{wellKnown}", &well_known);
            connectors += &connector.replace("{origin}", &origin(role));
            names.push(name);
        }
        let list = |form: fn(&String) -> String| names.iter().map(form).collect::<String>();
        let secret = ambient::token();
        let text = EDGE
            .replace("{connectors}", &connectors)
            .replace("{members}", &list(|name| format!("        - {name}\n")))
            .replace("{subjects}", &list(|name| format!("          {name}: sub\n")))
            .replace("{origin}", &origin(role))
            .replace("{port}", &role.port.to_string());
        let files = vec![
            Written { name: CONFIGURATION, text },
            Written {
                name: SECRETS,
                text: format!("# Shared with the roots; see `apps` there.\nroots:\n  edge: {secret}\n"),
            },
        ];
        let redirects: String =
            names.iter().map(|n| format!("      - {}/oidc/callback/{n}\n", origin(role))).collect();
        let for_roots = FOR_ROOTS.replace("{secret}", &secret).replace("{redirects}", redirects.trim_end());
        Ok(Self { files, user: None, for_roots: Some(for_roots), secret_file: Some(SECRETS) })
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
        let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let configuration = dir.join(CONFIGURATION);
        let configuration = configuration.display();
        let mut out = format!("wrote {configuration} with its keys\n");
        if let Some((name, password)) = &self.user {
            out += &format!("first user: {name}   password: {password}   (shown once)\n");
        }
        if let Some(stanza) = &self.for_roots {
            out += &format!("\nadd this under `apps:` of each root, and restart it:\n\n{stanza}\n");
        }
        let secrets =
            self.secret_file.map(|f| format!(" -secretProvider secretfile://{}", dir.join(f).display()));
        let secrets = secrets.unwrap_or_default();
        let name = role.name;
        out += &format!("\ncheck it:  {name} check -config {configuration}{secrets}");
        out += &format!("\nrun it:    {name} -config {configuration}{secrets}");
        out += &format!("\nlook at:   {}/.well-known/openid-configuration", origin(role));
        out
    }
}

fn origin(role: &Role) -> String {
    format!("http://{}:{}", role.host_name, role.port)
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

const ROOT: &str = r#"# A root on this machine, by plain HTTP on loopback. For a real deployment: a certificate (`tls`), a host name that
# edges and browsers reach, and the identity providers you have.
version: "1"

http:
  address: 127.0.0.1:{port}
  publicURL: {origin}

state:
  directory: state              # generated keys, the node's id, the admin socket

connectors:
  - name: people
    type: local
    usersFile: users.yaml       # mangrove-root user add users.yaml NAME
    title: the people of this root

oidcProvider:
  discovery:
    issuer: {origin}

apps:
  - name: sample-app
    type: oidc
    clientID: sample-app
    public: true                # no secret; PKCE is required
    redirectURLs:
      - http://app.localhost:8080/callback
    authentication:
      idps: [people]
    claimsMapping:
      email: people.email
      name: people.name
"#;

const EDGE: &str = r#"# An edge on this machine, by plain HTTP on loopback. It holds no identity provider's credentials: roots vouch.
version: "1"

http:
  address: 127.0.0.1:{port}
  publicURL: {origin}

state:
  directory: state              # generated keys, the node's id, the admin socket

connectors:
{connectors}  - name: roots
    type: continuity
    strategy: failover
    failover:
      idps:
{members}    attributes:
      # One person is one subject, whichever root vouches.
      - name: sub
        mapping:
{subjects}
oidcProvider:
  discovery:
    issuer: {origin}

apps:
  - name: sample-app
    type: oidc
    clientID: sample-app
    public: true                # no secret; PKCE is required
    redirectURLs:
      - http://app.localhost:8080/callback
    authentication:
      idps: [roots]
    claimsMapping:
      email: roots.email
      name: roots.name
"#;

const EDGE_CONNECTOR: &str = r"  - name: {name}
    type: oidc
    root: true
    oidcWellKnownURL: {wellKnown}
    oauthClientID: edge
    oauthClientSecret: <roots.edge>
    oauthRedirectURL: {origin}/oidc/callback/{name}
    scopes: openid profile email
    healthCheck:
      enabled: true
      interval: 10s
      timeout: 3s
      unhealthyThreshold: 2
      healthyThreshold: 2

";

const FOR_ROOTS: &str = r#"  - name: edge
    type: oidc
    clientID: edge
    clientSecret: "{secret}"
    redirectURLs:
{redirects}
    authentication:
      idps: [people]
    claimsMapping:
      email: people.email
      name: people.name
"#;

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
        Init { dir: Some(dir.to_owned()), root, user: "admin".into() }
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
