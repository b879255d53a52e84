//! The OpenID connector against a provider that lies on command, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod lying_idp;

mod channels;
mod found;
mod key;
mod outages;
mod tls;
mod tokens;
mod word;

use std::sync::Arc;

use lying_idp::{CLIENT, Idp, SECRET};
use mangrove_config::Config;
use mangrove_connectors::{Ask, Begin, Connector, Failure, HttpClient, Identity, Parts, Pending};
use serde_json::{Value, json};
use url::Url;

/// A connector to the provider, with settings changed as a test needs.
fn connector(idp: &Idp, change: impl FnOnce(&mut Value)) -> Arc<Connector> {
    build(idp, change).unwrap()
}

fn build(idp: &Idp, change: impl FnOnce(&mut Value)) -> Result<Arc<Connector>, String> {
    let mut written = json!({
        "type": "oidc", "name": "idp", "oauthClientID": CLIENT, "oauthClientSecret": SECRET,
        "oidcWellKnownURL": format!("{}/.well-known/openid-configuration", idp.issuer),
        "oauthRedirectURL": "https://node.example/oidc/callback", "scopes": "openid profile",
    });
    change(&mut written);
    let tls = written.as_object_mut().unwrap().remove("profile").unwrap_or(json!({}));
    let config = Config {
        connectors: vec![serde_json::from_value(written).unwrap()],
        tls: serde_json::from_value(tls).unwrap(),
        ..Config::default()
    };
    let parts = Parts { http: HttpClient::new().unwrap(), state_dir: std::env::temp_dir() };
    Connector::build(&config, &parts).map(|mut built| built.remove(0)).map_err(|why| why.to_string())
}

async fn begin(connector: &Connector) -> (Url, Pending) {
    begin_with(connector, &Ask::default()).await
}

async fn begin_with(connector: &Connector, ask: &Ask) -> (Url, Pending) {
    match connector.begin(ask).await.unwrap() {
        Begin::Redirect { url, pending } => (url, pending),
        begun => panic!("an OpenID connector wanted something else: {begun:?}"),
    }
}

/// A whole login.
async fn login(idp: &Idp, connector: &Connector) -> Result<Identity, Failure> {
    let (url, pending) = begin(connector).await;
    connector.finish(&pending, &idp.signs_in(&url)).await
}

/// A login whose ID token was changed before it was signed.
async fn with_claims(change: impl Fn(&mut Value) + Send + 'static) -> Result<Identity, Failure> {
    let idp = Idp::start().await;
    idp.lies(|lies| lies.claims = Some(Box::new(change)));
    login(&idp, &connector(&idp, |_| ())).await
}

/// A login whose ID token was changed after it was signed.
async fn forged(forge: impl Fn(String) -> String + Send + 'static) -> Result<Identity, Failure> {
    let idp = Idp::start().await;
    idp.lies(|lies| lies.forge = Some(Box::new(forge)));
    login(&idp, &connector(&idp, |_| ())).await
}
