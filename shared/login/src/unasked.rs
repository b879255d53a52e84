//! A login that began at an upstream (SAML Profiles 4.1.5): an answer that nobody asked for, where an operator allows that.
//!
//! It names no attempt, so nothing binds it to this browser: whoever has such an answer can have another person's browser carry it
//! here. That is why it is off unless it is switched on, for each connector. It leaves a session, and the browser goes to the
//! application that `RelayState` names, or to the only one there is, which then starts a login of its own and is answered by
//! that session.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use mangrove_config::{App, Config};
use mangrove_connectors::{Answer, Ask, Connector, Identity};
use mangrove_keys::ambient;
use url::Url;

use crate::book::Flow;
use crate::decisions::Fault;
use crate::login::{Login, with_crumbs};
use crate::{Browser, Request, Resume, brought, pages};

/// Who may be answered unasked, and where people go then.
#[derive(Debug, Default)]
pub(crate) struct Unasked {
    /// Connectors that allow it, by the path of their answers.
    connectors: BTreeMap<String, Arc<Connector>>,
    apps: Vec<Start>,
    issuer: String,
}

/// An application at which a login can start.
#[derive(Debug, Clone)]
struct Start {
    name: String,
    client_id: String,
    idps: Vec<String>,
    url: Url,
}

impl Unasked {
    /// Reads the configuration.
    pub(crate) fn new(config: &Config, connectors: &[Arc<Connector>]) -> Self {
        let allowed = connectors.iter().filter(|connector| connector.allows_unasked());
        let starts = config.apps.iter().filter_map(|app| match app {
            App::Oidc(oidc) => Some(Start {
                name: oidc.name.clone(),
                client_id: oidc.client_id.clone(),
                idps: oidc.authentication.idps.clone(),
                url: oidc.initiate_login_url.clone()?,
            }),
            App::Saml(_) => None,
        });
        Self {
            connectors: allowed
                .filter_map(|c| Some((c.redirect_path()?.to_owned(), Arc::clone(c))))
                .collect(),
            apps: starts.collect(),
            issuer: config.issuer().map(|issuer| mangrove_config::issuer_text(&issuer)).unwrap_or_default(),
        }
    }

    /// The application that is named, or the only one.
    fn app(&self, named: Option<&str>) -> Option<&Start> {
        match (named.filter(|name| !name.is_empty()), self.apps.as_slice()) {
            (Some(named), all) => all.iter().find(|app| app.name == named || app.client_id == named),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

impl Login {
    /// Takes an answer that belongs to no attempt, where its connector allows that; `None` where it does not.
    pub(crate) async fn unasked(&self, browser: &Browser, answer: &Answer) -> Option<Response> {
        let connector = self.unasked.connectors.get(&answer.path)?;
        let refuse = |why: &str, blame: Fault| {
            let (connector, blame) = (connector.name(), blame.word());
            tracing::warn!(target: "security", connector, address = %browser.address, why, blame, "an answer that nobody asked for was refused");
        };
        let identity = match connector.unasked(answer).await {
            Ok(identity) => identity,
            Err(failure) if failure.busy => {
                let (connector, why, blame) = (connector.name(), &failure.log, Fault::Node.word());
                tracing::warn!(connector, address = %browser.address, why, blame, "an answer that nobody asked for was not looked at; the browser brings it again");
                let frame = self.frame(browser.reference());
                return Some(brought::bring_again(frame, "your application", answer));
            }
            Err(failure) => {
                refuse(&failure.log, Fault::Answer);
                return None;
            }
        };
        let Some((app, via)) = self.unasked.app(answer.param("RelayState")).and_then(|app| {
            let via = app
                .idps
                .iter()
                .find(|via| self.plan().seat(std::slice::from_ref(via), connector.name()).is_some())?;
            Some((app, via.clone()))
        }) else {
            refuse(
                "its RelayState names no application with an initiateLoginURL that this provider may vouch for",
                Fault::Settings,
            );
            let words = [
                "You are signed in at your sign-in service, and it did not say where to go from here.",
                "Open the application itself.",
            ];
            let frame = self.frame(browser.reference());
            return Some(pages::notice(frame, StatusCode::BAD_REQUEST, "Where to?", &words, None));
        };
        Some(self.starts_unasked(browser, app, via, identity).await)
    }

    async fn starts_unasked(
        &self,
        browser: &Browser,
        app: &Start,
        via: String,
        identity: Identity,
    ) -> Response {
        let request = Request {
            app: app.name.clone(),
            idps: vec![via],
            ask: Ask::default(),
            from_ref: None,
            resume: Resume { mode: String::new(), data: Vec::new() },
        };
        let (browser_id, now) = (self.browser_id(browser), ambient::now());
        let flow = Flow::new(ambient::token(), ambient::short_id(), request, browser_id, now);
        let stopped = |status, heading, words: &[&str]| {
            pages::notice(self.frame(flow.reference()), status, heading, words, None)
        };
        if let Some(once) = &identity.once {
            match self.book.first_use(identity.issuer.as_deref(), once, ambient::unix_now()).await {
                Ok(true) => {}
                Ok(false) => {
                    let (connector, login) = (identity.connector.as_str(), flow.login_id.as_str());
                    tracing::warn!(target: "security", connector, login, "an answer that nobody asked for was used before");
                    let words = ["It was already used. Sign in again at your sign-in service."];
                    return stopped(StatusCode::BAD_REQUEST, "This sign-in cannot go on", &words);
                }
                Err(why) => return self.cache_failed(browser, &why),
            }
        }
        let person =
            self.plan().seat(&flow.request.idps, &identity.connector).map(|seat| seat.person(&identity));
        let Some(Ok(person)) = person else {
            let why = person.and_then(Result::err).map(|why| why.to_string()).unwrap_or_default();
            tracing::warn!(
                connector = identity.connector,
                login = flow.login_id,
                why,
                "somebody is known there, but not here"
            );
            let words =
                ["The service you signed in to did not say reliably who you are, so nobody was signed in."];
            return stopped(StatusCode::FORBIDDEN, "You are known there, but not here", &words);
        };
        let (_, crumbs) = self.enter(browser, &flow, identity, person).await;
        let mut start = app.url.clone();
        start.query_pairs_mut().append_pair("iss", &self.unasked.issuer);
        with_crumbs(pages::redirect(start.as_str()), crumbs)
    }
}
