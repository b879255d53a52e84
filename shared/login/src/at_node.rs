//! The [`World`] of a node: a login's steps taken for one request, on this node's cache, watch, plan and log, with the
//! cookies of the browser that asks.

use std::sync::Arc;

use mangrove_connectors::{Answer, Ask, Begin, Failure, Identity, Pending};
use mangrove_continuity::subject::SubjectRefusal;
use mangrove_continuity::{Choice, Moment, Sample, Standing};
use mangrove_keys::ambient;

use crate::book::{Book, Flow};
use crate::decisions::What;
use crate::login::Login;
use crate::looks::{self, Looked};
use crate::plan::{Person, Seat};
use crate::returned::Onward;
use crate::steps::World;
use crate::watch::Member;
use crate::{Browser, leaving, redeeming};

/// This node, asked by this browser.
pub(crate) struct AtNode<'a> {
    login: &'a Login,
    browser: &'a Browser,
}

impl Login {
    /// Where the steps of a request of this browser are taken.
    pub(crate) fn at<'a>(&'a self, browser: &'a Browser) -> AtNode<'a> {
        AtNode { login: self, browser }
    }
}

impl AtNode<'_> {
    fn watched(&self, member: &str) -> Option<Arc<Member>> {
        self.login.watch.member(member)
    }

    fn seat(&self, flow: &Flow, member: &str) -> Option<Arc<Seat>> {
        self.login.plan().seat(&flow.request.idps, member)
    }

    fn must_sit(&self, flow: &Flow, member: &str) -> Result<Arc<Seat>, Failure> {
        let nobody = || Failure::misconfigured(format!("{member} may not vouch for {}", flow.request.app));
        self.seat(flow, member).ok_or_else(nobody)
    }
}

impl World for AtNode<'_> {
    type Records = mangrove_cache::Cache;

    fn book(&self) -> &Book {
        &self.login.book
    }

    async fn makes_room_for(&self, flow: &Flow, more: usize) {
        for gone in self.login.crowds.enter(self.browser.address, flow, more, ambient::now()) {
            if let Err(why) = self.login.book.evict(&gone).await {
                tracing::warn!(%why, "a login in progress that has to make room cannot be dropped");
            }
        }
    }

    fn takes_room_back(&self, flow: &Flow) {
        self.login.crowds.leave(flow);
    }

    fn now(&self) -> Moment {
        ambient::now()
    }

    fn unix_now(&self) -> u64 {
        ambient::unix_now()
    }

    fn token(&self) -> String {
        ambient::token()
    }

    fn secret(&self, state: &str) -> Option<String> {
        self.login.cookies.login(self.browser, state).map(|cookie| cookie.secret.to_owned())
    }

    fn record(&self, flow: &Flow, what: What) {
        self.login.record(flow, what);
    }

    fn observe(&self, member: &str, sample: &Sample) {
        self.login.watch.observe(member, sample, ambient::now());
    }

    fn members(&self, flow: &Flow) -> Vec<String> {
        let seats = self.login.plan().seats(&flow.request.idps);
        seats.iter().map(|seat| seat.connector.name().to_owned()).collect()
    }

    fn choose(&self, flow: &Flow, tried: &[String]) -> Choice {
        let seats = self.login.plan().seats(&flow.request.idps);
        self.login.choose_for(flow, &seats, tried, ambient::now())
    }

    fn standing(&self, member: &str) -> Option<Standing> {
        self.login.watch.standing(member, ambient::now())
    }

    fn could_be_alive(&self, flow: &Flow, member: &str) -> bool {
        let seat = self.seat(flow, member);
        seat.is_some_and(|seat| self.login.could_be_alive(&seat, ambient::now()))
    }

    fn has_a_judge(&self, member: &str) -> bool {
        self.login.watch.has_a_judge(member)
    }

    fn wants_a_look(&self, member: &str) -> bool {
        self.watched(member).is_some_and(|member| member.wants_a_look())
    }

    fn may_be_slow(&self, member: &str) -> bool {
        self.watched(member).is_some_and(|member| member.may_be_slow(ambient::now()))
    }

    async fn look(&self, member: &str, next: Option<&str>) -> Looked {
        let next = next.and_then(|next| self.watched(next));
        match self.watched(member) {
            Some(member) => looks::before_leaving(&member, next.as_ref()).await,
            None => Looked::in_vain("there is no connector of that name"),
        }
    }

    async fn look_at_all(&self, members: &[String]) -> Option<String> {
        let watched: Vec<_> =
            members.iter().filter_map(|name| Some((name.as_str(), self.watched(name)?))).collect();
        looks::all_at_once(&watched).await.map(str::to_owned)
    }

    async fn begin(&self, flow: &Flow, member: &str, ask: &Ask) -> Result<Begin, Failure> {
        let ask = Ask { from: self.browser.address.into(), ..ask.clone() };
        self.must_sit(flow, member)?.connector.begin(&ask).await
    }

    fn owns(&self, flow: &Flow, member: &str, path: &str) -> bool {
        self.seat(flow, member).is_some_and(|seat| seat.connector.redirect_path() == Some(path))
    }

    fn can_look_again(&self, member: &str) -> bool {
        self.watched(member).is_some_and(|member| member.connector.judges_alone())
    }

    async fn decided(&self, flow: &mut Flow, way: Onward) {
        self.login.decided(self.browser, flow, way).await;
    }

    async fn answered_by(&self, flow: &Flow, member: &str) {
        self.login.answered_by(self.browser, flow, member).await;
    }

    async fn finish(
        &self,
        flow: &Flow,
        member: &str,
        pending: &Pending,
        answer: &Answer,
    ) -> Result<Identity, Failure> {
        let seat = self.must_sit(flow, member)?;
        let finishing = seat.connector.finish(pending, answer);
        // Where nobody is asked, nobody has to be there: the answer is as good when the member has died since.
        let asked = self.watched(member).filter(|_| !seat.connector.judges_alone());
        let Some(watched) = asked else { return finishing.await };
        redeeming::unless_it_is_gone(&watched, finishing, || leaving::has_another(self, flow, member)).await
    }

    fn person(&self, flow: &Flow, member: &str, identity: &Identity) -> Result<Person, SubjectRefusal> {
        let nobody = || SubjectRefusal::NotMapped { member: member.to_owned() };
        self.seat(flow, member).ok_or_else(nobody)?.person(identity)
    }
}
