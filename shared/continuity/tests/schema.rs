//! Schema abstraction: paths into claims, defaults, absence.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use mangrove_continuity::schema::{Pick, SourceError, Whence, see, values};
use mangrove_continuity::{AttributeRule, Path, PathError, Source};
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
        mapping.iter().map(|(member, path)| ((*member).to_owned(), plain(path))).collect();
    AttributeRule { name: name.to_owned(), mapping, default, lower_case: false }
}

fn normalise(rules: &[AttributeRule], member: &str, claims: &Map<String, Value>) -> Map<String, Value> {
    values(see(rules, member, claims))
}

fn plain(path: &str) -> Source {
    Source::plain(Path::parse(path).unwrap())
}

/// What `only`, `pick` and `join` make of `paths`.
fn made(
    claims: Value,
    paths: &[&str],
    only: Option<&str>,
    pick: Option<Pick>,
    join: Option<&str>,
) -> Option<Value> {
    let paths = paths.iter().map(|path| Path::parse(path).unwrap()).collect();
    Source::new(paths, only, pick, join.map(str::to_owned)).unwrap().find(&object(claims))
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
    assert!(matches!(Path::parse(&vec!["a"; 33].join(".")), Err(PathError::TooDeep(_))));
}

#[test]
fn of_several_values_one_is_picked_or_all_are_joined() {
    let entry = || json!({ "mail": ["a@x.example", "b@x.example"], "givenName": "Alice", "sn": ["Liddell"], "n": [7, true] });
    assert_eq!(made(entry(), &["mail"], None, Some(Pick::First), None), Some(json!("a@x.example")));
    assert_eq!(made(entry(), &["mail"], None, Some(Pick::Last), None), Some(json!("b@x.example")));
    assert_eq!(made(entry(), &["givenName", "sn"], None, None, Some(" ")), Some(json!("Alice Liddell")));
    assert_eq!(made(entry(), &["n"], None, None, Some("/")), Some(json!("7/true")));
    assert_eq!(
        made(entry(), &["absent", "mail"], None, Some(Pick::First), None),
        Some(json!("a@x.example")),
        "the first there is"
    );
    assert_eq!(made(entry(), &["givenName", "sn"], None, None, None), Some(json!(["Alice", "Liddell"])));
    for (pick, join) in [(Some(Pick::First), None), (None, Some(" ")), (None, None)] {
        assert_eq!(made(entry(), &["absent", "none"], None, pick, join), None);
        assert_eq!(
            made(json!({ "mail": ["", null] }), &["mail"], None, pick, join)
                .filter(|_| pick.is_some() || join.is_some()),
            None
        );
    }
}

#[test]
fn what_does_not_match_does_not_count_and_a_group_is_what_is_kept() {
    let entry = || json!({ "proxyAddresses": ["smtp:old@x.example", "SMTP:alice@x.example", "X400:c=US"], "one": "CN=Admins,OU=x" });
    let smtp = Some("^SMTP:(.+)$");
    assert_eq!(
        made(entry(), &["proxyAddresses"], smtp, Some(Pick::First), None),
        Some(json!("alice@x.example"))
    );
    assert_eq!(
        made(entry(), &["proxyAddresses"], Some("(?i)^smtp:(.+)$"), None, None),
        Some(json!(["old@x.example", "alice@x.example"]))
    );
    assert_eq!(
        made(entry(), &["one"], Some("^CN=([^,]+)"), None, None),
        Some(json!("Admins")),
        "one stays one"
    );
    assert_eq!(made(entry(), &["one"], Some("^CN=Users"), None, None), None);
    assert_eq!(
        made(json!({ "a": "ab" }), &["a"], Some("^ab(c)?$"), None, None),
        None,
        "a group that matched nothing"
    );
    let source = Source::new(vec![Path::parse("a").unwrap()], Some("(unclosed"), None, None);
    assert!(matches!(source, Err(SourceError::Match(why)) if why.contains("unclosed group")));
    let both = Source::new(vec![Path::parse("a").unwrap()], None, Some(Pick::First), Some(String::new()));
    assert_eq!(both, Err(SourceError::PickAndJoin));
    assert_eq!(Source::new(vec![], None, None, None), Err(SourceError::NoPath));
}

#[test]
fn groups_and_roles_are_lists_whoever_says_them_and_however() {
    let rules = [
        rule("groups", &[("saml", "http://schemas.xmlsoap.org/claims/Group")], None),
        rule("roles", &[], Some(json!("user"))),
    ];
    let seen =
        normalise(&rules, "saml", &object(json!({ "http://schemas.xmlsoap.org/claims/Group": "staff" })));
    assert_eq!((&seen["groups"], &seen["roles"]), (&json!(["staff"]), &json!(["user"])));
    let passed =
        normalise(&[], "oidc", &object(json!({ "groups": ["b", "a", "b"], "roles": "x", "role": "x" })));
    assert_eq!(
        (&passed["groups"], &passed["roles"], &passed["role"]),
        (&json!(["a", "b"]), &json!(["x"]), &json!("x"))
    );
}

#[test]
fn an_address_in_small_letters_is_the_same_address_and_keeps_its_mark() {
    let email = AttributeRule { lower_case: true, ..rule("email", &[("m", "email"), ("upn", "upn")], None) };
    let claims = object(
        json!({ "email": "Alice@Corp.Example", "email_verified": true, "upn": "ALICE2@corp.example" }),
    );
    let rules = [email];
    let seen = normalise(&rules, "m", &claims);
    assert_eq!((&seen["email"], &seen["email_verified"]), (&json!("alice@corp.example"), &json!(true)));
    let other = normalise(&rules, "upn", &claims);
    assert_eq!(other["email"], "alice2@corp.example");
    assert!(!other.contains_key("email_verified"), "another address");
    let kelvin = normalise(&rules, "m", &object(json!({ "email": "\u{212a}ate@corp.example" })));
    assert_eq!(
        kelvin["email"], "\u{212a}ate@corp.example",
        "a letter that folds to another person's k stays"
    );
}

#[test]
fn each_attribute_is_told_whence_it_came() {
    let rules = [
        rule("email", &[("m", "mail")], None),
        rule("role", &[("m", "group")], Some(json!("user"))),
        rule("phone", &[("m", "tel")], None),
        rule("office", &[("other", "office")], None),
    ];
    let claims = object(
        json!({ "mail": "a@x.example", "email": "b@x.example", "email_verified": true, "uid": "alice" }),
    );
    let whence: BTreeMap<String, Whence> =
        see(&rules, "m", &claims).into_iter().map(|seen| (seen.name, seen.whence)).collect();
    let told = |name: &str| whence[name];
    assert_eq!(told("email"), Whence::Mapped);
    assert_eq!(told("role"), Whence::Default);
    assert_eq!(told("phone"), Whence::NotSent);
    assert_eq!(told("office"), Whence::NotMapped);
    assert_eq!(told("uid"), Whence::PassedOn);
    assert_eq!(told("email_verified"), Whence::HeldBack);
}

#[test]
fn names_of_saml_attributes_are_found_whole_however_many_dots_slashes_and_colons_they_have() {
    for name in [
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.7",
        "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
        "https://corp.example/claims/v1.2/eduPerson.entitlement",
    ] {
        let claims = json!({ name: ["a", "b"], "urn:oid:1": { "3": "wrong" }, "https://corp.example/claims/v1": "wrong" });
        assert_eq!(find(name, claims.clone()), Some(json!(["a", "b"])), "{name}");
        assert_eq!(find(&format!("{name}[1]"), claims.clone()), Some(json!("b")), "{name}");
        let nested = json!({ "attributes": claims });
        assert_eq!(find(&format!("attributes.{name}[0]"), nested), Some(json!("a")), "{name}");
    }
}

/// Claims as upstreams send them: texts, numbers, lists, objects, nothing.
fn claims() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        "[a-zA-Z@. ]{0,6}".prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from)
    ];
    let value = leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab:/.]{1,3}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[ab:/.]{1,3}|email|groups|email_verified", value, 0..6)
        .prop_map(|map| map.into_iter().collect())
}

fn rules() -> impl Strategy<Value = Vec<AttributeRule>> {
    let source = (
        prop::collection::vec("[ab](\\.[ab]){0,2}(\\[[01]\\])?|groups|email", 1..3),
        prop::option::of(Just("a(.)?")),
        prop_oneof![
            Just((None, None)),
            Just((Some(Pick::First), None)),
            Just((Some(Pick::Last), None)),
            Just((None, Some("-")))
        ],
    );
    let source = source.prop_map(|(paths, only, (pick, join))| {
        let paths = paths.iter().map(|path| Path::parse(path).unwrap()).collect();
        Source::new(paths, only, pick, join.map(str::to_owned)).unwrap()
    });
    let rule = (
        prop::sample::select(vec!["email", "groups", "a", "c"]),
        prop::option::of(source),
        prop::option::of(Just(json!("d"))),
        any::<bool>(),
    );
    let rule = rule.prop_map(|(name, source, default, lower_case)| AttributeRule {
        name: name.to_owned(),
        mapping: source.into_iter().map(|source| ("m".to_owned(), source)).collect(),
        default,
        lower_case,
    });
    prop::collection::vec(rule, 0..4).prop_map(|mut rules| {
        let mut seen = std::collections::BTreeSet::new();
        rules.retain(|rule| seen.insert(rule.name.clone()));
        rules
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_lists_are_lists_what_is_not_mapped_does_not_slip_through_and_all_is_told(
        rules in rules(),
        claims in claims(),
    ) {
        let seen = see(&rules, "m", &claims);
        let out = normalise(&rules, "m", &claims);
        for name in ["groups", "roles"] {
            prop_assert!(out.get(name).is_none_or(|value| value.is_array() || value.is_null()));
        }
        for rule in &rules {
            let told = seen.iter().find(|seen| seen.name == rule.name).unwrap();
            prop_assert_eq!(out.get(&rule.name), told.value.as_ref());
            if rule.mapping.is_empty() {
                let default = rule.default.clone().map(|value| if rule.name == "groups" { json!([value]) } else { value });
                prop_assert_eq!(out.get(&rule.name), default.as_ref());
            }
            if told.whence == Whence::Default {
                prop_assert!(rule.default.is_some());
            }
        }
        for (name, value) in &claims {
            let passed = rules.iter().all(|rule| rule.name != *name) && !["groups", "email_verified"].contains(&name.as_str());
            prop_assert!(!passed || out.get(name) == Some(value));
        }
        prop_assert_eq!(normalise(&[], "m", &out), normalise(&[], "m", &normalise(&[], "m", &out)), "once is enough");
    }

    #[test]
    fn any_name_of_letters_dots_slashes_and_colons_is_found_by_itself(name in "[a-z]([a-z0-9:/._-]{0,40}[a-z0-9])?") {
        if let Ok(path) = Path::parse(&name) {
            let mut claims = object(json!({ "a": { "b": "not here" } }));
            claims.insert(name.clone(), json!("here"));
            prop_assert_eq!(path.find(&claims), Some(&json!("here")));
        } else {
            prop_assert!(name.contains(".."), "{} cannot be written", name);
        }
    }

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
