//! What an assertion says of a person, as claims.
//!
//! An attribute is a claim by its `Name`, and once more by its `FriendlyName` where no attribute has that for a name: URIs as
//! names are for machines. One value is text, several are a list, none is nothing. The name id is the claim `nameID`, unless
//! it is transient: what is another one at the next login identifies nobody.

use mangrove_saml::response::{Attribute, Vouched};
use serde_json::{Map, Value};

/// The claim that holds the name id.
const NAME_ID: &str = "nameID";

/// Claims of a person.
pub(super) fn of(vouched: &Vouched) -> Map<String, Value> {
    let mut claims = Map::new();
    let is_name = |name: &str| vouched.attributes.iter().any(|attribute| attribute.name == name);
    for attribute in &vouched.attributes {
        let Some(value) = value(attribute) else { continue };
        if let Some(friendly) = attribute.friendly_name.as_ref().filter(|friendly| !is_name(friendly)) {
            add(&mut claims, friendly, value.clone());
        }
        claims.insert(attribute.name.clone(), value);
    }
    claims.remove(NAME_ID);
    if !vouched.name_id.is_transient() {
        claims.insert(NAME_ID.to_owned(), Value::String(vouched.name_id.value.clone()));
    }
    claims
}

fn value(attribute: &Attribute) -> Option<Value> {
    match attribute.values.as_slice() {
        [] => None,
        [only] => Some(Value::String(only.clone())),
        several => Some(several.iter().cloned().map(Value::String).collect()),
    }
}

/// Two attributes may have one friendly name: then it holds the values of both.
fn add(claims: &mut Map<String, Value>, name: &str, value: Value) {
    let list = |value: Value| match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let value = match claims.remove(name) {
        None => value,
        Some(before) => Value::Array([list(before), list(value)].concat()),
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

    #[test]
    fn a_transient_name_is_no_claim() {
        assert!(of(&vouched(TRANSIENT, &[])).is_empty());
    }
}
