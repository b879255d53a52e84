//! What processes say: a log of its own for each. What a node says in it about its connectors becomes an event, and so does a
//! password that an identity provider refuses.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc::Sender;

use crate::history::{Event, HealthChange, PasswordRefused, What};

/// The log of something in a region, made if it is not there.
///
/// # Errors
/// When the disk refuses.
pub fn log_file(logs: &Path, region: &str, name: &str) -> io::Result<File> {
    let folder = logs.join(region);
    std::fs::create_dir_all(&folder)?;
    File::options().create(true).append(true).open(folder.join(format!("{name}.log")))
}

/// Copies what a process says into its log, and tells what it thinks of its connectors and which passwords it refuses.
pub(super) fn listen(
    name: &str,
    from: impl Read + Send + 'static,
    mut log: File,
    events: Sender<Event>,
) -> io::Result<()> {
    let node = name.to_owned();
    std::thread::Builder::new().name(format!("log-{name}")).spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        let mut binds = Binds::default();
        while lines.by_ref().take(1 << 20).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let _ = log.write_all(&line);
            let text = String::from_utf8_lossy(&line);
            let mut refused = || binds.refused(&node, &text).or_else(|| told_refused(&node, &text));
            let what =
                health(&node, &text).map(What::Health).or_else(|| refused().map(What::PasswordRefused));
            if let Some(what) = what {
                let _ = events.send(Event::now(what));
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

/// Binds of people that a directory has not answered yet: slapd names the person where it is asked, and not where it answers.
#[derive(Default)]
struct Binds(BTreeMap<String, String>);

impl Binds {
    /// A line in which slapd refuses the password of a person (RFC 4511 section 4.1.9: 49, invalidCredentials). A service account
    /// that is refused is none.
    fn refused(&mut self, server: &str, line: &str) -> Option<PasswordRefused> {
        let start = line.find("conn=")?;
        let mut words = line[start..].splitn(3, ' ');
        let operation = format!("{} {}", words.next()?, words.next()?);
        let rest = words.next()?;
        if let Some(dn) = rest.strip_prefix("BIND dn=\"uid=") {
            self.0.insert(operation, dn.split([',', '"']).next()?.to_owned());
            return None;
        }
        let person = rest.starts_with("RESULT ").then(|| self.0.remove(&operation))??;
        rest.contains(" err=49 ").then(|| PasswordRefused { server: server.to_owned(), person: Some(person) })
    }
}

/// A line in which SimpleSAMLphp refuses a password.
fn told_refused(server: &str, line: &str) -> Option<PasswordRefused> {
    line.contains("Unsuccessful login attempt")
        .then(|| PasswordRefused { server: server.to_owned(), person: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_refuses_a_persons_password_is_heard() {
        let lines = [
            r#"6b 0x7f conn=1001 op=0 BIND dn="uid=a-01,ou=people,dc=mesh,dc=test" method=128"#,
            r#"6b 0x7f conn=1002 op=0 BIND dn="uid=a-02,ou=people,dc=mesh,dc=test" method=128"#,
            r#"6b 0x7f conn=1002 op=0 RESULT tag=97 err=49 qtime=0.000007 etime=0.000093 text="#,
            r#"6b 0x7f conn=1001 op=0 BIND dn="uid=a-01,ou=people,dc=mesh,dc=test" mech=SIMPLE bind_ssf=0 ssf=256"#,
            r#"6b 0x7f conn=1001 op=0 RESULT tag=97 err=0 qtime=0.000007 etime=0.000135 text="#,
            r#"6b 0x7f conn=1003 op=0 BIND dn="cn=reader,ou=services,dc=mesh,dc=test" method=128"#,
            r#"6b 0x7f conn=1003 op=0 RESULT tag=97 err=49 qtime=0.000007 etime=0.000093 text="#,
        ];
        let mut binds = Binds::default();
        let refused: Vec<_> = lines.iter().filter_map(|line| binds.refused("staff", line)).collect();
        let expected = PasswordRefused { server: "staff".into(), person: Some("a-02".into()) };
        assert_eq!((refused, binds.0.len()), (vec![expected], 0));
        let line =
            "Nov 27 17:21:17 SimpleSAMLphp NOTICE STAT [7fd21f] Unsuccessful login attempt from 10.64.4.1.";
        let expected = PasswordRefused { server: "entra".into(), person: None };
        assert_eq!(told_refused("entra", line), Some(expected));
    }

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
