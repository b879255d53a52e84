//! A logout on its way through upstreams' pages: whom it has to tell, and how far a browser has got.
//!
//! Whom it has to tell is kept in the cache when the session ends, and whoever comes back does not use it up: a request that comes again,
//! because somebody reloads or an answer was lost, finds it as it was and leads where it led. How far the browser has got
//! stands in its logout cookie and comes with the way it is sent, so that the two never disagree. A browser without that cookie is known
//! by what opened the session that has ended. Only that browser has the one or the other, and what is kept goes after 15 minutes.

use std::collections::BTreeSet;
use std::fmt;

use mangrove_connectors::Identity;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest;
use crate::sessions::Session;

/// Whom a logout has to tell, and what comes then.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Trip {
    /// The session that has ended.
    pub(crate) sid: String,
    /// Whose it was, as a digest.
    pub(crate) person: String,
    /// Identities whose upstreams are to be told, in order.
    pub(crate) stops: Vec<Identity>,
    /// Where the browser goes afterwards.
    pub(crate) back_to: Option<Url>,
}

impl Trip {
    /// The logout of a session that has ended.
    pub(crate) fn of(session: &Session, stops: Vec<Identity>, back_to: Option<Url>) -> Self {
        let whose = session.identities.values().next();
        let whose = whose.map(|it| digest::text("logouts of", &[it.via.as_bytes(), it.sub.as_bytes()]));
        Self { sid: session.sid.to_string(), person: whose.unwrap_or_default(), stops, back_to }
    }

    /// The end of it, where nobody can be told.
    pub(crate) fn untellable(&self) -> Leg {
        Leg { at: self.stops.len(), untold: (0..self.stops.len()).collect(), ..Leg::default() }
    }

    /// Connectors that could not be told.
    pub(crate) fn untold(&self, leg: &Leg) -> BTreeSet<&str> {
        leg.untold.iter().filter_map(|at| Some(self.stops.get(*at)?.connector.as_str())).collect()
    }
}

/// How far a browser has got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leg {
    /// The logout.
    pub(crate) id: String,
    /// The stop to which it was sent.
    pub(crate) at: usize,
    /// Stops that could not be told.
    untold: Vec<usize>,
    /// What the answer from there must name, where the protocol has answers.
    asked: Option<String>,
}

impl Leg {
    /// The beginning of the logout of a session that `key` opened.
    pub(crate) fn first(key: &str) -> Self {
        Self { id: digest::text("logout of", &[key.as_bytes()]), ..Self::default() }
    }

    /// The browser is sent to this stop.
    pub(crate) fn asks(&mut self, asked: Option<String>) {
        self.asked = asked;
    }

    /// Whether the answer that it waits for names this.
    pub(crate) fn waits_for(&self, named: &str) -> bool {
        self.asked.as_deref() == Some(named)
    }

    /// The browser is back; `well` where the upstream answered that all is done.
    pub(crate) fn is_back(&mut self, well: bool) {
        if self.asked.take().is_none() || well { self.goes_on() } else { self.passes_by() }
    }

    /// This stop could not be told.
    pub(crate) fn passes_by(&mut self) {
        self.untold.push(self.at);
        self.goes_on();
    }

    fn goes_on(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// From the cookie.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let (id, at) = (parts.next()?, parts.next()?.parse().ok()?);
        let untold = parts.next()?.split('-').filter(|part| !part.is_empty());
        let untold = untold.map(str::parse).collect::<Result<_, _>>().ok()?;
        let asked = parts.next()?;
        Some(Self { id: id.to_owned(), at, untold, asked: (!asked.is_empty()).then(|| asked.to_owned()) })
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let untold: Vec<_> = self.untold.iter().map(usize::to_string).collect();
        let asked = self.asked.as_deref().unwrap_or_default();
        write!(f, "{}.{}.{}.{asked}", self.id, self.at, untold.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use mangrove_cache::Cache;

    use super::*;
    use crate::book::Book;

    fn leg(at: usize, untold: &[usize], asked: Option<&str>) -> Leg {
        Leg { at, untold: untold.to_vec(), asked: asked.map(str::to_owned), ..Leg::first("key") }
    }

    #[test]
    fn how_far_a_browser_has_got_reads_back_as_it_was_written() {
        for leg in [leg(0, &[], None), leg(3, &[0, 2], Some("_a-1.b"))] {
            assert_eq!(Leg::parse(&leg.to_string()), Some(leg));
        }
        for junk in ["", "id", "id.1", "id.1.", "id.x..", "id.1.x.", "id.-1.."] {
            assert_eq!(Leg::parse(junk), None, "{junk}");
        }
    }

    #[test]
    fn a_stop_counts_as_told_unless_its_answer_is_missing_or_says_no() {
        let after = |asked: Option<&str>, well| {
            let mut leg = leg(1, &[], asked);
            leg.is_back(well);
            (leg.at, leg.untold)
        };
        assert_eq!(after(Some("_a"), true), (2, vec![]));
        assert_eq!(after(Some("_a"), false), (2, vec![1]));
        assert_eq!(after(None, false), (2, vec![]), "its protocol has no answers");
    }

    #[tokio::test]
    async fn who_signs_out_over_and_over_loses_the_oldest_of_their_own_logouts_and_nobody_elses() {
        let book = Book::new(Cache::in_memory(1_000));
        let of = |person: &str| Trip { person: person.to_owned(), ..Trip::default() };
        book.keep_trip("another", &of("another person")).await.unwrap();
        for at in 0..30 {
            book.keep_trip(&format!("{at}"), &of("a person")).await.unwrap();
            book.keep_trip("0", &of("a person")).await.unwrap();
        }
        let mut kept = Vec::new();
        for id in (0..30).map(|at| at.to_string()).chain(["another".to_owned()]) {
            kept.extend(book.trip(&id).await.unwrap().map(|_| id));
        }
        let newest = (11..30).map(|at| at.to_string());
        let expected: Vec<_> =
            ["0".to_owned()].into_iter().chain(newest).chain(["another".to_owned()]).collect();
        assert_eq!(kept, expected, "one that is written again is the newest");
    }

    #[test]
    fn a_cookie_that_somebody_made_up_leads_past_the_end_and_no_further() {
        let mut made_up = Leg::parse(&format!("id.{}.7.", usize::MAX)).unwrap();
        made_up.is_back(false);
        assert!(
            Trip::default().stops.get(made_up.at).is_none() && Trip::default().untold(&made_up).is_empty()
        );
    }
}
