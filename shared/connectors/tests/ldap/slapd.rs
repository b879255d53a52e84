//! A real OpenLDAP server for one test: on loopback, in a folder that is thrown away, with a certificate made for it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const BASE: &str = "dc=example,dc=com";
pub(crate) const READER: &str = "cn=reader,ou=services,dc=example,dc=com";
const ADMIN: &str = "cn=admin,dc=example,dc=com";

/// A running server.
pub(crate) struct Slapd {
    dir: TempDir,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    child: Child,
}

impl Slapd {
    /// Starts one with the people of [`PEOPLE`].
    pub(crate) fn start() -> Self {
        Self::with_limits("size=500")
    }

    /// Starts one that shows the service account so much.
    pub(crate) fn with_limits(limits: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("db")).unwrap();
        certificates(dir.path());
        fs::write(dir.path().join("slapd.conf"), configuration(dir.path(), limits)).unwrap();
        let mut tries = 0;
        let slapd = loop {
            tries += 1;
            assert!(tries < 10, "slapd ends as soon as it is started");
            let (port, tls_port) = (free_port(), free_port());
            let mut child = run(dir.path(), port, tls_port);
            // Somebody else may have taken one of the ports meanwhile.
            if listens(&mut child, port) {
                break Self { child, dir, port, tls_port };
            }
        };
        slapd.loads(PEOPLE);
        slapd
    }

    /// Ends it as a crash does.
    pub(crate) fn dies(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, where it was.
    pub(crate) fn comes_back(&mut self) {
        self.child = run(self.dir.path(), self.port, self.tls_port);
        assert!(listens(&mut self.child, self.port), "slapd does not come back");
    }

    /// Stops it without closing anything: packets are acknowledged and nothing is said.
    pub(crate) fn falls_silent(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn wakes_up(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    /// Changes the directory, as its administrator.
    pub(crate) fn loads(&self, ldif: &str) {
        let mut add = Command::new("ldapmodify")
            .args([
                "-a",
                "-x",
                "-H",
                &format!("ldap://127.0.0.1:{}", self.port),
                "-D",
                ADMIN,
                "-w",
                "admin-password",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("ldapmodify: {why}: run scripts/tools slapd"));
        add.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        let done = add.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub(crate) fn ldaps(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    pub(crate) fn ldap(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// A connector to it, by TLS profile `directory`.
    pub(crate) fn connector(&self, name: &str) -> Value {
        json!({
            "type": "ldap", "name": name, "url": self.ldaps(), "tls": "directory", "baseDN": BASE,
            "bindDN": READER, "bindPassword": "reader-password",
        })
    }

    /// The profile.
    pub(crate) fn tls(&self) -> Value {
        json!({ "directory": { "caFile": self.ca() } })
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(dir: &Path, port: u16, tls_port: u16) -> Child {
    Command::new("/usr/sbin/slapd")
        .args(["-d", "0", "-f"])
        .arg(dir.join("slapd.conf"))
        .args(["-h", &format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}")])
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|why| panic!("/usr/sbin/slapd: {why}: run scripts/tools slapd"))
}

/// Waits until it listens; whether it does.
fn listens(child: &mut Child, port: u16) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        assert!(Instant::now() < until, "slapd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn certificates(dir: &Path) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let server = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(dir.join("ca.pem"), issuer.pem()).unwrap();
    fs::write(dir.join("server.pem"), server.pem()).unwrap();
    fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
}

fn configuration(dir: &Path, limits: &str) -> String {
    let dir = dir.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.146 NAME 'objectSid' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP inetOrgPerson STRUCTURAL
  MAY ( sAMAccountName $ userPrincipalName $ objectGUID $ objectSid ) )
objectclass ( 1.2.840.113556.1.3.30 NAME 'computer' SUP user STRUCTURAL )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {dir}/slapd.pid
TLSCACertificateFile {dir}/ca.pem
TLSCertificateFile {dir}/server.pem
TLSCertificateKeyFile {dir}/server.key
allow bind_anon_dn

database mdb
suffix {BASE}
rootdn {ADMIN}
rootpw admin-password
directory {dir}/db
maxsize 67108864
dbnosync
limits dn.exact=\"{READER}\" {limits}
index objectClass,uid,member eq
access to attrs=userPassword
  by self =xw
  by anonymous auth
  by * none
access to *
  by dn.exact=\"{READER}\" read
  by self read
  by * none
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
overlay ppolicy
ppolicy_use_lockout
"
    )
}

const PEOPLE: &str = "dn: dc=example,dc=com
objectClass: domain
dc: example

dn: ou=services,dc=example,dc=com
objectClass: organizationalUnit
ou: services

dn: cn=reader,ou=services,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-password

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice Archer
sn: Archer
mail: alice@example.com
mail: a.archer@example.com
employeeNumber: e-1
jpegPhoto:: /9j/4A==
userPassword: correct horse

dn: uid=bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: bob
cn: Bob (the *) Baker
sn: Baker
mail: bob@example.com
employeeNumber: e-2
userPassword: bob-password

dn: ou=more,ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: more

dn: uid=twin,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: twin
cn: Twin One
sn: One
userPassword: twin-password

dn: uid=twin,ou=more,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: twin
cn: Twin Two
sn: Two
userPassword: twin-password

dn: cn=Carol Carter,ou=people,dc=example,dc=com
objectClass: user
cn: Carol Carter
sn: Carter
sAMAccountName: carol
userPrincipalName: carol@corp.example
objectGUID:: QUJDREVGR0hJSktMTU5PUA==
objectSid:: AQUAAAAAAAUVAAAA
userPassword: carol-password

dn: cn=PC1,ou=people,dc=example,dc=com
objectClass: computer
cn: PC1
sn: PC1
sAMAccountName: PC1$
userPassword: pc-password

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=engineering,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: engineering
member: uid=alice,ou=people,dc=example,dc=com

dn: cn=staff,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: staff
member: uid=alice,ou=people,dc=example,dc=com
member: uid=bob,ou=people,dc=example,dc=com
";
