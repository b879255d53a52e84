//! What an assertion says of a person, as claims.
//!
//! An attribute is a claim by its `Name`, and once more by its `FriendlyName` where no attribute has that for a name: URIs as
//! names are for machines. One value is text, several are a list, none is nothing. The name id is the claim `nameID`, unless
//! it is transient: what is another one at the next login identifies nobody.

use std::collections::{BTreeMap, HashSet};

use mangrove_saml::response::{Attribute, Vouched};
use serde_json::{Map, Value};

/// The claim that holds the name id.
const NAME_ID: &str = "nameID";

/// Claims of a person.
pub(super) fn of(vouched: &Vouched) -> Map<String, Value> {
    let names: HashSet<&str> = vouched.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    // Two attributes may have one friendly name: then it holds the values of both.
    let mut friendly: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    let mut claims = Map::new();
    for Attribute { name, friendly_name, values } in &vouched.attributes {
        if let Some(called) = friendly_name.as_deref().filter(|called| !names.contains(called)) {
            friendly.entry(called).or_default().extend(values);
        }
        add(&mut claims, name, &values.iter().collect::<Vec<_>>());
    }
    for (name, values) in friendly {
        add(&mut claims, name, &values);
    }
    claims.remove(NAME_ID);
    if !vouched.name_id.is_transient() {
        claims.insert(NAME_ID.to_owned(), Value::String(vouched.name_id.value.clone()));
    }
    claims
}

fn add(claims: &mut Map<String, Value>, name: &str, values: &[&String]) {
    let value = match values {
        [] => return,
        [only] => Value::String((*only).clone()),
        several => several.iter().map(|value| Value::String((*value).clone())).collect(),
    };
    claims.insert(name.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use mangrove_saml::response::NameId;
    use mangrove_saml::uris::{PERSISTENT, TRANSIENT};
    use serde_json::json;

    use super::*;

    fn vouched(format: &str, attributes: &[(&str, Option<&str>, &[&str])]) -> Vouched {
        Vouched {
            id: "_1".into(),
            until: 0,
            name_id: NameId { value: "n-1".into(), format: Some(format.into()), ..NameId::default() },
            authenticated: 0,
            class: None,
            session: None,
            attributes: attributes
                .iter()
                .map(|(name, friendly, values)| Attribute {
                    name: (*name).into(),
                    friendly_name: friendly.map(str::to_owned),
                    values: values.iter().map(|value| (*value).to_owned()).collect(),
                })
                .collect(),
        }
    }

    #[test]
    fn attributes_are_claims_by_name_and_by_friendly_name() {
        let person = vouched(
            PERSISTENT,
            &[
                ("urn:oid:0.9.2342.19200300.100.1.3", Some("mail"), &["a@x"]),
                ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/group", None, &["one", "two"]),
                ("empty", None, &[]),
                ("nameID", Some("sub"), &["mallory"]),
            ],
        );
        assert_eq!(
            Value::Object(of(&person)),
            json!({
                "urn:oid:0.9.2342.19200300.100.1.3": "a@x", "mail": "a@x", "sub": "mallory", "nameID": "n-1",
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/group": ["one", "two"],
            })
        );
    }

    #[test]
    fn a_friendly_name_never_replaces_an_attribute_of_that_name_and_two_of_one_are_a_list() {
        let person = vouched(
            PERSISTENT,
            &[
                ("mail", None, &["real@x"]),
                ("urn:1", Some("mail"), &["other@x"]),
                ("urn:2", Some("g"), &["1"]),
                ("urn:3", Some("g"), &["2"]),
            ],
        );
        let claims = of(&person);
        assert_eq!(claims["mail"], "real@x");
        assert_eq!(claims["g"], json!(["1", "2"]));
    }

    /// As many as fit into a message, and all of one friendly name: time that grows with their square would be seconds.
    #[test]
    fn thousands_of_attributes_of_one_friendly_name_cost_little() {
        let names: Vec<String> = (0..5_400).map(|at| format!("a{at}")).collect();
        let each: Vec<_> = names.iter().map(|name| (name.as_str(), Some("f"), &["v"][..])).collect();
        let person = vouched(PERSISTENT, &each);
        let spent = || {
            let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
            std::time::Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
        };
        let before = spent();
        let claims = of(&person);
        let took = spent() - before;
        assert_eq!(claims["f"].as_array().map(Vec::len), Some(5_400));
        assert!(took < std::time::Duration::from_millis(500), "{took:?}");
    }

    #[test]
    fn a_transient_name_is_no_claim() {
        assert!(of(&vouched(TRANSIENT, &[])).is_empty());
    }
}
