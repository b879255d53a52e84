//! The table of ends, row by row: one login each, in a small history written by hand.

use super::ends::End;
use super::ends::visits::VisitEnd;
use super::home::Home;
use super::judge;
use super::synthetic::{BEGIN, mesh};
use super::world::{Span, World};
use crate::history::{
    Acts, Event, Hop, Login, MILLISECOND, Micros, PathChange, PathState, ProcessChange, ProcessState, Run,
    SECOND, Seen, Trouble, Visit, VisitKind, VisitOutcome, What, Who, sort,
};

/// A run of 100 seconds in which nothing happens but what is added.
pub(super) struct Hand(pub(super) Vec<Event>);

impl Hand {
    fn new() -> Self {
        Self::of(mesh())
    }

    pub(super) fn of(run: Run) -> Self {
        let event = |at, what| Event { at, what };
        let run = event(BEGIN - SECOND, What::Run(Box::new(run)));
        Self(vec![run, event(BEGIN, What::Begin), event(BEGIN + 100 * SECOND, What::End)])
    }

    fn with(mut self, second: u64, what: What) -> Self {
        self.0.push(Event { at: BEGIN + second * SECOND, what });
        self
    }

    fn one_way(self, second: u64, from: &str, to: &str, state: PathState) -> Self {
        let began = BEGIN + second * SECOND - MILLISECOND;
        self.with(second, What::Path(PathChange { from: from.into(), to: to.into(), state, began }))
    }

    fn cut(self, second: u64, a: &str, b: &str) -> Self {
        self.one_way(second, a, b, PathState::BlackHole).one_way(second, b, a, PathState::BlackHole)
    }

    pub(super) fn process(self, second: u64, server: &str, state: ProcessState) -> Self {
        let began = BEGIN + second * SECOND - MILLISECOND;
        self.with(second, What::Process(ProcessChange { server: server.into(), state, began }))
    }

    /// The end of this login, and why.
    fn end(mut self, login: Login, took: Micros) -> (End, String) {
        self.0.push(Event { at: login.start + took, what: What::Login(Box::new(login)) });
        sort(&mut self.0);
        let verdict = judge(&self.0, &[], 30).unwrap();
        let judged = verdict.ends.logins.last().unwrap();
        (judged.end, judged.why.clone())
    }

    fn visit_end(mut self, visit: Visit, took: Micros) -> VisitEnd {
        self.0.push(Event { at: visit.start + took, what: What::Visit(Box::new(visit)) });
        sort(&mut self.0);
        judge(&self.0, &[], 30).unwrap().ends.visits[0].end
    }
}

pub(super) fn login(second: u64, seen: Seen) -> Login {
    Login {
        person: "branch-a-1".into(),
        app: "app-a".into(),
        region: "branch-a".into(),
        start: BEGIN + second * SECOND,
        hops: vec![],
        acts: Acts::default(),
        seen,
        who: None,
        login_id: None,
    }
}

fn refused(waited: Micros) -> Seen {
    Seen::Refused { status: 503, says: "Nobody can sign you in now".into(), waited }
}

fn gave_up() -> Seen {
    Seen::GaveUp { trouble: Trouble::Timeout }
}

pub(super) fn hop(login: &mut Login, host: &str, after: Micros, took: Micros, answered: bool) {
    let error = (!answered).then_some(Trouble::Timeout);
    let url = format!("{host}.mesh.test/x");
    let start = login.start + after;
    login.hops.push(Hop {
        start,
        took,
        method: "GET".into(),
        url,
        status: answered.then_some(302),
        error,
        reference: None,
    });
}

#[test]
fn a_no_without_a_way_is_told_and_a_no_with_one_is_lost() {
    let dark = || Hand::new().cut(10, "branch-a", "dc1").cut(10, "branch-a", "dc2");
    assert_eq!(dark().end(login(20, refused(SECOND)), SECOND).0, End::Told);
    assert_eq!(Hand::new().end(login(20, refused(SECOND)), SECOND).0, End::Lost);
    let (end, why) = dark().end(login(20, refused(3 * SECOND)), 3 * SECOND);
    assert_eq!(end, End::Lost, "three seconds is not at once: {why}");
    assert_eq!(dark().end(login(20, gave_up()), 40 * SECOND).0, End::Lost, "silence is not telling");
}

#[test]
fn a_path_that_is_cut_one_way_is_no_live_path() {
    let dark = Hand::new().one_way(10, "dc1", "branch-a", PathState::BlackHole).one_way(
        10,
        "branch-a",
        "dc2",
        PathState::Refused,
    );
    assert_eq!(dark.end(login(20, refused(SECOND)), SECOND).0, End::Told);
}

#[test]
fn a_slow_or_lossy_path_is_still_a_path() {
    let slow = PathState::Impaired { how: "slow".into() };
    let hand = Hand::new().cut(10, "branch-a", "dc1").one_way(10, "branch-a", "dc2", slow);
    assert_eq!(hand.end(login(20, gave_up()), 40 * SECOND).0, End::Lost);
}

#[test]
fn servers_that_do_not_answer_are_no_chain() {
    let down = |state| {
        Hand::new()
            .process(10, "root-dc1", state)
            .cut(10, "branch-a", "dc2")
            .end(login(20, refused(SECOND)), SECOND)
            .0
    };
    assert_eq!(down(ProcessState::Paused), End::Told);
    assert_eq!(down(ProcessState::Stopped), End::Told);
    assert_eq!(down(ProcessState::Running), End::Lost);
    let corp = Hand::new().process(10, "corp", ProcessState::Stopped);
    assert_eq!(corp.end(login(20, refused(SECOND)), SECOND).0, End::Told, "nobody left to vouch");
}

#[test]
fn an_identity_provider_that_does_not_know_the_person_is_no_way() {
    let mut run = mesh();
    run.servers[0].knows = Some(vec!["branch-a-2".into()]);
    assert_eq!(Hand::of(run.clone()).end(login(20, refused(SECOND)), SECOND).0, End::Told);
    let mut accepted = login(20, Seen::SignedIn);
    hop(&mut accepted, "corp", 0, 10, true);
    accepted.who = Some(Who { sub: "s".into(), lab_person: Some("branch-a-1".into()), ..Who::default() });
    assert_eq!(Hand::of(run).end(accepted, SECOND).0, End::Wrong, "accepted where it must not be");
}

#[test]
fn who_cannot_reach_the_edge_is_cut_off() {
    let (end, why) =
        Hand::new().process(10, "edge-a", ProcessState::Stopped).end(login(20, gave_up()), 40 * SECOND);
    assert_eq!(end, End::CutOff, "{why}");
    assert!(why.contains("edge-a was out of reach"), "{why}");
}

#[test]
fn where_only_the_persons_own_path_is_cut_the_sender_is_not_to_blame() {
    let mut run = mesh();
    // The edge of this branch stands in DC1, beside its root.
    let edge = run.servers.iter_mut().find(|server| server.name == "edge-a").unwrap();
    edge.region = "dc1".into();
    edge.upstreams = vec!["root-dc2".into()];
    let mut login = login(20, gave_up());
    hop(&mut login, "edge-a", 0, 10_000, true);
    hop(&mut login, "root-dc2", 10_000, 10 * SECOND, false);
    let (end, why) = Hand::of(run).cut(10, "branch-a", "dc2").end(login, 40 * SECOND);
    assert_eq!(end, End::CutOff, "{why}");
    assert!(why.contains("edge-a reached root-dc2, and the person did not"), "{why}");
}

#[test]
fn a_login_beside_a_change_is_listed_apart_and_a_little_later_is_not() {
    let at = |after: Micros| {
        let mut login = login(10, gave_up());
        login.start -= after;
        Hand::new().process(10, "root-dc1", ProcessState::Paused).end(login, 40 * SECOND).0
    };
    assert_eq!(at(50 * MILLISECOND), End::Apart);
    assert_eq!(at(500 * MILLISECOND), End::Lost, "through DC2 there was a way all the time");
    assert_eq!(at(1_950 * MILLISECOND), End::Apart, "the window meets the change for 50 ms");
}

#[test]
fn a_login_that_the_end_of_the_run_cuts_short_is_listed_apart() {
    assert_eq!(Hand::new().end(login(99, Seen::Unfinished), SECOND).0, End::Apart);
}

fn visit(second: u64, outcome: VisitOutcome) -> Visit {
    Visit {
        person: "branch-a-20".into(),
        app: "app-a".into(),
        region: "branch-a".into(),
        start: BEGIN + second * SECOND,
        kind: VisitKind::SingleSignOn,
        outcome,
        hops: vec![],
        who: None,
    }
}

#[test]
fn a_session_is_lost_only_where_somebody_could_have_kept_it() {
    let lost = || visit(20, VisitOutcome::Lost { says: "a password".into() });
    let silent = || visit(20, VisitOutcome::NoAnswer { trouble: Trouble::Timeout });
    assert_eq!(Hand::new().visit_end(lost(), SECOND), VisitEnd::Lost);
    let dark = || Hand::new().cut(10, "branch-a", "dc1").cut(10, "branch-a", "dc2");
    assert_eq!(
        dark().visit_end(lost(), SECOND),
        VisitEnd::Lost,
        "roots are not needed for a session at the edge"
    );
    assert_eq!(dark().visit_end(silent(), SECOND), VisitEnd::Lost);
    let edge_gone = Hand::new().process(10, "edge-a", ProcessState::Stopped);
    assert_eq!(edge_gone.visit_end(silent(), SECOND), VisitEnd::Excused);
}

#[test]
fn somebody_elses_session_on_a_visit_is_wrong() {
    let mut visit = visit(20, VisitOutcome::Kept);
    visit.who = Some(Who { lab_person: Some("branch-a-21".into()), ..Who::default() });
    assert_eq!(Hand::new().visit_end(visit, SECOND), VisitEnd::Wrong);
}

#[test]
fn a_change_counts_for_both_sides_while_it_is_made() {
    let events = Hand::new().cut(10, "branch-a", "dc1").0;
    let world = World::read(&events).unwrap();
    let at = |micros: Micros| Span { from: BEGIN + micros, until: BEGIN + micros };
    assert!(world.linked("branch-a", "dc1", at(10 * SECOND - 2 * MILLISECOND)));
    assert!(
        !world.linked("branch-a", "dc1", at(10 * SECOND - MILLISECOND / 2)),
        "begun, and not surely open any more"
    );
    assert!(!world.linked("branch-a", "dc1", at(11 * SECOND)));
    assert!(world.linked("branch-a", "branch-a", at(11 * SECOND)), "a region always reaches itself");
    assert!(!world.linked("branch-a", "branch-b", at(0)), "nothing forwards without a link");
}

/// Where the browser of a login stood when the process of the root in DC1 was killed, ten seconds into the run.
fn stood_when_the_root_died(hops: &[(&str, Micros, Micros)], start: Micros) -> Option<String> {
    let mut login = login(0, Seen::SignedIn);
    login.start = BEGIN + start;
    for (host, after, took) in hops {
        hop(&mut login, host, *after, *took, true);
    }
    let ended = login.hops.last().map_or(login.start, |hop| hop.start + hop.took);
    let mut hand = Hand::new().process(10, "root-dc1", ProcessState::Stopped);
    hand.0.push(Event { at: ended, what: What::Login(Box::new(login)) });
    sort(&mut hand.0);
    let verdict = judge(&hand.0, &[], 30).unwrap();
    let stood = Home::of(&verdict.world).stood(&verdict.ends.logins[0]);
    stood.map(|stood| format!("{stood:?}"))
}

#[test]
fn at_home_is_who_waits_at_the_application_or_its_node_and_nobody_who_was_sent_on() {
    let ms = MILLISECOND;
    let start = 10 * SECOND - 100 * ms;
    let stood = |hops: &[(&str, Micros, Micros)]| stood_when_the_root_died(hops, start);
    let at = |server: &str| Some(format!("At(\"{server}\")"));
    let away = Some("Away".to_owned());
    assert_eq!(
        stood(&[("app-a", 0, 20 * ms), ("edge-a", 20 * ms, 300 * ms), ("root-dc2", 320 * ms, ms)]),
        at("edge-a")
    );
    assert_eq!(stood(&[("app-a", 0, 200 * ms)]), at("app-a"));
    assert_eq!(stood(&[("edge-a", 0, 20 * ms), ("edge-a", 900 * ms, ms)]), at("edge-a"), "at its page");
    assert_eq!(stood(&[("edge-a", 0, 50 * ms), ("root-dc1", 50 * ms, 900 * ms)]), away);
    assert_eq!(
        stood(&[("edge-a", 0, 50 * ms), ("root-dc2", 50 * ms, 900 * ms)]),
        away,
        "its pages are not home"
    );
    let on_its_way = [("edge-a", 0, 112 * ms), ("root-dc1", 112 * ms, 900 * ms)];
    assert_eq!(stood(&on_its_way), away, "sent before, and the node could not know");
    assert_eq!(stood_when_the_root_died(&[("app-a", 0, ms)], 20 * SECOND), Some("Later".to_owned()));
    assert_eq!(stood_when_the_root_died(&[("app-a", 0, ms)], SECOND), None, "over before");
}
