//! From the tree to typed values. What cannot be decoded is left out and said, so that the checks can still judge the
//! rest: connectors and applications are decoded one by one and remember where in the list they stood.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use zeroize::Zeroize as _;

use crate::{
    App, Config, Connector,
    finding::{Findings, Severity},
    trail::{Trail, at},
    tree::{Node, Value},
};

/// A configuration as far as it can be decoded, with the places of what stands in lists.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) config: Config,
    /// For each of `config.connectors`, its index in the file.
    pub(crate) connectors: Vec<usize>,
    /// For each of `config.apps`, its index in the file.
    pub(crate) apps: Vec<usize>,
    /// Nothing was left out.
    pub(crate) whole: bool,
}

/// Decodes a document. `broken` says of a trail that something below it is already known to be wrong, so that failing
/// there is no news.
pub(crate) fn decode(tree: &Node, broken: &dyn Fn(&Trail) -> bool, findings: &mut Findings) -> Decoded {
    let mut decoded = Decoded { whole: true, ..Decoded::default() };
    let mut rest = serde_json::Map::new();
    for (key, node) in tree.entries() {
        if node.is_null() || node.spoilt {
            decoded.whole &= !node.spoilt;
            continue;
        }
        let trail = at![&key.text];
        match key.text.as_str() {
            "connectors" => {
                for (i, connector) in list::<Connector>(node, &trail, broken, findings, &mut decoded.whole) {
                    decoded.connectors.push(i);
                    decoded.config.connectors.push(connector);
                }
            }
            "apps" => {
                for (i, app) in list::<App>(node, &trail, broken, findings, &mut decoded.whole) {
                    decoded.apps.push(i);
                    decoded.config.apps.push(app);
                }
            }
            _ => match try_section(&key.text, node) {
                Ok(json) => drop(rest.insert(key.text.clone(), json)),
                Err(error) => {
                    decoded.whole = false;
                    say(node, &trail, &error, broken, findings);
                }
            },
        }
    }
    let (connectors, apps) = (decoded.config.connectors, decoded.config.apps);
    let sections = typed::<Config>(Json::Object(rest)).unwrap_or_default();
    decoded.config = Config { connectors, apps, ..sections };
    decoded
}

fn list<T: DeserializeOwned>(
    node: &Node,
    trail: &Trail,
    broken: &dyn Fn(&Trail) -> bool,
    findings: &mut Findings,
    whole: &mut bool,
) -> Vec<(usize, T)> {
    let mut decoded = Vec::new();
    for (i, item) in node.items().iter().enumerate() {
        match typed::<T>(json(item)) {
            Ok(value) => decoded.push((i, value)),
            Err(error) => {
                *whole = false;
                say(item, &trail.then(i), &error, broken, findings);
            }
        }
    }
    decoded
}

/// A section as JSON, if it decodes by itself.
fn try_section(key: &str, node: &Node) -> Result<Json, String> {
    let section = |node| Json::Object(serde_json::Map::from_iter([(key.to_owned(), json(node))]));
    typed::<Config>(section(node)).map(|_| json(node))
}

fn say(node: &Node, trail: &Trail, error: &str, broken: &dyn Fn(&Trail) -> bool, findings: &mut Findings) {
    if !broken(trail) {
        findings.about(Severity::Problem, node, trail, error);
    }
}

/// Decodes, wipes what was decoded from, and keeps of an error only what cannot hold a value.
fn typed<T: DeserializeOwned>(mut json: Json) -> Result<T, String> {
    let result = T::deserialize(&json).map_err(|error| without_values(&error.to_string()));
    wipe(&mut json);
    result
}

/// serde's messages quote values as `string "..."`; a value may be a secret.
fn without_values(message: &str) -> String {
    let mut quoted = message.split('"');
    let mut clean = quoted.next().unwrap_or_default().to_owned();
    while quoted.next().is_some() {
        clean.push_str("(value)");
        clean.push_str(quoted.next().unwrap_or_default());
    }
    clean
}

fn wipe(json: &mut Json) {
    match json {
        Json::String(text) => text.zeroize(),
        Json::Array(items) => items.iter_mut().for_each(wipe),
        Json::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

/// A node as JSON; keys without a value are left out, as if they were not written.
pub(crate) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(yes) => Json::Bool(*yes),
        Value::Number(number, _) => Json::Number(number.clone()),
        Value::Text(text) => Json::String(text.as_str().to_owned()),
        Value::List(items) => Json::Array(items.iter().filter(|node| !node.spoilt).map(json).collect()),
        Value::Map(entries) => {
            let given = entries.iter().filter(|(_, node)| !node.is_null() && !node.spoilt);
            Json::Object(given.map(|(key, node)| (key.text.clone(), json(node))).collect())
        }
    }
}
