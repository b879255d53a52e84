//! The [`World`] of the model: what a node is to the steps of a login, this is, on a [`Desk`].

use std::time::Duration;

use mangrove_connectors::{Answer, Ask, Begin, Door, Failure, Identity, Look, Once, Pending};
use mangrove_continuity::subject::SubjectRefusal;
use mangrove_continuity::{Choice, Moment, Sample, Standing};
use serde_json::{Map, json};

use super::desk::{Desk, Entry};
use super::mesh::{AuthRequest, Jar, Mesh, Possible, Run};
use super::{MEMBERS, Parts};
use crate::book::{Book, Flow};
use crate::decisions::{End, Fault, What};
use crate::leaving;
use crate::looks::{self, Looked};
use crate::plan::Person;
use crate::returned::Onward;
use crate::steps::World;

/// The node, asked by a browser of the mesh.
pub(crate) struct AtMesh<P> {
    desk: Desk<P>,
    book: Book<Desk<P>>,
    /// The request's name, unlike any other's.
    name: String,
    run: Run,
}

impl<P: Parts> AtMesh<P> {
    pub(crate) fn new(desk: Desk<P>, name: &str, run: Run) -> Self {
        Self { book: Book::new(desk.clone()), desk, name: name.to_owned(), run }
    }

    pub(crate) fn desk(&self) -> &Desk<P> {
        &self.desk
    }
}

/// What a look at a member finds.
fn seen_of(mesh: &Mesh, member: &str) -> Look {
    match mesh.idps[member].up {
        true => Look::Answered { took: Duration::ZERO },
        false => Look::Failed { why: "refused".to_owned(), timed_out: false },
    }
}

/// Takes in a sample, and notices whether it is true.
pub(crate) fn observe(mesh: &mut Mesh, member: &str, sample: &Sample) {
    if let Some(health) = mesh.health.get_mut(member) {
        health.observe(sample, Moment::default());
    }
    let good = matches!(sample, Sample::ProbeSucceeded | Sample::LookSucceeded | Sample::LoginAnswered);
    if good != mesh.idps[member].up {
        mesh.seen.false_sample = Some(format!("{sample:?} of {member}"));
    }
}

/// Whether a decision blames whom it can.
fn blames_wrongly(mesh: &Mesh, end: &End) -> Option<String> {
    let (End::Refused { fault, .. } | End::Page { fault, .. }) = end else { return None };
    let possible = match fault {
        Fault::Answer | Fault::Person => mesh.seen.forged,
        Fault::Upstream => mesh.seen.forged || !mesh.seen.ever_down.is_empty(),
        Fault::Nobody | Fault::Application | Fault::Settings | Fault::Node => false,
    };
    (!possible).then(|| format!("{fault} is blamed"))
}

impl<P: Parts> World for AtMesh<P> {
    type Records = Desk<P>;

    fn book(&self) -> &Book<Desk<P>> {
        &self.book
    }

    fn now(&self) -> Moment {
        Moment::default()
    }

    fn unix_now(&self) -> u64 {
        0
    }

    fn token(&self) -> String {
        format!("{}.{}", self.name, self.desk.next_token())
    }

    fn secret(&self, state: &str) -> Option<String> {
        let own = Jar { cookies: self.run.cookies.clone(), ..Jar::default() };
        let entry = self.desk.at_once(|mesh| Entry::Name(P::secret(&own, &mesh.browsers, state)));
        match entry {
            Entry::Name(secret) => secret,
            _ => None,
        }
    }

    fn record(&self, _: &Flow, what: What) {
        self.desk.at_once(|mesh| {
            if !P::records(&what) {
                return Entry::Done;
            }
            if let What::Ended { end, .. } = &what {
                mesh.seen.blame = mesh.seen.blame.take().or_else(|| blames_wrongly(mesh, end));
                mesh.seen.blamed.insert(self.name.clone());
                mesh.seen.just_now = Some(Possible::RefusedWithBlame);
            }
            Entry::Done
        });
    }

    fn observe(&self, member: &str, sample: &Sample) {
        self.desk.at_once(|mesh| {
            observe(mesh, member, sample);
            Entry::Done
        });
    }

    fn members(&self, _: &Flow) -> Vec<String> {
        MEMBERS.map(str::to_owned).into()
    }

    fn choose(&self, flow: &Flow, tried: &[String]) -> Choice {
        let entry = self.desk.at_once(|mesh| {
            let members = MEMBERS.map(|name| (name, mesh.health[name].standing(Moment::default()), Ok(())));
            Entry::Chosen(leaving::choose_among(&members, tried, &flow.avoid, Moment::default()))
        });
        match entry {
            Entry::Chosen(choice) => choice,
            other => unreachable!("{other:?}"),
        }
    }

    fn standing(&self, member: &str) -> Option<Standing> {
        let standing = |mesh: &Mesh| mesh.health.get(member).map(|health| health.standing(Moment::default()));
        match self.desk.at_once(|mesh| Entry::Standing(standing(mesh))) {
            Entry::Standing(standing) => standing,
            _ => None,
        }
    }

    fn could_be_alive(&self, _: &Flow, member: &str) -> bool {
        self.standing(member).is_some_and(|standing| leaving::worth_a_look(&standing))
    }

    fn has_a_judge(&self, _: &str) -> bool {
        false
    }

    /// As at a root: nobody is sent there unseen.
    fn wants_a_look(&self, _: &str) -> bool {
        true
    }

    fn may_be_slow(&self, _: &str) -> bool {
        false
    }

    async fn look(&self, member: &str, _: Option<&str>) -> Looked {
        let looks = |mesh: &mut Mesh| {
            let look = seen_of(mesh, member);
            observe(mesh, member, &looks::sample_of(&look));
            Entry::Yes(mesh.idps[member].up)
        };
        let look = match self.desk.asks_a_member(looks).await {
            Entry::Yes(true) => Look::Answered { took: Duration::ZERO },
            _ => Look::Failed { why: "refused".to_owned(), timed_out: false },
        };
        Looked { look, waited: Duration::ZERO, next: None }
    }

    async fn look_at_all(&self, members: &[String]) -> Option<String> {
        let looks = |mesh: &mut Mesh| {
            for member in members {
                let look = seen_of(mesh, member);
                observe(mesh, member, &looks::sample_of(&look));
            }
            Entry::Name(members.iter().find(|member| mesh.idps[*member].up).cloned())
        };
        match self.desk.asks_a_member(looks).await {
            Entry::Name(name) => name,
            _ => None,
        }
    }

    /// The member's metadata is known, so that nobody is asked.
    async fn begin(&self, _: &Flow, member: &str, _: &Ask) -> Result<Begin, Failure> {
        let [state, nonce, verifier] = [(); 3].map(|()| self.token());
        let url =
            format!("https://{member}.example/authorize?state={state}&nonce={nonce}&challenge={verifier}");
        let pending = json!({
            "state": state, "nonce": nonce, "pkce_verifier": verifier, "issuer": issuer(member),
            "redirect_url": format!("https://node.example{}", path(member)), "began": 0, "max_age": null,
        });
        Ok(Begin::Redirect {
            url: url.parse().expect("a URL"),
            pending: serde_json::from_value(pending).expect("what an attempt is kept as"),
        })
    }

    fn owns(&self, _: &Flow, member: &str, at: &str) -> bool {
        path(member) == at
    }

    /// Nobody is asked: which browser came back unanswered from where is not in this model.
    fn can_look_again(&self, _: &str) -> bool {
        P::looks_first() && self.desk.vouched_by_hand()
    }

    async fn decided(&self, _: &mut Flow, _: Onward) {}

    async fn answered_by(&self, _: &Flow, _: &str) {}

    async fn finish(
        &self,
        _: &Flow,
        member: &str,
        pending: &Pending,
        answer: &Answer,
    ) -> Result<Identity, Failure> {
        let (issuer, path) = (issuer(member), path(member));
        let door = Door { connector: member, path: Some(&path), issuer: &issuer, promises_iss: true };
        let code = P::judged(pending.code(answer, door))?.to_owned();
        let pending = serde_json::to_value(pending).expect("what an attempt is kept as");
        let asks = |mesh: &mut Mesh| {
            if mesh.busy {
                return Entry::Person(Err(Failure { busy: true, ..Failure::unavailable("busy") }));
            }
            Entry::Person(asked_for_tokens::<P>(mesh, member, &code, &pending))
        };
        let by_hand = self.desk.vouched_by_hand();
        let entry = match by_hand {
            true => self.desk.looks_at_an_answer(asks).await,
            false => self.desk.asks_a_member(asks).await,
        };
        match entry {
            Entry::Person(person) => {
                let once = by_hand.then_some(Once { id: code, until: 0 });
                person.map(|person| Identity { once, ..vouched_for(member, person) })
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn person(&self, _: &Flow, _: &str, identity: &Identity) -> Result<Person, SubjectRefusal> {
        Ok(Person { sub: identity.subject.clone(), attributes: Map::new(), by_default: Vec::new() })
    }
}

/// The member's token endpoint, and the nonce of the ID token; or what stands in its assertion.
fn asked_for_tokens<P: Parts>(
    mesh: &mut Mesh,
    member: &str,
    code: &str,
    pending: &serde_json::Value,
) -> Result<String, Failure> {
    let idp = &mesh.idps[member];
    if !idp.up {
        return Err(Failure::no_answer("refused"));
    }
    let Some(issued) = idp.codes.get(code) else {
        return Err(Failure::protocol("invalid_grant"));
    };
    let AuthRequest { challenge, nonce, .. } = &issued.request;
    if P::binds_codes() && (pending["pkce_verifier"] != **challenge || pending["nonce"] != **nonce) {
        return Err(Failure::protocol("the code is another attempt's"));
    }
    let person = issued.person.name().to_owned();
    if !mesh.vouched_by_hand {
        *mesh.seen.traded.entry(code.to_owned()).or_default() += 1;
    }
    Ok(person)
}

fn vouched_for(member: &str, person: String) -> Identity {
    Identity {
        connector: member.to_owned(),
        issuer: Some(issuer(member)),
        subject: person,
        claims: Map::new(),
        auth_time: None,
        acr: None,
        amr: Vec::new(),
        path: Vec::new(),
        email_trusted: false,
        logout_hint: None,
        upstream_sid: None,
        subject_passes: false,
        once: None,
    }
}

/// A member's issuer identifier.
pub(crate) fn issuer(member: &str) -> String {
    format!("https://{member}.example")
}

/// Path of the redirect URL for a member's answers.
pub(crate) fn path(member: &str) -> String {
    format!("/{member}/callback")
}
