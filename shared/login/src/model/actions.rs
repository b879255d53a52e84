//! What may happen next, and what comes of it.

use futures::FutureExt;
use mangrove_cache::{CacheError, Shelf, Spent, spend};
use mangrove_connectors::{Answer, Ask};
use mangrove_continuity::{Moment, Sample};

use super::at_mesh::{AtMesh, issuer, observe, path};
use super::desk::Desk;
use super::mesh::{
    Answered, Asks, AuthRequest, Issued, Jar, Mesh, Possible, Run, SignedInAs, Who, browser, cookies,
};
use super::{MEMBERS, Parts};
use crate::book::Flow;
use crate::cookies::LoginCookie;
use crate::returned::Onward;
use crate::steps::{self, Sent, Step, To};
use crate::{Request, Resume};

/// What may happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The application sends a browser to the node.
    Starts(Who),
    /// A person follows a redirect and signs in at the member.
    SignsIn(Who, AuthRequest),
    /// A browser has an open login tried again.
    TriesAgain(Who, String),
    /// A browser delivers an answer that it was given.
    Delivers(Who, Answered),
    /// The attacker put an answer together, and this browser delivers it.
    Forges(Who, Answered),
    /// A browser goes while its answer waits to be looked at: stopped, loaded anew, or cut off.
    Goes(String),
    /// A request's wait ends.
    GoesOn(String),
    /// An application presents a code of this node.
    Redeems(String),
    /// A member is not reachable any more.
    Dies(&'static str),
    /// It is again.
    Returns(&'static str),
    /// The node probes a member.
    Probes(&'static str),
    /// The node loses its memory.
    Crashes,
    /// The node gets too busy to look at answers, or has time again.
    Floods,
}

/// All that may happen next.
pub(crate) fn possible(mesh: &Mesh) -> Vec<Action> {
    let left = mesh.left;
    let mut all: Vec<Action> = mesh.runs.keys().cloned().map(Action::GoesOn).collect();
    all.extend((left.starts_of_alice > 0).then_some(Action::Starts(Who::Alice)));
    all.extend((left.starts_of_mallory > 0).then_some(Action::Starts(Who::Mallory)));
    for request in &mesh.requests {
        for who in [Who::Alice, Who::Mallory] {
            let reaches = request.made_for == who || (who == Who::Mallory && left.swaps > 0);
            let idp = &mesh.idps[&request.member];
            if reaches && idp.up && !idp.codes.contains_key(&code(who, request)) {
                all.push(Action::SignsIn(who, request.clone()));
            }
        }
    }
    for ((who, answer), delivered) in &mesh.answers {
        if *delivered == 0 || left.repeats > 0 {
            all.push(Action::Delivers(*who, answer.clone()));
        }
    }
    if left.agains > 0 {
        for (who, jar) in &mesh.browsers {
            let browser = browser(&jar.cookies);
            let mut open: Vec<_> =
                cookies().logins(&browser).iter().map(|cookie| cookie.flow.to_owned()).collect();
            open.dedup();
            all.extend(open.into_iter().map(|login| Action::TriesAgain(*who, login)));
        }
    }
    if left.forgeries > 0 {
        all.extend(forgeries(mesh));
    }
    for name in MEMBERS {
        if left.faults > 0 {
            all.push(if mesh.idps[name].up { Action::Dies(name) } else { Action::Returns(name) });
        }
        all.extend((left.probes > 0).then_some(Action::Probes(name)));
    }
    all.extend((left.crashes > 0).then_some(Action::Crashes));
    all.extend((left.floods > 0).then_some(Action::Floods));
    if left.goes > 0 {
        let waiting = mesh.runs.iter().filter(|(_, run)| run.waits_for_a_look);
        all.extend(waiting.map(|(name, _)| Action::Goes(name.clone())));
    }
    if left.redeems > 0 {
        all.extend(mesh.seen.own_codes.iter().cloned().map(Action::Redeems));
    }
    all
}

/// Everything that can be put together of what stood in an address bar: any `state`, any code or an error, at any member's
/// path, in either browser.
fn forgeries(mesh: &Mesh) -> Vec<Action> {
    let mut says: Vec<(&'static str, String)> =
        ["access_denied", "temporarily_unavailable"].map(|error| ("error", error.to_owned())).into();
    says.push(("code", "junk".to_owned()));
    says.extend(mesh.idps.values().flat_map(|idp| idp.codes.keys()).map(|code| ("code", code.clone())));
    let mut all = Vec::new();
    for state in mesh.requests.iter().map(|request| &request.state) {
        for member in MEMBERS {
            for says in &says {
                let answer = Answered { member: member.to_owned(), state: state.clone(), says: says.clone() };
                for who in [Who::Alice, Who::Mallory] {
                    if !mesh.answers.contains_key(&(who, answer.clone())) {
                        all.push(Action::Forges(who, answer.clone()));
                    }
                }
            }
        }
    }
    all
}

/// The mesh after something happened.
pub(crate) fn after<P: Parts>(mesh: &Mesh, action: Action) -> Mesh {
    let mut mesh = mesh.clone();
    mesh.seen.just_now = None;
    match action {
        Action::Starts(who) => {
            *mesh.left.starts_of(who) -= 1;
            asks::<P>(mesh, who, Asks::Start)
        }
        Action::SignsIn(who, request) => {
            mesh.left.swaps -= u8::from(request.made_for != who);
            let code = code(who, &request);
            let says = ("code", code.clone());
            let answer = Answered { member: request.member.clone(), state: request.state.clone(), says };
            let idp = mesh.idps.get_mut(&request.member).expect("a member");
            idp.codes.insert(code, Issued { person: who, request });
            mesh.answers.entry((who, answer)).or_insert(0);
            mesh
        }
        Action::Delivers(who, answer) => {
            let delivered = mesh.answers.entry((who, answer.clone())).or_insert(0);
            if *delivered > 0 {
                mesh.left.repeats -= 1;
            }
            *delivered = 1;
            asks::<P>(mesh, who, Asks::Answer(answer))
        }
        Action::TriesAgain(who, login) => {
            mesh.left.agains -= 1;
            asks::<P>(mesh, who, Asks::Again(login))
        }
        Action::Forges(who, answer) => {
            mesh.left.forgeries -= 1;
            mesh.seen.forged = true;
            let planted = (who == Who::Mallory).then(|| planted(&answer.state));
            asks_with::<P>(mesh, who, Asks::Answer(answer), planted)
        }
        Action::Redeems(code) => {
            mesh.left.redeems -= 1;
            asks::<P>(mesh, Who::Mallory, Asks::Redeem(code))
        }
        Action::Goes(name) => {
            mesh.left.goes -= 1;
            let run = mesh.runs.remove(&name).expect("a request under way");
            if let Asks::Answer(answer) = run.asks {
                mesh.answers.insert((run.who, answer), 0);
            }
            mesh
        }
        Action::GoesOn(name) => goes_on::<P>(mesh, &name),
        Action::Dies(name) => {
            mesh.left.faults -= 1;
            mesh.seen.ever_down.insert(name.to_owned());
            mesh.idps.get_mut(name).expect("a member").up = false;
            mesh
        }
        Action::Returns(name) => {
            mesh.left.faults -= 1;
            mesh.idps.get_mut(name).expect("a member").up = true;
            mesh
        }
        Action::Probes(name) => {
            mesh.left.probes -= 1;
            let sample = match mesh.idps[name].up {
                true => Sample::ProbeSucceeded,
                false => Sample::ProbeFailed { why: "refused".to_owned() },
            };
            mesh.health.get_mut(name).expect("a member").probe_begins(Moment::default());
            observe(&mut mesh, name, &sample);
            mesh
        }
        Action::Crashes => {
            mesh.left.crashes -= 1;
            mesh.crash();
            mesh
        }
        Action::Floods => {
            mesh.left.floods -= 1;
            mesh.busy = !mesh.busy;
            mesh
        }
    }
}

/// One code for each person and request.
fn code(who: Who, request: &AuthRequest) -> String {
    format!("{} at {} for {}", who.name(), request.member, request.state)
}

/// The login cookie for a `state`, as an attacker sets it in their own browser: its name is known, its secret is not.
fn planted(state: &str) -> (String, String) {
    let cookie = LoginCookie { made: 0, flow: "a-guess", secret: "a-guess" };
    let mut jar = Jar::default();
    jar.eat(cookies().set_login(&browser(&[]), state, &cookie));
    jar.cookies.pop().expect("it was just set")
}

fn asks<P: Parts>(mesh: Mesh, who: Who, asks: Asks) -> Mesh {
    asks_with::<P>(mesh, who, asks, None)
}

/// A browser sends a request, which goes as far as the end of its first wait. It is named after what it asks, and after how
/// many like it are under way. A planted cookie goes along where the browser has none of that name.
fn asks_with<P: Parts>(mut mesh: Mesh, who: Who, asks: Asks, planted: Option<(String, String)>) -> Mesh {
    let what = match &asks {
        Asks::Start => format!("starts-{}", mesh.left.starts_of(who)),
        Asks::Answer(Answered { member, state, says }) => {
            format!("brings {} to {member} for {state}", says.1)
        }
        Asks::Again(login) => format!("tries-{login}-again-{}", mesh.left.agains),
        Asks::Redeem(code) => format!("presents {code}"),
    };
    let names = (1..).map(|number| format!("{}-{what}-{number}", who.name()));
    let name =
        names.into_iter().find(|name| !mesh.runs.contains_key(name)).expect("there are numbers enough");
    let mut cookies = mesh.browsers[&who].cookies.clone();
    cookies.extend(planted.filter(|(name, _)| !cookies.iter().any(|(known, _)| known == name)));
    let run = Run { who, asks, cookies, told: Vec::new(), waits_for_a_look: false };
    mesh.runs.insert(name.clone(), run);
    goes_on::<P>(mesh, &name)
}

/// A request's next wait ends; it may come to its end.
fn goes_on<P: Parts>(mut mesh: Mesh, name: &str) -> Mesh {
    let run = mesh.runs.remove(name).expect("a request under way");
    let over_a_node = mesh.over_a_node;
    let step = |step: Result<Step, CacheError>| {
        Came::Step(Box::new(step.expect("the cache of the model does not fail")))
    };
    let desk = Desk::<P>::new(mesh, run.told.clone());
    let world = AtMesh::new(desk.clone(), name, run.clone());
    let ended = match &run.asks {
        Asks::Start => steps::advance(&world, flow(name, over_a_node)).map(step).now_or_never(),
        Asks::Again(login) => steps::again(&world, login, Onward::Unasked).map(step).now_or_never(),
        Asks::Answer(answer) => steps::answered(&world, &brought(answer)).map(step).now_or_never(),
        Asks::Redeem(code) => redeem(world.desk(), code).map(Came::Spent).now_or_never(),
    };
    let (mut mesh, told, waits_for_a_look) = desk.close();
    match ended {
        None => {
            mesh.runs.insert(name.to_owned(), Run { told, waits_for_a_look, ..run });
        }
        Some(Came::Step(step)) => arrives(&mut mesh, name, &run, *step),
        Some(Came::Spent(spent)) => {
            if let (Spent::First(_), Asks::Redeem(code)) = (spent, run.asks) {
                *mesh.seen.accepted.entry(code).or_default() += 1;
                mesh.seen.just_now = Some(Possible::CodeRedeemed);
            }
        }
    }
    mesh
}

enum Came {
    Step(Box<Step>),
    Spent(Spent<()>),
}

/// The provider's acceptance of a code, as its token endpoint has it.
async fn redeem<P: Parts>(desk: &Desk<P>, code: &str) -> Spent<()> {
    let spent = spend(desk, OWN_CODES, code, |_| Some(((), Vec::new())), std::time::Duration::MAX).await;
    spent.expect("the cache of the model does not fail")
}

/// Shelves of this node's codes, and of those that were used.
const OWN_CODES: (Shelf, Shelf) = (Shelf("codes"), Shelf("codes-used"));

/// Codes of this node lie ready to be presented.
pub(crate) fn issue_own_code(mesh: &mut Mesh, code: &str) {
    mesh.cache.insert((OWN_CODES.0.0, code.to_owned()), b"a grant".to_vec());
    mesh.seen.own_codes.insert(code.to_owned());
}

/// A login that an application asked for.
fn flow(name: &str, over_a_node: bool) -> Flow {
    let hops = if over_a_node { vec!["edge".to_owned(), "node".to_owned()] } else { vec!["node".to_owned()] };
    let request = Request {
        app: "app".to_owned(),
        idps: vec!["group".to_owned()],
        ask: Ask { hops, ..Ask::default() },
        from_ref: None,
        resume: Resume { mode: "model".to_owned(), data: Vec::new() },
    };
    let id = format!("login-of-{name}");
    Flow::new(id, name.to_owned(), request, name.to_owned(), Moment::default())
}

fn brought(answer: &Answered) -> Answer {
    let (name, value) = &answer.says;
    let params = [(*name, value.clone()), ("state", answer.state.clone()), ("iss", issuer(&answer.member))];
    let params = params.map(|(name, value)| (name.to_owned(), value)).into();
    Answer { path: path(&answer.member), params, ..Answer::default() }
}

/// The node's answer arrives in the browser.
fn arrives(mesh: &mut Mesh, name: &str, run: &Run, step: Step) {
    let blamed = mesh.seen.blamed.remove(name);
    let jar = mesh.browsers.get_mut(&run.who).expect("a browser");
    match step {
        Step::Sent(Sent { flow, state, secret, to: To::Member(url) }) => {
            let cookie = LoginCookie { made: 0, flow: &flow.id, secret: &secret };
            jar.eat(cookies().set_login(&browser(&jar.cookies), &state, &cookie));
            let request = request_of(&url, run.who);
            let first = request.member == MEMBERS[0];
            mesh.seen.sent_astray |=
                run.asks == Asks::Start && !first && !mesh.seen.ever_down.contains(MEMBERS[0]);
            mesh.requests.insert(request);
        }
        Step::Vouched(flow, identity, person) => {
            jar.eat(cookies().clear_logins_of(&browser(&jar.cookies), &flow.id));
            *mesh.seen.ended.entry(flow.id).or_default() += 1;
            let Asks::Answer(Answered { state, says: (_, code), .. }) = &run.asks else { return };
            *mesh.seen.accepted.entry(code.clone()).or_default() += 1;
            mesh.seen.just_now = Some(match flow.tried.len() {
                1 => Possible::SignedIn,
                _ => Possible::SignedInAfterFailover,
            });
            let (person, member, state) = (person.sub, identity.connector, state.clone());
            jar.signed_in = Some(SignedInAs { person, member, state });
        }
        Step::Ended(flow, _) => {
            jar.eat(cookies().clear_logins_of(&browser(&jar.cookies), &flow.id));
            *mesh.seen.ended.entry(flow.id).or_default() += 1;
            if !blamed {
                mesh.seen.blame = Some("a login was refused, and the log does not say so".to_owned());
            }
        }
        // The page holds the answer, and brings it again.
        Step::BringsAgain(..) => {
            let Asks::Answer(answer) = &run.asks else { return };
            mesh.answers.insert((run.who, answer.clone()), 0);
            mesh.seen.just_now = Some(Possible::BringsAgain);
        }
        Step::Waits(..) => mesh.seen.just_now = Some(Possible::Waits),
        Step::Astray(_) => mesh.seen.just_now = Some(Possible::TurnedAway),
        Step::Sent(_) => unreachable!("no member of the model asks for a password here"),
    }
}

fn request_of(url: &url::Url, made_for: Who) -> AuthRequest {
    let host = url.host_str().unwrap_or_default();
    let one = |wanted: &str| {
        let found = url.query_pairs().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    AuthRequest {
        member: host.trim_end_matches(".example").to_owned(),
        state: one("state"),
        nonce: one("nonce"),
        challenge: one("challenge"),
        made_for,
    }
}
