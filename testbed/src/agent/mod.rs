//! The process that lives in one region's network namespace: its applications, its people, and the TCP probes that
//! check the faults. What a person's browser cannot reach from here, the person cannot reach, whatever a node can.
//!
//! Reads a [`spec::Spec`] and [`spec::Command`]s on standard input and writes the history's events on standard output.
//! Judges nothing. Ends when told to stop and everybody has finished, or at once when its input ends.

pub mod app;
pub mod browser;
pub mod chance;
pub mod chromium;
pub mod jar;
pub mod names;
pub mod page;
pub mod people;
pub mod person;
pub mod probe;
pub mod sign_out;
pub mod simulated;
pub mod spec;
pub mod visit;
pub mod wire;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::app::App;
use self::chromium::Chromium;
use self::people::Place;
use self::person::Patience;
use self::spec::{Command, Spec};
use self::wire::Wire;
use crate::history::{Event, ProcessChange, ProcessState, What};

/// Lives in the region until told to stop. 0: stopped as told; 2: the spec cannot be lived with, the last event says why.
pub fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(_) => return ExitCode::from(2),
    };
    let result = runtime.block_on(live(tokio::io::stdin(), tokio::io::stdout()));
    runtime.shutdown_background();
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// The same on any pair of streams.
pub async fn live<I, O>(input: I, output: O) -> Result<(), String>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin + Send + 'static,
{
    let (events, queue) = unbounded_channel();
    let mut writer = JoinSet::new();
    writer.spawn(write_events(queue, output));
    let mut lines = BufReader::new(input).lines();
    let result = region(&mut lines, &events).await;
    if let Err(problem) = &result {
        let _ = events.send(Event::now(What::Note { from: "people".to_owned(), text: problem.clone() }));
    }
    drop(events);
    while writer.join_next().await.is_some() {}
    result
}

async fn region<I: AsyncRead + Unpin>(
    lines: &mut Lines<BufReader<I>>,
    events: &UnboundedSender<Event>,
) -> Result<(), String> {
    let first = lines.next_line().await.map_err(|error| error.to_string())?.ok_or("no spec came")?;
    let spec: Spec =
        serde_json::from_str(&first).map_err(|error| format!("the spec cannot be read: {error}"))?;
    let wire = Wire::new(&spec.ca_pem)?;
    // Before anybody hears that this region is ready: a browser needs its time to start.
    let chromium = match &spec.chromium {
        Some(chromium) => Some(Chromium::start(chromium).await?),
        None => None,
    };
    let place = Arc::new(Place {
        region: spec.region.clone(),
        wire: wire.clone(),
        chromium,
        patience: Patience { page: Duration::from_micros(spec.patience_us), restarts: spec.restarts },
        events: events.clone(),
        stop: CancellationToken::new(),
    });
    let mut apps = JoinSet::new();
    for app in &spec.apps {
        let listening = App::bind(app.clone(), wire.of_program()).await?;
        apps.spawn(listening.serve());
        let running = ProcessChange {
            server: app.name.clone(),
            state: ProcessState::Running,
            began: crate::history::now(),
        };
        let _ = events.send(Event::now(What::Process(running)));
    }
    let mut tasks = JoinSet::new();
    probe::start(&spec, &place, &mut tasks);
    obey(lines, &spec, &place, &mut tasks).await
}

/// Does as told until everybody has finished; end of input cuts everything short.
async fn obey<I: AsyncRead + Unpin>(
    lines: &mut Lines<BufReader<I>>,
    spec: &Spec,
    place: &Arc<Place>,
    tasks: &mut JoinSet<()>,
) -> Result<(), String> {
    let mut round = place.stop.child_token();
    let ended = async {
        match &place.chromium {
            Some(chromium) => chromium.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(ended);
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return Ok(()) };
                match serde_json::from_str(&line).map_err(|error| format!("`{line}` is no command: {error}"))? {
                    Command::Begin(true) => {
                        round.cancel();
                        round = place.stop.child_token();
                        people::start(spec, place, &round, tasks);
                    }
                    Command::Stop(true) => place.stop.cancel(),
                    _ => {}
                }
            }
            () = &mut ended => return Err("Chromium has ended, and nobody told it to".to_owned()),
            ended = tasks.join_next(), if place.stop.is_cancelled() => {
                if ended.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

async fn write_events<O: AsyncWrite + Unpin>(mut queue: UnboundedReceiver<Event>, mut output: O) {
    while let Some(event) = queue.recv().await {
        let line = event.to_line() + "\n";
        if output.write_all(line.as_bytes()).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}
