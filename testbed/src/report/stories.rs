//! What the nodes' own logs say of a login. For the reader only: no verdict rests on it.

use std::collections::HashMap;
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
pub struct Stories<'l> {
    ways: Ways<'l>,
    /// Logins by the references of their hops, as senders and receivers write them down.
    by_reference: HashMap<&'l str, &'l str>,
}

impl<'l> Stories<'l> {
    /// Over the lines of any number of nodes.
    pub fn of_lines(lines: &'l [Line]) -> Self {
        let mut by_reference = HashMap::new();
        for line in lines {
            for reference in line.from_ref.iter().chain(&line.to_ref) {
                by_reference.entry(reference.as_str()).or_insert(line.login.as_str());
            }
        }
        Self { ways: Ways::new(lines), by_reference }
    }

    /// The ids to search the logs by, the first try first: of each start at the application, one.
    pub fn ids(&self, login: &Login) -> Vec<String> {
        let references = login.hops.iter().filter_map(|hop| hop.reference.as_deref());
        let known = references.filter_map(|reference| self.by_reference.get(reference).copied());
        let mut ids: Vec<String> = Vec::new();
        for id in known.chain(login.login_id.as_deref()) {
            let top = self.ways.top(id);
            if !ids.iter().any(|known| known == top) {
                ids.push(top.to_owned());
            }
        }
        ids
    }

    /// What the nodes say of a login with such an id; nothing if they do not know it.
    pub fn tell(&self, id: &str) -> Vec<String> {
        self.ways.way(id).map(|way| way.story).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Acts, Hop, Seen, Trouble};

    fn hop(reference: &str) -> Hop {
        let reference = Some(reference.to_owned());
        let url = "edge.mesh.test/oauth2/auth".to_owned();
        Hop { start: 0, took: 0, method: "GET".to_owned(), url, status: None, error: None, reference }
    }

    #[test]
    fn a_login_that_was_begun_twice_has_two_stories_though_one_page_only_showed_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let log = |place: &str, lines: &[(&str, &str)]| {
            let line = |(login, rest): &(&str, &str)| {
                format!(
                    r#"{{"target":"decision","at":1,"login":"{login}","app":"a","decision":"sent","message":"{place} sent on."{rest}}}"#
                )
            };
            let text: Vec<_> = lines.iter().map(line).collect();
            let file = folder.path().join(place).with_extension("log");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("not JSON\n{}\n", text.join("\n"))).unwrap();
        };
        log(
            "branch/edge",
            &[("first", r#","from_ref":"s1""#), ("second", r#","from_ref":"s2","to_ref":"h2""#)],
        );
        log("dc1/root", &[("shown", r#","from_ref":"h2""#)]);
        let lines = read(folder.path());
        let stories = Stories::of_lines(&lines);
        let login = Login {
            person: "p".to_owned(),
            app: "a".to_owned(),
            region: "branch".to_owned(),
            start: 0,
            hops: vec![hop("s1"), hop("unheard"), hop("s2"), hop("h2")],
            acts: Acts::default(),
            seen: Seen::GaveUp { trouble: Trouble::Timeout },
            who: None,
            login_id: Some("shown".to_owned()),
        };
        assert_eq!(stories.ids(&login), ["first", "second"]);
        let told = stories.tell("second").join("\n");
        assert!(told.contains("branch/edge sent on.") && told.contains("dc1/root sent on."), "{told}");
    }
}
