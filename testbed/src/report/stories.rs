//! What the nodes' own logs say of a login. For the reader only: no verdict rests on it.

use std::fs;
use std::path::Path;

use mangrove_login::Line;
use mangrove_login::story::Ways;

use crate::history::Login;

/// The lines of all nodes' decision logs below a folder `REGION/NODE.log`; what cannot be read is left out.
pub fn read(logs: &Path) -> Vec<Line> {
    let entries =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = entries(logs).flat_map(|region| entries(&region).collect::<Vec<_>>());
    let texts = files.filter(|file| file.extension().is_some_and(|end| end == "log"));
    texts.filter_map(|file| fs::read_to_string(file).ok()).flat_map(|text| decisions(&text)).collect()
}

fn decisions(log: &str) -> Vec<Line> {
    let lines = log.lines().filter(|line| line.contains("\"target\":\"decision\""));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The stories of the logins that the lines know.
pub struct Stories<'l>(Ways<'l>);

impl<'l> Stories<'l> {
    /// Over the lines of any number of nodes.
    pub fn of_lines(lines: &'l [Line]) -> Self {
        Self(Ways::new(lines))
    }

    /// The id to search the logs by, and the story; each if there is one.
    pub fn of(&self, login: &Login) -> (Option<String>, Vec<String>) {
        let Some(id) = &login.login_id else { return (None, Vec::new()) };
        let story = self.0.way(id).map(|way| way.story).unwrap_or_default();
        (Some(self.0.top(id).to_owned()), story)
    }
}
