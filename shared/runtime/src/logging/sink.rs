//! The way out: a queue and a thread that writes to standard output, so that a reader who stops reading (a full disk, a
//! stuck pipe) costs log lines and never logins.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Takes lines.
pub(super) struct Sink {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// Writes what is left in the queue when dropped.
#[must_use]
pub struct Flush {
    queue: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Line(String),
    End,
}

pub(super) fn start() -> (Sink, Flush) {
    let (queue, lines) = sync_channel(MOST_WAITING);
    let lost = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&lost);
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || write_all(&lines, &seen));
    let sink = Sink { queue: queue.clone(), lost };
    (sink, Flush { queue, thread: thread.ok() })
}

impl Sink {
    pub(super) fn write(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Line(line)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // A reader that is stuck must not keep the process from ending: half a second, then what is left is lost.
        for _ in 0..50 {
            match self.queue.try_send(Message::End) {
                Err(TrySendError::Full(_)) => std::thread::sleep(Duration::from_millis(10)),
                _ => break,
            }
        }
        for _ in 0..50 {
            if thread.is_finished() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn write_all(lines: &Receiver<Message>, lost: &AtomicU64) {
    let mut out = std::io::BufWriter::with_capacity(64 * 1024, std::io::stdout());
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => drop(out.write_all(line.as_bytes())),
                Message::End => return drop(out.flush()),
            }
            next = lines.try_recv().ok();
        }
        let gone = lost.swap(0, Ordering::Relaxed);
        if gone > 0 {
            let _ = writeln!(
                out,
                "{{\"level\":\"error\",\"message\":\"log lines lost: nobody read them\",\"lines\":{gone}}}"
            );
        }
        let _ = out.flush();
    }
}

/// Lines in the queue; at some 300 bytes a line, a few megabytes.
const MOST_WAITING: usize = 8192;
