//! What is compared in a response that the provider signed.

use mangrove_connectors::{Again, Ask, Blame, Prompt};
use mangrove_saml::uris;
use serde_json::json;

use crate::lying_idp::{Idp, Sign, code};
use crate::{begin_with, blamed, connector, login, refused, says};

#[tokio::test]
async fn somebody_for_whom_the_provider_vouches_is_known() {
    for sign in [Sign::Both, Sign::Response, Sign::Assertion] {
        let identity = says(move |says| says.sign = sign).await.unwrap();
        assert_eq!((identity.connector.as_str(), identity.subject.as_str()), ("idp", "alice-1"));
        assert_eq!(identity.claims["mail"], "alice@example.com");
        assert_eq!(identity.claims["urn:oid:0.9.2342.19200300.100.1.3"], "alice@example.com");
        assert_eq!(identity.claims["groups"], json!(["one", "two"]));
        assert_eq!(identity.claims["nameID"], "alice-1");
        assert_eq!(identity.upstream_sid.as_deref(), Some("s1"));
        assert_eq!(
            identity.acr.as_deref(),
            Some("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
        );
        assert!(identity.auth_time.is_some() && !identity.subject_passes && !identity.email_trusted);
        let once = identity.once.unwrap();
        assert!(once.id.len() > 22 && once.until > identity.auth_time.unwrap() + 300);
    }
}

#[tokio::test]
async fn an_answer_to_another_request_is_refused() {
    refused(says(|says| says.answers = Some("_other".into())).await, "answers another request");
    refused(says(|says| says.answers = None).await, "answers no request");
    refused(
        says(|says| says.confirmations[0].answers = Some("_other".into())).await,
        "answers another request",
    );
    refused(says(|says| says.confirmations[0].answers = None).await, "answers no request");
}

#[tokio::test]
async fn an_answer_for_another_place_is_refused() {
    refused(
        says(|says| says.destination = Some("https://other.example/acs".into())).await,
        "Destination is another",
    );
    refused(says(|says| says.destination = None).await, "no Destination");
    refused(
        says(|says| says.confirmations[0].recipient = Some("https://other.example".into())).await,
        "Recipient",
    );
    refused(says(|says| says.confirmations[0].recipient = None).await, "Recipient");
    refused(
        says(|says| says.audiences = vec![vec!["https://other.example".into()]]).await,
        "another audience",
    );
    refused(says(|says| says.audiences.push(vec!["https://other.example".into()])).await, "another audience");
    refused(says(|says| says.audiences.clear()).await, "does not say for whom");
    refused(says(|says| says.has_conditions = false).await, "no Conditions");
}

#[tokio::test]
async fn one_of_several_audiences_may_be_us() {
    says(|says| says.audiences[0].push("https://other.example".into())).await.unwrap();
}

#[tokio::test]
async fn an_answer_in_another_providers_name_is_refused() {
    refused(says(|says| says.issuer = Some("https://other.example".into())).await, "issuer is another");
    refused(says(|says| says.issuer = None).await, "no Issuer");
    refused(says(|says| says.assertion_issuer = "https://other.example".into()).await, "issuer is another");
}

#[tokio::test]
async fn an_answer_past_its_time_is_refused_and_a_minute_is_forgiven() {
    refused(says(|says| says.good_until -= 361).await, "time is over");
    refused(
        says(|says| says.confirmations[0].until = says.confirmations[0].until.map(|until| until - 361)).await,
        "time to bring",
    );
    refused(says(|says| says.confirmations[0].until = None).await, "no NotOnOrAfter");
    refused(says(|says| says.confirmations[0].from = Some(0)).await, "NotBefore");
    refused(says(|says| says.session_until = Some(says.issued - 61)).await, "session is over");
    says(|says| {
        says.good_until -= 330;
        says.confirmations[0].until = says.confirmations[0].until.map(|until| until - 330);
        says.good_from += 45;
        says.issued += 45;
        says.assertion_issued -= 45;
        says.authenticated = vec![says.issued];
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_somebodys_to_set_and_keeps_nobody_out() {
    for ahead in [
        says(|says| says.issued += 90).await,
        says(|says| says.assertion_issued += 90).await,
        says(|says| says.good_from += 90).await,
        says(|says| says.authenticated[0] += 90).await,
        says(|says| says.assertion_issued -= 90).await,
    ] {
        blamed(ahead, Blame::Misconfigured, "clocks");
    }
    let unsigned = says(|says| (says.sign, says.issued) = (Sign::Assertion, says.issued + 90)).await;
    refused(unsigned, "unsigned response");
}

/// Nobody signed what stands around the assertion, and whoever changed it wanted something.
#[tokio::test]
async fn an_unsigned_response_around_a_signed_assertion_is_compared_all_the_same() {
    let around = |change: fn(&mut crate::Says)| {
        says(move |says| {
            says.sign = Sign::Assertion;
            change(says);
        })
    };
    refused(around(|says| says.destination = Some("https://o.example".into())).await, "Destination");
    refused(around(|says| says.answers = Some("_other".into())).await, "another request");
    refused(around(|says| says.issuer = Some("https://o.example".into())).await, "issuer is another");
    refused(around(|says| says.status.clear()).await, "exactly one Status");
    around(|says| (says.destination, says.issuer) = (None, None)).await.unwrap();
}

/// What was good once, or is good elsewhere, is old as well: that must not look like a clock, which sends people on.
#[tokio::test]
async fn an_old_answer_to_another_request_or_for_another_place_is_refused_and_blamed_on_no_clock() {
    let old = |change: fn(&mut crate::Says)| {
        says(move |says| {
            (says.issued, says.assertion_issued) = (says.issued - 3600, says.assertion_issued - 3600);
            change(says);
        })
    };
    refused(old(|says| says.answers = Some("_other".into())).await, "answers another request");
    refused(old(|says| says.destination = Some("https://other.example".into())).await, "Destination");
    refused(old(|says| says.issuer = Some("https://other.example".into())).await, "issuer is another");
    let assertion = |change: fn(&mut crate::Says)| {
        says(move |says| {
            (says.sign, says.assertion_issued) = (Sign::Assertion, says.assertion_issued - 3600);
            change(says);
        })
    };
    refused(assertion(|says| says.confirmations[0].answers = Some("_other".into())).await, "another request");
    refused(
        assertion(|says| says.confirmations[0].recipient = Some("https://o.example".into())).await,
        "Recipient",
    );
    refused(assertion(|says| says.audiences = vec![vec!["https://o.example".into()]]).await, "audience");
    refused(assertion(|says| says.assertion_issuer = "https://o.example".into()).await, "issuer is another");
    refused(
        says(|says| (says.good_from, says.audiences) = (says.good_from + 600, Vec::new())).await,
        "does not say for whom",
    );
}

#[tokio::test]
async fn a_name_of_another_name_space_or_without_end_is_nobodys() {
    let named = |change: fn(&mut crate::Says)| says(change);
    refused(named(|says| says.name_qualifier = Some("https://other.example".into())).await, "NameQualifier");
    named(|says| says.name_qualifier = says.issuer.clone()).await.unwrap();
    named(|says| says.name_qualifier = Some(String::new())).await.unwrap();
    named(|says| says.name = Some((None, "x".repeat(1024)))).await.unwrap();
    refused(named(|says| says.name = Some((None, "x".repeat(1025)))).await, "too long");
}

#[tokio::test]
async fn an_answer_that_claims_to_be_good_for_years_is_refused() {
    refused(
        says(|says| says.confirmations[0].until = Some(says.issued + 315_360_000)).await,
        "more than a day",
    );
    refused(says(|says| says.good_until += 315_360_000).await, "more than a day");
}

#[tokio::test]
async fn a_condition_that_is_not_known_does_not_hold() {
    says(|says| says.more_conditions = "<saml:OneTimeUse/>".into()).await.unwrap();
    for unknown in ["<saml:Condition/>", "<x:AudienceRestriction xmlns:x=\"urn:evil\"/>", "<OneTimeUse/>"] {
        refused(says(|says| says.more_conditions = unknown.into()).await, "not known here");
    }
}

#[tokio::test]
async fn nobody_is_vouched_for_without_a_name_and_exactly_one_proof() {
    refused(says(|says| says.name = None).await, "no NameID");
    refused(says(|says| says.name = Some((None, " ".into()))).await, "NameID is empty");
    refused(says(|says| says.authenticated.clear()).await, "no AuthnStatement");
    refused(says(|says| says.authenticated.push(says.issued)).await, "more than one AuthnStatement");
    refused(says(|says| says.confirmations.clear()).await, "no bearer confirmation");
    refused(
        says(|says| says.confirmations[0].method = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches").await,
        "no bearer",
    );
    refused(says(|says| says.has_assertion = false).await, "no assertion");
    refused(says(|says| says.status.clear()).await, "exactly one Status");
    refused(says(|says| says.status[0].clear()).await, "no Value");
}

#[tokio::test]
async fn one_confirmation_that_holds_is_enough() {
    says(|says| {
        let mut other = says.confirmations[0].clone();
        other.recipient = Some("https://other.example".into());
        says.confirmations.insert(0, other);
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_no_is_told_as_what_it_is() {
    let no = |first: &'static str, nested: Option<&'static str>| {
        says(move |says| {
            says.status = [Some(first), nested].into_iter().flatten().map(code).collect();
            says.has_assertion = false;
        })
    };
    let failure = blamed(no("Responder", Some("NoPassive")).await, Blame::Rejected, "NoPassive");
    assert_eq!(failure.oauth_error.as_deref(), Some("login_required"));
    blamed(no("Responder", Some("AuthnFailed")).await, Blame::Rejected, "AuthnFailed");
    blamed(no("Requester", Some("RequestDenied")).await, Blame::Rejected, "RequestDenied");
    let failure = blamed(no("Responder", Some("NoAuthnContext")).await, Blame::Rejected, "NoAuthnContext");
    assert_eq!(failure.again, None, "no class was asked for");
    blamed(no("Responder", None).await, Blame::Unavailable, "Responder");
    blamed(no("Requester", Some("InvalidNameIDPolicy")).await, Blame::Misconfigured, "InvalidNameIDPolicy");
    blamed(no("Requester", None).await, Blame::Misconfigured, "Requester");
}

#[tokio::test]
async fn a_success_around_which_the_response_says_no_is_no() {
    let outcome = says(|says| {
        says.sign = Sign::Assertion;
        says.status = vec![code("Responder"), code("AuthnFailed")];
    })
    .await;
    blamed(outcome, Blame::Rejected, "AuthnFailed");
}

#[tokio::test]
async fn a_person_who_had_to_prove_it_again_and_did_not_is_refused() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    idp.lies(|lies| lies.says = Some(Box::new(|says| says.authenticated[0] -= 600)));
    let ask = |prompt, max_age| Ask { prompt, max_age, ..Ask::default() };
    login(&idp, &connector, &ask(None, None)).await.unwrap();
    refused(login(&idp, &connector, &ask(Some(Prompt::Login), None)).await, "too long ago");
    login(&idp, &connector, &ask(None, Some(3600))).await.unwrap();
    let old = blamed(login(&idp, &connector, &ask(None, Some(300))).await, Blame::Rejected, "too long ago");
    assert_eq!(old.again, Some(Again { forced: true, any_class: true }), "it has to be asked for a new one");
    let classes = Ask { acr_values: Some("urn:a".into()), ..ask(None, Some(300)) };
    let old = blamed(login(&idp, &connector, &classes).await, Blame::Rejected, "too long ago");
    assert_eq!(old.again, Some(Again { forced: true, any_class: false }), "of a class that it was asked for");
    refused(login(&idp, &connector, &ask(None, Some(0))).await, "too long ago");
    login(&idp, &connector, &ask(Some(Prompt::None), Some(3600))).await.unwrap();
    let silent = login(&idp, &connector, &ask(Some(Prompt::None), Some(300))).await;
    let failure = blamed(silent, Blame::Rejected, "too long ago");
    assert_eq!(failure.oauth_error.as_deref(), Some("login_required"));
}

#[tokio::test]
async fn attributes_are_read_whatever_stands_in_them() {
    let identity = says(|says| {
        says.attributes = vec![
            ("role", None, vec!["user".into()]),
            ("role", Some("r"), vec!["admin".into()]),
            (
                "urn:oid:1.3.6.1.4.1.5923.1.1.1.10",
                Some("eduPersonTargetedID"),
                vec!["<saml:NameID>t-1</saml:NameID>".into()],
            ),
            ("odd", None, vec!["<x xmlns=\"urn:x\">1</x>".into(), "2".into()]),
            ("mixed", None, vec!["a&amp;b".into()]),
        ];
    })
    .await
    .unwrap();
    assert_eq!(
        identity.claims["role"],
        json!(["user", "admin"]),
        "one name twice is one attribute with both values"
    );
    assert_eq!(identity.claims["eduPersonTargetedID"], "t-1");
    assert_eq!(identity.claims["odd"], "2");
    assert_eq!(identity.claims["mixed"], "a&b");
}

#[tokio::test]
async fn a_name_that_is_another_one_each_time_is_said_to_be() {
    let identity = says(|says| says.name = Some((Some(uris::TRANSIENT), "t-77".into()))).await.unwrap();
    assert!(identity.subject_passes && !identity.claims.contains_key("nameID"));
}

#[tokio::test]
async fn an_answer_at_another_door_or_with_anothers_relay_state_is_refused() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (asked, pending) = begin_with(&connector, &Ask::default()).await.unwrap();
    let good = idp.signs_in(&asked);
    let mut elsewhere = good.clone();
    elsewhere.path = "/oidc/callback".into();
    refused(connector.finish(&pending, &elsewhere).await, "a path that is not");
    let mut twice = good.clone();
    twice.params.push(good.params[0].clone());
    refused(connector.finish(&pending, &twice).await, "twice");
    let (other, _) = begin_with(&connector, &Ask::default()).await.unwrap();
    refused(connector.finish(&pending, &idp.signs_in(&other)).await, "RelayState is another");
    let mut without = good.clone();
    without.params.remove(0);
    refused(connector.finish(&pending, &without).await, "no SAMLResponse");
    connector.finish(&pending, &good).await.unwrap();
}

#[tokio::test]
async fn an_honest_response_of_a_quarter_mebibyte_is_read_and_a_larger_one_is_not() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let large = |says: &mut crate::Says| says.attributes.push(("large", None, vec!["x".repeat(240 * 1024)]));
    idp.lies(|lies| lies.says = Some(Box::new(large)));
    let identity = login(&idp, &connector, &Ask::default()).await.unwrap();
    assert_eq!(identity.claims["large"].as_str().unwrap().len(), 240 * 1024);
    idp.lies(|lies| lies.forge = Some(Box::new(|xml| xml.push_str(&" ".repeat(20 * 1024)))));
    refused(login(&idp, &connector, &Ask::default()).await, "longer than");
}
