//! The browser that comes back unanswered: a node's path to a provider is not the person's path.
//!
//! Every login remembers where its browser was sent ([`Away`]); an answer, or the end of the login, takes that back. When the
//! same browser starts the same application's login again, as a person's own navigation, [`TOO_LONG`] or more after a
//! redirect that nobody answered, it goes to the next member, or is asked, for [`HOLDS`]. The record lies in the logins that
//! the browser's own login cookies name, so it is bounded by them, counts for that browser only, and is no sample.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use axum::response::Response;
use mangrove_config::continuity::OnUnanswered;
use mangrove_keys::ambient;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::Browser;
use crate::book::Flow;
use crate::callback::AGAIN_PATH;
use crate::cookies::MOST_LOGINS;
use crate::decisions::What;
use crate::login::Login;
use crate::pages;
use crate::steps;

/// Seconds after which a redirect that nobody answered counts.
pub(crate) const TOO_LONG: u64 = 10;

/// Seconds for which a browser is kept from the member that did not answer it.
const HOLDS: u64 = 300;

/// A redirect that nobody has answered yet. Times are seconds since the Unix epoch: another node may read them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Away {
    /// Where the browser was sent.
    pub(crate) member: String,
    /// When.
    at: u64,
}

/// What later logins of the same browser noticed about a redirect. Kept beside the login it belongs to, which may go on
/// or end at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// When the same login was first started again.
    noticed: Option<u64>,
    /// The person chose another way, when asked.
    agreed: bool,
    /// It counts no more: that member answered this browser since, or is to be tried again.
    forgotten: bool,
}

/// An open login of the browser that was sent away.
struct Old {
    flow: Flow,
    away: Away,
    mark: Mark,
}

/// What a person answered to the page that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onward {
    /// There again.
    Same,
    /// Another way.
    Other,
    /// Nobody was asked.
    Unasked,
}

impl Onward {
    /// From the query of a retry.
    pub(crate) fn read(query: &[u8]) -> Self {
        let way = form_urlencoded::parse(query).find(|(key, _)| key == "way").map(|(_, value)| value);
        match way.as_deref() {
            Some("same") => Self::Same,
            Some("other") => Self::Other,
            _ => Self::Unasked,
        }
    }
}

impl Away {
    /// A browser that is sent to `member` now.
    pub(crate) fn now(member: &str, unix: u64) -> Self {
        Self { member: member.to_owned(), at: unix }
    }
}

impl Mark {
    /// The browser starts again: whether it is to be kept from that member.
    fn starts_again(&mut self, away: &Away, unix: u64, too_long: u64) -> bool {
        if self.noticed.is_none() && unix.saturating_sub(away.at) >= too_long {
            self.noticed = Some(unix);
        }
        !self.forgotten && self.noticed.is_some_and(|noticed| unix.saturating_sub(noticed) < HOLDS)
    }
}

impl Login {
    /// Steers a login that starts away from members which this browser found unanswered; the page, if the person is asked.
    pub(crate) async fn steer(&self, browser: &Browser, flow: &mut Flow) -> Option<Response> {
        let unix = ambient::unix_now();
        let too_long = self.unanswered_after.load(Ordering::Relaxed);
        let mut old = self.open_logins(browser, flow).await;
        old.retain_mut(|old| {
            let (then, now) = (&old.flow.request, &flow.request);
            let same = then.app == now.app && then.idps == now.idps;
            same && old.mark.starts_again(&old.away, unix, too_long)
        });
        let last = old.first()?.away.clone();
        for Old { away, .. } in &old {
            if !flow.avoid.contains(&away.member) {
                flow.avoid.push(away.member.clone());
            }
        }
        let next = self.next_for(flow, &last.member);
        let news = old.iter().any(|old| old.mark.noticed == Some(unix));
        let agreed = old.iter().all(|old| old.mark.agreed);
        let policy = next.as_ref().map(|(_, policy)| *policy);
        let asked = policy == Some(OnUnanswered::Ask) && !agreed;
        if policy == Some(OnUnanswered::Off) {
            flow.avoid.clear();
            return None;
        }
        if news || asked {
            let seconds = unix.saturating_sub(last.at);
            let next = next.as_ref().map(|(name, _)| name.clone());
            self.record(flow, What::CameBack { member: last.member.clone(), seconds, next, asked });
        }
        if next.is_none() {
            flow.avoid.clear();
            old.iter_mut().for_each(|old| old.mark.forgotten = true);
        }
        self.keep_marks(&old).await;
        if asked { Some(self.ask_for_the_way(browser, flow.clone(), &last.member).await) } else { None }
    }

    /// A member answered this browser: whatever it did not answer before is forgotten.
    pub(crate) async fn answered_by(&self, browser: &Browser, flow: &Flow, member: &str) {
        let mut old = self.open_logins(browser, flow).await;
        old.retain(|old| old.away.member == member);
        old.iter_mut().for_each(|old| old.mark.forgotten = true);
        self.keep_marks(&old).await;
    }

    /// The person was asked and chose.
    pub(crate) async fn decided(&self, browser: &Browser, flow: &mut Flow, way: Onward) {
        if way == Onward::Unasked || flow.avoid.is_empty() {
            return;
        }
        let mut old = self.open_logins(browser, flow).await;
        old.retain(|old| flow.avoid.contains(&old.away.member));
        for Old { mark, .. } in &mut old {
            mark.agreed = way == Onward::Other;
            mark.forgotten = way == Onward::Same;
        }
        self.keep_marks(&old).await;
        if way == Onward::Same {
            flow.avoid.clear();
        }
    }

    /// Who would be next for a browser that came back from `last`, and what is then to happen. Where this node would send
    /// nobody to `last` any more, there is nothing to ask.
    fn next_for(&self, flow: &Flow, last: &str) -> Option<(String, OnUnanswered)> {
        let seats = self.plan().seats(&flow.request.idps);
        let seat = |name: &str| seats.iter().find(|seat| seat.connector.name() == name);
        let now = ambient::now();
        let next = self.choose_for(flow, &seats, &[], now).picked?;
        if flow.avoid.contains(&next) {
            return None;
        }
        if self.choose(&seats, now).picked.as_ref() == Some(&next) {
            return Some((next, OnUnanswered::Switch));
        }
        let policy = seat(last)?.on_unanswered(seat(&next)?);
        Some((next, policy))
    }

    /// The other open logins of this browser that were sent away, newest first.
    async fn open_logins(&self, browser: &Browser, flow: &Flow) -> Vec<Old> {
        let mut seen = BTreeSet::from([flow.id.as_str()]);
        let mut open = Vec::new();
        for cookie in self.cookies.logins(browser).into_iter().take(MOST_LOGINS) {
            if seen.insert(cookie.flow)
                && let Ok(Some(flow)) = self.book.flow(cookie.flow).await
                && let Some(away) = flow.away.clone()
            {
                let mark = self.book.mark(&flow.id, &away.member).await.ok().flatten().unwrap_or_default();
                open.push(Old { flow, away, mark });
            }
        }
        open
    }

    async fn keep_marks(&self, all: &[Old]) {
        for Old { flow, away, mark } in all {
            if let Err(why) = self.book.keep_mark(&flow.id, &away.member, mark).await {
                tracing::warn!(login = flow.login_id, %why, "what a browser found unanswered cannot be kept");
            }
        }
    }

    async fn ask_for_the_way(&self, browser: &Browser, flow: Flow, member: &str) -> Response {
        let flow = match steps::kept(&self.at(browser), flow, None).await {
            Ok(Ok(flow)) => flow,
            Ok(Err(step)) => return self.show(browser, step).await,
            Err(why) => return self.cache_failed(browser, &why),
        };
        let state = ambient::token();
        let suffix = self.cookies.suffix(&state);
        let frame = self.frame(flow.reference());
        let page = pages::came_back(frame, &flow.request.app, member, AGAIN_PATH, &suffix);
        self.with_login_cookies(browser, &flow, &state, &ambient::token(), page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn avoids(away: &Away, starts: &[u64]) -> Vec<bool> {
        let mut mark = Mark::default();
        starts.iter().map(|at| mark.starts_again(away, *at, TOO_LONG)).collect()
    }

    #[test]
    fn a_redirect_counts_as_unanswered_after_ten_seconds_and_for_five_minutes() {
        let away = Away::now("first", 1_000);
        assert_eq!(avoids(&away, &[1_000, 1_009]), [false, false], "a second tab is no return");
        assert_eq!(avoids(&away, &[1_010, 1_309, 1_310]), [true, true, false]);
        assert_eq!(avoids(&away, &[1_500, 1_799, 1_800]), [true, true, false], "from when it was noticed");
    }

    #[test]
    fn only_the_two_answers_are_answers() {
        assert_eq!(Onward::read(b"login=x&way=same"), Onward::Same);
        assert_eq!(Onward::read(b"way=other"), Onward::Other);
        assert_eq!(Onward::read(b"login=x&way=root-dc2"), Onward::Unasked);
    }
}
