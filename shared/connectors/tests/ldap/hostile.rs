//! What a hostile or broken directory sends ends that login, and nothing else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use mangrove_connectors::{Blame, Failure, Identity, Network};
use serde_json::json;
use tokio::task::JoinSet;

use crate::account::by_name;
use crate::liar::{Liar, Reply, Request, element, entry, honestly, message, nested, result};
use crate::slapd::Slapd;
use crate::{LISTENERS_PATIENCE, build};

/// Alice types her password at a directory that does `lie` where it does not answer honestly.
pub(crate) async fn alice_at(
    lie: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
) -> (Liar, Result<Identity, Failure>) {
    let liar = Liar::start(move |request| lie(request).unwrap_or_else(|| honestly(request))).await;
    let directory = build(liar.connector(), json!({})).unwrap();
    let outcome = directory.verify_password("alice", "correct horse", Network::default()).await;
    (liar, outcome)
}

pub(crate) fn is_alices(request: &Request) -> bool {
    matches!(request, Request::Bind { name, .. } if name == "cn=alice")
}

/// `reply` to Alice's bind.
async fn bound(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Identity, Failure> {
    alice_at(move |request| is_alices(request).then(&reply)).await.1
}

#[tokio::test]
async fn honestly_alice_is_in() {
    let (liar, outcome) = alice_at(|_| None).await;
    assert_eq!(outcome.unwrap().subject, "cn=alice");
    assert!(liar.asked().iter().any(is_alices));
}

#[tokio::test]
async fn nested_sequences_end_the_bind_and_not_the_process() {
    for octets in [12_000, 120_000, 1_000_000] {
        let failure = bound(move || Reply::Raw(nested(octets))).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Protocol, "{failure}");
    }
}

/// A reply, and what it is.
type Named = (&'static str, Box<dyn Fn() -> Reply + Send + Sync>);

#[tokio::test]
async fn what_is_no_answer_to_a_bind_lets_nobody_in() {
    let own_id = |operation: Vec<u8>| Reply::Say(vec![operation]);
    let replies: Vec<Named> = vec![
        ("a search result", Box::new(move || own_id(result(0x65, 0, "")))),
        ("an entry", Box::new(move || own_id(entry("cn=alice", &[])))),
        ("an extended response", Box::new(move || own_id(result(0x78, 0, "")))),
        ("an intermediate response", Box::new(move || own_id(result(0x79, 0, "")))),
        ("no fields", Box::new(move || own_id(element(0x61, b"")))),
        ("a code of no octets", Box::new(move || own_id(element(0x61, &element(0x0a, b""))))),
        ("a negative code", Box::new(move || own_id(result(0x61, 0xff, "")))),
        ("an empty message", Box::new(|| Reply::Raw(vec![0x30, 0]))),
        ("another id", Box::new(|| Reply::Raw(message(99, &result(0x61, 0, ""))))),
        ("an indefinite length", Box::new(|| Reply::Raw(vec![0x30, 0x80, 0, 0]))),
        ("a huge length", Box::new(|| Reply::Raw(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]))),
        ("another protocol", Box::new(|| Reply::Raw(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()))),
        (
            "words that are no text",
            Box::new(move || {
                let fields = [element(0x0a, &[0]), element(0x04, &[0xff]), element(0x04, b"")].concat();
                own_id(element(0x61, &fields))
            }),
        ),
    ];
    for (what, reply) in replies {
        let failure = bound(reply).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Protocol, "{what}: {failure}");
    }
}

#[tokio::test]
async fn only_success_is_success() {
    for code in [1, 2, 3, 10, 14, 32, 49, 50, 51, 53, 80, 90, 127] {
        assert!(bound(move || Reply::Say(vec![result(0x61, code, "")])).await.is_err(), "{code}");
    }
    let referred = bound(|| Reply::Say(vec![result(0x61, 10, "")])).await.unwrap_err();
    assert_eq!((referred.blame, referred.keeps_out), (Blame::Misconfigured, false));
}

#[tokio::test]
async fn what_a_persons_own_bind_or_search_is_answered_keeps_the_directory_out_for_nobody_else() {
    for code in [1, 2, 7, 8, 13, 16, 21, 53, 64, 71] {
        let failure = bound(move || Reply::Say(vec![result(0x61, code, "")])).await.unwrap_err();
        assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, false), "{failure}");
    }
    let liar = Liar::start(|request| match request {
        Request::Bind { .. } => Reply::Say(vec![result(0x61, 0, "")]),
        _ => Reply::Say(vec![result(0x65, 50, "")]),
    });
    let liar = liar.await;
    let failure = build(by_name(&liar), json!({}))
        .unwrap()
        .verify_password("alice", "correct horse", Network::default())
        .await
        .unwrap_err();
    assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, false), "{failure}");
}

#[tokio::test]
async fn sign_ins_at_a_silent_directory_are_bounded_and_the_others_are_told_that_it_is_busy() {
    let liar = Liar::start(|_| Reply::Silence).await;
    let directory = build(liar.connector(), json!({})).unwrap();
    let all = (0..100).map(|_| directory.verify_password("alice", "correct horse", Network::default()));
    let failures: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap_err).collect();
    let (busy, unanswered): (Vec<_>, Vec<_>) = failures.iter().partition(|it| it.log.contains("busy"));
    assert_eq!((busy.len(), unanswered.len()), (36, 64));
    for failure in busy {
        // Not the node's own haste: another member may have time.
        assert_eq!((failure.blame, failure.no_answer, failure.busy), (Blame::Unavailable, false, false));
    }
    assert!(unanswered.iter().all(|failure| failure.no_answer));
    assert_eq!(liar.asked().len(), 64, "nobody else asked it");
}

#[tokio::test]
async fn a_crowd_from_one_network_at_a_slow_directory_sends_nobody_else_to_another_member() {
    let slow = |request: &Request| match request {
        Request::Bind { password, .. } if password == "guess" => {
            Reply::Late(Duration::from_millis(500), vec![result(0x61, 49, "")])
        }
        _ => honestly(request),
    };
    let liar = Liar::start(slow).await;
    let directory = build(liar.connector(), json!({})).unwrap();
    let network = |number| Network::from(IpAddr::from([192, 0, 2, number]));
    let mut crowd = JoinSet::new();
    for _ in 0..600 {
        let directory = Arc::clone(&directory);
        crowd.spawn(async move { directory.verify_password("alice", "guess", network(1)).await });
    }
    let turned_away = crowd.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(turned_away.log.contains("busy"), "all places are taken: {turned_away}");
    let alice = directory.verify_password("alice", "correct horse", network(2)).await;
    assert_eq!(alice.unwrap().subject, "cn=alice", "she came last, and was next");
}

#[tokio::test]
async fn silence_and_half_closed_connections_end_in_time_whatever_was_asked() {
    let stages: [fn(&Request) -> bool; 4] =
        [is_alices, Request::seeks_a_person, Request::is_search, |request| {
            matches!(request, Request::Bind { .. })
        }];
    let cases = stages.into_iter().flat_map(|stage| {
        [|| Reply::Silence, || Reply::HalfClose, || Reply::Hang].map(|reply: fn() -> Reply| (stage, reply))
    });
    let failures = cases.map(async |(stage, reply)| {
        let began = Instant::now();
        let (_liar, outcome) = alice_at(move |request| stage(request).then(reply)).await;
        (outcome.unwrap_err(), began.elapsed())
    });
    for (failure, took) in join_all(failures).await {
        assert!(failure.no_answer && took < LISTENERS_PATIENCE, "{failure}: {took:?}");
    }
}

#[tokio::test]
async fn a_server_that_takes_connections_and_never_speaks_tls_ends_in_time() {
    for url in ["ldaps", "ldap"] {
        let liar = Liar::start(|_| Reply::Silence).await;
        let mut written = liar.connector();
        (written["url"], written["tls"]) = (json!(format!("{url}://127.0.0.1:{}", liar.port)), json!("mesh"));
        let directory = build(written, json!({ "mesh": {} })).unwrap();
        let began = Instant::now();
        let failure =
            directory.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
        assert!(failure.no_answer && began.elapsed() < LISTENERS_PATIENCE, "{url}: {failure}");
    }
}

#[tokio::test]
async fn an_answer_that_is_followed_by_the_end_still_counts() {
    let goodbye = || [message(2, &result(0x61, 0, "")), message(1, &result(0x61, 0, ""))].concat();
    // Alice's connection asks once: the answer to id 1 comes, whatever else does.
    assert!(
        bound(move || Reply::Raw(goodbye())).await.is_err(),
        "an answer to nothing that was asked, before it"
    );
    let notice = || [message(1, &result(0x61, 0, "")), message(0, &result(0x78, 52, ""))].concat();
    assert!(bound(move || Reply::Raw(notice())).await.is_ok());
}

#[tokio::test]
async fn an_entry_without_a_name_binds_nobody() {
    let (liar, outcome) = alice_at(|request| {
        let found = || vec![entry("", &[("uid", "alice")]), result(0x65, 0, "")];
        request.is_search().then(|| Reply::Say(found()))
    })
    .await;
    assert_eq!(outcome.unwrap_err().blame, Blame::Protocol);
    assert!(
        liar.asked().iter().all(|request| !matches!(request, Request::Bind { name, .. } if name.is_empty()))
    );
}

#[tokio::test]
async fn an_entry_of_somebody_else_lets_nobody_in() {
    let (liar, outcome) = alice_at(|request| {
        let found = || vec![entry("cn=bob", &[("uid", "bob")]), result(0x65, 0, "")];
        request.is_search().then(|| Reply::Say(found()))
    })
    .await;
    assert_eq!(outcome.unwrap_err().blame, Blame::Rejected);
    let typed =
        |request: &Request| matches!(request, Request::Bind { password, .. } if password == "correct horse");
    assert!(!liar.asked().iter().any(typed), "and her password is not tried as bob's");
}

#[tokio::test]
async fn odd_entries_and_floods_of_them_end_that_search() {
    let flood = || {
        let one = entry("cn=alice", &[("uid", &"x".repeat(100_000))]);
        Reply::Say(vec![one; 100])
    };
    let odd = || Reply::Say(vec![element(0x64, &element(0x04, b"cn=alice"))]);
    for reply in [flood as fn() -> Reply, odd] {
        let (_liar, outcome) = alice_at(move |request| request.is_search().then(reply)).await;
        assert_eq!(outcome.unwrap_err().blame, Blame::Protocol);
    }
}

#[tokio::test]
async fn more_entries_than_were_asked_for_are_several() {
    let (_liar, outcome) = alice_at(|request| {
        let one = || entry("cn=alice", &[("uid", "alice")]);
        request.is_search().then(|| Reply::Say(vec![one(), one(), one(), result(0x65, 4, "")]))
    })
    .await;
    assert_eq!(outcome.unwrap_err().blame, Blame::Rejected);
}

#[tokio::test]
async fn what_a_directory_shows_only_when_it_is_named_is_named() {
    // As 389 Directory Server does with `nsUniqueId`, and all do with operational attributes.
    let shy = |request: &Request| {
        let mut shown = vec![("uid", "alice")];
        shown.extend(request.names("nsUniqueId").then_some(("nsUniqueId", "u-1")));
        shown.extend(request.names("entryDN").then_some(("entryDN", "cn=alice")));
        request.seeks_a_person().then(|| Reply::Say(vec![entry("cn=alice", &shown), result(0x65, 0, "")]))
    };
    let (_liar, alice) = alice_at(shy).await;
    assert_eq!(alice.unwrap().subject, "u-1", "and not the DN, which may be given to another");
    let liar = Liar::start(move |request| shy(request).unwrap_or_else(|| honestly(request))).await;
    let mut by_key = liar.connector();
    by_key["usernameSearchKey"] = json!("entryDN");
    let directory = build(by_key, json!({})).unwrap();
    assert_eq!(
        directory.verify_password("cn=alice", "correct horse", Network::default()).await.unwrap().subject,
        "u-1"
    );
}

#[tokio::test]
async fn referrals_are_never_followed() {
    let slapd = Slapd::start();
    let elsewhere = slapd.ldap();
    let (_liar, outcome) = alice_at(move |request| {
        let referral = element(0xa3, &element(0x04, elsewhere.as_bytes()));
        let fields = [element(0x0a, &[10]), element(0x04, b""), element(0x04, b""), referral].concat();
        let reference = element(0x73, &element(0x04, elsewhere.as_bytes()));
        request.is_search().then(|| Reply::Say(vec![reference, element(0x65, &fields)]))
    })
    .await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.blame, Blame::Misconfigured);
    assert!(failure.log.contains("never followed"), "{failure}");
}

#[tokio::test]
async fn what_active_directory_says_reaches_the_person() {
    let words = "80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 775, v3839\0";
    let failure = bound(move || Reply::Say(vec![result(0x61, 49, words)])).await.unwrap_err();
    assert!(failure.outside.contains("locked"), "{}", failure.outside);
}

#[tokio::test]
async fn octets_between_starttls_and_tls_are_refused() {
    let answers: [fn() -> Vec<u8>; 3] = [
        || [message(1, &result(0x78, 0, "")), message(2, &result(0x61, 0, ""))].concat(),
        || message(1, &result(0x78, 2, "not here")),
        || message(1, &result(0x61, 0, "")),
    ];
    for answer in answers {
        let liar = Liar::start(move |_| Reply::Raw(answer())).await;
        let mut written = liar.connector();
        written["tls"] = "mesh".into();
        let directory = build(written, json!({ "mesh": {} })).unwrap();
        assert!(directory.verify_password("alice", "correct horse", Network::default()).await.is_err());
        assert!(liar.asked().iter().all(|asked| *asked == Request::Other), "StartTLS is all it was asked");
    }
}

#[tokio::test]
async fn an_empty_password_is_refused_before_anybody_is_asked_and_one_of_blanks_is_a_password() {
    // As the standard has it: a bind without a password is nobody's, and succeeds.
    let anonymous = |request: &Request| match request {
        Request::Bind { password, .. } if password.is_empty() => Reply::Say(vec![result(0x61, 0, "")]),
        _ => honestly(request),
    };
    let liar = Liar::start(anonymous).await;
    for written in [liar.connector(), by_name(&liar)] {
        let directory = build(written, json!({})).unwrap();
        for (name, password) in [("alice", ""), ("", "correct horse"), ("", "")] {
            let failure = directory.verify_password(name, password, Network::default()).await.unwrap_err();
            assert_eq!(failure.blame, Blame::Rejected, "{failure}");
        }
    }
    assert_eq!(liar.asked(), [], "not even who that is");
    let failure = build(liar.connector(), json!({}))
        .unwrap()
        .verify_password("alice", "   ", Network::default())
        .await
        .unwrap_err();
    assert_eq!(failure.blame, Blame::Rejected, "{failure}");
    let blanks = |request: &Request| matches!(request, Request::Bind { password, .. } if password == "   ");
    assert!(liar.asked().iter().any(blanks), "sent as it was typed");
}
