//! Where secrets come from: `secretfile:///path.yaml`, `env://`. The trait is the seam for vaults.

use std::{collections::BTreeMap, fmt, path::Path};

use crate::{
    Environment, Secret,
    files::{Files, why},
    tree::{self, Node, Value},
};

/// Answers references like `<vault.okta-secret>`.
pub trait SecretProvider {
    /// The secret of this name (`vault.okta-secret`), or why there is none.
    fn secret(&self, name: &str) -> Result<Secret, Missing>;
    /// How the provider was named, without anything secret.
    fn describe(&self) -> String;
}

/// Why there is no secret of a name. Holds no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What is missing.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// A provider that was opened, and what is doubtful about it.
pub(crate) struct Opened {
    pub(crate) provider: Box<dyn SecretProvider>,
    pub(crate) warning: Option<String>,
}

/// Schemes that are known from elsewhere.
const VAULTS: [&str; 9] = [
    "hashivault",
    "hashivaults",
    "hashivault+http",
    "hashivault+https",
    "azurekeyvault",
    "awssecretsmanager",
    "delinea",
    "conjur",
    "ccp",
];

/// Opens the provider that a URL names. The error holds neither the URL's user part nor its query: tokens stand there.
pub(crate) fn open(url: &str, env: &Environment, files: &dyn Files) -> Result<Opened, String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("a secret provider is written `secretfile:///path.yaml` or `env://`".into());
    };
    match scheme {
        "secretfile" => SecretFile::open(Path::new(rest), files),
        "env" => Ok(Opened {
            provider: Box::new(EnvironmentSecrets { prefix: rest.to_owned(), env: env.clone() }),
            warning: None,
        }),
        scheme if VAULTS.contains(&scheme) => Err(format!(
            "secret provider `{scheme}://` is not supported yet; use `secretfile:///path.yaml` or `env://`"
        )),
        _ => Err("unknown kind of secret provider; use `secretfile:///path.yaml` or `env://`".into()),
    }
}

/// Secrets in a YAML file: flat under `secrets:`, or nested by name space.
struct SecretFile {
    path: String,
    secrets: BTreeMap<String, Secret>,
}

impl SecretFile {
    fn open(path: &Path, files: &dyn Files) -> Result<Opened, String> {
        let shown = path.display();
        let bytes = files
            .read(path, tree::MAX_BYTES as u64)
            .map_err(|e| format!("secret file {shown}: {}", why(&e)))?;
        let text = zeroize::Zeroizing::new(
            String::from_utf8(bytes).map_err(|_| format!("secret file {shown}: not UTF-8 text"))?,
        );
        // The parser's message could quote a line, and a line here is a secret.
        let tree = tree::parse(&text)
            .map_err(|e| format!("secret file {shown}:{}:{}: not YAML", e.place.line, e.place.column))?;
        let mut secrets = BTreeMap::new();
        collect(&tree, "", &mut secrets);
        if let Some(flat) = tree.get("secrets") {
            collect(flat, "", &mut secrets);
        }
        let mode = files.mode(path).filter(|mode| mode & 0o077 != 0);
        let warning = mode.map(|mode| {
            format!("secret file {shown} has mode {mode:04o}: others on this machine may read it; chmod 600 {shown}")
        });
        Ok(Opened { provider: Box::new(Self { path: shown.to_string(), secrets }), warning })
    }
}

fn collect(node: &Node, prefix: &str, into: &mut BTreeMap<String, Secret>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                let name =
                    if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
                collect(value, &name, into);
            }
        }
        Value::Text(text) => drop(into.insert(prefix.to_owned(), Secret::new(text.as_str()))),
        Value::Number(_, written) => drop(into.insert(prefix.to_owned(), Secret::new(written.as_str()))),
        Value::Bool(yes) => drop(into.insert(prefix.to_owned(), Secret::new(yes.to_string()))),
        Value::Null | Value::List(_) => {}
    }
}

impl SecretProvider for SecretFile {
    fn secret(&self, name: &str) -> Result<Secret, Missing> {
        match self.secrets.get(name) {
            Some(secret) if !secret.expose().is_empty() => Ok(secret.clone()),
            Some(_) => Err(Missing {
                why: format!("secret `{name}` is empty in {}", self.path),
                hint: format!("give `{name}` a value in {}", self.path),
            }),
            None => Err(Missing {
                why: format!("there is no secret `{name}` in {}", self.path),
                hint: format!("add it to {}:\nsecrets:\n  {name}: ...", self.path),
            }),
        }
    }

    fn describe(&self) -> String {
        format!("secretfile://{}", self.path)
    }
}

/// Secrets in environment variables: the reference's name in upper case, anything but letters and digits as `_`,
/// after what stands behind `env://`.
struct EnvironmentSecrets {
    prefix: String,
    env: Environment,
}

/// The variable that holds a secret: `vault.okta-secret` is `VAULT_OKTA_SECRET`.
pub fn variable(prefix: &str, name: &str) -> String {
    let name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    prefix.chars().chain(name).collect()
}

impl SecretProvider for EnvironmentSecrets {
    fn secret(&self, name: &str) -> Result<Secret, Missing> {
        let variable = variable(&self.prefix, name);
        self.env.set(&variable).map(Secret::new).ok_or_else(|| Missing {
            why: format!("there is no environment variable {variable} for secret `{name}`"),
            hint: format!("set {variable}"),
        })
    }

    fn describe(&self) -> String {
        format!("env://{}", self.prefix)
    }
}

impl fmt::Debug for dyn SecretProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}
