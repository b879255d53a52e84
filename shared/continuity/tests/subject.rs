//! One `sub` for one person, and never one for two.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};

use mangrove_continuity::schema::{Pick, Unsound};
use mangrove_continuity::subject::{is_connector_name, is_email, mapped, unmapped};
use mangrove_continuity::{AttributeRule, Path, Source, SubjectRefusal};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn rule(path: &str) -> AttributeRule {
    let mapping = BTreeMap::from([("okta".to_owned(), Source::plain(Path::parse(path).unwrap()))]);
    AttributeRule { name: "sub".to_owned(), mapping, default: None, lower_case: false }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn of(path: &str, claims: Value) -> Result<String, SubjectRefusal> {
    mapped(&rule(path), "okta", &object(claims), false, &BTreeSet::new())
}

fn of_value(value: &str) -> String {
    of("uid", json!({ "uid": value })).unwrap()
}

#[test]
fn a_mapped_value_is_the_subject_itself() {
    assert_eq!(of_value("alice"), "alice");
    assert_eq!(of_value(" Alice Archer~"), " Alice Archer~", "exact bytes, no folding");
    assert_eq!(of_value(&"x".repeat(255)), "x".repeat(255));
    assert_eq!(of("uid", json!({ "uid": 4711 })).unwrap(), "4711");
    assert_eq!(of("uid", json!({ "uid": ["alice"] })).unwrap(), "alice", "directories send lists of one");
}

#[test]
fn what_cannot_be_a_subject_as_it_is_is_hashed() {
    // printf 'okta|alice' | openssl dgst -sha256 -binary | basenc --base64url
    assert_eq!(of_value("okta|alice"), "sha256|LOg1aZ9cLajBZ1xOA2JquEo1q1_gt-crRiGaZYDZXMY");
    for value in ["älice", "a\nb", "a\u{7f}", &"x".repeat(256)] {
        let subject = of_value(value);
        assert!(subject.starts_with("sha256|") && subject.len() == 50, "{subject}");
    }
}

#[test]
fn absent_empty_several_and_odd_values_refuse_with_words() {
    let refusal = |claims| of("uid", claims).unwrap_err();
    assert!(matches!(refusal(json!({})), SubjectRefusal::Absent { .. }));
    assert!(matches!(refusal(json!({ "uid": null })), SubjectRefusal::Absent { .. }));
    assert!(matches!(refusal(json!({ "uid": "" })), SubjectRefusal::Empty { .. }));
    assert!(matches!(refusal(json!({ "uid": [] })), SubjectRefusal::Empty { .. }));
    assert!(matches!(refusal(json!({ "uid": [""] })), SubjectRefusal::Empty { .. }));
    assert!(matches!(refusal(json!({ "uid": ["a", "b"] })), SubjectRefusal::Several { .. }));
    for odd in [json!(true), json!(1.5), json!({ "a": 1 }), json!([["a"]]), json!([null])] {
        assert!(matches!(refusal(json!({ "uid": odd })), SubjectRefusal::NotText { .. }), "{odd}");
    }
    let words = refusal(json!({})).to_string();
    assert!(words.contains("`okta` sent no `uid`"), "{words}");
}

#[test]
fn a_default_or_a_missing_mapping_refuses() {
    let with_default = AttributeRule { default: Some(json!("everybody")), ..rule("uid") };
    let claims = object(json!({ "uid": "alice" }));
    assert_eq!(
        mapped(&with_default, "okta", &claims, true, &BTreeSet::new()),
        Err(SubjectRefusal::HasDefault)
    );
    let other = SubjectRefusal::NotMapped { member: "entra".to_owned() };
    assert_eq!(mapped(&rule("uid"), "entra", &claims, true, &BTreeSet::new()), Err(other));
}

#[test]
fn one_of_several_values_never_identifies_a_person() {
    let first = Source::new(vec![Path::parse("uid").unwrap()], None, Some(Pick::First), None).unwrap();
    let rule = AttributeRule { mapping: BTreeMap::from([("okta".to_owned(), first)]), ..rule("uid") };
    let claims = object(json!({ "uid": ["alice", "bob"] }));
    let refused = mapped(&rule, "okta", &claims, true, &BTreeSet::new());
    assert_eq!(refused, Err(SubjectRefusal::Shaped { member: "okta".to_owned() }));
    assert_eq!(rule.unsound(), [(Some("okta"), Unsound::SubShaped)]);
}

#[test]
fn in_small_letters_one_address_is_one_person_and_the_mark_is_asked_of_what_was_sent() {
    let small = AttributeRule { lower_case: true, ..rule("email") };
    let of = |claims| mapped(&small, "okta", &object(claims), false, &BTreeSet::new());
    let verified = json!({ "email": "Alice@Corp.Example", "email_verified": true });
    assert_eq!(of(verified).unwrap(), "alice@corp.example");
    let kelvin = of(json!({ "email": "\u{212a}ate@corp.example", "email_verified": true })).unwrap();
    assert_ne!(kelvin, of(json!({ "email": "kate@corp.example", "email_verified": true })).unwrap());
    assert!(matches!(of(json!({ "email": "a@b.example" })), Err(SubjectRefusal::EmailNotVerified { .. })));
}

#[test]
fn an_email_needs_to_be_verified_or_trusted() {
    let claims = |verified: Value| json!({ "email": "a@b.example", "email_verified": verified });
    assert_eq!(of("email", claims(json!(true))).unwrap(), "a@b.example");
    assert_eq!(of("email", claims(json!("true"))).unwrap(), "a@b.example");
    for unverified in [json!(false), json!("false"), json!("yes"), json!(1), json!(null), json!([true])] {
        let refusal = of("email", claims(unverified.clone())).unwrap_err();
        assert!(matches!(refusal, SubjectRefusal::EmailNotVerified { .. }), "{unverified}");
    }
    assert!(of("email", json!({ "email": "a@b.example" })).is_err());
    let trusted = mapped(&rule("email"), "okta", &object(claims(json!(false))), true, &BTreeSet::new());
    assert_eq!(trusted.unwrap(), "a@b.example");
}

#[test]
fn email_verified_speaks_about_the_claim_email_only() {
    let claims = json!({ "email": "a@b.example", "email_verified": true, "mail": "victim@b.example" });
    assert!(matches!(of("mail", claims), Err(SubjectRefusal::EmailNotVerified { .. })));
}

#[test]
fn a_subject_that_looks_like_an_address_but_is_not_mapped_as_one_passes() {
    let from_a_root = json!({ "sub": "alice@corp.example" });
    assert_eq!(of("sub", from_a_root).unwrap(), "alice@corp.example");
}

#[test]
fn paths_that_name_an_email_address_are_told() {
    for path in [
        "email",
        "mail",
        "E-Mail",
        "contact.email_address",
        "emails[0]",
        "emails[0].value",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
        "urn:oid:0.9.2342.19200300.100.1.3",
    ] {
        assert!(is_email(path), "{path}");
    }
    for path in ["sub", "preferred_username", "uid", "email_id.sub", "urn:oid:0.9.2342.19200300.100.1.1"] {
        assert!(!is_email(path), "{path}");
    }
}

#[test]
fn without_a_mapping_the_subject_names_the_connector() {
    assert_eq!(unmapped("okta-idp", "00u1").unwrap(), "okta-idp|00u1");
    assert_eq!(unmapped("okta", "auth0|7").unwrap(), "okta|auth0|7");
    let long = unmapped("okta", &"x".repeat(251)).unwrap();
    assert!(long.starts_with("okta|sha256|") && long.len() <= 255);
    assert_eq!(unmapped("okta", &"x".repeat(250)).unwrap().len(), 255);
    assert!(matches!(unmapped("okta", ""), Err(SubjectRefusal::Empty { .. })));
}

#[test]
fn connector_names_that_could_be_mistaken_are_refused() {
    for name in ["", "sha256", "a|b", "a b", "ä", "a/b", &"a".repeat(201)] {
        assert!(!is_connector_name(name), "{name}");
        assert!(matches!(unmapped(name, "x"), Err(SubjectRefusal::ConnectorName(_))), "{name}");
    }
    assert!(is_connector_name("Okta_idp-1.eu"));
}

/// Connector names and values made of the pieces that could be confused.
fn a_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-b]{1,2}", "[A-Za-z0-9._-]{1,200}", Just("sha256x".to_owned()), Just("SHA256".to_owned())]
        .prop_filter("a connector's name", |name| is_connector_name(name))
}

fn a_value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("sha256|".to_owned()),
        Just("|".to_owned()),
        "[ab]{1,2}",
        ".{1,3}",
        Just("x".repeat(200)),
        "[ab]{1,2}".prop_map(|v| unmapped("a", &format!("{v}\n")).unwrap_or_default()),
        "[ab]{1,2}".prop_map(|v| of_value(&format!("{v}|"))),
    ];
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn two_different_pairs_never_give_one_subject(a in (a_name(), a_value()), b in (a_name(), a_value())) {
        let (first, second) = (unmapped(&a.0, &a.1).unwrap(), unmapped(&b.0, &b.1).unwrap());
        prop_assert_eq!(a == b, first == second, "{} {}", first, second);
    }

    #[test]
    fn two_different_values_never_give_one_subject(a in a_value(), b in a_value()) {
        prop_assert_eq!(a == b, of_value(&a) == of_value(&b));
    }

    #[test]
    fn a_mapped_and_an_unmapped_subject_never_meet(name in a_name(), a in a_value(), b in a_value()) {
        prop_assert_ne!(of_value(&a), unmapped(&name, &b).unwrap());
    }

    #[test]
    fn a_value_that_is_itself_a_subject_does_not_meet_the_one_it_was_made_from(name in a_name(), a in a_value()) {
        let inner = unmapped(&name, &a).unwrap();
        let hashed_again = inner.split_once('|').unwrap().1.to_owned();
        if hashed_again != a {
            prop_assert_ne!(&unmapped(&name, &hashed_again).unwrap(), &inner);
        }
        prop_assert_ne!(of_value(&inner), inner);
    }

    #[test]
    fn every_subject_has_at_most_255_printable_ascii_characters(name in a_name(), value in a_value()) {
        for subject in [unmapped(&name, &value).unwrap(), of_value(&value)] {
            prop_assert!(subject.len() <= 255 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}
