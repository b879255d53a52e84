//! The switch: one thread that reads every region's TUN device, holds each packet for its way's delay, and writes it to
//! the region that it is for. It also refuses and resets, and measures how late it is itself.
//!
//! A change takes effect under the lock that every packet passes, when it enters and again when it would arrive: what was
//! under way on a cut link is gone, like on a cut cable.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::lateness::Counter;
use super::paths::{Chance, Fate, Paths};
use super::{addresses, packet, sys};
use crate::history::{LATE_PACKET, Lateness, Micros, now};

/// Most packets under way; more are dropped.
const MOST_PACKETS: usize = 50_000;
/// Most TCP connections followed for `reset`; the rest are not reset, only refused.
const MOST_CONNECTIONS: usize = 50_000;
/// Longest sleep, so that a stop is noticed.
const LONGEST_SLEEP: Micros = 50_000;

type End = ([u8; 4], u16);

/// The switch; dropping it stops its thread.
#[derive(Debug)]
pub struct Switch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    tuns: Vec<OwnedFd>,
    state: Mutex<State>,
    stop: AtomicBool,
    lateness: Counter,
}

#[derive(Debug)]
struct State {
    paths: Paths,
    chance: Chance,
    /// Last acknowledgement that an end sent, by (end, other end): where a RST to it must stand.
    expects: HashMap<(End, End), u32>,
}

struct Flying {
    due: Micros,
    number: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

impl Switch {
    /// Starts forwarding between the regions' TUN devices, in the order of the regions.
    ///
    /// # Errors
    /// When a device cannot be switched to non-blocking, or the thread not started.
    pub fn start(tuns: Vec<OwnedFd>, paths: Paths, seed: u64) -> io::Result<Self> {
        for tun in &tuns {
            fcntl(tun, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let state = State { paths, chance: Chance::new(seed), expects: HashMap::new() };
        let shared = Arc::new(Shared {
            tuns,
            state: Mutex::new(state),
            stop: AtomicBool::new(false),
            lateness: Counter::new(LATE_PACKET),
        });
        let runs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("switch".to_owned()).spawn(move || runs.forward())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Changes ways, and answers when the change had taken effect: no packet passes by the old state after that.
    pub fn change(&self, change: impl FnOnce(&mut Paths)) -> Micros {
        let mut state = self.shared.lock();
        change(&mut state.paths);
        now()
    }

    /// Resets every live TCP connection between two regions, at both ends.
    pub fn reset(&self, a: usize, b: usize) {
        let mut state = self.shared.lock();
        let within = |end: &End, other: &End| {
            let ends = (addresses::region_of(end.0), addresses::region_of(other.0));
            ends == (Some(a), Some(b)) || ends == (Some(b), Some(a))
        };
        let victims: Vec<_> = state
            .expects
            .iter()
            .filter(|((end, other), _)| within(end, other))
            .map(|(k, v)| (*k, *v))
            .collect();
        for ((end, other), sequence) in victims {
            if let Some(region) = addresses::region_of(end.0) {
                self.shared.deliver(region, &packet::reset(other, end, sequence, None));
            }
            state.expects.remove(&(end, other));
        }
    }

    /// How late packets were since this was asked last.
    pub fn lateness(&self) -> Lateness {
        self.shared.lateness.take()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the switch does not panic while it holds its state")
    }

    fn forward(&self) {
        sys::precedence();
        let _ = nix::sys::prctl::set_timerslack(1);
        let mut flying = BinaryHeap::new();
        let mut number = 0;
        let mut buffer = vec![0u8; 65_536];
        while !self.stop.load(Ordering::Relaxed) {
            let due = flying.peek().map(|Reverse(next): &Reverse<Flying>| next.due);
            for region in self.wait(due) {
                while let Ok(length) = nix::unistd::read(&self.tuns[region], &mut buffer) {
                    self.enter(region, &buffer[..length], &mut flying, &mut number);
                }
            }
            self.arrive(&mut flying);
        }
    }

    /// Waits for packets or until `due`; answers which regions have some.
    fn wait(&self, due: Option<Micros>) -> Vec<usize> {
        let sleep = due.map_or(LONGEST_SLEEP, |due| due.saturating_sub(now())).min(LONGEST_SLEEP);
        let timeout = TimeSpec::new(0, i64::try_from(sleep * 1_000).unwrap_or(0));
        let mut fds: Vec<_> =
            self.tuns.iter().map(|tun| PollFd::new(tun.as_fd(), PollFlags::POLLIN)).collect();
        match ppoll(&mut fds, Some(timeout), None) {
            Ok(1..) => (0..fds.len()).filter(|index| fds[*index].any().unwrap_or(false)).collect(),
            _ => Vec::new(),
        }
    }

    fn enter(&self, from: usize, bytes: &[u8], flying: &mut BinaryHeap<Reverse<Flying>>, number: &mut u64) {
        let Some((_, to)) = packet::ends(bytes) else { return };
        let router = Ipv4Addr::new(10, 64, u8::try_from(from + 1).unwrap_or(255), 254);
        let Some(to) = addresses::region_of(to) else { return };
        let fate = {
            let mut state = self.lock();
            let State { paths, chance, .. } = &mut *state;
            let fate = paths.send(from, to, bytes.len(), now(), &mut || chance.draw());
            state.follow(bytes);
            fate
        };
        match fate {
            Fate::Arrives(due) if flying.len() < MOST_PACKETS => {
                *number += 1;
                flying.push(Reverse(Flying { due, number: *number, from, to, bytes: bytes.to_vec() }));
            }
            Fate::Arrives(_) | Fate::Vanishes => {}
            Fate::Refused => {
                if let Some(answer) = packet::refusal(bytes, router) {
                    self.deliver(from, &answer);
                }
            }
            Fate::NoRoute => {
                if let Some(answer) = packet::unreachable(bytes, router, packet::Unreachable::NoRoute) {
                    self.deliver(from, &answer);
                }
            }
        }
    }

    fn arrive(&self, flying: &mut BinaryHeap<Reverse<Flying>>) {
        while let Some(Reverse(next)) = flying.peek() {
            let time = now();
            if next.due > time {
                return;
            }
            self.lateness.note(time - next.due);
            let Some(Reverse(packet)) = flying.pop() else { return };
            let mut state = self.lock();
            if state.paths.open(packet.from, packet.to) {
                self.deliver(packet.to, &packet.bytes);
            }
        }
    }

    /// Writes to a region's device; what it does not take is lost, as on a full queue.
    fn deliver(&self, region: usize, bytes: &[u8]) {
        if let Some(tun) = self.tuns.get(region) {
            let _ = nix::unistd::write(tun, bytes);
        }
    }
}

impl State {
    /// Remembers where each end of a connection stands, for `reset`.
    fn follow(&mut self, bytes: &[u8]) {
        let Some(segment) = packet::segment(bytes) else { return };
        let key = (segment.from, segment.to);
        if segment.reset {
            self.expects.remove(&key);
            self.expects.remove(&(segment.to, segment.from));
        } else if let Some(next) = segment.acknowledges
            && (self.expects.len() < MOST_CONNECTIONS || self.expects.contains_key(&key))
        {
            self.expects.insert(key, next);
        }
    }
}

impl PartialEq for Flying {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Flying {}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flying {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}
