//! TCP connections tried from inside the region, so that the faults as the supervisor asked for them can be checked
//! against what packets meet.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::people::Place;
use super::spec::{ProbeSpec, Spec};
use crate::history::{self, Event, Probe, What};

/// No answer for so long is none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts the probes; they end with `stop`.
pub fn start(spec: &Spec, place: &Arc<Place>, tasks: &mut JoinSet<()>) {
    let interval = Duration::from_micros(spec.probe_interval_us.max(50_000));
    for target in &spec.probes {
        let (target, place) = (target.clone(), place.clone());
        tasks.spawn(async move { keep_trying(&target, &place, interval).await });
    }
}

async fn keep_trying(target: &ProbeSpec, place: &Place, interval: Duration) {
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = place.stop.cancelled() => return,
            () = sleep_until(next) => {}
        }
        let began = history::now();
        let connected = matches!(timeout(PATIENCE, TcpStream::connect(target.address)).await, Ok(Ok(_)));
        let probe = Probe { from: place.region.clone(), to: target.server.clone(), began, connected };
        let _ = place.events.send(Event::now(What::Probe(probe)));
        next = (next + interval).max(Instant::now());
    }
}
