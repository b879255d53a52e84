//! A person signs out: opens the page that ends the session, goes on wherever a page asks or leads on, and comes back to the
//! application, if they do. Then they look whether it still knows them. One try: whoever does not come back leaves it at that.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use url::Url;

use super::browser::{Browser, Navigation};
use super::page::{Content, Page, Purpose};
use super::spec::{PersonSpec, SignsOut};
use crate::history::{self, Remains, SignOut, SignOutOutcome, Trouble};

/// Pages that one sign-out may lead over before a person takes it for a circle.
const MOST_PAGES: usize = 12;

/// Signs out with this browser.
pub async fn sign_out(
    person: &PersonSpec,
    how: &SignsOut,
    region: &str,
    browser: &mut Browser,
    patience: Duration,
) -> SignOut {
    let start = history::now();
    browser.take_hops();
    let (mut notices, mut still) = (Vec::new(), Vec::new());
    let outcome = walk(person, how, browser, patience, &mut notices, &mut still).await;
    if let Some(page) = how.page.as_ref().and_then(|page| Url::parse(page).ok())
        && let Ok(page) = browser.open(Navigation::typed(&page), patience).await
        && said(&page, &person.url).is_some()
    {
        still.push(if how.at.is_some() { Remains::Tokens } else { Remains::Page });
    }
    SignOut {
        person: person.name.clone(),
        app: person.app.clone(),
        region: region.to_owned(),
        began_at: how.at.clone(),
        start,
        outcome,
        notices,
        still,
        hops: browser.take_hops(),
    }
}

async fn walk(
    person: &PersonSpec,
    how: &SignsOut,
    browser: &mut Browser,
    patience: Duration,
    notices: &mut Vec<String>,
    still: &mut Vec<Remains>,
) -> SignOutOutcome {
    let Ok(url) = Url::parse(&how.url) else {
        return SignOutOutcome::Stayed { says: "the address of the sign-out is no URL".to_owned() };
    };
    let mut going = Navigation::typed(&url);
    for _ in 0..MOST_PAGES {
        let page = match browser.open(going, patience).await {
            Ok(page) => page,
            Err(trouble) => return SignOutOutcome::NoAnswer { trouble },
        };
        if is_back(&page, person, how, still) {
            return SignOutOutcome::Back;
        }
        let content = page.content();
        going = match onward(&page, &content) {
            Some((next, after)) => {
                sleep(after.min(patience)).await;
                next
            }
            None => match content.links.iter().find(|link| link.leads_on()) {
                Some(link) => {
                    notices.push(content.words.chars().take(200).collect());
                    Navigation::followed(link, &page.url)
                }
                None => return SignOutOutcome::Stayed { says: place_and_words(&page, &content) },
            },
        };
    }
    SignOutOutcome::NoAnswer { trouble: Trouble::Redirects }
}

/// Where a page goes by itself, or by the one button that it has.
fn onward(page: &Page, content: &Content) -> Option<(Navigation, Duration)> {
    let at_once = |next| Some((next, Duration::ZERO));
    if let Some(form) = content.forms.iter().find(|form| form.purpose() == Purpose::CarryOn) {
        return at_once(Navigation::carried_on(form, &page.url));
    }
    if let Some((after, to)) = &content.refresh {
        return Some((Navigation::refresh(to.clone(), &page.url), *after));
    }
    let question = content.forms.first().filter(|form| form.purpose() == Purpose::Choice);
    at_once(Navigation::filled(question.filter(|_| page.status < 400)?, "", "", 0, &page.url))
}

/// Whether the application says that nobody is signed in; where the sign-out began elsewhere, whether the way led back to it.
fn is_back(page: &Page, person: &PersonSpec, how: &SignsOut, still: &mut Vec<Remains>) -> bool {
    if how.at.is_some() {
        return is_at(page, &person.url);
    }
    let Some(said) = said(page, &person.url).filter(|said| said["signed_out"] == true) else { return false };
    if said["tokens_work"] == true {
        still.push(Remains::Tokens);
    }
    true
}

/// What the application answers with data.
fn said(page: &Page, home: &str) -> Option<Value> {
    let data = page.status == 200 && page.kind == "application/json" && is_at(page, home);
    data.then(|| serde_json::from_str(&page.body).ok()).flatten()
}

fn is_at(page: &Page, home: &str) -> bool {
    Url::parse(home).is_ok_and(|home| home.origin() == page.url.origin())
}

fn place_and_words(page: &Page, content: &Content) -> String {
    let place = page.url.host_str().unwrap_or_default();
    format!("{} from {place}: {}", page.status, content.says).chars().take(200).collect()
}
