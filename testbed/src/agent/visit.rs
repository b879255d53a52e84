//! A person with a session comes back: to a page of the application, to have it renew its tokens, or for a new login
//! that the provider's session should answer without asking. In turn, so that each kind of session is looked after.

use std::time::Duration;

use url::Url;

use super::browser::{Browser, Navigation};
use super::page::{Page, Purpose};
use super::spec::PersonSpec;
use crate::history::{self, Trouble, Visit, VisitKind, VisitOutcome, Who};

/// A protocol's own forms that one single sign-on may lead over.
const MOST_FORMS: usize = 10;

/// What a visit was, and whom the application has now.
pub struct Visited {
    /// For the history.
    pub visit: Visit,
    /// Whether the application could renew its tokens if asked.
    pub can_refresh: bool,
}

/// What visit number `turn` is for: pages mostly, and each fourth time a new login.
pub fn kind_of(turn: u64, can_refresh: bool) -> VisitKind {
    match turn % 4 {
        3 => VisitKind::SingleSignOn,
        1 if can_refresh => VisitKind::Refresh,
        _ => VisitKind::Page,
    }
}

/// Visits with this browser. One try: a person with a session just comes again later.
pub async fn visit(
    person: &PersonSpec,
    region: &str,
    browser: &mut Browser,
    kind: VisitKind,
    patience: Duration,
) -> Visited {
    let start = history::now();
    browser.take_hops();
    let (outcome, who, can_refresh) = match address(person, kind) {
        Some(url) => walk(browser, &url, kind, patience).await,
        None => (VisitOutcome::NoAnswer { trouble: Trouble::Dns }, None, false),
    };
    let visit = Visit {
        person: person.name.clone(),
        app: person.app.clone(),
        region: region.to_owned(),
        start,
        kind,
        outcome,
        hops: browser.take_hops(),
        who,
    };
    Visited { visit, can_refresh }
}

fn address(person: &PersonSpec, kind: VisitKind) -> Option<Url> {
    let home = Url::parse(&person.url).ok()?;
    let path = match kind {
        VisitKind::Page => "/me",
        VisitKind::Refresh => "/refresh",
        VisitKind::SingleSignOn => return Some(home),
    };
    home.join(path).ok()
}

async fn walk(
    browser: &mut Browser,
    url: &Url,
    kind: VisitKind,
    patience: Duration,
) -> (VisitOutcome, Option<Who>, bool) {
    let mut going = Navigation::typed(url);
    for _ in 0..MOST_FORMS {
        let page = match browser.open(going, patience).await {
            Ok(page) => page,
            Err(trouble) => return (VisitOutcome::NoAnswer { trouble }, None, false),
        };
        if page.status == 200 && page.kind == "application/json" && page.url.origin() == url.origin() {
            let can_refresh = serde_json::from_str::<serde_json::Value>(&page.body)
                .is_ok_and(|said| said["can_refresh"] == true);
            return (VisitOutcome::Kept, serde_json::from_str(&page.body).ok(), can_refresh);
        }
        let content = page.content();
        match content.forms.iter().find(|form| form.purpose() == Purpose::CarryOn) {
            Some(form) if kind == VisitKind::SingleSignOn => {
                going = Navigation::carried_on(form, &page.url);
            }
            _ => return (lost(&page, &content.says), None, false),
        }
    }
    (VisitOutcome::NoAnswer { trouble: Trouble::Redirects }, None, false)
}

/// A server error is no word about a session, except where it is all that a person with one gets from its node.
fn lost(page: &Page, says: &str) -> VisitOutcome {
    let place = page.url.host_str().unwrap_or_default();
    let says: String = format!("{} from {place}: {says}", page.status).chars().take(200).collect();
    VisitOutcome::Lost { says }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_tokens_and_single_sign_on_come_in_turn() {
        let kinds: Vec<VisitKind> = (0..4).map(|turn| kind_of(turn, true)).collect();
        assert_eq!(kinds, [VisitKind::Page, VisitKind::Refresh, VisitKind::Page, VisitKind::SingleSignOn]);
        assert_eq!(kind_of(1, false), VisitKind::Page);
    }
}
