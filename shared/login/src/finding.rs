//! Roots that DNS finds, at run time: asks when the last answer ends, watches whoever is named, and gives members their seats.
//!
//! One task for each group that finds roots; the probes of found roots run inside it. A found root is watched from the moment it
//! is named and is nobody's choice before it has proved itself (its connector is not able until then). Which of them are
//! members, and where they stand, is [`crate::roster`]'s.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use mangrove_config::continuity::RootOrder;
use mangrove_connectors::dns::NoAddress;
use mangrove_connectors::{BuildError, Connector, Finder, Host, Services};
use mangrove_continuity::Moment;
use mangrove_keys::ambient;
use tokio_util::sync::CancellationToken;

use crate::Login;
use crate::plan::Member as Seated;
use crate::roster::{Place, Roster, Rules};

/// Least and most time from one question to the next, whatever an answer says of its life.
const SOONEST: Duration = Duration::from_secs(10);
const LATEST: Duration = Duration::from_secs(3_600);
/// The same after an answer that is none.
const AGAIN: Duration = Duration::from_secs(30);

/// Where roots come from. [`Finder`] is DNS; a test has its own.
pub trait Finds: Send + Sync {
    /// The group that they are found for.
    fn group(&self) -> &str;
    /// By what they are found, for an operator.
    fn by(&self) -> &str;
    /// The group's listed members, with the host at which each is.
    fn listed(&self) -> Vec<(String, Option<Host>)>;
    /// Where those stand that were found.
    fn order(&self) -> RootOrder;
    /// How many an answer may add.
    fn most(&self) -> usize;
    /// How long one that proved itself stays after the last answer that named it.
    fn keep(&self) -> Duration;
    /// Asks.
    ///
    /// # Errors
    /// There is no answer, or it names nobody because there is no such service.
    fn ask(&self) -> BoxFuture<'_, Result<Services, NoAddress>>;
    /// The connector of a host that was named.
    ///
    /// # Errors
    /// None can be made of it.
    fn connector(&self, host: &Host) -> Result<Arc<Connector>, BuildError>;
}

impl Finds for Finder {
    fn group(&self) -> &str {
        self.group()
    }

    fn by(&self) -> &str {
        self.srv()
    }

    fn listed(&self) -> Vec<(String, Option<Host>)> {
        self.listed().to_vec()
    }

    fn order(&self) -> RootOrder {
        self.order()
    }

    fn most(&self) -> usize {
        self.most()
    }

    fn keep(&self) -> Duration {
        self.keep()
    }

    fn ask(&self) -> BoxFuture<'_, Result<Services, NoAddress>> {
        Box::pin(self.ask())
    }

    fn connector(&self, host: &Host) -> Result<Arc<Connector>, BuildError> {
        self.connector(host)
    }
}

/// The roots of one group that are found.
struct Finding {
    login: Arc<Login>,
    source: Arc<dyn Finds>,
    rules: Rules,
    roster: Roster,
    connectors: BTreeMap<Host, Arc<Connector>>,
    /// The last question had no answer.
    silent: bool,
}

impl Login {
    /// Finds roots from now on; to be called before [`tasks`](Self::tasks).
    pub fn finds(&self, source: Arc<dyn Finds>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push(source);
    }

    /// One task for each group that finds roots.
    pub(crate) fn finding(
        self: &Arc<Self>,
        shutdown: &CancellationToken,
    ) -> Vec<(String, BoxFuture<'static, ()>)> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = sources.iter().map(|source| {
            let mut finding = Finding::of(Arc::clone(self), Arc::clone(source));
            let (title, shutdown) = (format!("finding roots for {}", source.group()), shutdown.clone());
            let task: BoxFuture<'static, ()> = Box::pin(async move {
                shutdown.run_until_cancelled(finding.for_ever()).await;
            });
            (title, task)
        });
        tasks.collect()
    }
}

impl Finding {
    fn of(login: Arc<Login>, source: Arc<dyn Finds>) -> Self {
        let rules = Rules {
            listed: source.listed(),
            order: source.order(),
            most: source.most(),
            keep: source.keep(),
        };
        Self { login, source, rules, roster: Roster::default(), connectors: BTreeMap::new(), silent: false }
    }

    async fn for_ever(&mut self) {
        let mut probes = FuturesUnordered::new();
        let mut pause = Duration::ZERO;
        loop {
            let source = Arc::clone(&self.source);
            let asking = async move {
                tokio::time::sleep(pause).await;
                source.ask().await
            };
            tokio::pin!(asking);
            let answer = loop {
                tokio::select! {
                    answer = &mut asking => break answer,
                    Some(()) = probes.next(), if !probes.is_empty() => {}
                }
            };
            let (next, new) = self.take_in(&answer, ambient::now());
            for connector in new {
                let watch = Arc::clone(&self.login.watch);
                probes.push(async move { watch.probe_while_watched(connector.name()).await });
            }
            pause = next;
        }
    }

    /// Takes in an answer, or that there is none. When to ask again, and whom to watch that is new.
    fn take_in(
        &mut self,
        answer: &Result<Services, NoAddress>,
        now: Moment,
    ) -> (Duration, Vec<Arc<Connector>>) {
        let (group, by) = (self.source.group(), self.source.by());
        let pause = match answer {
            Ok(services) => {
                if services.outside > 0 {
                    tracing::warn!(target: "security", group, by, hosts = services.outside, "DNS names hosts outside the suffix; they are left out");
                }
                let connectors = &self.connectors;
                let proven = |host: &Host| connectors.get(host).is_some_and(|known| known.is_proven());
                self.roster.answered(&self.rules, &services.hosts, proven, now);
                services.lives.clamp(SOONEST, LATEST)
            }
            Err(why) => {
                if !self.silent {
                    tracing::warn!(group, by, %why, "no roots are named; those that are known stay");
                }
                self.roster.ages(&self.rules, now);
                AGAIN
            }
        };
        self.silent = answer.is_err();
        let new = self.settle();
        let chance = f64::from(u16::from_be_bytes(ambient::random())) / 65_536.0;
        (pause.mul_f64(1.0 - chance / 10.0), new)
    }

    /// Makes connectors of new hosts, lets go of those that are gone, and gives the group its members.
    fn settle(&mut self) -> Vec<Arc<Connector>> {
        let (group, by) = (self.source.group().to_owned(), self.source.by().to_owned());
        let hosts: Vec<Host> = self.roster.found().cloned().collect();
        let mut new = Vec::new();
        for host in &hosts {
            if self.connectors.contains_key(host) {
                continue;
            }
            match self.source.connector(host) {
                Ok(connector) => {
                    tracing::info!(
                        group,
                        by,
                        connector = connector.name(),
                        "DNS names a root; it is asked to prove itself"
                    );
                    self.connectors.insert(host.clone(), Arc::clone(&connector));
                    new.push(connector);
                }
                Err(why) => tracing::warn!(group, by, %host, %why, "DNS names a root that cannot be used"),
            }
        }
        let gone: Vec<Host> = self.connectors.keys().filter(|host| !hosts.contains(host)).cloned().collect();
        let gone: Vec<Arc<Connector>> = gone.iter().filter_map(|host| self.connectors.remove(host)).collect();
        self.login.watch.add(&new, ambient::now());
        let places = self.roster.places(&self.rules);
        let members = places.into_iter().filter_map(|place| match place {
            Place::Listed(name) => Some(Seated::Listed(name)),
            Place::Found(host) => self.connectors.get(&host).cloned().map(Seated::Found),
        });
        self.login.seat_members(&group, members.collect());
        for connector in gone {
            tracing::info!(group, by, connector = connector.name(), "a root is named no more and leaves");
            self.login.watch.remove(&connector);
        }
        new
    }
}
