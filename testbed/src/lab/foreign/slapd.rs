//! OpenLDAP's slapd: a directory with the topology's people under `ou=people`, their groups with `memberOf`, and a service account
//! for each `bindDN` by which a node asks it. Passwords travel by LDAPS or StartTLS or not at all.
//!
//! Its data are a file, loaded into an empty database before each start. So a server that died and comes back is the same
//! directory, several servers of one directory hold the same, and whoever changes a service account's password changes the file.

use std::fmt::Write as _;
use std::io;

use mangrove_config::Connector;

use super::super::configs::{Client, Protocol};
use super::super::idp::Member;
use super::super::mesh::secret;
use super::{Launch, Provider, Site, Software, uuid};
use crate::history::ROLES;
use crate::language::{DOMAIN, host};

/// The program.
const PROGRAM: &str = "/usr/sbin/slapd";
/// The directory's root.
const SUFFIX: &str = "dc=mesh,dc=test";
/// Where service accounts are.
const SERVICES: &str = "ou=services,dc=mesh,dc=test";
/// Port of LDAPS; StartTLS is at 389.
const LDAPS: u16 = 636;
const LDAP: u16 = 389;

/// Loads the data and becomes the server. Arguments: its folder, where it listens.
const START: &str = "cd \"$1\"; rm -rf state/db; mkdir -p state/db; slapadd -q -f slapd.conf -l directory.ldif; \
                     exec slapd -d stats -f slapd.conf -h \"$2\"";

/// The kind `slapd`.
pub(super) struct Slapd;

impl Provider for Slapd {
    fn software(&self) -> Software {
        Software {
            kind: "slapd",
            product: "OpenLDAP",
            version: include_str!("../../../foreign/slapd/version"),
        }
    }

    fn missing(&self) -> Option<String> {
        let gone = || (!std::path::Path::new(PROGRAM).is_file()).then(|| format!("OpenLDAP ({PROGRAM})"));
        self.software().missing().or_else(gone)
    }

    fn urls(&self, name: &str) -> Vec<(Protocol, String)> {
        ["ldaps", "ldap"].map(|scheme| (Protocol::Ldap, format!("{scheme}://{}", host(name)))).to_vec()
    }

    fn misasked(&self, connector: &Connector) -> Option<String> {
        let (Connector::Ldap(ldap) | Connector::ActiveDirectory(ldap)) = connector else {
            return None;
        };
        let base = ldap.base_dn.to_lowercase();
        if base != SUFFIX && !base.ends_with(&format!(",{SUFFIX}")) {
            return Some(format!(
                "write `baseDN: ou=people,{SUFFIX}`; there is nothing under {}",
                ldap.base_dn
            ));
        }
        let dn = ldap.bind_dn.as_deref()?;
        let one = service(dn).is_none();
        one.then(|| format!("write `bindDN: cn=NAME,{SERVICES}`; that is where service accounts are"))
    }

    fn port(&self) -> u16 {
        LDAPS
    }

    fn by_browser(&self) -> bool {
        false
    }

    fn config_file(&self) -> &'static str {
        "directory.ldif"
    }

    fn config(&self, site: &Site<'_>, clients: &[Client]) -> Result<String, String> {
        let accounts = clients.iter().filter(|client| client.protocol == Protocol::Ldap);
        let accounts = accounts.filter_map(|client| Some((service(&client.id)?, client.secret.as_deref()?)));
        Ok(directory(site.directory, site.members, accounts))
    }

    fn launch(&self, site: &Site<'_>) -> io::Result<Launch> {
        secret(&site.home.join("slapd.conf"), &configuration(site))?;
        let listens = format!("ldaps://{}/ ldap://{}:{LDAP}/", site.address, site.address.ip());
        let home = site.home.display().to_string();
        Ok(Launch {
            command: "/bin/sh".into(),
            arguments: ["-ec", START, "slapd", &home, &listens].map(str::to_owned).to_vec(),
            environment: vec![("PATH".to_owned(), "/usr/sbin:/usr/bin:/bin".to_owned())],
            ..Launch::default()
        })
    }
}

/// The name of a service account, if that is where this DN is.
fn service(dn: &str) -> Option<&str> {
    let (first, rest) = dn.split_once(',')?;
    let name = first.strip_prefix("cn=")?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    (rest.eq_ignore_ascii_case(SERVICES) && plain).then_some(name)
}

fn configuration(site: &Site<'_>) -> String {
    let file = |name: &str| site.file(name);
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {pid}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security tls=128
sizelimit 500

database mdb
suffix {SUFFIX}
directory {data}
maxsize 67108864
dbnosync
index objectClass,uid,mail,member eq
access to attrs=userPassword
  by anonymous auth
  by * none
access to *
  by dn.one=\"{SERVICES}\" read
  by self read
  by * none
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
",
        pid = file("state/slapd.pid"),
        certificate = file("cert.pem"),
        key = file("key.pem"),
        data = file("state/db"),
    )
}

/// Everything in the directory, as LDIF (RFC 2849). `memberOf` and `entryUUID` are written as well: the loader makes neither
/// from the groups nor the same on two servers.
fn directory<'a>(
    name: &str,
    members: &[Member],
    accounts: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut ldif = format!("dn: {SUFFIX}\nobjectClass: domain\ndc: mesh\n\n");
    for unit in ["services", "people", "groups"] {
        let _ = writeln!(ldif, "dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}\n");
    }
    for (account, password) in accounts {
        let _ = writeln!(
            ldif,
            "dn: cn={account},{SERVICES}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
             cn: {account}\nuserPassword: {password}\n"
        );
    }
    for (number, member) in members.iter().enumerate() {
        let Member { name: person, username, password, .. } = member;
        let (role, uuid) = (member.role(), uuid(name, number));
        let _ = writeln!(
            ldif,
            "dn: uid={username},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {username}\n\
             cn: {}\nsn: {person}\nmail: {person}@{DOMAIN}\nemployeeType: {role}\nuserPassword: {password}\n\
             memberOf: cn={role},ou=groups,{SUFFIX}\nentryUUID: {uuid}\n",
            member.full_name(),
        );
    }
    for role in ROLES {
        let mut in_it = members.iter().filter(|member| member.role() == role).peekable();
        // A group of nobody is not allowed.
        if in_it.peek().is_none() {
            continue;
        }
        let _ = writeln!(ldif, "dn: cn={role},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: {role}");
        for member in in_it {
            let _ = writeln!(ldif, "member: uid={},ou=people,{SUFFIX}", member.username);
        }
        ldif.push('\n');
    }
    ldif
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use serde_json::json;

    use super::*;

    fn member(name: &str, password: &str) -> Member {
        let (username, hash) = (name.to_owned(), String::new());
        Member { name: name.into(), username, password: password.into(), salt: [0; 16], hash }
    }

    fn site<'a>(name: &'a str, home: &'a Path, members: &'a [Member]) -> Site<'a> {
        let address = ([127, 0, 0, 1], 1).into();
        Site { name, directory: "staff", home, address, authority: Path::new("/lab/ca.pem"), members }
    }

    fn reader(password: &str) -> Client {
        Client::new(Protocol::Ldap, &format!("cn=reader,{SERVICES}"), Some(password))
    }

    #[test]
    fn slapd_takes_the_data_and_two_servers_of_one_directory_hold_the_same() {
        let people = [member("a-01", "staff-first"), member("a-02", "staff-second")];
        let loaded = ["staff-1", "staff-2"].map(|name| {
            let folder = tempfile::tempdir().unwrap();
            let site = site(name, folder.path(), &people);
            std::fs::create_dir_all(folder.path().join("state/db")).unwrap();
            std::fs::write(
                folder.path().join("directory.ldif"),
                Slapd.config(&site, &[reader("r")]).unwrap(),
            )
            .unwrap();
            Slapd.launch(&site).unwrap();
            let run = |program: &str, arguments: &[&str]| {
                let mut command = Command::new(format!("/usr/sbin/{program}"));
                let done =
                    command.args(["-f", "slapd.conf"]).args(arguments).current_dir(folder.path()).output();
                let done = done.unwrap_or_else(|why| panic!("{program}: {why}: run scripts/foreign slapd"));
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                String::from_utf8(done.stdout).unwrap()
            };
            run("slapadd", &["-q", "-l", "directory.ldif"]);
            run("slapcat", &["-o", "ldif-wrap=no", "-a", "(uid=a-01)"])
        });
        let value = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("no {name}: {text}")).to_owned()
        };
        for text in &loaded {
            assert_eq!(value(text, "mail"), "a-01@mesh.test");
            assert_eq!(value(text, "memberOf"), format!("cn={},ou=groups,{SUFFIX}", people[0].role()));
        }
        assert_eq!(value(&loaded[0], "entryUUID"), value(&loaded[1], "entryUUID"));
        assert_ne!(uuid("staff", 0), uuid("staff", 1));
        assert_ne!(uuid("staff", 0), uuid("partners", 0));
    }

    #[test]
    fn a_service_account_is_one_that_a_configuration_names_with_its_password() {
        let ldif = Slapd.config(&site("staff", Path::new("/lab"), &[]), &[reader("its-password")]).unwrap();
        assert!(
            ldif.contains(&format!("dn: cn=reader,{SERVICES}\n"))
                && ldif.contains("userPassword: its-password\n")
        );
        assert!(!ldif.contains("groupOfNames"), "a group needs somebody in it");
    }

    #[test]
    fn who_asks_where_there_is_nothing_is_told_what_to_write() {
        let asks = |base: &str, bind: &str| {
            let ldap = json!({ "type": "ldap", "name": "d", "url": "ldaps://staff.mesh.test", "baseDN": base, "bindDN": bind,
                "bindPassword": "p" });
            Slapd.misasked(&serde_json::from_value(ldap).unwrap())
        };
        let reader = format!("cn=reader,{SERVICES}");
        assert_eq!(asks(SUFFIX, &reader), None);
        assert_eq!(asks("OU=people,DC=mesh,DC=test", &reader), None);
        assert!(asks("dc=corp,dc=example", &reader).unwrap().contains("baseDN: ou=people,dc=mesh,dc=test"));
        assert!(asks(SUFFIX, "cn=reader,dc=mesh,dc=test").unwrap().contains("cn=NAME,ou=services"));
    }
}
