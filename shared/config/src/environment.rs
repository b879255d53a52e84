//! What the environment says: which configuration, which secret provider, and the few settings that a variable
//! overrides. The variables come in as a map, so that nothing here depends on the process.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    files::{Disk, Files},
    tree::{Node, Origin, Place},
};

/// Environment variables.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Where the configuration is looked for when nothing says where.
pub const DEFAULT_PATHS: [&str; 2] = ["/etc/maverics/maverics.yaml", "/etc/mangrove/mangrove.yaml"];

/// Variables that name the configuration; only one of them may be set.
pub const CONFIG_VARIABLES: [&str; 2] = ["MAVERICS_CONFIG", "MANGROVE_CONFIG"];

/// Variables that are known from elsewhere and do nothing here.
pub(crate) const IGNORED_VARIABLES: [&str; 9] = [
    "MAVERICS_TLS_SERVER_WINDOWS_THUMBPRINT",
    "MAVERICS_TLS_SERVER_WINDOWS_SUBJECT",
    "MAVERICS_RELOAD_CONFIG",
    "MAVERICS_BUNDLE_PUBLIC_KEY_FILE",
    "MAVERICS_AWS_CONFIG",
    "MAVERICS_GCP_CONFIG",
    "MAVERICS_AZURE_CONFIG",
    "MAVERICS_GITHUB_CONFIG",
    "MAVERICS_GITLAB_CONFIG",
];

/// Why no configuration file could be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Two variables name one each.
    #[error("{0} and {1} are both set: unset one of them, or say which with -config FILE")]
    SeveralSources(String, String),
    /// A source that is not a file.
    #[error("`{0}`: configurations from there are not supported yet; give the path of a file")]
    NotAFile(String),
    /// Nothing names one, and none lies at the default paths.
    #[error("no configuration: write -config FILE, set MANGROVE_CONFIG, or put one at {}", DEFAULT_PATHS.join(" or "))]
    Nowhere,
}

impl Environment {
    /// An environment of these variables.
    pub fn new<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The environment of this process; variables that are not Unicode are left out.
    pub fn of_process() -> Self {
        Self::new(
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable that is set and not empty.
    pub(crate) fn set(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Names like this one, the nearest first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Which file holds the configuration: the command line's `-config`, else the environment's, else the first default
/// path that exists.
pub fn locate(arg: Option<&Path>, env: &Environment) -> Result<PathBuf, Problem> {
    locate_with(arg, env, &Disk)
}

/// [`locate`] on given files.
pub fn locate_with(arg: Option<&Path>, env: &Environment, files: &dyn Files) -> Result<PathBuf, Problem> {
    if let Some(path) = arg {
        return as_file(&path.to_string_lossy());
    }
    let mut named = CONFIG_VARIABLES.iter().filter_map(|name| Some((*name, env.set(name)?)));
    match (named.next(), named.next()) {
        (Some((first, _)), Some((second, _))) => Err(Problem::SeveralSources(first.into(), second.into())),
        (Some((_, path)), None) => as_file(path),
        _ => DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| files.exists(path)).ok_or(Problem::Nowhere),
    }
}

fn as_file(path: &str) -> Result<PathBuf, Problem> {
    match path.split_once("://") {
        Some(("file", path)) => Ok(PathBuf::from(path)),
        Some(_) => Err(Problem::NotAFile(path.to_owned())),
        None => Ok(PathBuf::from(path)),
    }
}

/// Puts what variables override into the document: the listener's address and certificate, and the log level.
pub(crate) fn apply(env: &Environment, tree: &mut Node) {
    let mut put = |variable: &'static str, keys: &[&str], value: &str| {
        let mut node = Node::text(value, Place::default());
        node.origin = Origin::Environment(variable);
        tree.put(keys, node);
    };
    if let Some(address) = env.set("MAVERICS_HTTP_ADDRESS") {
        put("MAVERICS_HTTP_ADDRESS", &["http", "address"], address);
    }
    if env.set("MAVERICS_DEBUG_MODE").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        put("MAVERICS_DEBUG_MODE", &["logger", "level"], "debug");
    }
    let profile = tree.get("http").and_then(|http| http.get("tls")).and_then(Node::as_str);
    let profile = profile.unwrap_or("maverics").to_owned();
    let pair = [("MAVERICS_TLS_SERVER_CERT_FILE", "certFile"), ("MAVERICS_TLS_SERVER_KEY_FILE", "keyFile")];
    for (variable, key) in pair {
        let Some(path) = env.set(variable) else { continue };
        for (keys, value) in [(&["http", "tls"][..], profile.as_str()), (&["tls", &profile, key][..], path)] {
            let mut node = Node::text(value, Place::default());
            node.origin = Origin::Environment(variable);
            tree.put(keys, node);
        }
    }
}
