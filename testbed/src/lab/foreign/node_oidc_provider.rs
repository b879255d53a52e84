//! A server on npm's `oidc-provider`, with a sign-in page of our own (the library has none). Profile and e-mail are only at its
//! userinfo endpoint, as the standard has it for the code flow.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::configs::{Client, Protocol};
use super::{Launch, Provider, Site, Software, in_path, node_missing};
use crate::language::{DOMAIN, host};

/// The server.
const SCRIPT: &str = include_str!("../../../foreign/node-oidc-provider/provider.mjs");
/// Its signing key, in its state directory; it makes another where this is gone.
const KEYS: &str = "state/keys.json";

/// The kind `node-oidc-provider`.
pub(super) struct NodeOidcProvider;

impl Provider for NodeOidcProvider {
    fn software(&self) -> Software {
        Software {
            kind: "node-oidc-provider",
            product: "node oidc-provider",
            version: include_str!("../../../foreign/node-oidc-provider/version"),
        }
    }

    fn missing(&self) -> Option<String> {
        self.software().missing().or_else(node_missing)
    }

    fn urls(&self, name: &str) -> Vec<(Protocol, String)> {
        vec![(Protocol::Oidc, format!("https://{}/.well-known/openid-configuration", host(name)))]
    }

    fn config_file(&self) -> &'static str {
        "config.json"
    }

    fn config(&self, site: &Site<'_>, clients: &[Client]) -> Result<String, String> {
        let clients = clients.iter().filter(|client| client.protocol == Protocol::Oidc);
        let clients = clients
            .map(|client| {
                let mut written = json!({
                    "id": client.id,
                    "secret": client.secret,
                    "urls": client.urls,
                    "signedOut": client.logout_urls,
                });
                if let Some(keys) = &client.keys {
                    written["jwks"] = keys.clone();
                }
                written
            })
            .collect::<Vec<_>>();
        let users: BTreeMap<_, Value> = site
            .members
            .iter()
            .enumerate()
            .map(|(number, member)| {
                let claims = json!({
                    "sub": format!("{}-{number:04}", site.name),
                    "name": member.full_name(),
                    "preferred_username": member.name,
                    "email": format!("{}@{DOMAIN}", member.name),
                    "email_verified": true,
                    "role": member.role(),
                    "lab_person": member.name,
                });
                (&member.username, json!({ "password": member.password, "claims": claims }))
            })
            .collect();
        let config = json!({
            "issuer": format!("https://{}", host(site.name)),
            "host": site.address.ip(),
            "port": site.address.port(),
            "cert": site.file("cert.pem"),
            "key": site.file("key.pem"),
            "keys": site.file(KEYS),
            "clients": clients,
            "users": users,
        });
        Ok(format!("{config:#}"))
    }

    fn launch(&self, site: &Site<'_>) -> std::io::Result<Launch> {
        let script = site.home.join("provider.mjs");
        std::fs::write(&script, SCRIPT)?;
        let modules = self.software().made().unwrap_or_default().display().to_string();
        Ok(Launch {
            command: in_path("node").unwrap_or_default(),
            arguments: vec![script.display().to_string(), site.file(self.config_file())],
            environment: vec![("MODULES".to_owned(), modules)],
            keys: vec![site.home.join(KEYS)],
            ..Launch::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::idp::Member;
    use super::*;

    #[test]
    fn people_sign_in_by_name_and_the_roots_are_its_clients() {
        let member = Member {
            name: "a-01".into(),
            username: "a-01".into(),
            password: "first".into(),
            salt: [0; 16],
            hash: String::new(),
        };
        let site = Site {
            name: "spare",
            directory: "spare",
            home: Path::new("/lab"),
            address: ([10, 64, 1, 10], 443).into(),
            authority: Path::new("/lab/ca.pem"),
            members: &[member],
        };
        let url = "https://root.mesh.test/oidc/spare".to_owned();
        let out = "https://root.mesh.test/login/signed-out".to_owned();
        let (urls, logout_urls) = (vec![url.clone()], vec![out.clone()]);
        let root = Client { urls, logout_urls, ..Client::new(Protocol::Oidc, "root", Some("s3cret")) };
        let config = NodeOidcProvider.config(&site, &[root]).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["users"]["a-01"]["password"], "first");
        assert_eq!(config["users"]["a-01"]["claims"]["lab_person"], "a-01");
        assert_eq!(
            config["clients"],
            json!([{ "id": "root", "secret": "s3cret", "urls": [url], "signedOut": [out] }])
        );
        assert_eq!(
            (&config["host"], &config["port"], &config["keys"]),
            (&json!("10.64.1.10"), &json!(443), &json!("/lab/state/keys.json"))
        );
    }
}
