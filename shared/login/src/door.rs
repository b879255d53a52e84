//! The doors at which upstreams that speak SAML speak of logouts, through browsers: they answer a farewell of this node's, or wish that
//! sessions end here.
//!
//! Anybody may bring anything there, without a login and without a cookie. What has more fields than a message is refused before it
//! waits for a turn. What is refused, or answers something else, moves nothing: the logout that is on its way in that browser waits
//! for its own answer, or for the person ([`crate::logout`]). A wish that is signed ends the sessions of that person (and session, if it
//! says which), once, and is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{OriginalUri, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use mangrove_connectors::{Carried, Connector, Heard, Wish};
use mangrove_keys::ambient;
use url::form_urlencoded;

use crate::brought::{Kept, answer_again, wish_again};
use crate::decisions::Fault;
use crate::login::{Login, with_crumbs};
use crate::logout::BACK_PATH;
use crate::pages::{self, Way};
use crate::sessions::Session;
use crate::{Browser, digest};

/// Most fields of a message: the bindings have five (SAML Bindings 3.4.4 and 3.5.4), and some providers add one of their own.
const MOST_FIELDS: usize = 8;

/// Most wishes that are remembered beside the cache.
const MOST_WISHES: usize = 1000;

/// What an upstream says, in a query.
pub(crate) async fn by_query(
    State(login): State<Arc<Login>>,
    browser: Browser,
    OriginalUri(uri): OriginalUri,
    RawQuery(query): RawQuery,
) -> Response {
    login.is_told(&browser, uri.path(), Carried::Query(query.unwrap_or_default())).await
}

/// The same in a form.
pub(crate) async fn by_form(
    State(login): State<Arc<Login>>,
    browser: Browser,
    OriginalUri(uri): OriginalUri,
    form: Bytes,
) -> Response {
    login.is_told(&browser, uri.path(), Carried::Form(form)).await
}

/// Wishes that were fulfilled while the cache had no room to remember it: a full cache keeps nobody signed in, and makes no wish good
/// twice. Only an upstream's signature takes room here.
#[derive(Debug, Default)]
pub(crate) struct Fulfilled(Mutex<BTreeMap<String, u64>>);

impl Fulfilled {
    /// Whether this one is among them.
    fn holds(&self, wish: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(wish)
    }

    /// Remembers one until it is good for nothing any more, in seconds since 1970; true for the first, `None` where there is no room.
    fn first(&self, wish: String, until: u64, unix: u64) -> Option<bool> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, until| *until >= unix);
        if all.contains_key(&wish) {
            return Some(false);
        }
        (all.len() < MOST_WISHES).then(|| all.insert(wish, until).is_none())
    }
}

impl Login {
    /// An upstream answers a farewell, or wishes that sessions end.
    async fn is_told(&self, browser: &Browser, path: &str, carried: Carried) -> Response {
        let Some(connector) = self.exits.door(path) else {
            return self.says_how_it_is(browser, false, &BTreeSet::new(), None);
        };
        if has_too_many_fields(&carried) {
            return self.refused(browser, connector, &format!("it has more than {MOST_FIELDS} fields"));
        }
        match (connector.hears(carried.clone(), browser.address.into()).await, self.cookies.logout(browser)) {
            (Ok(Heard::Wish(wish)), _) => self.as_wished(browser, connector, &wish, (path, &carried)).await,
            (Ok(Heard::Answer { to, well }), Some(leg)) if leg.waits_for(&to) => {
                self.goes_on(browser, leg, well).await
            }
            (Ok(Heard::Answer { .. }), Some(_)) => self.refused(
                browser,
                connector,
                "an answer to another logout than the one that is on its way",
            ),
            (Ok(Heard::Answer { .. }), None) => self.says_how_it_is(browser, false, &BTreeSet::new(), None),
            (Err(failure), _) if failure.busy => {
                self.comes_again(browser, connector, &failure.log, (path, &carried))
            }
            (Err(failure), _) => self.refused(browser, connector, &failure.log),
        }
    }

    /// This node had no time or no room for a message: it is as if it had not come yet.
    fn comes_again(
        &self,
        browser: &Browser,
        connector: &Connector,
        why: &str,
        (path, carried): (&str, &Carried),
    ) -> Response {
        let (connector, blame) = (connector.name(), Fault::Node.word());
        tracing::warn!(connector, address = %browser.address, why, blame, "a message about a logout was not looked at; the browser brings it again");
        let frame = self.frame(browser.reference());
        let page = if self.waits_for_an_answer(browser) { answer_again } else { wish_again };
        match carried {
            Carried::Query(query) => page(frame, Kept::address(path, query)),
            Carried::Form(form) => {
                let fields: Vec<_> = form_urlencoded::parse(form).into_owned().collect();
                page(frame, Kept::form(path, &fields))
            }
        }
    }

    /// A logout is on its way in this browser, and nobody has signed in again meanwhile.
    fn waits_for_an_answer(&self, browser: &Browser) -> bool {
        self.cookies.logout(browser).is_some() && !self.is_signed_in(browser)
    }

    /// A message is not believed, and nothing that it says happens. Whoever has a logout on its way is shown how it goes on.
    fn refused(&self, browser: &Browser, connector: &Connector, why: &str) -> Response {
        let (connector, blame) = (connector.name(), Fault::Answer.word());
        tracing::warn!(target: "security", connector, address = %browser.address, why, blame, "a message about a logout was refused");
        let frame = self.frame(browser.reference());
        let mut words = vec!["What your browser brought from the sign-in service could not be accepted."];
        if !self.waits_for_an_answer(browser) {
            return pages::notice(frame, StatusCode::BAD_REQUEST, "You were not signed out", &words, None);
        }
        words.push("You are signed out here. At that service you may still be signed in.");
        let way = Way { href: BACK_PATH.to_owned(), label: "Go on signing out" };
        pages::notice(
            frame,
            StatusCode::BAD_REQUEST,
            "You are not signed out everywhere yet",
            &words,
            Some(&way),
        )
    }

    /// Ends what an upstream wishes to end, and says so to it.
    async fn as_wished(
        &self,
        browser: &Browser,
        connector: &Connector,
        wish: &Wish,
        came: (&str, &Carried),
    ) -> Response {
        match self.is_first(connector, wish).await {
            Some(true) => {}
            Some(false) => return self.refused(browser, connector, "a wish for a logout was brought twice"),
            None => return self.comes_again(browser, connector, "no room to remember a wish", came),
        }
        let key = self.cookies.session_key(browser);
        let here = key.and_then(|key| self.sessions.by_cookie(&key, ambient::now()));
        let meant = |session: &Session| session.any(|vouched| connector.is_meant(wish, &vouched.identity));
        let ended = self.sessions.end_all(meant);
        tracing::info!(connector = connector.name(), sessions = ended.len(), "the upstream ended sessions");
        self.tell_ended(&ended).await;
        let own = here.is_some_and(|here| ended.iter().any(|session| session.sid == here.sid));
        let response = match connector.replies(wish, browser.address.into()).await {
            Some(to) => self.sends(browser, &to),
            None => self.says_how_it_is(browser, own, &BTreeSet::new(), None),
        };
        with_crumbs(response, own.then(|| self.cookies.clear_session()).into_iter().collect())
    }

    /// Whether a wish was not brought before, and uses it up; `None` where there is nowhere to remember it.
    async fn is_first(&self, connector: &Connector, wish: &Wish) -> Option<bool> {
        let (once, unix) = (wish.once(), ambient::unix_now());
        let key = digest::text("wish", &[connector.name().as_bytes(), once.id.as_bytes()]);
        match self.book.first_use(Some(connector.name()), once, unix).await {
            Ok(first) => Some(first && !self.fulfilled.holds(&key)),
            Err(why) => {
                tracing::warn!(connector = connector.name(), %why, "that a wish was fulfilled cannot be kept in the cache");
                self.fulfilled.first(key, once.until, unix)
            }
        }
    }
}

fn has_too_many_fields(carried: &Carried) -> bool {
    let octets: &[u8] = match carried {
        Carried::Query(query) => query.as_bytes(),
        Carried::Form(form) => form,
    };
    octets.split(|octet| *octet == b'&').count() > MOST_FIELDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_wishes_is_bounded_and_goes_when_they_are_good_for_nothing() {
        let fulfilled = Fulfilled::default();
        for number in 0..MOST_WISHES {
            assert_eq!(fulfilled.first(number.to_string(), 100, 50), Some(true));
        }
        assert_eq!(fulfilled.first("0".into(), 100, 100), Some(false));
        assert_eq!(fulfilled.first("one more".into(), 200, 100), None, "and then it waits");
        assert_eq!(fulfilled.first("one more".into(), 200, 101), Some(true));
        assert!(fulfilled.holds("one more") && !fulfilled.holds("0"));
    }
}
