//! What comes back from an upstream through the browser, and what a retry page asks for.
//!
//! An answer belongs to the attempt that its one-time `state` and the browser's login cookie name together, and to no
//! other ([`steps::answered`]): the connector comes from there and never from the code, and the path must be that
//! connector's own. Whatever does not fit gets a page and touches nobody's login; none of it is a sample of anybody's health.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{OriginalUri, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use mangrove_cache::CacheError;
use mangrove_connectors::{Answer, Identity};
use mangrove_keys::ambient;
use url::form_urlencoded;

use crate::book::Flow;
use crate::cookies::{Crumb, session_key};
use crate::decisions::{self, Fault, What};
use crate::dispatch::{signed_in_end, view};
use crate::login::{Login, with_crumbs};
use crate::pages::{self, Way};
use crate::plan::Person;
use crate::returned::Onward;
use crate::sessions::{Fresh, Vouched, keep, trim};
use crate::steps::{self, Astray, Step};
use crate::{Browser, SignedIn};

/// Path of the retry link.
pub(crate) const AGAIN_PATH: &str = "/login/again";

/// Most parameters of an answer.
const MOST_PARAMS: usize = 32;

/// An answer in the query.
pub(crate) async fn by_query(
    State(login): State<Arc<Login>>,
    browser: Browser,
    OriginalUri(uri): OriginalUri,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = answer(&browser, uri.path(), query.unwrap_or_default().as_bytes());
    login.answered(&browser, answer).await
}

/// An answer in a form.
pub(crate) async fn by_form(
    State(login): State<Arc<Login>>,
    browser: Browser,
    OriginalUri(uri): OriginalUri,
    form: Bytes,
) -> Response {
    let answer = answer(&browser, uri.path(), &form);
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
    let step = match cookie {
        Some(cookie) => steps::again(&login.at(&browser), cookie.flow, way).await,
        None => Ok(Step::Astray(Astray::Closed)),
    };
    login.show_or_fail(&browser, step).await
}

impl Login {
    /// Takes an upstream's answer to its end.
    async fn answered(&self, browser: &Browser, answer: Answer) -> Response {
        let step = steps::answered(&self.at(browser), &answer).await;
        if let Ok(Step::Astray(Astray::NoState | Astray::OtherBrowser)) = step
            && let Some(response) = self.unasked(browser, &answer).await
        {
            return response;
        }
        self.show_or_fail(browser, step).await
    }

    /// What the browser is told of a step, or that the cache failed.
    pub(crate) async fn show_or_fail(&self, browser: &Browser, step: Result<Step, CacheError>) -> Response {
        match step {
            Ok(step) => self.show(browser, step).await,
            Err(why) => self.cache_failed(browser, &why),
        }
    }

    /// Somebody vouched, and the login is closed by it: the browser gets a session, and the application its answer.
    pub(crate) async fn sign_in(
        &self,
        browser: &Browser,
        flow: &Flow,
        identity: Identity,
        person: Person,
    ) -> Response {
        let (signed_in, mut crumbs) = self.enter(browser, flow, identity, person).await;
        let response = self.resume(flow, Ok(signed_in)).await;
        crumbs.extend(self.cookies.clear_logins_of(browser, &flow.id));
        with_crumbs(response, crumbs)
    }

    /// The browser gets a session: who is signed in, and the cookies.
    pub(crate) async fn enter(
        &self,
        browser: &Browser,
        flow: &Flow,
        mut identity: Identity,
        mut person: Person,
    ) -> (SignedIn, Vec<Crumb>) {
        let seat = self.plan().seat(&flow.request.idps, &identity.connector);
        let via = seat.map_or_else(|| identity.connector.clone(), |seat| seat.via.to_string());
        self.keep_what_is_told(flow, &via, &mut identity, &mut person);
        let now = ambient::now();
        if !person.by_default.is_empty() {
            let (login, member) = (flow.login_id.as_str(), identity.connector.as_str());
            let attributes = person.by_default.join(", ");
            tracing::debug!(login, member, attributes, "attributes by default: the member sent none");
        }
        let vouched = Vouched {
            via: via.clone(),
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
        self.is_over(flow).await;
        let signed_in = view(&entered.session, &via, &flow.login_id)
            .expect("the session was entered with this identity a moment ago");
        let took = now.since(flow.began);
        self.record(flow, decisions::ended(signed_in_end(&signed_in, false), took));
        (signed_in, vec![self.cookies.set_session(&cookie), self.cookies.set_browser(&id)])
    }

    /// Takes out what a session does not keep, and writes down what an application might have missed by it.
    fn keep_what_is_told(&self, flow: &Flow, via: &str, identity: &mut Identity, person: &mut Person) {
        let mut attributes = keep(&mut person.attributes, |name| self.tells(via, name));
        if trim(identity) {
            attributes.push("the hint for a logout".to_owned());
        }
        if !attributes.is_empty() {
            self.record(flow, What::LeftOut { member: identity.connector.clone(), attributes });
        }
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
        let blame = Fault::Answer.word();
        tracing::warn!(target: "security", login, address = %browser.address, why = %astray, blame, "an answer was turned away");
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
        tracing::error!(%why, blame = Fault::Node.word(), "logins in progress cannot be read");
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
}

fn answer(browser: &Browser, path: &str, encoded: &[u8]) -> Answer {
    let params =
        form_urlencoded::parse(encoded).take(MOST_PARAMS).map(|(k, v)| (k.into_owned(), v.into_owned()));
    Answer { path: path.to_owned(), params: params.collect(), from: browser.address.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_bounded() {
        let many = "a=1&".repeat(1000);
        let browser = Browser::read(&http::HeaderMap::new(), None);
        assert_eq!(answer(&browser, "/cb", many.as_bytes()).params.len(), MOST_PARAMS);
    }
}
