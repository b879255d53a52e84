//! People who sign out.

use super::stand_in::Manner;
use super::{SignsOut, live};
use crate::history::{Event, Hop, Login, Remains, SignOut, SignOutOutcome, What};

/// What somebody saw who signs out after a tenth of a second: each sign-out, and the login after it.
async fn out_and_in(manner: Manner) -> Vec<(SignOut, Login)> {
    let events = live(manner, 12, 1, |spec| {
        let person = &mut spec.people[0];
        let page = |path: &str| person.url.trim_end_matches('/').to_owned() + path;
        let (url, page) = (page("/sign-out"), Some(page("/me")));
        person.keep_session = true;
        person.sign_out = Some(SignsOut { after_us: 100_000, url, at: None, page });
    })
    .await;
    let of_people = |event: &Event| match &event.what {
        What::SignOut(left) => Some((Some((**left).clone()), None)),
        What::Login(login) => Some((None, Some((**login).clone()))),
        _ => None,
    };
    let all: Vec<_> = events.iter().filter_map(of_people).collect();
    let pairs = all.windows(2).filter_map(|pair| Some((pair[0].0.clone()?, pair[1].1.clone()?)));
    pairs.collect()
}

#[tokio::test]
async fn who_signs_out_says_yes_comes_back_and_types_the_password_again() {
    let all = out_and_in(Manner::Honest).await;
    assert!(!all.is_empty());
    for (left, login) in all {
        assert_eq!(
            (&left.outcome, &left.notices, &left.still),
            (&SignOutOutcome::Back, &vec![], &vec![]),
            "{left:?}"
        );
        let paths: Vec<&str> = left.hops.iter().map(Hop::path).collect();
        assert_eq!(paths, ["/sign-out", "/end", "/out", "/signed-out", "/me"]);
        assert_eq!(left.hops[4].status, Some(401), "the application knows nobody any more");
        assert_eq!(login.acts.passwords, 1, "{login:?}");
    }
}

#[tokio::test]
async fn a_provider_that_ends_nothing_is_found_out_by_its_tokens_and_by_the_next_login() {
    let all = out_and_in(Manner::KeepsPeople).await;
    assert!(!all.is_empty());
    for (left, login) in all {
        assert_eq!(
            (&left.outcome, &left.still[..]),
            (&SignOutOutcome::Back, &[Remains::Tokens][..]),
            "{left:?}"
        );
        assert_eq!(login.acts.passwords, 0, "{login:?}");
    }
}
