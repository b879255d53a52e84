//! Whether people at a real browser and their simulated twins agree. Each twin begins its logins at the same moments, in the
//! same region, at the same application. A pair of logins that began together agrees when both ended alike, after the
//! same acts, over the same requests to the same servers with the same answers.
//!
//! A real browser is slower by some hundredths of a second. So a pair is listed apart when the mesh changed while either
//! was under way: a path, a process, or a node's opinion of whom it may ask. The two may then have met different meshes.
//! The node's word judges no node here: it only leaves out what cannot be compared, and too few pairs are no pass.

use std::collections::BTreeMap;

use super::ends::{End, Judged};
use super::judge::{Court, Finding, in_words};
use super::world::Span;
use crate::history::{Acts, Hop, MILLISECOND, Micros, SECOND, Seen};
use crate::language::Expectation;

/// Logins that began within this time began together.
const TOGETHER: Micros = 100 * MILLISECOND;
/// Two who do the same end within this time: a real browser is not slower than that.
const ENDS_WITHIN: Micros = 5 * SECOND;
/// What a node says was so a little before it said so.
const SAYS_WITHIN: Micros = 50 * MILLISECOND;

impl Court<'_, '_> {
    /// Holds each login at a real browser against its twin's.
    pub(super) fn agree(&self, expected: &Expectation) -> Finding {
        let mut of_person: BTreeMap<&str, Vec<&Judged<'_>>> = BTreeMap::new();
        for login in &self.ends.logins {
            of_person.entry(&login.login.person).or_default().push(login);
        }
        let logins = |name: &str| of_person.get(name).map(Vec::as_slice).unwrap_or_default();
        let here = |region: &str| expected.concerns(region);
        let twins = self.world.run.people.iter().filter(|person| here(&person.region));
        let twins = twins.filter_map(|twin| Some((logins(twin.twin_of.as_ref()?), logins(&twin.name))));
        let (mut alike, mut apart, mut alone) = (0, 0, 0);
        let mut differ = Vec::new();
        for real in twins.flat_map(|(real, twin)| real.iter().map(move |login| (*login, twin))) {
            let Some(pair) = together(real.0, real.1) else {
                alone += 1;
                continue;
            };
            match self.difference(real.0, pair) {
                _ if self.cannot_compare(real.0, pair) => apart += 1,
                None => alike += 1,
                Some(words) => differ.push(words),
            }
        }
        let attempts = alike + differ.len();
        let first = differ.first().map(|words| format!(", the first: {words}")).unwrap_or_default();
        let words = format!(
            "{alike} of {attempts} pairs of logins alike, a real browser's and its twin's{first}; {apart} apart, because the mesh changed \
             or the run ended meanwhile, {alone} without the other one"
        );
        Finding { number: Some(f64::from(u8::from(differ.is_empty()))), words, attempts }
    }

    /// Whether the two may have met different meshes, or the run ended before they could differ.
    fn cannot_compare(&self, real: &Judged<'_>, twin: &Judged<'_>) -> bool {
        let from = real.login.start.min(twin.login.start);
        // What came later than this does not explain why one of them had not ended by then.
        let until = real.ended.max(twin.ended).min(real.ended.min(twin.ended) + ENDS_WITHIN);
        let (span, said) = (Span { from, until }, Span { from, until: until + SAYS_WITHIN });
        let unfinished = |login: &Judged<'_>| login.login.seen == Seen::Unfinished;
        let apart = |login: &Judged<'_>| login.end == End::Apart && !unfinished(login);
        let both = unfinished(real) && unfinished(twin);
        let one = unfinished(real) != unfinished(twin) && real.ended.abs_diff(twin.ended) < ENDS_WITHIN;
        let changed =
            self.world.changes.iter().any(|change| change.meets(span)) || self.world.thinks_otherwise(said);
        both || one || apart(real) || apart(twin) || changed
    }

    /// In what the two differ, in words.
    fn difference(&self, real: &Judged<'_>, twin: &Judged<'_>) -> Option<String> {
        let at = in_words(real.login.start.saturating_sub(self.world.begin));
        let head = format!("{} and {} at {at}", real.login.person, twin.login.person);
        if real.end != twin.end {
            return Some(format!("{head} ended {} and {}", outcome(real), outcome(twin)));
        }
        if real.login.acts != twin.login.acts {
            return Some(format!("{head} had to do {} and {}", acts(real.login.acts), acts(twin.login.acts)));
        }
        let (ours, theirs) = (&real.login.hops, &twin.login.hops);
        let number = (0..ours.len().max(theirs.len()))
            .find(|&number| hop(ours.get(number)) != hop(theirs.get(number)))?;
        Some(format!(
            "{head}, request {}: {} and {}",
            number + 1,
            hop(ours.get(number)),
            hop(theirs.get(number))
        ))
    }
}

/// The login that began together with this one.
fn together<'l, 'a>(login: &Judged<'_>, among: &[&'l Judged<'a>]) -> Option<&'l Judged<'a>> {
    let between = |other: &Judged<'_>| other.login.start.abs_diff(login.login.start);
    among.iter().copied().min_by_key(|other| between(other)).filter(|other| between(other) <= TOGETHER)
}

fn outcome(login: &Judged<'_>) -> String {
    if login.why.is_empty() {
        login.end.words().to_owned()
    } else {
        format!("{} ({})", login.end.words(), login.why)
    }
}

fn acts(acts: Acts) -> String {
    let counted = [
        (acts.reloads, "reloads"),
        (acts.restarts, "restarts"),
        (acts.choices, "choices"),
        (acts.passwords, "passwords"),
    ];
    let words: Vec<_> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// What a request was, as far as two browsers must agree.
fn hop(hop: Option<&Hop>) -> String {
    let Some(hop) = hop else { return "none".to_owned() };
    let answer = match (hop.status, hop.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => format!("{error:?}"),
        (None, None) => "nothing".to_owned(),
    };
    format!("{} {} ({answer})", hop.method, hop.url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{
        Event, HealthChange, Login, Person, ProcessChange, ProcessState, Run, SECOND, Seen, Trouble, What,
        Who,
    };
    use crate::language::{Bound, Limit, Measure};
    use crate::verdict::judge::{Outcome, Ruling};

    fn run() -> Event {
        let person = |name: &str, twin_of: Option<&str>| Person {
            name: name.into(),
            region: "branch".into(),
            app: "app".into(),
            keeps_session: false,
            twin_of: twin_of.map(str::to_owned),
        };
        let people = vec![person("real", None), person("twin", Some("real"))];
        Event { at: 0, what: What::Run(Box::new(Run { people, ..Run::default() })) }
    }

    fn request(url: &str, answer: Result<u16, Trouble>) -> Hop {
        let (status, error) = (answer.ok(), answer.err());
        Hop { start: 0, took: 0, method: "GET".into(), url: url.into(), status, error, reference: None }
    }

    fn login(person: &str, start: Micros) -> Login {
        let who = Who { sub: person.into(), lab_person: Some(person.into()), ..Who::default() };
        Login {
            person: person.into(),
            app: "app".into(),
            region: "branch".into(),
            start,
            hops: vec![
                request("app/", Ok(302)),
                request("edge/auth", Ok(303)),
                request("root/auth", Ok(200)),
            ],
            acts: Acts { passwords: 1, ..Acts::default() },
            seen: Seen::SignedIn,
            who: Some(who),
            login_id: None,
        }
    }

    /// Thirty pairs, a second apart; the twin's tenth is made different, and something else may happen in it.
    fn judged(differs: impl Fn(&mut Login), happens: Option<What>) -> Outcome {
        let mut events = vec![run(), Event { at: SECOND, what: What::Begin }];
        for number in 0..30 {
            let start = (2 + number) * SECOND;
            let mut twin = login("twin", start + MILLISECOND);
            if number == 10 {
                differs(&mut twin);
            }
            let at = start + 400 * MILLISECOND;
            let ended = if twin.seen == Seen::Unfinished { 60 * SECOND } else { at - 200 * MILLISECOND };
            events.push(Event { at: ended, what: What::Login(Box::new(twin)) });
            events.push(Event { at, what: What::Login(Box::new(login("real", start))) });
        }
        events.push(Event { at: 70 * SECOND, what: What::End });
        events.extend(happens.map(|what| Event { at: 12 * SECOND + 300 * MILLISECOND, what }));
        crate::history::sort(&mut events);
        let expected = Expectation {
            text: "browsers agree yes".into(),
            region: None,
            after_change: None,
            meanwhile: None,
            attempts: None,
            about: Vec::new(),
            measure: Measure::BrowsersAgree,
            bound: Bound::Exactly(Limit::Yes(true)),
            line: 1,
        };
        crate::verdict::judge(&events, &[expected], 30).unwrap().outcomes.remove(0)
    }

    #[test]
    fn twins_who_see_the_same_agree() {
        let outcome = judged(|_| (), None);
        assert_eq!((outcome.ruling, outcome.attempts), (Ruling::Holds, 30), "{}", outcome.found);
    }

    #[test]
    fn one_other_server_answer_act_or_end_is_a_disagreement_and_is_told() {
        let says = |differs: fn(&mut Login)| {
            let outcome = judged(differs, None);
            assert_eq!(outcome.ruling, Ruling::Fails);
            outcome.found
        };
        let found = says(|twin| twin.hops[2].url = "other/auth".into());
        assert!(found.contains("request 3: GET root/auth (200) and GET other/auth (200)"), "{found}");
        assert!(found.contains("29 of 30 pairs") && found.contains("real and twin at 11 s"), "{found}");
        let found = says(|twin| twin.hops[1] = request("edge/auth", Err(Trouble::Refused)));
        assert!(found.contains("request 2: GET edge/auth (303) and GET edge/auth (Refused)"), "{found}");
        let found = says(|twin| twin.hops.push(request("app/me", Ok(200))));
        assert!(found.contains("request 4: none and GET app/me (200)"), "{found}");
        let found = says(|twin| twin.acts.restarts = 1);
        assert!(found.contains("1 passwords and 1 restarts, 1 passwords"), "{found}");
        let found = says(|twin| twin.seen = Seen::GaveUp { trouble: Trouble::Timeout });
        assert!(found.contains("ended signed in and lost"), "{found}");
        let found = says(|twin| twin.seen = Seen::Unfinished);
        assert!(found.contains("ended signed in and apart (the run ended first)"), "{found}");
    }

    #[test]
    fn what_differs_while_the_mesh_changes_is_listed_apart_and_is_no_pass_by_itself() {
        let process = ProcessChange {
            server: "root".into(),
            state: ProcessState::Stopped,
            began: 12 * SECOND + 300 * MILLISECOND,
        };
        let opinion = HealthChange {
            node: "edge".into(),
            connector: "root".into(),
            state: "down".into(),
            why: String::new(),
        };
        for change in [What::Process(process), What::Health(opinion)] {
            let outcome = judged(|twin| twin.hops[2].url = "other/auth".into(), Some(change));
            assert_eq!(outcome.ruling, Ruling::CannotJudge, "29 are too few: {}", outcome.found);
            assert!(
                outcome.found.contains("29 of 29 pairs") && outcome.found.contains("1 apart"),
                "{}",
                outcome.found
            );
        }
    }

    #[test]
    fn who_did_not_begin_together_is_not_compared() {
        let outcome = judged(|twin| twin.start += 150 * MILLISECOND, None);
        assert!(
            outcome.found.contains("29 of 29 pairs") && outcome.found.contains("1 without"),
            "{}",
            outcome.found
        );
    }
}
