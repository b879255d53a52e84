//! `client-keys`: the public half of what proves who this node is upstream. The node's own key is made where there is none, so
//! that it can be registered before the first start; run it as the service's user.

use mangrove_config::Environment;
use serde_json::{Value, json};

use super::args::{ClientKeys, Source};
use super::{Exit, complain, run, say};
use crate::{rooms, state};

pub(super) fn client_keys(ask: &ClientKeys, source: &Source, environment: &Environment) -> Exit {
    let (file, report) = match run::load(source, environment) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let Some(config) = report.config else {
        complain(&format!("{}: cannot be used as it stands; `check` says why", file.display()));
        return Exit::BadInput;
    };
    let connectors = match rooms::upstream(&config, &state::path(&config, environment), "") {
        Ok((connectors, _)) => connectors,
        Err(why) => {
            complain(&why);
            return Exit::BadInput;
        }
    };
    let mut keys: Vec<Value> = Vec::new();
    for connector in connectors {
        if ask.connector.as_deref().is_some_and(|name| name != connector.name()) {
            continue;
        }
        match connector.client_key() {
            Ok(None) => {}
            Ok(Some(ring)) => {
                let new =
                    ring.jwks()["keys"].as_array().into_iter().flatten().filter(|key| !keys.contains(key));
                keys.extend(new.cloned().collect::<Vec<_>>());
            }
            Err(why) => {
                complain(&format!("{}: {why}", connector.name()));
                return Exit::Failed;
            }
        }
    }
    if keys.is_empty() {
        let whose = ask
            .connector
            .as_deref()
            .map_or("no connector".to_owned(), |name| format!("no connector `{name}`"));
        complain(&format!(
            "{}: {whose} proves who this node is with a key (`oauthClientAuth`)",
            file.display()
        ));
        return Exit::BadInput;
    }
    say(&format!("{:#}", json!({ "keys": keys })));
    Exit::Clean
}
