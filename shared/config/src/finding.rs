//! What is wrong, doubtful or assumed: a [`Finding`] with its place, and a [`Report`] of all of them at once.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    Config, Secret,
    trail::Trail,
    tree::{Node, Origin, Place},
};

/// How bad a finding is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is wrong: `check` fails, no start.
    Problem,
    /// The configuration is right, but asks for what is not built yet and would be unsafe to ignore: no start.
    RefusedAtStart,
    /// It works, but perhaps not as meant.
    Warning,
    /// What was left out, and what is assumed instead.
    Assumption,
    /// What follows from the configuration and is worth knowing.
    Note,
}

/// One thing that is wrong, doubtful, assumed or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, or `environment` or `command line`.
    pub file: PathBuf,
    /// Line, from 1; 0 where there is none.
    pub line: usize,
    /// Column, from 1; 0 where there is none.
    pub column: usize,
    /// Path inside the document: `connectors[2].failover.idps[1]`; empty for the whole of it.
    pub path: String,
    /// What is wrong. Never holds the value of a secret.
    pub message: String,
    /// What to write, perhaps in several lines.
    pub hint: Option<String>,
}

/// All findings of a configuration, and the configuration as far as it can be used.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The configuration; none where a problem stands in its way.
    pub config: Option<Config>,
    /// Everything found, by file, line and column.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The configuration, if a node may start with it: no problem, and nothing that is not built yet and unsafe to
    /// ignore. Otherwise the report itself.
    #[expect(clippy::result_large_err, reason = "asked once in the life of a process")]
    pub fn start(self) -> Result<Config, Report> {
        if self.has(Severity::Problem) || self.has(Severity::RefusedAtStart) {
            return Err(self);
        }
        match self.config {
            Some(config) => Ok(config),
            None => Err(self),
        }
    }

    /// Whether there is a finding as bad as this.
    pub fn has(&self, severity: Severity) -> bool {
        self.findings.iter().any(|finding| finding.severity == severity)
    }

    /// The findings of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Problem => "problem",
            Self::RefusedAtStart => "refused at start",
            Self::Warning => "warning",
            Self::Assumption => "assumption",
            Self::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}: ", self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        for line in self.hint.iter().flat_map(|hint| hint.lines()) {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// Collects findings about one document.
#[derive(Debug)]
pub(crate) struct Findings {
    file: PathBuf,
    list: Vec<Finding>,
    /// Values that no finding may show, and what is shown instead.
    veiled: Vec<(Secret, String)>,
    dropped: Option<Finding>,
}

impl Findings {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), list: Vec::new(), veiled: Vec::new(), dropped: None }
    }

    /// Adds a finding about a place of the document.
    pub(crate) fn add(
        &mut self,
        severity: Severity,
        place: Place,
        trail: &Trail,
        message: impl Into<String>,
    ) -> &mut Finding {
        let file = self.file.clone();
        self.push(Finding {
            severity,
            file,
            line: place.line,
            column: place.column,
            path: trail.to_string(),
            message: message.into(),
            hint: None,
        })
    }

    /// Adds a finding about a node: its own place, or the environment variable it came from.
    pub(crate) fn about(
        &mut self,
        severity: Severity,
        node: &Node,
        trail: &Trail,
        message: impl Into<String>,
    ) -> &mut Finding {
        let finding = self.add(severity, node.place, trail, message);
        if let Origin::Environment(variable) = node.origin {
            finding.file = PathBuf::from(format!("environment ${variable}"));
            finding.line = 0;
        }
        finding
    }

    /// Adds a finding about the node at a trail, or its nearest ancestor that is there. What is known to be wrong
    /// already, or stands for a value that is missing, has nothing more to be said about it: that is dropped.
    pub(crate) fn at(
        &mut self,
        severity: Severity,
        tree: &Node,
        trail: &Trail,
        message: impl Into<String>,
    ) -> &mut Finding {
        let node = tree.nearest(trail);
        if node.spoilt || matches!(node.origin, Origin::Unresolved(_)) {
            return self.dropped.insert(Finding::nothing());
        }
        self.about(severity, node, trail, message)
    }

    /// Adds a finding that has no place in the document.
    pub(crate) fn elsewhere(
        &mut self,
        severity: Severity,
        file: impl Into<PathBuf>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.push(Finding {
            severity,
            file: file.into(),
            line: 0,
            column: 0,
            path: String::new(),
            message: message.into(),
            hint: None,
        })
    }

    pub(crate) fn push(&mut self, finding: Finding) -> &mut Finding {
        self.list.push(finding);
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    pub(crate) fn have_problems(&self) -> bool {
        self.list.iter().any(|finding| finding.severity == Severity::Problem)
    }

    /// No finding shows this value from now on, whichever rule quotes it: what was a reference shows as one.
    pub(crate) fn veil(&mut self, value: Secret, reference: &str) {
        self.veiled.push((value, reference.to_owned()));
    }

    fn unveil_nothing(&mut self) {
        self.veiled.sort_by_key(|(value, _)| std::cmp::Reverse(value.expose().len()));
        for finding in &mut self.list {
            let hint = finding.hint.iter_mut();
            for text in [&mut finding.message, &mut finding.path].into_iter().chain(hint) {
                for (value, reference) in &self.veiled {
                    veil(text, value.expose(), reference);
                }
            }
        }
    }

    /// All findings in the order in which one reads the file, each once.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.unveil_nothing();
        let own = self.file.clone();
        self.list.sort_by(|a, b| {
            let key = |f: &Finding| (f.file != own, f.file.clone(), f.line, f.column, f.severity);
            key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
        });
        self.list.dedup();
        self.list
    }
}

impl Finding {
    /// A finding that nobody reads.
    fn nothing() -> Self {
        Self {
            severity: Severity::Note,
            file: PathBuf::new(),
            line: 0,
            column: 0,
            path: String::new(),
            message: String::new(),
            hint: None,
        }
    }

    /// Says what to write.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Replaces a value by its reference. A short value may be part of any word: it counts only where it is quoted.
fn veil(text: &mut String, value: &str, reference: &str) {
    const SHORT: usize = 6;
    if value.is_empty() || !text.contains(value) {
        return;
    }
    *text = if value.len() >= SHORT {
        text.replace(value, reference)
    } else {
        text.replace(&format!("`{value}`"), &format!("`{reference}`"))
    };
}
