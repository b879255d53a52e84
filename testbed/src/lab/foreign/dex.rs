//! Dex with its password database, at `https://NAME.mesh.test/dex`. It has its keys in memory: a restart rolls them.

use serde_json::{Value, json};

use super::super::configs::{Client, Protocol};
use super::super::idp::Member;
use super::{Launch, Provider, Site, Software};
use crate::language::{DOMAIN, host};

/// The least that Dex takes; a hash costs some 50 ms, as does each sign-in at Dex.
const COST: u32 = 10;

/// The kind `dex`.
pub(super) struct Dex;

impl Provider for Dex {
    fn software(&self) -> Software {
        Software { kind: "dex", product: "Dex", version: include_str!("../../../foreign/dex/version") }
    }

    fn urls(&self, name: &str) -> Vec<(Protocol, String)> {
        vec![(Protocol::Oidc, format!("{}/.well-known/openid-configuration", issuer(name)))]
    }

    /// It has no logout.
    fn signs_out(&self, _clients: &[Client]) -> bool {
        false
    }

    fn by_email(&self) -> bool {
        true
    }

    /// Its `preferred_username` carries who somebody really is: Dex's own users have no attributes of one's choosing.
    fn config(&self, site: &Site<'_>, clients: &[Client]) -> Result<String, String> {
        let users: Result<Vec<_>, _> =
            site.members.iter().enumerate().map(|(number, member)| user(site.name, number, member)).collect();
        let clients = clients.iter().filter(|client| client.protocol == Protocol::Oidc);
        let config = json!({
            "issuer": issuer(site.name),
            "storage": { "type": "memory" },
            "web": {
                "https": site.address.to_string(),
                "tlsCert": site.file("cert.pem"),
                "tlsKey": site.file("key.pem"),
            },
            "oauth2": { "skipApprovalScreen": true },
            "logger": { "level": "info", "format": "json" },
            "enablePasswordDB": true,
            "staticClients": clients.map(client).collect::<Vec<_>>(),
            "staticPasswords": users?,
        });
        Ok(format!("{config:#}"))
    }

    fn launch(&self, site: &Site<'_>) -> std::io::Result<Launch> {
        let command = self.software().made().unwrap_or_default().join("dex");
        let arguments = vec!["serve".to_owned(), site.file(self.config_file())];
        Ok(Launch { command, arguments, ..Launch::default() })
    }
}

/// Below a path, as Dex usually is.
fn issuer(name: &str) -> String {
    format!("https://{}/dex", host(name))
}

fn client(client: &Client) -> Value {
    let mut made = json!({ "id": client.id, "name": client.id, "redirectURIs": client.urls });
    match &client.secret {
        Some(secret) => made["secret"] = json!(secret),
        None => made["public"] = json!(true),
    }
    made
}

fn user(idp: &str, number: usize, member: &Member) -> Result<Value, String> {
    let hash =
        bcrypt::hash_with_salt(&member.password, COST, member.salt).map_err(|error| error.to_string())?;
    Ok(json!({
        "email": format!("{}@{DOMAIN}", member.name),
        "username": member.name,
        "preferredUsername": member.name,
        "name": member.full_name(),
        "groups": [member.role()],
        "userID": format!("{idp}-{number:04}"),
        "hash": hash.format_for_version(bcrypt::Version::TwoB),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn member(name: &str, password: &str, salt: u8) -> Member {
        let (username, hash) = (format!("{name}@{DOMAIN}"), String::new());
        Member { name: name.into(), username, password: password.into(), salt: [salt; 16], hash }
    }

    #[test]
    fn dex_knows_each_person_by_a_password_of_their_own() {
        let members = [member("a-01", "first", 1), member("a-02", "second", 2)];
        let site = Site {
            name: "corp",
            directory: "corp",
            home: Path::new("/lab"),
            address: ([10, 64, 1, 10], 443).into(),
            authority: Path::new("/lab/ca.pem"),
            members: &members,
        };
        let config: Value = serde_json::from_str(&Dex.config(&site, &[]).unwrap()).unwrap();
        let user = |index: usize, field: &str| config["staticPasswords"][index][field].as_str().unwrap();
        for (index, own, other) in [(0, "first", "second"), (1, "second", "first")] {
            let hash = user(index, "hash");
            assert!(hash.starts_with("$2b$10$"), "dex refuses less than cost 10: {hash}");
            assert!(bcrypt::verify(own, hash).unwrap() && !bcrypt::verify(other, hash).unwrap());
            assert_eq!(user(index, "email"), members[index].username, "what is typed");
            assert_eq!(user(index, "preferredUsername"), members[index].name, "who it really is");
        }
        assert_ne!(user(0, "userID"), user(1, "userID"));
    }

    #[test]
    fn dex_has_the_roots_as_clients_with_their_exact_redirect_urls() {
        let with = |secret: Option<&str>| Client {
            urls: vec!["https://root-dc1.mesh.test/oidc/corp".into()],
            ..Client::new(Protocol::Oidc, "root-dc1", secret)
        };
        let made = client(&with(Some("s3cret")));
        assert_eq!(made["redirectURIs"], json!(["https://root-dc1.mesh.test/oidc/corp"]));
        assert_eq!((&made["secret"], made.get("public")), (&json!("s3cret"), None));
        let open = client(&with(None));
        assert_eq!((open.get("secret"), &open["public"]), (None, &json!(true)));
    }
}
