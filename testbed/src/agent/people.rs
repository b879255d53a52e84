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
use super::person::{Attempt, Patience};
use super::spec::{PersonSpec, Spec};
use super::visit;
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
    let count = spec.people.len().max(1) as u64;
    for (index, person) in spec.people.iter().enumerate() {
        let arrivals = Arrivals::new(person, spec.seed, index as u64, count, round.clone());
        let wire = place.wire.of_person(&person.name, &place.events);
        let (person, place) = (person.clone(), place.clone());
        if person.keep_session {
            tasks.spawn(async move { keeps_coming(&person, &place, &wire, arrivals).await });
        } else {
            tasks.spawn(async move { signs_in_anew(person, place, wire, arrivals).await });
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
    fn new(person: &PersonSpec, seed: u64, index: u64, count: u64, round: CancellationToken) -> Self {
        let every = person.every_us.max(1_000);
        Self {
            begin: Instant::now(),
            every,
            offset: every * index / count,
            count,
            chance: Chance::new(seed, &person.name),
            round,
        }
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

async fn signs_in_anew(person: PersonSpec, place: Arc<Place>, wire: Wire, mut arrivals: Arrivals) {
    let person = Arc::new(person);
    let mut open = JoinSet::new();
    let mut turn = 0;
    while arrivals.come(turn).await {
        while open.try_join_next().is_some() {}
        if open.len() < MOST_AT_ONCE {
            let (person, place, wire) = (person.clone(), place.clone(), wire.clone());
            open.spawn(async move {
                sign_in(&person, &place, Browser::new(&wire)).await;
            });
        } else {
            let text = format!("{}: {MOST_AT_ONCE} logins hang, one was not begun", person.name);
            let _ = place.events.send(Event::now(What::Note { from: place.region.clone(), text }));
        }
        turn += 1;
    }
    while open.join_next().await.is_some() {}
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

async fn keeps_coming(person: &PersonSpec, place: &Place, wire: &Wire, mut arrivals: Arrivals) {
    let mut kept: Option<Browser> = None;
    let (mut can_refresh, mut visits) = (false, 0);
    let mut turn = 0;
    while arrivals.come(turn).await {
        turn += 1;
        let Some(mut browser) = kept.take() else {
            kept = sign_in(person, place, Browser::new(wire)).await;
            continue;
        };
        let kind = visit::kind_of(visits, can_refresh);
        visits += 1;
        let visited = visit::visit(person, &place.region, &mut browser, kind, place.patience.page).await;
        if visited.visit.outcome == VisitOutcome::Kept {
            can_refresh = visited.can_refresh;
        }
        if !matches!(visited.visit.outcome, VisitOutcome::Lost { .. }) {
            kept = Some(browser);
        }
        let _ = place.events.send(Event::now(What::Visit(Box::new(visited.visit))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(every_us: u64) -> PersonSpec {
        PersonSpec {
            name: "a-1".into(),
            username: "a-1".into(),
            password: String::new(),
            app: "app".into(),
            url: "https://app.mesh.test/".into(),
            every_us,
            keep_session: false,
        }
    }

    #[tokio::test]
    async fn twenty_people_spread_over_their_ten_seconds() {
        let person = person(10_000_000);
        let mut all = Vec::new();
        for index in 0..20 {
            let mut arrivals = Arrivals::new(&person, 7, index, 20, CancellationToken::new());
            all.push(arrivals.next(0) - arrivals.begin);
        }
        for (earlier, later) in all.iter().zip(&all[1..]) {
            let gap = *later - *earlier;
            assert!(gap >= Duration::from_millis(250) && gap <= Duration::from_millis(750), "{gap:?}");
        }
    }
}
