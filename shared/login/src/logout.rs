//! Single logout: ends the session here, tells upstreams through the browser, and names who could not be told.
//!
//! `singleLogout.logoutURL` ends the session on GET where the browser says that the person came from this site or typed the
//! address; where another site leads there, or the browser does not say, a page asks first, and its form is bound to the
//! session. [`Login::end`] is the same for a mode's own logout endpoint. Upstreams are told one after the other by their
//! logout pages, each after a look at it, and what has to be signed for it is signed then; one that does not answer the look, or has no
//! such page, is named. What ends here ends at once, before anybody is looked at.
//!
//! An upstream that speaks SAML answers at a door of its own ([`crate::door`]). A logout on its way goes on with that answer, or when
//! the person comes back without one: nothing else that a browser can be made to fetch uses it up.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use mangrove_config::{Config, Connector as Written};
use mangrove_connectors::{Connector, Farewell, Identity, Sending};
use mangrove_keys::{ambient, secret};
use url::{Url, form_urlencoded};

use crate::book::Trip;
use crate::browser::Site;
use crate::layout;
use crate::login::{Login, with_crumbs};
use crate::pages::{self, Here, Way};
use crate::sessions::Session;
use crate::{Browser, SessionHandle, digest};

/// Where upstreams send the browser back to, unless `oauthLogoutRedirect` says otherwise.
pub(crate) const BACK_PATH: &str = "/login/signed-out";

/// Where the page that asks posts its answer.
pub(crate) const SIGN_OUT_PATH: &str = "/login/sign-out";

/// Purpose of the sealed way back in that page.
const BACK_TO: &str = "logout: back to";

/// A wish to end a session, from a mode's logout endpoint.
#[derive(Debug, Clone, Default)]
pub struct EndAsk {
    /// The session that the request names (`id_token_hint`), whether or not the browser has its cookie.
    pub session: Option<SessionHandle>,
    /// The mode has proof that the person, or the application for them, wants this: no page asks again.
    pub proven: bool,
    /// Where the browser goes afterwards; judged by the mode.
    pub back_to: Option<Url>,
}

/// The ways out that the configuration names.
#[derive(Debug)]
pub(crate) struct Exits {
    /// Where each connector's upstream sends the browser back to.
    back: BTreeMap<String, Url>,
    logout_path: Option<String>,
    post_logout: Option<Url>,
    /// Doors at which upstreams speak of logouts, by path.
    doors: BTreeMap<String, Arc<Connector>>,
}

impl Exits {
    /// Reads the configuration.
    pub(crate) fn new(config: &Config, connectors: &[Arc<Connector>], public_url: &Url) -> Self {
        let own = public_url.join(BACK_PATH).unwrap_or_else(|_| public_url.clone());
        let back = config.connectors.iter().map(|written| {
            let configured = match written {
                Written::Oidc(oidc) => oidc.oauth_logout_redirect.as_ref().and_then(|r| r.urls.first()),
                _ => None,
            };
            let here = configured.filter(|url| url.origin() == public_url.origin());
            (written.name().to_owned(), here.unwrap_or(&own).clone())
        });
        let single = config.single_logout.as_ref();
        Self {
            back: back.collect(),
            logout_path: single.map(|s| s.logout_url.path().to_owned()),
            doors: connectors
                .iter()
                .filter_map(|c| Some((c.logout_path()?.to_owned(), Arc::clone(c))))
                .collect(),
            post_logout: single.and_then(|s| s.post_logout.redirect_url.clone()),
        }
    }

    /// Path of the configured logout URL.
    pub(crate) fn logout_path(&self) -> Option<&str> {
        self.logout_path.as_deref()
    }

    /// Paths of doors at which upstreams speak of logouts.
    pub(crate) fn doors(&self) -> impl Iterator<Item = &str> {
        self.doors.keys().map(String::as_str)
    }

    /// The connector whose upstream speaks at this door.
    pub(crate) fn door(&self, path: &str) -> Option<&Arc<Connector>> {
        self.doors.get(path)
    }

    /// Paths on which browsers come back from upstreams.
    pub(crate) fn return_paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(BACK_PATH).chain(self.back.values().map(Url::path))
    }
}

/// The configured logout URL was opened.
pub(crate) async fn asked(State(login): State<Arc<Login>>, browser: Browser) -> Response {
    let proven = browser.site == Site::Own && browser.top_level;
    login.end(&browser, EndAsk { session: None, proven, back_to: login.exits.post_logout.clone() }).await
}

/// The page's question was answered.
pub(crate) async fn confirmed(State(login): State<Arc<Login>>, browser: Browser, form: Bytes) -> Response {
    let field = |wanted: &str| {
        let mut fields = form_urlencoded::parse(&form);
        fields.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let bound = login.cookies.session_key(&browser).map(|key| form_token(&key));
    let proven = match (field("token"), &bound) {
        (Some(token), Some(bound)) => secret::equal(token.as_bytes(), bound.as_bytes()),
        _ => false,
    };
    let back_to = field("back").and_then(|sealed| login.sealer.open(BACK_TO, &sealed));
    let back_to =
        back_to.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|url| Url::parse(&url).ok());
    login.end(&browser, EndAsk { session: None, proven, back_to }).await
}

/// A browser came back from an upstream's logout page. A picture or a frame of another site's is not the person who comes back.
pub(crate) async fn back(State(login): State<Arc<Login>>, browser: Browser) -> Response {
    match login.cookies.logout(&browser) {
        Some(id) if browser.top_level => login.goes_on(&browser, id, None).await,
        _ => login.says_how_it_is(&browser, false, &[], None),
    }
}

impl Login {
    /// Ends the browser's session, or the one that `ask` names with proof; see the module. Where the browser has a session
    /// that nothing proves should end, the response asks; else it is a way through upstreams' logout pages, a page, or the way back.
    pub async fn end(&self, browser: &Browser, ask: EndAsk) -> Response {
        let key = self.cookies.session_key(browser);
        let here = key.as_deref().and_then(|key| self.sessions.by_cookie(key, ambient::now()));
        let named = ask.session.as_ref().filter(|_| ask.proven).map(|handle| handle.sid.clone());
        let here_is_meant = match (&here, &named) {
            (Some(here), Some(named)) => *here.sid == **named,
            (Some(_), None) => ask.proven,
            (None, _) => true,
        };
        let sid = named.or_else(|| here.as_ref().filter(|_| here_is_meant).map(|here| here.sid.to_string()));
        let own = here.as_ref().is_some_and(|here| sid.as_deref() == Some(&*here.sid));
        let session = sid.and_then(|sid| self.sessions.end(&sid));
        if let (false, Some(key)) = (here_is_meant, &key) {
            self.tell_ended(session.as_slice()).await;
            return self.question(browser, key, ask.back_to.as_ref());
        }
        let trip = Trip { back_to: ask.back_to, was: session.is_some(), ..self.trip(session.as_ref(), own) };
        if let Some(session) = &session {
            tracing::info!(apps = ?session.apps, "a session was ended by logout");
        }
        self.tell_ended(session.as_slice()).await;
        let mut response = self.travel(browser, trip).await;
        if self.cookies.has_session(browser) {
            response = with_crumbs(response, vec![self.cookies.clear_session()]);
        }
        response
    }

    fn question(&self, browser: &Browser, key: &str, back_to: Option<&Url>) -> Response {
        let back = back_to.map(|url| self.sealer.seal(BACK_TO, url.as_str().as_bytes()));
        pages::confirm_logout(
            self.frame(browser.reference()),
            SIGN_OUT_PATH,
            &form_token(key),
            back.as_deref(),
        )
    }

    /// Whom a logout has to tell. Only the browser whose session it was (`own`) is sent to upstreams: the way there carries their ID
    /// token.
    fn trip(&self, session: Option<&Session>, own: bool) -> Trip {
        let mut trip = Trip::default();
        for vouched in session.iter().flat_map(|session| session.identities.values()) {
            let identity = &vouched.identity;
            let member = self.watch.member(&identity.connector);
            if member.is_some_and(|member| member.connector.redirect_path().is_none()) {
                continue; // this node asked for the password itself: nobody else keeps a session
            }
            match own {
                true => trip.ahead.push(identity.clone()),
                false => trip.untold.push(identity.connector.clone()),
            }
        }
        trip
    }

    /// The way to an upstream that can be told: looked at where it has a page for it, and signed once it has answered.
    async fn farewell(&self, browser: &Browser, identity: &Identity) -> Option<Farewell> {
        let connector = &self.watch.member(&identity.connector)?.connector;
        let back = self.exits.back.get(connector.like())?;
        if !connector.has_logout(identity) || !self.watch.is_there(connector.name()).await {
            return None;
        }
        connector.logout(identity, back, browser.address.into()).await
    }

    /// A browser is back from an upstream, which answered, or only let it go.
    pub(crate) async fn goes_on(
        &self,
        browser: &Browser,
        id: &str,
        answer: Option<(String, bool)>,
    ) -> Response {
        let mut trip = match self.book.come_back(id).await {
            Ok(trip) => trip.unwrap_or_default(),
            Err(why) => return self.cache_failed(browser, &why),
        };
        if let Some((connector, asked)) = trip.asked.take()
            && answer.is_none_or(|(to, well)| to != asked || !well)
        {
            trip.untold.push(connector);
        }
        self.travel(browser, trip).await
    }

    /// Sends the browser on.
    pub(crate) fn sends(&self, browser: &Browser, to: &Sending) -> Response {
        match to {
            Sending::Redirect(url) => pages::redirect(url.as_str()),
            Sending::Post(url, fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let frame = self.frame(browser.reference());
                layout::form_post(frame, "Signing out", url.as_str(), &fields)
            }
        }
    }

    /// Sends the browser to the next upstream, or says how it ended.
    async fn travel(&self, browser: &Browser, mut trip: Trip) -> Response {
        while let Some(identity) = trip.ahead.pop() {
            let Some(Farewell { to, asked }) = self.farewell(browser, &identity).await else {
                trip.untold.push(identity.connector);
                continue;
            };
            let id = trip_id(asked.as_deref());
            trip.asked = asked.map(|asked| (identity.connector.clone(), asked));
            match self.book.set_out(&id, &trip).await {
                Ok(()) => {
                    return with_crumbs(self.sends(browser, &to), vec![self.cookies.set_logout(&id)]);
                }
                Err(why) => {
                    tracing::warn!(%why, "a logout could not be kept; the upstream is not told");
                    trip.untold.push(identity.connector);
                }
            }
        }
        trip.untold.sort();
        trip.untold.dedup();
        let response = match (&trip.back_to, trip.untold.is_empty()) {
            (Some(url), true) => pages::redirect(url.as_str()),
            (back_to, _) => self.says_how_it_is(browser, trip.was, &trip.untold, back_to.as_ref()),
        };
        with_crumbs(response, vec![self.cookies.clear_logout()])
    }

    /// The page at the end of a logout that `has_ended` a session, or without one. It looks whether there is a session now: another may have begun.
    pub(crate) fn says_how_it_is(
        &self,
        browser: &Browser,
        has_ended: bool,
        untold: &[String],
        back_to: Option<&Url>,
    ) -> Response {
        let key = self.cookies.session_key(browser);
        let here = match key.is_some_and(|key| self.sessions.lives(&key, ambient::now())) {
            true => Here::SignedIn(self.exits.logout_path()),
            false if has_ended => Here::Ended,
            false => Here::NoSession,
        };
        let on = back_to.map(|url| Way { href: url.to_string(), label: "Continue" });
        pages::signed_out(self.frame(browser.reference()), here, untold, on.as_ref())
    }
}

/// The id of a logout on its way. Behind a dot it says what the answer must name, so that what answers something else is known for
/// that and uses up nothing.
fn trip_id(asked: Option<&str>) -> String {
    let id = ambient::token();
    asked.map_or_else(|| id.clone(), |asked| format!("{id}.{asked}"))
}

/// Whether the logout of this id waits for an answer that names this.
pub(crate) fn waits_for(id: &str, named: &str) -> bool {
    id.split_once('.').is_some_and(|(_, asked)| asked == named)
}

/// The value that binds the question's form to the session.
fn form_token(key: &str) -> String {
    digest::text("logout form", &[key.as_bytes()])
}
