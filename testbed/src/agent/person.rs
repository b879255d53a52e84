//! One login by one person: types the application's address (or first a provider's, where a habit says so), fills in what asks to be filled in, and when a page does
//! not come, does what patient people do: waits, reloads once, goes back to the application and starts again. Where nothing has
//! come since the address was typed there is nothing to reload: typing it again is starting again.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use super::browser::{Browser, How, Navigation};
use super::page::{Content, Form, Page, Purpose};
use super::spec::PersonSpec;
use crate::history::{self, Acts, Login, Micros, Seen, Trouble, Who, micros};

/// Pages that one start at the application may lead over before a person takes it for a circle.
const MOST_PAGES: usize = 20;
/// How long somebody looks at a page of no use before starting again.
const READING: Duration = Duration::from_secs(3);
/// A password typed so often in one start is not going to be taken.
const MOST_PASSWORDS: u32 = 3;

/// Until somebody whose patience is over has pressed a key.
const REACTION: Duration = Duration::from_millis(500);

/// How patient people are here.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// With one page.
    pub page: Duration,
    /// How often they start again.
    pub restarts: u32,
}

/// A person in front of a browser, in one login.
pub struct Attempt<'a> {
    person: &'a PersonSpec,
    patience: Patience,
    /// The browser, with its hops.
    pub browser: Browser,
    acts: Acts,
    start: Micros,
    passwords_here: u32,
    login_id: Option<String>,
    who: Option<Who>,
}

/// What a start at the application led to.
enum Pass {
    /// The login has ended like this.
    Ended(Seen),
    /// Worth starting again; like this if that is not done any more.
    Failed(Seen),
}

/// What a page leads to.
enum Next {
    Go(Navigation),
    Wait(Instant, Navigation),
    Done(Pass),
}

impl<'a> Attempt<'a> {
    /// Begins now, in this browser.
    pub fn new(person: &'a PersonSpec, patience: Patience, browser: Browser) -> Self {
        let start = history::now();
        Self {
            person,
            patience,
            browser,
            acts: Acts::default(),
            start,
            passwords_here: 0,
            login_id: None,
            who: None,
        }
    }

    /// Signs in, or does what can be done.
    pub async fn run(&mut self) -> Seen {
        loop {
            match self.pass().await {
                Pass::Ended(seen) => return seen,
                Pass::Failed(seen) if self.acts.restarts >= self.patience.restarts => return seen,
                Pass::Failed(seen) => {
                    if !matches!(seen, Seen::GaveUp { .. }) {
                        sleep(READING.min(self.patience.page)).await;
                    }
                    self.acts.restarts += 1;
                }
            }
        }
    }

    /// What became of it, for the history.
    pub fn finish(self, region: &str, seen: Seen) -> (Login, Browser) {
        let mut browser = self.browser;
        let login = Login {
            person: self.person.name.clone(),
            app: self.person.app.clone(),
            region: region.to_owned(),
            start: self.start,
            hops: browser.take_hops(),
            acts: self.acts,
            seen,
            who: self.who,
            login_id: self.login_id,
        };
        (login, browser)
    }

    async fn pass(&mut self) -> Pass {
        let Ok(address) = Url::parse(&self.person.url) else {
            return Pass::Ended(Seen::Stuck {
                status: 0,
                says: "the application's address is no URL".to_owned(),
            });
        };
        self.passwords_here = 0;
        let mut first_no: Option<(Instant, Micros)> = None;
        let elsewhere = self.person.begins.as_ref().filter(|_| self.acts.restarts == 0);
        let first = elsewhere.and_then(|url| Url::parse(url).ok());
        let mut going = Navigation::typed(first.as_ref().unwrap_or(&address));
        for _ in 0..MOST_PAGES {
            let began = Instant::now();
            let page = match self.open_patiently(going).await {
                Ok(page) => page,
                Err(trouble) => return Pass::Failed(Seen::GaveUp { trouble }),
            };
            if self.greeted(&page, &address) {
                return Pass::Ended(Seen::SignedIn);
            }
            match self.look(&page, began, &mut first_no) {
                Next::Go(next) => going = next,
                Next::Wait(until, next) => {
                    sleep_until(until).await;
                    going = next;
                }
                Next::Done(pass) => return pass,
            }
        }
        Pass::Failed(Seen::GaveUp { trouble: Trouble::Redirects })
    }

    /// Opens a page; where none comes, waits until the patience is over and reloads once what stands in the window.
    async fn open_patiently(&mut self, going: Navigation) -> Result<Page, Trouble> {
        let began = Instant::now();
        let typed = going.how == How::Types;
        let first = self.browser.open(going, self.patience.page).await;
        let worth_a_reload = match &first {
            Ok(page) => page.status >= 500 && page.status != 503,
            Err(_) => true,
        };
        if !worth_a_reload {
            return first;
        }
        sleep_until((began + self.patience.page).max(Instant::now()) + REACTION).await;
        if typed && matches!(first, Err(Trouble::Timeout)) {
            return first;
        }
        self.acts.reloads += 1;
        self.browser.reload(self.patience.page).await
    }

    /// Whether this is the application's greeting; then the person reads it.
    fn greeted(&mut self, page: &Page, address: &Url) -> bool {
        if page.status != 200 || page.kind != "application/json" || page.url.origin() != address.origin() {
            return false;
        }
        self.who = serde_json::from_str(&page.body).ok();
        self.who.is_some()
    }

    fn look(&mut self, page: &Page, began: Instant, first_no: &mut Option<(Instant, Micros)>) -> Next {
        let content = page.content();
        if content.login_id.is_some() {
            self.login_id.clone_from(&content.login_id);
        }
        if page.status == 503 {
            return self.told(page, content, began, first_no);
        }
        if let Some(form) = content.forms.iter().find(|form| form.purpose() == Purpose::Password) {
            return self.type_password(page, &content, form);
        }
        if let Some(form) = content.forms.iter().find(|form| form.purpose() == Purpose::CarryOn) {
            return Next::Go(Navigation::carried_on(form, &page.url));
        }
        if let Some((after, to)) = content.refresh.clone() {
            return Next::Wait(
                Instant::now() + after.min(self.patience.page),
                Navigation::refresh(to, &page.url),
            );
        }
        if page.status < 500
            && let Some(form) = content.forms.first()
        {
            // A person for whom a page did not come takes the other way.
            self.acts.choices += 1;
            let button = usize::try_from(self.acts.restarts + self.acts.reloads).unwrap_or(0);
            return Next::Go(Navigation::filled(form, &self.person.name, "", button, &page.url));
        }
        let (status, says) = (page.status, content.says);
        Next::Done(Pass::Failed(if status < 400 {
            Seen::Stuck { status, says }
        } else {
            Seen::Refused { status, says, waited: micros(began.elapsed()) }
        }))
    }

    fn type_password(&mut self, page: &Page, content: &Content, form: &Form) -> Next {
        if self.passwords_here >= MOST_PASSWORDS {
            return Next::Done(Pass::Ended(Seen::Stuck { status: page.status, says: content.says.clone() }));
        }
        let host = page.url.host_str().unwrap_or_default();
        let Some(account) = self.person.account(host, &content.words) else {
            let says = format!("{host} asks for a password of somebody unknown: {}", content.says);
            return Next::Done(Pass::Ended(Seen::Stuck { status: page.status, says }));
        };
        self.passwords_here += 1;
        self.acts.passwords += 1;
        Next::Go(Navigation::filled(form, &account.username, &account.password, 0, &page.url))
    }

    /// A page that says nobody can sign them in now. It may try again by itself for as long as patience lasts.
    fn told(
        &self,
        page: &Page,
        content: Content,
        began: Instant,
        first_no: &mut Option<(Instant, Micros)>,
    ) -> Next {
        let (since, waited) = *first_no.get_or_insert((Instant::now(), micros(began.elapsed())));
        let until = content.refresh.as_ref().map(|(after, _)| Instant::now() + *after);
        match (content.refresh, until) {
            (Some((_, to)), Some(until)) if until <= since + self.patience.page => {
                Next::Wait(until, Navigation::refresh(to, &page.url))
            }
            _ => Next::Done(Pass::Ended(Seen::Refused { status: page.status, says: content.says, waited })),
        }
    }
}
