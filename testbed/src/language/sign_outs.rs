//! People who sign out: how often, and where it begins.

use std::time::Duration;

use super::read::{Reader, nearest};
use super::tree::Place;
use super::{IdpKind, Measure, People, Topology, units};

/// A habit of people who keep a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOuts {
    /// At the first arrival so long or longer after signing in.
    pub every: Duration,
    /// The identity provider at whose own page it begins; none: at the application.
    pub at: Option<String>,
}

/// `every 20s`, or `every 20s at entra`.
pub(super) fn read(text: &str) -> Result<SignOuts, String> {
    let (every, at) = match text.split_once(" at ") {
        Some((every, at)) => (every, Some(at.trim().to_owned())),
        None => (text, None),
    };
    let every = units::every(every.trim())
        .map_err(|_| "write for example `every 20s`, or `every 20s at entra`".to_owned())?;
    Ok(SignOuts { every, at })
}

/// Notes who cannot sign out as the file says.
pub(super) fn check(topology: &Topology, reader: &mut Reader<'_>) {
    for people in &topology.people {
        let Some(habit) = &people.sign_out else { continue };
        if let Some((what, hint)) = trouble(topology, people, habit) {
            reader.problem(Place { line: people.line, column: 1 }, "people.sign-out", &what, &hint);
        }
    }
    let measures = [Measure::SignOutsLost, Measure::StillSignedIn];
    let about = topology.expect.iter().find(|it| measures.contains(&it.measure));
    if let Some(expected) = about
        && topology.people.iter().all(|people| people.sign_out.is_none())
    {
        let hint = "write `sign-out: every 20s` at a group of `people` that keeps its session";
        reader.problem(Place { line: expected.line, column: 1 }, "expect", "nobody signs out", hint);
    }
}

fn trouble(topology: &Topology, people: &People, habit: &SignOuts) -> Option<(String, String)> {
    if !people.keep_session {
        let hint = "write `keep-session: yes` beside it";
        return Some(("who begins anew each time has nothing to sign out of".to_owned(), hint.to_owned()));
    }
    if habit.every < people.sign_in_every {
        let hint = format!("write `sign-out: every {}` or more", units::show(people.sign_in_every));
        return Some(("people sign out when they come, and come less often".to_owned(), hint));
    }
    let at = habit.at.as_ref()?;
    let tells = || topology.idps.iter().filter(|idp| idp.kind == IdpKind::Simplesamlphp);
    if tells().any(|idp| idp.name == *at) {
        return None;
    }
    let what = format!("there is no identity provider `{at}` that tells its nodes who signs out there");
    let hint = match tells().next() {
        Some(_) => nearest(at, tells().map(|idp| idp.name.as_str())),
        None => "name one of `kind: simplesamlphp`, or leave `at` out".to_owned(),
    };
    Some((what, hint))
}
