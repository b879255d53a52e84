//! A tier 3 mesh that exists on paper: two branches, two data centers, a cloud. It writes the history that a good
//! product would have left, or one that is broken in a way of one's choice, so that each expectation can be seen to
//! hold, to fail, and to refuse a run that is too thin.

mod mesh;

pub(crate) use self::mesh::mesh;
use self::mesh::{BRANCHES, ROOTS, app, dead_hop, edge, hop, host, root_in};
use crate::agent::chance::Chance;
use crate::history::{
    Acts, Event, HealthChange, Lateness, Login, MILLISECOND, Micros, PasswordRefused, PathChange, PathState,
    Person, Probe, ProcessChange, ProcessState, Round, SECOND, Seen, Step, StepKind, Trouble, Visit,
    VisitKind, VisitOutcome, What, Who, sort,
};

const BASE: Micros = 280 * MILLISECOND;
pub(crate) const BEGIN: Micros = 1_000 * SECOND;

/// A cut between a branch and some data centers.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) branch: &'static str,
    pub(crate) from_regions: &'static [&'static str],
    /// Seconds into the run.
    pub(crate) at: u64,
    /// Seconds into the run.
    pub(crate) healed: u64,
}

/// How the product behaves.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    /// Looks before it sends a browser away; then a dead root costs this much, once, and nothing is lost.
    pub(crate) last_look: Option<Micros>,
    /// Everybody looks, not the first one only.
    pub(crate) looks_alone: bool,
    /// Probes notice after this time; `None`: no failover at all.
    pub(crate) notices_after: Option<Micros>,
    /// How long it thinks before it says that nobody is left; `None`: it never says so.
    pub(crate) tells_after: Option<Micros>,
    /// How long it goes on believing that a member is dead.
    pub(crate) forgives_after: Micros,
    pub(crate) one_sub_for_all: bool,
    pub(crate) a_sub_for_each_root: bool,
    pub(crate) mixes_people_up: bool,
    pub(crate) asks_twice_under_fault: bool,
    pub(crate) forgets_sessions_under_fault: bool,
    /// Maps the e-mail address of who comes under a fault to something else.
    pub(crate) other_email_under_fault: bool,
    /// Tries a password at the next provider as well when a fault takes the first.
    pub(crate) sends_passwords_on: bool,
    /// Everybody is slower under a fault by so much.
    pub(crate) slower_under_fault: Micros,
    pub(crate) hides_the_attribute: bool,
    /// The edge ends with the path to its root, and lives again with it.
    pub(crate) falls_over_under_fault: bool,
    /// Whoever comes with a real browser is asked twice.
    pub(crate) asks_browsers_twice: bool,
    /// How much longer the machine makes a login in this second of the run.
    pub(crate) machine: fn(u64) -> Micros,
}

impl Product {
    pub(crate) fn good() -> Self {
        Self {
            last_look: Some(200 * MILLISECOND),
            looks_alone: false,
            notices_after: Some(3 * SECOND),
            tells_after: Some(300 * MILLISECOND),
            forgives_after: 2 * SECOND,
            one_sub_for_all: false,
            a_sub_for_each_root: false,
            mixes_people_up: false,
            asks_twice_under_fault: false,
            forgets_sessions_under_fault: false,
            other_email_under_fault: false,
            sends_passwords_on: false,
            slower_under_fault: 0,
            hides_the_attribute: false,
            falls_over_under_fault: false,
            asks_browsers_twice: false,
            machine: |_| 0,
        }
    }
}

/// A run of that product.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) product: Product,
    pub(crate) cuts: Vec<Cut>,
    /// Seconds.
    pub(crate) lasts: u64,
    /// Pairs of rounds with the cuts and without, of equal length; 0: none.
    pub(crate) rounds: u64,
    /// Whether everybody in branch B has a real browser, and a simulated twin.
    pub(crate) twins: bool,
    /// Between two arrivals in a branch.
    pub(crate) gap: Micros,
    /// Whether the network really did what the supervisor asked for.
    pub(crate) cuts_are_real: bool,
    /// Late packets and wake-ups of a second, of a hundred.
    pub(crate) late: u64,
}

impl Story {
    /// Branch A loses DC1 three times.
    pub(crate) fn one_root_cut() -> Self {
        let cut = |at| Cut { branch: "branch-a", from_regions: &["dc1"], at, healed: at + 15 };
        Self {
            product: Product::good(),
            cuts: vec![cut(20), cut(45), cut(70)],
            lasts: 100,
            rounds: 0,
            twins: false,
            gap: 400 * MILLISECOND,
            cuts_are_real: true,
            late: 2,
        }
    }

    /// Branch A loses both data centers.
    pub(crate) fn isolated() -> Self {
        let cut = Cut { branch: "branch-a", from_regions: &["dc1", "dc2"], at: 20, healed: 50 };
        Self { cuts: vec![cut], lasts: 80, ..Self::one_root_cut() }
    }

    /// Branch A loses DC1 in every other round of 15 seconds, as often as it does not.
    pub(crate) fn in_rounds() -> Self {
        let mut story = Self { rounds: 4, lasts: 120, cuts: Vec::new(), ..Self::one_root_cut() };
        let faulty =
            story.stretches().into_iter().filter(|(_, round)| round.is_some_and(|round| round.faults));
        story.cuts = faulty
            .map(|(from, _)| Cut {
                branch: "branch-a",
                from_regions: &["dc1"],
                at: from + 3,
                healed: from + 10,
            })
            .collect();
        story
    }

    /// Seconds at which people begin anew.
    fn stretches(&self) -> Vec<(u64, Option<Round>)> {
        if self.rounds == 0 {
            return vec![(0, None)];
        }
        let round = |number: u64| {
            let pair = u32::try_from(number / 2).unwrap();
            let faults = u64::from(pair % 2) != number % 2;
            (number * self.stretch(), Some(Round { pair: pair + 1, faults }))
        };
        (0..2 * self.rounds).map(round).collect()
    }

    /// How long each is, in seconds.
    fn stretch(&self) -> u64 {
        self.lasts / (2 * self.rounds).max(1)
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Product)) -> Self {
        change(&mut self.product);
        self
    }

    /// The history it left.
    pub(crate) fn tell(&self) -> Vec<Event> {
        let mut run = mesh();
        if self.twins {
            let real = |person: &&Person| person.region == "branch-b";
            let twin = |real: &Person| Person {
                name: twin_of(&real.name),
                twin_of: Some(real.name.clone()),
                ..real.clone()
            };
            let twins: Vec<_> = run.people.iter().filter(real).map(twin).collect();
            run.people.extend(twins);
        }
        let mut events = vec![
            Event { at: BEGIN - SECOND, what: What::Run(Box::new(run)) },
            Event { at: BEGIN, what: What::Begin },
            Event { at: BEGIN + self.lasts * SECOND, what: What::End },
        ];
        self.faults(&mut events);
        self.probes(&mut events);
        for second in 1..=self.lasts {
            let late = Lateness {
                all: 100,
                late: self.late,
                worst: 12 * MILLISECOND,
                total: self.late * 6 * MILLISECOND,
            };
            let machine = What::Machine { packets: late, wakes: late };
            events.push(Event { at: BEGIN + second * SECOND, what: machine });
        }
        for (from, round) in self.stretches() {
            let from = BEGIN + from * SECOND;
            events.extend(round.map(|round| Event { at: from, what: What::Round(round) }));
            let mut chance = Chance::new(1, "story");
            for branch in BRANCHES {
                self.people(branch, from, &mut chance, &mut events);
            }
        }
        sort(&mut events);
        events
    }

    fn people(&self, branch: &str, from: Micros, chance: &mut Chance, events: &mut Vec<Event>) {
        let (mut start, mut number) = (from + 100 * MILLISECOND, 0);
        while start < from + self.stretch() * SECOND - 3 * SECOND.min(self.stretch() * SECOND / 2) {
            let late = chance.below(40 * MILLISECOND);
            let login = self.login(branch, number, start + late, chance);
            if self.twins && branch == "branch-b" {
                events.push(twin(&login));
            }
            if self.product.sends_passwords_on && self.under_fault(start) {
                let refused = PasswordRefused { server: "corp".into(), person: None };
                events.push(Event { at: login.at, what: What::PasswordRefused(refused) });
            }
            events.push(login);
            if number.is_multiple_of(2) {
                events.push(self.visit(branch, number, start));
            }
            number += 1;
            start += self.gap;
        }
    }

    fn faults(&self, events: &mut Vec<Event>) {
        for cut in &self.cuts {
            for (when, state, kind, word) in [
                (cut.at, PathState::BlackHole, StepKind::Fault, "cut"),
                (cut.healed, PathState::Open, StepKind::Heal, "heal"),
            ] {
                let at = BEGIN + when * SECOND;
                let words = format!("{word} {} – {}", cut.branch, cut.from_regions.join(", "));
                events.push(Event { at, what: What::Step(Step { words, kind, began: at - 4_000 }) });
                for region in cut.from_regions {
                    for (from, to) in [(cut.branch, *region), (*region, cut.branch)] {
                        let change = PathChange {
                            from: from.into(),
                            to: to.into(),
                            state: state.clone(),
                            began: at - 3_000,
                        };
                        events.push(Event { at, what: What::Path(change) });
                    }
                    if self.product.falls_over_under_fault {
                        let fault = kind == StepKind::Fault;
                        let state = if fault { ProcessState::Stopped } else { ProcessState::Running };
                        let change = ProcessChange { server: edge(cut.branch), state, began: at - 2_000 };
                        events.push(Event { at, what: What::Process(change) });
                    }
                    let (node, connector) = (edge(cut.branch), root_in(region));
                    let Some(noticed) = self.product.notices_after else { continue };
                    let state = if kind == StepKind::Fault { "down" } else { "healthy" };
                    let health = HealthChange { node, connector, state: state.into(), why: "probe".into() };
                    let began = at - 4_000;
                    events.push(Event { at: began + noticed, what: What::Health(health) });
                }
            }
        }
    }

    fn probes(&self, events: &mut Vec<Event>) {
        for second in 0..self.lasts {
            let began = BEGIN + second * SECOND + SECOND / 2;
            for (branch, (root, region)) in
                BRANCHES.iter().flat_map(|branch| ROOTS.map(|root| (branch, root)))
            {
                let connected = !self.cuts_are_real || self.linked(branch, region, began);
                let probe = Probe { from: (*branch).into(), to: root.into(), began, connected };
                events.push(Event { at: began + 10 * MILLISECOND, what: What::Probe(probe) });
            }
        }
    }

    fn cut_since(&self, branch: &str, region: &str, at: Micros) -> Option<Micros> {
        let cut = self.cuts.iter().find(|cut| {
            let during = (BEGIN + cut.at * SECOND..BEGIN + cut.healed * SECOND).contains(&at);
            during && cut.branch == branch && cut.from_regions.contains(&region)
        })?;
        Some(BEGIN + cut.at * SECOND)
    }

    fn linked(&self, branch: &str, region: &str, at: Micros) -> bool {
        self.cut_since(branch, region, at).is_none()
    }

    fn under_fault(&self, at: Micros) -> bool {
        self.cuts.iter().any(|cut| (BEGIN + cut.at * SECOND..BEGIN + cut.healed * SECOND).contains(&at))
    }

    /// Whether the edge still takes a member for dead that is not.
    fn resents(&self, branch: &str, region: &str, at: Micros) -> bool {
        let product = &self.product;
        product.notices_after.is_some()
            && self.cuts.iter().any(|cut| {
                let healed = BEGIN + cut.healed * SECOND;
                cut.branch == branch
                    && cut.from_regions.contains(&region)
                    && (healed..healed + product.forgives_after).contains(&at)
            })
    }

    /// Whom the edge sends a browser to, and what the choice cost. `Err`: nobody is left.
    fn choice(&self, branch: &str, at: Micros) -> Result<((&'static str, &'static str), Micros), ()> {
        let mut looks = 0;
        for (root, region) in ROOTS {
            match (self.cut_since(branch, region, at), self.product.notices_after) {
                (None, _) if self.resents(branch, region, at) && self.product.last_look.is_none() => {}
                (Some(since), Some(after)) if at >= since + after => {}
                (Some(since), Some(_)) if self.product.last_look.is_some() => {
                    if self.product.looks_alone || at < since + self.gap {
                        looks += self.product.last_look.unwrap_or_default();
                    }
                }
                _ => return Ok(((root, region), looks)),
            }
        }
        Err(())
    }

    fn login(&self, branch: &str, number: u64, start: Micros, chance: &mut Chance) -> Event {
        let person = format!("{}-{}", branch, number % 20);
        let mut login = Login {
            person: person.clone(),
            app: app(branch),
            region: branch.into(),
            start,
            hops: Vec::new(),
            acts: Acts { passwords: 1, ..Acts::default() },
            seen: Seen::GaveUp { trouble: Trouble::Timeout },
            who: None,
            login_id: Some(format!("{number:06x}")),
        };
        let mut at = start;
        for _ in 0..3 {
            let begun = at;
            at = hop(&mut login.hops, at, "GET", format!("{}/", host(&app(branch))), 20);
            let url = format!("{}/oauth2/auth", host(&edge(branch)));
            if self.product.falls_over_under_fault && self.cut_since(branch, "dc1", at).is_some() {
                at = dead_hop(&mut login.hops, at, url, 10 * SECOND);
                login.acts.restarts += 1;
                continue;
            }
            at = hop(&mut login.hops, at, "GET", url, 30);
            let Ok(((root, region), looks)) = self.choice(branch, begun) else {
                return self.nobody_left(login, at);
            };
            if self.linked(branch, region, at) {
                at = self.through(&mut login, at + looks, root, begun, chance);
                return Event { at, what: What::Login(Box::new(login)) };
            }
            for _ in 0..2 {
                at = dead_hop(&mut login.hops, at, format!("{}/oauth2/auth", host(root)), 10 * SECOND);
            }
            login.acts.reloads += 1;
            login.acts.restarts += 1;
        }
        login.acts.restarts = login.acts.restarts.saturating_sub(1);
        Event { at, what: What::Login(Box::new(login)) }
    }

    fn nobody_left(&self, mut login: Login, at: Micros) -> Event {
        let Some(after) = self.product.tells_after else {
            let at = dead_hop(&mut login.hops, at, format!("{}/oauth2/auth", host("root-dc2")), 10 * SECOND);
            return Event { at, what: What::Login(Box::new(login)) };
        };
        let says = "Nobody can sign you in now".to_owned();
        login.seen = Seen::Refused { status: 503, says, waited: after };
        if let Some(hop) = login.hops.last_mut() {
            hop.status = Some(503);
            hop.took = after;
        }
        Event { at: at + after, what: What::Login(Box::new(login)) }
    }

    fn through(
        &self,
        login: &mut Login,
        at: Micros,
        root: &str,
        begun: Micros,
        chance: &mut Chance,
    ) -> Micros {
        let product = &self.product;
        let fault = self.under_fault(begun);
        let slower = if fault { product.slower_under_fault } else { 0 };
        let slower = slower + (product.machine)((begun - BEGIN) / SECOND);
        let mut at = at + slower;
        let steps =
            [(root, "oauth2/auth"), ("corp", "oauth2/auth"), ("corp", "sign-in"), (root, "oidc/callback")];
        for (server, path) in steps {
            at = hop(&mut login.hops, at, "GET", format!("{}/{path}", host(server)), 40 + chance.below(8));
        }
        for (server, path) in [
            (edge(&login.region), "oidc/callback"),
            (login.app.clone(), "callback"),
            (login.app.clone(), "me"),
        ] {
            at = hop(&mut login.hops, at, "GET", format!("{}/{path}", host(&server)), 20);
        }
        login.seen = Seen::SignedIn;
        login.acts.passwords += u32::from(fault && product.asks_twice_under_fault);
        login.acts.passwords += u32::from(self.twins && product.asks_browsers_twice);
        login.who = Some(self.who(&login.person, root, fault, &login.region));
        at.max(login.start + BASE)
    }

    fn who(&self, person: &str, root: &str, fault: bool, branch: &str) -> Who {
        let product = &self.product;
        let really = if product.mixes_people_up && fault { format!("{branch}-0") } else { person.to_owned() };
        let sub = if product.one_sub_for_all {
            "corp|everybody".to_owned()
        } else if product.a_sub_for_each_root {
            format!("{root}|{person}")
        } else {
            format!("corp|{really}")
        };
        let lab_person = (!product.hides_the_attribute).then_some(really);
        let other = if product.other_email_under_fault && fault { "other-" } else { "" };
        let email = format!("{other}{person}@{}", host("mail"));
        Who {
            iss: format!("https://{}", host(&edge(branch))),
            sub,
            lab_person,
            claims: [("email".to_owned(), email.into())].into(),
            ..Who::default()
        }
    }

    fn visit(&self, branch: &str, number: u64, start: Micros) -> Event {
        let person = format!("{branch}-{}", 20 + number % 3);
        let lost = self.product.forgets_sessions_under_fault && self.under_fault(start);
        let outcome = if lost {
            VisitOutcome::Lost { says: "200 from corp.mesh.test: Sign in".into() }
        } else {
            VisitOutcome::Kept
        };
        let mut hops = Vec::new();
        let at = hop(&mut hops, start, "GET", format!("{}/me", host(&app(branch))), 15);
        let who = (!lost).then(|| Who {
            lab_person: Some(person.clone()),
            sub: format!("corp|{person}"),
            iss: format!("https://{}", host(&edge(branch))),
            claims: [("email".to_owned(), format!("{person}@{}", host("mail")).into())].into(),
            ..Who::default()
        });
        let kind = if number.is_multiple_of(8) { VisitKind::SingleSignOn } else { VisitKind::Page };
        let visit =
            Visit { person, app: app(branch), region: branch.into(), start, kind, outcome, hops, who };
        Event { at, what: What::Visit(Box::new(visit)) }
    }
}

fn twin_of(person: &str) -> String {
    format!("{person}-twin")
}

/// The same login by the person's simulated twin, who is asked what everybody is asked.
fn twin(real: &Event) -> Event {
    let mut event = real.clone();
    if let What::Login(login) = &mut event.what {
        login.person = twin_of(&login.person);
        login.acts.passwords = 1;
        if let Some(who) = &mut login.who {
            who.lab_person = who.lab_person.as_deref().map(twin_of);
            who.sub = twin_of(&who.sub);
        }
    }
    event
}
