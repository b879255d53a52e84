//! What processes say: a log of its own for each, and what a node says in it about its connectors as events.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc::Sender;

use crate::history::{Event, HealthChange, What};

/// The log of something in a region, made if it is not there.
///
/// # Errors
/// When the disk refuses.
pub fn log_file(logs: &Path, region: &str, name: &str) -> io::Result<File> {
    let folder = logs.join(region);
    std::fs::create_dir_all(&folder)?;
    File::options().create(true).append(true).open(folder.join(format!("{name}.log")))
}

/// Copies what a process says into its log, and tells what it thinks of its connectors.
pub(super) fn listen(
    name: &str,
    from: impl Read + Send + 'static,
    mut log: File,
    events: Option<Sender<Event>>,
) -> io::Result<()> {
    let node = name.to_owned();
    std::thread::Builder::new().name(format!("log-{name}")).spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        while lines.by_ref().take(1 << 20).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let _ = log.write_all(&line);
            let change = events.as_ref().and_then(|_| health(&node, &String::from_utf8_lossy(&line)));
            if let (Some(events), Some(change)) = (&events, change) {
                let _ = events.send(Event::now(What::Health(change)));
            }
            line.clear();
        }
    })?;
    Ok(())
}

/// A log line in which a node says that a connector changed its state: JSON, or `key=value`.
fn health(node: &str, line: &str) -> Option<HealthChange> {
    if !line.contains("connector") || !line.contains("state") {
        return None;
    }
    let json = serde_json::from_str::<serde_json::Value>(line).ok();
    let field = |key: &str| match &json {
        Some(json) => json.get(key).or_else(|| json.get("fields")?.get(key))?.as_str().map(str::to_owned),
        None => word(line, key),
    };
    Some(HealthChange {
        node: node.to_owned(),
        connector: field("connector")?,
        state: field("state")?.to_lowercase(),
        why: field("why").unwrap_or_default(),
    })
}

/// The value of `key=` in a line for people: quoted, or one word.
fn word(line: &str, key: &str) -> Option<String> {
    let start = line.find(&format!(" {key}="))? + key.len() + 2;
    let rest = &line[start..];
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split_whitespace().next()?,
    };
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_word_about_a_connector_is_read_in_both_of_its_tongues() {
        let json = r#"{"level":"warn","message":"connector is down","connector":"root-dc1","from":"suspect","state":"down","why":"no answer"}"#;
        let text = "12:00:00.000 WARN  connector is down connector=root-dc1 from=suspect state=down why=\"no answer\"\n";
        for line in [json, text] {
            let change = health("edge-a", line).unwrap();
            assert_eq!(
                (change.connector.as_str(), change.state.as_str(), change.why.as_str()),
                ("root-dc1", "down", "no answer")
            );
        }
        assert_eq!(health("edge-a", "12:00 INFO  request path=/state connector"), None);
    }
}
