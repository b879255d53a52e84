//! Whether all groups of a person are told: one that is missing may be the one that counts.

use mangrove_connectors::{Blame, Identity, Network};
use serde_json::json;

use crate::account::with_groups;
use crate::build;
use crate::hostile::alice_at;
use crate::liar::{Liar, Reply, Request, entry, honestly, result};

/// What is answered dishonestly.
type Lie = fn(&Request) -> Option<Reply>;

/// From which of her groups on Alice's entry is asked for, if it is.
fn asked_from(request: &Request) -> Option<usize> {
    let Request::Search { attributes, .. } = request else { return None };
    let range = attributes.iter().find_map(|name| name.strip_prefix("memberof;range="));
    let from = range.and_then(|range| range.strip_suffix("-*")).map(|from| from.parse().unwrap());
    from.or_else(|| request.seeks_a_person().then_some(0))
}

/// Alice's groups from one on, so many at most, as Active Directory sends them.
fn part(from: usize, size: usize, all: usize) -> Reply {
    let to = all.min(from.saturating_add(size));
    let last = if to == all { "*".to_owned() } else { (to - 1).to_string() };
    let option = format!("memberOf;range={from}-{last}");
    let groups: Vec<String> = (from..to).map(|n| format!("cn=g{n},ou=g")).collect();
    let mut attributes = vec![("uid", "alice")];
    attributes.extend(groups.iter().map(|group| (option.as_str(), group.as_str())));
    Reply::Say(vec![entry("cn=alice", &attributes), result(0x65, 0, "")])
}

fn groups(alice: &Identity) -> Vec<&str> {
    alice.claims["groups"].as_array().unwrap().iter().map(|group| group.as_str().unwrap()).collect()
}

fn searches(liar: &Liar) -> usize {
    liar.asked().iter().filter(|request| request.is_search()).count()
}

#[tokio::test]
async fn groups_that_come_in_parts_are_all_told() {
    let (liar, alice) = alice_at(|request| Some(part(asked_from(request)?, 2, 5))).await;
    let alice = alice.unwrap();
    assert_eq!(groups(&alice), ["g0", "g1", "g2", "g3", "g4"]);
    assert_eq!(alice.claims["memberOf"].as_array().unwrap().len(), 5);
    assert_eq!(searches(&liar), 3);
}

#[tokio::test]
async fn nobody_is_let_in_with_some_of_the_groups_and_nobody_else_is_kept_out() {
    let stuck = |request: &Request| asked_from(request).map(|_| part(0, 2, 5));
    let endless = |request: &Request| asked_from(request).map(|from| part(from, 1, usize::MAX));
    let lies: [(Lie, usize); 2] = [(stuck, 2), (endless, 9)];
    for (lie, asked) in lies {
        let (liar, outcome) = alice_at(lie).await;
        let failure = outcome.unwrap_err();
        assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, false), "{failure}");
        assert!(failure.log.contains("memberOf does not tell all groups"), "{failure}");
        assert_eq!(searches(&liar), asked, "and it ends");
    }
}

#[tokio::test]
async fn a_search_that_shows_some_of_the_groups_lets_nobody_in_either() {
    let some = |request: &Request| match request {
        Request::Search { base, .. } if base == "ou=g" => {
            Reply::Say(vec![entry("cn=g0,ou=g", &[("cn", "g0")]), result(0x65, 4, "")])
        }
        _ => honestly(request),
    };
    let liar = Liar::start(some).await;
    let directory = build(with_groups(&liar), json!({})).unwrap();
    let failure = directory.verify_password("alice", "correct horse", Network::default()).await.unwrap_err();
    assert_eq!((failure.blame, failure.keeps_out), (Blame::Misconfigured, false), "{failure}");
    assert!(failure.log.contains("search at ou=g does not tell all groups"), "{failure}");
}

#[tokio::test]
async fn where_groups_are_searched_it_does_not_matter_what_the_entry_keeps_back() {
    let lie = |request: &Request| match request {
        Request::Search { base, .. } if base == "ou=g" => {
            Reply::Say(vec![entry("cn=g0,ou=g", &[("cn", "g0")]), result(0x65, 0, "")])
        }
        _ => asked_from(request).map_or_else(|| honestly(request), |_| part(0, 2, 5)),
    };
    let liar = Liar::start(lie).await;
    let directory = build(with_groups(&liar), json!({})).unwrap();
    let alice = directory.verify_password("alice", "correct horse", Network::default()).await.unwrap();
    assert_eq!(groups(&alice), ["g0"]);
}
