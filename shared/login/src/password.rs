//! The sign-in page's form: `POST /login/password`.
//!
//! The form carries the attempt's one-time `state`, the browser the login cookie that belongs to it: without both there is
//! no attempt, which is what keeps another site from posting it. Guessing is delayed by [`crate::guessing`]. The right
//! password uses the attempt up and the browser goes on by 303; a wrong one shows the page again. A password is looked at
//! by the connector whose name stood on the page and by nobody else: where that one cannot be used, the login goes on with
//! the next member, which asks anew.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use mangrove_connectors::failure::WRONG_PASSWORD;
use mangrove_connectors::{Failure, Identity};
use mangrove_continuity::Blame;
use mangrove_keys::ambient;
use url::form_urlencoded;

use crate::Browser;
use crate::book::{Flow, How, Ticket};
use crate::decisions::{Fault, What};
use crate::guessing::{self, Attempt, Verdict};
use crate::login::{Login, with_crumbs};
use crate::pages::{self, SignIn};
use crate::steps::{self, Astray};

/// Most bytes of a user name and of a password.
const LONGEST_USERNAME: usize = 256;
const LONGEST_PASSWORD: usize = 1024;

const EMPTY: &str = "Type your user name and your password.";
const BUSY: &str = "Too many people are signing in right now. Wait a moment, then try again.";

/// What was typed.
struct Typed {
    state: String,
    username: String,
    password: zeroize::Zeroizing<String>,
}

/// The form was posted.
pub(crate) async fn posted(State(login): State<Arc<Login>>, browser: Browser, form: Bytes) -> Response {
    let Some(typed) = Typed::parse(&form) else { return login.turned_away(&browser, Astray::NoState).await };
    match login.password_attempt(&browser, &typed.state).await {
        Ok(Ok((flow, ticket, title))) => login.try_password(&browser, flow, ticket, &title, typed).await,
        Ok(Err(astray)) => login.turned_away(&browser, astray).await,
        Err(why) => login.cache_failed(&browser, &why),
    }
}

/// Somebody came back to the form's address without the form.
pub(crate) async fn revisited(State(login): State<Arc<Login>>, browser: Browser) -> Response {
    login.turned_away(&browser, Astray::NoState).await
}

impl Typed {
    fn parse(form: &[u8]) -> Option<Self> {
        let (mut state, mut username, mut password) = (None, None, None);
        for (name, value) in form_urlencoded::parse(form).take(8) {
            let place = match &*name {
                "state" => &mut state,
                "username" => &mut username,
                "password" => &mut password,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return None; // twice the same field: not our form
            }
        }
        let password = zeroize::Zeroizing::new(password?);
        Some(Self { state: state?, username: username?, password })
    }

    /// What can be said about it without asking anybody.
    fn obvious(&self) -> Option<&'static str> {
        if self.username.trim().is_empty() || self.password.is_empty() {
            return Some(EMPTY);
        }
        let too_long = self.username.len() > LONGEST_USERNAME || self.password.len() > LONGEST_PASSWORD;
        too_long.then_some(WRONG_PASSWORD)
    }
}

impl Login {
    async fn password_attempt(
        &self,
        browser: &Browser,
        state: &str,
    ) -> Result<Result<(Flow, Ticket, String), Astray>, mangrove_cache::CacheError> {
        let Some(cookie) = self.cookies.login(browser, state) else { return Ok(Err(Astray::OtherBrowser)) };
        let Some(ticket) = self.book.look(state, cookie.secret).await? else { return Ok(Err(Astray::Spent)) };
        let How::Password { title } = ticket.how.clone() else { return Ok(Err(Astray::OtherPath)) };
        let Some(flow) = self.book.flow(&ticket.flow).await? else { return Ok(Err(Astray::Closed)) };
        Ok(Ok((flow, ticket, title)))
    }

    async fn try_password(
        &self,
        browser: &Browser,
        flow: Flow,
        ticket: Ticket,
        title: &str,
        typed: Typed,
    ) -> Response {
        let page = |status, error: &str| {
            let form =
                SignIn { title, state: &typed.state, username: typed.username.trim(), error: Some(error) };
            pages::sign_in(self.frame(flow.reference()), status, &form)
        };
        if let Some(error) = typed.obvious() {
            return page(StatusCode::FORBIDDEN, error);
        }
        let verdict = self.admit(browser, &ticket.member, &typed.username).await;
        let guess = match verdict {
            Verdict::Wait(delay, guess) => {
                tokio::time::sleep(delay).await;
                guess
            }
            Verdict::Later(delay) => {
                let seconds = delay.as_secs().max(1);
                self.record(&flow, What::MadeToWait { member: ticket.member, seconds });
                let words = format!("Too many wrong passwords. Wait {seconds} seconds, then try again.");
                let mut response = page(StatusCode::TOO_MANY_REQUESTS, &words);
                pages::retry_after(&mut response, seconds);
                return response;
            }
            Verdict::Full | Verdict::Crowded => {
                self.too_busy(&flow);
                return busy(page(StatusCode::SERVICE_UNAVAILABLE, BUSY));
            }
        };
        let Some(seat) = self.plan().seat(&flow.request.idps, &ticket.member) else {
            return self.turned_away(browser, Astray::Closed).await;
        };
        let (username, from) = (typed.username.trim(), browser.address.into());
        let outcome = seat.connector.verify_password(username, &typed.password, from).await;
        match self.weigh(outcome, guess) {
            Weighed::Right(identity) => self.right(browser, flow, &typed, *identity).await,
            Weighed::Refused(failure) => {
                self.record(&flow, What::WrongPassword { member: ticket.member, why: failure.log });
                page(StatusCode::FORBIDDEN, &failure.outside)
            }
            Weighed::Busy => {
                self.too_busy(&flow);
                busy(page(StatusCode::SERVICE_UNAVAILABLE, BUSY))
            }
            Weighed::Failed(failure) => {
                if let Err(astray) = self.use_up(browser, &typed.state).await {
                    return astray;
                }
                let step = steps::came_of(&self.at(browser), flow, ticket.member, Err(failure)).await;
                self.show_or_fail(browser, step).await
            }
        }
    }

    /// A password was not looked at because too many are; the person may try again.
    fn too_busy(&self, flow: &Flow) {
        let (login, blame) = (flow.login_id.as_str(), Fault::Node.word());
        tracing::warn!(
            login,
            app = flow.request.app,
            blame,
            "too many passwords at once: one was not looked at"
        );
    }

    async fn admit(&self, browser: &Browser, connector: &str, account: &str) -> Verdict {
        let device = self.cookies.device(browser);
        let device = self.devices.known(device, connector, account, ambient::unix_now());
        let attempt = Attempt { connector, account, address: browser.address, device: device.as_deref() };
        self.guessing.admit_in_turn(&attempt).await
    }

    /// Says to the counters what an outcome was: only a refused password counts.
    fn weigh(&self, outcome: Result<Identity, Failure>, guess: guessing::Ticket) -> Weighed {
        match outcome {
            Ok(identity) => {
                guess.right();
                Weighed::Right(Box::new(identity))
            }
            Err(failure) if failure.blame == Blame::Rejected => {
                drop(guess);
                Weighed::Refused(failure)
            }
            Err(failure) => {
                guess.unseen();
                if failure.busy { Weighed::Busy } else { Weighed::Failed(failure) }
            }
        }
    }

    async fn right(&self, browser: &Browser, flow: Flow, typed: &Typed, identity: Identity) -> Response {
        if let Err(astray) = self.use_up(browser, &typed.state).await {
            return astray;
        }
        let member = identity.connector.clone();
        let known = self.cookies.device(browser);
        let device = self.devices.remember(known, &member, &typed.username, ambient::unix_now());
        let step = steps::came_of(&self.at(browser), flow, member, Ok(identity)).await;
        let response = self.show_or_fail(browser, step).await;
        with_crumbs(response, vec![self.cookies.set_device(&device)])
    }

    /// Uses up the attempt of a `state`; the page to show if another was quicker.
    async fn use_up(&self, browser: &Browser, state: &str) -> Result<(), Response> {
        let secret = self.cookies.login(browser, state).map(|cookie| cookie.secret).unwrap_or_default();
        match self.book.take(state, secret).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.turned_away(browser, Astray::Spent).await),
            Err(why) => Err(self.cache_failed(browser, &why)),
        }
    }
}

/// What came of a password.
enum Weighed {
    Right(Box<Identity>),
    Refused(Failure),
    Busy,
    Failed(Failure),
}

fn busy(mut response: Response) -> Response {
    pages::retry_after(&mut response, 5);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_a_field_twice_or_missing_is_not_ours() {
        assert!(Typed::parse(b"state=s&username=a&password=p").is_some());
        assert!(Typed::parse(b"state=s&username=a&username=b&password=p").is_none());
        assert!(Typed::parse(b"username=a&password=p").is_none());
    }

    #[test]
    fn an_empty_password_is_refused_before_anybody_is_asked() {
        let typed = Typed::parse(b"state=s&username=alice&password=").unwrap();
        assert_eq!(typed.obvious(), Some(EMPTY));
        let typed =
            Typed::parse(format!("state=s&username=a&password={}", "x".repeat(2000)).as_bytes()).unwrap();
        assert_eq!(typed.obvious(), Some(WRONG_PASSWORD));
    }
}
