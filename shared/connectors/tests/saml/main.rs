//! The SAML connector against a provider that lies on command, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod lying_idp;

mod corpus;
mod health;
mod logged;
mod logout;
mod metadata;
mod requests;
mod responses;
mod unsigned;

use std::sync::Arc;

use lying_idp::{Asked, Idp, Says};
use mangrove_config::Config;
use mangrove_connectors::{Ask, Begin, Blame, Connector, Failure, HttpClient, Identity, Parts, Pending};
use serde_json::{Value, json};

const CONSUMER: &str = "https://node.example/saml/callback";
const ENTITY: &str = "https://node.example";

/// A connector to the provider, with settings changed as a test needs.
fn connector(idp: &Idp, change: impl FnOnce(&mut Value)) -> Arc<Connector> {
    build(idp, change).unwrap()
}

fn build(idp: &Idp, change: impl FnOnce(&mut Value)) -> Result<Arc<Connector>, String> {
    let mut written = json!({
        "type": "saml", "name": "idp", "samlMetadataURL": idp.metadata_url(),
        "samlConsumerServiceURL": CONSUMER, "samlEntityID": ENTITY,
    });
    change(&mut written);
    built(written)
}

fn built(written: Value) -> Result<Arc<Connector>, String> {
    let config = Config { connectors: vec![serde_json::from_value(written).unwrap()], ..Config::default() };
    let parts = Parts { http: HttpClient::new().unwrap(), state_dir: std::env::temp_dir() };
    Connector::build(&config, &parts).map(|mut built| built.remove(0)).map_err(|why| why.to_string())
}

/// A request on its way: as the provider reads it, and what finishing it needs.
async fn begin_with(connector: &Connector, ask: &Ask) -> Result<(Asked, Pending), Failure> {
    Ok(match connector.begin(ask).await? {
        Begin::Redirect { url, pending } => (Asked::in_query(url.query().unwrap()), pending),
        Begin::Post { fields, pending, .. } => {
            let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            (Asked::in_form(&fields), pending)
        }
        Begin::Password { .. } => panic!("a SAML connector asked for a password"),
    })
}

/// A whole login.
async fn login(idp: &Idp, connector: &Connector, ask: &Ask) -> Result<Identity, Failure> {
    let (asked, pending) = begin_with(connector, ask).await?;
    connector.finish(&pending, &idp.signs_in(&asked)).await
}

/// A login whose response says something else than the truth.
async fn says(change: impl Fn(&mut Says) + Send + 'static) -> Result<Identity, Failure> {
    let idp = Idp::start().await;
    idp.lies(|lies| lies.says = Some(Box::new(change)));
    login(&idp, &connector(&idp, |_| ()), &Ask::default()).await
}

/// The response is refused as malformed, forged or replayed, with these words: never a sample, never a way to another member.
#[track_caller]
fn refused(outcome: Result<Identity, Failure>, words: &str) {
    blamed(outcome, Blame::Protocol, words);
}

#[track_caller]
fn blamed(outcome: Result<Identity, Failure>, blame: Blame, words: &str) -> Failure {
    let failure = outcome.expect_err("the response was believed");
    assert_eq!(failure.blame, blame, "{failure}");
    assert!(!failure.no_answer && !failure.keeps_out, "{failure:?}");
    assert!(failure.log.contains(words), "{failure} says nothing of: {words}");
    failure
}
