//! Schema abstraction: paths into claims, defaults, absence.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use mangrove_continuity::{AttributeRule, Path, PathError, normalise};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn rule(name: &str, mapping: &[(&str, &str)], default: Option<Value>) -> AttributeRule {
    let mapping: BTreeMap<_, _> =
        mapping.iter().map(|(member, path)| ((*member).to_owned(), Path::parse(path).unwrap())).collect();
    AttributeRule { name: name.to_owned(), mapping, default }
}

fn find(path: &str, claims: Value) -> Option<Value> {
    Path::parse(path).unwrap().find(&object(claims)).cloned()
}

#[test]
fn the_tiers_of_the_guide_normalise_as_it_says() {
    let rules = [
        rule("email", &[("okta", "email"), ("entra", "preferred_username"), ("ldap", "mail")], None),
        rule("displayName", &[("okta", "name"), ("entra", "displayName"), ("ldap", "cn")], None),
        rule("role", &[("okta", "role"), ("entra", "group")], Some(json!("user"))),
    ];
    let seen = normalise(
        &rules,
        "entra",
        &object(json!({
            "preferred_username": "alice@corp.example", "displayName": "Alice", "group": ["admin", "staff"], "oid": "17",
        })),
    );
    assert_eq!(
        Value::Object(seen),
        json!({
            "preferred_username": "alice@corp.example", "oid": "17", "group": ["admin", "staff"],
            "email": "alice@corp.example", "displayName": "Alice", "role": ["admin", "staff"],
        })
    );
    let seen = normalise(&rules, "ldap", &object(json!({ "mail": "a@b.example", "cn": "Alice" })));
    assert_eq!(seen["role"], "user");
}

#[test]
fn a_member_that_a_rule_does_not_name_has_no_such_attribute_even_if_it_sends_one() {
    let rules = [rule("role", &[("okta", "role")], None)];
    let seen = normalise(&rules, "ldap", &object(json!({ "role": "admin", "cn": "Alice" })));
    assert_eq!(Value::Object(seen), json!({ "cn": "Alice" }));
}

#[test]
fn a_verified_mark_never_moves_to_another_address() {
    let claims = object(json!({ "email": "a@b.example", "email_verified": true, "upn": "victim@b.example" }));
    let moved = normalise(&[rule("email", &[("m", "upn")], None)], "m", &claims);
    assert!(!moved.contains_key("email_verified"), "{moved:?}");
    let same = normalise(&[rule("email", &[("m", "email")], None)], "m", &claims);
    assert_eq!(same["email_verified"], true);
    let said =
        [rule("email", &[("m", "upn")], None), rule("email_verified", &[("m", "email_verified")], None)];
    assert_eq!(normalise(&said, "m", &claims)["email_verified"], true, "where an operator says so");
}

#[test]
fn a_missing_or_null_value_falls_back_to_the_default_or_to_nothing() {
    let rules = [rule("a", &[("m", "x")], Some(json!([]))), rule("b", &[("m", "y.z")], None)];
    let seen = normalise(&rules, "m", &object(json!({ "x": null, "y": "not an object" })));
    assert_eq!(seen["a"], json!([]));
    assert!(!seen.contains_key("b"));
}

#[test]
fn paths_go_into_objects_and_lists() {
    let claims = json!({ "realm_access": { "roles": ["a", "b"] }, "emails": [{ "value": "a@b.example" }], "m": [[1, 2]] });
    assert_eq!(find("realm_access.roles", claims.clone()), Some(json!(["a", "b"])));
    assert_eq!(find("realm_access.roles[1]", claims.clone()), Some(json!("b")));
    assert_eq!(find("emails[0].value", claims.clone()), Some(json!("a@b.example")));
    assert_eq!(find("m[0][1]", claims.clone()), Some(json!(2)));
    assert_eq!(find("emails[1].value", claims.clone()), None);
    assert_eq!(find("emails.value", claims), None);
}

#[test]
fn names_with_dots_are_found_by_their_whole_name() {
    let uri = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";
    assert_eq!(find(uri, json!({ uri: "a@b.example" })), Some(json!("a@b.example")));
    let claims = json!({ "https://example.com/claims": { "roles": ["a"] }, "a.b": 1, "a": { "b": 2 } });
    assert_eq!(find("https://example.com/claims.roles[0]", claims.clone()), Some(json!("a")));
    assert_eq!(find("a.b", claims), Some(json!(1)), "the longest name wins");
}

#[test]
fn what_is_no_path_says_why() {
    for text in ["", ".", "a.", ".a", "a..b", "[0]", "a.[0]"] {
        assert_eq!(Path::parse(text), Err(PathError::EmptyName(text.to_owned())), "{text}");
    }
    for text in ["a[", "a[]", "a[x]", "a[-1]", "a[0", "a[0]x", "a[99999999999999999999999]", "a[+1]"] {
        assert_eq!(Path::parse(text), Err(PathError::BadIndex(text.to_owned())), "{text}");
    }
    assert!(matches!(Path::parse(&vec!["a"; 17].join(".")), Err(PathError::TooDeep(_))));
}

proptest! {
    #[test]
    fn a_path_that_parses_reads_back_the_same_and_never_panics(
        text in "[a-c.\\[\\]0-2]{0,12}",
        key in "[a-c.]{1,5}",
    ) {
        if let Ok(path) = Path::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
            let claims = json!({ key: [{ "a": [0, 1, 2], "b.c": { "a": null } }], "a": { "b": { "c": [[1]] } } });
            let _ = path.find(&object(claims));
        }
    }
}
