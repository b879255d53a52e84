//! The LDAP connector against a real OpenLDAP server, and against a directory that lies.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

mod liar;
mod slapd;

mod account;
mod garbage;
mod groups;
mod hostile;
mod outages;
mod pages;
mod people;
mod policy;
mod ways;

use std::sync::Arc;
use std::time::Duration;

use mangrove_config::Config;
use mangrove_connectors::{Connector, HttpClient, Parts};
use serde_json::{Value, json};

/// What a sign-in may take at most: a listener gives an endpoint as much.
const LISTENERS_PATIENCE: Duration = Duration::from_secs(15);

/// The one connector of a configuration.
fn build(written: Value, tls: Value) -> Result<Arc<Connector>, String> {
    let config = Config {
        connectors: vec![serde_json::from_value(written).unwrap()],
        tls: serde_json::from_value(tls).unwrap(),
        ..Config::default()
    };
    let parts = Parts { http: HttpClient::new().unwrap(), state_dir: std::env::temp_dir() };
    Connector::build(&config, &parts).map(|mut built| built.remove(0)).map_err(|why| why.to_string())
}

/// A connector to a server, with settings changed as a test needs.
fn connector(slapd: &slapd::Slapd, change: Value) -> Arc<Connector> {
    let mut written = slapd.connector("directory");
    written.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    build(written, slapd.tls()).unwrap()
}

fn as_written() -> Value {
    json!({})
}
