//! What a browser may bring back, and what the token endpoint may say.

use mangrove_connectors::oidc::{ELSEWHERE_PARAMETER, HOPS_PARAMETER};
use mangrove_connectors::{Answer, Ask, Blame, Failure, Network, Sending};
use serde_json::json;
use url::Url;

use crate::lying_idp::{CODE_OF_ANOTHER_CLIENT, Idp};
use crate::{begin, begin_with, build, connector, login};

async fn answered(change: impl FnOnce(&mut Answer)) -> Failure {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (url, pending) = begin(&connector).await;
    let mut answer = idp.signs_in(&url);
    change(&mut answer);
    let failure = connector.finish(&pending, &answer).await.expect_err("this must be refused");
    assert_eq!(idp.hits("/token"), 0, "the code goes nowhere");
    assert!(!failure.no_answer && !failure.keeps_out, "nothing that a browser carries is a sample");
    failure
}

fn set(answer: &mut Answer, name: &str, value: &str) {
    answer.params.retain(|(known, _)| known != name);
    answer.params.push((name.into(), value.into()));
}

#[tokio::test]
async fn the_authorization_request_carries_what_the_application_asked() {
    let idp = Idp::start().await;
    let extra = |written: &mut serde_json::Value| {
        written["oauthExtraParams"] = json!({ "audience": "a b", "login_hint": "operator" });
        written["root"] = true.into();
    };
    let ask = Ask {
        login_hint: Some("alice".into()),
        acr_values: Some("gold".into()),
        ui_locales: Some("de".into()),
        hops: vec!["edge1".into(), "edge2".into()],
        elsewhere: true,
        ..Ask::default()
    };
    let (url, pending) = begin_with(&connector(&idp, extra), &ask).await;
    let all = |name: &str| {
        url.query_pairs().filter(|(n, _)| n == name).map(|(_, v)| v.into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(all("login_hint"), ["alice"]);
    assert_eq!(all("audience"), ["a b"]);
    assert_eq!((all("acr_values"), all("ui_locales")), (vec!["gold".into()], vec!["de".into()]));
    assert_eq!(all(HOPS_PARAMETER), ["edge1 edge2"]);
    assert_eq!(all(ELSEWHERE_PARAMETER), ["1"]);
    assert_eq!(all("state"), [pending.state()]);
    assert_eq!(all("code_challenge_method"), ["S256"]);
    assert_eq!(all("code_challenge")[0].len(), 43);

    let (url, _) = begin_with(&connector(&idp, |_| ()), &ask).await;
    for told in [HOPS_PARAMETER, ELSEWHERE_PARAMETER] {
        assert!(!url.as_str().contains(told), "only roots are told the way");
    }
    let (url, _) = begin_with(&connector(&idp, |written| written["disablePKCE"] = true.into()), &ask).await;
    assert!(!url.as_str().contains("code_challenge"));
}

#[tokio::test]
async fn settings_that_would_break_the_protocol_are_refused() {
    let idp = Idp::start().await;
    let why = build(&idp, |written| written["oauthExtraParams"] = json!({ "state": "x" })).unwrap_err();
    assert!(why.contains("idp") && why.contains("state"), "{why}");
    let why = build(&idp, |written| {
        written["oidcWellKnownURL"] = "http://idp.example/.well-known/openid-configuration".into();
    });
    assert!(why.unwrap_err().contains("https://"));
}

#[tokio::test]
async fn an_answer_without_this_logins_state_is_refused() {
    for state in ["", "another"] {
        assert_eq!(answered(|answer| set(answer, "state", state)).await.blame, Blame::Protocol);
    }
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused() {
    let failure = answered(|answer| answer.params.push(("code".into(), "another".into()))).await;
    assert!(failure.log.contains("twice"));
    assert_eq!(failure.blame, Blame::Protocol);
}

#[tokio::test]
async fn an_answer_at_another_path_is_refused() {
    assert!(answered(|answer| answer.path = "/other".into()).await.log.contains("path"));
}

#[tokio::test]
async fn another_providers_iss_or_a_missing_promised_one_is_refused() {
    let failure = answered(|answer| set(answer, "iss", "https://evil.example")).await;
    assert_eq!(failure.blame, Blame::Protocol);
    let failure = answered(|answer| answer.params.retain(|(name, _)| name != "iss")).await;
    assert!(failure.log.contains("promises"), "{failure}");
    let failure = answered(|answer| {
        set(answer, "iss", "https://evil.example");
        set(answer, "error", "access_denied");
    });
    assert_eq!(failure.await.blame, Blame::Protocol, "errors are checked as well");
}

#[tokio::test]
async fn errors_that_a_browser_brings_are_answers_to_a_person() {
    let table = [
        ("access_denied", Blame::Rejected),
        ("login_required", Blame::Rejected),
        ("interaction_required", Blame::Rejected),
        ("temporarily_unavailable", Blame::Unavailable),
        ("server_error", Blame::Unavailable),
        ("unauthorized_client", Blame::Rejected),
        ("junk", Blame::Rejected),
    ];
    for (error, blame) in table {
        let failure = answered(|answer| set(answer, "error", error)).await;
        assert_eq!((failure.blame, failure.oauth_error.as_deref()), (blame, Some(error)));
        assert!(failure.log.contains(error) && !failure.outside.contains(error));
    }
}

#[tokio::test]
async fn an_answer_crossed_between_two_members_that_share_a_redirect_url_is_refused() {
    let (good, evil) = (Idp::start().await, Idp::start().await);
    let (ours, theirs) = (connector(&good, |_| ()), connector(&evil, |_| ()));
    let (our_url, _) = begin(&ours).await;
    let (their_url, their_pending) = begin(&theirs).await;
    let from_good = good.signs_in(&our_url);
    assert_eq!(theirs.finish(&their_pending, &from_good).await.unwrap_err().blame, Blame::Protocol);

    // The same with their state: the code of one provider must not reach the other's token endpoint.
    let mut mixed = from_good;
    let state = their_url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    set(&mut mixed, "state", &state);
    assert_eq!(theirs.finish(&their_pending, &mixed).await.unwrap_err().blame, Blame::Protocol);
    assert_eq!(evil.hits("/token"), 0);
}

#[tokio::test]
async fn a_replayed_code_ends_the_login_and_says_nothing_about_the_provider() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (url, pending) = begin(&connector).await;
    let answer = idp.signs_in(&url);
    assert!(connector.finish(&pending, &answer).await.is_ok());
    let failure = connector.finish(&pending, &answer).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Protocol);
    assert_eq!(failure.oauth_error.as_deref(), Some("invalid_grant"));
    assert!(!failure.no_answer && !failure.keeps_out);
}

#[tokio::test]
async fn a_secret_that_the_provider_does_not_know_keeps_the_connector_out_until_it_does() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    idp.lies(|lies| lies.secret = Some("rotated".into()));
    let failure = login(&idp, &connector).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Misconfigured);
    assert!(failure.keeps_out && !failure.no_answer);
    assert!(!failure.log.contains("mesh secret"));
    assert!(connector.rehearse().await.unwrap_err().keeps_out);
    idp.tells_the_truth();
    assert_eq!(connector.rehearse().await, Ok(()));
}

#[tokio::test]
async fn a_code_of_another_client_ends_one_login_and_keeps_nobody_out() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (url, pending) = begin(&connector).await;
    let mut answer = idp.signs_in(&url);
    set(&mut answer, "code", CODE_OF_ANOTHER_CLIENT);
    let failure = connector.finish(&pending, &answer).await.unwrap_err();
    assert_eq!((failure.blame, failure.keeps_out), (Blame::Protocol, false), "{failure}");
    assert_eq!(failure.oauth_error.as_deref(), Some("unauthorized_client"));
}

#[tokio::test]
async fn a_5xx_at_the_token_endpoint_moves_the_login_on_and_is_no_sample() {
    let idp = Idp::start().await;
    for (status, body) in [
        (500, "oops"),
        (503, ""),
        (429, r#"{"error":"too_many_requests"}"#),
        (404, ""),
        (200, "<html>maintenance</html>"),
    ] {
        idp.lies(|lies| drop(lies.instead.insert("/token", (status, "", body.into()))));
        let failure = login(&idp, &connector(&idp, |_| ())).await.unwrap_err();
        assert_eq!((failure.blame, failure.no_answer), (Blame::Unavailable, false), "{status}");
        assert!(
            !failure.log.contains("oops") && !failure.log.contains("maintenance"),
            "bodies are not logged"
        );
    }
}

#[tokio::test]
async fn a_redirecting_token_endpoint_is_not_followed() {
    let (idp, elsewhere) = (Idp::start().await, Idp::start().await);
    let location: &'static str = Box::leak(format!("{}/token", elsewhere.issuer).into_boxed_str());
    idp.lies(|lies| drop(lies.instead.insert("/token", (307, location, String::new()))));
    let failure = login(&idp, &connector(&idp, |_| ())).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Unavailable);
    assert_eq!(elsewhere.hits("/token"), 0, "the code and the secret went nowhere else");
}

#[tokio::test]
async fn a_token_endpoint_that_is_gone_is_a_sample() {
    let mut idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let (url, pending) = begin(&connector).await;
    let answer = idp.signs_in(&url);
    idp.dies().await;
    let failure = connector.finish(&pending, &answer).await.unwrap_err();
    assert_eq!((failure.blame, failure.no_answer), (Blame::Unavailable, true), "{failure}");
}

#[tokio::test]
async fn logout_goes_to_the_providers_page_with_the_hint() {
    let idp = Idp::start().await;
    let connector = connector(&idp, |_| ());
    let identity = login(&idp, &connector).await.unwrap();
    let back = Url::parse("https://node.example/out").unwrap();
    let farewell = connector.logout(&identity, &back, Network::default()).await.unwrap();
    let Sending::Redirect(url) = farewell.to else { panic!("{farewell:?}") };
    assert!(url.as_str().starts_with(&format!("{}/end?", idp.issuer)));
    let query: std::collections::HashMap<_, _> = url.query_pairs().collect();
    assert_eq!(query["post_logout_redirect_uri"], "https://node.example/out");
    assert_eq!(Some(query["id_token_hint"].as_ref()), identity.logout_hint.as_deref());
}
