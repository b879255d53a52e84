//! People who sign out, as a file has them.

use std::time::Duration;

use super::{GOOD, problems, read};
use crate::language::SignOuts;

fn with(habit: &str) -> String {
    GOOD.replace("keep-session: yes", &format!("keep-session: yes, sign-out: {habit}"))
        .replace("kind: local", "kind: simplesamlphp")
}

#[test]
fn people_sign_out_at_the_application_or_at_a_provider() {
    let habit = |text: &str| read(&with(text)).unwrap().people[0].sign_out.clone().unwrap();
    let every = Duration::from_secs(20);
    assert_eq!(habit("every 20s"), SignOuts { every, at: None });
    assert_eq!(habit("every 20s at corp"), SignOuts { every, at: Some("corp".to_owned()) });
    assert_eq!(read(GOOD).unwrap().people[0].sign_out, None);
}

#[test]
fn a_sign_out_that_cannot_be_is_told_with_what_to_write() {
    for (text, what, hint) in [
        (with("each third time"), "cannot be read", "every 20s at entra"),
        (with("every 1s"), "come less often", "sign-out: every 2s"),
        (with("every 20s at crop"), "no identity provider `crop`", "corp"),
        (
            with("every 20s at corp").replace("simplesamlphp", "local"),
            "no identity provider `corp`",
            "kind: simplesamlphp",
        ),
        (
            with("every 20s").replace("keep-session: yes", "keep-session: no"),
            "nothing to sign out of",
            "keep-session: yes",
        ),
        (GOOD.replace("  - slower: no", "  - still signed in: 0"), "nobody signs out", "sign-out: every 20s"),
    ] {
        let found = problems(&text);
        assert!(found.iter().any(|it| it.1.contains(what) && it.2.contains(hint)), "{what}: {found:?}");
    }
}
