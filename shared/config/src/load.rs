//! From a file to a [`Report`]: parse, replace references, validate the structure, decode, check the meaning. Each step
//! goes on with what the one before left whole, so that one run says all problems.

use std::path::Path;

use crate::{
    Environment, Report, Severity,
    checks::{self, Context},
    decode::{self, Decoded},
    environment,
    files::{Disk, Files, why},
    finding::Findings,
    references::References,
    secrets, shape,
    structure::Structure,
    trail::Trail,
    tree::{self, Node, Place},
};

/// Loads the configuration in a file, with everything there is to say about it.
pub fn load(path: &Path, secret_provider: Option<&str>, env: &Environment) -> Report {
    let loader = Loader::new(env);
    match secret_provider {
        Some(url) => loader.secret_provider(url).load(path),
        None => loader.load(path),
    }
}

/// Finds the addresses of a host name, for the checks that tell whether two providers share one.
pub trait Resolver {
    /// The addresses; empty where the name is not known.
    fn addresses(&self, host: &str) -> Vec<std::net::IpAddr>;
}

/// Loads configurations. Files and name resolution can be given from outside.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    env: &'a Environment,
    secret_provider: Option<&'a str>,
    files: &'a dyn Files,
    resolver: Option<&'a dyn Resolver>,
}

impl<'a> Loader<'a> {
    /// A loader on this machine's files, without name resolution.
    pub fn new(env: &'a Environment) -> Self {
        Self { env, secret_provider: None, files: &Disk, resolver: None }
    }

    /// The secret provider of the command line; goes before `MAVERICS_SECRET_PROVIDER`.
    #[must_use]
    pub fn secret_provider(self, url: &'a str) -> Self {
        Self { secret_provider: Some(url), ..self }
    }

    /// Other files than this machine's.
    #[must_use]
    pub fn files(self, files: &'a dyn Files) -> Self {
        Self { files, ..self }
    }

    /// Resolves the hosts of providers, to tell which share an address.
    #[must_use]
    pub fn resolver(self, resolver: &'a dyn Resolver) -> Self {
        Self { resolver: Some(resolver), ..self }
    }

    /// Loads a file.
    pub fn load(&self, path: &Path) -> Report {
        let failed = |message: String| {
            let mut findings = Findings::new(path);
            findings.elsewhere(Severity::Problem, path, message);
            Report { config: None, findings: findings.sorted() }
        };
        let bytes = match self.files.read(path, tree::MAX_BYTES as u64) {
            Ok(bytes) => bytes,
            Err(error) => return failed(format!("cannot be read: {}", why(&error))),
        };
        if bytes.starts_with(&[0x1f, 0x8b]) {
            return failed("is a bundle; bundles are not supported yet, give the YAML file".into());
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.load_text(path, &text),
            Err(error) => failed(format!("is not UTF-8 text (byte {})", error.utf8_error().valid_up_to())),
        }
    }

    /// Loads a text as if it stood in a file of this name; relative paths are taken from that file's folder.
    pub fn load_text(&self, file: &Path, text: &str) -> Report {
        let mut findings = Findings::new(file);
        let mut tree = match tree::parse(text) {
            Ok(tree) => tree,
            Err(error) => {
                say_malformed(text, &error, &mut findings);
                return Report { config: None, findings: findings.sorted() };
            }
        };
        environment::apply(self.env, &mut tree);
        self.references(&mut tree, &mut findings);
        let decoded = self.judge(file, &mut tree, &mut findings);
        let config = (decoded.whole && !findings.have_problems()).then(|| {
            let mut config = decoded.config;
            config.normalise();
            config
        });
        Report { config, findings: findings.sorted() }
    }

    fn references(&self, tree: &mut Node, findings: &mut Findings) {
        let (url, said_by) = match (self.secret_provider, self.env.set("MAVERICS_SECRET_PROVIDER")) {
            (Some(url), _) => (Some(url), "command line -secretProvider"),
            (None, Some(url)) => (Some(url), "environment $MAVERICS_SECRET_PROVIDER"),
            (None, None) => (None, ""),
        };
        let opened = url.map(|url| secrets::open(url, self.env, self.files));
        let provider_failed = matches!(opened, Some(Err(_)));
        let opened = match opened {
            Some(Err(message)) => {
                findings.elsewhere(Severity::Problem, said_by, message);
                None
            }
            Some(Ok(opened)) => Some(opened),
            None => None,
        };
        if let Some(warning) = opened.as_ref().and_then(|opened| opened.warning.as_ref()) {
            findings.elsewhere(Severity::Warning, said_by, warning);
        }
        let provider = opened.as_ref().map(|opened| opened.provider.as_ref());
        References { provider, env: self.env, provider_failed }.resolve(tree, &Trail::default(), findings);
    }

    fn judge(&self, file: &Path, tree: &mut Node, findings: &mut Findings) -> Decoded {
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut structure = Structure::new(folder, findings);
        structure.object(tree, &shape::config(), &Trail::default());
        let (files, broken) = (structure.files, structure.broken);
        let decoded =
            decode::decode(tree, &|trail| broken.iter().any(|known| trail.leads_to(known)), findings);
        let context = Context {
            tree,
            decoded: &decoded,
            uses: &files,
            files: self.files,
            env: self.env,
            resolver: self.resolver,
        };
        checks::run(&context, findings);
        decoded
    }
}

/// Says why a document cannot be parsed, with the usual reason where one is seen.
fn say_malformed(text: &str, error: &tree::Malformed, findings: &mut Findings) {
    let place = if error.place.line == 0 { Place { line: 1, column: 1 } } else { error.place };
    let finding = findings.add(Severity::Problem, place, &Trail::default(), &error.message);
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    if line.contains("{{") && !line.contains("\"{{") {
        finding.hint("quote it: \"{{ env.NAME }}\"; without quotes YAML reads `{` as a mapping");
    } else if line.contains('\t') {
        finding.hint("indent with spaces: YAML does not take tabs");
    }
}
