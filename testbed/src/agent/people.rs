//! Everybody who is in the region, and when they sign in. Arrivals are steady: a person whose login hangs does not keep
//! the next one from starting (in a browser of its own), so that a slow mesh is not asked less often.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::browser::Browser;
use super::chance::Chance;
use super::chromium::Chromium;
use super::person::{Attempt, Patience};
use super::sign_out::sign_out;
use super::simulated::Simulated;
use super::spec::{PersonSpec, SignsOut, Spec};
use super::visit::{kind_of, visit};
use super::wire::Wire;
use crate::history::{Event, Micros, Seen, VisitOutcome, What};

/// Logins of one person that may hang at the same time; more would be a machine that cannot keep up.
const MOST_AT_ONCE: usize = 16;

/// What everybody in the region shares.
pub struct Place {
    /// Name of the region.
    pub region: String,
    /// How to reach servers.
    pub wire: Wire,
    /// The real browser of those who have one.
    pub chromium: Option<Arc<Chromium>>,
    /// How patient people are.
    pub patience: Patience,
    /// Where events go.
    pub events: UnboundedSender<Event>,
    /// Nobody begins anything new from then on.
    pub stop: CancellationToken,
}

/// Starts everybody. Nobody begins anything new once the `round` is over; each ends after `stop`, at the latest one patience
/// later.
pub fn start(spec: &Spec, place: &Arc<Place>, round: &CancellationToken, tasks: &mut JoinSet<()>) {
    let begin = Instant::now();
    for person in &spec.people {
        let arrivals = Arrivals::new(person, spec, begin, round);
        let desk = match place.chromium.as_ref().filter(|_| person.chromium) {
            Some(chromium) => Desk::Chromium(chromium.clone()),
            None => Desk::Simulated(place.wire.of_person(&person.name, &place.events)),
        };
        let (person, place) = (person.clone(), place.clone());
        if person.keep_session {
            tasks.spawn(async move { keeps_coming(&person, &place, &desk, arrivals).await });
        } else {
            tasks.spawn(async move { signs_in_anew(person, place, desk, arrivals).await });
        }
    }
}

/// Where a person gets browsers that nobody has used yet.
enum Desk {
    Simulated(Wire),
    Chromium(Arc<Chromium>),
}

impl Desk {
    async fn fresh(&self) -> Result<Browser, String> {
        match self {
            Self::Simulated(wire) => Ok(Browser::Simulated(Box::new(Simulated::new(wire)))),
            Self::Chromium(chromium) => Ok(Browser::Chromium(Box::new(chromium.window().await?))),
        }
    }
}

/// When one person arrives.
struct Arrivals {
    begin: Instant,
    every: Micros,
    offset: Micros,
    count: u64,
    chance: Chance,
    round: CancellationToken,
}

impl Arrivals {
    fn new(person: &PersonSpec, spec: &Spec, begin: Instant, round: &CancellationToken) -> Self {
        let every = person.every_us.max(1_000);
        let name = person.twin_of.as_ref().unwrap_or(&person.name);
        let index = spec.people.iter().position(|other| other.name == *name).unwrap_or_default() as u64;
        let count = spec.people.len().max(1) as u64;
        let (offset, chance) = (every * index / count, Chance::new(spec.seed, name));
        Self { begin, every, offset, count, chance, round: round.clone() }
    }

    /// The next arrival: evenly spread over everybody, each up to half a gap late.
    fn next(&mut self, turn: u64) -> Instant {
        let late = self.chance.below(self.every / self.count / 2 + 1);
        self.begin + Duration::from_micros(self.offset + turn * self.every + late)
    }

    /// Waits for the next arrival; false if the round is over before.
    async fn come(&mut self, turn: u64) -> bool {
        let at = self.next(turn);
        tokio::select! {
            biased;
            () = self.round.cancelled() => false,
            () = sleep_until(at) => true,
        }
    }
}

async fn signs_in_anew(person: PersonSpec, place: Arc<Place>, desk: Desk, mut arrivals: Arrivals) {
    let person = Arc::new(person);
    let mut open = JoinSet::new();
    let mut turn = 0;
    // Ready before the person comes: opening a real window takes its time.
    let mut ready = desk.fresh().await;
    while arrivals.come(turn).await {
        while open.try_join_next().is_some() {}
        let text = match std::mem::replace(&mut ready, Err(String::new())) {
            Ok(browser) if open.len() < MOST_AT_ONCE => {
                let (person, place) = (person.clone(), place.clone());
                open.spawn(async move {
                    sign_in(&person, &place, browser).await;
                });
                None
            }
            Ok(_) => Some(format!("{MOST_AT_ONCE} logins hang, one was not begun")),
            Err(problem) => Some(not_begun(&problem)),
        };
        if let Some(text) = text {
            note(&person, &place, &text);
        }
        ready = desk.fresh().await;
        turn += 1;
    }
    while open.join_next().await.is_some() {}
}

/// Why a login was not begun, for the history.
fn not_begun(problem: &str) -> String {
    format!("one login was not begun: {problem}")
}

/// Says what became of a person that is no login.
fn note(person: &PersonSpec, place: &Place, text: &str) {
    let text = format!("{}: {text}", person.name);
    let _ = place.events.send(Event::now(What::Note { from: place.region.clone(), text }));
}

/// One login, cut short one patience after the end; gives the browser back if it is signed in.
async fn sign_in(person: &PersonSpec, place: &Place, browser: Browser) -> Option<Browser> {
    let mut attempt = Attempt::new(person, place.patience, browser);
    let seen = tokio::select! {
        seen = attempt.run() => seen,
        () = last_moment(place) => Seen::Unfinished,
    };
    let signed_in = seen == Seen::SignedIn;
    let (login, browser) = attempt.finish(&place.region, seen);
    let _ = place.events.send(Event::now(What::Login(Box::new(login))));
    signed_in.then_some(browser)
}

async fn last_moment(place: &Place) {
    place.stop.cancelled().await;
    sleep(place.patience.page).await;
}

/// A browser that a person keeps from one arrival to the next.
enum Kept {
    /// None: the session was lost, or there never was one.
    Nothing,
    /// One with a session, and since when.
    Session(Browser, Instant),
    /// One whose session the person has ended.
    SignedOut(Browser),
}

async fn keeps_coming(person: &PersonSpec, place: &Place, desk: &Desk, mut arrivals: Arrivals) {
    let mut kept = Kept::Nothing;
    let (mut can_refresh, mut visits) = (false, 0);
    let mut turn = 0;
    while arrivals.come(turn).await {
        turn += 1;
        kept = match kept {
            Kept::Nothing => match desk.fresh().await {
                Ok(browser) => signs_in(person, place, browser).await,
                Err(problem) => {
                    note(person, place, &not_begun(&problem));
                    Kept::Nothing
                }
            },
            Kept::SignedOut(browser) => signs_in(person, place, browser).await,
            Kept::Session(mut browser, since) => {
                if let Some(how) = wants_to_leave(person, since) {
                    let left = sign_out(person, how, &place.region, &mut browser, place.patience.page).await;
                    let _ = place.events.send(Event::now(What::SignOut(Box::new(left))));
                    Kept::SignedOut(browser)
                } else {
                    let kind = kind_of(visits, can_refresh);
                    visits += 1;
                    let visited = visit(person, &place.region, &mut browser, kind, place.patience.page).await;
                    if visited.visit.outcome == VisitOutcome::Kept {
                        can_refresh = visited.can_refresh;
                    }
                    let lost = matches!(visited.visit.outcome, VisitOutcome::Lost { .. });
                    let _ = place.events.send(Event::now(What::Visit(Box::new(visited.visit))));
                    if lost { Kept::Nothing } else { Kept::Session(browser, since) }
                }
            }
        };
    }
}

/// How a person with a session since then signs out, if it is time for it.
fn wants_to_leave(person: &PersonSpec, since: Instant) -> Option<&SignsOut> {
    person.sign_out.as_ref().filter(|how| since.elapsed() >= Duration::from_micros(how.after_us))
}

async fn signs_in(person: &PersonSpec, place: &Place, browser: Browser) -> Kept {
    let browser = sign_in(person, place, browser).await;
    browser.map_or(Kept::Nothing, |browser| Kept::Session(browser, Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(every_us: u64) -> PersonSpec {
        PersonSpec {
            name: "a-1".into(),
            accounts: Vec::new(),
            app: "app".into(),
            url: "https://app.mesh.test/".into(),
            begins: None,
            every_us,
            keep_session: false,
            sign_out: None,
            chromium: false,
            twin_of: None,
        }
    }

    fn spec(people: Vec<PersonSpec>) -> Spec {
        let spec: Spec = serde_json::from_str(r#"{"region":"branch-a","ca_pem":"","seed":7}"#).unwrap();
        Spec { people, ..spec }
    }

    fn arrivals(spec: &Spec) -> Vec<Arrivals> {
        let (begin, round) = (Instant::now(), CancellationToken::new());
        spec.people.iter().map(|person| Arrivals::new(person, spec, begin, &round)).collect()
    }

    #[tokio::test]
    async fn twenty_people_spread_over_their_ten_seconds() {
        let named = |number| PersonSpec { name: format!("a-{number:02}"), ..person(10_000_000) };
        let spec = spec((0..20).map(named).collect());
        let all: Vec<_> = arrivals(&spec).iter_mut().map(|it| it.next(0) - it.begin).collect();
        for (earlier, later) in all.iter().zip(&all[1..]) {
            let gap = *later - *earlier;
            assert!(gap >= Duration::from_millis(250) && gap <= Duration::from_millis(750), "{gap:?}");
        }
    }

    #[tokio::test]
    async fn a_twin_comes_when_the_other_one_comes() {
        let twin = PersonSpec { name: "a-2".into(), twin_of: Some("a-1".into()), ..person(10_000_000) };
        let spec =
            spec(vec![person(10_000_000), twin, PersonSpec { name: "a-3".into(), ..person(10_000_000) }]);
        let mut all = arrivals(&spec);
        for turn in 0..10 {
            let at: Vec<_> = all.iter_mut().map(|arrivals| arrivals.next(turn)).collect();
            assert!(at[0] == at[1] && at[1] != at[2], "{at:?}");
        }
    }

    /// A browser that says who it is, and ends when a window is wanted.
    async fn broken_chromium(home: &std::path::Path) -> Arc<Chromium> {
        let says =
            r#"IFS= read -r -d '' _ <&3; printf '{"id":0,"result":{}}\0' >&4; IFS= read -r -d '' _ <&3"#;
        let flags = vec!["-c".to_owned(), says.to_owned()];
        let spec = super::super::spec::ChromiumSpec { program: "bash".into(), flags, home: home.to_owned() };
        Chromium::start(&spec).await.unwrap()
    }

    #[tokio::test]
    async fn who_gets_no_browser_says_so_with_a_session_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let authority = crate::lab::ca::Authority::create().unwrap();
        let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let place = Arc::new(Place {
            region: "branch-a".to_owned(),
            wire: Wire::new(&authority.certificate_pem()).unwrap(),
            chromium: Some(broken_chromium(folder.path()).await),
            patience: Patience { page: Duration::from_secs(1), restarts: 0 },
            events,
            stop: CancellationToken::new(),
        });
        for keep_session in [false, true] {
            let spec = spec(vec![PersonSpec { keep_session, chromium: true, ..person(10_000) }]);
            let (round, mut tasks) = (CancellationToken::new(), JoinSet::new());
            start(&spec, &place, &round, &mut tasks);
            let told = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await;
            let Ok(Some(Event { what: What::Note { from, text }, .. })) = told else {
                panic!("no note, keep-session {keep_session}: {told:?}");
            };
            assert_eq!(from, "branch-a");
            assert!(text.starts_with("a-1: one login was not begun: "), "{text}");
            round.cancel();
            while tasks.join_next().await.is_some() {}
            while heard.try_recv().is_ok() {}
        }
    }
}
