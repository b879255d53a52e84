//! The process with the people and applications of one region: it is this program once more, inside the region. It gets its
//! orders on its standard input and tells what happens on its standard output, both in lines of JSON.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;

use super::log::log_file;
use super::process::spawn;
use super::region::Region;
use crate::agent::spec::{Command as Order, Spec};
use crate::history::Event;

/// Its name among the logs of a region.
const PEOPLE: &str = "people";

/// The people of a region, for as long as this lives.
#[derive(Debug)]
pub struct Crowd {
    region: String,
    log: PathBuf,
    child: Child,
    orders: Option<ChildStdin>,
}

impl Crowd {
    /// Starts the process (`program` is this one) in its region; what it tells goes into `events`.
    ///
    /// # Errors
    /// When it cannot be started, or takes no orders.
    pub fn gather(
        program: &Path,
        spec: &Spec,
        region: &Region,
        logs: &Path,
        events: Sender<Event>,
    ) -> io::Result<Self> {
        let log = log_file(logs, &spec.region, PEOPLE)?;
        let mut command = Command::new(program);
        command.arg("agent").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = spawn(command, region)?;
        let mut orders = child.stdin.take();
        let line = serde_json::to_string(spec)?;
        if let Some(orders) = &mut orders {
            writeln!(orders, "{line}")?;
        }
        if let Some(out) = child.stdout.take() {
            std::thread::Builder::new().name(format!("hear-{}", spec.region)).spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if let Ok(event) = serde_json::from_str::<Event>(&line) {
                        let _ = events.send(event);
                    }
                }
            })?;
        }
        let log = logs.join(&spec.region).join(format!("{PEOPLE}.log"));
        Ok(Self { region: spec.region.clone(), log, child, orders })
    }

    /// Gives an order; a process that has ended hears none.
    pub fn tell(&mut self, order: &Order) {
        let line = serde_json::to_string(order).unwrap_or_default();
        if let Some(orders) = &mut self.orders {
            let _ = writeln!(orders, "{line}");
        }
    }

    /// Whether everybody has gone home.
    pub fn is_home(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The region and the last words of people who cannot go on.
    pub fn failed(&mut self) -> Option<(String, String)> {
        let status = self.child.try_wait().ok()??;
        let said = || std::fs::read_to_string(&self.log).unwrap_or_default();
        (!status.success()).then(|| (self.region.clone(), said()))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
