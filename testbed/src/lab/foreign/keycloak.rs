//! Keycloak with one realm, `mesh`, made from the topology's people: clients by OIDC and by SAML, whichever the nodes are.
//! Runs from a prepared server and database (`testbed/foreign/keycloak/make`), each IdP on a copy of its own, as one process:
//! `kc.sh` would be a shell around it. What the realm is imported from is compared before each start; where it, or the signing
//! key, is another than last time, the database is begun anew. So keys roll and secrets expire by a restart, as elsewhere.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use serde_json::{Value, json};
use url::Url;

use super::super::configs::{Client, Protocol};
use super::super::idp::Member;
use super::super::mesh::secret;
use super::{Launch, Provider, Site, Software, uuid};
use crate::history::{Particular, ROLES};
use crate::language::{DOMAIN, host};

/// The kind `keycloak`.
pub(super) struct Keycloak;

const SOFTWARE: Software = Software {
    kind: "keycloak",
    product: "Keycloak",
    version: include_str!("../../../foreign/keycloak/version"),
};

/// The realm without its keys, below the IdP's folder.
const REALM: &str = "realm.json";
/// The key that signs, made where it is missing.
const KEY: &str = "signing.pem";
/// What is imported: named after the realm, or Keycloak refuses it.
const IMPORT: &str = "data/import/mesh-realm.json";
/// The database; Keycloak adds the ending.
const DATABASE: &str = "state/keycloak";

impl Provider for Keycloak {
    fn software(&self) -> Software {
        SOFTWARE
    }

    fn missing(&self) -> Option<String> {
        let java = |folder: std::path::PathBuf| folder.join("java").exists();
        let gone = || SOFTWARE.made().is_some_and(|folder| !java(folder));
        SOFTWARE.missing().or_else(|| gone().then(|| "the Java that Keycloak was prepared with".to_owned()))
    }

    fn urls(&self, name: &str) -> Vec<(Protocol, String)> {
        let realm = format!("https://{}/realms/mesh", host(name));
        vec![
            (Protocol::Oidc, format!("{realm}/.well-known/openid-configuration")),
            (Protocol::Saml, format!("{realm}/protocol/saml/descriptor")),
        ]
    }

    fn begins(&self, name: &str, client: &Client, application: &str) -> Option<String> {
        let place =
            format!("https://{}/realms/mesh/protocol/saml/clients/{}", host(name), initiated(&client.id));
        Url::parse_with_params(&place, [("RelayState", application)]).ok().map(String::from)
    }

    fn particular(&self, client: &Client) -> BTreeSet<Particular> {
        let signed = client.certificate.is_some().then_some(Particular::SignedRequests);
        let encrypted = client.decrypts.then_some(Particular::EncryptedAssertions);
        signed.into_iter().chain(encrypted).collect()
    }

    /// By SAML for those only who can ask it to.
    fn signs_out(&self, clients: &[Client]) -> bool {
        clients.iter().filter(|client| client.protocol == Protocol::Saml).all(Client::can_sign_out)
    }

    fn config_file(&self) -> &'static str {
        REALM
    }

    fn config(&self, site: &Site<'_>, clients: &[Client]) -> Result<String, String> {
        let clients: Result<Vec<_>, _> = clients.iter().filter_map(client).collect();
        let users = site.members.iter().enumerate().map(|(number, member)| user(site.name, number, member));
        let realm = json!({
            "realm": "mesh",
            "enabled": true,
            "loginWithEmailAllowed": true,
            // The cheapest there is: the lab's passwords protect nothing, and its CPU is for the mesh.
            "passwordPolicy": "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
            "roles": { "realm": ROLES.map(|name| json!({ "name": name })) },
            "users": users.collect::<Vec<_>>(),
            "clients": clients?,
            "components": { "org.keycloak.userprofile.UserProfileProvider": [{
                "providerId": "declarative-user-profile",
                "config": { "kc.user.profile.config": [profile().to_string()] },
            }] },
        });
        Ok(format!("{realm:#}"))
    }

    fn launch(&self, site: &Site<'_>) -> io::Result<Launch> {
        let made = SOFTWARE.made().unwrap_or_default();
        let there = |name: &str| made.join(name).display().to_string();
        for folder in ["data/import", "tmp"] {
            std::fs::create_dir_all(site.home.join(folder))?;
        }
        for part in ["lib", "conf", "providers", "themes"] {
            std::os::unix::fs::symlink(made.join("keycloak").join(part), site.home.join(part))?;
        }
        let database = "NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE";
        let archive = Some(there("classes.jsa")).filter(|file| Path::new(file).exists());
        let java = [format!("@{}", there("java.options"))];
        let java = java.into_iter().chain(archive.map(|file| format!("-XX:SharedArchiveFile={file}")));
        let server = [
            format!("-Djava.io.tmpdir={}", site.file("tmp")),
            format!("-Dkc.home.dir={}", site.home.display()),
            format!("-Djboss.server.config.dir={}", site.file("conf")),
            "-cp".to_owned(),
            there("keycloak/lib/quarkus-run.jar"),
            "io.quarkus.bootstrap.runner.QuarkusEntryPoint".to_owned(),
            "start".to_owned(),
            "--optimized".to_owned(),
            "--import-realm".to_owned(),
            "--cache=local".to_owned(),
            format!("--db-url=jdbc:h2:file:{};{database}", site.file(DATABASE)),
            format!("--hostname=https://{}", host(site.name)),
            format!("--http-host={}", site.address.ip()),
            format!("--https-port={}", site.address.port()),
            format!("--https-certificate-file={}", site.file("cert.pem")),
            format!("--https-certificate-key-file={}", site.file("key.pem")),
        ];
        Ok(Launch {
            command: made.join("java"),
            arguments: java.chain(server).collect(),
            before: Some(before),
            keys: vec![site.home.join(KEY)],
            ready: Some("/realms/mesh/.well-known/openid-configuration".to_owned()),
            ..Launch::default()
        })
    }
}

/// Copies the prepared database where a new one is to begin.
fn before(home: &Path) -> io::Result<()> {
    begin(home, &SOFTWARE.made().unwrap_or_default().join("database.mv.db"))
}

/// The realm that is to be imported is the one that was, or the database is a new one, a copy of `template`.
fn begin(home: &Path, template: &Path) -> io::Result<()> {
    let key = home.join(KEY);
    if !key.exists() {
        secret(&key, &new_key()?)?;
    }
    let mut realm: Value = serde_json::from_slice(&std::fs::read(home.join(REALM))?)?;
    realm["components"]["org.keycloak.keys.KeyProvider"] = keys(&std::fs::read_to_string(&key)?);
    let (realm, import) = (realm.to_string(), home.join(IMPORT));
    let database = home.join(format!("{DATABASE}.mv.db"));
    if database.exists() && std::fs::read_to_string(&import).is_ok_and(|last| last == realm) {
        return Ok(());
    }
    secret(&import, &realm)?;
    std::fs::copy(template, database).map(drop)
}

/// An RSA key, PEM. Keycloak would take seconds for one, compiled as little as it is here.
fn new_key() -> io::Result<String> {
    use base64::Engine as _;
    let failed = |_| io::Error::other("no RSA key could be made");
    let der = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?.as_der().map_err(failed)?;
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
}

fn keys(signing: &str) -> Value {
    let provider = |name: &str, config: Value| json!({ "name": name, "providerId": name, "config": config });
    json!([
        provider("rsa", json!({ "privateKey": [signing], "priority": ["100"], "algorithm": ["RS256"] })),
        provider("hmac-generated", json!({ "priority": ["100"], "algorithm": ["HS512"] })),
        provider("aes-generated", json!({ "priority": ["100"] })),
    ])
}

/// What a user has: Keycloak's own four, and whatever else an operator gives.
fn profile() -> Value {
    let own = ["username", "email", "firstName", "lastName"].map(|name| json!({ "name": name }));
    json!({ "attributes": own, "unmanagedAttributePolicy": "ENABLED" })
}

fn user(idp: &str, number: usize, member: &Member) -> Value {
    let (name, role) = (member.full_name(), member.role());
    json!({
        // The subject: another one at each IdP, and the same after the keys of this one were rolled.
        "id": uuid(idp, number),
        "username": member.name,
        "enabled": true,
        "email": format!("{}@{DOMAIN}", member.name),
        "emailVerified": true,
        "firstName": member.name,
        "lastName": "of the lab",
        "attributes": { "lab_person": [member.name], "displayName": [name], "role": [role] },
        "realmRoles": [role],
        "credentials": [{ "type": "password", "value": member.password }],
    })
}

/// A client of the realm; none where it asks by a protocol that Keycloak does not speak.
fn client(client: &Client) -> Option<Result<Value, String>> {
    match client.protocol {
        Protocol::Oidc => Some(Ok(oidc_client(client))),
        Protocol::Saml => Some(saml_client(client)),
        Protocol::Ldap => None,
    }
}

fn oidc_client(client: &Client) -> Value {
    let mapper = |kind: &str, name: &str, config: Value| {
        let mut config = config;
        for token in ["id.token.claim", "access.token.claim", "userinfo.token.claim"] {
            config[token] = json!("true");
        }
        (config["claim.name"], config["jsonType.label"]) = (json!(name), json!("String"));
        json!({ "name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config })
    };
    let attribute =
        |name: &str| mapper("oidc-usermodel-attribute-mapper", name, json!({ "user.attribute": name }));
    let roles = json!({ "multivalued": "true" });
    let mut made = json!({
        "clientId": client.id,
        "protocol": "openid-connect",
        "enabled": true,
        "publicClient": client.secret.is_none(),
        "standardFlowEnabled": true,
        "redirectUris": client.urls,
        "attributes": { "pkce.code.challenge.method": "S256", "post.logout.redirect.uris": client.logout_urls.join("##") },
        "protocolMappers": [
            attribute("lab_person"),
            attribute("role"),
            mapper("oidc-usermodel-realm-role-mapper", "realm_access.roles", roles),
        ],
    });
    if let Some(secret) = &client.secret {
        made["secret"] = json!(secret);
    }
    made
}

/// What a service provider is called in the address at which a login begins here.
fn initiated(entity_id: &str) -> String {
    entity_id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn saml_client(client: &Client) -> Result<Value, String> {
    let mapper = |kind: &str, name: &str, user: &str| {
        let config =
            json!({ "user.attribute": user, "attribute.name": name, "attribute.nameformat": "Basic" });
        json!({ "name": name, "protocol": "saml", "protocolMapper": kind, "config": config })
    };
    let attribute = |name: &str| mapper("saml-user-attribute-mapper", name, name);
    let mut attributes = json!({
        // What is encrypted is signed with the whole response alone, as is Keycloak's default; else both are.
        "saml.assertion.signature": (!client.decrypts).to_string(),
        "saml.server.signature": "true",
        "saml.signature.algorithm": "RSA_SHA256",
        "saml.client.signature": client.certificate.is_some().to_string(),
        "saml.force.post.binding": "true",
        "saml.authnstatement": "true",
        "saml.encrypt": client.decrypts.to_string(),
        "saml_name_id_format": "email",
        "saml_assertion_consumer_url_post": client.urls.first(),
        "saml_idp_initiated_sso_url_name": initiated(&client.id),
    });
    if let Some(url) = client.logout_urls.first() {
        attributes["saml_single_logout_service_url_post"] = json!(url);
        attributes["saml_single_logout_service_url_redirect"] = json!(url);
    }
    if let Some(file) = &client.certificate {
        let pem = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        attributes["saml.signing.certificate"] = json!(text);
        if client.decrypts {
            // By what: AES-256-GCM and RSA-OAEP, as this version does unless told otherwise.
            attributes["saml.encryption.certificate"] = json!(text);
        }
    }
    Ok(json!({
        "clientId": client.id,
        "protocol": "saml",
        "enabled": true,
        "frontchannelLogout": true,
        "redirectUris": client.urls,
        "attributes": attributes,
        "protocolMappers": [
            mapper("saml-user-property-mapper", "email", "email"),
            attribute("displayName"),
            attribute("role"),
            attribute("lab_person"),
        ],
    }))
}

#[cfg(test)]
mod tests;
