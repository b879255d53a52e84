//! SimpleSAMLphp as a SAML identity provider, at `https://NAME.mesh.test/saml2/idp/metadata.php`. PHP's own web server serves the
//! distribution's package with a configuration of this file's; it speaks plain HTTP, and its front speaks TLS for it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use url::Url;

use super::super::ca::Authority;
use super::super::configs::{Client, Protocol};
use super::super::idp::Member;
use super::super::mesh::secret;
use super::{Launch, Provider, Site, Software, in_path};
use crate::history::{IdpState, Particular};
use crate::language::{DOMAIN, host};

/// Where the package is.
const PACKAGE: &str = "/usr/share/simplesamlphp/www";
/// The NameID: the person's e-mail address.
const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
/// How requests may come; by itself it takes them by redirect only.
const BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings";
/// Makes the signing key if there is none, and becomes the server. Arguments: its folder, where it listens, the package.
const START: &str = "cd \"$1\"; [ -f state/idp.key ] || openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=idp \
                     -keyout state/idp.key -out state/idp.pem 2>/dev/null; \
                     exec php -d display_errors=0 -d error_reporting='E_ALL & ~E_DEPRECATED' -S \"$2\" -t \"$3\"";

/// The kind `simplesamlphp`.
pub(super) struct Simplesamlphp;

impl Provider for Simplesamlphp {
    fn software(&self) -> Software {
        let version = include_str!("../../../foreign/simplesamlphp/version");
        Software { kind: "simplesamlphp", product: "SimpleSAMLphp", version }
    }

    fn missing(&self) -> Option<String> {
        let package = Path::new(PACKAGE).is_dir().then_some(());
        let gone = || (package.and(in_path("php")).is_none()).then(|| "SimpleSAMLphp and PHP".to_owned());
        self.software().missing().or_else(gone)
    }

    fn urls(&self, name: &str) -> Vec<(Protocol, String)> {
        vec![(Protocol::Saml, entity(name))]
    }

    fn begins(&self, name: &str, client: &Client, application: &str) -> Option<String> {
        let place = format!("https://{}/saml2/idp/SSOService.php", host(name));
        let query = [("spentityid", client.id.as_str()), ("RelayState", application)];
        Url::parse_with_params(&place, query).ok().map(String::from)
    }

    fn particular(&self, client: &Client) -> BTreeSet<Particular> {
        client.certificate.iter().map(|_| Particular::SignedRequests).collect()
    }

    fn speaks_tls(&self) -> bool {
        false
    }

    /// Only who signs the wish for it is heard, and answered.
    fn signs_out(&self, clients: &[Client]) -> bool {
        clients.iter().all(Client::can_sign_out)
    }

    fn config_file(&self) -> &'static str {
        "metadata/saml20-sp-remote.php"
    }

    /// The service providers that it knows.
    fn config(&self, _site: &Site<'_>, clients: &[Client]) -> Result<String, String> {
        let mut php = "<?php\n".to_owned();
        for client in clients.iter().filter(|client| client.protocol == Protocol::Saml) {
            let _ = writeln!(php, "$metadata[{}] = [", quoted(&client.id));
            let _ = writeln!(php, "    'AssertionConsumerService' => {},", list(&client.urls));
            if !client.logout_urls.is_empty() {
                let _ = writeln!(php, "    'SingleLogoutService' => {},", list(&client.logout_urls));
            }
            if let Some(certificate) = &client.certificate {
                let _ = writeln!(php, "    'certificate' => {},", quoted(certificate));
                let _ = writeln!(php, "    'validate.authnrequest' => true,");
                // The other way than where nobody signs a request: the assertion alone, not the response around it. It is not
                // encrypted: for RSA keys this version knows AES in CBC mode only.
                let _ =
                    writeln!(php, "    'saml20.sign.response' => false, 'saml20.sign.assertion' => true,");
            }
            let _ = writeln!(php, "    'NameIDFormat' => '{EMAIL}',\n];");
        }
        Ok(php)
    }

    fn launch(&self, site: &Site<'_>) -> io::Result<Launch> {
        std::fs::create_dir_all(site.home.join("metadata"))?;
        secret(&site.home.join("config.php"), &settings(site))?;
        secret(&site.home.join("authsources.php"), &people(site.members))?;
        secret(&site.home.join("metadata/saml20-idp-hosted.php"), &itself(site))?;
        let (home, address) = (site.home.display().to_string(), site.address.to_string());
        Ok(Launch {
            command: "/bin/sh".into(),
            arguments: ["-ec", START, "simplesamlphp", &home, &address, PACKAGE].map(str::to_owned).to_vec(),
            environment: vec![("SIMPLESAMLPHP_CONFIG_DIR".to_owned(), home.clone())],
            keys: vec![site.home.join("state/idp.key")],
            exchange: Some(exchange),
            ..Launch::default()
        })
    }
}

/// Its own way of rolling a key: the next certificate is published beside the one in use, and later the former one. Which files
/// there are is looked at with each request.
fn exchange(home: &Path, step: IdpState) -> io::Result<bool> {
    let file = |name: &str| home.join("state").join(name);
    match step {
        IdpState::KeysAnnounced => {
            let made = Authority::service_provider("idp").map_err(io::Error::other)?;
            secret(&file("next.key"), &made.key_pem)?;
            secret(&file("next.pem"), &made.certificate_pem)?;
        }
        IdpState::KeysRolled if file("next.pem").exists() => {
            std::fs::copy(file("idp.pem"), file("former.pem"))?;
            std::fs::rename(file("next.key"), file("idp.key"))?;
            std::fs::rename(file("next.pem"), file("idp.pem"))?;
        }
        IdpState::OldKeysGone => std::fs::remove_file(file("former.pem"))
            .map_err(|_| io::Error::other("there are no former ones: announce keys first, then roll them"))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Its name, which is where its metadata are.
fn entity(name: &str) -> String {
    format!("https://{}/saml2/idp/metadata.php", host(name))
}

/// A PHP string.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

fn settings(site: &Site<'_>) -> String {
    let state = site.file("state");
    format!(
        "<?php
$config = [
    'baseurlpath' => 'https://{host}/',
    'certdir' => '{state}/', 'loggingdir' => '{state}/', 'datadir' => '{state}/', 'tempdir' => '{state}/tmp/',
    'metadatadir' => '{metadata}/', 'attributenamemapdir' => '/etc/simplesamlphp/attributemap/',
    'secretsalt' => 'of the lab', 'auth.adminpassword' => 'nobody needs one', 'timezone' => 'UTC',
    'trusted.url.domains' => null,
    'technicalcontact_name' => 'The lab', 'technicalcontact_email' => 'na@{DOMAIN}', 'admin.checkforupdates' => false,
    'errorreporting' => false, 'logging.handler' => 'stderr', 'logging.level' => SimpleSAML\\Logger::NOTICE,
    'enable.saml20-idp' => true,
    'module.enable' => ['core' => true, 'saml' => true, 'exampleauth' => true],
    'session.cookie.secure' => true,
    'session.phpsession.savepath' => '{state}', 'store.type' => 'phpsession',
    'metadata.sources' => [['type' => 'flatfile']], 'authproc.idp' => [], 'language.default' => 'en',
];
",
        host = host(site.name),
        metadata = site.file("metadata"),
    )
}

fn people(members: &[Member]) -> String {
    let mut php = "<?php\n$config = [\n    'admin' => ['core:AdminPassword'],\n".to_owned();
    php.push_str("    'people' => ['exampleauth:UserPass',\n");
    for member in members {
        let email = format!("{}@{DOMAIN}", member.name);
        let (name, full_name) = (member.name.clone(), member.full_name());
        let attributes: [(&str, &str); 6] = [
            ("uid", &name),
            ("mail", &email),
            ("preferred_username", &email),
            ("displayName", &full_name),
            ("group", member.role()),
            ("lab_person", &name),
        ];
        let attributes = attributes.map(|(key, value)| format!("'{key}' => [{}]", quoted(value))).join(", ");
        let login = quoted(&format!("{}:{}", member.username, member.password));
        let _ = writeln!(php, "        {login} => [{attributes}],");
    }
    php.push_str("    ],\n];\n");
    php
}

fn itself(site: &Site<'_>) -> String {
    format!(
        "<?php
$metadata['{entity}'] = [
    'host' => '__DEFAULT__', 'privatekey' => 'idp.key', 'certificate' => 'idp.pem', 'auth' => 'people',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'sign.logout' => true,
    'SingleSignOnServiceBinding' => ['{BINDING}:HTTP-POST', '{BINDING}:HTTP-Redirect'],
    'NameIDFormat' => '{EMAIL}',
    'authproc' => [3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'mail', 'Format' => '{EMAIL}']],
];
foreach (['next.pem', 'former.pem'] as $beside) {{
    if (is_file('{state}/' . $beside)) {{
        $metadata['{entity}']['new_certificate'] = $beside;
    }}
}}
",
        entity = entity(site.name),
        state = site.file("state"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    fn member(name: &str, password: &str) -> Member {
        let (username, hash) = (name.to_owned(), String::new());
        Member { name: name.into(), username, password: password.into(), salt: [0; 16], hash }
    }

    /// A server on loopback.
    struct Server {
        child: Child,
        address: SocketAddr,
    }

    impl Server {
        fn start(launch: &Launch, address: SocketAddr) -> Self {
            let mut command = Command::new(&launch.command);
            command.args(&launch.arguments).envs(launch.environment.clone()).stderr(Stdio::null());
            let child = command.spawn().unwrap();
            Self { child, address }
        }

        /// Asks until it answers: it may not listen yet.
        fn get(&self, path: &str) -> String {
            let until = Instant::now() + Duration::from_secs(20);
            loop {
                let answer = self.ask(path).unwrap_or_default();
                if !answer.is_empty() {
                    return answer;
                }
                assert!(Instant::now() < until, "PHP does not answer: run scripts/foreign simplesamlphp");
                std::thread::sleep(Duration::from_millis(20));
            }
        }

        fn ask(&self, path: &str) -> io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: saml.mesh.test\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn simplesamlphp_answers_with_its_metadata_and_signs_with_another_key_when_its_own_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let people = [member("a-01", "saml-first")];
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let site = Site {
            name: "saml",
            directory: "saml",
            home: folder.path(),
            address,
            authority: Path::new("/lab/ca.pem"),
            members: &people,
        };
        let launch = Simplesamlphp.launch(&site).unwrap();
        let metadata = || Server::start(&launch, address).get("/saml2/idp/metadata.php");
        let certificate = |metadata: &str| {
            let rest = metadata.split("X509Certificate>").nth(1).unwrap_or_else(|| panic!("{metadata}"));
            rest.to_owned()
        };
        let first = metadata();
        assert!(first.contains("entityID=\"https://saml.mesh.test/saml2/idp/metadata.php\""), "{first}");
        assert!(first.contains("HTTP-POST") && first.contains("HTTP-Redirect"), "{first}");
        assert_eq!(certificate(&first), certificate(&metadata()), "a restart changes nothing");
        launch.keys.iter().for_each(|key| std::fs::remove_file(key).unwrap());
        assert_ne!(certificate(&first), certificate(&metadata()));
    }

    #[test]
    fn keys_that_were_announced_are_beside_the_old_ones_before_and_after_they_sign_and_no_restart_is_needed()
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let site = Site {
            name: "saml",
            directory: "saml",
            home: folder.path(),
            address,
            authority: Path::new("/lab/ca.pem"),
            members: &[],
        };
        let launch = Simplesamlphp.launch(&site).unwrap();
        let server = Server::start(&launch, address);
        let published = || {
            let metadata = server.get("/saml2/idp/metadata.php");
            let signing = metadata.split("use=\"signing\"").skip(1);
            let found = signing.filter_map(|rest| rest.split(['<', '>']).find(|text| text.len() > 200));
            found.map(str::to_owned).collect::<Vec<_>>()
        };
        let old = published();
        assert_eq!(old.len(), 1);
        assert!(
            !exchange(folder.path(), IdpState::KeysRolled).unwrap(),
            "nothing was announced: a restart does it"
        );
        let step = |step| assert!(exchange(folder.path(), step).unwrap());
        step(IdpState::KeysAnnounced);
        let [new, signs] = published().try_into().unwrap();
        assert!(signs == old[0] && new != old[0]);
        step(IdpState::KeysRolled);
        assert_eq!(published(), [old[0].clone(), new.clone()], "the one that signs stands last");
        step(IdpState::OldKeysGone);
        assert_eq!(published(), [new]);
        assert!(exchange(folder.path(), IdpState::OldKeysGone).is_err(), "there are none");
    }

    #[test]
    fn each_root_is_a_service_provider_with_its_own_addresses() {
        let client = Client {
            urls: vec!["https://orch.mesh.test/saml/callback".into()],
            logout_urls: vec!["https://orch.mesh.test/saml/logout".into()],
            certificate: Some("/lab/it's.pem".into()),
            ..Client::new(Protocol::Saml, "https://orch.mesh.test", None)
        };
        let other = Client::new(Protocol::Oidc, "orch", Some("secret"));
        let site = Site {
            name: "saml",
            directory: "saml",
            home: Path::new("/lab"),
            address: ([10, 64, 1, 10], 8443).into(),
            authority: Path::new("/lab/ca.pem"),
            members: &[],
        };
        let php = Simplesamlphp.config(&site, &[client, other]).unwrap();
        assert!(php.contains("$metadata['https://orch.mesh.test'] = ["), "{php}");
        assert!(
            php.contains("'AssertionConsumerService' => ['https://orch.mesh.test/saml/callback']"),
            "{php}"
        );
        assert!(
            php.contains("'certificate' => '/lab/it\\'s.pem'") && php.contains("validate.authnrequest"),
            "{php}"
        );
        assert!(php.contains("'saml20.sign.response' => false"), "{php}");
        assert!(!php.contains("'orch'"), "{php}");
        let begins =
            Simplesamlphp.begins("saml", &Client::new(Protocol::Saml, "https://orch.mesh.test", None), "app");
        let there = "https://saml.mesh.test/saml2/idp/SSOService.php?spentityid=https%3A%2F%2Forch.mesh.test&RelayState=app";
        assert_eq!(begins.as_deref(), Some(there));
    }
}
