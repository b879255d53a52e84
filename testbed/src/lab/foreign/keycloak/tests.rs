//! What is imported, and when the database is begun anew.

use super::*;

fn realm(clients: &[Client]) -> Value {
    let member = |name: &str| Member {
        name: name.into(),
        username: name.into(),
        password: format!("password of {name}"),
        salt: [0; 16],
        hash: String::new(),
    };
    let site = Site {
        name: "corp",
        directory: "corp",
        home: Path::new("/lab"),
        address: ([10, 64, 1, 10], 443).into(),
        authority: Path::new("/lab/ca.pem"),
        members: &[member("a-01"), member("a-02")],
    };
    serde_json::from_str(&Keycloak.config(&site, clients).unwrap()).unwrap()
}

#[test]
fn everybody_is_in_the_realm_with_a_password_a_subject_and_all_that_spares_a_profile_page() {
    let realm = realm(&[]);
    let [first, second] = [&realm["users"][0], &realm["users"][1]];
    assert_eq!(
        (&first["username"], &first["credentials"][0]["value"]),
        (&json!("a-01"), &json!("password of a-01"))
    );
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["id"].as_str().unwrap().split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    for needed in ["email", "firstName", "lastName"] {
        assert!(first[needed].is_string(), "without `{needed}` Keycloak asks for it at the first login");
    }
    assert_eq!(first["attributes"]["lab_person"], json!(["a-01"]));
}

#[test]
fn roots_are_clients_by_the_protocol_they_speak() {
    let oidc = Client {
        urls: vec!["https://root.mesh.test/oidc/corp".into()],
        ..Client::new(Protocol::Oidc, "root", Some("s3cret"))
    };
    let saml = Client {
        urls: vec!["https://root.mesh.test/saml/corp/acs".into()],
        ..Client::new(Protocol::Saml, "https://root.mesh.test/saml/metadata", None)
    };
    let realm = realm(&[oidc, saml, Client::new(Protocol::Ldap, "cn=reader", Some("x"))]);
    let clients = realm["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 2, "it is no directory");
    assert_eq!((&clients[0]["secret"], &clients[0]["publicClient"]), (&json!("s3cret"), &json!(false)));
    assert_eq!(clients[0]["redirectUris"], json!(["https://root.mesh.test/oidc/corp"]));
    assert_eq!(clients[1]["clientId"], "https://root.mesh.test/saml/metadata", "the entity id");
    assert_eq!(clients[1]["redirectUris"], json!(["https://root.mesh.test/saml/corp/acs"]));
    assert_eq!(clients[1]["attributes"]["saml.client.signature"], "false", "it has no key to sign with");
}

#[test]
fn a_root_with_a_key_has_to_sign_and_is_told_in_secret() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("saml.pem");
    std::fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nMIIC\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let signs = Client {
        urls: vec!["https://root.mesh.test/saml/corp".into()],
        certificate: Some(certificate.display().to_string()),
        ..Client::new(Protocol::Saml, "https://root.mesh.test", None)
    };
    let decrypts = Client { decrypts: true, ..signs.clone() };
    let attributes = |client| realm(&[client])["clients"][0]["attributes"].clone();
    let [signed, both] = [attributes(signs.clone()), attributes(decrypts.clone())];
    for found in [&signed, &both] {
        assert_eq!(
            (&found["saml.client.signature"], &found["saml.signing.certificate"]),
            (&json!("true"), &json!("MIICAAAA"))
        );
    }
    assert_eq!((&signed["saml.encrypt"], &both["saml.encrypt"]), (&json!("false"), &json!("true")));
    assert_eq!(both["saml.encryption.certificate"], "MIICAAAA");
    assert_eq!(Keycloak.particular(&signs), [Particular::SignedRequests].into());
    assert_eq!(Keycloak.particular(&decrypts).len(), 2);
    let begins = Keycloak.begins("corp", &signs, "office-app").unwrap();
    let name = both["saml_idp_initiated_sso_url_name"].as_str().unwrap();
    assert_eq!(
        begins,
        format!("https://corp.mesh.test/realms/mesh/protocol/saml/clients/{name}?RelayState=office-app")
    );
}

#[test]
fn a_session_ends_at_the_wish_of_whoever_asks_by_oidc_or_can_sign_and_be_answered() {
    let oidc = Client::new(Protocol::Oidc, "root", Some("s3cret"));
    let saml = Client {
        logout_urls: vec!["https://root.mesh.test/saml/corp/logout".into()],
        certificate: Some("/lab/saml.pem".into()),
        ..Client::new(Protocol::Saml, "https://root.mesh.test", None)
    };
    assert!(Keycloak.signs_out(&[oidc.clone(), saml.clone()]));
    assert!(!Keycloak.signs_out(&[oidc.clone(), Client { certificate: None, ..saml.clone() }]));
    assert!(!Keycloak.signs_out(&[oidc, Client { logout_urls: vec![], ..saml }]));
}

#[test]
fn what_is_imported_is_begun_anew_when_realm_or_key_is_another_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for folder in ["data/import", "state"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    let (template, database) = (home.join("template"), home.join("state/keycloak.mv.db"));
    std::fs::write(&template, "prepared").unwrap();
    let write = |realm: &str| std::fs::write(home.join(REALM), realm).unwrap();
    let begun_anew = || {
        begin(home, &template).unwrap();
        let anew = std::fs::read_to_string(&database).unwrap() == "prepared";
        std::fs::write(&database, "used").unwrap();
        anew
    };
    write(r#"{"realm": "mesh"}"#);
    assert!(begun_anew(), "at first");
    assert!(!begun_anew(), "a mere restart");
    std::fs::remove_file(home.join(KEY)).unwrap();
    assert!(begun_anew(), "keys rolled");
    write(r#"{"realm": "mesh", "clients": []}"#);
    assert!(begun_anew(), "edited");
}
