//! What the page's script knows: how the mesh stood from change to change, and each login's hops and story. Data only, in a
//! block that is read and never run; without a script the page says the same with its titles, maps and tables.

use std::collections::BTreeSet;

use serde::Serialize;

use super::clock;
use super::map::Codes;
use super::moments::Moment;
use super::stories::Stories;
use crate::history::{Hop, Micros, SECOND};
use crate::verdict::Verdict;
use crate::verdict::ends::sign_outs::JudgedSignOut;
use crate::verdict::ends::{End, Judged};
use crate::verdict::judge::in_words;

/// Bytes of stories that a page carries; those of logins near a change, and of those that did not go well, come first.
const MOST_STORIES: usize = 700_000;

/// What the script knows.
#[derive(Serialize)]
struct Data {
    /// Indices of the regions at the ends of each link.
    links: Vec<[usize; 2]>,
    /// Where the picture's time begins and ends, in its own units, and in milliseconds of the run.
    plot: [f64; 2],
    time: [i64; 2],
    /// Milliseconds, letters of links, servers and regions, and a sentence.
    moments: Vec<(i64, String, String, String, String)>,
    logins: Vec<Told>,
}

/// A login, for who points at it.
#[derive(Serialize)]
struct Told {
    head: String,
    more: Vec<String>,
    /// Of each start at the application: the id to search the logs by, and the story.
    tries: Vec<(String, Vec<String>)>,
    hops: Vec<String>,
    /// Index of the person's region.
    home: usize,
    /// Indices of the regions that the browser asked.
    way: Vec<usize>,
    /// Those of them that did not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    silent: Vec<usize>,
}

/// What became of a sign-out, in a line.
pub fn sign_out(left: &JudgedSignOut<'_>) -> String {
    let JudgedSignOut { sign_out, ended, why, .. } = left;
    let at = sign_out.began_at.as_deref().map(|idp| format!(" at {idp}")).unwrap_or_default();
    let took = in_words(ended.saturating_sub(sign_out.start));
    let mut line = format!("{} signed out{at}: {} after {took}", sign_out.person, left.words());
    for more in sign_out.notices.iter().map(|notice| format!("read “{notice}”")).chain([why.clone()]) {
        if !more.is_empty() {
            line.push_str("; ");
            line.push_str(&more);
        }
    }
    line
}

/// The data, as JSON that cannot end the element it stands in.
pub fn json(
    verdict: &Verdict<'_>,
    moments: &[Moment],
    stories: &Stories<'_>,
    plot: [f64; 2],
    until: Micros,
) -> String {
    let milliseconds = |at: Micros| {
        let signed = |time: Micros| i64::try_from(time).unwrap_or(i64::MAX);
        (signed(at) - signed(verdict.world.begin)) / 1_000
    };
    let moment = |moment: &Moment| {
        let Codes { links, servers, names } = Codes::of(&moment.state);
        (milliseconds(moment.at), links, servers, names, moment.state.sentence(verdict.world.run))
    };
    let mut logins: Vec<Told> =
        verdict.ends.logins.iter().map(|login| told(verdict, login, stories)).collect();
    let mut room = MOST_STORIES;
    for index in by_interest(verdict) {
        for (_, story) in &mut logins[index].tries {
            let size: usize = story.iter().map(String::len).sum();
            if size > room {
                story.clear();
            }
            room = room.saturating_sub(size);
        }
    }
    let time = [milliseconds(verdict.world.begin), milliseconds(until)];
    let at = |name: &str| verdict.world.run.regions.iter().position(|region| region == name).unwrap_or(0);
    let links = verdict.world.run.links.iter().map(|link| [at(&link.a), at(&link.b)]).collect();
    let data = Data { links, plot, time, moments: moments.iter().map(moment).collect(), logins };
    serde_json::to_string(&data).unwrap_or_default().replace('<', "\\u003c")
}

/// Indices of the logins: those that are no plain sign-ins first, then those near a change.
fn by_interest(verdict: &Verdict<'_>) -> Vec<usize> {
    let logins = &verdict.ends.logins;
    let distance = |login: &Judged<'_>| {
        let steps = verdict.world.steps.iter();
        steps.map(|step| step.span.until.abs_diff(login.login.start)).min().unwrap_or_default()
    };
    let mut order: Vec<usize> = (0..logins.len()).collect();
    order.sort_by_key(|index| {
        let login = &logins[*index];
        (login.end == End::SignedIn && login.acts == 0, distance(login))
    });
    order
}

fn told(verdict: &Verdict<'_>, login: &Judged<'_>, stories: &Stories<'_>) -> Told {
    let (head, more) = brief(verdict, login);
    let tries = stories.ids(login.login).into_iter().map(|id| (id.clone(), stories.tell(&id))).collect();
    let world = &verdict.world;
    let at = |name: &str| world.run.regions.iter().position(|region| region == name);
    let mut asked: Vec<(usize, bool)> = Vec::new();
    for hop in &login.login.hops {
        let region = world.server_at(hop.host()).and_then(|server| at(&server.region));
        asked.extend(region.map(|region| (region, hop.status.is_some())));
    }
    let regions = |asked: Vec<&(usize, bool)>| {
        asked.into_iter().map(|(region, _)| *region).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let silent = regions(asked.iter().filter(|(_, answered)| !answered).collect());
    let home = at(&login.login.region).unwrap_or_default();
    Told { head, more, tries, hops: hops(login), home, way: regions(asked.iter().collect()), silent }
}

/// A login in one line, and what else is to be said in short.
pub fn brief(verdict: &Verdict<'_>, login: &Judged<'_>) -> (String, Vec<String>) {
    let head = format!(
        "{} {} in {}: {} after {}",
        clock(verdict, login.login.start),
        login.login.person,
        login.login.region,
        login.end.words(),
        in_words(login.took())
    );
    let mut more = Vec::new();
    more.push(why(login));
    if login.acts > 0 {
        let acts = if login.acts == 1 { "act" } else { "acts" };
        more.push(format!("{} {acts} more than usual", login.acts));
    }
    (head, more)
}

/// Why a login ended so; who did not answer before, if it was signed in in the end.
pub fn why(login: &Judged<'_>) -> String {
    if login.end != End::SignedIn && !login.why.is_empty() {
        return login.why.clone();
    }
    let by = format!("by {}", login.answered_by());
    let silent: BTreeSet<&str> =
        login.login.hops.iter().filter(|hop| hop.status.is_none()).map(Hop::host).collect();
    if silent.is_empty() {
        return by;
    }
    format!("no answer from {}, then {by}", silent.into_iter().collect::<Vec<_>>().join(", "))
}

/// Each request of a login, in a line.
pub fn hops(login: &Judged<'_>) -> Vec<String> {
    login.login.hops.iter().map(|hop| describe_hop(login.login.start, hop)).collect()
}

fn describe_hop(start: Micros, hop: &Hop) -> String {
    let answer = match (hop.status, hop.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => format!("no answer ({error:?})").to_lowercase(),
        (None, None) => "no answer".to_owned(),
    };
    let after = hop.start.saturating_sub(start);
    let after = if after < SECOND / 10_000 { "0 s".to_owned() } else { in_words(after) };
    format!("+{after} {} {} → {answer} in {}", hop.method, hop.url, in_words(hop.took))
}
