//! The room's door: what it is built from, what modes and the runtime call, and which paths it serves.
//!
//! | path | what |
//! |---|---|
//! | redirect path of each connector, GET and POST | an upstream's answer ([`crate::callback`]) |
//! | that of a SAML connector with `/metadata` behind it, GET | this node's metadata as a service provider |
//! | `/login/password`, POST | the sign-in page's form ([`crate::password`]) |
//! | `/login/again`, GET | tries an open login again ([`crate::callback`]) |
//! | path of `singleLogout.logoutURL`, GET | ends the session, or asks ([`crate::logout`]) |
//! | `/login/sign-out`, POST | the answer to that question |
//! | path of `samlLogoutCallbackURL`, GET and POST | an upstream speaks of a logout ([`crate::door`]) |
//! | `/login/signed-out` and paths of `oauthLogoutRedirect`, GET | back from an upstream's logout page |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use futures::future::BoxFuture;
use http::header;
use mangrove_cache::Cache;
use mangrove_config::Config;
use mangrove_connectors::Connector;
use mangrove_keys::{ambient, seal::Sealer};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::book::Book;
use crate::cookies::Cookies;
use crate::crowds::Crowds;
use crate::decisions::DecisionLog;
use crate::device::Devices;
use crate::finding::Finds;
use crate::guessing::Guessing;
use crate::layout::{Frame, Reference};
use crate::loops::Unanswered;
use crate::plan::{Member, Members, Plan};
use crate::sessions::{Limits, Session, Sessions};
use crate::unasked::Unasked;
use crate::watch::{UnknownConnector, Watch};
use crate::{Mode, SessionHandle, SignedIn, callback, door, logout, pages, password, returned};

/// Most bytes of a form: a SAML response of 256 KiB, in base64, with its signs escaped.
const LARGEST_FORM: usize = 400 * 1024;

/// Media type of SAML metadata (SAML Metadata, appendix A).
const METADATA_TYPE: &str = "application/samlmetadata+xml";

/// How often sessions and cached logins that have lived their time are cleared away.
const SWEEP: Duration = Duration::from_secs(15);

/// What a login room is built from.
pub struct LoginParts {
    /// The configuration.
    pub config: Arc<Config>,
    /// All connectors.
    pub connectors: Vec<Arc<Connector>>,
    /// Where logins in progress are kept.
    pub cache: Cache,
    /// Where decisions are written.
    pub decisions: DecisionLog,
    /// Seals device cookies.
    pub sealer: Sealer,
    /// Origin under which browsers reach this node.
    pub public_url: Url,
    /// This node's opaque id on a login's way.
    pub node_id: String,
}

/// Whose sessions an operator ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Those of one person, by the subject that applications see.
    Person(String),
    /// All that one connector vouched for, at least in part.
    Upstream(String),
}

/// Browser sessions and logins in progress of one node.
pub struct Login {
    pub(crate) node_id: String,
    /// The node, as people know it.
    pub(crate) node: String,
    plan: ArcSwap<Plan>,
    /// What the plan is made of: the configuration, its connectors, and members that were found.
    config: Arc<Config>,
    connectors: Vec<Arc<Connector>>,
    members: Mutex<Members>,
    pub(crate) sources: Mutex<Vec<Arc<dyn Finds>>>,
    pub(crate) cookies: Cookies,
    pub(crate) sessions: Sessions,
    pub(crate) book: Book,
    pub(crate) watch: Arc<Watch>,
    pub(crate) decisions: DecisionLog,
    pub(crate) guessing: Arc<Guessing>,
    pub(crate) devices: Devices,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) unanswered: Unanswered,
    pub(crate) crowds: Crowds,
    pub(crate) exits: logout::Exits,
    pub(crate) fulfilled: door::Fulfilled,
    /// Seconds after which a redirect that nobody answered counts.
    pub(crate) unanswered_after: AtomicU64,
    modes: ArcSwap<BTreeMap<&'static str, Arc<dyn Mode>>>,
    redirect_paths: BTreeSet<String>,
    pub(crate) unasked: Unasked,
    /// Documents for upstreams, by path.
    documents: BTreeMap<String, Bytes>,
    cache: Cache,
}

impl Login {
    /// Builds the room; opens nothing and starts nothing.
    pub fn new(parts: LoginParts) -> Arc<Self> {
        let session = &parts.config.session;
        let sealer = Arc::new(parts.sealer);
        let idle = session.lifetime.idle_timeout.0;
        let limits = Limits {
            idle: (!idle.is_zero()).then_some(idle),
            maximum: session.lifetime.max_timeout.0,
            capacity: session.store.capacity.max(1),
        };
        let paths = parts.connectors.iter().filter_map(|c| c.redirect_path().map(str::to_owned));
        let documents = parts.connectors.iter().filter_map(|c| c.published());
        Arc::new(Self {
            node_id: parts.node_id,
            node: parts.public_url.host_str().unwrap_or("this node").to_owned(),
            plan: ArcSwap::from_pointee(Plan::new(&parts.config, &parts.connectors, &Members::new())),
            cookies: Cookies::new(&parts.public_url, &session.cookie.name),
            sessions: Sessions::new(limits),
            book: Book::new(parts.cache.clone()),
            watch: Watch::new(&parts.connectors, ambient::now()),
            decisions: parts.decisions,
            guessing: Guessing::new(),
            devices: Devices::new(Arc::clone(&sealer)),
            sealer,
            unanswered: Unanswered::new(),
            crowds: Crowds::new(parts.cache.capacity(), Cache::AVERAGE),
            unanswered_after: AtomicU64::new(returned::TOO_LONG),
            exits: logout::Exits::new(&parts.config, &parts.connectors, &parts.public_url),
            fulfilled: door::Fulfilled::default(),
            modes: ArcSwap::default(),
            redirect_paths: paths.collect(),
            unasked: Unasked::new(&parts.config, &parts.connectors),
            documents: documents.map(|(path, document)| (path, Bytes::from(document))).collect(),
            cache: parts.cache,
            members: Mutex::default(),
            sources: Mutex::default(),
            config: parts.config,
            connectors: parts.connectors,
        })
    }

    /// Who may vouch, in order, as it stands now.
    pub(crate) fn plan(&self) -> arc_swap::Guard<Arc<Plan>> {
        self.plan.load()
    }

    /// Gives a group these members, in this order. Logins that are under way go by what they find at each of their requests.
    pub(crate) fn seat_members(&self, group: &str, members: Vec<Member>) {
        let mut all = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(group.to_owned(), members);
        self.plan.store(Arc::new(Plan::new(&self.config, &self.connectors, &all)));
    }

    /// Seconds after which a redirect counts as unanswered when the browser starts again: ten, unless a test is in a hurry.
    #[doc(hidden)]
    pub fn counts_as_unanswered_after(&self, seconds: u64) {
        self.unanswered_after.store(seconds, Ordering::Relaxed);
    }

    /// Adds a downstream protocol.
    pub fn add_mode(&self, mode: Arc<dyn Mode>) {
        let added = BTreeMap::from([(mode.name(), mode)]);
        self.modes.rcu(|modes| {
            modes.iter().chain(&added).map(|(n, m)| (*n, Arc::clone(m))).collect::<BTreeMap<_, _>>()
        });
    }

    /// Redirect paths of connectors, sign-in page, single logout.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut routes: BTreeMap<String, MethodRouter<Arc<Self>>> = BTreeMap::new();
        for path in self.redirect_paths.iter().filter(|path| routable(path)) {
            routes.insert(path.clone(), get(callback::by_query).post(callback::by_form));
        }
        for (path, document) in self.documents.iter().filter(|(path, _)| routable(path)) {
            let document = document.clone();
            routes
                .insert(path.clone(), get(|| async { ([(header::CONTENT_TYPE, METADATA_TYPE)], document) }));
        }
        for path in self.exits.doors().filter(|path| routable(path)) {
            routes.insert(path.to_owned(), get(door::by_query).post(door::by_form));
        }
        for path in self.exits.return_paths().filter(|path| routable(path)) {
            routes.entry(path.to_owned()).or_insert_with(|| get(logout::back));
        }
        if let Some(path) = self.exits.logout_path().filter(|path| routable(path)) {
            routes.entry(path.to_owned()).or_insert_with(|| get(logout::asked));
        }
        routes.insert(logout::SIGN_OUT_PATH.to_owned(), post(logout::confirmed));
        routes.insert(pages::PASSWORD_PATH.to_owned(), post(password::posted).get(password::revisited));
        routes.insert(callback::AGAIN_PATH.to_owned(), get(callback::again));
        routes
            .into_iter()
            .fold(Router::new(), |router, (path, route)| router.route(&path, route))
            .layer(DefaultBodyLimit::max(LARGEST_FORM))
            .with_state(Arc::clone(self))
    }

    /// The session behind a handle, if it lives; using it keeps it from being idle.
    pub async fn session(&self, handle: &SessionHandle) -> Option<SignedIn> {
        self.sessions.by_sid(&handle.sid, ambient::now())?.signed_in(&handle.via)
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Ends sessions at an operator's word, with all tokens that end with them; how many there were.
    ///
    /// # Errors
    /// No such connector.
    pub async fn end_sessions(&self, whose: &Whose) -> Result<usize, UnknownConnector> {
        let ended = match whose {
            Whose::Person(sub) => self.sessions.end_all(|session| session.any(|vouched| vouched.sub == *sub)),
            Whose::Upstream(name) if self.watch.member(name).is_none() => {
                return Err(UnknownConnector(name.clone()));
            }
            Whose::Upstream(name) => {
                self.sessions.end_all(|session| session.any(|vouched| vouched.identity.connector == *name))
            }
        };
        self.tell_ended(&ended).await;
        Ok(ended.len())
    }

    /// Health of every connector.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The decision log.
    pub fn decisions(&self) -> &DecisionLog {
        &self.decisions
    }

    /// The room's tasks: probes, one for each connector, roots that are found, and expiry. Each ends when `shutdown` is cancelled.
    pub fn tasks(self: &Arc<Self>, shutdown: CancellationToken) -> Vec<(String, BoxFuture<'static, ()>)> {
        let mut tasks = self.watch.tasks(&shutdown);
        tasks.extend(self.watch.heralds(&shutdown));
        tasks.extend(self.finding(&shutdown));
        let (login, until) = (Arc::clone(self), shutdown.clone());
        let expiry: BoxFuture<'static, ()> = Box::pin(async move {
            until.run_until_cancelled(login.sweep_for_ever()).await;
        });
        let (watch, until) = (Arc::clone(&self.watch), shutdown.clone());
        let looks: BoxFuture<'static, ()> = Box::pin(async move {
            until.run_until_cancelled(watch.keeper.run()).await;
        });
        let watch = Arc::clone(&self.watch);
        let rehearsal: BoxFuture<'static, ()> = Box::pin(async move {
            shutdown.run_until_cancelled(watch.rehearse_for_ever()).await;
        });
        let named = [("sessions", expiry), ("looks", looks), ("rehearsals", rehearsal)];
        tasks.extend(named.map(|(name, task)| (name.to_owned(), task)));
        tasks
    }

    pub(crate) fn mode(&self, name: &str) -> Option<Arc<dyn Mode>> {
        self.modes.load().get(name).cloned()
    }

    /// Whether some application may be told this attribute of a person who came through `via`.
    pub(crate) fn tells(&self, via: &str, name: &str) -> bool {
        self.modes.load().values().any(|mode| mode.tells(via, name))
    }

    /// Tells every mode that sessions ended.
    pub(crate) async fn tell_ended(&self, sessions: &[Session]) {
        let modes = self.modes.load_full();
        for handle in sessions.iter().flat_map(Session::handles) {
            for mode in modes.values() {
                mode.session_ended(&handle).await;
            }
        }
    }

    /// The frame of a page of this node.
    pub fn frame<'a>(&'a self, reference: Option<Reference<'a>>) -> Frame<'a> {
        Frame { node: &self.node, reference }
    }

    /// Clears away sessions and cached logins that have lived their time, and tells modes. [`Login::tasks`] does this
    /// every few seconds.
    pub async fn sweep(&self) {
        let ended = self.sessions.expire(ambient::now());
        self.tell_ended(&ended).await;
        self.crowds.sweep(ambient::now());
        self.cache.sweep();
    }

    async fn sweep_for_ever(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.sweep().await;
        }
    }
}

/// Configured paths become routes as they are; what the router would read as a pattern is left out and said.
fn routable(path: &str) -> bool {
    let plain = path.starts_with('/')
        && path.len() > 1
        && !path.contains("/:")
        && !path.contains("/*")
        && !path.contains(['{', '}']);
    if !plain {
        tracing::error!(
            path,
            "a configured path cannot be served; use letters, digits, `-`, `_`, `.` and `/`"
        );
    }
    plain
}

/// The headers of `response` stay, `crumbs` are added.
pub(crate) fn with_crumbs(mut response: Response, crumbs: Vec<crate::cookies::Crumb>) -> Response {
    for crumb in crumbs {
        crumb.drop_on(&mut response);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_the_router_would_read_as_a_pattern_is_not_served() {
        assert!(routable("/oidc/callback"));
        for pattern in ["/oidc/:id", "/*rest", "/{id}", "/", "relative"] {
            assert!(!routable(pattern), "{pattern}");
        }
    }
}
