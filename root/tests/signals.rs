//! How a node ends, with the real binary and real signals.

mod lab;

use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::Lab;
use nix::sys::signal::Signal::{SIGINT, SIGTERM};

#[test]
fn sigterm_says_503_while_connections_are_still_accepted_and_then_ends_clean() {
    let mut node = Lab::new("  drainDelay: 700ms\n  gracePeriod: 2s\n").start();
    assert_eq!(node.get("/status").unwrap().0, 200);
    let began = Instant::now();
    node.signal(SIGTERM);
    node.wait_for("draining");
    assert_eq!(node.get("/status").unwrap().0, 503, "at once, on a new connection");
    assert_eq!(node.get("/nowhere").unwrap().0, 404, "everything else is served on");
    assert_eq!(node.end(), 0);
    assert!(
        began.elapsed() >= Duration::from_millis(650),
        "not before the drain delay: {:?}",
        began.elapsed()
    );
    assert_eq!(node.get("/status"), None, "nobody listens any more");
}

#[test]
fn a_second_signal_ends_it_sooner() {
    let mut node = Lab::new("  drainDelay: 60s\n  gracePeriod: 60s\n").start();
    // A connection that would be waited for.
    let _open = std::net::TcpStream::connect(node.address).unwrap();
    node.signal(SIGTERM);
    node.wait_for("draining");
    node.signal(SIGTERM);
    assert_eq!(node.end(), 0);
}

#[test]
fn ctrl_c_on_a_terminal_does_not_wait_for_a_balancer() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut node = Lab::new("  drainDelay: 60s\n").start_with(Stdio::from(terminal.slave));
    node.signal(SIGINT);
    node.wait_for("stopping");
    assert_eq!(node.end(), 0);
}

#[test]
fn sigint_without_a_terminal_drains_like_sigterm() {
    let mut node = Lab::new("  drainDelay: 100ms\n").start();
    node.signal(SIGINT);
    node.wait_for("draining");
    assert_eq!(node.end(), 0);
}
