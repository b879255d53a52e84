//! What the supervisor tells the process that lives in one region: one JSON line on standard input, then
//! [`Command`]s, one a line. End of input ends the process at once. Events come back as JSON lines on standard output;
//! an application that listens says so as a `process` event with state `running`.
//! Passwords and keys in here belong to the lab and die with the run.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::history::Micros;

/// Everything that lives in one region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Name of the region.
    pub region: String,
    /// The lab's CA, PEM: the only one that browsers and applications here trust.
    pub ca_pem: String,
    /// Applications that run here.
    #[serde(default)]
    pub apps: Vec<AppSpec>,
    /// People who are here.
    #[serde(default)]
    pub people: Vec<PersonSpec>,
    /// The Chromium of those who have one.
    #[serde(default)]
    pub chromium: Option<ChromiumSpec>,
    /// Servers to which TCP connections are tried from here, to check the faults.
    #[serde(default)]
    pub probes: Vec<ProbeSpec>,
    /// Between two such tries of one server.
    #[serde(default = "one_second")]
    pub probe_interval_us: Micros,
    /// A person's patience with one page.
    #[serde(default = "ten_seconds")]
    pub patience_us: Micros,
    /// How often a person goes back to the application and starts again before giving up.
    #[serde(default = "three")]
    pub restarts: u32,
    /// Seed of the people's schedules. The same seed repeats them.
    #[serde(default)]
    pub seed: u64,
}

/// An application: an OIDC relying party with a TLS listener of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppSpec {
    /// Name of its server in the history.
    pub name: String,
    /// Host name, such as `branch-app.mesh.test`; its origin is `https://HOST` (with the port unless 443).
    pub host: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate chain, PEM.
    pub certificate_pem: String,
    /// Key of the certificate, PEM.
    pub key_pem: String,
    /// Issuer of its provider (its edge), such as `https://edge-a.mesh.test`.
    pub issuer: String,
    /// Client id there. The redirect URI is `https://HOST/callback`.
    pub client_id: String,
    /// Client secret there, sent as `client_secret_basic`; `None`: a public client.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// It proves who it is there with the key of its certificate instead (`private_key_jwt`); a foreign application only.
    #[serde(default)]
    pub has_a_key: bool,
    /// Scopes to ask for.
    #[serde(default = "default_scope")]
    pub scope: String,
}

/// Somebody with a browser.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonSpec {
    /// Unique in the run; also the value of `lab_person` at every identity provider.
    pub name: String,
    /// What is typed where a password is asked for.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Name of the application's server in the history.
    pub app: String,
    /// What is typed into the address bar, such as `https://branch-app.mesh.test/`.
    pub url: String,
    /// What is typed there first instead: an identity provider's address for this application. Who is not signed in by it
    /// goes to the application itself.
    #[serde(default)]
    pub begins: Option<String>,
    /// Between the beginnings of two sign-ins (or visits, for those who keep a session).
    pub every_us: Micros,
    /// Whether the browser keeps its cookies: signs in once, then comes back.
    #[serde(default)]
    pub keep_session: bool,
    /// How this person signs out, if ever; of those who keep a session.
    #[serde(default)]
    pub sign_out: Option<SignsOut>,
    /// Whether the browser is a window of the region's Chromium.
    #[serde(default)]
    pub chromium: bool,
    /// Name of the person whose arrivals are this one's, to the moment; `None`: arrives alone.
    #[serde(default)]
    pub twin_of: Option<String>,
}

/// How somebody signs out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignsOut {
    /// At the first arrival so long or longer after signing in.
    pub after_us: Micros,
    /// The page that begins it.
    pub url: String,
    /// Name of the identity provider whose page it is; `None`: it is the application's.
    #[serde(default)]
    pub at: Option<String>,
    /// The application's page that answers with data for as long as there is a session, and never signs anybody in; asked
    /// afterwards. `None`: it has none.
    #[serde(default)]
    pub page: Option<String>,
}

/// A name and a password, and the pages that they are for. Nobody types a password anywhere else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// Host name of the page.
    pub host: String,
    /// Words of the page that say whose password it asks for; `None`: its host says it.
    #[serde(default)]
    pub of: Option<String>,
    /// What is typed as user name.
    pub username: String,
    /// What is typed as password.
    pub password: String,
}

impl PersonSpec {
    /// What this person types at a page of this host with these words; the words that say more decide.
    pub fn account(&self, host: &str, words: &str) -> Option<&Account> {
        let said = |account: &Account| {
            account.of.as_ref().map_or(Some(0), |of| words.contains(of).then_some(of.len()))
        };
        let here = self.accounts.iter().filter(|account| account.host == host);
        here.filter_map(|account| Some((said(account)?, account)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, it)| it)
    }
}

/// How to start a Chromium.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChromiumSpec {
    /// The program.
    pub program: PathBuf,
    /// Its flags.
    pub flags: Vec<String>,
    /// Its home, which trusts the lab's CA.
    pub home: PathBuf,
}

/// A server to try connections to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeSpec {
    /// Name of the server in the history.
    pub server: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A line on standard input after the [`Spec`]: `{"begin":true}` or `{"stop":true}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// People start to sign in; until then only the applications and the probes run. Once more: all of them begin anew,
    /// with the same seed and empty browsers, and what is going on may end.
    Begin(bool),
    /// Nobody starts anything new; what is going on may end within one patience, then the process ends.
    Stop(bool),
}

fn one_second() -> Micros {
    1_000_000
}

fn ten_seconds() -> Micros {
    10_000_000
}

fn three() -> u32 {
    3
}

fn default_scope() -> String {
    "openid profile email".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_typed_where_its_directory_is_named_and_nowhere_else() {
        let account = |host: &str, of: Option<&str>, password: &str| Account {
            host: host.into(),
            of: of.map(str::to_owned),
            username: "a-1".into(),
            password: password.into(),
        };
        let person = PersonSpec {
            name: "a-1".into(),
            accounts: vec![
                account("corp.mesh.test", None, "corp"),
                account("root.mesh.test", Some("Staff"), "staff"),
                account("root.mesh.test", Some("Staff abroad"), "abroad"),
            ],
            app: "app".into(),
            url: "https://app.mesh.test/".into(),
            begins: None,
            every_us: 1,
            keep_session: false,
            sign_out: None,
            chromium: false,
            twin_of: None,
        };
        let typed = |host: &str, words: &str| person.account(host, words).map(|it| it.password.as_str());
        assert_eq!(typed("corp.mesh.test", "Log in to your account"), Some("corp"));
        assert_eq!(typed("root.mesh.test", "Use your password of Staff ."), Some("staff"));
        assert_eq!(typed("root.mesh.test", "Use your password of Staff abroad ."), Some("abroad"));
        assert_eq!(typed("root.mesh.test", "Use your password of Partners ."), None);
        assert_eq!(typed("edge.mesh.test", "Use your password of Staff ."), None);
    }

    #[test]
    fn a_small_spec_gets_the_usual_patience() {
        let spec: Spec = serde_json::from_str(r#"{"region":"branch-a","ca_pem":""}"#).unwrap();
        assert_eq!((spec.patience_us, spec.restarts, spec.probe_interval_us), (10_000_000, 3, 1_000_000));
    }
}
