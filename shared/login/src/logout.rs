//! Single logout: ends the session here, tells upstreams through the browser, and names who could not be told.
//!
//! `singleLogout.logoutURL` ends the session on GET where the browser says that the person came from this site or typed the
//! address; where another site leads there, or the browser does not say, a page asks first, and its form is bound to the
//! browser. [`Login::end`] is the same for a mode's own logout endpoint. Upstreams are told one after the other by their
//! logout pages, each after a look at it, and what has to be signed for it is signed then; one that does not answer the look, or has no
//! such page, is named. What ends here ends at once, before anybody is looked at.
//!
//! An upstream that speaks SAML answers at a door of its own ([`crate::door`]). A logout on its way ([`crate::trip`]) goes on with that
//! answer, or when the person comes back without one. Whoever reloads, or signs out again, on the way is sent there again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use mangrove_config::{Config, Connector as Written};
use mangrove_connectors::{Connector, Farewell, Identity, Sending};
use mangrove_keys::{ambient, secret};
use url::{Url, form_urlencoded};

use crate::browser::Site;
use crate::layout;
use crate::login::{Login, with_crumbs};
use crate::pages::{self, Here, Way};
use crate::sessions::Session;
use crate::trip::{Leg, Trip};
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
    let bound = login.form_token(&browser);
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
        Some(leg) if browser.top_level => login.goes_on(&browser, leg, false).await,
        _ => login.says_how_it_is(&browser, false, &BTreeSet::new(), None),
    }
}

impl Login {
    /// Ends the browser's session, or the one that `ask` names with proof; see the module. Where the browser has a session
    /// that nothing proves should end, the response asks; else it is a way through upstreams' logout pages, a page, or the way back.
    pub async fn end(&self, browser: &Browser, ask: EndAsk) -> Response {
        let key = self.cookies.session_key(browser);
        let here = key.as_deref().and_then(|key| self.sessions.by_cookie(key, ambient::now()));
        let here = here.map(|session| session.sid);
        let begun = if here.is_none() { self.begun(browser, key.as_deref()).await } else { None };
        let question = || self.question(browser, ask.back_to.as_ref());
        if !ask.proven {
            // Whose logout is on its way is asked as well: it could be taken up.
            return match here.is_some() || begun.is_some() {
                true => question(),
                false => self.arrives(browser, false, &BTreeSet::new(), ask.back_to.as_ref()),
            };
        }
        let meant = ask.session.as_ref().map(|handle| handle.sid.as_str()).or(here.as_deref());
        let own = meant == here.as_deref();
        let session = meant.and_then(|sid| self.sessions.end(sid));
        if let Some(session) = &session {
            tracing::info!(apps = ?session.apps, "a session was ended by logout");
        }
        let names = |trip: &Trip| ask.session.as_ref().is_none_or(|handle| handle.sid == trip.sid);
        let proves_another = session.is_none() && begun.as_ref().is_some_and(|(trip, _)| !names(trip));
        if here.is_some() && !own || proves_another {
            self.tell_ended(session.as_slice()).await;
            return question();
        }
        let on_its_way = match &session {
            Some(session) => {
                let key = key.as_deref().filter(|_| own);
                Some(self.sets_out(session, key, ask.back_to.clone()).await)
            }
            None => self.resumes(browser, begun, ask.back_to.as_ref()).await,
        };
        self.tell_ended(session.as_slice()).await;
        let response = match on_its_way {
            Some((trip, leg)) => self.travel(browser, &trip, leg).await,
            None => self.arrives(browser, false, &BTreeSet::new(), ask.back_to.as_ref()),
        };
        // Where the proof was of another browser's session, this one keeps what it has.
        let ends_here = own || session.is_none();
        let clear = (ends_here && self.cookies.has_session(browser)).then(|| self.cookies.clear_session());
        with_crumbs(response, clear.into_iter().collect())
    }

    fn question(&self, browser: &Browser, back_to: Option<&Url>) -> Response {
        let token = self.form_token(browser).unwrap_or_default();
        let back = back_to.map(|url| self.sealer.seal(BACK_TO, url.as_str().as_bytes()));
        pages::confirm_logout(self.frame(browser.reference()), SIGN_OUT_PATH, &token, back.as_deref())
    }

    /// A session has ended, and upstreams are to be told. Only the browser that had it, by what opened it, is sent to them: the way there
    /// carries their ID token.
    async fn sets_out(&self, session: &Session, key: Option<&str>, back_to: Option<Url>) -> (Trip, Leg) {
        // Where this node asked for the password itself, nobody else keeps a session.
        let asks_itself = |identity: &Identity| {
            let member = self.watch.member(&identity.connector);
            member.is_some_and(|member| member.connector.redirect_path().is_none())
        };
        let identities = session.identities.values().map(|vouched| &vouched.identity);
        let stops = identities.filter(|identity| !asks_itself(identity)).cloned().collect();
        let trip = Trip::of(session, stops, back_to);
        let leg = match key.map(Leg::first) {
            Some(leg) if trip.stops.is_empty() || self.keeps(&leg, &trip).await => leg,
            _ => trip.untellable(),
        };
        (trip, leg)
    }

    /// The logout that this browser began and is not through with, and where it was sent.
    async fn begun(&self, browser: &Browser, key: Option<&str>) -> Option<(Trip, Leg)> {
        for leg in key.map(Leg::first).into_iter().chain(self.cookies.logout(browser)) {
            if let Ok(Some(trip)) = self.book.trip(&leg.id).await {
                return Some((trip, leg));
            }
        }
        None
    }

    /// The same, taken up: it ends where this request says. A picture or a frame takes nothing up.
    async fn resumes(
        &self,
        browser: &Browser,
        begun: Option<(Trip, Leg)>,
        back_to: Option<&Url>,
    ) -> Option<(Trip, Leg)> {
        let (mut trip, leg) = begun.filter(|_| browser.top_level)?;
        if trip.back_to.as_ref() != back_to {
            trip.back_to = back_to.cloned();
            self.keeps(&leg, &trip).await;
        }
        Some((trip, leg))
    }

    async fn keeps(&self, leg: &Leg, trip: &Trip) -> bool {
        let kept = self.book.keep_trip(&leg.id, trip).await;
        if let Err(why) = &kept {
            tracing::warn!(%why, "a logout could not be kept; upstreams that it has not told yet may stay untold");
        }
        kept.is_ok()
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

    /// A browser is back from an upstream, which answered, `well` or not, or only let it go.
    pub(crate) async fn goes_on(&self, browser: &Browser, mut leg: Leg, well: bool) -> Response {
        match self.book.trip(&leg.id).await {
            Ok(Some(trip)) => {
                leg.is_back(well);
                self.travel(browser, &trip, leg).await
            }
            Ok(None) => {
                let page = self.says_how_it_is(browser, false, &BTreeSet::new(), None);
                with_crumbs(page, vec![self.cookies.clear_logout()])
            }
            Err(why) => self.cache_failed(browser, &why),
        }
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
    async fn travel(&self, browser: &Browser, trip: &Trip, mut leg: Leg) -> Response {
        while let Some(identity) = trip.stops.get(leg.at) {
            if let Some(Farewell { to, asked }) = self.farewell(browser, identity).await {
                leg.asks(asked);
                return with_crumbs(self.sends(browser, &to), vec![self.cookies.set_logout(&leg)]);
            }
            leg.passes_by();
        }
        if let Err(why) = self.book.end_trip(&leg.id, trip).await {
            tracing::warn!(%why, "a logout that is over stays in the cache for longer");
        }
        let response = self.arrives(browser, true, &trip.untold(&leg), trip.back_to.as_ref());
        // The browser may have another on its way.
        let cookie = self.cookies.logout(browser).filter(|there| there.id == leg.id);
        with_crumbs(response, cookie.map(|_| self.cookies.clear_logout()).into_iter().collect())
    }

    /// Whether the browser has a session; to ask does not keep it from being idle.
    pub(crate) fn is_signed_in(&self, browser: &Browser) -> bool {
        self.cookies.session_key(browser).is_some_and(|key| self.sessions.lives(&key, ambient::now()))
    }

    /// The way back where everybody was told, or a page.
    fn arrives(
        &self,
        browser: &Browser,
        has_ended: bool,
        untold: &BTreeSet<&str>,
        back_to: Option<&Url>,
    ) -> Response {
        match back_to {
            Some(url) if untold.is_empty() => pages::redirect(url.as_str()),
            _ => self.says_how_it_is(browser, has_ended, untold, back_to),
        }
    }

    /// The page at the end of a logout that `has_ended` a session, or without one. It looks whether there is a session now: another may have begun.
    pub(crate) fn says_how_it_is(
        &self,
        browser: &Browser,
        has_ended: bool,
        untold: &BTreeSet<&str>,
        back_to: Option<&Url>,
    ) -> Response {
        let here = match self.is_signed_in(browser) {
            true => Here::SignedIn(self.exits.logout_path()),
            false if has_ended => Here::Ended,
            false => Here::NoSession,
        };
        let on = back_to.map(|url| Way { href: url.to_string(), label: "Continue" });
        pages::signed_out(self.frame(browser.reference()), here, untold, on.as_ref())
    }

    /// The value that binds the question's form to the browser: to its session, or to the logout that is on its way there.
    fn form_token(&self, browser: &Browser) -> Option<String> {
        let on_its_way = || self.cookies.logout(browser).map(|leg| leg.id);
        let key = self.cookies.session_key(browser).or_else(on_its_way)?;
        Some(digest::text("logout form", &[key.as_bytes()]))
    }
}
