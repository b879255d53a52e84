//! What one directory's section of the configuration means.

use mangrove_config::Secret;
use mangrove_config::connectors::{IN_CHAIN, Ldap as Written, LdapScope, is_attribute};
use mangrove_continuity::HealthPolicy;
use url::Url;

use crate::health;
use crate::http::HttpBuildError;

/// One server of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// TLS from the first octet.
    Ldaps,
    /// TLS before anything else is asked; without it nothing is.
    StartTls,
    /// None: an operator said so.
    None,
}

/// The service account.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) dn: String,
    pub(super) password: Secret,
}

/// How a typed name becomes somebody's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// The entry with this attribute is searched.
    Key(String),
    /// As in Active Directory: by principal name where an `@` was typed, else by `sAMAccountName`.
    ActiveDirectory,
    /// No search: the name is the entry's own, below the base.
    Rdn(String),
}

/// Where groups are searched, if they are: not where a mapping says what they are.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    pub(super) base: String,
    /// Attribute of a group that holds its members' names.
    pub(super) member: String,
    /// Attribute that is the group's name.
    pub(super) name: String,
}

/// What one LDAP connector was told.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) places: Vec<Place>,
    pub(super) account: Option<Account>,
    pub(super) base: String,
    pub(super) scope: ldap3::Scope,
    pub(super) by: By,
    pub(super) active_directory: bool,
    /// Name here, and the directory's.
    pub(super) mapping: Vec<(String, String)>,
    pub(super) delimiter: Option<String>,
    pub(super) groups: Option<Groups>,
    pub(super) trust_email: bool,
    pub(super) health: HealthPolicy,
}

impl Settings {
    pub(super) fn read(written: &Written, active_directory: bool) -> Result<Self, HttpBuildError> {
        let places = written.url.iter().map(|text| place(text, written)).collect::<Result<Vec<_>, _>>()?;
        if places.is_empty() {
            return Err(HttpBuildError("url: no server is listed".into()));
        }
        let by = match (&written.user_rdn_key, &written.username_search_key) {
            (_, Some(key)) => By::Key(attribute("usernameSearchKey", key)?),
            (Some(rdn), None) => By::Rdn(attribute("userRDNKey", rdn)?),
            (None, None) if active_directory => By::ActiveDirectory,
            (None, None) => By::Key("uid".into()),
        };
        let account = match (&written.bind_dn, &written.bind_password) {
            (Some(dn), Some(password)) if !dn.is_empty() && !password.expose().is_empty() => {
                Some(Account { dn: dn.clone(), password: password.clone() })
            }
            (None, None) if matches!(by, By::Rdn(_)) => None,
            _ => {
                return Err(HttpBuildError(
                    "bindDN and bindPassword: users cannot be searched without".into(),
                ));
            }
        };
        let maps_groups = written.attribute_mapping.contains_key("groups");
        let groups = written.group_base_dn.as_ref().filter(|_| !maps_groups).map(
            |base| -> Result<_, HttpBuildError> {
                let member = written.group_search_key.as_deref().unwrap_or("member");
                let plain = member.strip_suffix(IN_CHAIN).unwrap_or(member);
                attribute("groupSearchKey", plain)?;
                let name = attribute("groupNameKey", written.group_name_key.as_deref().unwrap_or("cn"))?;
                Ok(Groups { base: base.clone(), member: member.to_owned(), name })
            },
        );
        Ok(Self {
            name: written.name.clone(),
            title: written.title.clone().unwrap_or_else(|| written.name.clone()),
            places,
            account,
            base: written.base_dn.clone(),
            scope: match written.scope {
                LdapScope::BaseObject => ldap3::Scope::Base,
                LdapScope::SingleLevel => ldap3::Scope::OneLevel,
                LdapScope::WholeSubtree => ldap3::Scope::Subtree,
            },
            by,
            active_directory,
            mapping: written.attribute_mapping.clone().into_iter().collect(),
            delimiter: written.attribute_delimiter.clone(),
            groups: groups.transpose()?,
            trust_email: written.trust_email,
            health: health::policy(written.health_check.as_ref()),
        })
    }
}

fn attribute(key: &str, name: &str) -> Result<String, HttpBuildError> {
    if is_attribute(name) {
        Ok(name.to_owned())
    } else {
        Err(HttpBuildError(format!("{key}: {name} is not the name of an attribute")))
    }
}

fn place(text: &str, written: &Written) -> Result<Place, HttpBuildError> {
    let refuse = |why: &str| HttpBuildError(format!("url: {text}: {why}"));
    let url = Url::parse(text).map_err(|_| refuse("not a URL"))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refuse("it names no host"))?;
    let (encryption, port) = match (url.scheme(), &written.tls) {
        ("ldaps", _) => (Encryption::Ldaps, 636),
        ("ldap", Some(_)) => (Encryption::StartTls, 389),
        ("ldap", None) if written.allow_plaintext => (Encryption::None, 389),
        ("ldap", None) => return Err(refuse("passwords would travel in the clear: write ldaps://")),
        _ => return Err(refuse("not the URL of a directory: write ldaps://host")),
    };
    Ok(Place { host: host.to_owned(), port: url.port().unwrap_or(port), encryption })
}

/// Shows where, as an operator writes it.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.encryption == Encryption::Ldaps { "ldaps" } else { "ldap" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: &Value) -> Result<Settings, HttpBuildError> {
        let mut written = json!({ "name": "d", "url": "ldaps://a.example", "baseDN": "dc=x", "bindDN": "cn=s", "bindPassword": "p" });
        written.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Settings::read(&serde_json::from_value(written).unwrap(), false)
    }

    #[test]
    fn a_connection_is_in_the_clear_only_where_an_operator_said_so() {
        let of = |change| read(&change).map(|settings| settings.places[0].encryption);
        assert_eq!(of(json!({})), Ok(Encryption::Ldaps));
        assert_eq!(of(json!({ "allowPlaintext": true })), Ok(Encryption::Ldaps));
        assert_eq!(of(json!({ "url": "ldap://a.example", "tls": "mesh" })), Ok(Encryption::StartTls));
        assert_eq!(
            of(json!({ "url": "ldap://a.example", "tls": "mesh", "allowPlaintext": true })),
            Ok(Encryption::StartTls)
        );
        assert_eq!(
            of(json!({ "url": "ldap://127.0.0.1:1389", "allowPlaintext": true })),
            Ok(Encryption::None)
        );
        assert!(of(json!({ "url": "ldap://127.0.0.1:1389" })).is_err());
    }

    #[test]
    fn several_servers_keep_their_order_and_ports_have_defaults() {
        let places = read(&json!({ "url": ["ldaps://a.example:3636", "ldaps://[::1]"] })).unwrap().places;
        let shown: Vec<String> = places.iter().map(Place::to_string).collect();
        assert_eq!(shown, ["ldaps://a.example:3636", "ldaps://[::1]:636"]);
    }

    #[test]
    fn what_becomes_part_of_a_filter_is_the_name_of_an_attribute() {
        assert!(read(&json!({ "usernameSearchKey": "mail" })).is_ok());
        assert!(read(&json!({ "usernameSearchKey": "uid=*)(cn" })).is_err());
        assert!(
            read(&json!({ "groupBaseDN": "ou=g", "groupSearchKey": "member:1.2.840.113556.1.4.1941:" }))
                .is_ok()
        );
        assert!(read(&json!({ "groupBaseDN": "ou=g", "groupSearchKey": "member:1.2:" })).is_err());
    }

    #[test]
    fn without_an_account_nobody_is_searched() {
        assert!(read(&json!({ "bindDN": null, "bindPassword": null })).is_err());
        assert!(read(&json!({ "bindPassword": "" })).is_err());
        assert!(read(&json!({ "bindDN": null, "bindPassword": null, "userRDNKey": "uid" })).is_ok());
    }
}
