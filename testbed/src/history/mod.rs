//! The history of a run: what happened, as JSON lines, on one clock. The supervisor writes what it did to the network
//! and to processes, each region's people write what they saw; verdict and report read nothing else. A history is
//! complete: [`Run`] on its first line describes the mesh, so that a file can be judged again later.
//!
//! Owns the event types, their form on disk, and the clock: `CLOCK_MONOTONIC` in microseconds, which every process on
//! the machine reads alike, in whichever network namespace. Knows nothing of how events come about or what they mean.

mod changes;
mod measured;
mod mesh;
mod people;
mod sign_outs;

use std::io::{self, BufRead, Write};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

pub use self::changes::*;
pub use self::measured::*;
pub use self::mesh::*;
pub use self::people::*;
pub use self::sign_outs::*;

/// Microseconds of `CLOCK_MONOTONIC`.
pub type Micros = u64;

/// Microseconds in a second.
pub const SECOND: Micros = 1_000_000;

/// Microseconds in a millisecond.
pub const MILLISECOND: Micros = 1_000;

/// A time in microseconds; what is longer than the clock can tell is as long as it can.
pub fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

/// What the clock says now.
pub fn now() -> Micros {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every kernel has CLOCK_MONOTONIC");
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or_default();
    seconds * SECOND + nanos / 1_000
}

/// Seconds since the Unix epoch, for the times inside tokens. Never used to order events.
#[expect(clippy::disallowed_methods, reason = "the testbed's one reader of the wall clock")]
pub fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, or when it was known to have taken effect.
    pub at: Micros,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// Everything that can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// First line: the mesh as it stands before anything happens to it.
    Run(Box<Run>),
    /// Everything is up and the people begin to sign in. The run's time line starts here.
    Begin,
    /// People begin anew, with the same seed; where a run has rounds with the time line and rounds without.
    Round(Round),
    /// One step of the time line, in the words of its file.
    Step(Step),
    /// The kernel has accepted a change of the path between two regions.
    Path(PathChange),
    /// A process changed its state.
    Process(ProcessChange),
    /// The DNS of a region answers otherwise from now on.
    Names(NamesChange),
    /// An identity provider does its work otherwise from now on.
    Idp(IdpChange),
    /// The clock of a node or IdP goes otherwise from now on.
    Clock(ClockChange),
    /// A person's browser asked its region's DNS for a name, and got an address.
    Named(Named),
    /// A TCP connection was tried from a region to a server, to check what the faults say.
    Probe(Probe),
    /// How late the machine was since the last such line.
    Machine {
        /// Packets that the switch delivered; late from [`LATE_PACKET`] on.
        packets: Lateness,
        /// Wake-ups of a thread that only sleeps; late from [`LATE_WAKE`] on.
        wakes: Lateness,
    },
    /// A node's opinion of one of its connectors changed.
    Health(HealthChange),
    /// An identity provider of the lab was given a wrong password.
    PasswordRefused(PasswordRefused),
    /// A person tried to sign in; written when the try has ended.
    Login(Box<Login>),
    /// A person with a session came back; written when the visit has ended.
    Visit(Box<Visit>),
    /// A person signed out; written when nothing more came of it.
    SignOut(Box<SignOut>),
    /// Something that a reader should know, without meaning for the verdict.
    Note {
        /// Who says so: a region, a node, `testbed`.
        from: String,
        /// What.
        text: String,
    },
    /// The last step is done and people were told to stop.
    End,
}

impl Event {
    /// An event that happens now.
    pub fn now(what: What) -> Self {
        Self { at: now(), what }
    }

    /// The event as one line, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("events have string keys only")
    }
}

/// Writes events as lines.
pub fn write(events: &[Event], mut to: impl Write) -> io::Result<()> {
    for event in events {
        writeln!(to, "{}", event.to_line())?;
    }
    to.flush()
}

/// Reads a history; the error names the line that is not one. Sorted by time, since regions write side by side.
pub fn read(from: impl BufRead) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for (number, line) in from.lines().enumerate() {
        let line = line.map_err(|error| format!("line {}: {error}", number + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        events.push(serde_json::from_str(&line).map_err(|error| format!("line {}: {error}", number + 1))?);
    }
    sort(&mut events);
    Ok(events)
}

/// Brings events into the order of their times; the description of the run stays first.
pub fn sort(events: &mut [Event]) {
    events.sort_by_key(|event| (!matches!(event.what, What::Run(_)), event.at));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Event {
        Event {
            at: 2_000_000,
            what: What::Login(Box::new(Login {
                person: "a-1".into(),
                app: "branch-app".into(),
                region: "branch-a".into(),
                start: 1_000_000,
                hops: vec![Hop {
                    start: 1_000_000,
                    took: 900,
                    method: "GET".into(),
                    url: "branch-app.mesh.test/".into(),
                    status: None,
                    error: Some(Trouble::Refused),
                    reference: None,
                }],
                acts: Acts::default(),
                seen: Seen::GaveUp { trouble: Trouble::Refused },
                who: None,
                login_id: None,
            })),
        }
    }

    #[test]
    fn an_event_is_one_flat_line_and_comes_back_as_it_was() {
        let line = login().to_line();
        assert!(line.starts_with(r#"{"at":2000000,"event":"login","person":"a-1""#), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), login());
    }

    #[test]
    fn a_history_is_read_in_the_order_of_time_whoever_wrote_first() {
        let late = Event { at: 9, what: What::End };
        let early = Event { at: 1, what: What::Begin };
        let run = Event { at: 5, what: What::Run(Box::default()) };
        let mut file = Vec::new();
        write(&[late.clone(), early.clone(), run.clone()], &mut file).unwrap();
        assert_eq!(read(file.as_slice()).unwrap(), [run, early, late]);
    }

    #[test]
    fn a_line_that_is_no_event_is_named_by_its_number() {
        let error = read("{\"at\":1,\"event\":\"begin\"}\n\n{\"at\":2}\n".as_bytes()).unwrap_err();
        assert!(error.starts_with("line 3:"), "{error}");
    }

    #[test]
    fn a_hop_knows_its_host_and_its_path() {
        let What::Login(mut login) = login().what else { unreachable!() };
        assert_eq!((login.hops[0].host(), login.hops[0].path()), ("branch-app.mesh.test", "/"));
        login.hops[0].url = "localhost:8443/a/b".into();
        assert_eq!((login.hops[0].host(), login.hops[0].path()), ("localhost", "/a/b"));
    }
}
