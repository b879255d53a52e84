//! From an application's request to whoever vouches: what is asked before a login's steps, and what the browser is shown
//! after them.
//!
//! [`Login::authenticate`] asks the browser's session first. If that is not good enough it opens a [`Flow`] and takes its
//! steps ([`crate::steps`]): choose and look ([`crate::leaving`]), begin, and off the browser goes. A member whose beginning
//! fails because it cannot be used, or does not know this node, is passed over at once; one that says no, or sends garbage,
//! ends the login. Each member has one turn in a round, in which it may be asked once more for what its answer lacked. Callbacks,
//! the sign-in page and the retry page all come back to [`Login::show`].

use http::StatusCode;
use mangrove_connectors::{Ask, Prompt};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;

use axum::response::Response;

use crate::book::Flow;
use crate::cookies::LoginCookie;
use crate::decisions::{self, Decision, End, What};
use crate::ending::{Ending, Told};
use crate::layout;
use crate::login::{Login, with_crumbs};
use crate::pages::{self, SignIn};
use crate::sessions::{Session, Vouched};
use crate::steps::{self, Lack, Sent, Step, To};
use crate::{Browser, Outcome, Refused, Request, Resume, SignedIn, brought, loops};

impl Login {
    /// Signs a browser in for an application, or says what to send it.
    pub async fn authenticate(&self, browser: &Browser, request: Request) -> Outcome {
        let now = ambient::now();
        let browser_id = self.browser_id(browser);
        let mut flow = Flow::new(ambient::token(), ambient::short_id(), request, browser_id, now);
        if let Err(found) = loops::judge_hops(&flow.request.ask.hops, &self.node_id) {
            return Outcome::Respond(self.stop(browser, flow, Ending::looped(&found)).await);
        }
        if let Some(signed_in) = self.session_for(browser, &flow, now) {
            return Outcome::SignedIn(signed_in);
        }
        if flow.request.resume.data.len() > Resume::MOST_BYTES {
            return Outcome::Respond(self.stop(browser, flow, Ending::too_large()).await);
        }
        let counts = browser.top_level && !flow.silent();
        if counts && let Err(found) = self.unanswered.asked(&flow.browser, &flow.request.app, now) {
            return Outcome::Respond(self.stop(browser, flow, Ending::looped(&found)).await);
        }
        flow.request.ask.hops.push(self.node_id.clone());
        if counts && let Some(page) = self.steer(browser, &mut flow).await {
            return Outcome::Respond(page);
        }
        let step = steps::advance(&self.at(browser), flow).await;
        Outcome::Respond(self.show_or_fail(browser, step).await)
    }

    /// Ends a login in whatever state it is.
    pub(crate) async fn stop(&self, browser: &Browser, flow: Flow, ending: Ending) -> Response {
        let step = steps::ended(&self.at(browser), flow, ending).await;
        self.show_or_fail(browser, step).await
    }

    /// What the browser is told of a step.
    pub(crate) async fn show(&self, browser: &Browser, step: Step) -> Response {
        match step {
            Step::Sent(sent) => self.send_off(browser, &sent),
            Step::Waits(flow, seconds, lack) => self.ask_to_wait(browser, &flow, seconds, lack),
            Step::BringsAgain(flow, answer) => {
                let page = brought::bring_again(self.frame(flow.reference()), &flow.request.app, &answer);
                let suffix = answer.param("RelayState").map(|state| self.cookies.suffix(state));
                let renewed = suffix.and_then(|suffix| self.cookies.renew_login(browser, &suffix));
                with_crumbs(page, renewed.into_iter().collect())
            }
            Step::Vouched(flow, identity, person) => self.sign_in(browser, &flow, identity, person).await,
            Step::Ended(flow, ending) => {
                self.is_over(&flow).await;
                let response = self.tell(&flow, ending).await;
                with_crumbs(response, self.cookies.clear_logins_of(browser, &flow.id))
            }
            Step::Astray(astray) => self.turned_away(browser, astray).await,
        }
    }

    /// A login was closed: whatever it took of the room for logins in progress is free again.
    pub(crate) async fn is_over(&self, flow: &Flow) {
        self.crowds.leave(flow);
        if let Err(why) = self.book.clear_after(flow).await {
            tracing::warn!(login = flow.login_id, %why, "what a login leaves behind is not cleared away; it expires by itself");
        }
    }

    /// Tells the person, or the application, that a login ended with nobody signed in.
    async fn tell(&self, flow: &Flow, Ending { told, words, .. }: Ending) -> Response {
        match told {
            Told::Person { status, heading } => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                pages::notice(self.frame(flow.reference()), status, heading, &words, None)
            }
            Told::Application(why) => {
                self.unanswered.answered(&flow.browser, &flow.request.app);
                let (description, login_id) = (words.join(" "), flow.login_id.clone());
                self.resume(flow, Err(Refused { why, description, login_id })).await
            }
        }
    }

    /// Gives a login back to the mode it came from.
    pub(crate) async fn resume(&self, flow: &Flow, outcome: Result<SignedIn, Refused>) -> Response {
        match self.mode(&flow.request.resume.mode) {
            Some(mode) => mode.resume(&flow.request.resume.data, outcome).await,
            None => {
                tracing::error!(
                    mode = flow.request.resume.mode,
                    "a login came back for a mode that is not there"
                );
                let words = ["The application that asked is not served here any more."];
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                pages::notice(self.frame(flow.reference()), status, "This sign-in is lost", &words, None)
            }
        }
    }

    /// Writes down a decision about a login.
    pub(crate) fn record(&self, flow: &Flow, what: What) {
        let (login, app) = (flow.login_id.clone(), flow.request.app.clone());
        let from_ref = flow.request.from_ref.clone();
        self.decisions.record(Decision { login, at: ambient::unix_millis(), app, from_ref, what });
    }

    /// The browser's session, if it is good enough for what the application asked.
    fn session_for(&self, browser: &Browser, flow: &Flow, now: Moment) -> Option<SignedIn> {
        let session = self.sessions.by_cookie(&self.cookies.session_key(browser)?, now)?;
        let (request, unix) = (&flow.request, ambient::unix_now());
        let via = request.idps.iter().find(|via| {
            session.identities.get(*via).is_some_and(|vouched| good_enough(&request.ask, vouched, unix))
        })?;
        let signed_in = SignedIn { login_id: flow.login_id.clone(), ..session.signed_in(via)? };
        self.sessions.served(&session.sid, &request.app);
        self.unanswered.answered(&flow.browser, &request.app);
        let took = now.since(flow.began);
        self.record(flow, decisions::ended(signed_in_end(&signed_in, true), took));
        Some(signed_in)
    }

    /// Sends the browser to a member, or asks for a password.
    fn send_off(&self, browser: &Browser, Sent { flow, state, secret, to }: &Sent) -> Response {
        let response = match to {
            To::Member(url) => pages::redirect(url.as_str()),
            To::MemberByForm(url, fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                layout::form_post(
                    self.frame(flow.reference()),
                    "On to your sign-in service",
                    url.as_str(),
                    &fields,
                )
            }
            To::Password(title) => {
                let username = flow.request.ask.login_hint.as_deref().unwrap_or_default();
                let form = SignIn { title, state, username, error: None };
                pages::sign_in(self.frame(flow.reference()), StatusCode::OK, &form)
            }
        };
        self.with_login_cookies(browser, flow, state, secret, response)
    }

    /// A page that tries again by itself.
    fn ask_to_wait(&self, browser: &Browser, flow: &Flow, seconds: u64, lack: Lack) -> Response {
        let frame = self.frame(flow.reference());
        let page = |suffix: &str| {
            let again = format!("{}?login={suffix}", crate::callback::AGAIN_PATH);
            pages::wait(frame, &flow.request.app, &again, seconds, lack)
        };
        if let Some(suffix) = self.cookies.login_of(browser, &flow.id) {
            return with_crumbs(
                page(suffix),
                self.cookies.renew_login(browser, suffix).into_iter().collect(),
            );
        }
        let state = ambient::token();
        let response = page(&self.cookies.suffix(&state));
        self.with_login_cookies(browser, flow, &state, &ambient::token(), response)
    }

    pub(crate) fn with_login_cookies(
        &self,
        browser: &Browser,
        flow: &Flow,
        state: &str,
        secret: &str,
        response: Response,
    ) -> Response {
        let cookie = LoginCookie { made: ambient::unix_now(), flow: &flow.id, secret };
        let mut crumbs = self.cookies.set_login(browser, state, &cookie);
        if self.cookies.browser(browser) != Some(flow.browser.as_str()) {
            crumbs.push(self.cookies.set_browser(&flow.browser));
        }
        with_crumbs(response, crumbs)
    }

    /// The id of this browser, which its session is bound to and the loop guard counts by; a new one if it has none that we made.
    pub(crate) fn browser_id(&self, browser: &Browser) -> String {
        let known = self.cookies.browser(browser).filter(|id| id.len() == LENGTH_OF_TOKEN && id.is_ascii());
        known.map_or_else(ambient::token, str::to_owned)
    }
}

/// Characters of [`ambient::token`].
const LENGTH_OF_TOKEN: usize = 43;

/// Whether an identity in a session answers what an application asked, without asking anybody.
fn good_enough(ask: &Ask, vouched: &Vouched, unix: u64) -> bool {
    let asked_anew = matches!(ask.prompt, Some(Prompt::Login | Prompt::SelectAccount));
    let older_than = |most| vouched.identity.auth_time.is_none_or(|at| unix.saturating_sub(at) > most);
    let too_old = ask.max_age.is_some_and(|most| most == 0 || older_than(most));
    let acr = vouched.identity.acr.as_deref();
    let other_class = ask
        .acr_values
        .as_deref()
        .is_some_and(|wanted| !wanted.is_empty() && !wanted.split(' ').any(|class| Some(class) == acr));
    !asked_anew && !too_old && !other_class
}

pub(crate) fn signed_in_end(signed_in: &SignedIn, from_session: bool) -> End {
    End::SignedIn {
        member: signed_in.member.clone(),
        via: signed_in.via.clone(),
        subject: decisions::subject(&signed_in.sub),
        from_session,
    }
}

/// The handle-bearing view of a session that was just entered.
pub(crate) fn view(session: &Session, via: &str, login_id: &str) -> Option<SignedIn> {
    Some(SignedIn { login_id: login_id.to_owned(), ..session.signed_in(via)? })
}
