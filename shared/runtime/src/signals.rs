//! What the outside tells the process: end, and end sooner.

use std::io::IsTerminal;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM: say 503 at the status endpoint, wait for the balancer, then stop.
    Drain,
    /// Ctrl-C on a terminal: somebody sits there; stop without waiting for a balancer.
    Stop,
}

/// The process's signals. A second one of any kind ends what the first began sooner.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    on_terminal: bool,
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            on_terminal: std::io::stdin().is_terminal(),
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Drain,
            _ = self.interrupt.recv() => if self.on_terminal { Asked::Stop } else { Asked::Drain },
        }
    }
}
