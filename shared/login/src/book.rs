//! Logins in progress, in the cache: a [`Flow`] for each login, a [`Ticket`] for each attempt.
//!
//! A ticket's key is a hash over the attempt's one-time `state` *and* the secret in the browser's login cookie: with only
//! one of the two there is nothing to find, nothing to use up, and nobody else's login is touched. Tickets are taken once;
//! a flow is closed by taking it, which one answer can do, so that of several attempts of one login one ends it.
//!
//! Every attempt that lies here stands in its login's list, however many requests of one login are under way at once: by that list
//! attempts are counted, bounded and dropped. Nobody writes a login down from what they read a while ago without it.

use std::time::Duration;

use mangrove_cache::{Cache, CacheError, Records, Shelf};
use mangrove_connectors::{Once, Pending, Prompt};
use mangrove_continuity::Moment;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::cookies::{LOGIN_SECONDS, MOST_LOGINS};
use crate::returned::{Away, Mark};
use crate::trip::Trip;
use crate::{Request, digest, layout::Reference};

const FLOWS: Shelf = Shelf("login.flow");
const TICKETS: Shelf = Shelf("login.ticket");
const MARKS: Shelf = Shelf("login.mark");
const SPENT: Shelf = Shelf("login.spent");
const TRIPS: Shelf = Shelf("login.logout");
const TRIPS_OF: Shelf = Shelf("login.logouts-of");

const LIFE: Duration = Duration::from_secs(LOGIN_SECONDS);

/// How long a logout that is over can be repeated.
const AGAIN: Duration = Duration::from_secs(60);

/// How many logouts of one person are kept at a time. Each needs a login that succeeded; the bound is for who signs in and out for
/// ever to fill the room.
const MOST_TRIPS: usize = 20;

/// A login in progress: the application's request and how far it got.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// 256 random bits; only the browser's login cookies have them.
    pub(crate) id: String,
    /// Id in the decision log.
    pub(crate) login_id: String,
    /// What the application asked.
    pub(crate) request: Request,
    /// Members asked so far in this round.
    pub(crate) tried: Vec<String>,
    /// Where the browser is, if it was sent away and has not come back.
    #[serde(default)]
    pub(crate) away: Option<Away>,
    /// Members from which this browser came back unanswered lately.
    #[serde(default)]
    pub(crate) avoid: Vec<String>,
    /// Keys of its newest attempts, the newest last; some may be used up. Others may have been added since it was read.
    #[serde(default)]
    pub(crate) attempts: Vec<String>,
    /// It is not kept yet; one that was read is.
    #[serde(skip)]
    pub(crate) is_new: bool,
    /// How often nobody was left.
    pub(crate) rounds: u32,
    /// The browser, as the loop guard counts it.
    pub(crate) browser: String,
    /// When it began, on the clock of the node that began it; for durations in the log.
    pub(crate) began: Moment,
}

impl Flow {
    /// A login that begins, in the browser of this id.
    pub(crate) fn new(id: String, login_id: String, request: Request, browser: String, now: Moment) -> Self {
        Self {
            id,
            login_id,
            request,
            tried: Vec::new(),
            away: None,
            avoid: Vec::new(),
            attempts: Vec::new(),
            is_new: true,
            rounds: 0,
            browser,
            began: now,
        }
    }

    /// No page may be shown.
    pub(crate) fn silent(&self) -> bool {
        self.request.ask.prompt == Some(Prompt::None)
    }

    /// A node of the mesh sent the browser, as the browser says: that node has a page of its own, and perhaps others to ask.
    pub(crate) fn came_over_a_node(&self) -> bool {
        self.request.ask.hops.len() > 1
    }

    /// What its pages tell people to say when they ask for help.
    pub(crate) fn reference(&self) -> Option<Reference<'_>> {
        Some(Reference::Login(&self.login_id))
    }
}

/// One attempt of a login at one member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// The login.
    pub(crate) flow: String,
    /// The connector.
    pub(crate) member: String,
    /// How it is asked.
    pub(crate) how: How,
}

/// How a member is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// The browser was sent there.
    Redirect(Box<Pending>),
    /// This node shows a page.
    Password {
        /// Whose password is asked for.
        title: String,
    },
}

/// The cache, as this room uses it.
#[derive(Clone)]
pub(crate) struct Book<R = Cache> {
    cache: R,
}

impl<R: Records> Book<R> {
    /// Over a cache.
    pub(crate) fn new(cache: R) -> Self {
        Self { cache }
    }

    /// Keeps a login for another 15 minutes; false if it was closed meanwhile, and closed it stays.
    pub(crate) async fn keep(&self, flow: &mut Flow) -> Result<bool, CacheError> {
        Ok(self.write(flow, None).await?.is_some())
    }

    /// Keeps a login for another 15 minutes as it is, but for this: `member` has answered; false if it was closed meanwhile.
    pub(crate) async fn has_answered(&self, flow: &Flow, member: &str) -> Result<bool, CacheError> {
        self.change(&flow.id, |there| _ = there.away.take_if(|away| away.member == member)).await
    }

    /// A login that is still open.
    pub(crate) async fn flow(&self, id: &str) -> Result<Option<Flow>, CacheError> {
        Ok(read(self.cache.get(FLOWS, &flow_key(id)).await?))
    }

    /// Closes a login; true for the one who did. One that is new is nobody else's, and closed whether it was kept or not.
    /// It has all its attempts then.
    pub(crate) async fn close(&self, flow: &mut Flow) -> Result<bool, CacheError> {
        let taken = match self.cache.take(FLOWS, &flow_key(&flow.id)).await {
            Err(why) if flow.is_new => {
                tracing::warn!(login = flow.login_id, %why, "a login could not be closed; it expires by itself");
                return Ok(true);
            }
            taken => taken?,
        };
        let was_open = taken.is_some();
        if let Some(Flow { attempts, .. }) = read(taken) {
            flow.attempts = attempts;
        }
        Ok(was_open || flow.is_new)
    }

    /// What was noticed about a login that was sent to a member.
    pub(crate) async fn mark(&self, flow: &str, member: &str) -> Result<Option<Mark>, CacheError> {
        Ok(read(self.cache.get(MARKS, &mark_key(flow, member)).await?))
    }

    /// Keeps what was noticed.
    pub(crate) async fn keep_mark(&self, flow: &str, member: &str, mark: &Mark) -> Result<(), CacheError> {
        self.put(MARKS, &mark_key(flow, member), mark).await
    }

    /// Keeps an attempt of a login, and the login for another 15 minutes; false if it was closed meanwhile. A browser has a
    /// cookie for its newest attempts only, so an older one goes.
    pub(crate) async fn issue(
        &self,
        flow: &mut Flow,
        state: &str,
        secret: &str,
        ticket: &Ticket,
    ) -> Result<bool, CacheError> {
        let key = ticket_key(state, secret);
        // It lies there before it stands in the list: whoever drops what stands there finds it.
        self.put(TICKETS, &key, ticket).await?;
        match self.write(flow, Some(&key)).await {
            Ok(Some(too_old)) => {
                for key in too_old {
                    self.cache.take(TICKETS, &key).await?;
                }
                Ok(true)
            }
            not_listed => {
                self.cache.take(TICKETS, &key).await?;
                not_listed.map(|_| false)
            }
        }
    }

    /// Writes a login down with all its attempts, those that were added since it was read and `one_more` among them; which are too
    /// old now. None if it was closed meanwhile. Whom it has tried, and all else, is as the last writer has it.
    async fn write(
        &self,
        flow: &mut Flow,
        one_more: Option<&str>,
    ) -> Result<Option<Vec<String>>, CacheError> {
        let mut too_old = Vec::new();
        let mut add = |attempts: &mut Vec<String>| {
            attempts.extend(one_more.map(str::to_owned));
            too_old = attempts.drain(..attempts.len().saturating_sub(MOST_LOGINS)).collect();
        };
        if flow.is_new {
            add(&mut flow.attempts);
            return self.put(FLOWS, &flow_key(&flow.id), &*flow).await.map(|()| Some(too_old));
        }
        let id = flow.id.clone();
        let change = |there: &mut Flow| {
            flow.attempts = std::mem::take(&mut there.attempts);
            add(&mut flow.attempts);
            there.clone_from(flow);
        };
        Ok(self.change(&id, change).await?.then_some(too_old))
    }

    /// Keeps what `change` makes of a login as it lies here for another 15 minutes, and undoes nobody else's change; false if it was
    /// closed meanwhile.
    async fn change(&self, id: &str, mut change: impl FnMut(&mut Flow)) -> Result<bool, CacheError> {
        let key = flow_key(id);
        while let Some(was) = self.cache.get(FLOWS, &key).await? {
            let Ok(mut flow) = serde_json::from_slice::<Flow>(&was) else { break };
            change(&mut flow);
            if self.cache.exchange(FLOWS, &key, &was, json(&flow), LIFE).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops a login that has to make room, with all its attempts.
    pub(crate) async fn evict(&self, id: &str) -> Result<(), CacheError> {
        let flow: Option<Flow> = read(self.cache.take(FLOWS, &flow_key(id)).await?);
        for key in flow.into_iter().flat_map(|flow| flow.attempts) {
            self.cache.take(TICKETS, &key).await?;
        }
        Ok(())
    }

    /// Drops what a login that is over leaves behind: its other attempts, and what was noticed about it.
    pub(crate) async fn clear_after(&self, flow: &Flow) -> Result<(), CacheError> {
        for key in &flow.attempts {
            self.cache.take(TICKETS, key).await?;
        }
        for member in flow.tried.iter().chain(flow.away.as_ref().map(|away| &away.member)) {
            self.cache.take(MARKS, &mark_key(&flow.id, member)).await?;
        }
        Ok(())
    }

    /// Looks at an attempt.
    pub(crate) async fn look(&self, state: &str, secret: &str) -> Result<Option<Ticket>, CacheError> {
        Ok(read(self.cache.get(TICKETS, &ticket_key(state, secret)).await?))
    }

    /// Uses up an attempt; true for the one who did.
    pub(crate) async fn take(&self, state: &str, secret: &str) -> Result<bool, CacheError> {
        Ok(self.cache.take(TICKETS, &ticket_key(state, secret)).await?.is_some())
    }

    /// Keeps an attempt for another 15 minutes; false if it was used up meanwhile.
    pub(crate) async fn renew(&self, state: &str, secret: &str, ticket: &Ticket) -> Result<bool, CacheError> {
        self.cache.replace(TICKETS, &ticket_key(state, secret), json(ticket), LIFE).await
    }

    /// Uses up what `issuer` signed and a browser carried here; true for the one who did. It is remembered until it is good
    /// for nothing any more, but no longer than an attempt lives: it answered one, which nobody can bring it to again, or
    /// nobody asked for it, and then it has to be younger. So a
    /// provider whose assertions are good for a day does not fill the room for a day.
    pub(crate) async fn first_use(
        &self,
        issuer: Option<&str>,
        once: &Once,
        unix: u64,
    ) -> Result<bool, CacheError> {
        let key = digest::text("once", &[issuer.unwrap_or_default().as_bytes(), once.id.as_bytes()]);
        let left = Duration::from_secs(once.until.saturating_sub(unix).saturating_add(1));
        self.cache.put_new(SPENT, &key, Vec::new(), left.min(LIFE)).await
    }

    /// Keeps a logout; of too many of one person the oldest goes.
    pub(crate) async fn keep_trip(&self, id: &str, trip: &Trip) -> Result<(), CacheError> {
        for too_old in self.list_trip(&trip.person, id).await? {
            self.cache.take(TRIPS, &trip_key(&too_old)).await?;
        }
        self.put(TRIPS, &trip_key(id), trip).await
    }

    /// Lists a logout as its person's newest, undoing nobody else's; those that are one too many.
    async fn list_trip(&self, person: &str, id: &str) -> Result<Vec<String>, CacheError> {
        loop {
            let was = self.cache.get(TRIPS_OF, person).await?;
            let mut ids: Vec<String> = read(was.clone()).unwrap_or_default();
            ids.retain(|there| there != id);
            ids.push(id.to_owned());
            let too_old = ids.drain(..ids.len().saturating_sub(MOST_TRIPS)).collect();
            let listed = match &was {
                Some(was) => self.cache.exchange(TRIPS_OF, person, was, json(&ids), LIFE).await?,
                None => self.cache.put_new(TRIPS_OF, person, json(&ids), LIFE).await?,
            };
            if listed {
                return Ok(too_old);
            }
        }
    }

    /// A logout on its way.
    pub(crate) async fn trip(&self, id: &str) -> Result<Option<Trip>, CacheError> {
        Ok(read(self.cache.get(TRIPS, &trip_key(id)).await?))
    }

    /// It is over, and found only by a request that comes again at once.
    pub(crate) async fn end_trip(&self, id: &str, trip: &Trip) -> Result<bool, CacheError> {
        self.cache.replace(TRIPS, &trip_key(id), json(trip), AGAIN).await
    }

    async fn put(&self, shelf: Shelf, key: &str, value: &impl Serialize) -> Result<(), CacheError> {
        self.cache.put(shelf, key, json(value), LIFE).await
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data with text keys becomes JSON")
}

/// What cannot be read is as good as gone: another version of this node wrote it.
fn read<T: DeserializeOwned>(bytes: Option<Vec<u8>>) -> Option<T> {
    serde_json::from_slice(&bytes?).ok()
}

/// Whether each attempt on these shelves stands in its login's list, if that is open.
#[cfg(test)]
pub(crate) fn all_are_listed(shelves: &std::collections::BTreeMap<(&'static str, String), Vec<u8>>) -> bool {
    let mut attempts = shelves.iter().filter(|((shelf, _), _)| *shelf == TICKETS.0);
    attempts.all(|((_, key), ticket)| {
        let ticket: Option<Ticket> = read(Some(ticket.clone()));
        let flow = ticket.and_then(|ticket| shelves.get(&(FLOWS.0, flow_key(&ticket.flow))));
        let flow: Option<Flow> = read(flow.cloned());
        flow.is_none_or(|flow| flow.attempts.contains(key))
    })
}

fn flow_key(id: &str) -> String {
    digest::text("flow", &[id.as_bytes()])
}

fn mark_key(flow: &str, member: &str) -> String {
    digest::text("mark", &[flow.as_bytes(), member.as_bytes()])
}

/// Where an attempt lies.
#[cfg(test)]
pub(crate) fn place_of_an_attempt(state: &str, secret: &str) -> (&'static str, String) {
    (TICKETS.0, ticket_key(state, secret))
}

fn trip_key(id: &str) -> String {
    digest::text("logout", &[id.as_bytes()])
}

fn ticket_key(state: &str, secret: &str) -> String {
    digest::text("ticket", &[state.as_bytes(), secret.as_bytes()])
}
