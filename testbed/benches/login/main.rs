//! `make bench`: what a single-sign-on login costs, held against what its signatures alone cost in the same run; what an
//! idle node weighs; how soon it answers. Figures are per second of the *server's* CPU, so the load and other work on
//! the machine do not count. Needs `mangrove-root` of the same profile (the Makefile builds it).

#![allow(clippy::print_stdout, reason = "the figures are what a bench is for")]

mod client;
mod node;
mod signatures;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use node::{Key, Node};

/// People at once.
const CLIENTS: usize = 8;
/// How long logins are counted.
const COUNTED: Duration = Duration::from_secs(8);

fn main() {
    println!("mangrove bench: {CLIENTS} clients, {} s each, decision log on, one node", COUNTED.as_secs());
    for key in [Key::Rsa, Key::Ec] {
        single_sign_on(key);
    }
    let starts = node::starts(5);
    println!("start to first /status        median {:>7.1} ms   (bound: 150 ms)", median(starts) * 1e3);
    match node::idle_memory() {
        Ok(bytes) => {
            println!("idle memory (PSS), tier 3 root {:>8.1} MB   (bound: 40 MB)", bytes as f64 / 1e6);
        }
        Err(why) => println!("idle memory not measured: {why}"),
    }
}

/// Authorize and token, with a session that is there already.
fn single_sign_on(key: Key) {
    let node = Node::start(key);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::signed_in(&node)).collect();
    for client in &mut clients {
        client.single_sign_on();
    }
    let ceiling = signatures::per_cpu_second(key) / 2.0;
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let before = node.cpu_seconds();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    client.single_sign_on();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while begun.elapsed() < COUNTED {
            std::thread::park_timeout(COUNTED.saturating_sub(begun.elapsed()));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let cpu = node.cpu_seconds() - before;
    let logins = done.into_inner() as f64;
    println!(
        "single-sign-on login, {key:?}: {:>7.0} /CPU s   ceiling (two signatures) {ceiling:>7.0} /CPU s   share {:.2}   \
         ({:.0} /s on the clock, {:.0} MB loaded)",
        logins / cpu,
        logins / cpu / ceiling,
        logins / begun.elapsed().as_secs_f64(),
        node.pss().unwrap_or_default() as f64 / 1e6,
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
