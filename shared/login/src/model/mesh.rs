//! The mesh at one moment: the node's memory, the members, the browsers, what is in the air, and what an observer noticed
//! who sees everything.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use http::header;
use mangrove_continuity::{Health, HealthPolicy, Moment};
use url::Url;

use super::MEMBERS;
use super::desk::Entry;
use crate::Browser;
use crate::cookies::{Cookies, Crumb};

/// A place in the cache: shelf and key.
pub(crate) type Key = (&'static str, String);
/// What is in the cache.
pub(crate) type Shelves = BTreeMap<Key, Vec<u8>>;
/// All browsers.
pub(crate) type Browsers = BTreeMap<Who, Jar>;

/// Whose browser. Each types only their own password, and only into their own browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    Alice,
    Mallory,
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Mallory => "mallory",
        }
    }
}

/// A browser: its cookies, and who is signed in at the application in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Jar {
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) signed_in: Option<SignedInAs>,
}

/// A session, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SignedInAs {
    pub(crate) person: String,
    pub(crate) member: String,
    /// Where the browser was sent first.
    pub(crate) state: String,
}

/// A member: an identity provider that takes every code as often as it is shown. Real ones take it once; whoever leans on
/// that has no take-once of their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Idp {
    pub(crate) up: bool,
    pub(crate) codes: BTreeMap<String, Issued>,
}

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Issued {
    pub(crate) person: Who,
    pub(crate) request: AuthRequest,
}

/// An authorization request, as it stands in a browser's address bar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AuthRequest {
    pub(crate) member: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) challenge: String,
    /// In whose browser it was made.
    pub(crate) made_for: Who,
}

/// An answer, as it stands in a browser's address bar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Answered {
    /// Member whose redirect URL it is, and whose `iss` it carries.
    pub(crate) member: String,
    pub(crate) state: String,
    /// `code` or `error`, and its value.
    pub(crate) says: (&'static str, String),
}

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Asks {
    /// The application sent the browser.
    Start,
    /// A member did, or an attacker.
    Answer(Answered),
    /// A page of the node did, which has a login tried again.
    Again(String),
    /// An application presents a code of this node.
    Redeem(String),
}

/// A request under way at the node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) who: Who,
    pub(crate) asks: Asks,
    /// The cookies that came with it.
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) told: Vec<Entry>,
    /// It waits for its answer to be looked at.
    pub(crate) waits_for_a_look: bool,
}

/// How often what may still happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) starts_of_alice: u8,
    pub(crate) starts_of_mallory: u8,
    /// A browser has its open login tried again.
    pub(crate) agains: u8,
    /// A member dies or comes back.
    pub(crate) faults: u8,
    pub(crate) probes: u8,
    /// The node loses its memory.
    pub(crate) crashes: u8,
    /// The node gets too busy to look at answers, or has time again.
    pub(crate) floods: u8,
    /// A browser goes while its answer waits to be looked at.
    pub(crate) goes: u8,
    /// An answer is delivered again, to its own browser.
    pub(crate) repeats: u8,
    /// The attacker puts an answer together and has a browser of their choice deliver it.
    pub(crate) forgeries: u8,
    /// A code of this node is presented.
    pub(crate) redeems: u8,
    /// The attacker signs in, as themselves, at a request that they read in another browser's address bar.
    pub(crate) swaps: u8,
}

impl Left {
    /// Logins that a browser may still begin.
    pub(crate) fn starts_of(&mut self, who: Who) -> &mut u8 {
        match who {
            Who::Alice => &mut self.starts_of_alice,
            Who::Mallory => &mut self.starts_of_mallory,
        }
    }
}

/// What an observer noticed who sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    /// How often a member gave tokens for a code.
    pub(crate) traded: BTreeMap<String, u8>,
    /// How often somebody was signed in by a code, or an application got tokens for one of this node.
    pub(crate) accepted: BTreeMap<String, u8>,
    /// How often a login ended, with somebody signed in or with nobody.
    pub(crate) ended: BTreeMap<String, u8>,
    /// A sample said of a member what was not so.
    pub(crate) false_sample: Option<String>,
    /// A login was begun at another member although the first had always been well.
    pub(crate) sent_astray: bool,
    /// A login ended, and the log does not say whose fault it was, or says what cannot be.
    pub(crate) blame: Option<String>,
    /// Requests whose login's end was written down.
    pub(crate) blamed: BTreeSet<String>,
    /// Codes that this node issued.
    pub(crate) own_codes: BTreeSet<String>,
    /// Things that should be possible, and just happened.
    pub(crate) just_now: Option<Possible>,
    pub(crate) ever_down: BTreeSet<String>,
    pub(crate) forged: bool,
}

/// What should be possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Possible {
    SignedIn,
    SignedInAfterFailover,
    Waits,
    BringsAgain,
    TurnedAway,
    RefusedWithBlame,
    CodeRedeemed,
}

/// The mesh at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mesh {
    pub(crate) cache: Shelves,
    pub(crate) health: BTreeMap<String, Health>,
    pub(crate) idps: BTreeMap<String, Idp>,
    pub(crate) browsers: Browsers,
    /// Authorization requests that were ever in a browser.
    pub(crate) requests: BTreeSet<AuthRequest>,
    /// Answers that members gave, with the browser that was given it and how often that delivered it.
    pub(crate) answers: BTreeMap<(Who, Answered), u8>,
    pub(crate) runs: BTreeMap<String, Run>,
    /// Browsers come over another node, which knows members of its own.
    pub(crate) over_a_node: bool,
    /// Members vouch by what the browser carries, as with SAML: nobody is asked about it.
    pub(crate) vouched_by_hand: bool,
    /// The node has no time to look at answers.
    pub(crate) busy: bool,
    pub(crate) left: Left,
    pub(crate) seen: Seen,
}

impl Mesh {
    /// Everything is well, and nothing has happened.
    pub(crate) fn new(left: Left) -> Self {
        let idp = Idp { up: true, codes: BTreeMap::new() };
        Self {
            health: healths(),
            idps: MEMBERS.iter().map(|name| ((*name).to_owned(), idp.clone())).collect(),
            browsers: [Who::Alice, Who::Mallory].map(|who| (who, Jar::default())).into(),
            left,
            ..Self::default()
        }
    }

    /// The node loses its memory: logins, sessions, verdicts, and every request under way.
    pub(crate) fn crash(&mut self) {
        self.cache.clear();
        self.runs.clear();
        self.health = healths();
        self.browsers.values_mut().for_each(|jar| jar.signed_in = None);
    }
}

fn healths() -> BTreeMap<String, Health> {
    let fresh = || Health::new(HealthPolicy::default(), Moment::default());
    MEMBERS.iter().map(|name| ((*name).to_owned(), fresh())).collect()
}

impl Jar {
    /// The secret of the login cookie that belongs to a `state`.
    pub(crate) fn secret(&self, state: &str) -> Option<String> {
        secret(&self.cookies, state)
    }

    /// Takes in what a response sets and clears.
    pub(crate) fn eat(&mut self, crumbs: Vec<Crumb>) {
        let mut response = Response::default();
        for crumb in crumbs {
            crumb.drop_on(&mut response);
        }
        for line in response.headers().get_all(header::SET_COOKIE) {
            let (pair, attributes) = line.to_str().expect("text").split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a name and a value");
            self.cookies.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        self.cookies.sort();
    }
}

/// The secret in the login cookie that belongs to a `state`.
pub(crate) fn secret(sent: &[(String, String)], state: &str) -> Option<String> {
    cookies().login(&browser(sent), state).map(|cookie| cookie.secret.to_owned())
}

/// The node's cookies.
pub(crate) fn cookies() -> Cookies {
    Cookies::new(&Url::parse("https://node.example").expect("a URL"), "session")
}

/// A browser that sends these cookies.
pub(crate) fn browser(sent: &[(String, String)]) -> Browser {
    let mut browser = Browser::read(&http::HeaderMap::new(), None);
    browser.cookies = sent.to_vec();
    browser
}
