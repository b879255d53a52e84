//! Identity providers that the lab makes: a `mangrove-root` with the local connector, its users file from the topology's
//! people. Each IdP knows everybody under a subject of its own, as foreign IdPs do, and carries the hidden attribute.

use std::path::Path;

use argon2::password_hash::{PasswordHasher, phc::Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::{Value, json};

use super::configs::Client;
use super::foreign::{self, Provider};
use crate::history::role_of;
use crate::language::{DOMAIN, Idp, host};

/// Somebody who signs in. Everybody has a password for each directory, and no two of them are the same: who sends one to another
/// directory is refused there.
#[derive(Debug, Clone)]
pub struct Somebody {
    /// Unique in the run, and the hidden attribute's value.
    pub name: String,
    /// What the passwords are made of.
    pub secret: String,
    /// Salt of their hashes.
    pub salt: [u8; 16],
}

impl Somebody {
    /// As this IdP knows them.
    ///
    /// # Errors
    /// When the password cannot be hashed.
    pub fn at(&self, idp: &Idp) -> Result<Member, String> {
        let by_email = foreign::provider(idp.kind).is_some_and(Provider::by_email);
        let username = if by_email { format!("{}@{DOMAIN}", self.name) } else { self.name.clone() };
        let password = format!("{}-{}", idp.directory(), self.secret);
        let hash = hash(&password, &self.salt)?;
        Ok(Member { name: self.name.clone(), username, password, salt: self.salt, hash })
    }
}

/// Somebody as one IdP knows them.
#[derive(Debug, Clone)]
pub struct Member {
    /// Unique in the run, and the hidden attribute's value.
    pub name: String,
    /// Typed by the person: the name, or the e-mail address where an IdP wants that.
    pub username: String,
    /// Typed by the person.
    pub password: String,
    /// Salt of its hashes.
    pub salt: [u8; 16],
    /// Its hash in PHC form.
    pub hash: String,
}

impl Member {
    /// The same at every IdP.
    pub fn role(&self) -> &'static str {
        role_of(&self.name)
    }

    /// The same at every IdP.
    pub fn full_name(&self) -> String {
        format!("{} of the lab", self.name)
    }
}

/// The cheapest argon2id there is: the lab's passwords protect nothing, and its CPU is for the mesh.
pub fn hash(password: &str, salt: &[u8; 16]) -> Result<String, String> {
    let params = Params::new(8, 1, 1, None).map_err(|error| error.to_string())?;
    let salt = Salt::new(salt).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2
        .hash_password_with_salt(password.as_bytes(), salt.as_ref())
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// The users file of the IdP `name`.
pub fn users(name: &str, members: &[Member]) -> Value {
    let user = |(number, member): (usize, &Member)| {
        json!({
            "username": member.username,
            "passwordHash": member.hash,
            "attributes": {
                "sub": format!("{name}-{number:04}"),
                "name": member.full_name(),
                "role": member.role(),
                "email": format!("{}@{DOMAIN}", member.name),
                "email_verified": true,
                "lab_person": member.name,
            },
        })
    };
    json!({ "users": members.iter().enumerate().map(user).collect::<Vec<_>>() })
}

/// The configuration of the IdP `name`; JSON is YAML.
pub fn config(name: &str, clients: &[Client], files: &Path) -> Value {
    let file = |name: &str| files.join(name).display().to_string();
    let app = |client: &Client| {
        let mut app = json!({
            "name": client.id,
            "type": "oidc",
            "clientID": client.id,
            "redirectURLs": client.urls,
            "postLogoutRedirectURLs": client.logout_urls,
            "authentication": { "idps": ["people"] },
            "claimsMapping": {
                "email": "people.email",
                "email_verified": "people.email_verified",
                "name": "people.name",
                "role": "people.role",
                "lab_person": "people.lab_person",
            },
        });
        match &client.secret {
            Some(secret) => app["clientSecret"] = json!(secret),
            None => app["public"] = json!(true),
        }
        app
    };
    json!({
        "http": { "address": "{{ env.NODE_ADDRESS }}", "tls": "server", "publicURL": format!("https://{}", host(name)) },
        "tls": { "server": { "certFile": file("cert.pem"), "keyFile": file("key.pem") } },
        "state": { "directory": file("state") },
        "logger": { "jsonOutput": true },
        "connectors": [{ "name": "people", "type": "local", "usersFile": file("users.yaml"), "title": format!("the {name} account") }],
        "oidcProvider": { "discovery": { "issuer": format!("https://{}", host(name)) } },
        "apps": clients.iter().map(app).collect::<Vec<_>>(),
    })
}
