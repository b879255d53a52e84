//! A login's whole way, over several nodes, told from lines of their decision logs.
//!
//! Two nodes write the same reference of a hop: the sender with `to_ref`, the receiver with `from_ref`. The receiver's part
//! is told inside the sender's hop, whatever the clocks say; where a clock cannot be right, the story says so. Owns the order
//! of a story and its summary; the sentences come from the lines, and where lines come from is not known here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use crate::decisions::{Fault, Kind, Line};

/// Most hops that are followed up and down.
const DEEPEST: usize = 16;

/// Clocks that differ by less are not worth a word; milliseconds.
const TOLERATED: u64 = 10;

/// Lines by login, and how logins hang together.
pub struct Ways<'a> {
    logins: BTreeMap<&'a str, Vec<&'a Line>>,
    /// Logins that a hop brought.
    received: HashMap<&'a str, BTreeSet<&'a str>>,
    /// The login that sent a hop.
    sent: HashMap<&'a str, &'a str>,
}

/// How a way ended, for a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody vouched.
    SignedIn,
    /// It failed.
    Failed(Fault),
    /// It has not ended.
    Open,
}

/// A login's whole way in plain sentences, or nothing if no line knows it.
pub fn tell(lines: &[Line], login: &str) -> Option<Vec<String>> {
    Ways::new(lines).way(login).map(|way| way.story)
}

/// One login's whole way.
pub struct Way<'a> {
    /// In sentences.
    pub story: Vec<String>,
    /// The lines it was told from, in the order of the story.
    pub lines: Vec<&'a Line>,
}

impl<'a> Ways<'a> {
    /// Over the lines of any number of nodes, in any order.
    pub fn new(lines: &'a [Line]) -> Self {
        let mut ways = Self { logins: BTreeMap::new(), received: HashMap::new(), sent: HashMap::new() };
        for line in lines {
            ways.logins.entry(&line.login).or_default().push(line);
            if let Some(reference) = &line.from_ref {
                ways.received.entry(reference).or_default().insert(&line.login);
            }
            if let Some(reference) = &line.to_ref {
                ways.sent.insert(reference, &line.login);
            }
        }
        // One node's clock orders one login; the sort is stable, so a log's own order decides among equals.
        ways.logins.values_mut().for_each(|lines| lines.sort_by_key(|line| line.at));
        ways
    }

    /// Where the way begins that a login belongs to, as far as the lines know.
    pub fn top<'b>(&'b self, login: &'b str) -> &'b str {
        let mut top = login;
        for _ in 0..DEEPEST {
            let from =
                self.logins.get(top).and_then(|lines| lines.iter().find_map(|l| l.from_ref.as_deref()));
            match from.and_then(|reference| self.sent.get(reference)) {
                Some(sender) if *sender != login => top = sender,
                _ => break,
            }
        }
        top
    }

    /// The whole way that a login belongs to.
    pub fn way(&self, login: &str) -> Option<Way<'a>> {
        self.logins.get(login)?;
        let top = self.top(login);
        let first = self.logins.get(top)?.first()?;
        let mut teller = Teller {
            ways: self,
            wide: 0,
            told: BTreeSet::new(),
            story: Vec::new(),
            lines: Vec::new(),
            clocks: Vec::new(),
        };
        let nodes: BTreeSet<&str> = self.nodes_from(top);
        if nodes.len() > 1 {
            teller.wide = nodes.iter().map(|node| node.chars().count()).max().unwrap_or(0);
        }
        let day = date(first.at);
        teller.story.push(format!("Login {top} for the application {}, {day}, times in UTC.", first.app));
        teller.login(top, 0);
        let Teller { mut story, lines, clocks, .. } = teller;
        story.extend(clocks);
        Some(Way { story, lines })
    }

    fn nodes_from(&self, top: &'a str) -> BTreeSet<&'a str> {
        let (mut nodes, mut seen, mut ahead) = (BTreeSet::new(), BTreeSet::new(), vec![top]);
        while let Some(login) = ahead.pop() {
            if !seen.insert(login) || seen.len() > DEEPEST * DEEPEST {
                continue;
            }
            for line in self.logins.get(login).into_iter().flatten() {
                nodes.insert(line.node.as_str());
                let hop = line.to_ref.as_deref().and_then(|reference| self.received.get(reference));
                ahead.extend(hop.into_iter().flatten());
            }
        }
        nodes
    }

    /// Logins with which a way begins, oldest first, and how each ended.
    pub fn all(&self) -> Vec<(&'a Line, Outcome)> {
        let tops = self.logins.iter().filter(|(login, _)| self.top(login) == **login);
        let mut all: Vec<_> = tops.filter_map(|(_, lines)| Some((*lines.last()?, outcome(lines)))).collect();
        all.sort_by_key(|(line, _)| line.at);
        all
    }
}

/// How a login's lines end. One that was told that nobody is left has failed, although its page tries again.
fn outcome(lines: &[&Line]) -> Outcome {
    let end = lines.iter().rev().find(|line| line.is_end()).or(lines.last());
    match end {
        Some(line) if line.decision == Kind::SignedIn => Outcome::SignedIn,
        Some(line) if line.is_end() => Outcome::Failed(line.blame.unwrap_or(Fault::Node)),
        Some(line) if line.decision == Kind::Chosen && line.member.is_none() => {
            Outcome::Failed(Fault::Upstream)
        }
        _ => Outcome::Open,
    }
}

struct Teller<'a, 'b> {
    ways: &'b Ways<'a>,
    /// Width of a node's name; 0 where there is one node only.
    wide: usize,
    told: BTreeSet<&'a str>,
    story: Vec<String>,
    lines: Vec<&'a Line>,
    clocks: Vec<String>,
}

impl<'a> Teller<'a, '_> {
    fn login(&mut self, login: &str, deep: usize) {
        let Some((login, lines)) = self.ways.logins.get_key_value(login) else { return };
        if deep > DEEPEST || !self.told.insert(login) {
            return;
        }
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let same = lines[at..].iter().take_while(|other| repeats(line, other)).count().max(1);
            self.lines.extend(&lines[at..at + same]);
            self.line(line, same, deep);
            if let Some(reference) = &line.to_ref {
                self.hop(reference, line, lines.get(at + 1).copied(), deep);
            }
            at += same;
        }
        if let Some(last) = lines.last()
            && !lines.iter().any(|line| line.is_end())
        {
            self.story.push(format!("{}{}", self.margin(deep), open(last)));
        }
    }

    fn line(&mut self, line: &Line, same: usize, deep: usize) {
        let times = if same > 1 { format!(" ({same} times)") } else { String::new() };
        let mut text = String::new();
        if self.wide > 0 {
            let _ = write!(text, "{:wide$}  ", line.node, wide = self.wide);
        }
        let _ = write!(text, "{}  {}{}{times}", clock(line.at), "  ".repeat(deep), line.message);
        self.story.push(text);
    }

    /// Where a sentence begins that no node wrote.
    fn margin(&self, deep: usize) -> String {
        let node = if self.wide > 0 { self.wide + 2 } else { 0 };
        " ".repeat(if self.wide > 0 { node + 14 + 2 * deep } else { 0 })
    }

    /// What the nodes did that a hop brought the browser to.
    fn hop(&mut self, reference: &str, sent: &Line, back: Option<&Line>, deep: usize) {
        let Some(logins) = self.ways.received.get(reference) else { return };
        for login in logins {
            self.login(login, deep + 1);
            let Some(lines) = self.ways.logins.get(login) else { continue };
            if let (Some(first), Some(last)) = (lines.first(), lines.iter().find(|line| line.is_end())) {
                self.compare(sent, first, last, back);
            }
        }
    }

    /// The receiver cannot have begun before the browser was sent, nor ended after it was back.
    fn compare(&mut self, sent: &Line, first: &Line, last: &Line, back: Option<&Line>) {
        let behind = sent.at.saturating_sub(first.at);
        let ahead = back.map_or(0, |back| last.at.saturating_sub(back.at));
        let (by, word) = if behind >= ahead { (behind, "behind") } else { (ahead, "ahead of") };
        if by >= TOLERATED {
            #[allow(clippy::cast_precision_loss, reason = "seconds for a person")]
            let seconds = by as f64 / 1000.0;
            self.clocks.push(format!(
                "Clocks: that of {} is at least {seconds:.3} s {word} that of {}; set them right (NTP).",
                named(&first.node),
                named(&sent.node)
            ));
        }
    }
}

fn named(node: &str) -> &str {
    if node.is_empty() { "a node" } else { node }
}

/// The same again, with nothing in between: wrong passwords, most of the time.
fn repeats(line: &Line, other: &Line) -> bool {
    line.decision == other.decision
        && line.message == other.message
        && line.to_ref.is_none()
        && other.to_ref.is_none()
}

const AT_THE_PAGE: &str =
    "It has not ended: the person is at the page that tries again by itself, or went elsewhere.";

/// Where the person is, if the login has not ended.
fn open(last: &Line) -> String {
    let member = last.member.as_deref().unwrap_or("nobody");
    match last.decision {
        Kind::Sent => format!(
            "It has not ended: the person was sent to {member} and has not come back. Look there next, or at the person's own \
             way there; `why` with the logs of both nodes tells what happened there."
        ),
        Kind::PasswordAsked | Kind::WrongPassword | Kind::MadeToWait => {
            format!("It has not ended: the person is at the sign-in page of {member}, or went elsewhere.")
        }
        Kind::NotLookedAt => {
            format!(
                "It has not ended: the person's browser holds the answer of {member} and brings it again, or went elsewhere."
            )
        }
        Kind::Chosen if last.member.is_none() => AT_THE_PAGE.into(),
        Kind::NotAsked => AT_THE_PAGE.into(),
        _ => "It has not ended here: the person has not come back yet, or went elsewhere.".into(),
    }
}

/// The time of day with milliseconds, UTC.
pub(crate) fn clock(milliseconds: u64) -> String {
    utc(milliseconds, "%H:%M:%S%.3f")
}

/// The day and the time of day with milliseconds, UTC.
pub fn moment(milliseconds: u64) -> String {
    utc(milliseconds, "%Y-%m-%d %H:%M:%S%.3f")
}

fn date(milliseconds: u64) -> String {
    utc(milliseconds, "%Y-%m-%d")
}

fn utc(milliseconds: u64, layout: &str) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(chrono::DateTime::from_timestamp_millis);
    time.unwrap_or_default().format(layout).to_string()
}
