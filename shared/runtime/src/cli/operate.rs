//! `status`, `drain`, `force`, `end-sessions`: what an operator asks a running node, by its admin socket.

use std::path::{Path, PathBuf};

use http::Method;
use mangrove_config::{Config, Environment, tree};
use serde_json::{Value, json};

use super::args::{Asked, EndSessions, Order, Source};
use super::{Exit, complain, count, run, say};
use crate::admin::client::{self, ClientError};
use crate::logging::{json_text, plain};
use crate::{node, state};

pub(super) fn status(asked: &Asked, source: &Source, environment: &Environment) -> Exit {
    match request(asked, source, environment, Method::GET, "/status", None) {
        Ok(answer) if asked.json => say(&json_text(&answer)),
        Ok(answer) => say(&table(&printable(answer))),
        Err(exit) => return exit,
    }
    Exit::Clean
}

pub(super) fn order(what: &str, asked: &Order, source: &Source, environment: &Environment) -> Exit {
    let path = if asked.undo { format!("/un{what}") } else { format!("/{what}") };
    let body = json!({
        "connector": asked.name,
        "why": asked.why.as_deref().unwrap_or_default(),
        "seconds": asked.duration.map(|duration| duration.0.as_secs()),
    });
    match request(&asked.asked, source, environment, Method::POST, &path, Some(&body)) {
        Ok(answer) if asked.asked.json => say(&json_text(&answer)),
        Ok(answer) => say(&ordered(&printable(answer)["connector"])),
        Err(exit) => return exit,
    }
    Exit::Clean
}

pub(super) fn end_sessions(asked: &EndSessions, source: &Source, environment: &Environment) -> Exit {
    let mut body = json!({ "why": asked.why.as_deref().unwrap_or_default() });
    for (key, value) in [("connector", &asked.connector), ("subject", &asked.subject)] {
        if let Some(value) = value {
            body[key] = value.as_str().into();
        }
    }
    match request(&asked.asked, source, environment, Method::POST, "/end-sessions", Some(&body)) {
        Ok(answer) if asked.asked.json => say(&json_text(&answer)),
        Ok(answer) => say(&format!("ended {} here", count(answer["ended"].as_u64().unwrap_or(0), "session"))),
        Err(exit) => return exit,
    }
    Exit::Clean
}

/// Asks a running node.
pub(super) fn request(
    asked: &Asked,
    source: &Source,
    environment: &Environment,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Exit> {
    let socket = match &asked.socket {
        Some(socket) => socket.clone(),
        None => socket_of(source, environment)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        complain(&error);
        Exit::Failed
    })?;
    runtime.block_on(client::ask(&socket, method, path, body)).map_err(|error| {
        complain(&error);
        if matches!(error, ClientError::Refused(_)) { Exit::BadInput } else { Exit::Failed }
    })
}

/// The socket of the node that runs with this configuration. An operator's shell need not have the node's secrets, so
/// what cannot be loaded whole is read for these two keys alone.
fn socket_of(source: &Source, environment: &Environment) -> Result<PathBuf, Exit> {
    let (file, report) = run::load(source, environment)?;
    if let (None, Err(error)) = (&report.config, std::fs::File::open(&file)) {
        complain(&format!("{}: cannot be read: {error}; `-socket` names a node without it", file.display()));
        return Err(Exit::BadInput);
    }
    let config = report.config.unwrap_or_else(|| two_keys(&file));
    Ok(node::admin_socket(&config, &state::path(&config, environment)))
}

fn two_keys(file: &Path) -> Config {
    let mut config = Config::default();
    let Some(document) = std::fs::read_to_string(file).ok().and_then(|text| tree::parse(&text).ok()) else {
        return config;
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let path = |section: &str, key: &str| {
        let written = document.get(section)?.get(key)?.as_str()?;
        Some(folder.join(written).to_string_lossy().into_owned())
    };
    config.admin.socket = path("admin", "socket");
    config.state.directory = path("state", "directory");
    config
}

/// The answer with every text fit for a terminal: an identity provider chose some of the words.
fn printable(answer: Value) -> Value {
    match answer {
        Value::String(text) => plain(&text).into(),
        Value::Array(items) => items.into_iter().map(printable).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, printable(value))).collect(),
        other => other,
    }
}

/// The snapshot for a person.
fn table(answer: &Value) -> String {
    let node = &answer["node"];
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let leaving = if node["leaving"] == true { "  LEAVING" } else { "" };
    let mut out = format!(
        "{} {}  node {}  up {}{leaving}\n{}  ({})\n",
        text(&node["role"]),
        text(&node["version"]),
        text(&node["id"]),
        span(number(&node["uptime_seconds"])),
        text(&node["public_url"]),
        text(&node["configuration"]),
    );
    for listener in answer["listeners"].as_array().into_iter().flatten() {
        let how = if listener["tls"] == true { "TLS" } else { "plain HTTP" };
        let open = count(number(&listener["connections"]), "open connection");
        out += &format!("listens on {} ({how}), {open}\n", text(&listener["address"]));
    }
    out += &format!("{}\n\n", count(number(&answer["sessions"]), "session"));
    let head = ["CONNECTOR", "STATE", "SINCE", "LAST ANSWER", "ORDER", "NOTE"].map(str::to_owned);
    let rows: Vec<_> =
        std::iter::once(head).chain(answer["connectors"].as_array().into_iter().flatten().map(row)).collect();
    let widths: Vec<usize> =
        (0..6).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// What an order, or its end, means from now on.
fn ordered(connector: &Value) -> String {
    let [name, state, _, _, order, _] = row(connector);
    let meaning = match connector["order"]["what"].as_str() {
        Some("drain") => "no new sign-in goes there; those in progress and sessions stay",
        Some(_) => "new sign-ins go there first, whatever its health",
        None => return format!("{name}: no order; its state is {state}"),
    };
    format!("{name}: {order}: {meaning}")
}

/// One connector.
fn row(connector: &Value) -> [String; 6] {
    let text = |key: &str| connector[key].as_str().map(str::to_owned);
    let ago = connector["last_success_seconds"].as_u64().map(|seconds| format!("{} ago", span(seconds)));
    let order = &connector["order"];
    let order = order["what"].as_str().map(|what| {
        let left = order["seconds_left"].as_u64().map(|s| format!(", {} left", span(s))).unwrap_or_default();
        let (who, why) = (order["who"].as_str().unwrap_or("?"), order["why"].as_str().unwrap_or(""));
        format!("{what} by {who}: {why}{left}")
    });
    let state = text("state").unwrap_or_default().to_lowercase();
    // Nobody looks at it, and nothing has spoken against it.
    let state = if connector["probed"] == false && state == "unknown" { "not probed".into() } else { state };
    // A failure that was overcome is history.
    let failure = text("last_failure").filter(|_| connector["state"] != "healthy");
    let found = text("found_by").map(|records| format!("found by {records}"));
    let note =
        text("unable").or_else(|| text("misconfigured")).or(simulation(connector)).or(failure).or(found);
    [
        text("name").unwrap_or_default(),
        state,
        connector["seconds"].as_u64().map(span).unwrap_or_default(),
        ago.unwrap_or_else(|| "-".to_owned()),
        order.unwrap_or_else(|| "-".to_owned()),
        note.unwrap_or_default(),
    ]
}

/// An outage that is only rehearsed, louder than what it makes of the connector.
fn simulation(connector: &Value) -> Option<String> {
    let simulation = &connector["simulation"];
    let seconds = span(simulation["seconds"].as_u64()?);
    Some(match simulation["on"] == true {
        true => format!("SIMULATED OUTAGE for another {seconds}"),
        false => format!("a simulated outage begins in {seconds}"),
    })
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_reads_as_a_table() {
        let answer = json!({
            "node": { "role": "mangrove-root", "version": "0.1.0", "id": "abc", "uptime_seconds": 61,
                "public_url": "http://root.localhost:9443/", "configuration": "a.yaml", "leaving": false },
            "listeners": [{ "address": "127.0.0.1:9443", "tls": false, "connections": 3 }],
            "connectors": [
                { "name": "okta", "state": "healthy", "seconds": 5, "last_success_seconds": 2 },
                { "name": "entra-idp", "state": "down", "seconds": 90, "last_failure": "connection refused",
                  "order": { "what": "drain", "who": "ops (uid 0)", "why": "planned", "seconds_left": 600 } },
            ],
            "sessions": 12,
        });
        let wanted = "\
mangrove-root 0.1.0  node abc  up 1m01s
http://root.localhost:9443/  (a.yaml)
listens on 127.0.0.1:9443 (plain HTTP), 3 open connections
12 sessions

CONNECTOR  STATE    SINCE  LAST ANSWER  ORDER                                         NOTE
okta       healthy  5s     2s ago       -
entra-idp  down     1m30s  -            drain by ops (uid 0): planned, 10m00s left    connection refused";
        let table = table(&answer);
        let squeezed = |text: &str| {
            text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(squeezed(&table), squeezed(wanted), "{table}");
    }

    #[test]
    fn what_an_identity_provider_said_cannot_paint_the_operator_s_terminal() {
        let evil = "no\x1b]0;owned\x07\nokta  healthy";
        let answer = json!({ "connectors": [{ "name": "okta", "state": "down", "last_failure": evil }] });
        let table = table(&printable(answer));
        assert!(!table.contains(['\x1b', '\x07']), "{table:?}");
        assert_eq!(table.lines().filter(|line| line.starts_with("okta")).count(), 1, "{table}");
    }

    #[test]
    fn an_order_says_what_it_means_and_a_connector_that_nobody_probes_is_not_unknown() {
        let mut people = json!({ "name": "people", "state": "Unknown", "probed": false, "seconds": 1,
            "order": { "what": "drain", "who": "ops (uid 0)", "why": "planned", "seconds_left": 600 } });
        let words = ordered(&people);
        assert!(
            words.starts_with("people: drain by ops (uid 0): planned, 10m00s left: no new sign-in"),
            "{words}"
        );
        people["order"] = Value::Null;
        assert_eq!(ordered(&people), "people: no order; its state is not probed");
    }

    #[test]
    fn a_simulated_outage_is_louder_than_what_it_makes_of_the_connector() {
        let note = |on: bool| {
            let simulation = json!({ "on": on, "seconds": 90 });
            row(&json!({ "name": "okta", "state": "down", "last_failure": "simulated", "simulation": simulation }))[5].clone()
        };
        assert_eq!(note(true), "SIMULATED OUTAGE for another 1m30s");
        assert_eq!(note(false), "a simulated outage begins in 1m30s");
    }

    #[test]
    fn a_root_that_dns_named_says_so_and_what_it_lacks_first() {
        let note = |unable: Option<&str>| {
            row(&json!({ "name": "root-dc3.example.com", "state": "healthy", "unable": unable,
                "found_by": "_mangrove-root._tcp.example.com" }))[5]
                .clone()
        };
        assert_eq!(note(None), "found by _mangrove-root._tcp.example.com");
        assert_eq!(note(Some("not proven")), "not proven");
    }

    #[test]
    fn the_socket_is_found_although_secrets_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(
            &file,
            "state: { directory: state }\nconnectors: [{ clientSecret: <vault.missing> }]\n",
        )
        .unwrap();
        let config = two_keys(&file);
        assert_eq!(
            config.state.directory.as_deref().map(Path::new),
            Some(folder.path().join("state").as_path())
        );
    }
}
