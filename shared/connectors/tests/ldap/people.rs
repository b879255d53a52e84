//! Who is let in, and what is told about them.

use mangrove_connectors::{Begin, Blame, Failure, Identity, Network};
use serde_json::{Value, json};

use crate::slapd::Slapd;
use crate::{as_written, connector};

async fn signs_in(slapd: &Slapd, change: Value, name: &str, password: &str) -> Result<Identity, Failure> {
    connector(slapd, change).verify_password(name, password, Network::default()).await
}

#[tokio::test]
async fn the_right_password_vouches_and_the_entry_tells_who() {
    let slapd = Slapd::start();
    let directory = connector(&slapd, json!({ "attributeMapping": { "face": "jpegPhoto" } }));
    let alice = directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    let claims = &alice.claims;
    assert_eq!(claims["cn"], "Alice Archer");
    assert_eq!(
        claims["mail"],
        json!(["alice@example.com", "a.archer@example.com"]),
        "several values are a list"
    );
    assert_eq!(claims["face"], "/9j/4A==", "binary values are base64");
    assert_eq!(claims["groups"], json!(["engineering", "staff"]));
    assert_eq!(claims["memberOf"][0], "cn=engineering,ou=groups,dc=example,dc=com");
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(claims["entryUUID"], claims["sub"]);
    assert_eq!(alice.subject, claims["sub"]);
    assert_eq!(alice.amr, ["pwd"]);
    assert!(!alice.email_trusted && !claims.contains_key("userPassword"));
    assert!(!claims.contains_key("objectClass"), "what nobody names is not asked for");
}

#[tokio::test]
async fn whoever_is_not_let_in_reads_one_and_the_same() {
    let slapd = Slapd::start();
    let directory = connector(&slapd, as_written());
    let long = "x".repeat(2000);
    for (name, password) in [
        ("alice", "wrong"),
        ("nobody", "correct horse"),
        ("alice", ""),
        ("", "correct horse"),
        ("", ""),
        ("alice", "\0"),
        ("alice\0", "correct horse"),
        ("alice", &long),
        ("*", "correct horse"),
        ("ali*", "correct horse"),
        ("alice)(uid=*", "correct horse"),
        ("*)(|(uid=*", "correct horse"),
        ("alice)(&(objectClass=*", "correct horse"),
        ("ａｌｉｃｅ", "correct horse"),
        ("twin", "twin-password"),
    ] {
        let failure = directory.verify_password(name, password, Network::default()).await.unwrap_err();
        assert_eq!((failure.blame, failure.no_answer), (Blame::Rejected, false), "{name}: {failure}");
        assert!(failure.outside.contains("do not belong together"), "{name}: {}", failure.outside);
    }
    assert!(
        directory.verify_password("ALICE", "correct horse", Network::default()).await.is_ok(),
        "as directories see names"
    );
}

#[tokio::test]
async fn a_name_is_searched_by_the_key_and_in_the_scope_that_are_configured() {
    let slapd = Slapd::start();
    let by = |key: &str| json!({ "usernameSearchKey": key });
    assert!(signs_in(&slapd, by("mail"), "a.archer@example.com", "correct horse").await.is_ok());
    assert!(signs_in(&slapd, by("mail"), "alice", "correct horse").await.is_err());
    assert!(
        signs_in(&slapd, by("cn"), "Bob (the *) Baker", "bob-password").await.is_ok(),
        "escaped, not refused"
    );
    let in_scope = |scope: &str, base: &str| json!({ "scope": scope, "baseDN": base });
    let people = "ou=people,dc=example,dc=com";
    let twin = signs_in(&slapd, in_scope("singleLevel", people), "twin", "twin-password").await.unwrap();
    assert_eq!(twin.claims["cn"], "Twin One", "the other twin is deeper");
    assert!(
        signs_in(&slapd, in_scope("singleLevel", "dc=example,dc=com"), "alice", "correct horse")
            .await
            .is_err()
    );
    let base = in_scope("baseObject", "uid=alice,ou=people,dc=example,dc=com");
    assert!(signs_in(&slapd, base, "alice", "correct horse").await.is_ok());
}

#[tokio::test]
async fn a_name_below_the_base_needs_no_search_and_no_account() {
    let slapd = Slapd::start();
    let rdn = json!({
        "userRDNKey": "uid", "baseDN": "ou=people,dc=example,dc=com", "bindDN": null, "bindPassword": null,
    });
    let alice = signs_in(&slapd, rdn.clone(), "alice", "correct horse").await.unwrap();
    assert_eq!(alice.claims["cn"], "Alice Archer");
    assert!(signs_in(&slapd, rdn.clone(), "alice", "wrong").await.is_err());
    assert!(signs_in(&slapd, rdn.clone(), "twin,ou=more", "twin-password").await.is_err(), "escaped");
    assert!(matches!(
        connector(&slapd, rdn).probe().await,
        mangrove_connectors::ProbeResult::Answered { .. }
    ));
}

#[tokio::test]
async fn in_active_directory_everybody_has_a_principal_name_that_no_attribute_holds() {
    let slapd = Slapd::start();
    let user = |cn: &str, names: &str| {
        slapd.loads(&format!(
            "dn: cn={cn},ou=people,dc=example,dc=com\nobjectClass: user\ncn: {cn}\nsn: {cn}\n{names}\nuserPassword: {cn}-password\n"
        ));
    };
    user("nora", "sAMAccountName: nora");
    user("otto", "sAMAccountName: otto");
    user("olga", "sAMAccountName: olga\nuserPrincipalName: otto@example.com");
    let who = async |name: &str, password: &str| {
        let person = signs_in(&slapd, json!({ "type": "activedirectory" }), name, password).await;
        person.map(|person| person.claims["cn"].clone()).map_err(|failure| failure.blame)
    };
    assert_eq!(who("nora@example.com", "nora-password").await, Ok(json!("nora")));
    assert_eq!(who("NORA@Example.com", "nora-password").await, Ok(json!("nora")));
    for other in ["nora@example.org", "nora@", "@example.com", "n*@example.com"] {
        assert_eq!(who(other, "nora-password").await, Err(Blame::Rejected), "{other}");
    }
    assert_eq!(
        who("otto@example.com", "olga-password").await,
        Ok(json!("olga")),
        "the one that is written goes first"
    );
    assert_eq!(who("otto@example.com", "otto-password").await, Err(Blame::Rejected));
    assert_eq!(who("otto", "otto-password").await, Ok(json!("otto")));
}

#[tokio::test]
async fn groups_are_searched_where_that_is_configured() {
    let slapd = Slapd::start();
    let change = json!({ "groupBaseDN": "ou=groups,dc=example,dc=com" });
    let bob = signs_in(&slapd, change, "bob", "bob-password").await.unwrap();
    assert_eq!(bob.claims["groups"], json!(["staff"]));
    let elsewhere = json!({ "groupBaseDN": "ou=absent,dc=example,dc=com" });
    let failure = signs_in(&slapd, elsewhere, "bob", "bob-password").await.unwrap_err();
    assert_eq!(
        failure.blame,
        Blame::Misconfigured,
        "a base that is not there is not an empty list of groups"
    );
}

#[tokio::test]
async fn groups_that_an_operator_maps_are_the_operators() {
    let slapd = Slapd::start();
    let mapping = json!({ "attributeMapping": { "groups": "employeeNumber" } });
    let alice = signs_in(&slapd, mapping, "alice", "correct horse").await.unwrap();
    assert_eq!(alice.claims["groups"], json!("e-1"));
}

#[tokio::test]
async fn a_mapping_renames_and_may_say_who_the_person_is() {
    let slapd = Slapd::start();
    let mapping =
        json!({ "attributeMapping": { "sub": "employeeNumber", "email": "mail" }, "trustEmail": true });
    let bob = signs_in(&slapd, mapping.clone(), "bob", "bob-password").await.unwrap();
    assert_eq!((bob.subject.as_str(), &bob.claims["email"]), ("e-2", &json!("bob@example.com")));
    assert!(bob.email_trusted);
    let several = json!({ "attributeMapping": { "sub": "mail" } });
    let refused = signs_in(&slapd, several, "alice", "correct horse").await.unwrap_err();
    assert_eq!(refused.blame, Blame::Rejected);
    assert!(refused.outside.contains("not say reliably"));
}

#[tokio::test]
async fn the_page_says_whose_password_it_asks_for() {
    let slapd = Slapd::start();
    let directory = connector(&slapd, json!({ "title": "Example Corp" }));
    let Begin::Password { title } = directory.begin(&Default::default()).await.unwrap() else {
        panic!("no page")
    };
    assert_eq!(title, "Example Corp");
}

#[tokio::test]
async fn active_directory_is_asked_as_it_names_people() {
    let slapd = Slapd::start();
    let change = json!({ "type": "activedirectory" });
    for name in ["carol", "CAROL", "carol@corp.example"] {
        let carol = signs_in(&slapd, change.clone(), name, "carol-password").await.unwrap();
        assert_eq!(
            carol.claims["objectGUID"], "QUJDREVGR0hJSktMTU5PUA==",
            "binary, although its octets are letters"
        );
        assert_eq!(carol.claims["objectSid"], "AQUAAAAAAAUVAAAA");
        assert_eq!(carol.claims["preferred_username"], "carol");
    }
    for (name, password) in
        [("PC1$", "pc-password"), ("alice", "correct horse"), ("carol@elsewhere", "carol-password")]
    {
        let failure = signs_in(&slapd, change.clone(), name, password).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Rejected, "{name}");
    }
}
