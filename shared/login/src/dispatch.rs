//! From an application's request to whoever vouches: the one dispatcher over the persisted state of a login.
//!
//! [`Login::authenticate`] asks the browser's session first. If that is not good enough it opens a [`Flow`] and
//! [`Login::advance`] moves it: choose and look ([`crate::leaving`]), begin, and off the browser goes. A member whose beginning fails because it cannot be
//! used, or does not know this node, is passed over at once; one that says no, or sends garbage, ends the login. Each
//! member is asked at most once in a round. Callbacks, the sign-in page and the retry page all come back here.

use http::StatusCode;
use mangrove_connectors::{Ask, Begin, Failure, Prompt};
use mangrove_continuity::{Blame, Moment, Sample};
use mangrove_keys::ambient;

use axum::response::Response;

use crate::book::{Flow, How, Ticket};
use crate::callback::Astray;
use crate::cookies::LoginCookie;
use crate::decisions::{self, Decision, End, Fault, What};
use crate::login::{Login, with_crumbs};
use crate::pages::{self, SignIn};
use crate::plan::Seat;
use crate::returned::Away;
use crate::sessions::{Session, Vouched};
use crate::{Browser, Outcome, Refusal, Refused, Request, Resume, SignedIn, loops};

/// Seconds until the page that nobody could vouch tries again, by round.
const AGAIN_AFTER: [u64; 4] = [5, 5, 10, 15];

/// How a login's next step ends, when it ends.
pub(crate) struct Failed {
    /// The member.
    pub(crate) member: String,
    /// What it said.
    pub(crate) failure: Failure,
}

impl Login {
    /// Signs a browser in for an application, or says what to send it.
    pub async fn authenticate(&self, browser: &Browser, request: Request) -> Outcome {
        let now = ambient::now();
        let mut flow = Flow {
            id: ambient::token(),
            login_id: ambient::short_id(),
            request,
            tried: Vec::new(),
            away: None,
            avoid: Vec::new(),
            is_new: true,
            rounds: 0,
            browser: self.browser_id(browser),
            began: now,
        };
        if let Err(found) = loops::judge_hops(&flow.request.ask.hops, &self.node_id) {
            return Outcome::Respond(self.looped(&flow, &found).await);
        }
        if let Some(signed_in) = self.session_for(browser, &flow, now) {
            return Outcome::SignedIn(signed_in);
        }
        if flow.request.resume.data.len() > Resume::MOST_BYTES {
            return Outcome::Respond(self.page(&flow, &Page::too_large()).await);
        }
        let counts = browser.top_level && !flow.silent();
        if counts && let Err(found) = self.unanswered.asked(&flow.browser, &flow.request.app, now) {
            return Outcome::Respond(self.looped(&flow, &found).await);
        }
        flow.request.ask.hops.push(self.node_id.clone());
        if counts && let Some(page) = self.steer(browser, &mut flow).await {
            return Outcome::Respond(page);
        }
        Outcome::Respond(self.advance(browser, flow).await)
    }

    /// Asks the next member, until one can be asked or none is left.
    pub(crate) async fn advance(&self, browser: &Browser, mut flow: Flow) -> Response {
        loop {
            let seats = self.plan.seats(&flow.request.idps);
            let Some(seat) = self.pick(&flow, &seats).await else {
                return self.nobody_left(browser, flow).await;
            };
            flow.tried.push(seat.connector.name().to_owned());
            let elsewhere = self.has_another(&flow, &seats);
            match seat.connector.begin(&Ask { elsewhere, ..flow.request.ask.clone() }).await {
                Ok(begin) => {
                    let leaves = matches!(begin, Begin::Redirect { .. });
                    let to = || Away::now(seat.connector.name(), ambient::unix_now());
                    flow.away = leaves.then(to);
                    return self.send_off(browser, &flow, seat, begin).await;
                }
                Err(failure) => {
                    let failed = Failed { member: seat.connector.name().to_owned(), failure };
                    self.look_failed(&failed);
                    if !self.goes_on(&flow, &failed) {
                        return self.end_by(&flow, failed).await;
                    }
                }
            }
        }
    }

    /// What beginning taught about a member: it asks for the member's metadata where none is known. A login's own experience
    /// never overrides an endpoint that an operator named.
    fn look_failed(&self, Failed { member, failure }: &Failed) {
        let why = failure.log.clone();
        let judged_elsewhere = self.watch.has_a_judge(member);
        let sample = match failure.blame {
            Blame::Unavailable if failure.no_answer && !judged_elsewhere => Sample::LookFailed { why },
            Blame::Misconfigured if failure.keeps_out => Sample::Misconfigured { why },
            _ => return,
        };
        self.watch.observe(member, &sample, ambient::now());
    }

    /// Writes down that a member failed; whether the login goes on with another.
    pub(crate) fn goes_on(&self, flow: &Flow, failed: &Failed) -> bool {
        let on = matches!(failed.failure.blame, Blame::Unavailable | Blame::Misconfigured);
        if on {
            let Failed { member, failure } = failed;
            let what =
                What::Failed { member: member.clone(), blame: failure.blame, why: failure.log.clone() };
            self.record(flow, what);
        }
        on
    }

    /// Ends a login at a member that said no, or whose answer cannot be believed. For `prompt=none` the application is told
    /// in every case; else a person sees a page where the application could only guess.
    pub(crate) async fn end_by(&self, flow: &Flow, Failed { member, failure }: Failed) -> Response {
        if failure.blame == Blame::Protocol {
            let (login, app) = (flow.login_id.as_str(), flow.request.app.as_str());
            tracing::warn!(target: "security", login, app, connector = member, why = failure.log, "an answer was refused");
        }
        let refusal = match (failure.blame, flow.silent()) {
            (Blame::Rejected, silent) => Some(rejection(failure.oauth_error.as_deref(), silent)),
            (Blame::Unavailable | Blame::Misconfigured, true) => Some(Refusal::TemporarilyUnavailable),
            (Blame::Protocol, true) => Some(Refusal::ServerError),
            (_, false) => None,
        };
        let fault = failure.blame.into();
        if let Some(refusal) = refusal {
            let words = failure.outside;
            return self
                .refuse(flow, refusal, words, Why { member: Some(member), fault, why: failure.log })
                .await;
        }
        let page = Page {
            status: StatusCode::BAD_REQUEST,
            heading: "This sign-in was stopped",
            words: vec![failure.outside, "It was stopped to protect your account.".to_owned()],
            why: Why { member: Some(member), fault, why: failure.log },
        };
        self.page(flow, &page).await
    }

    /// Tells the application no.
    pub(crate) async fn refuse(&self, flow: &Flow, why: Refusal, words: String, cause: Why) -> Response {
        self.unanswered.answered(&flow.browser, &flow.request.app);
        let Why { member, fault, why: log } = cause;
        self.close(flow, End::Refused { refusal: why, member, fault, why: log }).await;
        let refused = Refused { why, description: words, login_id: flow.login_id.clone() };
        self.resume(flow, Err(refused)).await
    }

    /// Ends a login in a page; for `prompt=none` the application is told instead.
    pub(crate) async fn page(&self, flow: &Flow, page: &Page) -> Response {
        if flow.silent() {
            let words = page.heading.to_owned();
            return self.refuse(flow, Refusal::ServerError, words, page.why.clone()).await;
        }
        let Why { member, fault, why } = page.why.clone();
        self.close(flow, End::Page { status: page.status.as_u16(), member, fault, why }).await;
        let words: Vec<&str> = page.words.iter().map(String::as_str).collect();
        pages::notice(self.frame(flow.reference()), page.status, page.heading, &words, None)
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

    /// Writes down the end of a login and closes it.
    async fn close(&self, flow: &Flow, end: End) {
        if let Err(why) = self.book.close(&flow.id).await {
            tracing::warn!(login = flow.login_id, %why, "a login could not be closed; it expires by itself");
        }
        self.record(flow, ended(end, flow));
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
        self.record(flow, ended(signed_in_end(&signed_in, true), flow));
        Some(signed_in)
    }

    /// Sends the browser to a member, or asks for a password.
    async fn send_off(&self, browser: &Browser, flow: &Flow, seat: &Seat, begin: Begin) -> Response {
        let member = seat.connector.name().to_owned();
        let (state, how, target) = match begin {
            Begin::Redirect { url, pending } => {
                (pending.state().to_owned(), How::Redirect(Box::new(pending)), Some(url))
            }
            Begin::Password { .. } if flow.silent() => {
                let why = "a password would have to be asked for".to_owned();
                let cause = Why { member: Some(member), fault: Fault::Nobody, why };
                return self
                    .refuse(flow, Refusal::LoginRequired, "Nobody is signed in.".to_owned(), cause)
                    .await;
            }
            Begin::Password { title } => (ambient::token(), How::Password { title }, None),
        };
        let secret = ambient::token();
        let page = match (&how, &target) {
            (How::Password { title }, None) => Some(title.clone()),
            _ => None,
        };
        let ticket = Ticket { flow: flow.id.clone(), member, how };
        match self.keep(flow, &state, &secret, &ticket).await {
            Ok(true) => {}
            Ok(false) => return self.turned_away(browser, Astray::Closed).await,
            Err(why) => return self.no_room(flow, why.to_string()).await,
        }
        let member = ticket.member;
        self.record(
            flow,
            match &target {
                Some(_) => What::Sent { member, to_ref: decisions::reference(&state) },
                None => What::PasswordAsked { member },
            },
        );
        let response = match (page, target) {
            (_, Some(url)) => pages::redirect(url.as_str()),
            (title, None) => {
                let username = flow.request.ask.login_hint.as_deref().unwrap_or_default();
                let form = SignIn { title: &title.unwrap_or_default(), state: &state, username, error: None };
                pages::sign_in(self.frame(flow.reference()), StatusCode::OK, &form)
            }
        };
        self.with_login_cookies(browser, flow, &state, &secret, response)
    }

    async fn keep(
        &self,
        flow: &Flow,
        state: &str,
        secret: &str,
        ticket: &Ticket,
    ) -> Result<bool, mangrove_cache::CacheError> {
        if !self.book.keep(flow).await? {
            return Ok(false);
        }
        self.book.issue(state, secret, ticket).await.map(|()| true)
    }

    /// Nobody can vouch now: the application's request is kept, and the page tries again by itself. A node that sent the
    /// browser here is told instead: it may know somebody else, and if not it has such a page nearer to the person.
    async fn nobody_left(&self, browser: &Browser, mut flow: Flow) -> Response {
        if flow.silent() || flow.came_over_a_node() {
            let cause = Why { member: None, fault: Fault::Upstream, why: "nobody left to ask".to_owned() };
            let words = "Nobody who could vouch can be reached.".to_owned();
            let response = self.refuse(&flow, Refusal::TemporarilyUnavailable, words, cause).await;
            return with_crumbs(response, self.cookies.clear_logins_of(browser, &flow.id));
        }
        let seconds =
            AGAIN_AFTER[usize::try_from(flow.rounds).unwrap_or(usize::MAX).min(AGAIN_AFTER.len() - 1)];
        flow.rounds += 1;
        flow.tried.clear();
        match self.book.keep(&flow).await {
            Ok(true) => {}
            Ok(false) => return self.turned_away(browser, Astray::Closed).await,
            Err(why) => return self.no_room(&flow, why.to_string()).await,
        }
        let frame = self.frame(flow.reference());
        let page = |suffix: &str| {
            let again = format!("{}?login={suffix}", crate::callback::AGAIN_PATH);
            pages::nobody_left(frame, &flow.request.app, &again, seconds)
        };
        if let Some(suffix) = self.cookies.login_of(browser, &flow.id) {
            return with_crumbs(
                page(suffix),
                self.cookies.renew_login(browser, suffix).into_iter().collect(),
            );
        }
        let state = ambient::token();
        let response = page(&self.cookies.suffix(&state));
        self.with_login_cookies(browser, &flow, &state, &ambient::token(), response)
    }

    /// This node cannot keep one more login in progress; who can ask somebody else is told so.
    pub(crate) async fn no_room(&self, flow: &Flow, why: String) -> Response {
        let page = Page::no_room(why);
        if !(flow.silent() || flow.came_over_a_node()) {
            return self.page(flow, &page).await;
        }
        let words = page.heading.to_owned();
        self.refuse(flow, Refusal::TemporarilyUnavailable, words, page.why).await
    }

    async fn looped(&self, flow: &Flow, found: &loops::Loop) -> Response {
        let page = Page {
            status: StatusCode::LOOP_DETECTED,
            heading: "This sign-in goes round in circles",
            words: vec![
                "The services that sign you in send you back and forth without an end, so it was stopped here."
                    .to_owned(),
                "Wait a minute before you try again. If it happens again, tell whoever runs the application."
                    .to_owned(),
            ],
            why: Why { member: None, fault: Fault::Settings, why: found.to_string() },
        };
        self.page(flow, &page).await
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

/// Who had a part in an end, and why, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Why {
    /// The member at which it ended.
    pub(crate) member: Option<String>,
    /// Who is to blame.
    pub(crate) fault: Fault,
    /// In words.
    pub(crate) why: String,
}

/// A page that ends a login.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Its status.
    pub(crate) status: StatusCode,
    /// What happened.
    pub(crate) heading: &'static str,
    /// More words.
    pub(crate) words: Vec<String>,
    /// For the log.
    pub(crate) why: Why,
}

impl Page {
    fn no_room(why: String) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            heading: "Too many people are signing in right now",
            words: vec!["Wait a moment, then try again.".to_owned()],
            why: Why { member: None, fault: Fault::Node, why },
        }
    }

    fn too_large() -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            heading: "The application asks too much",
            words: vec!["Its request to sign you in is larger than any honest one.".to_owned()],
            why: Why { member: None, fault: Fault::Application, why: "the request is too large".to_owned() },
        }
    }
}

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

/// What an application is told when a member said no to the person.
fn rejection(oauth_error: Option<&str>, silent: bool) -> Refusal {
    match (silent, oauth_error) {
        (true, Some("interaction_required" | "consent_required" | "account_selection_required")) => {
            Refusal::InteractionRequired
        }
        (true, _) => Refusal::LoginRequired,
        (false, _) => Refusal::AccessDenied,
    }
}

pub(crate) fn ended(end: End, flow: &Flow) -> What {
    let took = ambient::now().since(flow.began);
    What::Ended { end, milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
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
