//! The doors at which upstreams that speak SAML speak of logouts, through browsers: they answer a farewell of this node's, or wish that
//! sessions end here.
//!
//! Anybody may bring anything there, without a login and without a cookie. What has more fields than a message is refused before it
//! waits for a turn. A wish that is signed ends the sessions of that person (and session, if it says which), once, and is answered.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{OriginalUri, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use mangrove_connectors::{Carried, Connector, Heard, Wish};
use mangrove_keys::ambient;
use url::form_urlencoded;

use crate::Browser;
use crate::brought::{Kept, say_again};
use crate::decisions::Fault;
use crate::login::{Login, with_crumbs};
use crate::pages;
use crate::sessions::Session;

/// Most fields of a message: the bindings have five (SAML Bindings 3.4.4 and 3.5.4), and some providers add one of their own.
const MOST_FIELDS: usize = 8;

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

impl Login {
    /// An upstream answers a farewell, or wishes that sessions end.
    async fn is_told(&self, browser: &Browser, path: &str, carried: Carried) -> Response {
        let Some(connector) = self.exits.door(path) else {
            return pages::signed_out(self.frame(browser.reference()), false, &[], None);
        };
        if has_too_many_fields(&carried) {
            return self.refused(browser, connector, &format!("it has more than {MOST_FIELDS} fields"));
        }
        match (connector.hears(carried.clone(), browser.address.into()).await, self.cookies.logout(browser)) {
            (Ok(Heard::Wish(wish)), _) => self.as_wished(browser, connector, &wish).await,
            (Ok(Heard::Answer { to, well }), Some(id)) => self.goes_on(browser, id, Some((to, well))).await,
            (Ok(Heard::Answer { .. }), None) => {
                pages::signed_out(self.frame(browser.reference()), false, &[], None)
            }
            (Err(failure), _) if failure.busy => {
                self.comes_again(browser, connector, &failure.log, (path, &carried))
            }
            (Err(failure), under_way) => {
                let page = self.refused(browser, connector, &failure.log);
                match under_way {
                    Some(id) => self.goes_on(browser, id, None).await,
                    None => page,
                }
            }
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
        match carried {
            Carried::Query(query) => say_again(frame, Kept::address(path, query)),
            Carried::Form(form) => {
                let fields: Vec<_> = form_urlencoded::parse(form).into_owned().collect();
                say_again(frame, Kept::form(path, &fields))
            }
        }
    }

    /// A message is not believed, and nothing that it says happens.
    fn refused(&self, browser: &Browser, connector: &Connector, why: &str) -> Response {
        let (connector, blame) = (connector.name(), Fault::Answer.word());
        tracing::warn!(target: "security", connector, address = %browser.address, why, blame, "a message about a logout was refused");
        let words = ["What your browser brought from the sign-in service could not be accepted."];
        let frame = self.frame(browser.reference());
        pages::notice(frame, StatusCode::BAD_REQUEST, "You were not signed out", &words, None)
    }

    /// Ends what an upstream wishes to end, and says so to it.
    async fn as_wished(&self, browser: &Browser, connector: &Connector, wish: &Wish) -> Response {
        // A cache that fails must not keep people signed in.
        let first = self.book.first_use(Some(connector.name()), wish.once(), ambient::unix_now()).await;
        if let Ok(false) = first {
            return self.refused(browser, connector, "a wish for a logout was brought twice");
        }
        let key = self.cookies.session_key(browser);
        let here = key.and_then(|key| self.sessions.by_cookie(&key, ambient::now()));
        let meant = |session: &Session| session.any(|vouched| connector.is_meant(wish, &vouched.identity));
        let ended = self.sessions.end_all(meant);
        tracing::info!(connector = connector.name(), sessions = ended.len(), "the upstream ended sessions");
        self.tell_ended(&ended).await;
        let response = match connector.replies(wish, browser.address.into()).await {
            Some(to) => self.sends(browser, &to),
            None => pages::signed_out(self.frame(browser.reference()), !ended.is_empty(), &[], None),
        };
        let own = here.is_some_and(|here| ended.iter().any(|session| session.sid == here.sid));
        with_crumbs(response, own.then(|| self.cookies.clear_session()).into_iter().collect())
    }
}

fn has_too_many_fields(carried: &Carried) -> bool {
    let octets: &[u8] = match carried {
        Carried::Query(query) => query.as_bytes(),
        Carried::Form(form) => form,
    };
    octets.split(|octet| *octet == b'&').count() > MOST_FIELDS
}
