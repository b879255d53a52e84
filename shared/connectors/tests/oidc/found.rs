//! Roots that DNS named: asked, and nobody is sent there before they have proved themselves.

use std::sync::Arc;

use mangrove_config::Config;
use mangrove_connectors::{Connector, Finder, Host, HttpClient, Parts, ProbeResult};
use mangrove_keys::{Algorithm, KeyRing};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lying_idp::{CLIENT, Idp};
use crate::{login, tls};

/// An edge with one listed root, whose settings found roots take, and with `ca.pem` in the folder as the mesh's authority.
struct Edge {
    dir: TempDir,
    ring: KeyRing,
}

impl Edge {
    fn trusting(dir: TempDir) -> Self {
        let ring = KeyRing::client_kept(dir.path(), Algorithm::Es256).unwrap();
        Self { dir, ring }
    }

    fn finder(&self, change: impl FnOnce(&mut Value)) -> Result<Finder, String> {
        let mut config = json!({
            "tls": { "mesh": { "caFile": self.dir.path().join("ca.pem") } },
            "connectors": [
                {
                    "type": "oidc", "name": "root-dc1", "root": true, "oauthClientID": CLIENT, "tls": "mesh",
                    "oauthClientAuth": { "method": "private_key_jwt" },
                    "oidcWellKnownURL": "https://root-dc1.example.com/.well-known/openid-configuration",
                    "oauthRedirectURL": "https://edge.example/oidc/callback",
                },
                {
                    "type": "continuity", "name": "roots", "failover": { "idps": ["root-dc1"] },
                    "discovery": { "srv": "_mangrove-root._tcp.example.com", "suffix": "example.com", "like": "root-dc1" },
                },
            ],
        });
        change(&mut config);
        let config: Config = serde_json::from_value(config).unwrap();
        let parts = Parts { http: HttpClient::new().unwrap(), state_dir: self.dir.path().to_owned() };
        let mut built = Finder::build(&config, &parts, "this-node").map_err(|why| why.to_string())?;
        assert_eq!(built.len(), 1);
        Ok(built.remove(0))
    }

    /// The connector of a provider that DNS named.
    fn found(&self, idp: &Idp) -> Arc<Connector> {
        let port = idp.issuer.rsplit(':').next().unwrap().parse().unwrap();
        self.finder(|_| ()).unwrap().connector(&Host { name: "localhost".into(), port }).unwrap()
    }

    fn is_known_at(&self, idp: &Idp) {
        knows(idp, &self.ring);
    }
}

fn knows(idp: &Idp, ring: &KeyRing) {
    let (keys, audience) = (ring.jwks().clone(), idp.issuer.clone());
    idp.lies(|lies| lies.client_keys = Some((keys, audience)));
}

fn is_nobodys_choice(connector: &Connector) {
    assert!(!connector.is_proven());
    assert!(connector.able().unwrap_err().contains("DNS named it"));
}

#[tokio::test]
async fn a_root_that_shows_its_certificate_and_knows_this_nodes_key_can_be_asked() {
    let (idp, dir) = tls::provider("localhost").await;
    let edge = Edge::trusting(dir);
    edge.is_known_at(&idp);
    let root = edge.found(&idp);
    is_nobodys_choice(&root);
    assert_eq!((root.like(), root.found_by()), ("root-dc1", Some("_mangrove-root._tcp.example.com")));
    assert!(root.name().starts_with("localhost_") && root.is_root() && root.health_policy().probed);
    let seen = root.probe().await;
    assert!(matches!(seen, ProbeResult::Answered { knows_this_node: true, .. }), "{seen:?}");
    assert_eq!(root.able(), Ok(()));
    let identity = login(&idp, &root).await.unwrap();
    assert_eq!(identity.connector, root.name());
}

#[tokio::test]
async fn somebody_with_a_certificate_of_another_authority_is_no_root() {
    let (idp, _) = tls::provider("localhost").await;
    let (_other, dir) = tls::provider("localhost").await;
    let edge = Edge::trusting(dir);
    edge.is_known_at(&idp);
    let root = edge.found(&idp);
    let seen = root.probe().await;
    assert!(matches!(&seen, ProbeResult::Failed { why, .. } if why.contains("TLS")), "{seen:?}");
    is_nobodys_choice(&root);
    assert_eq!(idp.hits("/token"), 0);
}

#[tokio::test]
async fn somebody_with_the_right_certificate_who_does_not_know_this_node_is_no_root() {
    let (idp, dir) = tls::provider("localhost").await;
    let edge = Edge::trusting(dir);
    let stranger = tempfile::tempdir().unwrap();
    knows(&idp, &KeyRing::client_kept(stranger.path(), Algorithm::Es256).unwrap());
    let root = edge.found(&idp);
    let seen = root.probe().await;
    assert!(matches!(seen, ProbeResult::Misconfigured { .. }), "{seen:?}");
    is_nobodys_choice(&root);
    for (status, body) in [(200, "{}"), (400, r#"{"error":"invalid_request"}"#), (500, ""), (302, "")] {
        idp.lies(|lies| drop(lies.instead.insert("/token", (status, "https://localhost/", body.to_owned()))));
        root.probe().await;
        is_nobodys_choice(&root);
    }
}

#[tokio::test]
async fn somebody_elses_metadata_proves_nothing() {
    let (idp, dir) = tls::provider("localhost").await;
    let edge = Edge::trusting(dir);
    edge.is_known_at(&idp);
    idp.lies(|lies| {
        lies.discovery =
            Some(Box::new(|document| document["issuer"] = "https://root-dc1.example.com".into()));
    });
    let root = edge.found(&idp);
    assert!(matches!(root.probe().await, ProbeResult::Failed { .. }));
    is_nobodys_choice(&root);
    assert_eq!(idp.hits("/token"), 0, "and learns no proof");
}

#[tokio::test]
async fn a_pattern_without_proof_does_not_start() {
    let (_idp, dir) = tls::provider("localhost").await;
    let edge = Edge::trusting(dir);
    let said = |change: &dyn Fn(&mut Value)| edge.finder(change).unwrap_err();
    let secret = said(&|config| {
        config["connectors"][0].as_object_mut().unwrap().remove("oauthClientAuth");
        config["connectors"][0]["oauthClientSecret"] = "shared".into();
    });
    assert!(secret.contains("roots") && secret.contains("oauthClientAuth"), "{secret}");
    assert!(
        said(&|config| drop(config["connectors"][0].as_object_mut().unwrap().remove("tls")))
            .contains("caFile")
    );
    assert!(
        said(&|config| config["connectors"][1]["discovery"]["like"] = "absent".into()).contains("absent")
    );
    let taken = edge.finder(|config| config["connectors"][0]["name"] = "root-dc1".into()).unwrap();
    assert!(
        taken
            .connector(&Host { name: "root-dc1".into(), port: 443 })
            .unwrap_err()
            .to_string()
            .contains("has the name")
    );
}
