//! Schema abstraction: what is made of several values, letters, lists; and what cannot be meant.

use mangrove_config::{Connector, Severity};

use crate::support::*;

/// [`EDGE`] with another attribute, in lines 24 and 25.
fn with(attribute: &str, mapping: &str) -> String {
    let more = format!("      - name: {attribute}\n        mapping: {mapping}\napps:\n");
    edge("apps:\n", &more)
}

const AT: &str = "connectors[2].attributes[1].mapping.root-a";

#[test]
fn values_are_picked_joined_and_matched() {
    let yaml = with(
        "displayName",
        "{root-a: {path: [given_name, family_name], join: \" \"}, root-b: {path: proxyAddresses, match: \"^SMTP:(.+)\", pick: first}}",
    );
    let report = check(&yaml);
    assert!(!report.has(Severity::Problem) && !report.has(Severity::Warning), "{report}");
    let config = report.config.unwrap();
    let Connector::Continuity(group) = &config.connectors[2] else { panic!("a group") };
    let rule = group.attributes[1].rule().unwrap();
    assert_eq!(rule.mapping["root-a"].to_string(), "given_name and family_name, joined by \" \"");
    assert_eq!(rule.mapping["root-b"].to_string(), "proxyAddresses, what matches /^SMTP:(.+)/, the first");
}

#[test]
fn what_cannot_be_read_is_said_where_it_stands() {
    for (mapping, words) in [
        ("{root-a: \"emails[x]\"}", "needs a number"),
        ("{root-a: \"a..b\"}", "a name is missing"),
        ("{root-a: \"\"}", "a name is missing"),
        ("{root-a: {path: [], pick: first}}", "no attribute is named"),
        ("{root-a: {path: a, pick: first, join: \" \"}}", "`pick` leaves one value"),
        ("{root-a: {path: a, match: \"(unclosed\"}}", "unclosed group"),
    ] {
        problem(&with("displayName", mapping), 25, AT, &[words]);
    }
    problem(
        &with("displayName", "{root-a: {path: a, pick: best}}"),
        25,
        &format!("{AT}.pick"),
        &["`first` or `last`"],
    );
    problem(
        &with("displayName", "{root-a: {path: a, jion: x}}"),
        25,
        &format!("{AT}.jion"),
        &["did you mean `join`"],
    );
    problem(&with("displayName", "{root-a: {join: x}}"), 25, AT, &["`path` is missing"]);
    problem(&with("displayName", "{root-a: [a, b]}"), 25, AT, &["text, or a mapping of keys"]);
}

#[test]
fn lists_are_not_joined_and_one_of_several_values_identifies_nobody() {
    problem(
        &with("groups", "{root-a: {path: memberOf, join: \",\"}}"),
        25,
        AT,
        &["as lists", "remove `join`"],
    );
    let sub = edge("{root-a: sub, root-b: sub}", "{root-a: {path: uid, pick: first}, root-b: sub}");
    problem(
        &sub,
        23,
        "connectors[2].attributes[0].mapping.root-a",
        &["one value, taken as it is", "write the path alone"],
    );
}

#[test]
fn an_address_that_is_who_somebody_is_wants_one_way_to_be_written() {
    let by_address = edge("{root-a: sub, root-b: sub}", "{root-a: email, root-b: mail}");
    warning(&by_address, 22, "connectors[2].attributes[0]", &["letter by letter", "case: lower"]);
    let small = by_address.replacen("- name: sub", "- name: sub\n        case: lower", 1);
    assert!(!check(&small).has(Severity::Warning), "{}", check(&small));
    let upper = by_address.replacen("- name: sub", "- name: sub\n        case: upper", 1);
    problem(&upper, 23, "connectors[2].attributes[0].case", &["`lower`"]);
}
