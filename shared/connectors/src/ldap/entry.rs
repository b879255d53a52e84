//! From an entry of the directory to what it says about a person.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ldap3::SearchEntry;
use serde_json::{Map, Value};

use super::dn;
use super::ranges::{self, Part};
use super::settings::Settings;

/// Attributes that hold passwords or keys: neither asked for nor told to anybody, also where a mapping names one. What is asked
/// for at all is in [`wanted`](super::wanted), which keeps those out that this list does not know.
const SECRET: &[&str] = &[
    "authpassword",
    "dbcspwd",
    "ipanthash",
    "krbprincipalkey",
    "lmpwdhistory",
    "ipatokenotpkey",
    "ms-mcs-admpwd",
    "msds-managedpassword",
    "mslaps-encrypteddsrmpassword",
    "mslaps-encrypteddsrmpasswordhistory",
    "mslaps-encryptedpassword",
    "mslaps-encryptedpasswordhistory",
    "mslaps-password",
    "ntpwdhistory",
    "sambalmpassword",
    "sambantpassword",
    "sambapasswordhistory",
    "supplementalcredentials",
    "unicodepwd",
    "unixuserpassword",
    "userpkcs12",
    "userpassword",
];
/// Attributes that are not text even where their octets happen to be UTF-8.
const BINARY: &[&str] = &[
    "audio",
    "jpegphoto",
    "msexchmailboxguid",
    "ms-ds-consistencyguid",
    "objectguid",
    "objectsid",
    "photo",
    "sidhistory",
    "thumbnailphoto",
    "usercertificate",
    "usersmimecertificate",
];
/// Attributes that are lists however many values there are.
const LISTS: &[&str] = &["memberof"];
/// What identifies an entry and is never given to another, in order of preference.
pub(super) const IDENTIFIERS: &[&str] = &["entryUUID", "objectGUID", "nsUniqueId"];
/// Longest value that becomes a claim, in bytes: pictures do not travel in tokens.
const LONGEST_VALUE: usize = 8 * 1024;
/// Most values of one attribute, and most attributes beside those that are mapped, that become claims.
pub(super) const MOST_VALUES: usize = 2_000;
const MOST_ATTRIBUTES: usize = 200;

/// Whether it is the name of an attribute that is not told to anybody.
pub(super) fn is_secret(name: &str) -> bool {
    SECRET.contains(&name.split(';').next().unwrap_or_default().to_ascii_lowercase().as_str())
}

/// An entry, read.
#[derive(Debug)]
pub(super) struct Person {
    dn: String,
    /// By lower-case name: the name as the directory writes it, and its values.
    values: BTreeMap<String, (String, Vec<Vec<u8>>)>,
    /// Attributes of which the directory has sent a part, by lower-case name: the place of the first value that is missing.
    cut: BTreeMap<String, usize>,
}

impl Person {
    pub(super) fn read(entry: SearchEntry) -> Self {
        let (mut values, mut cut) = (BTreeMap::new(), BTreeMap::new());
        let dn = entry.dn.clone();
        for (name, part, found) in attributes(entry) {
            let key = name.to_ascii_lowercase();
            if let Some(next) = part.and_then(|part| part.next) {
                cut.insert(key.clone(), next);
            }
            if !found.is_empty() {
                values.insert(key, (name, found));
            }
        }
        Self { dn, values, cut }
    }

    /// What asks for the values that the directory has kept back, of attributes of which more are told.
    pub(super) fn rest(&self) -> Vec<String> {
        let wanted = self.cut.iter().filter(|(key, _)| self.of(key).len() < MOST_VALUES);
        wanted.map(|(key, next)| ranges::rest(key, *next)).collect()
    }

    /// Takes the next parts out of an entry that was asked for them; whether there were any.
    pub(super) fn goes_on(&mut self, entry: SearchEntry) -> bool {
        let mut went_on = false;
        for (name, part, found) in attributes(entry) {
            let key = name.to_ascii_lowercase();
            let Some(part) = part.filter(|part| self.cut.get(&key) == Some(&part.from)) else { continue };
            match part.next {
                Some(next) => self.cut.insert(key.clone(), next),
                None => self.cut.remove(&key),
            };
            self.values.entry(key).or_insert((name, Vec::new())).1.extend(found);
            went_on = true;
        }
        went_on
    }

    /// Whether all values of an attribute are here, and are told.
    pub(super) fn has_all_of(&self, attribute: &str) -> bool {
        !self.cut.contains_key(&attribute.to_ascii_lowercase()) && self.of(attribute).len() <= MOST_VALUES
    }

    pub(super) fn dn(&self) -> &str {
        &self.dn
    }

    /// Whether the entry has this name under this attribute, whatever the case. Directories find more than that (other
    /// widths, other accents); each would be one more name to guess under.
    pub(super) fn is_called(&self, attribute: &str, name: &str) -> bool {
        let name = name.to_lowercase();
        self.of(attribute)
            .iter()
            .any(|value| std::str::from_utf8(value).is_ok_and(|value| value.to_lowercase() == name))
    }

    /// Whether the service account's configured name is this entry's: a DN, or one of Active Directory's other three, of
    /// which `sAMAccountName@domain` stands in no entry. That account signs in nowhere: whoever guessed at it here could have
    /// the directory lock it, and everybody out.
    pub(super) fn is_known_as(&self, account: &str) -> bool {
        let after_the_domain = account.split_once('\\').map(|(_, name)| name);
        let before_the_domain = account.rsplit_once('@').map(|(name, _)| name);
        let mut short = after_the_domain.into_iter().chain(before_the_domain);
        dn::same(&self.dn, account)
            || self.is_called("userPrincipalName", account)
            || short.any(|name| self.is_called("sAMAccountName", name))
    }

    /// The first value as text.
    pub(super) fn text(&self, attribute: &str) -> Option<&str> {
        self.of(attribute).first().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// What identifies the entry; its DN where the directory has nothing better.
    pub(super) fn identifier(&self) -> String {
        let mut found = IDENTIFIERS.iter().filter_map(|name| match self.of(name) {
            [one] => Some(single(&name.to_ascii_lowercase(), one)),
            _ => None,
        });
        found.next().unwrap_or_else(|| self.dn.clone())
    }

    /// The names of the groups in `memberOf`: the first value of each DN.
    pub(super) fn groups(&self) -> Vec<String> {
        let dns = self.of("memberOf").iter().filter_map(|dn| std::str::from_utf8(dn).ok());
        dns.filter_map(dn::first_value).take(MOST_VALUES).collect()
    }

    /// All that is told about the person, under the names that the configuration wants.
    pub(super) fn claims(&self, settings: &Settings) -> Map<String, Value> {
        let renamed = |key: &str| settings.mapping.iter().any(|(_, theirs)| theirs.eq_ignore_ascii_case(key));
        let kept = self.values.iter().filter(|(key, _)| !renamed(key)).take(MOST_ATTRIBUTES);
        let kept = kept.map(|(key, (name, _))| (name, key.clone()));
        let mapped = settings.mapping.iter().map(|(ours, theirs)| (ours, theirs.to_ascii_lowercase()));
        let mut claims = Map::new();
        for (name, key) in kept.chain(mapped) {
            if let Some((_, values)) = self.values.get(&key)
                && let Some(value) = value(&key, values, settings.delimiter.as_deref())
            {
                claims.insert(name.clone(), value);
            }
        }
        claims
    }

    fn of(&self, attribute: &str) -> &[Vec<u8>] {
        self.values.get(&attribute.to_ascii_lowercase()).map_or(&[], |(_, values)| values)
    }
}

/// Name without range, part, and values of each attribute.
fn attributes(entry: SearchEntry) -> impl Iterator<Item = (String, Option<Part>, Vec<Vec<u8>>)> {
    let octets = |values: Vec<String>| values.into_iter().map(String::into_bytes).collect();
    let texts = entry.attrs.into_iter().map(move |(name, values)| (name, octets(values)));
    texts.chain(entry.bin_attrs).map(|(name, values)| {
        let (name, part) = ranges::split(&name);
        (name, part, values)
    })
}

fn value(key: &str, values: &[Vec<u8>], delimiter: Option<&str>) -> Option<Value> {
    let bare = key.split(';').next().unwrap_or_default();
    if is_secret(bare) {
        return None;
    }
    let short = values.iter().filter(|value| value.len() <= LONGEST_VALUE).take(MOST_VALUES);
    let mut texts: Vec<String> = short.map(|value| single(key, value)).collect();
    match (texts.len(), delimiter) {
        (0, _) => None,
        (_, None) if LISTS.contains(&bare) => Some(texts.into()),
        (1, _) => texts.pop().map(Value::from),
        (_, Some(delimiter)) => Some(texts.join(delimiter).into()),
        (_, None) => Some(texts.into()),
    }
}

/// One value as text; in base64 where it is none.
fn single(key: &str, value: &[u8]) -> String {
    let bare = key.split(';').next().unwrap_or_default();
    let binary = BINARY.contains(&bare) || key.ends_with(";binary") || value.contains(&0);
    match std::str::from_utf8(value) {
        Ok(text) if !binary => text.to_owned(),
        _ => STANDARD.encode(value),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    fn settings(more: &Value) -> Settings {
        let mut written = json!({ "name": "d", "url": "ldaps://a", "baseDN": "dc=x", "bindDN": "cn=s", "bindPassword": "p" });
        written.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Settings::read(&serde_json::from_value(written).unwrap(), false).unwrap()
    }

    fn person() -> Person {
        let text =
            |name: &str, values: &[&str]| (name.to_owned(), values.iter().map(|v| (*v).to_owned()).collect());
        let attrs: HashMap<String, Vec<String>> = HashMap::from([
            text("uid", &["alice"]),
            text("mail", &["a@example.com", "alice@example.com"]),
            text("memberOf", &["cn=staff,ou=groups,dc=x"]),
            text("userPassword", &["{SSHA}secret"]),
            text("msDS-ManagedPassword;x-a", &["secret"]),
            text("objectGUID", &["ABCDEFGHIJKLMNOP"]),
            text("description", &[&"x".repeat(LONGEST_VALUE + 1)]),
        ]);
        let bin_attrs = HashMap::from([("jpegPhoto".to_owned(), vec![vec![0xff, 0xd8]])]);
        Person::read(SearchEntry { dn: "uid=alice,dc=x".into(), attrs, bin_attrs })
    }

    #[test]
    fn values_become_texts_lists_and_base64_and_secrets_stay() {
        let claims = person().claims(&settings(&json!({})));
        assert_eq!(claims["uid"], "alice");
        assert_eq!(claims["mail"], json!(["a@example.com", "alice@example.com"]));
        assert_eq!(claims["memberOf"], json!(["cn=staff,ou=groups,dc=x"]));
        assert_eq!(claims["jpegPhoto"], "/9g=");
        assert_eq!(claims["objectGUID"], "QUJDREVGR0hJSktMTU5PUA==", "never text, whatever its octets");
        assert!(
            !claims.keys().any(|name| name.to_lowercase().contains("password"))
                && !claims.contains_key("description")
        );
    }

    #[test]
    fn a_mapping_renames_whatever_the_case_and_a_delimiter_joins() {
        let told = settings(
            &json!({ "attributeMapping": { "email": "MAIL", "pw": "userPassword" }, "attributeDelimiter": ";" }),
        );
        let claims = person().claims(&told);
        assert_eq!(claims["email"], "a@example.com;alice@example.com");
        assert!(!claims.contains_key("mail") && !claims.contains_key("pw"));
    }

    #[test]
    fn a_person_is_called_as_the_entry_says_but_for_case() {
        assert!(person().is_called("uid", "ALICE"));
        assert!(!person().is_called("uid", "ａlice"), "full width");
        assert!(!person().is_called("uid", "alice "));
        assert!(!person().is_called("cn", "alice"));
    }

    #[test]
    fn the_service_account_is_known_by_all_its_names() {
        let names = [("userPrincipalName", "m@corp.example"), ("sAMAccountName", "m")];
        let attrs = names.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into();
        let dn = "CN=M,OU=Services,DC=x".to_owned();
        let account = Person::read(SearchEntry { dn, attrs, bin_attrs: HashMap::new() });
        for name in ["cn=m, ou=services, dc=x", "M@corp.example", "CORP\\M"] {
            assert!(account.is_known_as(name), "{name}");
            assert!(!person().is_known_as(name), "{name}");
        }
        let attrs = HashMap::from([("sAMAccountName".to_owned(), vec!["m".to_owned()])]);
        let unnamed = Person::read(SearchEntry { dn: "CN=M".into(), attrs, bin_attrs: HashMap::new() });
        assert!(unnamed.is_known_as("M@corp.example"), "a principal name that no attribute holds");
        assert!(!unnamed.is_known_as("m2@corp.example"));
    }

    #[test]
    fn an_entry_is_identified_by_what_is_never_given_to_another() {
        assert_eq!(person().identifier(), "QUJDREVGR0hJSktMTU5PUA==");
        let bare =
            SearchEntry { dn: "uid=bob,dc=x".into(), attrs: HashMap::new(), bin_attrs: HashMap::new() };
        assert_eq!(Person::read(bare).identifier(), "uid=bob,dc=x");
    }

    #[test]
    fn an_entry_with_very_many_attributes_is_the_same_person_each_time() {
        let many = (0..2 * MOST_ATTRIBUTES).map(|n| (format!("description;x-{n}"), vec!["x".to_owned()]));
        let own = [("uid", "alice"), ("entryUUID", "u-1"), ("employeeNumber", "7")];
        let own = own.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        let attrs: HashMap<String, Vec<String>> = many.chain(own).collect();
        let alice =
            Person::read(SearchEntry { dn: "uid=alice,dc=x".into(), attrs, bin_attrs: HashMap::new() });
        assert_eq!(alice.identifier(), "u-1", "and never by its name for once");
        assert!(alice.is_called("uid", "alice"));
        let claims = alice.claims(&settings(&json!({ "attributeMapping": { "sub": "employeeNumber" } })));
        assert_eq!(claims["sub"], "7");
        assert_eq!(claims.len(), MOST_ATTRIBUTES + 1);
    }

    fn with(attributes: &[(&str, &[&str])]) -> SearchEntry {
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let attrs = attributes.iter().map(|(name, values)| ((*name).to_owned(), texts(values))).collect();
        SearchEntry { dn: "cn=a".into(), attrs, bin_attrs: HashMap::new() }
    }

    #[test]
    fn what_comes_in_parts_is_put_together_in_order() {
        let mut person = Person::read(with(&[("memberOf;range=0-1", &["cn=a", "cn=b"]), ("memberOf", &[])]));
        assert_eq!(person.rest(), ["memberof;range=2-*"]);
        assert!(!person.has_all_of("memberOf"));
        assert!(!person.goes_on(with(&[("memberOf;range=0-1", &["cn=a", "cn=b"])])), "the same again");
        assert!(!person.goes_on(with(&[("memberOf", &["cn=x"]), ("cn;range=2-*", &["x"])])), "not asked for");
        assert!(person.goes_on(with(&[("memberOf;Range=2-2", &["cn=c"])])));
        assert_eq!(person.rest(), ["memberof;range=3-*"]);
        assert!(person.goes_on(with(&[("memberOf;range=3-*", &["cn=d"])])));
        assert!(person.rest().is_empty() && person.has_all_of("MEMBEROF"));
        assert_eq!(person.groups(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn more_values_than_are_told_are_not_asked_for() {
        let many = vec!["cn=a"; MOST_VALUES];
        let person = Person::read(with(&[("memberOf;range=0-1999", &many)]));
        assert!(person.rest().is_empty() && !person.has_all_of("memberOf"));
        let whole = Person::read(with(&[("memberOf", &many)]));
        assert!(whole.has_all_of("memberOf"));
        assert!(!Person::read(with(&[("memberOf", &vec!["cn=a"; MOST_VALUES + 1])])).has_all_of("memberOf"));
    }

    #[test]
    fn groups_are_named_by_the_first_part_of_their_dn() {
        assert_eq!(person().groups(), ["staff"]);
    }
}
