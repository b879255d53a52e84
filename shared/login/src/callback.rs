//! What comes back from an upstream through the browser, and what a retry page asks for.
//!
//! An answer belongs to the attempt that its one-time `state` and the browser's login cookie name together, and to no
//! other: the connector comes from there and never from the code, and the path must be that connector's own. Whatever does
//! not fit gets a page and touches nobody's login; none of it is a sample of anybody's health.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{OriginalUri, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use mangrove_cache::CacheError;
use mangrove_connectors::{Answer, Failure, Identity, Pending};
use mangrove_continuity::{Blame, Sample};
use mangrove_keys::ambient;
use url::form_urlencoded;

use crate::book::{Flow, How, Ticket};
use crate::cookies::session_key;
use crate::decisions::{Fault, What};
use crate::dispatch::{Failed, Page, Why, ended, signed_in_end, view};
use crate::login::{Login, with_crumbs};
use crate::pages::{self, Way};
use crate::plan::Seat;
use crate::returned::Onward;
use crate::sessions::{Fresh, Vouched};
use crate::{Browser, digest};

/// Path of the retry link.
pub(crate) const AGAIN_PATH: &str = "/login/again";

/// Most parameters of an answer, and most bytes of a `state`.
const MOST_PARAMS: usize = 32;
const LONGEST_STATE: usize = 512;

/// An answer in the query.
pub(crate) async fn by_query(
    State(login): State<Arc<Login>>,
    browser: Browser,
    OriginalUri(uri): OriginalUri,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = answer(uri.path(), query.unwrap_or_default().as_bytes());
    login.answered(&browser, answer).await
}

/// An answer in a form.
pub(crate) async fn by_form(
    State(login): State<Arc<Login>>,
    browser: Browser,
    OriginalUri(uri): OriginalUri,
    form: Bytes,
) -> Response {
    let answer = answer(uri.path(), &form);
    login.answered(&browser, answer).await
}

/// A retry of an open login: from the page that nobody could vouch, or from one that turned something away.
pub(crate) async fn again(
    State(login): State<Arc<Login>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let suffix =
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "login").map(|(_, value)| value);
    let cookie = suffix.and_then(|suffix| login.cookies.login_by_suffix(&browser, &suffix));
    let way = Onward::read(query.as_bytes());
    let flow = match cookie {
        Some(cookie) => login.book.flow(cookie.flow).await,
        None => Ok(None),
    };
    match flow {
        Ok(Some(mut flow)) => {
            flow.tried.clear();
            login.decided(&browser, &mut flow, way).await;
            login.advance(&browser, flow).await
        }
        Ok(None) => login.turned_away(&browser, Astray::Closed).await,
        Err(why) => login.cache_failed(&browser, &why),
    }
}

/// Why something that a browser brought is not an answer to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Astray {
    /// No `state`, or several, or one that cannot be ours.
    #[error("it has no usable state")]
    NoState,
    /// The browser has no login cookie for that `state`: another browser began it, or nobody did.
    #[error("this browser did not begin it, or too long ago")]
    OtherBrowser,
    /// Used already, expired, or never issued.
    #[error("its state was used already, is too old, or was never issued")]
    Spent,
    /// The attempt belongs to a connector that does not own this path.
    #[error("it came to a path that is not that of the connector it was asked from")]
    OtherPath,
    /// The login is over.
    #[error("the login it belongs to has ended or is too old")]
    Closed,
}

impl Login {
    /// Takes an upstream's answer to its end.
    async fn answered(&self, browser: &Browser, answer: Answer) -> Response {
        match self.claim(browser, &answer).await {
            Ok(Ok((mut flow, ticket, pending))) => {
                flow.away.take_if(|away| away.member == ticket.member);
                self.answered_by(browser, &flow, &ticket.member).await;
                self.finish(browser, flow, &ticket.member, &pending, &answer).await
            }
            Ok(Err(astray)) => self.turned_away(browser, astray).await,
            Err(why) => self.cache_failed(browser, &why),
        }
    }

    /// Finds the attempt that an answer belongs to, and uses it up.
    async fn claim(
        &self,
        browser: &Browser,
        answer: &Answer,
    ) -> Result<Result<(Flow, Ticket, Box<Pending>), Astray>, CacheError> {
        let Some(state) = only_state(answer) else { return Ok(Err(Astray::NoState)) };
        let Some(cookie) = self.cookies.login(browser, state) else { return Ok(Err(Astray::OtherBrowser)) };
        let Some(ticket) = self.book.look(state, cookie.secret).await? else { return Ok(Err(Astray::Spent)) };
        let How::Redirect(pending) = ticket.how.clone() else { return Ok(Err(Astray::OtherPath)) };
        let Some(flow) = self.book.flow(&ticket.flow).await? else { return Ok(Err(Astray::Closed)) };
        let owns = self
            .seat(&flow, &ticket.member)
            .is_some_and(|seat| seat.connector.redirect_path() == Some(answer.path.as_str()));
        if !owns {
            return Ok(Err(Astray::OtherPath));
        }
        if !self.book.take(state, cookie.secret).await? {
            return Ok(Err(Astray::Spent));
        }
        Ok(Ok((flow, ticket, pending)))
    }

    async fn finish(
        &self,
        browser: &Browser,
        flow: Flow,
        member: &str,
        pending: &Pending,
        answer: &Answer,
    ) -> Response {
        let Some(seat) = self.seat(&flow, member) else {
            return self.turned_away(browser, Astray::Closed).await;
        };
        match seat.connector.finish(pending, answer).await {
            Ok(identity) => {
                self.watch.observe(member, &Sample::LoginAnswered, ambient::now());
                self.vouched(browser, &flow, seat, identity).await
            }
            Err(failure) => {
                self.sample(&flow, member, &failure);
                let failed = Failed { member: member.to_owned(), failure };
                self.failed(browser, flow, failed).await
            }
        }
    }

    /// Goes on with the next member, or ends the login, by blame. A silent login was asked of one member only.
    pub(crate) async fn failed(&self, browser: &Browser, mut flow: Flow, failed: Failed) -> Response {
        if flow.silent() || !self.goes_on(&flow, &failed) {
            if let Err(response) = self.close_for(browser, &flow).await {
                return response;
            }
            let response = self.end_by(&flow, failed).await;
            return with_crumbs(response, self.cookies.clear_logins_of(browser, &flow.id));
        }
        if !flow.tried.contains(&failed.member) {
            flow.tried.push(failed.member);
        }
        self.advance(browser, flow).await
    }

    /// What the back channel taught about a member's health: silence, or that it does not know this node. Nothing else is a
    /// sample; an ID token that is wrong in its times is nobody's verdict.
    fn sample(&self, flow: &Flow, member: &str, failure: &Failure) {
        let sample = match failure.blame {
            Blame::Unavailable if failure.no_answer => {
                Sample::LoginUnanswered { login: digest::number("login sample", &[flow.id.as_bytes()]) }
            }
            Blame::Misconfigured if failure.keeps_out => Sample::Misconfigured { why: failure.log.clone() },
            _ => return,
        };
        self.watch.observe(member, &sample, ambient::now());
    }

    /// Somebody vouched: the person gets a stable subject and a session, and the application its answer.
    pub(crate) async fn vouched(
        &self,
        browser: &Browser,
        flow: &Flow,
        seat: &Seat,
        mut identity: Identity,
    ) -> Response {
        if let Err(response) = self.close_for(browser, flow).await {
            return response;
        }
        let person = match seat.person(&identity) {
            Ok(person) => person,
            Err(refusal) => {
                let response = self.nobody_certain(flow, seat, refusal.to_string()).await;
                return with_crumbs(response, self.cookies.clear_logins_of(browser, &flow.id));
            }
        };
        identity.claims = serde_json::Map::new();
        let now = ambient::now();
        let vouched = Vouched {
            via: seat.via.to_string(),
            sub: person.sub,
            attributes: person.attributes,
            identity,
            since: now,
            login_id: flow.login_id.clone(),
        };
        let (cookie, id) = (ambient::token(), self.browser_id(browser));
        let fresh = Fresh { cookie: &session_key(&cookie, &id), sid: ambient::token() };
        let before = self.cookies.session_key(browser);
        let entered = self.sessions.enter(before.as_deref(), vouched, &flow.request.app, fresh, now);
        self.tell_ended(&entered.ended).await;
        self.unanswered.answered(&flow.browser, &flow.request.app);
        let signed_in = view(&entered.session, &seat.via, &flow.login_id)
            .expect("the session was entered with this identity a moment ago");
        self.record(flow, ended(signed_in_end(&signed_in, false), flow));
        let response = self.resume(flow, Ok(signed_in)).await;
        let mut crumbs = self.cookies.clear_logins_of(browser, &flow.id);
        crumbs.extend([self.cookies.set_session(&cookie), self.cookies.set_browser(&id)]);
        with_crumbs(response, crumbs)
    }

    /// Closes a login for an answer that ends it; what to show if another attempt of it was quicker.
    async fn close_for(&self, browser: &Browser, flow: &Flow) -> Result<(), Response> {
        match self.book.close(&flow.id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.turned_away(browser, Astray::Closed).await),
            Err(why) => Err(self.cache_failed(browser, &why)),
        }
    }

    /// An upstream vouched, and nothing says reliably for whom.
    async fn nobody_certain(&self, flow: &Flow, seat: &Seat, why: String) -> Response {
        let page = Page {
            status: StatusCode::FORBIDDEN,
            heading: "You are known there, but not here",
            words: vec![
                "The service you signed in to did not say reliably who you are, so nobody was signed in."
                    .to_owned(),
                "Tell whoever runs the application; the code below says which login it was.".to_owned(),
            ],
            why: Why { member: Some(seat.connector.name().to_owned()), fault: Fault::Settings, why },
        };
        self.page(flow, &page).await
    }

    /// A clear page for what does not fit, with a way back where the browser has an open login.
    pub(crate) async fn turned_away(&self, browser: &Browser, astray: Astray) -> Response {
        let mut open = None;
        for cookie in self.cookies.logins(browser) {
            if let Ok(Some(flow)) = self.book.flow(cookie.flow).await {
                open = Some(flow);
                break;
            }
        }
        let login = open.as_ref().map_or("-", |flow| flow.login_id.as_str());
        tracing::warn!(target: "security", login, address = %browser.address, why = %astray, "an answer was turned away");
        let way = open.as_ref().and_then(|flow| {
            self.record(flow, What::TurnedAway { why: astray.to_string() });
            let suffix = self.cookies.login_of(browser, &flow.id)?;
            Some(Way { href: format!("{AGAIN_PATH}?login={suffix}"), label: "Start this sign-in again" })
        });
        let words = [
            "It was already used, is more than 15 minutes old, or was started in another browser or window.",
            "If another window shows that you are signed in, you can close this one.",
        ];
        let frame = self.frame(open.as_ref().map_or_else(|| browser.reference(), Flow::reference));
        pages::notice(frame, StatusCode::BAD_REQUEST, "This sign-in cannot go on", &words, way.as_ref())
    }

    /// The cache failed: nothing is known about the login, and nothing is done to it.
    pub(crate) fn cache_failed(&self, browser: &Browser, why: &CacheError) -> Response {
        tracing::error!(%why, "logins in progress cannot be read");
        let words = ["Your sign-in cannot be looked up here at the moment. Wait a moment, then try again."];
        let heading = "Signing in is not possible right now";
        let mut response = pages::notice(
            self.frame(browser.reference()),
            StatusCode::SERVICE_UNAVAILABLE,
            heading,
            &words,
            None,
        );
        pages::retry_after(&mut response, 5);
        response
    }

    /// The seat of a member in a login.
    pub(crate) fn seat<'a>(&'a self, flow: &'a Flow, member: &str) -> Option<&'a Seat> {
        self.plan.seats(&flow.request.idps).into_iter().find(|seat| seat.connector.name() == member)
    }
}

fn answer(path: &str, encoded: &[u8]) -> Answer {
    let params =
        form_urlencoded::parse(encoded).take(MOST_PARAMS).map(|(k, v)| (k.into_owned(), v.into_owned()));
    Answer { path: path.to_owned(), params: params.collect() }
}

/// The one `state` of an answer.
fn only_state(answer: &Answer) -> Option<&str> {
    let mut states =
        answer.params.iter().filter(|(name, _)| name == "state").map(|(_, value)| value.as_str());
    let state = states.next().filter(|state| !state.is_empty() && state.len() <= LONGEST_STATE)?;
    states.next().is_none().then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_two_states_has_none() {
        assert_eq!(only_state(&answer("/cb", b"state=a&code=b")), Some("a"));
        assert_eq!(only_state(&answer("/cb", b"state=a&state=a")), None);
        assert_eq!(only_state(&answer("/cb", b"state=")), None);
        assert_eq!(only_state(&answer("/cb", b"code=b")), None);
    }

    #[test]
    fn parameters_are_bounded() {
        let many = "a=1&".repeat(1000);
        assert_eq!(answer("/cb", many.as_bytes()).params.len(), MOST_PARAMS);
    }
}
