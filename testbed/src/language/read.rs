//! Reading sections of a [`Tree`]: each field is taken once, what is left over is unknown, and every problem is kept with
//! its place and a hint.

use super::tree::{Kind, Place, Tree};

/// One thing that is wrong with a topology.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Which part of the file, `nodes.edge-a.config`.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

/// Collects problems.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

/// Reads sections, and collects what is wrong.
pub struct Reader<'a> {
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// A reader that collects into `problems`.
    pub fn new(problems: &'a mut Problems) -> Self {
        Self { problems }
    }

    /// Notes a problem.
    pub fn problem(&mut self, place: Place, path: &str, what: &str, hint: &str) {
        let problem = Problem { place, path: path.to_owned(), what: what.to_owned(), hint: hint.to_owned() };
        self.problems.0.push(problem);
    }

    /// Begins to read a mapping; anything else is a problem and reads as an empty one.
    pub fn section<'r, 't>(&'r mut self, path: &str, tree: &'t Tree) -> Section<'r, 'a, 't> {
        if !matches!(tree.kind, Kind::Map(_) | Kind::Null) {
            self.problem(
                tree.place,
                path,
                &format!("here stands {}", tree.kind.what()),
                "write a mapping, `key: value`",
            );
        }
        Section { reader: self, path: path.to_owned(), tree, taken: Vec::new() }
    }
}

/// A mapping that is being read.
pub struct Section<'r, 'a, 't> {
    /// Where problems go.
    pub reader: &'r mut Reader<'a>,
    path: String,
    tree: &'t Tree,
    taken: Vec<&'static str>,
}

impl<'t> Section<'_, '_, 't> {
    /// Takes a field as it is.
    pub fn take(&mut self, key: &'static str) -> Option<&'t Tree> {
        self.taken.push(key);
        self.tree.at(key)
    }

    /// Takes a text.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let tree = self.take(key)?;
        if let Some(text) = tree.text() {
            return Some(text.to_owned());
        }
        let path = self.path_of(key);
        self.reader.problem(
            tree.place,
            &path,
            &format!("here stands {}", tree.kind.what()),
            "write one value",
        );
        None
    }

    /// Takes a text that must be there.
    pub fn needed(&mut self, key: &'static str, hint: &str) -> Option<String> {
        if self.tree.at(key).is_none() {
            self.taken.push(key);
            self.reader.problem(self.tree.place, &self.path, &format!("`{key}` is missing"), hint);
            return None;
        }
        self.text(key)
    }

    /// Takes a text and reads it.
    pub fn parsed<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let place = self.tree.at(key)?.place;
        let text = self.text(key)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(hint) => {
                let path = self.path_of(key);
                self.reader.problem(place, &path, &format!("`{text}` cannot be read"), &hint);
                None
            }
        }
    }

    /// Takes a list of texts; one text alone is a list of one.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        let Some(tree) = self.take(key) else { return Vec::new() };
        match &tree.kind {
            Kind::Scalar(text) => vec![text.clone()],
            Kind::List(items) if items.iter().all(|item| item.text().is_some()) => {
                items.iter().filter_map(Tree::text).map(str::to_owned).collect()
            }
            other => {
                let path = self.path_of(key);
                self.reader.problem(
                    tree.place,
                    &path,
                    &format!("here stands {}", other.what()),
                    "write a list of names",
                );
                Vec::new()
            }
        }
    }

    /// Notes a problem of the section as a whole.
    pub fn problem(&mut self, what: &str, hint: &str) {
        self.reader.problem(self.tree.place, &self.path, what, hint);
    }

    /// Says which keys nobody took.
    pub fn finish(self) {
        let Kind::Map(entries) = &self.tree.kind else { return };
        for (key, place, _) in entries {
            if !self.taken.contains(&key.as_str()) {
                let hint = nearest(key, self.taken.iter().copied());
                self.reader.problem(*place, &self.path, &format!("`{key}` is not known here"), &hint);
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A hint that names the nearest of the known names, or all of them.
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let best = known.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, candidate)) if likeness > 0.8 => format!("did you mean `{candidate}`?"),
        Some(_) => format!("known: {}", known.join(", ")),
        None => "there is none yet".to_owned(),
    }
}
